/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What --trace records: a ring in the machine state, written by the core, drained by main, which
 * believes none of it.
 */
#ifndef RING1_TRACE_H
#define RING1_TRACE_H

#include <stdint.h>

/* Groups that can be asked for: name, and what it is. */
#define TRACE_GROUPS(X)                                                                            \
	X(exits, "from the guest's code to the core, and how long until it went on")               \
	X(interrupts, "delivered to the guest")                                                    \
	X(vmi, "VMI calls that left the ROM")                                                      \
	X(faults, "exceptions delivered to the guest")                                             \
	X(switches, "loads of CR3")                                                                \
	X(io, "accesses to ports, and to the APICs' registers")

enum trace_group {
#define X(name, text) TRACE_##name,
	TRACE_GROUPS(X)
#undef X
	    TRACE_NGROUPS
};

/* What an exit was: trace_event.detail. */
#define TRACE_EXIT_FAULT 0x100u /* + vector: a host exception; below it GATE_* */
#define TRACE_EXIT_KICK  0x200u
#define TRACE_EXIT_CALL  0x201u /* a trapped system call */
#define TRACE_EXIT_AGAIN 0x202u /* on the way out something in the inbox was found */

/* What an access was: trace_event.detail is its bytes, and these. */
#define TRACE_IO_OUT  0x100u
#define TRACE_IO_MMIO 0x200u /* bytes and direction are not told */

struct trace_event {
	uint64_t tsc;
	uint32_t group, detail;
	uint32_t eip;  /* of the guest, as its kernel knows it */
	uint32_t a, b; /* exits: TSC ticks it took; interrupts: -; vmi: -; faults: CR2, error;
	                  switches: CR3; io: port or address, value */
	uint32_t spare;
};

#define TRACE_EVENTS 8192u

struct trace_ring {
	uint32_t mask; /* set by main: 1 << TRACE_* */
	uint32_t head, tail, lost;
	uint32_t in_exit, exit_detail, exit_eip;
	uint64_t exit_tsc;
	struct trace_event event[TRACE_EVENTS];
};

#endif
