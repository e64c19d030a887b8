// SPDX-License-Identifier: GPL-2.0-or-later
/* Page tables, and code in user mode. */
#include "conformance.h"

#define PAGE 4096u
#ifdef PAE
#define DIRECTORY_SHIFT 21
#define TABLE_MASK      511u
#else
#define DIRECTORY_SHIFT 22
#define TABLE_MASK      1023u
#endif

static uint32_t next_page;

void *page_new(void)
{
	uint32_t *page;

	if (!next_page)
		next_page = (uint32_t)kernel_end + 16 * PAGE;
	if (next_page + PAGE > PAGE_OFFSET + MAPPED)
		bail_out("out of pages");
	page = (uint32_t *)next_page;
	next_page += PAGE;
	for (unsigned i = 0; i < PAGE / 4; i++)
		page[i] = 0;
	return page;
}

static void *virtual(entry_t entry)
{
	return (void *)((uint32_t)(entry & ~(entry_t)(PAGE - 1)) + PAGE_OFFSET);
}

entry_t *directory_entry(uint32_t va)
{
#ifdef PAE
	entry_t *top = &page_root[va >> 30];

	if (!(*top & PTE_P)) {
		*top = physical(page_new()) | PTE_P;
		/* The processor keeps these four entries until CR3 is loaded. */
		VMI(SetCR3, physical(page_root));
	}
	return (entry_t *)virtual(*top) + (va >> 21 & 511);
#else
	return &page_root[va >> DIRECTORY_SHIFT];
#endif
}

entry_t *table_entry(uint32_t va)
{
	return (entry_t *)virtual(*directory_entry(va)) + (va >> 12 & TABLE_MASK);
}

void map_table(uint32_t va, void *table, uint32_t rights)
{
	*directory_entry(va) = physical(table) | rights;
}

void flush(void)
{
	VMI(FlushTLB, VMI_FLUSH_TLB | VMI_FLUSH_GLOBAL);
}

void map_page(uint32_t va, uint32_t pa, uint32_t rights)
{
	if (!(*directory_entry(va) & PTE_P))
		map_table(va, page_new(), PTE_P | PTE_RW | PTE_USER);
	*table_entry(va) = pa | rights;
	flush();
}

/* ---- user mode ---- */

static uint8_t *user_text, *user_stack;

/* What start.S has mapped at 0, to turn paging on, is in the way. */
void memory_setup(void);
void memory_setup(void)
{
#ifdef PAE
	page_root[0] = 0;
	VMI(SetCR3, physical(page_root));
#else
	for (uint32_t va = 0; va < MAPPED; va += 1u << DIRECTORY_SHIFT)
		*directory_entry(va) = 0;
	flush();
#endif
	user_text = page_new();
	user_stack = page_new();
	map_page(USER_TEXT, physical(user_text), PTE_P | PTE_RW | PTE_USER);
	map_page(USER_STACK, physical(user_stack), PTE_P | PTE_RW | PTE_USER);
}

struct registers user_registers(void)
{
	call_reset();
	call_in.cs = USER_CS;
	call_in.ss = USER_DS;
	call_in.esp = USER_STACK + PAGE;
	call_in.eflags = 2 | EFLAGS_IF;
	call_in.fs = 0;
	return call_in;
}

void user_load(const uint8_t *code, const uint8_t *end)
{
	for (unsigned i = 0; code + i < end; i++)
		user_text[i] = code[i];
}

void user_run(const uint8_t *code, const uint8_t *end)
{
	struct registers start = call_in;

	user_load(code, end);
	trapped.happened = false;
	user_enter(&start);
}

/* ---- what the compiler calls ---- */

void *memcpy(void *to, const void *from, size_t n);
void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

void *memset(void *to, int value, size_t n);
void *memset(void *to, int value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = (uint8_t)value;
	return to;
}
