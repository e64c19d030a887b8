/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window is as small as it can be: the instructions that cover the five bytes of a jump. Its
 * stub renders those and goes on, if that serves, through further instructions that stay as they
 * are in the image. So a sensitive instruction need not lie in its window: one that others jump
 * to keeps its trap byte for them, while the straight line through it is rendered in the stub of
 * a window before it ("shared"). In order of preference a site gets
 *
 *  - the stub of the window before it, continued a few instructions to include it,
 *  - a window of its own that starts with it,
 *  - a window that starts with an instruction before it,
 *  - a short jump to an island: a long jump in padding nearby that nobody executes,
 *  - a window before it that some jump bypasses,
 *  - of an IRET: a stub of its own that the word which names it is made to name,
 *  - its trap.
 */
#include "annotate/window.h"
#include "annotate/forbid.h"
#include "annotate/iret_word.h"
#include "annotate/plan.h"

#include <errno.h>
#include <stdlib.h>

enum {
	GAP_MAX = 4,   /* instructions rendered just to reach the next site */
	BACK_MAX = 10, /* instructions a window may start before its site */
};

/* ---- what fits ---- */

/* Padding behind an instruction that does not go on: bytes nobody executes. */
static uint32_t padding_end(const struct image *im, uint32_t at, uint32_t want)
{
	while (at < want) {
		if (at >= im->size || !(im->map[at] & BYTE_START) || !forbid_is_padding(im, at) ||
		    image_any_byte(im, at, at + im->length[at],
		                   BYTE_HARD | BYTE_SOFT | BYTE_FORBID | BYTE_TAKEN | BYTE_SITE))
			return at;
		at += im->length[at];
	}
	return at;
}

/*
 * Can at least @need bytes be overwritten from @start on? All of them must be rendered, nobody
 * may jump between them who cannot be sent elsewhere, and a call may only be the last.
 */
static bool window_fits(const struct plan *p, uint32_t start, uint32_t need, struct window *w)
{
	const struct image *im = p->im;
	uint32_t at = start;
	bool ends = false;

	while (at - start < need && !ends) {
		enum stub_form form = plan_form_at(p, at);
		uint32_t length;

		if (form == STUB_NEVER || (at != start && (im->map[at] & BYTE_HARD)))
			return false;
		length = image_length_at(im, at);
		if (image_any_byte(im, at, at + length, BYTE_TAKEN | BYTE_FORBID))
			return false;
		/* The hlt of sti; hlt is an instruction of its own for those who jump to it. */
		if (length != im->length[at] && (im->map[at + 1] & BYTE_HARD))
			return false;
		at += length;
		if (stub_form_is_call(form) && at - start < need)
			return false;
		ends = stub_form_ends(form);
	}
	*w = (struct window){.start = start, .over_end = at, .render_end = at, .ends = ends};
	if (at - start < need) {
		w->over_end = padding_end(im, at, start + need);
		if (w->over_end - start < need)
			return false;
	}
	return w->over_end - start <= ANNOT_WINDOW_BYTES;
}

/* ---- choosing ---- */

static bool add_window(struct plan *p, const struct window *w)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 1024;
		struct window *v = realloc(p->windows, room * sizeof(*v));

		if (!v)
			return false;
		p->windows = v;
		p->room = room;
	}
	p->windows[p->n++] = *w;
	for (uint32_t i = w->start; i < w->over_end; i++)
		p->im->map[i] |= BYTE_TAKEN;
	if (w->island)
		for (uint32_t i = 0; i < JUMP_BYTES; i++)
			p->im->map[w->island + i] |= BYTE_TAKEN;
	return true;
}

/* Do jumps that stay as they are enter (from, to]? */
static bool bypassed(const struct image *im, uint32_t from, uint32_t to)
{
	for (uint32_t i = from + 1; i <= to; i++)
		if ((im->map[i] & (BYTE_HARD | BYTE_START)) == (BYTE_HARD | BYTE_START))
			return true;
	return false;
}

/* Sites that a window's stub renders from @from on. */
static void sites_rendered(struct plan *p, const struct window *w, uint32_t from)
{
	struct image *im = p->im;

	for (size_t i = image_site_index(im, from); i < im->sites.n; i++) {
		const struct site *s = &im->sites.v[i];
		bool shared;

		if (s->at >= w->render_end)
			break;
		shared = s->at >= w->over_end && bypassed(im, w->over_end - 1, s->at);
		if (p->state[i] & SITE_RENDERED)
			shared = shared && (p->state[i] & SITE_SHARED);
		p->state[i] |= SITE_RENDERED;
		p->state[i] &= (uint8_t)~SITE_SHARED;
		if (shared)
			p->state[i] |= SITE_SHARED;
		if (w->island)
			p->state[i] |= SITE_ISLAND;
	}
}

/* Continue the last window's stub through this site? @calls, @bypass as in try_before(). */
static bool try_extend(struct plan *p, const struct site *s, bool calls, bool bypass)
{
	struct window *w = p->n ? &p->windows[p->n - 1] : NULL;
	uint32_t at, before;

	if (!w || w->ends || s->at < w->render_end || plan_form_at(p, s->at) == STUB_NEVER)
		return false;
	at = w->render_end;
	for (int gap = 0; at < s->at; gap++) {
		enum stub_form form = plan_form_at(p, at);

		if (gap == GAP_MAX || (form != STUB_COPY && form != STUB_JCC))
			return false;
		if (image_any_byte(p->im, at, at + 1, BYTE_TAKEN))
			return false;
		at += image_length_at(p->im, at);
	}
	if (at != s->at || (!bypass && bypassed(p->im, w->over_end - 1, s->at)))
		return false;
	/* A call that was the last would have to return into the stub. */
	if (!calls && image_instruction_before(p->im, w->render_end, &before) &&
	    before >= w->start && stub_form_is_call(plan_form_at(p, before)))
		return false;
	before = w->render_end;
	w->render_end = s->at + s->length;
	w->ends = stub_form_ends(plan_form_at(p, s->at));
	sites_rendered(p, w, before);
	return true;
}

static bool try_own(struct plan *p, const struct site *s)
{
	struct window w;

	if (!window_fits(p, s->at, JUMP_BYTES, &w) || !add_window(p, &w))
		return false;
	sites_rendered(p, &p->windows[p->n - 1], w.start);
	return true;
}

/*
 * A window that starts before the site. With @calls a call in between is rendered as one that
 * returns into the stub (call; sti and call; cli, findings.md 11.5 a); with @bypass jumps to the
 * site or to what lies between window and site are put up with.
 */
static bool try_before(struct plan *p, const struct site *s, bool calls, bool bypass)
{
	uint32_t at = s->at, end = s->at + s->length;

	if (plan_form_at(p, s->at) == STUB_NEVER)
		return false;
	for (int i = 0; i < BACK_MAX; i++) {
		enum stub_form form;
		struct window w;

		if (!image_instruction_before(p->im, at, &at))
			return false;
		form = plan_form_at(p, at);
		if (form == STUB_NEVER || stub_form_ends(form) ||
		    (stub_form_is_call(form) && !calls) || (p->im->map[at] & BYTE_TAKEN))
			return false;
		if (!window_fits(p, at, JUMP_BYTES, &w))
			continue;
		if (!bypass && w.over_end <= s->at && bypassed(p->im, w.over_end - 1, s->at))
			return false;
		if (w.render_end < end) {
			w.render_end = end;
			w.ends = stub_form_ends(plan_form_at(p, s->at));
		}
		if (!add_window(p, &w))
			return false;
		sites_rendered(p, &p->windows[p->n - 1], w.start);
		return true;
	}
	return false;
}

/* A place for a long jump that nobody executes, in reach of a short jump at @from. */
static uint32_t find_island(const struct image *im, uint32_t from)
{
	uint32_t low = from > 126 ? from - 126 : 0, before;

	for (uint32_t at = low; at < from + 129 && at < im->size; at++) {
		uint32_t b = at;

		if (!(im->map[at] & BYTE_START) ||
		    padding_end(im, at, at + JUMP_BYTES) < at + JUMP_BYTES)
			continue;
		/* Everything back to the instruction that does not go on must be padding, too. */
		while (image_instruction_before(im, b, &before) && forbid_is_padding(im, before) &&
		       !image_any_byte(im, before, b, BYTE_HARD | BYTE_SOFT))
			b = before;
		if (!image_instruction_before(im, b, &before) ||
		    image_any_byte(im, b, at, BYTE_HARD))
			continue;
		if (im->bytes[before] == 0xc3 || im->bytes[before] == 0xe9 ||
		    im->bytes[before] == 0xeb)
			if (!image_any_byte(im, before, b, BYTE_FORBID))
				return at;
	}
	return 0;
}

static bool try_island(struct plan *p, const struct site *s)
{
	struct window w;

	if (!window_fits(p, s->at, SHORT_JUMP_BYTES, &w))
		return false;
	w.island = find_island(p->im, s->at);
	if (!w.island || !add_window(p, &w))
		return false;
	sites_rendered(p, &p->windows[p->n - 1], w.start);
	return true;
}

/*
 * A short jump cannot be sent into a stub, but it can be rendered in one. For a site that some
 * such jump reaches past its window, or that has none (a cold path's `sti; jmp back` has room for
 * nothing), every short jump to it gets a window where one fits.
 */
static void cover_jumpers(struct plan *p, size_t index)
{
	struct image *im = p->im;
	const struct site *s = &im->sites.v[index];
	uint32_t from = s->at > 129 ? s->at - 129 : 0;
	bool any = false;

	for (uint32_t at = from; at < s->at + 127 && at < im->size; at++) {
		uint32_t start = at;
		struct window w;
		enum stub_form form;
		bool fits;

		if (!(im->map[at] & BYTE_START) || im->length[at] != SHORT_JUMP_BYTES ||
		    at + 2 + (uint32_t)(int8_t)im->bytes[at + 1] != s->at)
			continue;
		form = plan_form_at(p, at);
		if (form != STUB_JCC && form != STUB_JMP)
			continue;
		if (im->map[at] & BYTE_TAKEN) { /* rendered already */
			any = true;
			continue;
		}
		fits = window_fits(p, start, JUMP_BYTES, &w);
		for (int back = 0; back < 2 && !fits; back++) {
			enum stub_form before;

			if (!image_instruction_before(im, start, &start))
				break;
			before = plan_form_at(p, start);
			if (before == STUB_NEVER || stub_form_is_call(before) ||
			    stub_form_ends(before))
				break;
			fits = window_fits(p, start, JUMP_BYTES, &w);
		}
		if (!fits)
			continue;
		if (w.render_end <= at) {
			w.render_end = at + SHORT_JUMP_BYTES;
			w.ends = form == STUB_JMP;
		}
		if (!add_window(p, &w))
			return;
		sites_rendered(p, &p->windows[p->n - 1], w.start);
		any = true;
	}
	if (any && !(p->state[index] & SITE_RENDERED)) {
		struct window w = {.start = s->at, .over_end = s->at};

		w.render_end = s->at + s->length;
		w.ends = stub_form_ends(plan_form_at(p, s->at));
		if (plan_form_at(p, s->at) == STUB_NEVER || !add_window(p, &w))
			return;
		sites_rendered(p, &p->windows[p->n - 1], w.start);
		p->state[index] |= SITE_SHARED;
	}
}

/* A stub for each IRET that a word names and that has none (annotate/iret_word.h). */
static void cover_words(struct plan *p)
{
	struct image *im = p->im;
	uint32_t word, iret;

	for (uint32_t i = 0; i < iret_words(im); i++) {
		struct window w = {.ends = true};
		size_t index;

		if (!iret_word(im, i, &word, &iret))
			continue;
		index = image_site_index(im, iret);
		if (p->state[index] & SITE_RENDERED || plan_form_at(p, iret) != STUB_IRET)
			continue;
		w.start = w.over_end = iret;
		w.render_end = iret + image_length_at(im, iret);
		if (!add_window(p, &w))
			return;
		sites_rendered(p, &w, iret);
		p->state[index] |= SITE_SHARED;
	}
}

static void choose(struct plan *p)
{
	struct image *im = p->im;

	for (size_t i = 0; i < im->sites.n; i++) {
		const struct site *s = &im->sites.v[i];

		if (p->options->traps_only && s->kind != ANNOTATE_NOTE)
			continue;
		if (image_any_byte(im, s->at, s->at + s->length, BYTE_FORBID))
			continue;
		if ((p->state[i] & SITE_RENDERED) && !(p->state[i] & SITE_SHARED))
			continue;
		if (try_extend(p, s, false, false) || try_own(p, s) ||
		    try_before(p, s, false, false) || try_before(p, s, true, false) ||
		    try_extend(p, s, true, false) || try_island(p, s))
			continue;
		if (p->state[i] & SITE_RENDERED)
			continue;
		if (!try_extend(p, s, true, true) && !try_before(p, s, false, true))
			try_before(p, s, true, true);
	}
	for (size_t i = 0; i < im->sites.n; i++)
		if (!p->options->traps_only &&
		    (!(p->state[i] & SITE_RENDERED) || (p->state[i] & SITE_SHARED)))
			cover_jumpers(p, i);
	if (!p->options->traps_only)
		cover_words(p);
}

static void count(struct plan *p)
{
	for (size_t i = 0; i < p->im->sites.n; i++) {
		struct annotate_count *c = &p->report->kinds[p->im->sites.v[i].kind];

		if (!(p->state[i] & SITE_RENDERED))
			c->trap++;
		else if (p->state[i] & SITE_CALLED)
			c->called++;
		else
			c->inlined++;
		if (p->state[i] & SITE_ISLAND)
			c->island++;
		if (p->state[i] & SITE_SHARED)
			p->report->shared++;
	}
	p->report->windows = p->out->nwindows;
	p->report->stub_bytes = p->st->used;
}

int windows_make(struct image *im, struct stubs *st, const struct annotate_options *options,
                 struct annotations *out, struct annotate_report *report,
                 char error[ANNOTATE_ERROR_SIZE])
{
	struct plan p = {
	    .im = im, .st = st, .options = options, .out = out, .report = report, .error = error};
	int result;

	p.state = calloc(im->sites.n + 1, 1);
	p.moved = malloc(ANNOT_MAX_POINTS * sizeof(p.moved[0]));
	if (p.state && p.moved) {
		choose(&p);
		result = windows_write(&p);
	} else {
		snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory");
		result = -ENOMEM;
	}
	if (!result) {
		out->stub_bytes = st->used;
		count(&p);
	}
	free(p.windows);
	free(p.state);
	free(p.moved);
	return result;
}
