// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The input is a kernel of one text section and up to two tables: a byte chooses the tables'
 * names, two say how long the text is, two how long the first table. Whatever comes out must
 * keep the promises the core relies on.
 */
#include "annotate/annotate.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_VA    0xc1000000u
#define TABLE_VA   0xc1010000u
#define BASE       0xc0000000u
#define STUBS_VA   0xff010000u
#define STUBS_SIZE 0x10000u
#define HEADER     5u

static const char *const names[] = {
    ".altinstructions", "__ex_table", ".smp_locks",         ".parainstructions", ".data",
    ".rodata",          "__ksymtab",  ".static_call_sites",
};

static void check(const struct annotations *a, uint32_t text_size)
{
	require(a->nsites <= ANNOT_MAX_SITES && a->nwindows <= ANNOT_MAX_WINDOWS);
	require(a->npoints <= ANNOT_MAX_POINTS && a->stub_bytes <= STUBS_SIZE);
	for (uint32_t i = 0; i < a->nsites; i++) {
		require(a->sites[i].length >= 1 && a->sites[i].length <= 15);
		require(a->sites[i].va - TEXT_VA < text_size);
		require(!i || a->sites[i].va > a->sites[i - 1].va);
	}
	for (uint32_t i = 0; i < a->nwindows; i++) {
		const struct annot_window *w = &a->windows[i];

		require(w->length >= 2 && w->length <= ANNOT_WINDOW_BYTES);
		require(!i || w->va >= a->windows[i - 1].va + a->windows[i - 1].length);
		require(w->va >= TEXT_VA);
	}
	for (uint32_t i = 0; i < a->npoints; i++) {
		require(a->points[i].stub - STUBS_VA < a->stub_bytes);
		require(!i || a->points[i].stub > a->points[i - 1].stub);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct annotations a;
	static uint8_t stubs[STUBS_SIZE];
	struct annotate_section sections[3];
	struct annotate_input in = {.sections = sections, .nsections = 1, .kernel_base = BASE};
	struct annotate_options options = {
	    .single_thread = true, .stubs_va = STUBS_VA, .stubs_size = STUBS_SIZE};
	struct annotate_report report;
	char error[ANNOTATE_ERROR_SIZE];
	uint32_t text, table;
	int result;

	if (size < HEADER + 1 || size > 0x10000)
		return 0;
	text = (data[1] | data[2] << 8) % (size - HEADER) + 1;
	table = size - HEADER - text ? (data[3] | data[4] << 8) % (size - HEADER - text + 1) : 0;
	sections[0] = (struct annotate_section){.name = ".text",
	                                        .va = TEXT_VA,
	                                        .size = text,
	                                        .data = data + HEADER,
	                                        .executable = true,
	                                        .mixed = data[0] & 8};
	in.entry = TEXT_VA;
	if (table)
		sections[in.nsections++] = (struct annotate_section){.name = names[data[0] & 7],
		                                                     .va = TABLE_VA,
		                                                     .size = table,
		                                                     .data = data + HEADER + text};
	if (size - HEADER - text - table)
		sections[in.nsections++] =
		    (struct annotate_section){.name = names[data[0] >> 3 & 7],
		                              .va = TABLE_VA + 0x10000,
		                              .size = size - HEADER - text - table,
		                              .data = data + HEADER + text + table};
	options.traps_only = data[0] >> 6 == 3;
	result = annotate_kernel(&in, &options, &a, stubs, &report, error);
	require(result <= 0 && (!result || error[0]));
	if (!result)
		check(&a, text);
	return 0;
}
