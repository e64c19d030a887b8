#!/bin/sh
# ring1 check says what a host lacks, and ring1 run ends with that reason where it cannot do without.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

deny=build/test/deny
has() { tr -d '\r' <"$scratch/out" | grep -qE -- "$1"; }
one_line() { [ "$(grep -c '^ring1:' "$scratch/out")" = 1 ]; }

limited 20 "$scratch/out" "$ring1" check
check "this host: status 0" [ "$status" = 0 ]
check "this host: guests can run" has '^Guests can run here'
check "this host: nothing is missing" [ "$(grep -c MISSING "$scratch/out")" = 0 ]
check "this host: cells were really started" has '^cells +good +16 confined processes in '
limited 20 "$scratch/out" "$ring1" check --json
check "JSON: status 0" [ "$status" = 0 ]
check "JSON: a verdict for each of at least 15 things" [ "$(grep -c '"verdict": "\(good\|less\|fact\)"' "$scratch/out")" -ge 15 ]

# lacks NAME ROW REASON COMMAND...: with the command before it, check ends with 3 and the row MISSING, run with 3 and one
# line that gives the reason.
lacks() {
	what=$1 row=$2 reason=$3
	shift 3
	limited 20 "$scratch/out" "$@" "$ring1" check
	check "$what: check ends with 3 (it was $status)" [ "$status" = 3 ]
	check "$what: check says so at '$row'" has "^$row +MISSING"
	limited 20 "$scratch/out" "$@" "$ring1" run -k "$kernel" -i "$initrd" -a quiet
	check "$what: run ends with 3 (it was $status)" [ "$status" = 3 -a "$ended" = itself ]
	check "$what: run names the reason, in one line" one_line
	check "$what: which is the right one" has "^ring1: .*$reason"
	has "^ring1: .*$reason" || show "$scratch/out"
}
lacks 'no modify_ldt' 'modify_ldt' 'modify_ldt.*not permitted' "$deny" modify_ldt
lacks 'no seccomp' 'seccomp' '(could not|cannot) confine itself' "$deny" seccomp
lacks 'no prctl' 'seccomp' 'no seccomp' "$deny" prctl
lacks 'no memfd_create' 'memfd' 'memfd_create' "$deny" memfd_create
lacks 'no process' 'cells' 'cannot start a process' "$deny" fork,clone,clone3
lacks 'no socketpair' 'cells' 'socket pair' "$deny" socketpair
lacks 'no execveat' 'cells' 'run the cell program' "$deny" execveat
limited 20 "$scratch/out" "$deny" execveat "$ring1" check
check "no execveat: check names the reason, too, however soon it asks" has '^cells +MISSING +cannot run the cell program'
lacks 'a filter that kills i386 calls' 'i386 system calls' 'filter around ring1' "$deny" i386
lacks 'few open files' 'resource limits' 'open files' \
	sh -c 'ulimit -n 16; exec "$@"' sh
lacks 'small address space' 'resource limits' 'memory' sh -c 'ulimit -v 400000; exec "$@"' sh
lacks 'small files' 'resource limits' 'shared memory.*File too large' sh -c 'ulimit -f 1000; exec "$@"' sh

# does_without NAME ROW COMMAND...
does_without() {
	what=$1 row=$2
	shift 2
	limited 20 "$scratch/out" "$@" "$ring1" check
	check "$what: check ends with 0 (it was $status)" [ "$status" = 0 ]
	check "$what: check says so at '$row'" has "^$row +less"
	limited 60 "$scratch/out" "$@" "$ring1" run -k "$kernel" -i "$initrd" -a "quiet ring1.init=true"
	check "$what: a guest runs (status $status)" [ "$status" = 0 -a "$ended" = itself ]
	check "$what: its program ran" has 'true exited with status 0'
}
does_without 'no userfaultfd' userfaultfd "$deny" userfaultfd
does_without 'no huge pages' 'huge pages' "$deny" madvise
does_without 'no Landlock' Landlock "$deny" landlock_create_ruleset
does_without 'one CPU' CPUs taskset -c 0
done_testing
