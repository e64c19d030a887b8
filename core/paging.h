/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's page tables: walking them, and reading and writing through them. */
#ifndef CORE_PAGING_H
#define CORE_PAGING_H

#include "core/core.h"
#include "core/lazy.h"

#define PTE_P       0x001ull
#define PTE_W       0x002ull
#define PTE_U       0x004ull
#define PTE_A       0x020ull
#define PTE_D       0x040ull
#define PTE_PS      0x080ull
#define PTE_G       0x100ull
#define PTE_NX      0x8000000000000000ull
#define PTE_ADDRESS 0x000ffffffffff000ull

#define PF_PRESENT  1u
#define PF_WRITE    2u
#define PF_USER     4u
#define PF_RESERVED 8u
#define PF_FETCH    16u

/* What a successful walk found. */
struct translation {
	uint64_t pa;       /* of the very byte asked for */
	uint64_t pde, pte; /* entries as left in memory; pte is 0 for a large page */
	uint64_t table;    /* guest-physical address of the page table, large: 0 */
	bool large;        /* 2 or 4 MiB page */
	bool writable;     /* for the mode of the access, WP considered */
	bool dirty;        /* D is set: it may be mapped writable */
	bool no_execute;   /* EFER.NX is on and an entry says so */
	bool global;       /* survives CR3 loads */
};

/* Bytes covered by one page-directory entry, as a shift. */
static inline unsigned region_shift(void)
{
	return V->cr4 & CR4_PAE && paging_on() ? 21 : 22;
}

/* Is [pa, pa+n) guest RAM? */
static inline bool in_ram(uint64_t pa, uint64_t n)
{
	return pa < M->ram_size && n <= M->ram_size - pa;
}

/**
 * walk - translate as the MMU does (SDM volume 3, chapter 4)
 * @va: guest-virtual address
 * @write, @user: the access
 * @t: the result
 * @x: #PF otherwise
 *
 * Sets the accessed bits on the way and the dirty bit on a write. Tables outside of RAM
 * read as not present.
 */
bool walk(uint32_t va, bool write, bool user, struct translation *t, struct exception *x);

/**
 * read_directory_entry - the page-directory entry that covers @va under the current CR3
 *
 * Returns 0 when there is none. Touches no accessed bit.
 */
uint64_t read_directory_entry(uint32_t va);

/** read_pdptes - load the PAE page-directory pointers, as MOV to CR3 does */
void read_pdptes(void);

/**
 * guest_read, guest_write - access guest-virtual memory with the kernel's or user's rights
 * @va: first byte, any alignment
 * @p: host buffer of @n bytes
 * @user: check as user code (CPL 3) would be checked
 * @x: the page fault otherwise; then nothing was written, and nothing or a prefix read
 */
bool guest_read(uint32_t va, void *p, uint32_t n, bool user, struct exception *x);
bool guest_write(uint32_t va, const void *p, uint32_t n, bool user, struct exception *x);

/**
 * guest_writable - can all of [@va, @va+@n) be written? Nothing is, but accessed and dirty bits
 * @user: check as user code (CPL 3) would be checked
 * @x: otherwise the page fault, whose address is the first byte that cannot be
 */
bool guest_writable(uint32_t va, uint32_t n, bool user, struct exception *x);

/** guest_peek - like guest_read with the kernel's rights, for reports: touches no A bit */
bool guest_peek(uint32_t va, void *p, uint32_t n);

/** guest_peek_code, guest_poke_code - one byte of kernel text, whatever its protection */
bool guest_peek_code(uint32_t va, uint8_t *byte);
bool guest_poke_code(uint32_t va, uint8_t byte);

/** physical - pointer to @n bytes of RAM at @pa, NULL when not all of it is RAM */
static inline void *physical(uint64_t pa, uint64_t n)
{
	if (!in_ram(pa, n))
		return NULL;
	if (M->lazy)
		lazy_need(pa, n);
	return RAM + pa;
}

#endif
