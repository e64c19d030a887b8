/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/annotate.h"
#include "annotate/forbid.h"
#include "annotate/image.h"
#include "annotate/kallsyms.h"
#include "annotate/notes.h"
#include "annotate/sensitive.h"
#include "annotate/stub.h"
#include "annotate/sweep.h"
#include "annotate/vdso.h"
#include "annotate/window.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HLT         0xf4
#define DS_OVERRIDE 0x3e

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The symbol table, if some section holds one. */
static bool find_symbols(const struct image *im, struct kallsyms *k)
{
	for (size_t i = 0; i < im->in->nsections; i++) {
		const struct annotate_section *s = &im->in->sections[i];

		/* .bss and .brk lie behind what image_open() saw: 64 MiB are generous. */
		if (s->data && !s->executable &&
		    !kallsyms_find(k, s->data, s->size, image_va(im, 0),
		                   image_va(im, 0) + im->size + (64u << 20)))
			return true;
	}
	return false;
}

/* The sites as the core sees them. */
static int describe_sites(const struct image *im, struct annotations *out,
                          struct annotate_report *report, char error[ANNOTATE_ERROR_SIZE])
{
	if (im->sites.n > ANNOT_MAX_SITES) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "%zu sensitive instructions, room for %u",
		         im->sites.n, ANNOT_MAX_SITES);
		return -E2BIG;
	}
	for (size_t i = 0; i < im->sites.n; i++) {
		const struct site *s = &im->sites.v[i];
		struct annot_site *o = &out->sites[i];

		*o = (struct annot_site){.va = image_va(im, s->at), .length = s->length};
		memcpy(o->bytes, im->bytes + s->at, s->length);
		if (s->kind == ANNOTATE_NOTE) {
			o->flags |= ANNOT_SITE_NOTE;
			o->note = notes_of(report, o->va);
		} else if (!sensitive_traps(s->kind)) {
			o->flags |= ANNOT_SITE_TRAP;
		}
		report->kinds[s->kind].found++;
	}
	out->nsites = im->sites.n;
	return 0;
}

/* A note that no window carries becomes a trap: the core emulates what it replaced. */
static void trap_notes(struct annotations *out)
{
	for (uint32_t i = 0; i < out->nsites; i++) {
		struct annot_site *s = &out->sites[i];

		if ((s->flags & ANNOT_SITE_NOTE) && !(s->flags & ANNOT_SITE_CALLED))
			s->flags |= ANNOT_SITE_TRAP;
	}
}

/* No two entries may share a byte: the core applies them in any order. */
static bool windows_disjoint(const struct annotations *out)
{
	for (uint32_t i = 1; i < out->nwindows; i++)
		if (out->windows[i].va - out->windows[i - 1].va < out->windows[i - 1].length)
			return false;
	return true;
}

/* The function an address of the text belongs to: [*start, *end). False: unknown. */
static bool function_of(const struct annotate_input *in, const struct kallsyms *symbols,
                        uint32_t va, uint32_t *start, uint32_t *end)
{
	size_t low = 0, high = symbols ? symbols->n : in->nfunctions, n = high;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((symbols ? kallsyms_address(symbols, middle) : in->functions[middle]) <= va)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || low == n)
		return false;
	*start = symbols ? kallsyms_address(symbols, low - 1) : in->functions[low - 1];
	*end = symbols ? kallsyms_address(symbols, low) : in->functions[low];
	return true;
}

/* Where nothing is known a window stands for itself and what is around it. */
static void name_functions(const struct annotate_input *in, const struct kallsyms *symbols,
                           struct annotations *out)
{
	for (uint32_t i = 0; i < out->nwindows; i++) {
		struct annot_window *w = &out->windows[i];

		if (function_of(in, symbols, w->va, &w->function, &w->function_end))
			continue;
		w->function = w->va - (w->va & 0xfff);
		w->function_end = w->function + 0x1000;
	}
}

static int make_windows(struct image *im, const struct annotate_options *options,
                        struct annotations *out, uint8_t *code, struct annotate_report *report,
                        char error[ANNOTATE_ERROR_SIZE])
{
	ZydisDecoder decoder;
	struct stubs st = {
	    .im = im,
	    .rom = &options->rom,
	    .decoder = &decoder,
	    .code = code,
	    .va = options->stubs_va,
	    .size = options->stubs_size,
	    .count = options->count_sites,
	    .deferred = options->deferred,
	};
	int result;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	result = windows_make(im, &st, options, out, report, error);
	free(st.references);
	if (result)
		return result;
	if (!options->traps_only && !im->in->module)
		report->vdso = vdso_windows(im->in, &options->rom, out);
	report->windows = out->nwindows;
	if (!windows_disjoint(out)) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "internal error: windows overlap");
		return -EINVAL;
	}
	return 0;
}

int annotate_kernel(const struct annotate_input *in, const struct annotate_options *options,
                    struct annotations *out, uint8_t *stubs, struct annotate_report *report,
                    char error[ANNOTATE_ERROR_SIZE])
{
	struct annotate_report unwanted;
	struct kallsyms symbols;
	struct image im;
	uint64_t start = now_ns();
	bool named;
	int result;

	if (!report)
		report = &unwanted;
	*report = (struct annotate_report){0};
	out->nsites = out->nwindows = out->npoints = out->stub_bytes = out->nparts = 0;
	out->patch_copy = 0;
	out->kernel_base = in->kernel_base;
	error[0] = 0;

	result = image_open(&im, in, error);
	if (result)
		goto done;
	result = sweep(&im, options->single_thread ? 1 : 2, report);
	report->sweep_ns = now_ns() - start;
	if (result) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory for the kernel's instructions");
		goto done;
	}
	named = !in->module && find_symbols(&im, &symbols);
	report->symbols = named ? symbols.n : 0;
	forbid(&im, named ? &symbols : NULL, report);
	if (named) {
		/* Its arguments are known only where this function exists (core/text_patch.c). */
		if (kallsyms_lookup(&symbols, "text_poke_memcpy", &out->patch_copy))
			out->patch_copy = 0;
		notes_add(&im, &symbols, report);
	}
	result = describe_sites(&im, out, report, error);
	if (!result && stubs)
		result = make_windows(&im, options, out, stubs, report, error);
	else
		for (int i = 0; i < ANNOTATE_NKINDS; i++)
			report->kinds[i].trap = report->kinds[i].found;
	if (!result) {
		name_functions(in, named ? &symbols : NULL, out);
		trap_notes(out);
	}
done:
	image_close(&im);
	report->total_ns = now_ns() - start;
	return result;
}

void annotate_trap_bytes(const struct annot_site *s, uint8_t bytes[15])
{
	memset(bytes, DS_OVERRIDE, 15);
	bytes[(s->length ? s->length : 1) - 1] = HLT;
}

void annotate_apply_traps(const struct annotations *a, uint8_t *ram, uint64_t ram_size)
{
	uint8_t bytes[15];

	for (uint32_t i = 0; i < a->nsites && i < ANNOT_MAX_SITES; i++) {
		const struct annot_site *s = &a->sites[i];
		uint32_t pa = s->va - a->kernel_base;

		if (!(s->flags & ANNOT_SITE_TRAP) || pa >= ram_size || ram_size - pa < s->length)
			continue;
		annotate_trap_bytes(s, bytes);
		memcpy(ram + pa, bytes, s->length);
	}
}
