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

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	JUMP_BYTES = 5, /* jmp rel32 */
	SHORT_JUMP_BYTES = 2,
	JMP = 0xe9,
	JMP_SHORT = 0xeb,
	INT3 = 0xcc,
	GAP_MAX = 4,     /* instructions rendered just to reach the next site */
	BACK_MAX = 10,   /* instructions a window may start before its site */
	LENGTH_MAX = 15, /* bytes of an instruction */
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

/* ---- the image, instruction by instruction ---- */

static size_t site_index(const struct image *im, uint32_t at)
{
	size_t low = 0, high = im->sites.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (im->sites.v[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct site *site_at(const struct image *im, uint32_t at)
{
	size_t i = site_index(im, at);

	return i < im->sites.n && im->sites.v[i].at == at ? &im->sites.v[i] : NULL;
}

static uint32_t length_at(const struct image *im, uint32_t at)
{
	const struct site *s = im->map[at] & BYTE_SITE ? site_at(im, at) : NULL;

	return s ? s->length : im->length[at];
}

/* The instruction that ends at @at, or 0 with false. */
static bool instruction_before(const struct image *im, uint32_t at, uint32_t *before)
{
	for (uint32_t d = 1; d <= LENGTH_MAX && d <= at; d++)
		if ((im->map[at - d] & BYTE_START) && length_at(im, at - d) == d) {
			*before = at - d;
			/* the hlt of sti; hlt belongs to the sti */
			if (d == 1 && at >= 2 && (im->map[at - 2] & BYTE_SITE) &&
			    length_at(im, at - 2) == 2 && im->length[at - 2] == 1)
				*before = at - 2;
			return true;
		}
	return false;
}

static bool any_byte(const struct image *im, uint32_t from, uint32_t to, uint8_t what)
{
	for (uint32_t i = from; i < to; i++)
		if (im->map[i] & what)
			return true;
	return false;
}

static enum stub_form form_at(const struct plan *p, uint32_t at)
{
	return at < p->im->size ? stub_form(p->im, p->st->decoder, at) : STUB_NEVER;
}

static bool is_call(enum stub_form form)
{
	return form == STUB_CALL || form == STUB_CALL_ANY;
}

/* Padding behind an instruction that does not go on: bytes nobody executes. */
static uint32_t padding_end(const struct image *im, uint32_t at, uint32_t want)
{
	while (at < want) {
		if (at >= im->size || !(im->map[at] & BYTE_START) || !forbid_is_padding(im, at) ||
		    any_byte(im, at, at + im->length[at],
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
		enum stub_form form = form_at(p, at);
		uint32_t length;

		if (form == STUB_NEVER || (at != start && (im->map[at] & BYTE_HARD)))
			return false;
		length = length_at(im, at);
		if (any_byte(im, at, at + length, BYTE_TAKEN | BYTE_FORBID))
			return false;
		/* The hlt of sti; hlt is an instruction of its own for those who jump to it. */
		if (length != im->length[at] && (im->map[at + 1] & BYTE_HARD))
			return false;
		at += length;
		if (is_call(form) && at - start < need)
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

	for (size_t i = site_index(im, from); i < im->sites.n; i++) {
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

	if (!w || w->ends || s->at < w->render_end || form_at(p, s->at) == STUB_NEVER)
		return false;
	at = w->render_end;
	for (int gap = 0; at < s->at; gap++) {
		enum stub_form form = form_at(p, at);

		if (gap == GAP_MAX || (form != STUB_COPY && form != STUB_JCC))
			return false;
		if (any_byte(p->im, at, at + 1, BYTE_TAKEN))
			return false;
		at += length_at(p->im, at);
	}
	if (at != s->at || (!bypass && bypassed(p->im, w->over_end - 1, s->at)))
		return false;
	/* A call that was the last would have to return into the stub. */
	if (!calls && instruction_before(p->im, w->render_end, &before) && before >= w->start &&
	    is_call(form_at(p, before)))
		return false;
	before = w->render_end;
	w->render_end = s->at + s->length;
	w->ends = stub_form_ends(form_at(p, s->at));
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

	if (form_at(p, s->at) == STUB_NEVER)
		return false;
	for (int i = 0; i < BACK_MAX; i++) {
		enum stub_form form;
		struct window w;

		if (!instruction_before(p->im, at, &at))
			return false;
		form = form_at(p, at);
		if (form == STUB_NEVER || stub_form_ends(form) || (is_call(form) && !calls) ||
		    (p->im->map[at] & BYTE_TAKEN))
			return false;
		if (!window_fits(p, at, JUMP_BYTES, &w))
			continue;
		if (!bypass && w.over_end <= s->at && bypassed(p->im, w.over_end - 1, s->at))
			return false;
		if (w.render_end < end) {
			w.render_end = end;
			w.ends = stub_form_ends(form_at(p, s->at));
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
		while (instruction_before(im, b, &before) && forbid_is_padding(im, before) &&
		       !any_byte(im, before, b, BYTE_HARD | BYTE_SOFT))
			b = before;
		if (!instruction_before(im, b, &before) || any_byte(im, b, at, BYTE_HARD))
			continue;
		if (im->bytes[before] == 0xc3 || im->bytes[before] == 0xe9 ||
		    im->bytes[before] == 0xeb)
			if (!any_byte(im, before, b, BYTE_FORBID))
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
		form = form_at(p, at);
		if (form != STUB_JCC && form != STUB_JMP)
			continue;
		if (im->map[at] & BYTE_TAKEN) { /* rendered already */
			any = true;
			continue;
		}
		fits = window_fits(p, start, JUMP_BYTES, &w);
		for (int back = 0; back < 2 && !fits; back++) {
			enum stub_form before;

			if (!instruction_before(im, start, &start))
				break;
			before = form_at(p, start);
			if (before == STUB_NEVER || is_call(before) || stub_form_ends(before))
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
		w.ends = stub_form_ends(form_at(p, s->at));
		if (form_at(p, s->at) == STUB_NEVER || !add_window(p, &w))
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
		index = site_index(im, iret);
		if (p->state[index] & SITE_RENDERED || form_at(p, iret) != STUB_IRET)
			continue;
		w.start = w.over_end = iret;
		w.render_end = iret + length_at(im, iret);
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
		if (any_byte(im, s->at, s->at + s->length, BYTE_FORBID))
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

/* ---- writing ---- */

static int by_start(const void *a, const void *b)
{
	const struct window *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static bool add_point(struct plan *p, uint32_t at)
{
	struct annotations *out = p->out;

	if (out->npoints == ANNOT_MAX_POINTS)
		return false;
	out->points[out->npoints++] =
	    (struct annot_point){.stub = stub_here(p->st), .va = image_va(p->im, at)};
	return true;
}

/* The point where an instruction is rendered, as opposed to one where a stub leaves for it. */
static bool add_moved(struct plan *p, uint32_t at)
{
	if (!add_point(p, at))
		return false;
	p->moved[p->nmoved++] = p->out->points[p->out->npoints - 1];
	p->im->map[at] |= BYTE_MOVED;
	return true;
}

static bool add_entry(struct plan *p, uint32_t at, const void *bytes, uint32_t n, uint32_t length)
{
	struct annotations *out = p->out;
	struct annot_window *w;

	if (out->nwindows == ANNOT_MAX_WINDOWS)
		return false;
	w = &out->windows[out->nwindows++];
	*w = (struct annot_window){.va = image_va(p->im, at), .length = length};
	memcpy(w->old, p->im->bytes + at, length);
	memset(w->bytes, INT3, length);
	memcpy(w->bytes, bytes, n);
	return true;
}

static void put_relative(uint8_t *to, uint32_t displacement)
{
	to[0] = displacement;
	to[1] = displacement >> 8;
	to[2] = displacement >> 16;
	to[3] = displacement >> 24;
}

/* The window's entries; the stub starts at address @stub. */
static bool write_entries(struct plan *p, const struct window *w, uint32_t stub)
{
	uint32_t at = w->island ? w->island : w->start;
	uint8_t jump[JUMP_BYTES] = {JMP};
	uint8_t hop[SHORT_JUMP_BYTES] = {JMP_SHORT, w->island - (w->start + SHORT_JUMP_BYTES)};

	if (w->start == w->over_end)
		return true;
	put_relative(jump + 1, stub - (image_va(p->im, at) + JUMP_BYTES));
	if (!w->island)
		return add_entry(p, at, jump, JUMP_BYTES, w->over_end - w->start);
	p->report->islands++;
	return add_entry(p, w->start, hop, SHORT_JUMP_BYTES, w->over_end - w->start) &&
	       add_entry(p, at, jump, JUMP_BYTES, JUMP_BYTES);
}

/* `jmp 1f; verw mem; 1: iret`, with the verw at @verw: see hop_into_iret(). */
static bool jumped_over(const struct image *im, uint32_t verw, uint32_t *jump)
{
	uint32_t next = verw + im->length[verw];

	return im->map[next] & BYTE_SITE && site_at(im, next)->kind == ANNOTATE_IRET &&
	       instruction_before(im, verw, jump) && verw - *jump == SHORT_JUMP_BYTES &&
	       im->bytes[*jump] == JMP_SHORT && im->bytes[*jump + 1] == im->length[verw];
}

static bool write_stub(struct plan *p, const struct window *w)
{
	struct image *im = p->im;
	struct stubs *st = p->st;
	uint32_t stub = stub_here(st), jump;

	for (uint32_t at = w->start; at < w->render_end;) {
		enum stub_form form = form_at(p, at);
		uint32_t next = at + length_at(im, at);
		struct site *s = site_at(im, at);
		size_t index = s ? (size_t)(s - im->sites.v) : 0;

		if (!add_moved(p, at))
			return false;
		if (s && stub_site(st, index)) {
			p->out->sites[index].flags |= ANNOT_SITE_CALLED;
			p->state[index] |= SITE_CALLED;
			if (s->kind == ANNOTATE_STI_HLT) /* the hlt is a site, too */
				p->state[index + 1] |= SITE_CALLED;
		}
		if (!(im->map[at] & BYTE_SITE) && next < w->render_end &&
		    jumped_over(im, at, &jump))
			stub_unless(st, image_va(im, jump), JMP_SHORT, im->length[at]);
		if (!(im->map[at] & BYTE_SITE))
			stub_instruction(st, at, form, next >= w->render_end);
		at = next;
	}
	if (!w->ends) {
		uint32_t last;

		/* A call that was the last one returns there by itself. */
		if (!instruction_before(im, w->render_end, &last) || last < w->start ||
		    !is_call(form_at(p, last))) {
			if (!add_point(p, w->render_end))
				return false;
			stub_jump(st, image_va(im, w->render_end));
		}
	}
	return write_entries(p, w, stub);
}

static int point_by_va(const void *a, const void *b)
{
	const struct annot_point *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	return (x->stub > y->stub) - (x->stub < y->stub);
}

/* The stub address that stands for an instruction with BYTE_MOVED. */
static uint32_t moved_to(const struct plan *p, uint32_t at)
{
	uint32_t low = 0, high = p->nmoved, va = image_va(p->im, at);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->moved[middle].va < va)
			low = middle + 1;
		else
			high = middle;
	}
	return p->moved[low].stub;
}

/*
 * Jumps of the image to instructions that are gone, or that lie in a line with one that still
 * traps, go to the stub instead.
 */
static bool retarget(struct plan *p)
{
	struct image *im = p->im;

	for (size_t i = 0; i < im->branches.n; i++) {
		const struct branch *b = &im->branches.v[i];
		uint32_t end = b->from + im->length[b->from];
		const struct window key = {.start = b->to}, *w;
		uint8_t displacement[4];

		if (!(im->map[b->to] & BYTE_MOVED) || im->bytes[b->from] == 0xe8)
			continue;
		if (im->length[b->from] < JUMP_BYTES ||
		    any_byte(im, b->from, end, BYTE_FORBID | BYTE_TAKEN))
			continue;
		/* The start of a window is as good as its stub. */
		w = bsearch(&key, p->windows, p->n, sizeof(key), by_start);
		if (w && w->over_end > w->start)
			continue;
		put_relative(displacement,
		             moved_to(p, b->to) - (image_va(im, b->from) + im->length[b->from]));
		if (!add_entry(p, end - 4, displacement, 4, 4))
			return false;
		p->out->windows[p->out->nwindows - 1].retarget = 1;
		p->report->retargeted++;
	}
	return true;
}

/* Words of data that name a rendered IRET name its stub instead. */
static bool rename_words(struct plan *p)
{
	struct image *im = p->im;
	uint32_t word, iret;
	uint8_t stub[4];

	p->report->words = 0;
	for (uint32_t i = 0; i < iret_words(im); i++) {
		if (!iret_word(im, i, &word, &iret) || !(im->map[iret] & BYTE_MOVED) ||
		    any_byte(im, word, word + sizeof(stub), BYTE_TAKEN))
			continue;
		put_relative(stub, moved_to(p, iret));
		if (!add_entry(p, word, stub, sizeof(stub), sizeof(stub)))
			return false;
		for (uint32_t k = 0; k < sizeof(stub); k++) /* several sites name the same word */
			im->map[word + k] |= BYTE_TAKEN;
		p->report->words++;
	}
	return true;
}

/*
 * The last lines of a return to user mode in 6.1: `jmp 1f; verw mem; 1: iret`, where the jump is
 * an alternative that becomes two no-ops on processors with MDS. The iret, one byte with a trap,
 * is shared with the window on the verw. The jump, the only way to reach it otherwise, is made to
 * jump to the next instruction: both of its forms then lead into that window. Its stub looks which
 * of them is there (jumped_over()), because verw takes 40 ns.
 */
static bool hop_into_iret(struct plan *p)
{
	struct image *im = p->im;
	static const uint8_t nowhere[SHORT_JUMP_BYTES] = {JMP_SHORT, 0};

	for (size_t i = 0; i < im->sites.n; i++) {
		const struct site *s = &im->sites.v[i];
		uint32_t verw, jump;
		struct window key;

		if (s->kind != ANNOTATE_IRET || !(p->state[i] & SITE_SHARED) ||
		    !instruction_before(im, s->at, &verw) || !instruction_before(im, verw, &jump))
			continue;
		key.start = verw;
		if (verw - jump != SHORT_JUMP_BYTES || im->bytes[jump] != JMP_SHORT ||
		    im->bytes[jump + 1] != s->at - verw ||
		    !bsearch(&key, p->windows, p->n, sizeof(key), by_start))
			continue;
		if (!add_entry(p, jump, nowhere, SHORT_JUMP_BYTES, SHORT_JUMP_BYTES))
			return false;
		p->report->retargeted++;
		p->state[i] &= (uint8_t)~SITE_SHARED;
	}
	return true;
}

static void resolve(struct plan *p)
{
	struct image *im = p->im;
	struct stubs *st = p->st;

	for (size_t i = 0; i < st->nreferences; i++) {
		const struct stub_reference *r = &st->references[i];
		uint32_t to = r->to, at;

		/* A return address stays what it was unless it has been overwritten. */
		if (image_offset(im, to, &at) && (im->map[at] & BYTE_MOVED) &&
		    (!r->absolute || (im->map[at] & BYTE_TAKEN)))
			to = moved_to(p, at);
		put_relative(st->code + r->at, r->absolute ? to : to - (st->va + r->at + 4));
	}
}

static int by_va(const void *a, const void *b)
{
	const struct annot_window *x = a, *y = b;

	return (x->va > y->va) - (x->va < y->va);
}

/* The share of each extent of a module: sites, points and stubs lie in the order of addresses. */
static void open_parts(struct plan *p)
{
	struct image *im = p->im;

	p->out->nparts = im->in->module ? im->nextents : 0;
	for (uint32_t k = 0; k < p->out->nparts; k++) {
		struct annot_part *part = &p->out->parts[k];
		uint32_t end = k + 1 < im->nextents ? im->extents[k + 1].at : UINT32_MAX;

		*part = (struct annot_part){.va = im->extents[k].va, .size = im->extents[k].size};
		part->first_site = site_index(im, im->extents[k].at);
		part->nsites = site_index(im, end) - part->first_site;
		part->first_site += p->st->first_site;
	}
}

static bool write_stub_of_part(struct plan *p, const struct window *w)
{
	struct annot_part *part = &p->out->parts[image_extent_of(p->im, w->start)];
	uint32_t stub = stub_here(p->st), point = p->out->npoints;

	if (!write_stub(p, w))
		return false;
	if (!p->out->nparts)
		return true;
	if (!part->stub_bytes)
		part->stub = stub;
	if (!part->npoints)
		part->first_point = point;
	part->stub_bytes += stub_here(p->st) - stub;
	part->npoints += p->out->npoints - point;
	return true;
}

static void close_parts(struct plan *p)
{
	struct annotations *out = p->out;
	uint32_t i = 0;

	for (uint32_t k = 0; k < out->nparts; k++) {
		struct annot_part *part = &out->parts[k];

		part->first_window = i;
		while (i < out->nwindows && out->windows[i].va - part->va < part->size)
			i++;
		part->nwindows = i - part->first_window;
	}
}

static int write_all(struct plan *p)
{
	struct annotations *out = p->out;
	bool fits = true;

	p->st->used = p->st->nreferences = 0;
	p->nmoved = 0;
	out->npoints = out->nwindows = 0;
	p->report->islands = p->report->retargeted = 0;
	open_parts(p);
	for (size_t i = 0; i < p->n && fits; i++)
		fits = write_stub_of_part(p, &p->windows[i]) && !p->st->full;
	if (!fits) {
		snprintf(p->error, ANNOTATE_ERROR_SIZE,
		         "too many windows (%u), points (%u) or stub bytes (%u)", out->nwindows,
		         out->npoints, p->st->used);
		return -E2BIG;
	}
	if (p->nmoved)
		qsort(p->moved, p->nmoved, sizeof(p->moved[0]), point_by_va);
	resolve(p);
	if (!retarget(p) || (!p->im->in->module && !hop_into_iret(p)) || !rename_words(p)) {
		snprintf(p->error, ANNOTATE_ERROR_SIZE, "more than %u windows", ANNOT_MAX_WINDOWS);
		return -E2BIG;
	}
	if (out->nwindows)
		qsort(out->windows, out->nwindows, sizeof(out->windows[0]), by_va);
	close_parts(p);
	return 0;
}

/* Where a module's share goes depends on its size, and its stubs on where they go. */
static int write_placed(struct plan *p)
{
	const struct annotate_options *o = p->options;
	struct annotate_need need;
	int result;

	if (p->n)
		qsort(p->windows, p->n, sizeof(p->windows[0]), by_start);
	result = write_all(p);
	if (result || !o->place)
		return result;
	need = (struct annotate_need){.sites = p->im->sites.n,
	                              .windows = p->out->nwindows,
	                              .points = p->out->npoints,
	                              .stub_bytes = p->st->used};
	if (!o->place(o->place_context, &need, &p->st->first_site, &p->st->va)) {
		snprintf(p->error, ANNOTATE_ERROR_SIZE,
		         "no room for another module's %u sites and %u stub bytes", need.sites,
		         need.stub_bytes);
		return -E2BIG;
	}
	return write_all(p);
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
		result = write_placed(&p);
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
