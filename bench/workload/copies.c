// SPDX-License-Identifier: GPL-2.0-or-later
/* Copying and filling memory, by the C library's memcpy and by one instruction. */
#include "workload.h"

#include <string.h>

static uint8_t *from, *to;
/* A pointer the compiler cannot see through: the library's own memcpy is called. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;

static void place(size_t distance)
{
	from = map_private(17 * MIB);
	to = from + distance;
	touch(from, 17 * MIB / PAGE);
}

/* 8 MiB apart, to the byte: source and destination share the slots of a direct-mapped software TLB.
 */
static bool place_apart(void)
{
	place(8 * MIB);
	return true;
}

static bool place_skewed(void)
{
	place(8 * MIB + 67 * PAGE + 64);
	return true;
}

static void memcpy_1m(unsigned n)
{
	while (n--)
		copy(to, from, MIB);
}

static void memcpy_16k(unsigned n)
{
	while (n--)
		copy(to, from, 16 * 1024);
}

static void rep_stos_64k(unsigned n)
{
	while (n--) {
		void *at = to;
		unsigned count = 64 * 1024 / 4;

		__asm__ volatile("rep stosl" : "+D"(at), "+c"(count) : "a"(n) : "memory");
	}
}

const struct item copy_items[] = {
    {"memcpy_1m", .prepare = place_apart, .run = memcpy_1m},
    {"memcpy_1m_skewed", .prepare = place_skewed, .run = memcpy_1m},
    {"memcpy_16k", .prepare = place_skewed, .run = memcpy_16k},
    {"rep_stos_64k", .prepare = place_skewed, .run = rep_stos_64k},
    {0},
};
