# shellcheck shell=sh
# shellcheck disable=SC2016,SC2154 # the guest's shell expands; lib.sh assigns
# Main is killed by SIGKILL at random moments while a guest writes and calls fsync. Sourced behind lib.sh, modules.sh and
# disks.sh.

# In /f, files of a content that follows from their names, each fsynced before it is acknowledged on the console; /last is
# overwritten in place each time. Those of the last 500 are kept: the disk has room for more, but not for all.
KEPT=500
cat >>"$scratch/root/test" <<'GUEST'
crash() {
	mount -t ext4 /dev/vda /mnt || return
	mkdir -p /mnt/f
	i=$(($(argument first)))
	for file in /mnt/f/*; do
		[ "${file##*/}" = '*' ] || [ "${file##*/}" -gt $((i - $(argument kept))) ] || rm "$file"
	done
	say "writing"
	while :; do
		yes $i | head -c $((i * 997 % 60000 + 1)) | dd of=/mnt/f/$i bs=64k conv=fsync iflag=fullblock 2>/dev/null || say "failed at $i"
		printf '%09d' $i | dd of=/mnt/last conv=notrunc,fsync 2>/dev/null || say "failed at $i"
		say "acked $i"
		i=$((i + 1))
	done
}
GUEST

# crash_rounds N [OPTION]...
crash_rounds() {
	rounds=$1
	shift
	disk_archive
	mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
	first=1 round=0 acked=0
	: >"$scratch/acked"
	while [ $round -lt "$rounds" ]; do
		round=$((round + 1))
		"$ring1" run -k "$kernel" -i "$scratch/archive" -a "ring1.init=/test quiet test.do=crash test.first=$first test.kept=$KEPT" \
			--disk "$scratch/disk" "$@" </dev/null >"$scratch/console" 2>&1 &
		machine=$!
		if ! appears 'guest: acked' "$scratch/console" 30; then
			not_ok "round $round: the guest writes"
			show "$scratch/console"
			kill -KILL $machine
			break
		fi
		members=$(family $machine)
		sleep "$(od -A n -t u1 -N 1 /dev/urandom | awk '{ print $1 / 256 * 1.5 }')"
		kill -KILL $machine
		wait $machine 2>/dev/null
		# shellcheck disable=SC2086 # words
		all_gone 5 $members || not_ok "round $round: no process is left"
		# Up to the carriage return: the last line may be cut, within its number as well.
		last=$(tr '\r' . <"$scratch/console" | sed -n 's/^guest: acked \([0-9]*\)[.]$/\1/p' | tail -n 1)
		# Killed in the middle of the first line: nothing was acknowledged to us.
		last=${last:-$((first - 1))}
		acked=$((acked + last - first + 1))
		[ "$last" -lt $first ] || seq $first "$last" >>"$scratch/acked"
		recovered
		first=$((last + 2))
	done
	check "$rounds kills, $acked acknowledged writes (of at least $rounds)" [ $round = "$rounds" -a $acked -ge "$rounds" ]
}

# After each: the journal is replayed, nothing is to repair, and what was acknowledged, in this round and those before, is there.
recovered() {
	e2fsck -fp "$scratch/disk" >"$scratch/fsck" 2>&1
	replayed=$?
	e2fsck -fn "$scratch/disk" >>"$scratch/fsck" 2>&1
	clean=$?
	rm -rf "$scratch/dump"
	mkdir "$scratch/dump"
	debugfs -R "rdump /f $scratch/dump" "$scratch/disk" >/dev/null 2>&1
	debugfs -R 'cat /last' "$scratch/disk" >"$scratch/last" 2>/dev/null
	wrong=
	for i in $(awk -v from=$((first - KEPT)) '$1 > from' "$scratch/acked"); do
		yes $i | head -c $((i * 997 % 60000 + 1)) | cmp -s - "$scratch/dump/f/$i" || wrong="$wrong $i"
	done
	number=$(sed 's/^0*//' "$scratch/last")
	if [ $replayed -gt 1 ] || [ $clean -ne 0 ] || [ -n "$wrong" ] || { [ "$last" -ge $first ] && [ "${number:-0}" -lt "$last" ]; } ||
		grep -q 'guest: failed' "$scratch/console"; then
		not_ok "round $round: all that was acknowledged ($first to $last) is there, the file system clean"
		echo "# e2fsck: $replayed, $clean; wrong files:$wrong; last: $number"
		show "$scratch/fsck"
	fi
}
