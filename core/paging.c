// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/paging.h"

static bool not_present(uint32_t va, bool write, bool user, struct exception *x)
{
	return raise_page_fault(x, va, (write ? PF_WRITE : 0) | (user ? PF_USER : 0));
}

static bool protection(uint32_t va, bool write, bool user, struct exception *x)
{
	return raise_page_fault(x, va, PF_PRESENT | (write ? PF_WRITE : 0) | (user ? PF_USER : 0));
}

/* Reads an entry of 4 or 8 bytes; tables outside of RAM are empty. */
static uint64_t read_entry(uint64_t pa, bool pae)
{
	void *p = physical(pa, pae ? 8 : 4);

	if (!p)
		return 0;
	return pae ? *(volatile uint64_t *)p : *(volatile uint32_t *)p;
}

/* What a walk is for: a look leaves no trace in the tables. */
enum purpose { LOOK, ACCESS };

/* A and D live in the low word of either format. */
static void set_bits(uint64_t pa, uint64_t bits)
{
	uint32_t *p = physical(pa, 4);

	if (p && (*p & bits) != bits)
		__atomic_or_fetch(p, (uint32_t)bits, __ATOMIC_RELAXED);
}

static uint64_t directory_entry_address(uint32_t va)
{
	if (V->cr4 & CR4_PAE) {
		uint64_t pdpte = M->pdpte[va >> 30];

		return pdpte & PTE_P ? (pdpte & PTE_ADDRESS) + (va >> 21 & 511) * 8 : UINT64_MAX;
	}
	return (V->cr3 & ~0xfffu) + (va >> 22) * 4;
}

uint64_t read_directory_entry(uint32_t va)
{
	return read_entry(directory_entry_address(va), V->cr4 & CR4_PAE);
}

void read_pdptes(void)
{
	for (unsigned i = 0; i < 4; i++)
		M->pdpte[i] = read_entry((V->cr3 & ~31u) + i * 8, true);
}

/*
 * Bits that must be 0 in a present entry (SDM volume 3, 4.3 and 4.4): what CPUID says of physical
 * addresses is 32 bits (main/cpuid.c), and there is no PSE-36. @hole: those of a large page's entry
 * between PAT and its address.
 */
#define RESERVED_HIGH      0x7fffffff00000000ull
#define RESERVED_LARGE     0x003fe000u
#define RESERVED_LARGE_PAE 0x001fe000u

static bool reserved(uint64_t entry, uint32_t hole)
{
	return entry & (RESERVED_HIGH | (M->efer & EFER_NX ? 0 : PTE_NX) | hole);
}

static bool reserved_fault(uint32_t va, bool write, bool user, struct exception *x)
{
	return raise_page_fault(
	    x, va, PF_PRESENT | PF_RESERVED | (write ? PF_WRITE : 0) | (user ? PF_USER : 0));
}

static bool walk_large(uint32_t va, bool write, bool user, enum purpose purpose, uint64_t at,
                       struct translation *t, struct exception *x)
{
	uint64_t mask = (1ull << region_shift()) - 1;

	if (reserved(t->pde, V->cr4 & CR4_PAE ? RESERVED_LARGE_PAE : RESERVED_LARGE))
		return reserved_fault(va, write, user, x);
	t->writable = t->pde & PTE_W || (!user && !(V->cr0 & CR0_WP));
	if ((user && !(t->pde & PTE_U)) || (write && !t->writable))
		return protection(va, write, user, x);
	if (purpose == ACCESS) {
		set_bits(at, PTE_A | (write ? PTE_D : 0));
		t->pde |= PTE_A | (write ? PTE_D : 0);
	}
	t->large = true;
	t->dirty = t->pde & PTE_D;
	t->global = t->pde & PTE_G && V->cr4 & CR4_PGE;
	t->no_execute = t->pde & PTE_NX && M->efer & EFER_NX;
	t->pa = (t->pde & PTE_ADDRESS & ~mask) | (va & mask);
	return true;
}

static bool translate(uint32_t va, bool write, bool user, enum purpose purpose,
                      struct translation *t, struct exception *x)
{
	bool pae = V->cr4 & CR4_PAE;
	uint64_t at = directory_entry_address(va), entry;

	*t = (struct translation){.pa = va, .writable = true, .dirty = true};
	if (!paging_on()) {
		t->large = true;
		return true;
	}
	t->pde = read_entry(at, pae);
	if (!(t->pde & PTE_P))
		return not_present(va, write, user, x);
	if (t->pde & PTE_PS && (pae || V->cr4 & CR4_PSE))
		return walk_large(va, write, user, purpose, at, t, x);

	if (reserved(t->pde, 0))
		return reserved_fault(va, write, user, x);
	t->table = t->pde & PTE_ADDRESS;
	entry = t->table + (pae ? (va >> 12 & 511) * 8 : (va >> 12 & 1023) * 4);
	t->pte = read_entry(entry, pae);
	if (!(t->pte & PTE_P))
		return not_present(va, write, user, x);
	if (reserved(t->pte, 0))
		return reserved_fault(va, write, user, x);
	t->writable = (t->pde & t->pte & PTE_W) || (!user && !(V->cr0 & CR0_WP));
	if ((user && !(t->pde & t->pte & PTE_U)) || (write && !t->writable))
		return protection(va, write, user, x);
	if (purpose == ACCESS) {
		set_bits(at, PTE_A);
		t->pde |= PTE_A;
		set_bits(entry, PTE_A | (write ? PTE_D : 0));
		t->pte |= PTE_A | (write ? PTE_D : 0);
	}
	t->dirty = t->pte & PTE_D;
	t->global = t->pte & PTE_G && V->cr4 & CR4_PGE;
	t->no_execute = (t->pde | t->pte) & PTE_NX && M->efer & EFER_NX;
	t->pa = (t->pte & PTE_ADDRESS) | (va & 0xfff);
	return true;
}

bool walk(uint32_t va, bool write, bool user, struct translation *t, struct exception *x)
{
	return translate(va, write, user, ACCESS, t, x);
}

static void copy_bytes(void *to, const void *from, uint32_t n)
{
	if (n == 4)
		__builtin_memcpy(to, from, 4);
	else
		__builtin_memcpy(to, from, n);
}

bool guest_writable(uint32_t va, uint32_t n, bool user, struct exception *x)
{
	uint32_t offset = va & (PAGE_SIZE - 1);
	struct translation t;

	for (uint32_t at = 0; at < n; at += PAGE_SIZE - (offset + at) % PAGE_SIZE)
		if (!walk(va + at, true, user, &t, x))
			return false;
	return true;
}

static bool transfer(uint32_t va, void *p, uint32_t n, bool write, bool user, enum purpose purpose,
                     struct exception *x)
{
	uint8_t *buffer = p;

	/* A processor that cannot write all of it writes nothing. */
	if (write && (va & (PAGE_SIZE - 1)) + n > PAGE_SIZE && !guest_writable(va, n, user, x))
		return false;
	while (n) {
		uint32_t step = PAGE_SIZE - (va & (PAGE_SIZE - 1));
		struct translation t;
		uint8_t *ram;

		if (step > n)
			step = n;
		if (!translate(va, write, user, purpose, &t, x))
			return false;
		ram = physical(t.pa, step);
		if (ram && write)
			copy_bytes(ram, buffer, step);
		else if (ram)
			copy_bytes(buffer, ram, step);
		else if (!write)
			__builtin_memset(buffer, 0xff, step); /* an open bus */
		va += step;
		buffer += step;
		n -= step;
	}
	return true;
}

bool guest_read(uint32_t va, void *p, uint32_t n, bool user, struct exception *x)
{
	return transfer(va, p, n, false, user, ACCESS, x);
}

bool guest_write(uint32_t va, const void *p, uint32_t n, bool user, struct exception *x)
{
	return transfer(va, (void *)(uintptr_t)p, n, true, user, ACCESS, x);
}

bool guest_peek(uint32_t va, void *p, uint32_t n)
{
	struct exception x;

	return transfer(va, p, n, false, false, LOOK, &x);
}

static uint8_t *code_byte(uint32_t va)
{
	struct translation t;
	struct exception x;

	return translate(va, false, false, LOOK, &t, &x) ? physical(t.pa, 1) : NULL;
}

bool guest_peek_code(uint32_t va, uint8_t *byte)
{
	uint8_t *p = code_byte(va);

	if (p)
		*byte = *p;
	return p;
}

bool guest_poke_code(uint32_t va, uint8_t byte)
{
	uint8_t *p = code_byte(va);

	if (p)
		*p = byte;
	return p;
}
