#!/bin/sh
# Memory that runs out: in the guest, where its kernel kills a program and goes on; and on the host, which ends the machine
# with that reason. And memory that the guest does not touch, which the host never has to give.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

mib=$((1024 * 1024))
reason='ring1: the host has no memory left'

# ---- the guest's ----

shell_does 'tail /dev/zero; tail /dev/zero; echo survived $((6 * 7)); poweroff -f' -m 128M
check "the guest's kernel kills the program that eats its memory" grep -aqi 'killed' "$scratch/console"
check "the guest goes on" grep -aq 'survived 42' "$scratch/console"
check "and powers off with status 0" [ "$status" = 0 -a "$ended" = itself ]
[ "$status" = 0 ] || show "$scratch/console"

# ---- the host's ----

# short BYTES: a guest of 256 MiB that uses 200 of it, when the host has only so much.
short() {
	SHORT_MEMORY_OF=$((256 * mib)) SHORT_MEMORY_TO=$1 LD_PRELOAD=build/test/short_memory.so limited 60 "$scratch/out" \
		"$ring1" run -k "$kernel" -i "$test_initrd" -m 256M -a "ring1.init=/bin/counts counts.do=touch counts.n=40000 quiet"
}
# ends_well NAME
ends_well() {
	check "$1: ring1 says so" grep -aq "^$reason" "$scratch/out"
	check "$1: status 3" [ "$status" = 3 -a "$ended" = itself ]
	[ "$status" = 3 ] || show "$scratch/out"
}
short $((256 * mib))
check "the test can tell: with enough memory the guest ends with status 0" [ "$status" = 0 ]
short $((140 * mib))
ends_well "no memory for a page of a program"
short $((40 * mib))
ends_well "no memory for a page of the kernel"
short $((4 * mib))
ends_well "no memory to load the kernel into"

# A real limit, where the tests may set one: the host kills a process.
group=/sys/fs/cgroup/memory/ring1-test.$$
if mkdir "$group" 2>/dev/null && echo $((120 * mib)) >"$group/memory.limit_in_bytes" 2>/dev/null; then
	# shellcheck disable=SC2016 # for the inner shell
	limited 60 "$scratch/out" sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$ring1" run -k "$kernel" \
		-i "$test_initrd" -m 256M -a "ring1.init=/bin/counts counts.do=touch counts.n=40000 quiet"
	check "a memory limit of the host: main is left to say that it has been met" \
		grep -aqE '^ring1: .*(a cell died \(killed|the process that starts cells ended)' "$scratch/out"
	check "a memory limit of the host: an end of its own" [ "$ended" = itself -a "$status" = 3 ]
	show "$scratch/out" 5
	# The list of processes is empty a moment before the host takes the last of them for gone (EBUSY).
	no_group() { rmdir "$group" 2>/dev/null; }
	check "a memory limit of the host: no process is left" within 60 no_group
else
	rmdir "$group" 2>/dev/null
	skip "a memory limit of the host" "may not make a memory cgroup (version 1)"
fi

# ---- what is not touched ----

if start_machine -m 3G; then
	for fd in "/proc/$machine"/fd/*; do
		case $(readlink "$fd") in *ring1-ram*) blocks=$(stat -L -c %b "$fd") ;; esac
	done
	resident=$((${blocks:?no file of guest memory} / 2048))
	check "an idle guest of 3 GiB has $resident MiB of the host's memory, less than 300" [ "$resident" -lt 300 ]
	type_in 'poweroff -f'
	wait_for_end "$machine" 30
	exec 9>&-
fi
done_testing
