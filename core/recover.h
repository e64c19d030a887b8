/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses to guest memory at the guest's own addresses. They cost one instruction, where walking
 * the guest's tables costs a hundred; but a mapping there may go at any time, and what the guest
 * calls its stack need not be one. A fault goes on at the place that the access names
 * (core_recover(), cell/fault.c).
 */
#ifndef CORE_RECOVER_H
#define CORE_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

/* An instruction, and where to go on if it faults: each is relative to where it is written. */
struct recovery {
	int32_t at, to;
};

#define RECOVER(at, to)                                                                            \
	".pushsection .recover, \"a\"\n\t"                                                         \
	".long " at " - ., " to " - .\n\t"                                                         \
	".popsection"

/* Volatile must be said: gcc 12 does not take it for granted with an output (its bug 110420). */

/** native_read - the word at guest-virtual @p; false: it is not mapped here, and *@value is
 * untouched
 */
static inline bool native_read(const uint32_t *p, uint32_t *value)
{
	uint32_t word;

	__asm__ volatile goto("1: movl %1, %0\n\t" RECOVER("1b", "%l2")
	                      : "=r"(word)
	                      : "m"(*p)
	                      :
	                      : gone);
	*value = word;
	return true;
gone:
	return false;
}

/** native_write - write it; false: it is not mapped here, or not writable */
static inline bool native_write(uint32_t *p, uint32_t value)
{
	__asm__ volatile goto("1: movl %1, %0\n\t" RECOVER("1b", "%l2")
	                      :
	                      : "m"(*p), "r"(value)
	                      : "memory"
	                      : gone);
	return true;
gone:
	return false;
}

#endif
