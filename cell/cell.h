/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the cell program: how its files start one another, and what the nursery is told. */
#ifndef CELL_CELL_H
#define CELL_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "cell/gate.h"

/* File descriptors of the nursery; cells keep CELL_FD_RAM and CELL_FD_STATE (cell/host.h). */
#define NURSERY_FD_ANNOT  5
#define NURSERY_FD_SOCKET 6
#define NURSERY_FD_BASE   8 /* the snapshot's file, if machine.lazy */

/* Main to nursery: fork cells so that there are this many. Nursery to main: one per event. */
struct nursery_request {
	uint32_t cells;
};
struct nursery_reply {
	uint32_t kind; /* NURSERY_* */
	uint32_t cell;
	int32_t pid;
	int32_t status; /* wait status, or -errno */
};
#define NURSERY_FORKED 1u
#define NURSERY_FAILED 2u
#define NURSERY_DIED   3u

/** install_signals - alternate stack and handlers, before the filter is in place */
void install_signals(void);

/**
 * enter_jail - give up everything of the nursery, install the filter, become a cell
 *
 * Assembler (cell/jail_entry.S): between dropping the last private memory and the filter no
 * stack is used, and what the kernel is told stands in read-only memory. Ends in core_start().
 */
_Noreturn void enter_jail(void);

/**
 * core_recover - is the instruction at *@rip one that knows where to go on when it faults
 * (core/recover.h)? Then *@rip is that place.
 */
bool core_recover(uint64_t *rip);

/** core_fault_inside - the core itself faulted: end the guest with a named reason */
void core_fault_inside(uint32_t signal, uint64_t vector, uint64_t error, uint64_t rip,
                       uint64_t cr2);

#endif
