// SPDX-License-Identifier: GPL-2.0-or-later
/* Guest-virtual memory through the guest's page tables, which may say anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/guest_view.h"

#include <string.h>

#define PAGE     4096u
#define RAM_SIZE (8 * PAGE)
#define LAST     (RAM_SIZE - PAGE) /* pa of the last page */
#define PG       0x80000000u
#define PSE      0x10u
#define PAE      0x20u
#define PRESENT  0x01u
#define LARGE    0x80u

static uint8_t ram[RAM_SIZE];
static struct guest_view view;

static int setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof ram);
	view = (struct guest_view){.ram = ram, .ram_size = RAM_SIZE};
	return 0;
}

static void put32(uint32_t pa, uint32_t value)
{
	memcpy(ram + pa, &value, sizeof value);
}

/* One page at the end of a table of 32-bit entries, va 0xfffff000, by tables at @directory, @table. */
static void map_last(uint32_t directory, uint32_t table, uint32_t pa)
{
	view.cr0 = PG;
	view.cr3 = directory;
	put32(directory + 1023 * 4, table | PRESENT);
	put32(table + 1023 * 4, pa | PRESENT);
}

static bool reads(uint32_t va, uint32_t want)
{
	uint32_t got = 0;

	return guest_view_read(&view, va, &got, sizeof got) && got == want;
}

static void without_paging_addresses_are_physical(void **state)
{
	uint32_t word = 0x12345678;

	(void)state;
	assert_true(guest_view_write(&view, 0x1234, &word, sizeof word));
	assert_memory_equal(ram + 0x1234, &word, sizeof word);
	assert_true(reads(0x1234, word));
	assert_false(guest_view_read(&view, RAM_SIZE - 3, &word, sizeof word));
	assert_false(guest_view_read(&view, 0xfffffffe, &word, sizeof word));
}

static void two_levels(void **state)
{
	(void)state;
	map_last(0x1000, 0x2000, 0x3000);
	put32(0x3010, 99);
	assert_true(reads(0xfffff010, 99));
	assert_false(reads(0xffffe010, 99));
	put32(0x1000 + 1023 * 4, 0);
	assert_false(reads(0xfffff010, 99));
}

/* An entry has 4 bytes, and those of the last one end where the guest's memory does. */
static void the_last_entry_of_a_table_in_the_last_page(void **state)
{
	(void)state;
	map_last(0x1000, LAST, 0x3000);
	put32(0x3010, 99);
	assert_true(reads(0xfffff010, 99));
	map_last(LAST, 0x2000, 0x3000);
	assert_true(reads(0xfffff010, 99));
}

static void tables_outside_of_memory_map_nothing(void **state)
{
	(void)state;
	map_last(0x1000, 0x2000, RAM_SIZE);
	assert_false(reads(0xfffff010, 0));
	put32(0x1000 + 1023 * 4, RAM_SIZE | PRESENT);
	assert_false(reads(0xfffff010, 0));
	view.cr3 = 0xfffff000;
	assert_false(reads(0xfffff010, 0));
	view.cr4 = PAE;
	view.cr3 = 0xffffffe0;
	assert_false(reads(0xfffff010, 0));
}

static void large_pages(void **state)
{
	(void)state;
	view.cr0 = PG;
	view.cr3 = 0x1000;
	put32(0x1000, LARGE | PRESENT);
	put32(0x5000, 7);
	view.cr4 = PSE;
	assert_true(reads(0x5000, 7));
	/* Without CR4.PSE the bit means nothing in a directory's entry (SDM volume 3, 4.3). */
	view.cr4 = 0;
	assert_false(reads(0x5000, 7));
}

static void three_levels(void **state)
{
	(void)state;
	view.cr0 = PG;
	view.cr4 = PAE;
	view.cr3 = 0x1020; /* 32-byte boundary */
	put32(0x1020 + 3 * 8, 0x2000 | PRESENT);
	put32(0x2000 + 511 * 8, LAST | PRESENT);
	put32(LAST + 511 * 8, 0x4000 | PRESENT);
	put32(0x4000, 5);
	assert_true(reads(0xfffff000, 5));
	/* Above 4 GiB there is no memory. */
	put32(LAST + 511 * 8 + 4, 1);
	assert_false(reads(0xfffff000, 5));
}

static void a_copy_stops_at_a_page_that_is_not_there(void **state)
{
	uint8_t got[16];

	(void)state;
	map_last(0x1000, 0x2000, 0x3000);
	put32(0x2000 + 1022 * 4, 0x4000 | PRESENT);
	memset(ram + 0x4ff8, 1, 8);
	memset(ram + 0x3000, 2, 8);
	assert_true(guest_view_read(&view, 0xffffeff8, got, 16));
	assert_int_equal(got[7], 1);
	assert_int_equal(got[8], 2);
	put32(0x2000 + 1023 * 4, 0);
	assert_false(guest_view_read(&view, 0xffffeff8, got, 16));
	assert_false(guest_view_write(&view, 0xffffeff8, got, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(without_paging_addresses_are_physical, setup),
	    cmocka_unit_test_setup(two_levels, setup),
	    cmocka_unit_test_setup(the_last_entry_of_a_table_in_the_last_page, setup),
	    cmocka_unit_test_setup(tables_outside_of_memory_map_nothing, setup),
	    cmocka_unit_test_setup(large_pages, setup),
	    cmocka_unit_test_setup(three_levels, setup),
	    cmocka_unit_test_setup(a_copy_stops_at_a_page_that_is_not_there, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
