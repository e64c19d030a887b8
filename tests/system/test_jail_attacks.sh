#!/bin/sh
# A guest program in 64-bit mode has its cell and the machine state in its hands. It may ruin its own guest; main survives
# whatever it does, ends with a reason when the machine does, and leaves no process.
# Time limit: 400 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# Processes behind devices read the state, too.
truncate -s 1M "$scratch/disk"

# attack MODE SEED [ends]: sets status, ended, all. One that has its end in itself is waited for; what may go on for ever has
# a while.
attack() {
	"$ring1" run -k "$kernel" -i "$test_initrd" -a "ring1.init=/bin/hostile hostile.do=$1 hostile.seed=$2 quiet" \
		--disk "$scratch/disk" --rng </dev/null >"$scratch/out" 2>"$scratch/words" &
	main=$!
	# The attack's first line is in front of its first deed.
	appears "hostile: $1, seed" "$scratch/out" 20 || show "$scratch/out"
	all=$(family "$main")
	if [ "${3:-}" = ends ]; then wait_for_end "$main" 60; else end_after "$main" 4; fi
	# A log line of the cell's may be unfinished.
	tr '\r' '\n' <"$scratch/words" | sed 's/ring1: /\n&/g' >"$scratch/lines"
}
last_word() { tr -c '[:print:]\n' '?' <"$scratch/lines" | grep '^ring1: ' | tail -n 1 | cut -c 1-100; }
# A guest that merely runs on, or loops, after its state was ruined has harmed itself only: SIGTERM ends it then.
survived() {
	case $status in 0 | 1 | 4) [ "$ended" != kill ] ;; *) false ;; esac
}
named() {
	[ "$status" = 0 ] && [ "$ended" = itself ] && return # it powered off
	# Also just before the SIGTERM came.
	grep -aqE '^ring1: (internal error|guest|the guest (powered off|asked for a reset)|ended by signal)' "$scratch/lines"
}
# try MODE SEED [ends]
try() {
	attack "$@"
	what="$1 (seed $2)"
	check "$what: main survives, status $status, ended by $ended" survived
	check "$what: the reason is named: $(last_word)" named
	# shellcheck disable=SC2086 # one word a process
	check "$what: no process is left" all_gone 2 $all
	if ! survived || ! named; then show "$scratch/lines" 5 | tr -c '[:print:]\n' '?'; fi
}

try exit 1 ends
check "exit_group: the machine ends, status 4" [ "$status" = 4 ]
check "exit_group: the reason is the death of a cell" grep -aq 'cell.* died' "$scratch/words"
try sigreturn 1
for mode in unmap unmap-gate unmap-vcpu ldt pkru; do try $mode 1; done
try spin 1 ends
check "a program that spins in 64-bit mode is the guest's to kill" grep -aq 'exited with status 139' "$scratch/out"
for seed in 1 2; do
	for mode in machine slots self vcpu ram; do try $mode $seed; done
done
# What main itself reads.
for seed in 1 2 3; do
	for mode in talk talk-hard; do try $mode $seed; done
done
try stop 1 ends
# The state has been reached at all: the attack on it makes itself felt.
attack stop 7 ends
check "the test can tell: a stop written by the program stops the machine" [ "$status" = 4 ]

# What a cell has to say goes to the terminal of whoever runs the machine, as text.
attack log 1 ends
check "a cell's log has no control bytes for the terminal" \
	[ "$(tr -d '\n\r -~' <"$scratch/words" | wc -c)" = 0 ]
check "the test can tell: the log arrived" grep -aqF '2J' "$scratch/words"
done_testing
