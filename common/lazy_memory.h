/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory that is copied out of a snapshot's file when it is first used, a chunk at a time.
 *
 * Whoever touches guest memory asks for it first: cells (core/lazy.h), back ends (guest_range())
 * and main (vm_lazy()). The words that say what is missing are in the machine state, which the
 * guest can write: then it gets other bytes of its own file, or none.
 */
#ifndef COMMON_LAZY_MEMORY_H
#define COMMON_LAZY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct lazy_memory {
	uint8_t *ram;
	uint64_t size;       /* bytes of it */
	const uint8_t *base; /* the same in the file, read-only; NULL: nothing is missing */
	uint32_t *chunk;     /* machine.lazy_chunk */
};

/**
 * lazy_memory_need - have all of [@pa, @pa + @n) in memory, which is within @size
 *
 * False: somebody else has begun with a part of it, and does not finish.
 */
bool lazy_memory_need(const struct lazy_memory *m, uint64_t pa, uint64_t n);

/**
 * lazy_memory_forget - whole pages of [@pa, @pa + @n), which is within @size, are not to be had
 * from the file any more: what is in memory holds
 *
 * False, and some may be: somebody has begun to copy a part of it, and does not finish.
 */
bool lazy_memory_forget(const struct lazy_memory *m, uint64_t pa, uint64_t n);

/** lazy_memory_view - copy [@pa, @pa + @n) to @to, without having it in memory; within @size */
void lazy_memory_view(const struct lazy_memory *m, uint64_t pa, uint64_t n, uint8_t *to);

#endif
