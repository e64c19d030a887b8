#!/bin/sh
# ring1 restore NAME FILE: a machine that runs is put back to where a snapshot of it was taken, or goes on as it was.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh
# shellcheck source=tests/system/snapshots.sh
. tests/system/snapshots.sh
TMPDIR=$scratch/aside
mkdir "$TMPDIR" "$scratch/disk,s"
export TMPDIR

# shellcheck disable=SC2046
set -- $(module_files "$kernel" virtio_pci virtio_blk)
load_order "$@" >"$scratch/root/order"
guest_archive "$scratch/archive" "$@"
initrd=$scratch/archive
truncate -s 1M "$scratch/disk,s/own" "$scratch/written"

info() { "$ring1" ls --json </dev/null | sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" | head -n 1; }
# guest TEXT: what it is told to do; it says done-N by the end of it
said_to=0
guest() {
	said_to=$((said_to + 1))
	hear box "$scratch/console.$said_to"
	tell box "$1; n=$said_to; echo done-\$n."
	appears "done-$said_to." "$scratch/console.$said_to" 60
}
answers() { tr -d '\r' <"$scratch/console.$said_to" | grep -qx -- "$1"; }

gone_process() { ! alive "$1"; }

# Its options are relative to where it was started.
shell_in() { (
	cd "$scratch" || exit
	"$OLDPWD/$ring1" run -n box --detach -k "$OLDPWD/$kernel" -i "$scratch/archive" -a quiet \
		--disk disk,,s/own,cow --balloon=0,deflate-on-oom=on --rng --cdrom written --console file:console.out "$@" </dev/null
); }
shell_in >"$out" 2>&1
hear box "$scratch/console.0"
check 'a machine with devices' appears 'type poweroff' "$scratch/console.0" 60
check '... which says how it would be restored' [ "$(printf '{"command":"info"}\n' |
	timeout 20 build/test/connect --shut "$XDG_RUNTIME_DIR/ring1/box.sock" |
	sed 's/.*"options":\(\[[^]]*\]\).*"directory":"\([^"]*\)".*/\1 \2/')" = \
	"[\"--disk=disk,,s/own,cow\",\"--balloon=0,deflate-on-oom=on\",\"--rng\",\"--cdrom=written\",\"--console=file:console.out\"] $scratch" ]
# shellcheck disable=SC2016
guest 'while read m f; do insmod /modules/$f; done </order; mknod /vda b $(tr : " " </sys/block/vda/dev)'
guest 'hand=41; (i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done) & echo before | dd of=/vda conv=notrunc 2>/dev/null; sync'
ring snapshot box "$scratch/snap"
check 'a snapshot of it' [ "$status" = 0 ]

for n in 1 2; do
	guest 'hand=7; echo after0 | dd of=/vda conv=notrunc 2>/dev/null; sync; echo 3 >/proc/sys/vm/drop_caches; dd if=/vda bs=7 count=1 2>/dev/null'
	check "$n: it goes on behind that, and writes to its disk" answers after0
	first=$(info pid)
	ring restore box "$scratch/snap"
	check "$n: put back: status 0, without a word" [ "$status" = 0 -a ! -s "$out" ]
	[ "$status" = 0 ] || show "$out"
	check "$n: it runs, by the same name and as other processes" [ "$(info name) $(info state)" = 'box running' -a "$(info pid)" != "$first" ]
	check "$n: the first is gone" gone_process "$first"
	check "$n: its memory is as it was, and its processes go on" goes_on box
	# shellcheck disable=SC2016
	guest 'echo 3 >/proc/sys/vm/drop_caches; echo hand-$hand; dd if=/vda bs=7 count=1 2>/dev/null'
	check "$n: and so is its disk" answers before
	check "$n: no file is left" [ -z "$(ls "$TMPDIR")" ]
done

# ---- what cannot be done ----

# stays WHAT REASON [also as the same processes]: it was refused, and the machine is as it was
mark=0
stays() {
	if [ "${3-}" ]; then
		check "$1: it was not ended" [ "$(info pid)" = "$machine" ]
	fi
	check "refused: $1" [ "$status" != 0 ]
	check "... because $2" says "$2"
	says "$2" || show "$out"
	# shellcheck disable=SC2016
	guest 'echo mark-$mark'
	check '... and the machine goes on as it was' answers "mark-$mark"
	check '... with no file left' [ -z "$(ls "$TMPDIR")" ]
}
mark_it() {
	mark=$((mark + 1))
	guest "mark=$mark"
	machine=$(info pid)
}
mark_it
ring restore box "$scratch/nothing"
stays 'a file that is not there' 'No such file' same
cp --sparse=always "$scratch/snap" "$scratch/edited"
"$edit" "$scratch/edited" memory-byte 1048576
ring restore box "$scratch/edited"
stays 'a damaged file' 'wrong checksum' same
for kind in 2 3 7 8 11; do # state of the CPU, the machine, annotations, a device, what was written to a disk
	cp --sparse=always "$scratch/snap" "$scratch/edited"
	"$edit" "$scratch/edited" section-byte $kind
	ring restore box "$scratch/edited"
	check "refused: damaged in section $kind, and the machine was not ended" [ "$status" = 2 -a "$(info pid)" = "$machine" ]
	check '... and why' says "checksum of section $kind is wrong"
done
ring restore box "$scratch/snap,sound"
stays 'a word that is none' "'sound' is none of" same
ring restore nobody "$scratch/snap"
check 'no such machine: status 5' [ "$status" = 5 ]

# Another machine's: with another memory, with other devices.
shell_machine plain -k "$kernel" -m 64M
ring snapshot --stop plain "$scratch/plain"
mark_it
ring restore box "$scratch/plain"
stays "another machine's file" "is another machine's, which had 64 MiB of memory" same
shell_machine plain -k "$kernel" --rng
ring snapshot --stop plain "$scratch/plain"
ring restore box "$scratch/plain"
stays "another machine's file" "is another machine's, which had 1 device: this one has 4" same
mark_it
printf x | dd of="$scratch/disk,s/own" bs=1 seek=100000 conv=notrunc 2>/dev/null
ring restore box "$scratch/snap"
stays 'a file that was taken with what a disk held then' 'is not what it was' same
ring pause box
ring restore box "$scratch/plain"
check 'one that is paused stays paused' [ "$(info state) $(info pid)" = "paused $machine" ]

# What is found out when the machine has ended, which then comes back: a file that was made up.
cp --sparse=always "$scratch/snap" "$scratch/edited"
"$edit" "$scratch/edited" annotation-pages 1
ring restore box "$scratch/edited,disks=changed"
check 'a made-up file: one that was paused comes back, paused' [ "$status $(info state)" = '2 paused' ]
check '... as other processes' [ "$(info pid)" != "$machine" ]
ring resume box
mark_it
ring restore box "$scratch/edited,disks=changed"
stays 'a made-up file' 'goes on from where it was'
check '... which says what was wrong' says 'annotations make no sense'
ring pause box
ring resume box
mark_it
ring restore box "$scratch/snap,disks=changed"
check 'with disks=changed it is put back' [ "$status" = 0 ]
check '... and goes on' goes_on box
ring stop --now box
check 'no machine is left' [ "$("$ring1" ls </dev/null | wc -l)" = 1 ]
wait
done_testing
