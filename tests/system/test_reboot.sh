#!/bin/sh
# --reboot=restart: however Linux restarts a PC, the machine starts anew in the same main, and leaves nothing behind.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# boots N: the shell of the Nth boot is there
boots() {
	tenths=$(tenths_of 60)
	while [ "$(grep -ac 'type poweroff' "$scratch/console")" -lt "$1" ]; do
		[ $tenths -gt 0 ] && alive "$machine" || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}
starts_anew() { [ "$(tr -d '\r' <"$scratch/words" | grep -ac 'it starts anew')" = "$1" ]; }
holds() { # what main holds: file descriptors, mappings, threads, and the processes of its machine
	fds=$(find "/proc/$machine/fd" -mindepth 1 2>/dev/null | wc -l)
	maps=$(wc -l <"/proc/$machine/maps")
	threads=$(find "/proc/$machine/task" -mindepth 1 -maxdepth 1 | wc -l)
	echo "$fds descriptors, $maps mappings, $threads threads, $(family "$machine" | wc -l) processes"
}
number() { echo "$1" | cut -d ' ' -f "$2"; }

# The keyboard controller, port 0xcf9, the FADT's reset register, a triple fault.
for way in 'k keyboard controller' 'p port 0xcf9' 'a ACPI reset register' 't triple fault'; do
	name="reboot by ${way#* }"
	if ! start_machine --reboot=restart -a "quiet reboot=${way%% *}"; then
		not_ok "$name: starts"
		continue
	fi
	type_in 'reboot -f'
	check "$name: starts anew" boots 2
	check "$name: said so" starts_anew 1
	type_in 'poweroff -f'
	wait_for_end "$machine" 30
	exec 9>&-
	check "$name: the second guest powers off, status 0" [ "$status" = 0 -a "$ended" = itself ]
	[ "$status" = 0 ] || show "$scratch/words"
done

# Twenty times in a row.
if start_machine --reboot=restart; then
	n=1
	first=''
	while [ $n -le 20 ]; do
		type_in 'reboot -f'
		n=$((n + 1))
		boots $n || break
		[ $n != 3 ] || first=$(holds)
	done
	check "20 restarts: each boots to a shell ($((n - 1)))" [ $n = 21 ]
	check "20 restarts: each was said" starts_anew 20
	last=$(holds)
	echo "# after 2: $first; after 20: $last"
	for what in '1 descriptors' '3 mappings' '5 threads' '7 processes'; do
		check "20 restarts: no more ${what#* }" [ "$(number "$last" "${what%% *}")" -le "$(number "$first" "${what%% *}")" ]
	done
	all=$(family "$machine")
	kill -TERM "$machine"
	# shellcheck disable=SC2086
	check "20 restarts, then SIGTERM: no process is left" all_gone 2 $all
	wait_for_end "$machine" 1
	check "20 restarts, then SIGTERM: status 0" [ "$status" = 0 ]
	exec 9>&-
fi

# A panic is the end, though the kernel asks for a reset then.
start_machine --reboot=restart && type_in 'echo c >/proc/sysrq-trigger'
wait_for_end "$machine" 30
exec 9>&-
check "panic: no restart, status 1" [ "$status" = 1 -a "$ended" = itself ]

start_machine --reboot=exit && type_in 'reboot -f'
wait_for_end "$machine" 30
exec 9>&-
check "--reboot=exit: status 0" [ "$status" = 0 -a "$ended" = itself ]
check "--reboot=exit: said why" grep -aq 'asked for a reset' "$scratch/words"

$pty seconds=60 expect='type poweroff' send='reboot -f\r' expect='starts anew' expect='type poweroff' send='\001x' \
	-- "$ring1" run -k "$kernel" -i "$initrd" --reboot=restart -a quiet >"$scratch/tty" 2>&1
check "at a terminal: restarts, and Ctrl-A x still leaves" grep -aq '^pty: exit 0' "$scratch/tty"
check "at a terminal: it is put back" grep -aq '^pty: terminal restored' "$scratch/tty"
limited 10 "$scratch/words" "$ring1" run -k "$kernel" --reboot=never
check "--reboot=never: status 2" [ "$status" = 2 ]
done_testing
