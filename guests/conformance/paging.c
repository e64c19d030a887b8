// SPDX-License-Identifier: GPL-2.0-or-later
/* Page tables, for both formats: calls 38 to 48 and 73. */
#include "conformance.h"

#define HERE       PLAYGROUND
#define AT(offset) (*(volatile uint32_t *)(HERE + (offset)))
#define RIGHTS     (PTE_P | PTE_RW)
#define PAGE       4096u
#define NOWHERE    0x00900000u
#define HINTS      (VMI_PAGE_PT | VMI_PAGE_CURRENT_AS | HERE)
#define CR4_PSE    0x10u
#define CR4_PGE    0x80u

#ifdef PAE
#define SET               VMI_CALL_SetPxELong
#define UPDATE            VMI_CALL_UpdatePxELong
#define LARGE             (2u << 20)
#define TEST_SET(rule)    TEST(SetPxELong, rule)
#define TEST_UPDATE(rule) TEST(UpdatePxELong, rule)
#else
#define SET               VMI_CALL_SetPxE
#define UPDATE            VMI_CALL_UpdatePxE
#define LARGE             (4u << 20)
#define TEST_SET(rule)    TEST(SetPxE, rule)
#define TEST_UPDATE(rule) TEST(UpdatePxE, rule)
#endif

static uint32_t *page_a, *page_b;

static void set_flags(entry_t *place, entry_t value, uint32_t flags)
{
#ifdef PAE
	call(SET, (uint32_t)value, (uint32_t)(value >> 32), (uint32_t)place, flags, 0);
#else
	call(SET, value, (uint32_t)place, flags, 0, 0);
#endif
}

static void set(entry_t *place, entry_t value)
{
	set_flags(place, value, VMI_PAGE_PT);
}

static void update(entry_t *place, uint32_t flags)
{
	call(UPDATE, (uint32_t)place, flags, 0, 0, 0);
}

/* A table for HERE with nothing in it, and two pages that say which they are. */
static entry_t *fresh(void)
{
	static void *table;

	if (!table) {
		table = page_new();
		page_a = page_new();
		page_b = page_new();
	}
	for (unsigned i = 0; i < PAGE / 4; i++)
		((uint32_t *)table)[i] = 0;
	*page_a = 0xaaaaaaaa;
	*page_b = 0xbbbbbbbb;
	map_table(HERE, table, RIGHTS | PTE_USER);
	flush();
	return table_entry(HERE);
}

/* Reads or writes where it may fault; the fault is kept, and skipped by the length given here. */
static bool skip_access(struct frame *f)
{
	if (f->vector != 14)
		return false;
	__asm__ volatile("movl %%cr2, %0" : "=r"(trapped.cr2));
	trapped.happened = true;
	trapped.error = f->error;
	f->eip = f->edx;
	return true;
}

static bool reads(uint32_t va, uint32_t *value)
{
	trapped.happened = false;
	trap_hook = skip_access;
	__asm__ volatile("movl $1f, %%edx; movl (%1), %0; 1:"
	                 : "=&a"(*value)
	                 : "c"(va)
	                 : "edx", "memory");
	trap_hook = NULL;
	return !trapped.happened;
}

static bool writes(uint32_t va, uint32_t value)
{
	trapped.happened = false;
	trap_hook = skip_access;
	__asm__ volatile("movl $1f, %%edx; movl %0, (%1); 1:"
	                 :
	                 : "a"(value), "c"(va)
	                 : "edx", "memory");
	trap_hook = NULL;
	return !trapped.happened;
}

static void check_fault(uint32_t va, uint32_t error)
{
	check(trapped.happened);
	check_equal(trapped.cr2, va);
	check_equal(trapped.error, error);
}

static void inval(uint32_t va)
{
	VMI(InvalPage, va);
}

/* ---- Set ---- */

TEST_SET("writes the entry and no other")
{
	entry_t table[3] = {0, 0, 0}, value = physical(page_new()) | RIGHTS;

#ifdef PAE
	value |= 0x8000000000000000ull;
#endif
	set(&table[1], value);
	check(table[1] == value);
	check(table[0] == 0 && table[2] == 0);
	set(&table[1], 0);
	check(table[1] == 0);
}

TEST_SET("makes a page present without a flush")
{
	entry_t *e = fresh();
	uint32_t seen;

	check(!reads(HERE, &seen));
	check_fault(HERE, 0);
	set(e, physical(page_a) | RIGHTS);
	check_equal(AT(0), 0xaaaaaaaa);
}

TEST_SET("changes where a page leads, from InvalPage on")
{
	entry_t *e = fresh();

	for (unsigned i = 0; i < 20; i++) {
		set(e, physical(page_a) | RIGHTS);
		inval(HERE);
		check_equal(AT(0), 0xaaaaaaaa);
		set(e, physical(page_b) | RIGHTS);
		inval(HERE);
		check_equal(AT(0), 0xbbbbbbbb);
	}
}

TEST_SET("takes a page away, from InvalPage on")
{
	entry_t *e = fresh();
	uint32_t seen;

	set(e, physical(page_a) | RIGHTS);
	check_equal(AT(0), 0xaaaaaaaa);
	set(e, 0);
	inval(HERE);
	check(!reads(HERE + 8, &seen));
	check_fault(HERE + 8, 0);
	check(!writes(HERE + 16, 1));
	check_fault(HERE + 16, 2);
}

TEST_SET("write-protects a page and lifts that again")
{
	entry_t *e = fresh();

	set(e, physical(page_a) | RIGHTS);
	AT(4) = 1;
	set(e, physical(page_a) | PTE_P);
	inval(HERE);
	check(!writes(HERE + 4, 2));
	check_fault(HERE + 4, 3);
	check_equal(AT(4), 1);
	set(e, physical(page_a) | RIGHTS);
	inval(HERE);
	check(writes(HERE + 4, 3));
	check_equal(page_a[1], 3);
}

TEST_SET("takes any flags for hints: wrong levels, addresses and undefined bits")
{
	static const uint32_t flags[] = {0,
	                                 0xffffffff,
	                                 VMI_PAGE_PD,
	                                 VMI_PAGE_PML4,
	                                 VMI_PAGE_CURRENT_AS | 0x12345000,
	                                 VMI_PAGE_CURRENT_AS,
	                                 VMI_PAGE_DEFER | VMI_PAGE_CURRENT_AS | 0xfffff000,
	                                 0xfc0};
	entry_t *e = fresh();

	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		set_flags(e, physical(i & 1 ? page_a : page_b) | RIGHTS, flags[i]);
		inval(HERE);
		check_equal(AT(0), i & 1 ? 0xaaaaaaaa : 0xbbbbbbbb);
	}
}

TEST_SET("links and unlinks whole tables in the directory, whatever level is said")
{
	static const uint32_t levels[] = {VMI_PAGE_PD, VMI_PAGE_PT, 0};
	entry_t *other = page_new(), *e = fresh(), old = *directory_entry(HERE);
	uint32_t seen;

	*e = physical(page_a) | RIGHTS;
	other[0] = physical(page_b) | RIGHTS;
	for (unsigned i = 0; i < 3; i++) {
		check_equal(AT(0), 0xaaaaaaaa);
		set_flags(directory_entry(HERE), physical(other) | RIGHTS | PTE_USER, levels[i]);
		flush();
		check_equal(AT(0), 0xbbbbbbbb);
		set_flags(directory_entry(HERE), 0, levels[i]);
		flush();
		check(!reads(HERE, &seen));
		set_flags(directory_entry(HERE), old, levels[i]);
	}
	check_equal(AT(0), 0xaaaaaaaa);
}

TEST_SET("writes the entry at once when it is deferred, and a page fault flushes it")
{
	entry_t *e = fresh();

	set_flags(e, physical(page_a) | RIGHTS, HINTS | VMI_PAGE_DEFER);
	check(*e == (physical(page_a) | RIGHTS));
	check_equal(AT(0), 0xaaaaaaaa);
	set_flags(e, physical(page_b) | RIGHTS, HINTS | VMI_PAGE_DEFER);
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
}

TEST_SET("heeds changed entries at a fault on another page of the table")
{
	entry_t *e = fresh();
	uint32_t seen;

	for (unsigned i = 0; i < 16; i++)
		set_flags(e + i, physical(i & 1 ? page_a : page_b) | RIGHTS, VMI_PAGE_DEFER);
	check(!reads(HERE + 16 * PAGE, &seen));
	for (unsigned i = 0; i < 16; i++)
		check_equal(AT(i * PAGE), i & 1 ? 0xaaaaaaaa : 0xbbbbbbbb);
}

TEST_SET("is a store to any place: unaligned, across pages")
{
	uint8_t *pages = page_new();
	uint32_t next = (uint32_t)page_new();

	check_equal(next, (uint32_t)pages + PAGE);
	set((entry_t *)(pages + PAGE - 2), 0x44332211);
	check_equal(pages[PAGE - 2], 0x11);
	check_equal(pages[PAGE + 1], 0x44);
	set((entry_t *)(pages + 101), 0x88776655);
	check_equal(pages[101], 0x55);
	check_equal(pages[104], 0x88);
}

static uint32_t mended;

static bool mend(struct frame *f)
{
	if (f->vector != 14)
		return false;
	__asm__ volatile("movl %%cr2, %0" : "=r"(trapped.cr2));
	trapped.happened = true;
	trapped.error = f->error;
	trapped.frame.eip = f->eip;
	mended++;
	*table_entry(HERE + PAGE) = physical(page_b) | RIGHTS;
	return true;
}

TEST_SET("raises #PF with the place in CR2, and stores when the handler has mapped it")
{
	fresh();
	mended = 0;
	trap_hook = mend;
	set((entry_t *)(HERE + PAGE + 64), physical(page_a) | RIGHTS);
	check_equal(mended, 1);
	check_equal(trapped.cr2 & ~7u, HERE + PAGE + 64);
	check_equal(trapped.error, 2);
	check(trapped.frame.eip > 0xff000000);
	check_equal(page_b[16], physical(page_a) | RIGHTS);
}

TEST_SET("sets accessed and dirty bits as they happen, and they can be cleared")
{
	entry_t *e = fresh();

	set(e, physical(page_a) | RIGHTS);
	check_equal((uint32_t)*e & (PTE_A | PTE_D), 0);
	(void)AT(0);
	check_equal((uint32_t)*e & (PTE_A | PTE_D), PTE_A);
	AT(4) = 1;
	check_equal((uint32_t)*e & (PTE_A | PTE_D), PTE_A | PTE_D);
	set(e, physical(page_a) | RIGHTS);
	inval(HERE);
	check_equal((uint32_t)*e & (PTE_A | PTE_D), 0);
	AT(4) = 2;
	check_equal((uint32_t)*e & (PTE_A | PTE_D), PTE_A | PTE_D);
}

TEST_SET("accepts entries for the hypervisor's addresses, without effect")
{
	entry_t *e = directory_entry(0xff800000), old;

	old = *e;
	set_flags(e, physical(page_new()) | RIGHTS, VMI_PAGE_PD | VMI_PAGE_CURRENT_AS | 0xff800000);
	flush();
	VMI(GetCR3);
	set(e, old);
	flush();
}

TEST_SET("accepts an entry for memory that does not exist")
{
	entry_t *e = fresh();
	uint32_t seen;

	set(e, 0xd0000000 | RIGHTS);
	inval(HERE);
	reads(HERE, &seen);
	writes(HERE, 1);
	set(e, physical(page_a) | RIGHTS);
	inval(HERE);
	check_equal(AT(0), 0xaaaaaaaa);
}

#ifdef PAE
TEST_SET("never shows an entry present with half of another")
{
	entry_t *e = fresh();
	uint64_t high = 1ull << 63;

	/* What an interrupt in the middle would see is what the store leaves: ends are right. */
	set(e, physical(page_a) | RIGHTS | high);
	check(*e == (physical(page_a) | RIGHTS | high));
	set(e, physical(page_b) | RIGHTS);
	check(*e == (physical(page_b) | RIGHTS));
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
}

TEST_SET("faults with the reserved-bit code when an entry with reserved bits is used")
{
	entry_t *e = fresh();
	uint32_t seen;

	set(e, physical(page_a) | RIGHTS | 1ull << 52);
	inval(HERE);
	check(!reads(HERE, &seen));
	check_fault(HERE, 9);
}

TEST(SetPxE, "is a store of 32 bits in a PAE kernel too")
{
	uint64_t words = 0x1111111122222222ull;

	VMI(SetPxE, 0x33333333, (uint32_t)&words, VMI_PAGE_PT);
	check(words == 0x1111111133333333ull);
}
#else
TEST(SetPxELong, "is a store of 64 bits in a kernel without PAE too")
{
	uint64_t word = 0;

	VMI(SetPxELong, 0x11223344, 0x55667788, (uint32_t)&word, VMI_PAGE_PT);
	check(word == 0x5566778811223344ull);
}

TEST(SetPxELong, "keeps all but the standard clobbers")
{
	static uint64_t word;

	VMI_EVERYWHERE(SetPxELong, 0, 0, (uint32_t)&word, 0xffffffff);
}

TEST(UpdatePxELong,
     "may be called in a kernel without PAE, and keeps all but the standard clobbers")
{
	static uint64_t word;

	VMI_EVERYWHERE(UpdatePxELong, (uint32_t)&word, 0xffffffff);
}
#endif

TEST_SET("keeps all but the standard clobbers")
{
	static entry_t entry;

#ifdef PAE
	VMI_EVERYWHERE(SetPxELong, 1, 2, (uint32_t)&entry, 0xffffffff);
#else
	VMI_EVERYWHERE(SetPxE, 1, (uint32_t)&entry, 0xffffffff);
#endif
}

/* ---- Update ---- */

TEST_UPDATE("takes notice of what the guest has written itself")
{
	entry_t *e = fresh();

	*e = physical(page_a) | RIGHTS;
	update(e, HINTS);
	check_equal(AT(0), 0xaaaaaaaa);
	*e = physical(page_b) | RIGHTS;
	update(e, HINTS);
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
}

TEST_UPDATE("makes cleared accessed and dirty bits appear again with the next access")
{
	entry_t *e = fresh();

	*e = physical(page_a) | RIGHTS;
	update(e, HINTS);
	AT(0) = 1;
	check_equal((uint32_t)*e & (PTE_A | PTE_D), PTE_A | PTE_D);
	__asm__ volatile("lock; andl %1, %0" : "+m"(*(uint32_t *)e) : "r"(~(PTE_A | PTE_D)));
	update(e, HINTS | VMI_PAGE_DEFER);
	inval(HERE);
	(void)AT(0);
	check_equal((uint32_t)*e & (PTE_A | PTE_D), PTE_A);
	AT(0) = 2;
	check_equal((uint32_t)*e & (PTE_A | PTE_D), PTE_A | PTE_D);
}

TEST_UPDATE("takes a write-protected entry for what it is")
{
	entry_t *e = fresh();

	*e = physical(page_a) | RIGHTS;
	update(e, HINTS);
	AT(0) = 1;
	__asm__ volatile("lock; btrl $1, %0" : "+m"(*(uint32_t *)e));
	update(e, HINTS);
	inval(HERE);
	check(!writes(HERE, 2));
	check_fault(HERE, 3);
}

TEST_UPDATE("takes any flags for hints, and keeps all but the standard clobbers")
{
	entry_t *e = fresh();

	*e = physical(page_a) | RIGHTS;
	call_everywhere(UPDATE, (uint32_t)e, 0xffffffff, 0, 0, 0);
	call_everywhere(UPDATE, (uint32_t)e, 0, 0, 0, 0);
	check_equal(AT(0), 0xaaaaaaaa);
}

/* ---- pages that become tables ---- */

static entry_t *new_table(uint32_t flags)
{
	entry_t *table = page_new();

#ifdef PAE
	flags |= VMI_PAGE_PAE;
#endif
	VMI(AllocatePage, physical(table) >> 12, flags, 0, 0, 0);
	return table;
}

TEST(AllocatePage, "announces a table that works when it is linked")
{
	entry_t *table = new_table(VMI_PAGE_PT | VMI_PAGE_ZEROED);

	fresh();
	set(table, physical(page_a) | RIGHTS);
	set_flags(directory_entry(HERE), physical(table) | RIGHTS, VMI_PAGE_PD);
	flush();
	check_equal(AT(0), 0xaaaaaaaa);
	set(table, physical(page_b) | RIGHTS);
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
}

TEST(AllocatePage, "leaves what the page holds alone, though it is said to be zeroed or cloned")
{
	static const uint32_t flags[] = {
	    VMI_PAGE_PD | VMI_PAGE_ZEROED, VMI_PAGE_PT | VMI_PAGE_ZEROED,
	    VMI_PAGE_PD | VMI_PAGE_CLONE | VMI_PAGE_ZEROED, 0, 0xffffffff};
	uint32_t *table = page_new();

	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		for (unsigned k = 0; k < PAGE / 4; k++)
			table[k] = k * 0x01010101u;
		VMI(AllocatePage, physical(table) >> 12, flags[i], physical(page_root) >> 12, 0,
		    1024);
		for (unsigned k = 0; k < PAGE / 4; k++)
			if (!check_equal(table[k], k * 0x01010101u))
				break;
	}
}

TEST(AllocatePage, "takes entries that were written before it, without a call")
{
	entry_t *table = page_new();

	fresh();
	table[0] = physical(page_a) | RIGHTS;
	table[1] = physical(page_b) | RIGHTS;
	VMI(AllocatePage, physical(table) >> 12, VMI_PAGE_PT | VMI_PAGE_ZEROED);
	set_flags(directory_entry(HERE), physical(table) | RIGHTS, VMI_PAGE_PD);
	flush();
	check_equal(AT(0), 0xaaaaaaaa);
	check_equal(AT(PAGE), 0xbbbbbbbb);
}

TEST(AllocatePage, "takes pages twice, the root in use, and pages outside of memory")
{
	entry_t *e = fresh();

	set(e, physical(page_a) | RIGHTS);
	VMI(AllocatePage, physical(page_root) >> 12, VMI_PAGE_PD | VMI_PAGE_ZEROED);
	VMI(AllocatePage, physical(page_root) >> 12, VMI_PAGE_PD | VMI_PAGE_ZEROED);
	VMI(AllocatePage, 0xffffffff, VMI_PAGE_PT);
	VMI(AllocatePage, 0xfffff, VMI_PAGE_PT | VMI_PAGE_CLONE, 0xfffff, 0xffffffff, 0xffffffff);
	flush();
	check_equal(AT(0), 0xaaaaaaaa);
}

TEST(AllocatePage, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(AllocatePage, physical(page_new()) >> 12, VMI_PAGE_PD | VMI_PAGE_CLONE,
	               physical(page_root) >> 12, 768, 256);
}

TEST(ReleasePage, "lets a table's page be used for anything")
{
	entry_t *table = new_table(VMI_PAGE_PT | VMI_PAGE_ZEROED), old;

	fresh();
	old = *directory_entry(HERE);
	set(table, physical(page_a) | RIGHTS);
	set_flags(directory_entry(HERE), physical(table) | RIGHTS, VMI_PAGE_PD);
	flush();
	check_equal(AT(0), 0xaaaaaaaa);
	set_flags(directory_entry(HERE), old, VMI_PAGE_PD);
	flush();
	VMI(ReleasePage, physical(table) >> 12, VMI_PAGE_PT);
	for (unsigned i = 0; i < PAGE / 4; i++)
		((uint32_t *)table)[i] = 0x67676767;
	*table_entry(HERE) = physical(table) | RIGHTS;
	check_equal(AT(0), 0x67676767);
	AT(0) = 1;
	check_equal(*(uint32_t *)table, 1);
}

TEST(ReleasePage, "ignores pages that were never announced, or are none")
{
	static const uint32_t pages[] = {0, 0xc0, 0xfffff, 0xffffffff};
	entry_t *e = fresh();

	set(e, physical(page_a) | RIGHTS);
	for (unsigned i = 0; i < 4; i++)
		VMI(ReleasePage, pages[i], i & 1 ? 0xffffffff : VMI_PAGE_PT);
	flush();
	check_equal(AT(0), 0xaaaaaaaa);
}

TEST(ReleasePage, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(ReleasePage, physical(page_new()) >> 12, VMI_PAGE_PT);
}

/* ---- flushing ---- */

TEST(InvalPage, "takes any address, and works for all of the page it is in")
{
	static const uint32_t anything[] = {0,          0xfff,      0x7fffffff, 0xbfffffff,
	                                    0xff000000, 0xffffffff, NOWHERE};
	entry_t *e = fresh();

	for (unsigned i = 0; i < sizeof anything / sizeof *anything; i++)
		inval(anything[i]);
	set(e, physical(page_a) | RIGHTS);
	check_equal(AT(0), 0xaaaaaaaa);
	set(e, physical(page_b) | RIGHTS);
	inval(HERE + 0xfff);
	check_equal(AT(0), 0xbbbbbbbb);
}

TEST(InvalPage, "drops a global page too")
{
	uint32_t cr4 = (uint32_t)VMI(GetCR4);
	entry_t *e = fresh();

	VMI(SetCR4, cr4 | CR4_PGE);
	set(e, physical(page_a) | RIGHTS | PTE_G);
	check_equal(AT(0), 0xaaaaaaaa);
	set(e, physical(page_b) | RIGHTS | PTE_G);
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
	VMI(SetCR4, cr4);
}

TEST(InvalPage, "leaves other pages what they are")
{
	entry_t *e = fresh();

	for (unsigned i = 0; i < 8; i++)
		set(e + i, physical(i & 1 ? page_a : page_b) | RIGHTS);
	for (unsigned i = 0; i < 8; i++)
		(void)AT(i * PAGE);
	set(e + 3, physical(page_b) | RIGHTS);
	inval(HERE + 3 * PAGE);
	for (unsigned i = 0; i < 8; i++)
		check_equal(AT(i * PAGE), i & 1 && i != 3 ? 0xaaaaaaaa : 0xbbbbbbbb);
}

/* What row_of_pages() makes of the pages, which before were page_a's and writable, or not. */
enum fate { STAYS, MOVES, GOES, LOSES_WRITE, GAINS_WRITE, FATES };

static void check_fate(enum fate fate, bool writable, uint32_t va)
{
	uint32_t seen;

	check_equal(reads(va, &seen), fate != GOES);
	if (fate != GOES)
		check_equal(seen, fate == MOVES ? 0xbbbbbbbb : 0xaaaaaaaa);
	check_equal(writes(va + 4, fate),
	            fate != GOES && (fate == GAINS_WRITE || (writable && fate != LOSES_WRITE)));
}
/* Entries that change in many ways, in runs of @run that do so in the same way, and are flushed one
 * by one. */
static void row_of_pages(unsigned run, bool upwards)
{
	enum { PAGES = 80 };
	entry_t *e = fresh();
	entry_t frame, rights;

	for (unsigned i = 0; i < PAGES; i++) {
		set(e + i, physical(page_a) | RIGHTS);
		AT(i * PAGE + 4) = i;
		if (i & 1) {
			set(e + i, physical(page_a) | PTE_P | PTE_A | PTE_D);
			inval(HERE + i * PAGE);
		}
	}
	for (unsigned i = 0; i < PAGES; i++) {
		enum fate fate = i / run % FATES;

		frame = physical(fate == MOVES ? page_b : page_a);
		rights = fate == LOSES_WRITE   ? PTE_P
		         : fate == GAINS_WRITE ? RIGHTS
		                               : (e[i] & RIGHTS);
		set(e + i, fate == GOES ? 0 : frame | rights | PTE_A | PTE_D);
	}
	for (unsigned n = 0; n < PAGES; n++) {
		unsigned i = upwards ? n : PAGES - 1 - n;

		inval(HERE + i * PAGE);
		check_fate(i / run % FATES, !(i & 1), HERE + i * PAGE);
	}
}
TEST(InvalPage, "in a row makes each page what its entry says, whatever became of the others")
{
	for (unsigned run = 1; run <= 40; run += run) {
		row_of_pages(run, true);
		row_of_pages(run, false);
	}
}
/*
 * A slot of the kernel's, as for pages of high memory: its next access after InvalPage may be
 * executed in another way than others (core/strings.h). What is done there is held against the same
 * done in memory that is always mapped.
 */
#define SLOT  0xd0000000u
#define SLOTS 3
#define WORDS (PAGE / 4)

struct strings {
	uint32_t eax, ecx, esi, edi, flags;
};

static uint32_t *slot_page[SLOTS], *plain_page[SLOTS];

/* The slots lead to pages with the content that the plain pages, one behind the other, have. */
static void fresh_slots(void)
{
	static uint8_t plain[(SLOTS + 1) * PAGE];
	static void *table;
	entry_t *e;

	if (!table) {
		table = page_new();
		for (unsigned i = 0; i < SLOTS; i++)
			slot_page[i] = page_new();
	}
	map_table(SLOT, table, RIGHTS);
	e = table_entry(SLOT);
	for (unsigned i = 0; i < SLOTS; i++) {
		plain_page[i] = (uint32_t *)(((uint32_t)plain + PAGE - 1) & -PAGE) + i * WORDS;
		for (unsigned j = 0; j < WORDS; j++)
			slot_page[i][j] = plain_page[i][j] = 0x01000193 * (i * WORDS + j + 1);
		set(e + i, 0);
		inval(SLOT + i * PAGE);
		set(e + i, physical(slot_page[i]) | RIGHTS);
	}
}

static void check_slots(const struct strings *slot, const struct strings *plain)
{
	uint32_t offset = SLOT - (uint32_t)plain_page[0];

	check_equal(slot->eax, plain->eax);
	check_equal(slot->ecx, plain->ecx);
	check_equal(slot->esi, plain->esi + offset);
	check_equal(slot->edi, plain->edi + offset);
	check_equal(slot->flags, plain->flags);
	for (unsigned i = 0; i < SLOTS; i++)
		for (unsigned j = 0; j < WORDS; j++)
			if (slot_page[i][j] != plain_page[i][j]) {
				check_equal(i * PAGE + j * 4, 0xffffffff);
				return;
			}
}

/* The same with both; EDX stays unused, for skip_access(). */
#define STRINGS(text)                                                                              \
	static struct strings run(struct strings r)                                                \
	{                                                                                          \
		__asm__ volatile(                                                                  \
		    "pushl $2; popfl; movl $2f, %%edx\n" text "\n2: pushfl; popl %4; cld"          \
		    : "+a"(r.eax), "+c"(r.ecx), "+S"(r.esi), "+D"(r.edi), "=&b"(r.flags)           \
		    :                                                                              \
		    : "edx", "memory");                                                            \
		return r;                                                                          \
	}

static void both(struct strings (*run)(struct strings), uint32_t eax, uint32_t ecx, uint32_t from,
                 uint32_t to)
{
	struct strings slot = {eax, ecx, SLOT + from, SLOT + to, 0}, plain = slot;

	plain.esi = (uint32_t)plain_page[0] + from;
	plain.edi = (uint32_t)plain_page[0] + to;
	slot = run(slot);
	plain = run(plain);
	check_slots(&slot, &plain);
}
#define AFTER_INVALIDATION(name, text)                                                             \
	STRINGS(text)                                                                              \
	TEST(InvalPage, "then " name)
#define run run_clear
AFTER_INVALIDATION("clear_page() as compiled by gcc: memory, registers and flags",
                   "movl $0, (%%edi); movl %%edi, %%ecx; movl $0, 0xffc(%%edi); movl %%edi, %%ebx;"
                   "leal 4(%%edi), %%edi; andl $-4, %%edi; xorl %%eax, %%eax; subl %%edi, %%ecx;"
                   "addl $4096, %%ecx; shrl $2, %%ecx; rep stosl")
{
	fresh_slots();
	both(run_clear, 5, 6, 0, PAGE);
}
#undef run
#define run run_copy
AFTER_INVALIDATION(
    "copy_page() as compiled by gcc: memory, registers and flags",
    "movl (%%esi), %%eax; movl %%eax, (%%edi); movl 0xffc(%%esi), %%eax;"
    "movl %%eax, 0xffc(%%edi); leal 4(%%edi), %%ebx; andl $0xfffffffc, %%ebx;"
    "subl %%ebx, %%edi; subl %%edi, %%esi; leal 0x1000(%%edi), %%ecx; movl %%ebx, %%edi;"
    "shrl $2, %%ecx; rep movsl")
{
	fresh_slots();
	both(run_copy, 0, 0, 0, 2 * PAGE);
	fresh_slots();
	both(run_copy, 0, 0, PAGE, 0);
}
#undef run
#define run run_arithmetic
AFTER_INVALIDATION(
    "arithmetic before a string instruction: flags",
    "movl (%%esi), %%eax; addl %%eax, %%ecx; orl $0x1234567, %%eax; xorl %%eax, %%ecx;"
    "subl $-128, %%ecx; andl $0x7f, %%ecx; addl $0x7fffffff, %%eax; addl $1, %%eax;"
    "rep stosl")
{
	for (uint32_t i = 0; i < 16; i++) {
		fresh_slots();
		both(run_arithmetic, 0, i * 0x11111111, i * 4, PAGE + 12);
	}
}
#undef run
#define run run_movsl
AFTER_INVALIDATION("REP MOVSD of any length and alignment, overlapping or not", "rep movsl")
{
	static const uint32_t length[] = {0, 1, 3, 63, 1023, 1024, 1025, 2047};
	static const struct {
		uint32_t from, to;
	} place[] = {{0, PAGE},        {1, PAGE + 2},       {PAGE - 2, 3},  {PAGE + 4, PAGE},
	             {PAGE, PAGE + 4}, {PAGE, PAGE + 5},    {0, PAGE - 16}, {8, 8},
	             {2 * PAGE, 4},    {PAGE - 3, PAGE - 1}};

	for (unsigned l = 0; l < sizeof length / sizeof *length; l++)
		for (unsigned p = 0; p < sizeof place / sizeof *place; p++) {
			uint32_t end = place[p].from > place[p].to ? place[p].from : place[p].to;

			if (end + length[l] * 4 > SLOTS * PAGE)
				continue;
			fresh_slots();
			both(run_movsl, 9, length[l], place[p].from, place[p].to);
		}
}
#undef run
#define run run_stosl
AFTER_INVALIDATION("REP STOSD of any length and alignment", "rep stosl")
{
	for (uint32_t to = 0; to < 8; to++)
		for (uint32_t length = 1; length < 2048; length = length * 3 + 1) {
			fresh_slots();
			both(run_stosl, 0x12345678, length, 0, PAGE - 4 + to);
			fresh_slots();
			both(run_stosl, 0x77777777, length, 0, to);
		}
}
#undef run
#define run run_bytes
AFTER_INVALIDATION("REP MOVSB and REP STOSB", "rep movsb; movl $100, %%ecx; rep stosb")
{
	fresh_slots();
	both(run_bytes, 0xabcd, 300, 7, 2 * PAGE - 150);
	fresh_slots();
	both(run_bytes, 0xabcd, PAGE + 60, PAGE - 1, 60);
}
#undef run
#define run run_backwards
AFTER_INVALIDATION("REP MOVSD and REP STOSD backwards", "std; rep movsl; movl $5, %%ecx; rep stosl")
{
	fresh_slots();
	both(run_backwards, 0x1234, 300, PAGE + 8, 2 * PAGE + 8);
}
#undef run

STRINGS("rep movsl")
TEST(InvalPage,
     "then a string instruction that reaches a page that is not there: the fault's place")
{
	struct strings r = {0, WORDS, SLOT + PAGE + 4, SLOT, 0};

	fresh_slots();
	set(table_entry(SLOT) + 2, 0);
	inval(SLOT + 2 * PAGE);
	trapped.happened = false;
	trap_hook = skip_access;
	r = run(r);
	trap_hook = NULL;
	check_fault(SLOT + 2 * PAGE, 0);
	check_equal(r.ecx, 1);
	check_equal(r.esi, SLOT + 2 * PAGE);
	check_equal(r.edi, SLOT + PAGE - 4);
	check_equal(slot_page[0][WORDS - 2], slot_page[1][WORDS - 1]);

	fresh_slots();
	set(table_entry(SLOT) + 1, physical(slot_page[1]) | PTE_P);
	inval(SLOT + PAGE);
	trapped.happened = false;
	trap_hook = skip_access;
	r = run((struct strings){0, WORDS, SLOT + 2 * PAGE, SLOT + 16, 0});
	trap_hook = NULL;
	check_fault(SLOT + PAGE, 3);
	check_equal(r.ecx, 4);
	check_equal(r.edi, SLOT + PAGE);
	check(!(table_entry(SLOT)[1] & PTE_D));
	check(table_entry(SLOT)[2] & PTE_A);
	check(!(table_entry(SLOT)[2] & PTE_D));
	check(table_entry(SLOT)[0] & PTE_D);

	fresh_slots();
	set(table_entry(SLOT) + 1, 0);
	inval(SLOT + PAGE);
	trapped.happened = false;
	trap_hook = skip_access;
	r = run((struct strings){0, WORDS, SLOT + PAGE, SLOT + 2 * PAGE, 0});
	trap_hook = NULL;
	check_fault(SLOT + PAGE, 0);
	check_equal(r.ecx, WORDS);
	check(!(table_entry(SLOT)[2] & PTE_D));
}
TEST(InvalPage, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(InvalPage, HERE);
	VMI_EVERYWHERE(InvalPage, 0xffffffff);
}

static void flushes(uint32_t flags, uint32_t global)
{
	entry_t *e = fresh();

	for (unsigned i = 0; i < 40; i++)
		set(e + i, physical(i & 1 ? page_a : page_b) | RIGHTS | global);
	for (unsigned i = 0; i < 40; i++)
		(void)AT(i * PAGE);
	for (unsigned i = 0; i < 40; i++)
		set(e + i, physical(i & 1 ? page_b : page_a) | RIGHTS | global);
	VMI(FlushTLB, flags);
	for (unsigned i = 0; i < 40; i++)
		check_equal(AT(i * PAGE), i & 1 ? 0xbbbbbbbb : 0xaaaaaaaa);
}

TEST(FlushTLB, "drops all translations that are not global")
{
	flushes(VMI_FLUSH_TLB, 0);
}

TEST(FlushTLB, "drops global translations with VMI_FLUSH_GLOBAL")
{
	uint32_t cr4 = (uint32_t)VMI(GetCR4);

	VMI(SetCR4, cr4 | CR4_PGE);
	flushes(VMI_FLUSH_TLB | VMI_FLUSH_GLOBAL, PTE_G);
	VMI(SetCR4, cr4);
}

TEST(FlushTLB, "takes VMI_FLUSH_TLB as set, and ignores undefined bits")
{
	flushes(0, 0);
	flushes(0xfffffffc, 0);
	flushes(0xffffffff, 0);
}

TEST(FlushTLB, "heeds directories that changed")
{
	entry_t *e = fresh(), *other = page_new();

	*e = physical(page_a) | RIGHTS;
	other[0] = physical(page_b) | RIGHTS;
	check_equal(AT(0), 0xaaaaaaaa);
	*directory_entry(HERE) = physical(other) | RIGHTS;
	VMI(FlushTLB, VMI_FLUSH_TLB);
	check_equal(AT(0), 0xbbbbbbbb);
}

#ifdef PAE
static void flush_all_but_global(void)
{
	VMI(FlushTLB, VMI_FLUSH_TLB);
}

static void toggle_global(void)
{
	uint32_t cr4 = (uint32_t)VMI(GetCR4);

	VMI(SetCR4, cr4 ^ CR4_PGE);
	VMI(SetCR4, cr4);
}

/* The processor keeps the four topmost entries until CR3, or one of some bits of CR4, is written.
 */
static void heeds_topmost_entries(void (*after_change)(void))
{
	entry_t *e = fresh(), *top = &page_root[HERE >> 30], before = *top;
	entry_t *directory = page_new(), *table = page_new();

	*e = physical(page_a) | RIGHTS;
	check_equal(AT(0), 0xaaaaaaaa);
	for (uint32_t i = 0; i < 512; i++)
		directory[i] = *directory_entry((HERE & 0xc0000000u) + (i << 21));
	directory[HERE >> 21 & 511] = physical(table) | RIGHTS;
	table[HERE >> 12 & 511] = physical(page_b) | RIGHTS;
	*top = physical(directory) | PTE_P;
	after_change();
	check_equal(AT(0), 0xbbbbbbbb);
	*top = before;
	after_change();
	check_equal(AT(0), 0xaaaaaaaa);
}

TEST(FlushTLB, "heeds the topmost entries of PAE tables, as a write to CR3 does")
{
	heeds_topmost_entries(flush_all_but_global);
}

TEST(SetCR4, "heeds the topmost entries of PAE tables when PGE changes")
{
	heeds_topmost_entries(toggle_global);
}
#endif

TEST(FlushTLB, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(FlushTLB, VMI_FLUSH_TLB);
	VMI_EVERYWHERE(FlushTLB, VMI_FLUSH_TLB | VMI_FLUSH_GLOBAL);
}

/* ---- SetLinearMapping ---- */

TEST(SetLinearMapping, "is a hint: entries are found through any mapping of a table")
{
	entry_t *e = fresh(), *alias = (entry_t *)(HERE + 32 * PAGE);

	VMI(SetLinearMapping, 0, PAGE_OFFSET, MAPPED >> 12, 0);
	/* The table itself, where Linux has its atomic mappings of page tables. */
	e[32] = ((physical(e)) & ~(PAGE - 1)) | RIGHTS;
	VMI(SetLinearMapping, 1, (uint32_t)alias, 1, physical(e) >> 12);
	set(alias, physical(page_a) | RIGHTS);
	check_equal(AT(0), 0xaaaaaaaa);
	set(alias, physical(page_b) | RIGHTS);
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
}

TEST(SetLinearMapping, "never trusts what it is told, and ignores slots out of range")
{
	entry_t *e = fresh();

	VMI(SetLinearMapping, 0, PAGE_OFFSET, MAPPED >> 12, 12345);
	VMI(SetLinearMapping, 3, 0, 0xffffffff, 0xffffffff);
	VMI(SetLinearMapping, 4, PAGE_OFFSET, 1, 0);
	VMI(SetLinearMapping, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
	set(e, physical(page_a) | RIGHTS);
	check_equal(AT(0), 0xaaaaaaaa);
	VMI(SetLinearMapping, 0, PAGE_OFFSET, MAPPED >> 12, 0);
}

TEST(SetLinearMapping, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetLinearMapping, 0, PAGE_OFFSET, MAPPED >> 12, 0);
}

/* ---- SetLazyMode ---- */

TEST(SetLazyMode, "defers no entry beyond OFF, nor beyond a page fault")
{
	entry_t *e = fresh();

	VMI(SetLazyMode, VMI_LAZY_MODE_MMU_UPDATES);
	for (unsigned i = 0; i < 32; i++)
		set(e + i, physical(page_a) | RIGHTS);
	check_equal(AT(0), 0xaaaaaaaa); /* the access faults if need be, and that flushes */
	VMI(SetLazyMode, VMI_LAZY_MODE_OFF);
	for (unsigned i = 0; i < 32; i++)
		check_equal(AT(i * PAGE), 0xaaaaaaaa);
}

TEST(SetLazyMode, "lets handlers end it and begin it again")
{
	entry_t *e = fresh();

	VMI(SetLazyMode, VMI_LAZY_MODE_MMU_UPDATES);
	set(e, physical(page_a) | RIGHTS);
	VMI(SetLazyMode, VMI_LAZY_MODE_OFF);
	set(e + 1, physical(page_b) | RIGHTS);
	check_equal(AT(PAGE), 0xbbbbbbbb);
	VMI(SetLazyMode, VMI_LAZY_MODE_MMU_UPDATES);
	set(e, physical(page_b) | RIGHTS);
	inval(HERE);
	check_equal(AT(0), 0xbbbbbbbb);
	VMI(SetLazyMode, VMI_LAZY_MODE_OFF);
}

TEST(SetLazyMode, "shows the newest CPU state to the Get calls, and all of it after OFF")
{
	uint32_t root = (uint32_t)VMI(GetCR3), esp0 = tss.esp0;

	VMI(SetLazyMode, VMI_LAZY_MODE_CPU_STATE);
	VMI(SetCR3, root | 8);
	check_equal((uint32_t)VMI(GetCR3), root | 8);
	VMI(UpdateKernelStack, KERNEL_DS, esp0);
	VMI(SetLazyMode, VMI_LAZY_MODE_OFF);
	check_equal((uint32_t)VMI(GetCR3), root | 8);
	VMI(SetCR3, root);
}

TEST(SetLazyMode, "takes an undefined mode as OFF, and one mode after the other")
{
	static const uint32_t modes[] = {3,
	                                 0xffffffff,
	                                 VMI_LAZY_MODE_MMU_UPDATES,
	                                 VMI_LAZY_MODE_CPU_STATE,
	                                 VMI_LAZY_MODE_MMU_UPDATES,
	                                 4,
	                                 VMI_LAZY_MODE_OFF,
	                                 VMI_LAZY_MODE_OFF};

	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		entry_t *e = fresh();

		set(e, physical(page_a) | RIGHTS);
		VMI(SetLazyMode, modes[i]);
		check_equal(AT(0), 0xaaaaaaaa);
	}
}

/* Interrupts stay on in lazy mode, and their handlers work. */
TEST(SetLazyMode, "lets interrupts in")
{
	VMI(SetLazyMode, VMI_LAZY_MODE_MMU_UPDATES);
	timer_pend();
	VMI(EnableInterrupts);
	VMI(DisableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
	VMI(SetLazyMode, VMI_LAZY_MODE_OFF);
}

TEST(SetLazyMode, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetLazyMode, VMI_LAZY_MODE_MMU_UPDATES);
	VMI_EVERYWHERE(SetLazyMode, 0xffffffff);
	VMI_EVERYWHERE(SetLazyMode, VMI_LAZY_MODE_OFF);
}

/* ---- machine pages ---- */

static void same_page(unsigned number)
{
	static const uint32_t pages[] = {0, 1, 0xfffff, 0x12345, 0xffffffff};

	for (unsigned i = 0; i < 5; i++)
		check_equal((uint32_t)call(number, pages[i], 0, 0, 0, 0), pages[i]);
}

TEST(MachineToPhysical, "answers every page with itself")
{
	same_page(VMI_CALL_MachineToPhysical);
}

TEST(MachineToPhysical, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(MachineToPhysical, 1);
}

TEST(PhysicalToMachine, "answers every page with itself")
{
	same_page(VMI_CALL_PhysicalToMachine);
}

TEST(PhysicalToMachine, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(PhysicalToMachine, 1);
}

/* ---- large pages, and the change of format ---- */

TEST_SET("maps large pages, and small ones in their place")
{
	entry_t *e = fresh(), old = *directory_entry(HERE);
	uint32_t cr4 = (uint32_t)VMI(GetCR4), large = LARGE;
	volatile uint32_t *low = (volatile uint32_t *)(PAGE_OFFSET + large);

	VMI(SetCR4, cr4 | CR4_PSE);
	*e = physical(page_a) | RIGHTS;
	check_equal(AT(0), 0xaaaaaaaa);
	set_flags(directory_entry(HERE), LARGE | RIGHTS | PTE_PS, VMI_PAGE_PD);
	flush();
	low[5] = 0x12121212;
	check_equal(AT(20), 0x12121212);
	AT(LARGE - 4) = 0x34343434;
	check_equal(low[LARGE / 4 - 1], 0x34343434);
	set_flags(directory_entry(HERE), old, VMI_PAGE_PD);
	flush();
	check_equal(AT(0), 0xaaaaaaaa);
	VMI(SetCR4, cr4);
}

#ifndef PAE
#define CR4_PAE 0x20u

/*
 * Linux up to 2.6.24: the first 32 bytes of the root become the four entries of the PAE format,
 * while those from 768 on are still used before.
 */
TEST(SetCR4, "turns PAE on and off again while paging is on, with one page as root of both")
{
	uint32_t cr4 = (uint32_t)VMI(GetCR4), root = (uint32_t)VMI(GetCR3);
	uint64_t *directory = page_new(), *first = (uint64_t *)page_root, old[4];

	for (unsigned i = 0; i < MAPPED >> 21; i++) {
		uint64_t *table = page_new();

		for (unsigned k = 0; k < 512; k++)
			table[k] = (i << 21) + (k << 12) + (PTE_P | PTE_RW | PTE_USER);
		directory[i] = physical(table) | PTE_P | PTE_RW | PTE_USER;
	}
	for (unsigned i = 0; i < 4; i++) {
		old[i] = first[i];
		first[i] = 0;
	}
	first[3] = physical(directory) | PTE_P;
	VMI(SetCR4, cr4 | CR4_PAE);
	check_equal((uint32_t)VMI(GetCR4), cr4 | CR4_PAE);
	check_equal((uint32_t)VMI(GetCR3), root);
	*page_a = 0x77777777;
	check_equal(*page_a, 0x77777777);
	VMI(SetCR4, cr4);
	for (unsigned i = 0; i < 4; i++)
		first[i] = old[i];
	flush();
	check_equal(*page_a, 0x77777777);
}
#endif
