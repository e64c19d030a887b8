// SPDX-License-Identifier: GPL-2.0-or-later
/* Modules: what is read of them, where their share goes, what becomes of their text. */
#include "tests/unit/test_annotate_module.h"
#include "tests/unit/test_annotate_image.h"

#include "annotate/image.h"
#include "annotate/parts.h"

#include <errno.h>

static uint8_t ram[RAM_SIZE];
static struct annotations all, one;
static uint8_t area[HOLE_MODULES_SIZE], stubs[HOLE_MODULES_SIZE];
static const struct guest_view view = {.ram = ram, .ram_size = RAM_SIZE};
static char error[ANNOTATE_ERROR_SIZE];

static bool place(void *context, const struct annotate_need *need, uint32_t *first_site,
                  uint32_t *stubs_va)
{
	struct parts_room *room = context;

	if (!parts_find_room(&all, IMAGE_EXTENTS_MAX, need, room))
		return false;
	*first_site = room->site;
	*stubs_va = room->stub;
	return true;
}

static void load(struct annotate_report *report)
{
	struct parts_room room;
	struct annotate_options o = {.place = place,
	                             .place_context = &room,
	                             .single_thread = true,
	                             .stubs_va = HOLE_MODULES,
	                             .stubs_size = sizeof(stubs),
	                             .rom = test_rom};
	struct module_image m;

	assert_int_equal(module_open(&m, &view, HEADER_AT, SECTIONS_AT, error), 0);
	assert_true(module_has_code(&m));
	assert_int_equal(annotate_kernel(&m.in, &o, &one, stubs, report, error), 0);
	parts_add(&all, &one, &room, stubs, area);
	module_write(&one, &view);
	module_close(&m);
}

static int setup(void **state)
{
	(void)state;
	module_build(ram);
	all.nparts = 0;
	all.nsites = 100;
	all.nwindows = 50;
	all.npoints = 70;
	return 0;
}

static void test_text_and_initialization(void **state)
{
	needs_stubs();
	const struct annot_part *text = &all.parts[0], *init = &all.parts[1];
	struct annotate_report r;
	uint32_t jump;

	(void)state;
	load(&r);
	assert_int_equal(all.nparts, 2);
	assert_int_equal(text->va, TEXT_AT);
	assert_int_equal(text->size, sizeof(module_text));
	assert_int_equal(init->va, INIT_AT);
	assert_int_equal(text->first_site, 100);
	assert_int_equal(text->nsites, 4);
	assert_int_equal(init->first_site, 104);
	assert_int_equal(init->nsites, 2);
	assert_int_equal(all.sites[104].va, INIT_AT);
	assert_int_equal(r.kinds[ANNOTATE_PUSHF].inlined, 2);
	assert_int_equal(r.kinds[ANNOTATE_POPF].inlined, 2);
	assert_int_equal(r.kinds[ANNOTATE_CPUID].called, 1);
	assert_int_equal(r.mcount, 1);
	assert_int_equal(r.jump_labels, 1);
	/* The tracer's call and the jump label are the kernel's to write. */
	assert_memory_equal(ram + TEXT_AT, module_text, 5);
	assert_memory_equal(ram + TEXT_AT + 10, module_text + 10, 5);
	/* The window goes to its stub, and its share begins there. */
	assert_int_equal(ram[TEXT_AT + 5], 0xe9);
	memcpy(&jump, ram + TEXT_AT + 6, 4);
	assert_int_equal(jump + TEXT_AT + 10, text->stub);
	assert_int_equal(text->stub, HOLE_MODULES);
	assert_int_equal(init->stub, text->stub + text->stub_bytes);
	assert_int_equal(all.points[text->first_point].stub, text->stub);
	assert_int_equal(all.points[text->first_point].va, TEXT_AT + 5);
	assert_int_equal(all.windows[text->first_window].function, TEXT_AT);
	assert_memory_equal(all.windows[text->first_window].old, module_text + 5, 5);
}

static void test_site_numbers_count_from_the_room(void **state)
{
	const uint8_t push[] = {0x68, 103, 0, 0, 0, 0x9a}; /* push $index; lcall: the cpuid */
	struct annotate_report r;

	(void)state;
	load(&r);
	assert_non_null(memmem(area, all.parts[0].stub_bytes, push, sizeof(push)));
}

static void test_initialization_goes_first(void **state)
{
	struct annotate_report r;
	struct annotate_need used;
	uint32_t stub, bytes;

	(void)state;
	load(&r);
	stub = all.parts[1].stub;
	bytes = all.parts[1].stub_bytes;
	assert_int_equal(parts_remove(&all, INIT_AT, 1, area), 1);
	assert_int_equal(all.nparts, 1);
	assert_int_equal(all.parts[0].va, TEXT_AT);
	assert_int_equal(all.sites[104].length, 0);
	for (uint32_t i = 0; i < bytes; i++)
		assert_int_equal(area[stub - HOLE_MODULES + i], 0xcc);
	used = parts_used(&all);
	assert_int_equal(used.sites, 4);
	assert_int_equal(parts_remove(&all, TEXT_AT + 3, 1, area), 1);
	assert_int_equal(all.nparts, 0);
	assert_int_equal(parts_remove(&all, 0, UINT32_MAX, area), 0);
}

static void test_room_is_used_again(void **state)
{
	struct annotate_report r;
	uint32_t stub;

	(void)state;
	load(&r);
	stub = all.parts[0].stub;
	for (int i = 0; i < 10000; i++) {
		parts_remove(&all, TEXT_AT, INIT_AT + 16 - TEXT_AT, area);
		assert_int_equal(all.nparts, 0);
		module_build(ram);
		if (i % 1000)
			continue;
		load(&r);
		assert_int_equal(all.parts[0].stub, stub);
		assert_int_equal(all.parts[0].first_site, 100);
	}
}

static void test_room(void **state)
{
	struct annotate_need need = {.sites = 10, .windows = 1, .points = 1, .stub_bytes = 100};
	struct parts_room room;

	(void)state;
	all.nparts = 2;
	all.parts[0] =
	    (struct annot_part){.first_site = 100, .nsites = 5, .stub = HOLE_MODULES + 112};
	all.parts[0].stub_bytes = 1;
	all.parts[1] = (struct annot_part){.first_site = 115, .nsites = 5};
	assert_true(parts_find_room(&all, 1, &need, &room));
	assert_int_equal(room.site, 105);
	assert_int_equal(room.stub, HOLE_MODULES);
	need.sites = 11;
	need.stub_bytes = 113;
	assert_true(parts_find_room(&all, 1, &need, &room));
	assert_int_equal(room.site, 120);
	assert_int_equal(room.stub, HOLE_MODULES + 128);
	need.sites = ANNOT_MAX_SITES - 120;
	assert_true(parts_find_room(&all, 1, &need, &room));
	need.sites++;
	assert_false(parts_find_room(&all, 1, &need, &room));
	need.sites = 1;
	need.stub_bytes = HOLE_MODULES_SIZE;
	assert_false(parts_find_room(&all, 1, &need, &room));
	need.stub_bytes = 1;
	assert_false(parts_find_room(&all, ANNOT_MAX_PARTS - 1, &need, &room));
}

/* ---- bad modules ---- */

static int open_result(void)
{
	struct module_image m;
	int r = module_open(&m, &view, HEADER_AT, SECTIONS_AT, error);

	module_close(&m);
	return r;
}

#define ELF     ((Elf32_Ehdr *)(ram + HEADER_AT))
#define SECTION ((Elf32_Shdr *)(ram + SECTIONS_AT))
#define REFUSED(change, result)                                                                    \
	do {                                                                                       \
		module_build(ram);                                                                 \
		change;                                                                            \
		error[0] = 0;                                                                      \
		assert_int_equal(open_result(), result);                                           \
		assert_true(error[0]);                                                             \
	} while (0)

static void test_bad_modules(void **state)
{
	struct module_image m;

	(void)state;
	REFUSED(ELF->e_ident[0] = 0, -EINVAL);
	REFUSED(ELF->e_ident[EI_CLASS] = ELFCLASS64, -EINVAL);
	REFUSED(ELF->e_machine = EM_X86_64, -EINVAL);
	REFUSED(ELF->e_type = ET_EXEC, -EINVAL);
	REFUSED(ELF->e_shentsize = 64, -EINVAL);
	REFUSED(ELF->e_shnum = 0, -EINVAL);
	REFUSED(ELF->e_shnum = 65535, -EINVAL);
	REFUSED(ELF->e_shstrndx = 7, -EINVAL);
	REFUSED(SECTION[6].sh_size = 1 << 20, -E2BIG);
	REFUSED(SECTION[6].sh_offset = RAM_SIZE - 4, -EINVAL);
	REFUSED(SECTION[1].sh_addr = RAM_SIZE, -EINVAL);
	REFUSED(SECTION[1].sh_addr = 0xfffffff0, -EINVAL);
	REFUSED(SECTION[1].sh_size = 0xffffffff, -E2BIG);
	REFUSED((SECTION[1].sh_size = 40 << 20, SECTION[2].sh_size = 40 << 20), -E2BIG);
	assert_int_equal(module_open(&m, &view, RAM_SIZE - 8, SECTIONS_AT, error), -EINVAL);
	module_close(&m);
	assert_int_equal(module_open(&m, &view, HEADER_AT, RAM_SIZE - 8, error), -EINVAL);
	module_close(&m);
}

static void test_odd_modules(void **state)
{
	struct annotate_options o = {
	    .single_thread = true, .stubs_va = HOLE_MODULES, .stubs_size = 64};
	struct annotate_report r;
	struct module_image m;

	(void)state;
	/* A name outside of the names, symbols nowhere, a jump table of a strange size. */
	SECTION[1].sh_name = 0xffffff00;
	SECTION[5].sh_addr = 0xf0000000;
	SECTION[5].sh_flags = 0;
	SECTION[4].sh_size = 7;
	assert_int_equal(module_open(&m, &view, HEADER_AT, SECTIONS_AT, error), 0);
	assert_string_equal(m.sections[0].name, "");
	assert_int_equal(m.in.nfunctions, 0);
	module_close(&m);

	/* Two sections of code in one place. */
	module_build(ram);
	SECTION[2].sh_addr = TEXT_AT + 8;
	assert_int_equal(module_open(&m, &view, HEADER_AT, SECTIONS_AT, error), 0);
	assert_int_equal(annotate_kernel(&m.in, &o, &one, stubs, &r, error), -EINVAL);
	module_close(&m);

	/* No code at all. */
	module_build(ram);
	SECTION[1].sh_flags = SECTION[2].sh_flags = SHF_ALLOC;
	assert_int_equal(module_open(&m, &view, HEADER_AT, SECTIONS_AT, error), 0);
	assert_false(module_has_code(&m));
	module_close(&m);

	/* No room for the stubs. */
	module_build(ram);
	o.rom = test_rom;
	assert_int_equal(module_open(&m, &view, HEADER_AT, SECTIONS_AT, error), 0);
	assert_int_equal(annotate_kernel(&m.in, &o, &one, stubs, &r, error), -E2BIG);
	module_close(&m);
}

/* ---- guest-virtual memory ---- */

static void put32(uint32_t at, uint32_t v)
{
	memcpy(ram + at, &v, 4);
}

static void test_two_levels(void **state)
{
	struct guest_view v = {
	    .ram = ram, .ram_size = RAM_SIZE, .cr0 = 0x80000000, .cr3 = 0x1000, .cr4 = 0x10};
	uint8_t b[8];

	(void)state;
	memset(ram, 0, sizeof(ram));
	put32(0x1000 + 4 * (0xd0000000u >> 22), 0x2001); /* a table */
	put32(0x1000 + 4 * (0xc0000000u >> 22), 0x0081); /* 4 MiB at 0 */
	put32(0x2000, 0x5001);
	put32(0x2004, 0x4001);
	memcpy(ram + 0x5ffc, "abcd", 4);
	memcpy(ram + 0x4000, "efgh", 4);
	assert_true(guest_view_read(&v, 0xd0000ffc, b, 8));
	assert_memory_equal(b, "abcdefgh", 8);
	assert_true(guest_view_read(&v, 0xc0005ffc, b, 4));
	assert_memory_equal(b, "abcd", 4);
	assert_true(guest_view_write(&v, 0xd0000ffe, "WXYZ", 4));
	assert_memory_equal(ram + 0x5ffe, "WX", 2);
	assert_memory_equal(ram + 0x4000, "YZ", 2);
	assert_false(guest_view_read(&v, 0xd0001ffc, b, 8));
	assert_false(guest_view_read(&v, 0xe0000000, b, 1));
	assert_false(guest_view_read(&v, 0xc0000000 + RAM_SIZE - 4, b, 8));
	assert_false(guest_view_read(&v, 0xfffffffc, b, 8));
	assert_true(guest_view_read(&v, 0xe0000000, b, 0));
	v.cr4 =
	    0; /* without PSE the bit means nothing: a table at 0, whose entries are not present */
	assert_false(guest_view_read(&v, 0xc0005ffc, b, 4));
	v.cr3 = 0xfffff000; /* a directory outside of memory */
	assert_false(guest_view_read(&v, 0xd0000000, b, 1));
}

static void test_three_levels(void **state)
{
	struct guest_view v = {
	    .ram = ram, .ram_size = RAM_SIZE, .cr0 = 0x80000000, .cr3 = 0x1020, .cr4 = 0x20};
	uint8_t b[4];

	(void)state;
	memset(ram, 0, sizeof(ram));
	put32(0x1020 + 3 * 8, 0x2001);
	put32(0x2000, 0x3001);
	put32(0x2008, 0x0081); /* 2 MiB at 0 */
	put32(0x3008, 0x4001);
	put32(0x3010, 0x4001);
	put32(0x3014, 1); /* above 4 GiB: not memory */
	memcpy(ram + 0x4010, "abcd", 4);
	assert_true(guest_view_read(&v, 0xc0001010, b, 4));
	assert_memory_equal(b, "abcd", 4);
	assert_true(guest_view_read(&v, 0xc0204010, b, 4));
	assert_memory_equal(b, "abcd", 4);
	assert_false(guest_view_read(&v, 0xc0002010, b, 4));
	assert_false(guest_view_read(&v, 0x80001010, b, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_text_and_initialization, setup),
	    cmocka_unit_test_setup(test_site_numbers_count_from_the_room, setup),
	    cmocka_unit_test_setup(test_initialization_goes_first, setup),
	    cmocka_unit_test_setup(test_room_is_used_again, setup),
	    cmocka_unit_test_setup(test_room, setup),
	    cmocka_unit_test_setup(test_bad_modules, setup),
	    cmocka_unit_test_setup(test_odd_modules, setup),
	    cmocka_unit_test_setup(test_two_levels, setup),
	    cmocka_unit_test_setup(test_three_levels, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
