/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instruction of 32-bit or 16-bit code on the host's own processor: the judge of what the core
 * emulates and decodes. It runs in this very process, on segments of its LDT. Code in a 32-bit
 * segment reaches the low 4 GiB only, and what is mapped there is for it to ruin (host/memory.h);
 * its system calls are trapped by a filter. Keep everything else above 4 GiB: no ASan in these
 * programs, whose shadow begins at 2 GiB.
 */
#ifndef TESTS_FUZZ_HOST_NATIVE_H
#define TESTS_FUZZ_HOST_NATIVE_H

#include "ring1/vcpu.h"

#include <stdbool.h>
#include <stdint.h>

struct native {
	uint32_t gpr[R_COUNT];
	uint32_t eip, eflags;
	uint32_t sel[SEG_COUNT];
	/* How it ended: the exception behind the instruction, or of it. */
	uint32_t vector, error, cr2;
	uint32_t signal;
};

/**
 * native_open - the LDT, the signal handlers and the filter; once, at the first input: libFuzzer's
 * own handlers must be there already
 */
void native_open(const uint32_t (*ldt)[2], unsigned entries);

/**
 * native_run - run from @n until the first exception, all of which is stored there
 *
 * @n->sel: all must be loadable; CS a code segment of the LDT, or the host's 0x23. @n->eflags: with
 * TF one instruction is executed (one iteration of a repeated one), but two when the first loads
 * SS.
 */
void native_run(struct native *n);

/** native_small_stack - the upper half of ESP on a 16-bit stack: it cannot be chosen */
uint32_t native_small_stack(void);

/** native_descriptor - LSL and LAR of a selector of the host's GDT; false: not for user code */
bool native_descriptor(uint16_t selector, uint32_t *limit, uint32_t *rights);

#endif
