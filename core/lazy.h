/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory of a machine that was restored: it is copied out of the snapshot's file, which each
 * cell has mapped at CELL_BASE, when it is first used. What is missing is nowhere mapped, neither
 * for the guest nor for devices, and the core asks before it reads or writes physical memory. So a
 * restored machine runs at once, and many from one file share what they do not use.
 */
#ifndef CORE_LAZY_H
#define CORE_LAZY_H

#include "core/core.h"

/** lazy_need - have all of [@pa, @pa + @n), which is guest memory, in place */
void lazy_need(uint64_t pa, uint64_t n);

/** lazy_missing - is the page at @pa, which is guest memory, not there yet? */
static inline bool lazy_missing(uint64_t pa)
{
	return M->lazy && __atomic_load_n(&M->lazy_chunk[pa / LAZY_CHUNK], __ATOMIC_ACQUIRE);
}

/** lazy_missing_any - is any of [@pa, @pa + @n)? */
bool lazy_missing_any(uint64_t pa, uint64_t n);

#endif
