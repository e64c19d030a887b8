/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fast paths: each does what a slower, more general path does as well, and has that as its
 * specification. `make SLOW=1` leaves them all out, so that every test can be run against the
 * specification (tests/README.md); `make SLOW="ROM_IRET WINDOWS"` leaves out those. In a usual
 * build fast() is the constant true.
 *
 * What each saves, measured, stands in docs/performance.md. Not here: rewriting the guest's
 * instructions at all, whose specification is their trap, and whose switch is --traps-only.
 */
#ifndef RING1_FAST_H
#define RING1_FAST_H

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, what it does): in the order of docs/performance.md. */
#define FAST_PATHS(X)                                                                              \
	X(ROM_SYSCALL, "system calls of the vDSO enter the kernel in 32-bit code")                 \
	X(ROM_IRET, "an ordinary IRET ends in 32-bit code")                                        \
	X(STUBS, "interrupt flag, segment registers and reads of CRn in 32-bit code")              \
	X(ROM_CALLS, "short VMI calls end in the ROM")                                             \
	X(TEXT_PATCH, "the kernel's writes to its own text are one exit each")                     \
	X(COMPARE, "a load of CR3 and INVLPG compare, and drop what changed")                      \
	X(INVLPG_ROWS, "an INVLPG takes along what changed in the same way behind its page")       \
	X(WARM_CELLS, "a cell keeps its mappings while others run")                                \
	X(NEW_CELLS, "a new cell maps what the others need of the kernel half")                    \
	X(GONE_SPACES, "a new address space takes over the cell of one that is gone")              \
	X(AROUND, "a page that is mapped brings neighbours along")                                 \
	X(UPGRADE, "rights of mapped pages are changed where they are")                            \
	X(PREFILL, "a page the guest's handler installs is mapped on its return")                  \
	X(STRINGS, "pages are cleared and copied in the core that are mapped for nothing else")    \
	X(HUGE_PAGES, "guest memory is put into the host's pages of 2 MiB")                        \
	X(WINDOWS, "pages touched in order are installed by userfaultfd")                          \
	X(KEEP_SEGMENTS, "an exit loads segment registers only when they are to change")           \
	X(SAME_AREA, "a thread area that is loaded already is not loaded again")                   \
	X(FSGSBASE, "bases of thread areas are registers, not descriptors")                        \
	X(LATE_EOI, "an interrupt of the local APIC is ended in memory")                           \
	X(TSC_DEADLINE, "the local APIC's timer is set by one MSR")                                \
	X(IDLE_TICK, "main does not hear of deadlines while a tick wakes an idle guest")           \
	X(QUICK_DECODE, "common instructions are measured without the decoder")

enum fast_path {
#define X(name, text) FAST_##name,
	FAST_PATHS(X)
#undef X
	    FAST_COUNT
};

/* A bit for each path that is left out. */
#ifndef RING1_SLOW
#define RING1_SLOW 0u
#endif

/** fast - is this path taken? A constant. */
static inline bool fast(enum fast_path path)
{
	return !(RING1_SLOW >> path & 1);
}

#endif
