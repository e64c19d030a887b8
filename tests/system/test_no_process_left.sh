#!/bin/sh
# However main, the nursery or a cell ends: within 2 s no process of the machine is left, and main, where it lives, has
# ended with a reason.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# ends NAME SIGNAL VICTIM: VICTIM is a function that prints one process id of $machine.
ends() {
	what=$1
	all=$(family "$machine")
	count=$(echo "$all" | wc -l)
	check "$what: there were main, the nursery and cells ($count processes)" [ "$count" -ge 4 ]
	kill -s "$2" "$("$3" "$machine")"
	# shellcheck disable=SC2086 # one word a process
	check "$what: no process is left" all_gone 2 $all
	wait_for_end "$machine" 1
	exec 9>&-
}
itself() { echo "$1"; }
a_cell() { cells_of "$1" | sed -n "${nth}p"; }
says() { tr -d '\r' <"$scratch/words" | grep -aqE -- "$1"; }
main_says() {
	check "$what: main ended by itself with status $1 (it was $status)" [ "$status" = "$1" -a "$ended" = itself ]
	check "$what: main names the reason" says "$2"
	says "$2" || show "$scratch/words"
}
# A guest that computes, so that its cell runs and does not sleep.
make_busy() {
	type_in 'while :; do :; done'
	sleep 0.5
}

start_machine && ends "kill -9 of main" KILL itself
start_machine && make_busy && ends "kill -9 of main, guest busy" KILL itself
start_machine && ends "kill -9 of the nursery" KILL nursery_of
main_says 4 '^ring1: .*(process that starts cells|nursery).* ended'
nth=1
start_machine && ends "kill -9 of the first cell" KILL a_cell
main_says 3 '^ring1: .*cell died .killed, perhaps because the host ran out of memory'
nth=2
start_machine && make_busy && ends "kill -9 of another cell, guest busy" KILL a_cell
main_says 3 '^ring1: .*cell died .killed, perhaps because the host ran out of memory'
start_machine && ends "SIGTERM to main" TERM itself
main_says 0 '^ring1: ended by signal 15'
start_machine && make_busy && ends "SIGTERM to main, guest busy" TERM itself
main_says 0 '^ring1: ended by signal 15'
start_machine && ends "SIGHUP to main" HUP itself
main_says 0 '^ring1: ended by signal 1 '
start_machine && ends "SIGSEGV to main" SEGV itself
check "SIGSEGV to main: it dies of it" [ "$status" = 139 ]

# Whoever stops a cell (a debugger, a freezer) has not killed it.
if start_machine; then
	nth=1
	cell=$(a_cell "$machine")
	all=$(family "$machine")
	kill -STOP "$cell"
	sleep 0.3
	kill -CONT "$cell"
	# shellcheck disable=SC2016 # for the guest's shell
	type_in 'echo $((6*7))x'
	check "a cell that is stopped and continued goes on" appears 42x "$scratch/console" 5
	appears 42x "$scratch/console" 1 || show "$scratch/words" 5
	kill -STOP "$cell"
	kill -TERM "$machine" 2>/dev/null
	# shellcheck disable=SC2086
	check "SIGTERM to main while a cell is stopped: no process is left" all_gone 2 $all
	stop_machine
fi
done_testing
