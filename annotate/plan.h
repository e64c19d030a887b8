/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What window.c chooses, and window_write.c writes. */
#ifndef ANNOTATE_PLAN_H
#define ANNOTATE_PLAN_H

#include "annotate/image.h"
#include "annotate/stub.h"

enum {
	JUMP_BYTES = 5, /* jmp rel32 */
	SHORT_JUMP_BYTES = 2,
};

struct window {
	uint32_t start; /* overwritten: [start, over_end) */
	uint32_t over_end;
	uint32_t render_end; /* rendered: [start, render_end), but for padding */
	uint32_t island;     /* offset of its long jump, 0: no island */
	bool ends;           /* control does not go on behind render_end */
};

struct plan {
	struct image *im;
	struct stubs *st;
	const struct annotate_options *options;
	struct annotations *out;
	struct annotate_report *report;
	struct window *windows;
	size_t n, room;
	uint8_t *state;            /* per site: SITE_* */
	struct annot_point *moved; /* the rendered instructions, by va once all are known */
	uint32_t nmoved;
	char *error;
};

enum {
	SITE_RENDERED = 1,
	SITE_SHARED = 2, /* rendered, but some may still meet its trap */
	SITE_ISLAND = 4,
	SITE_CALLED = 8,
};

/* What a stub would make of the instruction at @at, an offset; behind the image: STUB_NEVER. */
static inline enum stub_form plan_form_at(const struct plan *p, uint32_t at)
{
	return at < p->im->size ? stub_form(p->im, p->st->decoder, at) : STUB_NEVER;
}

/**
 * windows_write() - write stubs, and the bytes that lead to them, for all windows of a plan
 *
 * Sorts the windows by where they start. Return: as windows_make(), whose @error it fills.
 */
int windows_write(struct plan *p);

#endif
