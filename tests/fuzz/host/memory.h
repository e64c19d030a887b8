/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core in an ordinary process, beside the host's processor: guest memory is mapped for the core
 * as in a cell, and once more at the guest's own addresses, where code that runs natively finds it.
 * The guest's page tables say what those mappings allow; its LDT says what the host's holds.
 *
 *   0x08048000  HOST_CODE   one page, filled with HLT, executable, not writable
 *   0x10000000  HOST_DATA   HOST_DATA_PAGES pages, writable; nothing before and behind
 *   0x10006000  HOST_CONST  one page, not writable; nothing before and behind
 *   0xc0000000  HOST_TABLES the tables, for the guest's kernel only (not mapped natively)
 */
#ifndef TESTS_FUZZ_HOST_MEMORY_H
#define TESTS_FUZZ_HOST_MEMORY_H

#include "core/core.h"

#include "tests/fuzz/host/native.h"

#define HOST_CODE       0x08048000u
#define HOST_DATA       0x10000000u
#define HOST_DATA_PAGES 4u
#define HOST_CONST      0x10006000u
#define HOST_TABLES     0xc0000000u
#define HOST_LDT        64u /* entries */
#define HLT             0xf4

/* Kinds of segments; random entries of the table follow them. */
enum {
	LDT_CODE,     /* flat, 32-bit */
	LDT_CODE16,   /* 16-bit, begins at HOST_CODE */
	LDT_DATA,     /* flat */
	LDT_AT_DATA,  /* begins at HOST_DATA, 64 KiB */
	LDT_STACK16,  /* the same with a 16-bit stack pointer */
	LDT_END,      /* flat, ends in the third page of HOST_DATA */
	LDT_DOWN,     /* expands down from the second page of HOST_DATA */
	LDT_CONST,    /* flat, read only */
	LDT_SMALL,    /* 48 bytes in the middle of a page */
	LDT_NEGATIVE, /* base behind HOST_DATA: wraps around */
	LDT_EXECUTE,  /* code that cannot be read */
	LDT_ABSENT,   /* data, not present */
	LDT_ABSENT_CODE,
	LDT_CODE_SMALL, /* code that ends in the middle of HOST_CODE */
	LDT_EMPTY,
	LDT_RANDOM
};

/** host_memory_open - at the first call: map everything, make the tables, native_open() */
void host_memory_open(void);

/** host_memory_fill - contents of HOST_DATA and HOST_CONST by a seed: selectors, numbers, noise */
void host_memory_fill(uint32_t seed);

/** host_data, host_const, host_code - the same memory as ordinary pointers; always writable */
uint8_t *host_data(void);
uint8_t *host_const(void);
uint8_t *host_code(void);

/** host_accessible - do the page tables admit user accesses to all of [va, va+n)? */
bool host_accessible(uint32_t va, uint32_t n, bool write);

/** host_first_fault - the first byte of [va, va+n) that they do not admit; n > 0 */
bool host_first_fault(uint32_t va, uint32_t n, bool write, uint32_t *fault);

/** host_load - the virtual CPU in user mode with these registers; false: no such segments */
bool host_load(const struct native *n);

/** host_selector - of an entry of the LDT, RPL 3 */
static inline uint16_t host_selector(unsigned entry)
{
	return (uint16_t)(entry << 3 | 7);
}

/** host_random - a generator of its own, xorshift (Marsaglia 2003); @state: not 0 */
uint32_t host_random(uint32_t *state);

#endif
