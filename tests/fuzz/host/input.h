/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of a fuzzer's input as registers and an instruction. */
#ifndef TESTS_FUZZ_HOST_INPUT_H
#define TESTS_FUZZ_HOST_INPUT_H

#include "tests/fuzz/host/memory.h"

#include <string.h>

#define INSTRUCTION_MAX 15u

struct input {
	const uint8_t *data;
	size_t size;
};

static inline uint8_t input_byte(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static inline uint32_t input_word(struct input *in)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v |= (uint32_t)input_byte(in) << (8 * i);
	return v;
}

/*
 * A register: three bytes, of which the first says what for. Most are addresses of HOST_DATA, near
 * the end of a page or in the middle, or small numbers; the rest is noise.
 */
static inline uint32_t input_register(struct input *in)
{
	uint8_t kind = input_byte(in);
	uint32_t v = input_byte(in);

	v |= (uint32_t)input_byte(in) << 8;
	switch (kind & 7) {
	case 0:
		return v & 0xff;
	case 1:
		return v;
	case 2:
		return v << 16 | kind << 8 | (v >> 3 & 0xff);
	case 3:
		return HOST_DATA + HOST_DATA_PAGES * PAGE_SIZE - (v & 0x7f);
	case 4:
		return HOST_DATA + (v & 0x3f) - (v >> 8 & 0x3f);
	case 5:
		return HOST_CONST + (v & 0xfff) - (v & 0x1000 ? 0x800 : 0);
	case 6:
		return v % (HOST_DATA_PAGES * PAGE_SIZE);
	default:
		return HOST_DATA + v % (HOST_DATA_PAGES * PAGE_SIZE);
	}
}

/* Data segments that load, with the flat ones most often. */
static inline uint16_t input_segment(struct input *in, enum seg seg)
{
	static const uint8_t good[] = {LDT_DATA, LDT_AT_DATA, LDT_STACK16,  LDT_END,
	                               LDT_DOWN, LDT_SMALL,   LDT_NEGATIVE, LDT_CONST};
	uint8_t b = input_byte(in);

	if (b < 0x80)
		return host_selector(LDT_DATA);
	if (b < 0x88 && seg != SEG_SS)
		return 0;
	/* A stack must be writable. */
	return host_selector(good[b % (sizeof good - (seg == SEG_SS))]);
}

/* Registers and segments; flags of the arithmetic kind, DF, AC not. */
static inline void input_registers(struct input *in, struct native *n)
{
	static const uint8_t loaded[] = {SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS};

	memset(n, 0, sizeof *n);
	for (unsigned i = 0; i < R_COUNT; i++)
		n->gpr[i] = input_register(in);
	for (unsigned i = 0; i < sizeof loaded; i++)
		n->sel[loaded[i]] = input_segment(in, loaded[i]);
	if (n->sel[SEG_SS] == host_selector(LDT_STACK16))
		n->gpr[R_ESP] = native_small_stack() | (n->gpr[R_ESP] & 0xffff);
	n->eflags = 0x202 | (input_word(in) & 0xcd5);
}

/*
 * The first byte and INSTRUCTION_MAX that follow: the instruction's place in the code page (at its
 * start, in the middle or up to its end) and its bytes. The rest of the page is HLT.
 */
static inline void input_code(struct input *in, uint32_t *eip)
{
	uint8_t place = input_byte(in), *to;
	unsigned n = in->size < INSTRUCTION_MAX ? (unsigned)in->size : INSTRUCTION_MAX;

	*eip = place < 0xe0   ? HOST_CODE + 0x700
	       : place < 0xf0 ? HOST_CODE
	                      : HOST_CODE + PAGE_SIZE - (place & 15);
	to = host_code() + (*eip - HOST_CODE);
	if (place >= 0xf0 && n > (place & 15u))
		n = place & 15;
	for (unsigned i = 0; i < n; i++)
		to[i] = input_byte(in);
}

/* Legacy prefixes that a byte chooses, to @to: a segment, operand and address size. How many. */
static inline unsigned input_prefixes(uint8_t *to, uint8_t choice)
{
	static const uint8_t segments[8] = {0, 0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
	unsigned n = 0;

	if (segments[choice & 7])
		to[n++] = segments[choice & 7];
	if ((choice & 0x18) == 0x18)
		to[n++] = 0x66;
	if ((choice & 0x60) == 0x60)
		to[n++] = 0x67;
	return n;
}

static inline void input_code_undo(uint32_t eip)
{
	memset(host_code() + (eip - HOST_CODE), HLT,
	       HOST_CODE + PAGE_SIZE - eip < 16 ? HOST_CODE + PAGE_SIZE - eip : 16);
}

#endif
