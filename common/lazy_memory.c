// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/lazy_memory.h"

#include "ring1/machine.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A chunk is copied in some 20 us; a process that was to do it may have been stopped. */
#define WAIT_NS    10000000
#define WAIT_TRIES 200

static void copy(const struct lazy_memory *m, uint64_t at, uint32_t pages)
{
	for (; pages; pages &= pages - 1) {
		uint64_t pa = at + (uint64_t)__builtin_ctz(pages) * PAGE_SIZE;

		if (pa + PAGE_SIZE <= m->size)
			memcpy(m->ram + pa, m->base + pa, PAGE_SIZE);
	}
}

/* Somebody copies this chunk: its word, when he has done so, or after a while. */
static uint32_t await(uint32_t *word, uint32_t now)
{
	const struct timespec wait = {.tv_nsec = WAIT_NS};

	syscall(SYS_futex, word, FUTEX_WAIT, now, &wait, NULL, 0);
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool fill(const struct lazy_memory *m, uint64_t chunk)
{
	uint32_t *word = &m->chunk[chunk], now = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (unsigned tries = 0; now && tries < WAIT_TRIES;) {
		if (now & LAZY_FILLING) {
			now = await(word, now);
			tries++;
			continue;
		}
		if (!__atomic_compare_exchange_n(word, &now, now | LAZY_FILLING, false,
		                                 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue;
		copy(m, chunk * LAZY_CHUNK, now & 0xffff);
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
		syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
		return true;
	}
	return !now;
}

bool lazy_memory_need(const struct lazy_memory *m, uint64_t pa, uint64_t n)
{
	if (!m->base || !n)
		return true;
	for (uint64_t c = pa / LAZY_CHUNK; c <= (pa + n - 1) / LAZY_CHUNK; c++)
		if (__atomic_load_n(&m->chunk[c], __ATOMIC_ACQUIRE) && !fill(m, c))
			return false;
	return true;
}

/* The pages of a chunk that lie in [@pa, @pa + @n), a bit for each. */
static uint32_t pages_between(uint64_t chunk, uint64_t pa, uint64_t n)
{
	uint32_t pages = 0;

	for (unsigned i = 0; i < LAZY_CHUNK / PAGE_SIZE; i++) {
		uint64_t at = chunk * LAZY_CHUNK + i * PAGE_SIZE;

		if (at >= pa && at + PAGE_SIZE <= pa + n)
			pages |= 1u << i;
	}
	return pages;
}

static bool forget(const struct lazy_memory *m, uint64_t chunk, uint32_t pages)
{
	uint32_t *word = &m->chunk[chunk], now = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	for (unsigned tries = 0; now & pages && tries < WAIT_TRIES;) {
		if (now & LAZY_FILLING) {
			now = await(word, now);
			tries++;
		} else if (__atomic_compare_exchange_n(word, &now, now & ~pages, false,
		                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			return true;
		}
	}
	return !(now & pages);
}

bool lazy_memory_forget(const struct lazy_memory *m, uint64_t pa, uint64_t n)
{
	if (!m->base || !n)
		return true;
	for (uint64_t c = pa / LAZY_CHUNK; c <= (pa + n - 1) / LAZY_CHUNK; c++)
		if (!forget(m, c, pages_between(c, pa, n)))
			return false;
	return true;
}

void lazy_memory_view(const struct lazy_memory *m, uint64_t pa, uint64_t n, uint8_t *to)
{
	for (uint64_t at = pa; at < pa + n; at += PAGE_SIZE, to += PAGE_SIZE) {
		uint32_t pages =
		    m->base ? __atomic_load_n(&m->chunk[at / LAZY_CHUNK], __ATOMIC_ACQUIRE) : 0;
		bool missing = pages >> (at % LAZY_CHUNK / PAGE_SIZE) & 1;

		memcpy(to, (missing ? m->base : m->ram) + at, PAGE_SIZE);
	}
}
