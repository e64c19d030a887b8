#!/bin/sh
# Snapshots: a guest at work goes on where one was taken; a file is there whole or not at all, and what is not sound is refused
# with the reason; clones.
# Time limit: 420 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh
# shellcheck source=tests/system/snapshots.sh
. tests/system/snapshots.sh
disk_archive

# ---- under load, with a disk, a source of random numbers and a console ----

rounds 3
rounds 1 --apic=off --userfaultfd=off

# ---- other machines: a shell that has something in its hand ----

shell_goes_on PAE -k "$kernel_pae"
shell_goes_on 'low memory moved, deferred delivery' -k "$kernel" --low-memory=moved --delivery=deferred
if vmi=$(vmi_kernel 2.6.32-up); then
	shell_goes_on VMI -k "$vmi"
else
	skip 'VMI: it goes on' "$vmi"
fi

# ---- a file for what follows; what it says ----

shell_machine plain -k "$kernel" -m 64M
ring snapshot plain "$scratch/plain"
check 'a machine goes on behind a snapshot' goes_on plain
check 'the file is for its owner alone' [ "$(stat -c %a "$scratch/plain")" = 600 ]
check 'the file has holes where memory has nothing' [ "$(du -k "$scratch/plain" | cut -f 1)" -lt "$(($(stat -c %s "$scratch/plain") / 1024))" ]
ring snapshot --show "$scratch/plain"
check '--show says what it has' sh -c "grep -q '64 MiB' '$out' && grep -q '^kernel  *6' '$out'"
ring snapshot --pause plain "$scratch/second"
ring ls
check '--pause leaves it paused' sh -c "grep -q 'plain.*paused' '$out'"
ring resume plain
check '... and it can be resumed' goes_on plain

# ---- damaged, cut off, foreign, unsound ----

# refused WHAT REASON FILE [OPTION]...
refused() {
	what=$1 reason=$2 file=$3
	shift 3
	limited 20 "$out" "$ring1" run --restore "$file" --console socket "$@"
	check "refused: $what" [ "$status $ended" = '2 itself' ]
	check "... because it $reason" says "$reason"
	says "$reason" || show "$out"
}
# edited WHAT REASON WORD [NUMBER]
edited() {
	what=$1 reason=$2
	shift 2
	cp --sparse=always "$scratch/plain" "$scratch/edited"
	"$edit" "$scratch/edited" "$@" || echo "# cannot edit: $*"
	refused "$what" "$reason" "$scratch/edited"
}
: >"$scratch/empty"
refused 'an empty file' 'is no snapshot' "$scratch/empty"
refused 'a directory' 'is no regular file' "$scratch"
refused 'a file that is not there' 'No such file' "$scratch/nothing"
head -c 100000 /dev/urandom >"$scratch/random"
refused 'random bytes' 'is no snapshot' "$scratch/random"
refused 'a kernel' 'is no snapshot' "$kernel"
size=$(stat -c %s "$scratch/plain")
for cut in 100 70000 $((size / 2)) $((size - 1)); do
	cp --sparse=always "$scratch/plain" "$scratch/edited"
	truncate -s "$cut" "$scratch/edited"
	refused "cut off at $cut" 'cut off' "$scratch/edited"
done
cp --sparse=always "$scratch/plain" "$scratch/edited"
printf x | dd of="$scratch/edited" bs=1 seek=100 conv=notrunc 2>/dev/null
refused 'a damaged header' 'checksum of its header' "$scratch/edited"
edited 'another version' 'of version 2' version
edited 'another build' 'another build' build
edited 'too much memory' 'makes no sense' ram 0x7fffffff000
edited 'no memory' 'makes no sense' ram 0
edited 'too many sections' 'makes no sense' sections 97
edited 'a damaged byte of memory' 'wrong checksum' memory-byte 1048576
for kind in 1 2 3 4 5 6 7; do
	edited "damaged section $kind" "checksum of section $kind" section-byte $kind
	edited "section $kind outside of the file" 'is not in the file' place $kind
	edited "section $kind too short" "section" length $kind
	edited "no section $kind" "section $kind is missing" missing $kind
done
edited 'features the host has not' 'a processor that this host has not' cpuid
edited 'too many leaves of CPUID' 'makes no sense' ncpuid 1000
edited 'another TSC' "this host's has" tsc
edited 'another extended state' 'not what this host has' xsave-size
edited 'too many devices' 'makes no sense' ndevices 1000
edited 'an extended state that XRSTOR refuses' 'extended state makes no sense' xsave 1
edited 'annotations that are none' 'annotations make no sense' annotations 1
edited 'pages of annotations that are none' 'annotations make no sense' annotation-pages 1
refused 'another amount of memory' 'had 64 MiB of memory' "$scratch/plain" -m 128M
refused 'a device that it has not' 'had 0 devices, and 1 is given' "$scratch/plain" --rng
refused 'a kernel beside it' 'do not go with it' "$scratch/plain" -k "$kernel"

# Registers of the machine that are nonsense, as a guest's may be: whatever becomes of the guest, main ends as it does otherwise.
for part in machine vcpu platform; do
	cp --sparse=always "$scratch/plain" "$scratch/edited"
	"$edit" "$scratch/edited" "$part" 1
	timeout -k $((20 * patience)) $((2 * patience)) "$ring1" run --restore "$scratch/edited" --console socket \
		</dev/null >"$out" 2>&1
	status=$?
	check "nonsense in $part: main is in order (status $status)" [ "$status" -le 4 -o "$status" = 124 ]
done

# ---- disks ----

# What waits in the rings when a snapshot is taken is done when the machine goes on, not while it stands. The disk's process is
# held while the guest fills its ring, so that it finds the snapshot's request beside the guest's.
truncate -s 64M "$scratch/written"
"$ring1" run -n writer --console "file:$scratch/heard" -k "$kernel" -i "$scratch/archive" \
	-a "ring1.init=/test quiet test.do=writes" --disk "$scratch/written" </dev/null >"$out" 2>&1 &
machine=$!
appears 'guest: writing' "$scratch/heard" 60
disk=
for pid in $(children "$machine"); do
	case $(cat "/proc/$pid/comm") in ring1:disk*) disk=$pid ;; esac
done
written() { stat -c %.Y "$scratch/written"; }
written_since() { [ "$(written)" != "$1" ]; }
still=0 went_on=0
for i in 1 2 3 4 5; do
	kill -STOP "$disk"
	sleep 0.1
	ring snapshot --pause writer "$scratch/standing" &
	sleep 0.3
	kill -CONT "$disk"
	wait $!
	was=$("$ring1" snapshot --show "$scratch/standing" | sed -n 's/.*last written at \([0-9.]*\).*/\1/p')
	sleep 0.2
	written_since "$was" || still=$((still + 1))
	ring resume writer
	within 60 written_since "$was" && went_on=$((went_on + 1))
done
check "nothing is written behind a snapshot before the machine goes on ($still of 5)" [ "$still" = 5 ]
check "... and then it is ($went_on of 5)" [ "$went_on" = 5 ]
# A back end that was let go and has not noticed yet has not answered what it is asked next; nor is a host's disk that takes long
# to write a reason to have no snapshot. Main goes on with other things meanwhile.
ring snapshot --pause writer "$scratch/standing"
kill -STOP "$disk"
ring resume writer
"$ring1" snapshot writer "$scratch/standing" </dev/null >"$scratch/slow" 2>&1 &
slow=$!
saving() { "$ring1" ls </dev/null | grep -q '^writer .* snapshot '; }
check "the machine answers while a disk holds its snapshot up" within 60 saving
sleep 6
check "... which waits, however long that takes" alive "$slow"
kill -CONT "$disk"
wait_for_end "$slow" 60
check "... and then it is there (status $status)" [ "$status $ended" = '0 itself' ]
[ "$status" = 0 ] || show "$scratch/slow"
ring stop --now writer
wait "$machine"
rm -f "$scratch/heard"

mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
ring run -n disk --detach -k "$kernel" -i "$scratch/archive" -a "ring1.init=/test quiet test.do=job" --disk "$scratch/disk,cow" --rng
hear disk "$scratch/heard"
two_rounds "$scratch/heard"
ring snapshot --stop disk "$scratch/cow"
check 'a snapshot with a disk of its own (cow)' [ "$status" = 0 ]
refused 'without its devices' 'had 2 devices, and 0 are given' "$scratch/cow"
refused 'in another order' 'is not the same kind' "$scratch/cow" --rng --disk "$scratch/disk,cow"
refused 'without cow' 'had a copy of its own' "$scratch/cow" --disk "$scratch/disk" --rng
truncate -s 32M "$scratch/smaller"
refused 'a disk of another size' 'is not what it was' "$scratch/cow" --disk "$scratch/smaller,cow" --rng
ring clone -n 2 --prefix twin "$scratch/cow" -- --disk "$scratch/disk,cow" --rng
check 'two clones, each with a copy: status 0' [ "$status $(tr '\n' ' ' <"$out")" = '0 twin-1 twin-2 ' ]
for twin in twin-1 twin-2; do
	hear $twin "$scratch/heard.$twin"
	check "$twin works on" two_rounds "$scratch/heard.$twin"
	check "$twin finds what was written before" [ "$(grep -c BAD "$scratch/heard.$twin")" = 0 ]
	ring stop --now $twin
done
rm -f "$scratch"/heard*
printf x | dd of="$scratch/disk" bs=1 seek=9000000 conv=notrunc 2>/dev/null
refused 'a disk that was written since' 'is not what it was' "$scratch/cow" --disk "$scratch/disk,cow" --rng
ring restore "$scratch/cow,disks=changed" -n changed --disk "$scratch/disk,cow" --rng
check '... unless the user says that it does not matter' [ "$status" = 0 ]
ring stop --now changed

# ---- clones ----

ring clone plain -n 3
check 'three clones of one that runs' [ "$status $(tr '\n' ' ' <"$out")" = '0 plain-1 plain-2 plain-3 ' ]
for n in 1 2 3; do
	check "plain-$n goes on" goes_on plain-$n
done
check '... and so does the first' goes_on plain
shared=$("$ring1" ls --json </dev/null | tr -d ' \n' | grep -o '"resident":[0-9]*' | sort -t : -k 2 -n | head -n 1 | cut -d : -f 2)
check "a clone has its own only of what it used ($((${shared:-0} >> 10)) KiB)" [ "${shared:-99999999}" -lt 33554432 ]
# A snapshot of a machine that has not touched all of its own.
ring snapshot --stop plain-1 "$scratch/again"
ring restore "$scratch/again" -n again
check 'a snapshot of a clone goes on' goes_on again
for n in plain-2 plain-3 again; do
	ring stop --now $n
done

# ---- a file is there whole or not at all ----

cp --sparse=always "$scratch/plain" "$scratch/target"
bad=0 replaced=0
for moment in 0 5 10 20 30 40 60 80 100 150; do
	"$ring1" snapshot plain "$scratch/target" </dev/null >/dev/null 2>&1 &
	writer=$!
	sleep "0.$(printf %03d "$moment")"
	kill -KILL $writer 2>/dev/null
	wait $writer 2>/dev/null
	ring snapshot --show "$scratch/target"
	[ "$status" = 0 ] || bad=$((bad + 1))
	cmp -s "$scratch/plain" "$scratch/target" || replaced=$((replaced + 1))
done
echo "# replaced from the ${replaced}th on of 10"
check 'kill -9 of who writes it: what had the name is whole' [ $bad = 0 ]
# Who gives the file its name lives on for the moment that it takes.
nothing_beside() { [ -z "$(find "$scratch" -maxdepth 1 -name '.target*')" ]; }
check '... and nothing lies beside it' within 60 nothing_beside
check '... and the machine goes on' goes_on plain
mkdir "$scratch/full"
ring snapshot plain "$scratch/none/file"
check 'a directory that is not there: status 2, with a word' [ "$status" = 2 ]
(
	ulimit -f 1000
	ring snapshot plain "$scratch/full/file"
	exec 3>"$scratch/full/said"
	echo "$status" >&3
	cat "$out" >&3
)
# What main may write is main's limit, not the client's.
check 'a limit of who asks is not the machine'"'"'s' grep -qx 0 "$scratch/full/said"
ring snapshot plain /dev/full
check 'a device is no file to write to' [ "$status" = 2 ]
check 'the machine goes on behind failures' goes_on plain

# ---- several who control it at a time ----

connect=build/test/connect
socket=$XDG_RUNTIME_DIR/ring1/plain.sock
printf '{"command":"snapshot"}\n' | timeout 20 "$connect" --shut "$socket" >"$out" 2>&1
check 'a snapshot without a file is refused' says 'must come with the request'
printf '{"command":"snapshot","arguments":{"then":"fly"}}\n' | timeout 20 "$connect" --shut "$socket" >"$out" 2>&1
check '... and one with an unknown argument' says 'bad-argument'
jobs=
for k in 1 2 3; do
	(
		n=0
		while [ $n -lt 8 ]; do
			"$ring1" snapshot plain "$scratch/race$k" </dev/null >>"$scratch/race.log" 2>&1
			n=$((n + 1))
		done
	) &
	jobs="$jobs $!"
	(
		n=0
		while [ $n -lt 15 ]; do
			"$ring1" pause plain </dev/null >>"$scratch/race.log" 2>&1
			"$ring1" resume plain </dev/null >>"$scratch/race.log" 2>&1
			n=$((n + 1))
		done
	) &
	jobs="$jobs $!"
done
for j in $jobs; do wait "$j"; done
ring resume plain
check 'snapshots, pauses and resumes from several sides: it goes on' goes_on plain
# One at a time: who comes second is told so, and may have been each time.
sound=
for k in 1 2 3; do
	[ -e "$scratch/race$k" ] || continue
	ring snapshot --show "$scratch/race$k"
	[ "$status" = 0 ] || sound=
	[ "$status" = 0 ] || break
	sound=$scratch/race$k
done
check '... and the files are sound' [ -n "$sound" ]
ring restore "$sound" -n raced
check '... and a machine goes on from it' goes_on raced
ring stop --now raced
# The machine ends while one is written.
"$ring1" snapshot plain "$scratch/late" </dev/null >"$scratch/late.log" 2>&1 &
writer=$!
ring stop --now plain
wait_for_end $writer 30
check 'a machine that is stopped meanwhile: who asked is not left waiting' [ "$ended" = itself ]
check '... and the file is whole or not there' sh -c "[ ! -e '$scratch/late' ] || '$ring1' snapshot --show '$scratch/late' >/dev/null"

check 'no machine is left' [ "$("$ring1" ls </dev/null | wc -l)" = 1 ]
wait
done_testing
