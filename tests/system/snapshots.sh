# shellcheck shell=sh disable=SC2034,SC2154,SC2015,SC2016 # for the tests, and from lib.sh
# What the tests of snapshots share. Sourced behind lib.sh, modules.sh and disks.sh, which have a guest with a disk.
edit=build/test/snapshot_edit
out=$scratch/out

# ring SUBCOMMAND...: its output in $out, its status in $status
ring() {
	status=0
	timeout $((120 * patience)) "$ring1" "$@" </dev/null >"$out" 2>&1 || status=$?
}
says() { grep -aqF -- "$1" "$out"; }

# hear NAME FILE: what its console has shown, and shows until it ends, goes to FILE
hear() {
	: >"$2"
	timeout $((300 * patience)) "$ring1" console --watch "$1" </dev/null >"$2" 2>/dev/null &
	hearer=$!
}
# tell NAME LINE: typed at its console, whose echo says that it has come
tell() {
	printf '%s\n' "$2" | timeout $((60 * patience)) "$ring1" console --no-history "$1" >"$scratch/told" 2>&1 &
	teller=$!
	appears "$(printf %.12s "$2")" "$scratch/told" 30
	kill $teller 2>/dev/null
	wait $teller 2>/dev/null
}

# gone NAME: it has ended, or ends within a while
gone() {
	tenths=$(tenths_of 60)
	while "$ring1" monitor "$1" help </dev/null >/dev/null 2>&1; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# The guest: a job with checksums on a disk, in memory and in processes, and a program that waits at the console all the time.
cat >>"$scratch/root/test" <<'GUEST'
job() {
	mount -t ext4 /dev/vda /mnt || return
	dd if=/dev/urandom of=/seed bs=64k count=16 2>/dev/null
	sum=$(sha256sum </seed)
	cp /seed /mnt/first
	n=0
	(read -r line && echo "$line" >/told) </dev/console &
	while [ ! -e /told ]; do
		n=$((n + 1))
		cp /seed /mnt/copy$((n % 4))
		cp /seed /copy
		sync
		echo 3 >/proc/sys/vm/drop_caches
		[ "$(sha256sum </mnt/first)" = "$sum" ] || say "BAD: what was written at first, $n"
		[ "$(sha256sum </mnt/copy$((n % 4)))" = "$sum" ] || say "BAD: on the disk, $n"
		[ "$(cat /copy | sha256sum)" = "$sum" ] || say "BAD: in memory, $n"
		[ "$(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)" = 64 ] || say "BAD: random, $n"
		say "round $n ok"
	done
	umount /mnt
	say "told: $(cat /told)"
}
# Always more written than the disk has in hand.
writes() {
	say writing
	while :; do
		for i in 0 1 2 3 4 5 6 7; do
			dd if=/dev/zero of=/dev/vda bs=256k count=16 seek=$((i * 16)) oflag=direct 2>/dev/null &
		done
		wait
	done
}
GUEST

last_round() { tr -d '\r' <"$1" | sed -n 's/^guest: round \([0-9]*\) ok$/\1/p' | tail -n 1; }
first_round() { tr -d '\r' <"$1" | sed -n 's/^guest: round \([0-9]*\) ok$/\1/p' | head -n 1; }
# two_rounds FILE: at least two are in it
two_rounds() {
	tenths=$(tenths_of 60)
	until [ "$(tr -d '\r' <"$1" | grep -c '^guest: round .* ok$')" -ge 2 ]; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# rounds N [OPTION]...: a guest at work is stopped by a snapshot, and goes on from it, N times; then what it wrote is looked at
rounds() {
	n=$1
	shift
	mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
	ring run -n job --detach -k "$kernel" -i "$scratch/archive" -a "ring1.init=/test quiet panic_on_oops=0 test.do=job" \
		--disk "$scratch/disk" --rng "$@"
	hear job "$scratch/heard0"
	check "$*: a guest is at work" two_rounds "$scratch/heard0"
	misses=0 i=0
	while [ $i -lt "$n" ] && [ $misses = 0 ]; do
		ring snapshot --stop job "$scratch/job"
		[ "$status" = 0 ] || misses=$((misses + 1))
		# All that it has said.
		wait "$hearer"
		before=$(last_round "$scratch/heard$i")
		i=$((i + 1))
		ring restore "$scratch/job" -n job --disk "$scratch/disk" --rng
		[ "$status" = 0 ] || misses=$((misses + 1))
		hear job "$scratch/heard$i"
		two_rounds "$scratch/heard$i" || misses=$((misses + 1))
		now=$(first_round "$scratch/heard$i")
		# One may have been said to one half by either.
		[ "${now:-0}" -gt "${before:-0}" ] && [ "${now:-0}" -le $((${before:-0} + 2)) ] || {
			echo "# after round ${before:-?} came ${now:-?}"
			misses=$((misses + 1))
		}
		[ $misses = 0 ] || show "$out"
	done
	check "$*: stopped by a snapshot and restored, $i times: it goes on where it was" [ "$misses" = 0 ]
	tell job finish
	check "$*: it hears what is typed" appears 'told: finish' "$scratch/heard$i" 60
	check "$*: it ends" gone job
	check "$*: all checksums were right" [ "$(cat "$scratch"/heard* | grep -c BAD)" = 0 ]
	e2fsck -fn "$scratch/disk" >"$scratch/fsck" 2>&1
	check "$*: the file system is clean" [ $? = 0 ]
	check "$*: the guest's kernel has nothing to complain about" [ "$(cat "$scratch"/heard* | grep -c 'guest: complaints')" = 0 ]
	rm -f "$scratch"/heard*
}

# ---- other machines: a shell that has something in its hand ----

# shell_machine NAME [OPTION]...: one in the background, with a variable and a process
shell_machine() {
	name=$1
	shift
	ring run -n "$name" --detach -i "$initrd" -a quiet "$@"
	hear "$name" "$scratch/console.$name"
	appears 'type poweroff' "$scratch/console.$name" 30 || return
	tell "$name" 'hand=41; (i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done) & echo set-$((hand+1))'
	appears 'set-42' "$scratch/console.$name" 30
}
# goes_on NAME: it has both still. Whoever looks between two steps of the process finds its file empty.
goes_on() {
	hear "$1" "$scratch/console.$1"
	tell "$1" 'a= b=; until [ "$a" ]; do a=$(cat /count); done; until [ "${b:-0}" -gt "$a" ]; do sleep 0.1; b=$(cat /count); done; echo hand-$((hand+2))-counts'
	appears 'hand-43-counts' "$scratch/console.$1" 30
}
# shell_goes_on WHAT [OPTION]...
shell_goes_on() {
	what=$1
	shift
	shell_machine shell "$@"
	ring snapshot --stop shell "$scratch/shell"
	check "$what: a snapshot: status 0" [ "$status" = 0 ]
	ring restore "$scratch/shell" -n shell
	check "$what: restored: status 0, and its name is printed" [ "$status $(cat "$out")" = '0 shell' ]
	check "$what: it goes on" goes_on shell
	ring stop --now shell
}
