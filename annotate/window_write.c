/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stubs, and the bytes of the image that lead to them: the chosen windows written down. */
#include "annotate/iret_word.h"
#include "annotate/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { JMP = 0xe9, JMP_SHORT = 0xeb, INT3 = 0xcc };

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

	return im->map[next] & BYTE_SITE && image_site_at(im, next)->kind == ANNOTATE_IRET &&
	       image_instruction_before(im, verw, jump) && verw - *jump == SHORT_JUMP_BYTES &&
	       im->bytes[*jump] == JMP_SHORT && im->bytes[*jump + 1] == im->length[verw];
}

static bool write_stub(struct plan *p, const struct window *w)
{
	struct image *im = p->im;
	struct stubs *st = p->st;
	uint32_t stub = stub_here(st), jump;

	for (uint32_t at = w->start; at < w->render_end;) {
		enum stub_form form = plan_form_at(p, at);
		uint32_t next = at + image_length_at(im, at);
		struct site *s = image_site_at(im, at);
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
		if (!image_instruction_before(im, w->render_end, &last) || last < w->start ||
		    !stub_form_is_call(plan_form_at(p, last))) {
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
		    image_any_byte(im, b->from, end, BYTE_FORBID | BYTE_TAKEN))
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
		    image_any_byte(im, word, word + sizeof(stub), BYTE_TAKEN))
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
		    !image_instruction_before(im, s->at, &verw) ||
		    !image_instruction_before(im, verw, &jump))
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
		part->first_site = image_site_index(im, im->extents[k].at);
		part->nsites = image_site_index(im, end) - part->first_site;
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

static int write_once(struct plan *p)
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
int windows_write(struct plan *p)
{
	const struct annotate_options *o = p->options;
	struct annotate_need need;
	int result;

	if (p->n)
		qsort(p->windows, p->n, sizeof(p->windows[0]), by_start);
	result = write_once(p);
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
	return write_once(p);
}
