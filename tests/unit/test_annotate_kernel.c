// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Properties of the annotations of a real kernel: RING1_TEST_KERNEL names its vmlinux (the ELF
 * file inside a bzImage). Without it the tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <Zydis/Zydis.h>
#include <elf.h>

#include "annotate/forbid.h"
#include "annotate/image.h"
#include "annotate/kallsyms.h"
#include "annotate/sweep.h"
#include "ring1/layout.h"
#include "tests/unit/test_annotate_image.h"

static struct kernel_under_test {
	uint8_t *file;
	struct annotate_section sections[128];
	struct annotate_input in;
	struct annotations *a;
	uint8_t *stubs;
	struct annotate_report report;
	struct image im;     /* swept, as the annotator saw it */
	uint8_t *patched;    /* the image with all windows applied */
	uint8_t *window_map; /* 1: first byte of a window, 2: further ones */
} t;

static void load(const char *path)
{
	FILE *f = fopen(path, "rb");
	const Elf32_Ehdr *eh;
	const Elf32_Shdr *sh;
	long size;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	rewind(f);
	t.file = malloc(size);
	assert_non_null(t.file);
	assert_int_equal(fread(t.file, 1, size, f), size);
	fclose(f);
	eh = (const void *)t.file;
	assert_memory_equal(eh->e_ident, ELFMAG, SELFMAG);
	sh = (const void *)(t.file + eh->e_shoff);
	for (int i = 0; i < eh->e_shnum && t.in.nsections < 128; i++)
		if (sh[i].sh_flags & SHF_ALLOC)
			t.sections[t.in.nsections++] = (struct annotate_section){
			    .name = (char *)t.file + sh[eh->e_shstrndx].sh_offset + sh[i].sh_name,
			    .va = sh[i].sh_addr,
			    .size = sh[i].sh_size,
			    .data = sh[i].sh_type == SHT_NOBITS ? NULL : t.file + sh[i].sh_offset,
			    .executable = sh[i].sh_flags & SHF_EXECINSTR,
			    .writable = sh[i].sh_flags & SHF_WRITE,
			};
	t.in.sections = t.sections;
	t.in.kernel_base = KERNEL_BASE;
	t.in.entry = eh->e_entry + KERNEL_BASE;
}

static int setup(void **state)
{
	const char *path = getenv("RING1_TEST_KERNEL");
	struct annotate_options options = {
	    .stubs_va = HOLE_STUBS, .stubs_size = 1 << 20, .rom = test_rom};
	struct annotate_report unused = {0};
	char error[ANNOTATE_ERROR_SIZE];

	(void)state;
	if (!path) {
		print_message("skipped: RING1_TEST_KERNEL does not name a vmlinux\n");
		return 0;
	}
	load(path);
	t.a = calloc(1, sizeof(*t.a));
	t.stubs = calloc(1, options.stubs_size);
	assert_true(t.a && t.stubs);
	assert_int_equal(annotate_kernel(&t.in, &options, t.a, t.stubs, &t.report, error), 0);
	assert_int_equal(image_open(&t.im, &t.in, error), 0);
	assert_int_equal(sweep(&t.im, 1, &unused), 0);
	forbid(&t.im, NULL, &unused);
	t.patched = malloc(t.im.size + IMAGE_SLACK);
	t.window_map = calloc(1, t.im.size + IMAGE_SLACK);
	assert_true(t.patched && t.window_map);
	memcpy(t.patched, t.im.bytes, t.im.size + IMAGE_SLACK);
	for (uint32_t i = 0; i < t.a->nwindows; i++) {
		const struct annot_window *w = &t.a->windows[i];
		uint32_t at = w->va - image_va(&t.im, 0);

		assert_in_range(w->length, 2, ANNOT_WINDOW_BYTES);
		assert_true(at < t.im.size && t.im.size - at >= w->length);
		for (uint32_t k = 0; k < w->length; k++) {
			assert_int_equal(t.window_map[at + k], 0);
			t.window_map[at + k] = k ? 2 : 1;
		}
		memcpy(t.patched + at, w->bytes, w->length);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	image_close(&t.im);
	free(t.file);
	free(t.a);
	free(t.stubs);
	free(t.patched);
	free(t.window_map);
	return 0;
}

#define NEED_KERNEL()                                                                              \
	do {                                                                                       \
		(void)state;                                                                       \
		if (!t.file)                                                                       \
			skip();                                                                    \
	} while (0)

static bool is_point(uint32_t stub)
{
	uint32_t low = 0, high = t.a->npoints;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t.a->points[middle].stub < stub)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t.a->npoints && t.a->points[low].stub == stub;
}

/* May control arrive at this guest-virtual address once all windows are applied? */
static bool may_arrive(uint32_t va)
{
	uint32_t at;

	if (va >= HOLE_STUBS && va < HOLE_STUBS + t.a->stub_bytes)
		return is_point(va);
	if (va >= HOLE_ROM && va < HOLE_ROM + HOLE_ROM_SIZE)
		return true;
	if (!image_offset(&t.im, va, &at))
		return false;
	return (t.im.map[at] & BYTE_START) && t.window_map[at] != 2;
}

static void decode(ZydisDecodedInstruction *in, ZydisDecodedOperand *o, const uint8_t *p, size_t n)
{
	static ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, p, n, in, o)));
}

static void test_order(void **state)
{
	NEED_KERNEL();
	for (uint32_t i = 1; i < t.a->nsites; i++)
		assert_true(t.a->sites[i - 1].va < t.a->sites[i].va);
	for (uint32_t i = 1; i < t.a->nwindows; i++)
		assert_true(t.a->windows[i - 1].va < t.a->windows[i].va);
	for (uint32_t i = 1; i < t.a->npoints; i++)
		assert_true(t.a->points[i - 1].stub < t.a->points[i].stub);
}

static void test_every_window_jumps(void **state)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];

	NEED_KERNEL();
	for (uint32_t i = 0; i < t.a->nwindows; i++) {
		const struct annot_window *w = &t.a->windows[i];
		uint32_t va = w->va, at = va - image_va(&t.im, 0);

		if (w->length == 4) { /* the displacement of a branch */
			uint32_t from = at - 1;

			while (!(t.im.map[from] & BYTE_START))
				from--;
			decode(&in, o, t.patched + from, 15);
			assert_int_equal(in.length, t.im.length[from]);
			assert_int_equal(from + in.length, at + 4);
			assert_true(in.raw.imm[0].is_relative);
			assert_true(is_point(va + 4 + (uint32_t)in.raw.imm[0].value.s));
			continue;
		}
		decode(&in, o, w->bytes, w->length);
		if (in.mnemonic == ZYDIS_MNEMONIC_CALL) { /* vDSO */
			assert_int_equal(w->length, 7);
			assert_int_equal(in.length, 7);
			continue;
		}
		assert_int_equal(in.mnemonic, ZYDIS_MNEMONIC_JMP);
		if (in.length == 2) { /* to an island, or on to the window behind it */
			uint32_t island = at + 2 + (uint32_t)in.raw.imm[0].value.s;

			assert_int_equal(t.window_map[island], 1);
			assert_int_equal(t.patched[island], 0xe9);
		} else {
			assert_int_equal(in.length, 5);
			assert_true(is_point(va + 5 + (uint32_t)in.raw.imm[0].value.s));
		}
		for (uint32_t k = in.length; k < w->length; k++)
			assert_int_equal(w->bytes[k], 0xcc);
	}
}

static void test_no_window_covers_forbidden_bytes(void **state)
{
	NEED_KERNEL();
	for (uint32_t i = 0; i < t.a->nwindows; i++) {
		const struct annot_window *w = &t.a->windows[i];
		uint32_t at = w->va - image_va(&t.im, 0);

		/* The one exception: a jump made to go nowhere, right or replaced by no-ops. */
		if (w->length == 2 && w->bytes[0] == 0xeb && w->bytes[1] == 0)
			continue;
		for (uint32_t k = 0; k < w->length; k++)
			assert_false(t.im.map[at + k] & BYTE_FORBID);
		for (uint32_t k = 1; k < w->length && w->length != 4; k++)
			if (t.im.map[at + k] & BYTE_START)
				assert_false(t.im.map[at + k] & BYTE_HARD);
	}
}

static void test_stubs_decode_and_arrive(void **state)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	uint32_t point = 0;

	NEED_KERNEL();
	for (uint32_t at = 0; at < t.a->stub_bytes; at += in.length) {
		uint32_t va = HOLE_STUBS + at, text;

		decode(&in, o, t.stubs + at, t.a->stub_bytes - at);
		while (point < t.a->npoints && t.a->points[point].stub < va)
			fail_msg("point inside an instruction before %#x", va);
		if (point < t.a->npoints && t.a->points[point].stub == va)
			point++;
		if (in.raw.imm[0].is_relative && in.raw.imm[0].size == 32) {
			uint32_t to = va + in.length + (uint32_t)in.raw.imm[0].value.s;

			if (!may_arrive(to) || to == va)
				fail_msg("stub at %#x goes to %#x", va, to);
		}
		/* A return address before the jump that stands for a call. */
		if (in.opcode == 0x68 && t.stubs[at + 5] == 0xe9 &&
		    image_text_offset(&t.im, in.raw.imm[0].value.u, &text) &&
		    t.window_map[text] == 2)
			fail_msg("stub at %#x returns to %#x", va, (unsigned)in.raw.imm[0].value.u);
	}
	assert_int_equal(point, t.a->npoints);
}

/* The kernel as it will be: no direct branch of its text ends inside a window. */
static void test_no_branch_into_a_window(void **state)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];

	NEED_KERNEL();
	for (uint32_t at = t.im.text_low; at < t.im.text_high; at++) {
		uint32_t to;

		if (!(t.im.map[at] & BYTE_START) || t.window_map[at])
			continue;
		if (t.im.bytes[at] == 0x0f ? t.im.bytes[at + 1] >> 4 != 8
		                           : t.im.bytes[at] >> 4 != 7 && t.im.bytes[at] >> 4 != 0xe)
			continue;
		decode(&in, o, t.patched + at, 15);
		if (!in.raw.imm[0].is_relative)
			continue;
		to = at + in.length + (uint32_t)in.raw.imm[0].value.s;
		if (to < t.im.size && t.window_map[to] == 2)
			fail_msg("branch at %#x into the window around %#x",
			         image_va(&t.im, 0) + at, image_va(&t.im, 0) + to);
	}
	/* Nor does what lies in front of a window fall into its middle. */
	for (uint32_t at = t.im.text_low; at < t.im.text_high; at++)
		if ((t.im.map[at] & BYTE_START) && !t.window_map[at] &&
		    t.window_map[at + t.im.length[at]] == 2)
			fail_msg("%#x runs into a window", image_va(&t.im, 0) + at);
}

/* kexec runs this code from a copy. */
static void test_copied_code_stays(void **state)
{
	struct kallsyms k;
	uint32_t first, last, end;
	size_t i;

	NEED_KERNEL();
	for (i = 0; i < t.in.nsections; i++)
		if (t.sections[i].data && !t.sections[i].executable &&
		    !kallsyms_find(&k, t.sections[i].data, t.sections[i].size, image_va(&t.im, 0),
		                   image_va(&t.im, 0) + (64u << 20)))
			break;
	assert_true(i < t.in.nsections);
	if (kallsyms_lookup(&k, "relocate_kernel", &first) ||
	    kallsyms_lookup(&k, "swap_pages", &last))
		skip();
	end = kallsyms_next(&k, last);
	assert_in_range(end - first, 100, 2048);
	for (i = 0; i < t.a->nsites; i++)
		assert_false(t.a->sites[i].va >= first && t.a->sites[i].va < end);
	for (uint32_t va = first; va < end; va++)
		assert_int_equal(t.window_map[va - image_va(&t.im, 0)], 0);
}

static void test_sites_are_right(void **state)
{
	NEED_KERNEL();
	for (uint32_t i = 0; i < t.a->nsites; i++) {
		const struct annot_site *s = &t.a->sites[i];
		uint32_t at = s->va - image_va(&t.im, 0);

		assert_in_range(s->length, 1, 15);
		assert_memory_equal(s->bytes, t.im.bytes + at, s->length);
	}
	assert_true(t.report.note_va[ANNOT_NOTE_PANIC] && t.report.note_va[ANNOT_NOTE_MODULE] &&
	            t.report.note_va[ANNOT_NOTE_FREE_FIRST] && t.report.note_va[ANNOT_NOTE_PROBE]);
	assert_int_equal(t.report.undecodable, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_every_window_jumps),
	    cmocka_unit_test(test_no_window_covers_forbidden_bytes),
	    cmocka_unit_test(test_stubs_decode_and_arrive),
	    cmocka_unit_test(test_no_branch_into_a_window),
	    cmocka_unit_test(test_copied_code_stays),
	    cmocka_unit_test(test_sites_are_right),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
