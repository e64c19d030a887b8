/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/notes.h"

#include <stdlib.h>

/* In order of preference for each note. The arguments named are those of regparm(3). */
static const struct {
	enum annot_note note;
	const char *function;
} functions[] = {
    {ANNOT_NOTE_PANIC, "panic"},
    {ANNOT_NOTE_MODULE, "module_finalize"},              /* header, sections, module; since 2.5 */
    {ANNOT_NOTE_FREE_FIRST, "execmem_free"},             /* memory; since 6.10 */
    {ANNOT_NOTE_FREE_FIRST, "module_memfree"},           /* memory; 4.0 to 6.9 */
    {ANNOT_NOTE_FREE_SECOND, "module_free"},             /* module, memory; up to 3.19 */
    {ANNOT_NOTE_PATCH, "__text_poke"},                   /* how, where, what, bytes; since 6.0 */
    {ANNOT_NOTE_PROBE, "arch_prepare_kprobe"},           /* probe */
    {ANNOT_NOTE_BREAKPOINT, "kgdb_arch_set_breakpoint"}, /* breakpoint, its address first */
};

static int by_address(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static uint32_t add(struct image *im, const struct kallsyms *symbols, const char *function)
{
	uint32_t va, at;

	if (kallsyms_lookup(symbols, function, &va) || !image_text_offset(im, va, &at))
		return 0;
	if ((im->map[at] & (BYTE_START | BYTE_FORBID)) == (BYTE_START | BYTE_FORBID) &&
	    im->length[at] == 5)
		at += 5;
	if ((im->map[at] & (BYTE_START | BYTE_FORBID | BYTE_SITE)) != BYTE_START)
		return 0;
	if (!image_sites_add(&im->sites, at, im->length[at], ANNOTATE_NOTE))
		return 0;
	return image_va(im, at);
}

void notes_add(struct image *im, const struct kallsyms *symbols, struct annotate_report *report)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		uint32_t *va = &report->note_va[functions[i].note];

		if (!*va)
			*va = add(im, symbols, functions[i].function);
	}
	if (im->sites.n)
		qsort(im->sites.v, im->sites.n, sizeof(im->sites.v[0]), by_address);
}

enum annot_note notes_of(const struct annotate_report *report, uint32_t va)
{
	for (int i = ANNOT_NOTE_NONE + 1; i < ANNOT_NOTE_COUNT; i++)
		if (va && report->note_va[i] == va)
			return i;
	return ANNOT_NOTE_NONE;
}
