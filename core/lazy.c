// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/lazy.h"

#include "cell/host.h"

#define BASE ((const uint8_t *)(uintptr_t)CELL_BASE)

static void copy(uint64_t at, uint32_t pages)
{
	for (; pages; pages &= pages - 1) {
		uint64_t pa = at + (uint64_t)__builtin_ctz(pages) * PAGE_SIZE;

		if (pa < M->ram_size)
			__builtin_memcpy(RAM + pa, BASE + pa, PAGE_SIZE);
	}
}

static void fill(uint64_t chunk)
{
	uint32_t *word = &M->lazy_chunk[chunk], now = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	COUNT(lazy_fill);
	while (now) {
		/* A back end is at it. */
		if (now & LAZY_FILLING) {
			host_futex_wait(word, now, UINT64_MAX);
			now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
			continue;
		}
		if (!__atomic_compare_exchange_n(word, &now, now | LAZY_FILLING, false,
		                                 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue;
		copy(chunk * LAZY_CHUNK, now & 0xffff);
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
		host_futex_wake(word);
		return;
	}
}

void lazy_need(uint64_t pa, uint64_t n)
{
	for (uint64_t c = pa / LAZY_CHUNK; n && c <= (pa + n - 1) / LAZY_CHUNK; c++)
		if (__atomic_load_n(&M->lazy_chunk[c], __ATOMIC_ACQUIRE))
			fill(c);
}

bool lazy_missing_any(uint64_t pa, uint64_t n)
{
	for (uint64_t c = pa / LAZY_CHUNK; M->lazy && n && c <= (pa + n - 1) / LAZY_CHUNK; c++)
		if (__atomic_load_n(&M->lazy_chunk[c], __ATOMIC_ACQUIRE))
			return true;
	return false;
}
