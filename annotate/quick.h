/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The length of the instructions kernels are mostly made of, without a decoder library: 19 of 20
 * instructions of a kernel, five times as fast.
 */
#ifndef ANNOTATE_QUICK_H
#define ANNOTATE_QUICK_H

#include <stdint.h>

#define QUICK_BYTES 16 /* that must be readable */

struct quick {
	uint8_t length;       /* bytes; 0: not one of those, ask the library */
	uint8_t relative;     /* bytes of a branch displacement at the end: 0, 1 or 4 */
	uint8_t immediate;    /* offset of a 32-bit immediate, 0: none */
	uint8_t displacement; /* offset of a 32-bit memory displacement, 0: none */
};

/**
 * quick_decode() - measure one instruction in 32-bit code
 * @p: QUICK_BYTES bytes
 *
 * A length other than 0 is the one the processor takes; such an instruction is not sensitive and
 * not undefined. tests/unit/test_annotate_quick.c compares every opcode and operand form with
 * Zydis.
 */
struct quick quick_decode(const uint8_t *p);

#endif
