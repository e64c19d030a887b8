// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/guest_view.h"

#include <stddef.h>
#include <string.h>

#define PAGE    4096u
#define CR0_PG  0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u

#define ENTRY_PRESENT 0x01u
#define ENTRY_LARGE   0x80u
#define ENTRY_ADDRESS 0x000ffffffffff000ull

/* An entry of 4 or 8 bytes, read once; 0, not present, when it does not lie in RAM. */
static uint64_t entry(const struct guest_view *v, uint64_t pa, bool wide)
{
	unsigned n = wide ? 8 : 4;
	uint32_t words[2] = {0};

	if (pa >= v->ram_size || v->ram_size - pa < n || !lazy_memory_need(&v->lazy, pa, n))
		return 0;
	memcpy(words, v->ram + pa, n);
	return words[0] | (uint64_t)words[1] << 32;
}

/* SDM volume 3, 4.3 and 4.4. */
static bool translate(const struct guest_view *v, uint32_t va, uint64_t *pa)
{
	bool pae = v->cr4 & CR4_PAE;
	unsigned shift = pae ? 21 : 22;
	uint64_t table = v->cr3 & ~0xfffull, e;

	*pa = va;
	if (!(v->cr0 & CR0_PG))
		return true;
	if (pae) {
		e = entry(v, (v->cr3 & ~31ull) + (va >> 30) * 8, true);
		if (!(e & ENTRY_PRESENT))
			return false;
		table = e & ENTRY_ADDRESS;
	}
	e = pae ? entry(v, table + (va >> 21 & 511) * 8, true)
	        : entry(v, table + (va >> 22) * 4, false);
	if (!(e & ENTRY_PRESENT))
		return false;
	if (e & ENTRY_LARGE && (pae || v->cr4 & CR4_PSE)) {
		uint64_t mask = (1ull << shift) - 1;

		*pa = (e & ENTRY_ADDRESS & ~mask) | (va & mask);
		return true;
	}
	table = e & ENTRY_ADDRESS;
	e = pae ? entry(v, table + (va >> 12 & 511) * 8, true)
	        : entry(v, table + (va >> 12 & 1023) * 4, false);
	if (!(e & ENTRY_PRESENT))
		return false;
	*pa = (e & ENTRY_ADDRESS) | (va & 0xfff);
	return true;
}

static bool transfer(const struct guest_view *v, uint32_t va, uint8_t *to, const uint8_t *from,
                     uint32_t n)
{
	if (n && va + (n - 1) < va)
		return false;
	for (uint32_t done = 0, step; done < n; done += step) {
		uint32_t at = va + done;
		uint64_t pa;

		step = PAGE - at % PAGE;
		step = step < n - done ? step : n - done;
		if (!translate(v, at, &pa) || pa >= v->ram_size || v->ram_size - pa < step ||
		    !lazy_memory_need(&v->lazy, pa, step))
			return false;
		if (to)
			memcpy(to + done, v->ram + pa, step);
		else
			memcpy(v->ram + pa, from + done, step);
	}
	return true;
}

bool guest_view_read(const struct guest_view *v, uint32_t va, void *to, uint32_t n)
{
	return transfer(v, va, to, NULL, n);
}

bool guest_view_write(const struct guest_view *v, uint32_t va, const void *from, uint32_t n)
{
	return transfer(v, va, NULL, from, n);
}
