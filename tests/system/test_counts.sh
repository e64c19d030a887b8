#!/bin/sh
# Counting facts: what one system call, one page, one context switch costs in host signals and host calls. Each is the
# difference of two guests that do it a different number of times (guests/counts), so that booting does not count.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
skip_unless_fast ROM_SYSCALL ROM_IRET STUBS ROM_CALLS COMPARE INVLPG_ROWS WARM_CELLS NEW_CELLS GONE_SPACES AROUND UPGRADE PREFILL FSGSBASE

# The VMI calls, and the instructions that are rewritten without an exit, count themselves (calls); or not (exits).
counting=--count=exits
machine=
image=$kernel
arguments=

# measure MODE N FILE
measure() {
	# shellcheck disable=SC2086 # words
	limited 40 "$scratch/out" "$ring1" run -k "$image" -i "$test_initrd" \
		-a "ring1.init=/bin/counts counts.do=$1 counts.n=$2 quiet $arguments" --stats="$3" $counting $machine
	[ "$status" = 0 ] && grep -aq "counts: $1 $2 done" "$scratch/out" && return
	show "$scratch/out"
	not_ok "counts $1 $2 runs"
}
# compare MODE MORE: the guest does it no times, then MORE times.
compare() {
	more=$2
	measure "$1" 0 "$scratch/none.json"
	measure "$1" "$2" "$scratch/many.json"
}
# more_of NAME...: the sum of these counts for all MORE operations
more_of() {
	sum=0
	for name; do
		many=$(count "$scratch/many.json" "$name") none=$(count "$scratch/none.json" "$name")
		sum=$((sum + ${many:?no count of $name} - ${none:?no count of $name}))
	done
	echo "$sum"
}
exceptions='signal_segv signal_bus signal_fpe signal_ill signal_trap signal_sys'
# per_operation NAME LIMIT COUNT...: the limit in thousandths
per_operation() {
	what=$1 limit=$2
	shift 2
	sum=$(more_of "$@")
	check "$what: $sum for $more operations, at most $limit of 1000 wanted" [ $((sum * 1000)) -le $((limit * more)) ]
}
at_least() {
	sum=$(more_of "$3")
	check "$1: $sum for $more operations, at least $2 of 1000 wanted" [ $((sum * 1000)) -ge $(($2 * more)) ]
}

# shellcheck disable=SC2086 # words
{
	compare getppid 200000
	at_least "getppid: the calls have been made, through the ROM" 1000 syscall_rom
	per_operation "getppid: host signals" 10 $exceptions signal_kick
	per_operation "getppid: exits to the core" 20 exit_gate_site exit_gate_iret exit_gate_segment exit_gate_syscall
	per_operation "getppid: host calls" 10 host_mmap host_munmap host_mprotect host_modify_ldt host_futex

	# sched_yield takes and releases the run queue's lock: CLI and STI.
	compare yield 200000
	at_least "cli and sti: the calls have been made" 1000 syscall_rom
	per_operation "cli and sti: host exceptions" 1 $exceptions
	per_operation "cli and sti: trapping instructions" 1 exit_trap

	# 80 MiB; the guest kernel faults once for each page, so does the host.
	compare touch 20000
	at_least "first touch of a page: the faults have happened" 990 page_fault_user
	per_operation "first touch of a page: host exceptions" 1100 $exceptions
	per_operation "first touch of a page: page faults the guest does not see" 100 page_fault_hidden

	# High memory: the kernel maps each page to clear it, by one REP STOS, and takes it away again.
	machine=--memory=1500M
	compare scatter 20000
	at_least "high memory: pages are cleared through slots of their own" 990 invlpg
	at_least "high memory: without mapping them" 990 map_spared
	per_operation "high memory: host exceptions" 2100 $exceptions
	per_operation "high memory: page tables are not there" 1100 invlpg
	per_operation "high memory: mappings made" 1050 host_mmap
	per_operation "high memory: mappings dropped or changed" 100 host_munmap host_mprotect
	machine=

	# The second mprotect() allows the write before it is made, so nothing faults.
	compare protect 20000
	at_least "mprotect: the calls have been made" 2000 syscall_rom
	per_operation "mprotect to read-only and back, and a write: host exceptions" 10 $exceptions
	per_operation "mprotect to read-only and back, and a write: mappings changed" 2020 host_mmap host_munmap host_mprotect

	# Linux flushes so many pages by one INVLPG each: the first takes the others along.
	compare sixteen 2000
	at_least "sixteen pages: mapped, made read-only, and unmapped, the guest flushes each" 32000 invlpg
	per_operation "sixteen pages made read-only and writable again: mappings changed" 2100 host_mprotect
	per_operation "sixteen pages unmapped: runs unmapped" 1500 host_munmap
	per_operation "sixteen pages written twice: host exceptions" 17000 $exceptions

	# What an exiting process had mapped goes away in few calls, however scattered it was.
	compare fork 1000
	at_least "fork and exit: the processes have run" 2900 cr3_load
	# Two, and a third where the guest's scheduler runs somebody else in between, as it does in some boots.
	per_operation "fork and exit: hand-overs" 3100 cell_handover
	per_operation "fork and exit: runs unmapped" 4000 host_munmap
	per_operation "fork and exit: host exceptions" 17000 $exceptions

	# What a process is before it executes its program is gone soon, and needs no cell of its own.
	compare programs 100
	at_least "programs: they have all been there" 1900 cell_miss
	fresh=$(($(more_of cell_miss) - $(more_of cell_again)))
	check "programs: $fresh cells for $more" [ "$fresh" -le $((more * 5 / 4)) ]
	# Each has a cell that is new, whose kernel half is mapped before it runs.
	per_operation "programs: page faults the guest does not see" 8000 page_fault_hidden

	compare pipe 20000
	at_least "pipe round trip: two hand-overs between cells" 1950 cell_handover
	per_operation "pipe round trip: mappings made" 10 host_mmap
	per_operation "pipe round trip: mappings dropped or changed" 10 host_munmap host_mprotect
	per_operation "pipe round trip: LDT entries written" 10 host_modify_ldt
	per_operation "pipe round trip: host exceptions" 10 $exceptions
	per_operation "pipe round trip: address spaces no cell held" 1 cell_miss

	# Page-table isolation: each process has two sets of tables, and each set a cell of its own.
	image=$kernel_pae arguments=pti=on
	compare pipe 4000
	at_least "pipe round trip, isolated: hand-overs, to the kernel's tables and back, too" 5000 cell_handover
	per_operation "pipe round trip, isolated: address spaces no cell held" 10 cell_miss
	per_operation "pipe round trip, isolated: host exceptions" 100 $exceptions
	image=$kernel arguments=
}

check "instructions rewritten without an exit are not counted unless asked for" \
	grep -q '"sti": null' "$scratch/many.json"

counting=--count=calls
compare yield 100000
# The same work by the same code, now counted where it is executed.
at_least "cli and sti, counted: cli" 1000 cli
at_least "cli and sti, counted: sti" 1000 sti
at_least "a system call, counted: iret" 990 iret
per_operation "counting itself: host exceptions" 1 $exceptions

# Of the sensitive instructions that were executed, from the first one of the boot. The inlined ones (CLI, STI, PUSHF) are
# left out: the true share is higher.
all() { for name; do count "$scratch/many.json" "$name"; done | awk '{ n += $1 } END { print n + 0 }'; }
traps=$(all exit_trap)
calls=$(all exit_gate_site exit_gate_deliver exit_gate_iret exit_gate_segment exit_gate_syscall syscall_rom iret_user_rom \
	iret_kernel_rom segment_rom)
check "99 % of sensitive instructions went through calls: $calls calls, $traps traps" \
	[ "$calls" -gt 0 -a $((traps * 99)) -le "$calls" ]

# A boot writes thousands of jump labels and calls.
patches=$(count "$scratch/none.json" text_patch) changes=$(count "$scratch/none.json" cell_handover)
check "kernel text is written by one call each: $patches writes" [ "$patches" -gt 1000 ]
check "and not through another address space: $changes hand-overs" [ $((changes * 4)) -lt "$patches" ]

# With a kernel that speaks VMI the calls are counted, by number.
if vmi=$(vmi_kernel 2.6.32-up); then
	kernel=$vmi
	compare yield 100000
	per_call() { # CALL FIELD
		more_of_call=$(($(vmi_count "$scratch/many.json" "$1" "$2") - $(vmi_count "$scratch/none.json" "$1" "$2")))
	}
	for call in EnableInterrupts DisableInterrupts IRET; do
		per_call $call called
		check "VMI_$call is called for each system call: $more_of_call for $more" [ "$more_of_call" -ge "$more" ]
		per_call $call left_rom
		check "VMI_$call stays in the ROM: $more_of_call of $more left it" [ $((more_of_call * 100)) -le "$more" ]
	done
	check "VMI_GetRelocationInfo was asked for IRET" [ "$(vmi_count "$scratch/many.json" IRET asked)" -gt 0 ]
	check "and not for calls that Linux does not use" [ "$(vmi_count "$scratch/many.json" INB asked)" = 0 ]
	counting=--count=exits
	measure yield 1000 "$scratch/exits.json"
	check "VMI calls are not counted in the ROM unless asked for" \
		[ "$(vmi_count "$scratch/exits.json" IRET called)" = null ]
	check "but those that leave it are" [ "$(vmi_count "$scratch/exits.json" SetCR3 left_rom)" -gt 0 ]
else
	skip "VMI calls are counted" "$vmi"
fi
done_testing
