#!/bin/sh
# What main has given away while a guest runs: calls made from inside it, by a debugger, fail.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_machine || {
	not_ok "a guest boots"
	done_testing
	exit
}
status_is() { grep -q "^$1:[[:space:]]*$2\$" "$3/status"; }
check "no new privileges" status_is NoNewPrivs 1 "/proc/$machine"
for task in "/proc/$machine/task/"*; do
	check "thread $((threads = ${threads:-0} + 1)) of main: a system-call filter" status_is Seccomp 2 "$task"
done
check "main has the threads it should have" [ "$threads" = 3 ]

# try NAME RESULT NUMBER ARGUMENT...: make main do this system call; print what came back.
if [ -x build/test/inject ]; then
	what_main_gets() { build/test/inject "$machine" "$@" 2>/dev/null; }
	refused() {
		property=$1
		shift
		got=$(what_main_gets "$@")
		check "main $property (result ${got:-none})" [ "$got" = -1 -o "$got" = -13 ]
	}
	probe=$(what_main_gets getpid)
	if [ "$probe" = "$machine" ]; then
		refused "starts no process" fork
		refused "starts no program" execve /bin/true
		refused "opens no file" openat /etc/hostname
		refused "opens no socket" socket
		refused "traces nobody" ptrace
		refused "makes no memory executable" mmap-exec
		refused "makes no memory executable later" mprotect-exec
		refused "reads no other process" process_vm_readv
		refused "loads no filter program into the kernel" bpf
		refused "becomes nobody else" setuid
	else
		skip "calls from inside main" "the host allows no ptrace (result ${probe:-none})"
	fi
fi
type_in 'echo still" "there'
check "and the guest goes on" appears 'still there' "$scratch/console" 10
type_in 'poweroff -f'
wait_for_end "$machine" 30
check "and powers off, status 0" [ "$status" = 0 -a "$ended" = itself ]
done_testing
