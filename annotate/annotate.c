/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/annotate.h"
#include "annotate/forbid.h"
#include "annotate/image.h"
#include "annotate/kallsyms.h"
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

#define HLT 0xf4

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
		    !kallsyms_find(k, s->data, s->size, im->base,
		                   im->base + im->size + (64u << 20)))
			return true;
	}
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/*
 * A place of the kernel where the core wants to be told: the first instruction of a function
 * behind the function tracer's call, which the kernel rewrites.
 *
 * Return: its guest-virtual address, 0 when there is none or it is sensitive by itself.
 */
static uint32_t add_note(struct image *im, const struct kallsyms *symbols, const char *function,
                         enum annotate_kind kind)
{
	uint32_t va, at;

	if (kallsyms_lookup(symbols, function, &va) || !image_text_offset(im, va, &at))
		return 0;
	if ((im->map[at] & (BYTE_START | BYTE_FORBID)) == (BYTE_START | BYTE_FORBID) &&
	    im->length[at] == 5)
		at += 5;
	if ((im->map[at] & (BYTE_START | BYTE_FORBID | BYTE_SITE)) != BYTE_START)
		return 0;
	if (!image_sites_add(&im->sites, at, im->length[at], kind))
		return 0;
	qsort(im->sites.v, im->sites.n, sizeof(im->sites.v[0]), by_address);
	return im->base + at;
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

		*o = (struct annot_site){.va = im->base + s->at, .length = s->length};
		memcpy(o->bytes, im->bytes + s->at, s->length);
		if (s->kind == ANNOTATE_PANIC)
			o->flags |= ANNOT_SITE_NOTE_PANIC;
		else if (s->kind == ANNOTATE_MODULE)
			o->flags |= ANNOT_SITE_NOTE_MODULE;
		else if (s->kind == ANNOTATE_PATCH)
			o->flags |= ANNOT_SITE_NOTE_PATCH;
		else if (!sensitive_traps(s->kind))
			o->flags |= ANNOT_SITE_TRAP;
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

		if ((s->flags & ANNOT_SITE_NOTES) && !(s->flags & ANNOT_SITE_CALLED))
			s->flags |= ANNOT_SITE_TRAP;
	}
}

/* No two entries may share a byte: the core applies them in any order. */
static bool windows_disjoint(const struct annotations *out)
{
	for (uint32_t i = 1; i < out->nwindows; i++)
		if (out->windows[i].pa - out->windows[i - 1].pa < out->windows[i - 1].length)
			return false;
	return true;
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
	result = windows_make(im, &st, out, report, error);
	free(st.references);
	if (result)
		return result;
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
	memset(out, 0, sizeof(*out));
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
	named = find_symbols(&im, &symbols);
	report->symbols = named ? symbols.n : 0;
	forbid(&im, named ? &symbols : NULL, report);
	if (named) {
		report->panic_va = add_note(&im, &symbols, "panic", ANNOTATE_PANIC);
		report->module_va = add_note(&im, &symbols, "do_init_module", ANNOTATE_MODULE);
		/* Its arguments are known only where this function exists (core/text_patch.c). */
		if (!kallsyms_lookup(&symbols, "text_poke_memcpy", &out->patch_copy))
			add_note(&im, &symbols, "__text_poke", ANNOTATE_PATCH);
	}
	result = describe_sites(&im, out, report, error);
	if (result)
		goto done;
	if (options->traps_only)
		for (int i = 0; i < ANNOTATE_NKINDS; i++)
			report->kinds[i].trap = report->kinds[i].found;
	else
		result = make_windows(&im, options, out, stubs, report, error);
	trap_notes(out);
done:
	image_close(&im);
	report->total_ns = now_ns() - start;
	return result;
}

void annotate_apply_traps(const struct annotations *a, uint8_t *ram, uint64_t ram_size)
{
	for (uint32_t i = 0; i < a->nsites && i < ANNOT_MAX_SITES; i++) {
		uint32_t pa = a->sites[i].va - a->kernel_base;

		if ((a->sites[i].flags & ANNOT_SITE_TRAP) && pa < ram_size)
			ram[pa] = HLT;
	}
}
