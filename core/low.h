/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first pages of the address space, where hosts let no process map anything
 * (vm.mmap_min_addr, usually 64 KiB). Guests may: old programs, Wine, DOS emulators.
 *
 * Such a page is mapped at HOLE_LOW + its address instead. An access faults, and its instruction
 * is executed once, under the trap flag, with the segments it uses moved up by HOLE_LOW. Code
 * there runs on a code segment that is moved up in the same way, at full speed, until it leaves.
 */
#ifndef CORE_LOW_H
#define CORE_LOW_H

#include "core/core.h"

/** is_low - does the host map nothing at @va? */
static inline bool is_low(uint32_t va)
{
	return va < M->low.end;
}

/**
 * low_access - let the instruction at EIP access the page at @va, which is mapped in the hole
 * @fetch: it is the instruction itself that lies there
 *
 * False: it cannot be told what it would access, or it accesses both sides by one segment.
 */
bool low_access(uint32_t va, bool fetch);

/** low_enter_code - on the way back to the guest: use the moved code segment if EIP is low */
void low_enter_code(void);

/**
 * low_close - after every exit: the guest's own segments again
 *
 * Returns what had been moved: LOW_DATA, LOW_CODE, LOW_CODE_WIDE.
 */
#define LOW_DATA      1u
#define LOW_CODE      2u
#define LOW_CODE_WIDE 4u
uint32_t low_close(void);

/** low_leave_code - #GP at the moved code segment's limit: execute one instruction without it */
void low_leave_code(void);

/** low_address - the guest's address for @va, if that is in the hole's part for low pages */
uint32_t low_address(uint32_t va);

/** low_spill - map the page behind the last low one at its place in the hole, until low_close */
bool low_spill(uint32_t pa, bool write);

/** low_descriptor - what the host LDT must hold in one of the slots from LDT_LOW */
bool low_descriptor(unsigned slot, uint32_t *lo, uint32_t *hi);

/** low_base - the base of a segment that is moved now */
bool low_base(uint32_t real, uint32_t *base);

#endif
