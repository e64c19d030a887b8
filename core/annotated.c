// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/annotated.h"

#include "core/alarm.h"
#include "core/emulate.h"
#include "core/frames.h"
#include "core/interrupt.h"
#include "core/notes.h"
#include "core/paging.h"

/* A share of the tables: the kernel's own, or that of a part of a module. */
struct share {
	const struct annot_site *sites;
	const struct annot_window *windows;
	const struct annot_point *points;
	uint32_t nsites, nwindows, npoints;
};

static struct share kernel_share(void)
{
	return (struct share){ANNOT->sites,  ANNOT->windows,  ANNOT->points,
	                      ANNOT->nsites, ANNOT->nwindows, ANNOT->npoints};
}

static struct share part_share(const struct annot_part *p)
{
	return (struct share){ANNOT->sites + p->first_site,
	                      ANNOT->windows + p->first_window,
	                      ANNOT->points + p->first_point,
	                      p->nsites,
	                      p->nwindows,
	                      p->npoints};
}

/* The share that @va, an address of text, belongs to: the kernel's when it is no module's. */
static struct share share_of(uint32_t va)
{
	uint32_t low = 0, high = ANNOT->nparts;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ANNOT->parts[middle].va <= va)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && va - ANNOT->parts[low - 1].va < ANNOT->parts[low - 1].size)
		return part_share(&ANNOT->parts[low - 1]);
	return kernel_share();
}

bool in_stubs(uint32_t eip)
{
	return eip - HOLE_STUBS < ANNOT->stub_bytes || eip - HOLE_MODULES < HOLE_MODULES_SIZE;
}

/* The share whose stubs @eip is in; none has no points. */
static struct share share_of_stub(uint32_t eip)
{
	if (eip - HOLE_STUBS < ANNOT->stub_bytes)
		return kernel_share();
	for (uint32_t i = 0; i < ANNOT->nparts; i++)
		if (eip - ANNOT->parts[i].stub < ANNOT->parts[i].stub_bytes)
			return part_share(&ANNOT->parts[i]);
	return (struct share){0};
}

/*
 * Before paging is on the kernel runs at its physical addresses. The records are of its
 * virtual ones.
 */
static uint32_t kernel_address(uint32_t eip)
{
	return !(V->cr0 & CR0_PG) || eip < ANNOT->kernel_base ? eip + ANNOT->kernel_base : eip;
}

static const struct annot_site *find_site(uint32_t va)
{
	const struct share s = share_of(va);
	uint32_t low = 0, high = s.nsites;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (s.sites[middle].va < va)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s.nsites && s.sites[low].va == va ? &s.sites[low] : NULL;
}

/* A trap as long as its instruction: HLT behind DS prefixes (annotate_trap_bytes()). */
#define TRAP_HLT    0xf4
#define TRAP_PREFIX 0x3e

const struct annot_site *annotated_site(uint32_t va)
{
	const struct annot_site *site = find_site(kernel_address(va));
	uint8_t now;

	if (!site || site->length > sizeof site->bytes)
		return NULL;
	/* The kernel may have written something else there since, or freed the page. */
	if (!guest_peek_code(va, &now) ||
	    (now != (site->length == 1 ? TRAP_HLT : TRAP_PREFIX) && now != site->bytes[0]))
		return NULL;
	return site;
}

/* The last point of a stub at or before @eip. */
static const struct annot_point *point_before(uint32_t eip)
{
	const struct share s = share_of_stub(eip);
	uint32_t low = 0, high = s.npoints;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (s.points[middle].stub <= eip)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &s.points[low - 1] : NULL;
}

uint32_t original_address(uint32_t eip)
{
	const struct annot_point *point = point_before(eip);

	return point ? point->va : eip;
}

bool is_point(uint32_t eip)
{
	const struct annot_point *point = point_before(eip);

	return point && point->stub == eip;
}

/* Does text hold these bytes? */
static bool text_is(uint32_t va, const uint8_t *bytes, unsigned n)
{
	uint8_t now;

	for (unsigned i = 0; i < n; i++)
		if (!guest_peek_code(va + i, &now) || now != bytes[i])
			return false;
	return true;
}

/* The first window behind @va, as an index. */
static uint32_t window_behind(const struct share *s, uint32_t va)
{
	uint32_t low = 0, high = s->nwindows;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->windows[middle].va <= va)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The window that @va is in, or NULL. */
static const struct annot_window *window_of(const struct share *s, uint32_t va)
{
	uint32_t i = window_behind(s, va);
	const struct annot_window *w = i ? &s->windows[i - 1] : NULL;

	return w && va - w->va < w->length ? w : NULL;
}

/* A window that was taken back (restore_function()) no longer stands for anything. */
static bool taken_back(const struct share *s, uint32_t va)
{
	const struct annot_window *w = window_of(s, va);

	return w && !text_is(w->va + 1, w->bytes + 1, w->length - 1);
}

/* Stub address of the point for kernel address @va; points are sorted by stub, not by va. */
static uint32_t point_of(uint32_t va)
{
	const struct share s = share_of(va);

	for (uint32_t i = 0; i < s.npoints; i++)
		if (s.points[i].va == va)
			return taken_back(&s, va) ? 0 : s.points[i].stub;
	return 0;
}

void mark_redirect(void)
{
	M->redirects = 64;
	V->iflag |= IF_IRET_WORK;
}

uint32_t redirect_to_stub(uint32_t va)
{
	uint32_t stub;

	if (!M->redirects || !M->windows_applied)
		return va;
	stub = point_of(va);
	M->redirects--;
	iret_work_update();
	return stub ? stub : va;
}

bool redirected(void)
{
	uint32_t stub = M->windows_applied ? point_of(V->eip) : 0;

	if (!stub || stub == V->eip)
		return false;
	V->eip = stub;
	return true;
}

/* STI;HLT is one record: enabling and sleeping are one step. */
static void enable_and_halt(uint32_t next)
{
	V->iflag |= IF_BIT;
	V->eip = next;
	halt();
}

bool emulate_trapped(const struct insn *in, uint32_t next, struct exception *x)
{
	if (in->op == OP_STI && next == V->eip + 2 && in->length == 1) {
		enable_and_halt(next);
		return true;
	}
	return emulate(in, next, x);
}

bool site_pops_selector(uint32_t va)
{
	const struct annot_site *site = find_site(va);
	struct insn in;

	return site && decode_insn(site->bytes, 15, &in) && in.op == OP_POP_SEG;
}

void run_site(uint32_t index, uint32_t next)
{
	struct annot_site *site;
	struct exception x;
	struct insn in;

	if (index >= ANNOT_MAX_SITES)
		stop_guest(STOP_INTERNAL, "a stub names a site that does not exist");
	site = &ANNOT->sites[index];
	if (site->flags & ANNOT_SITE_NOTE) {
		V->eip = site->va;
		if (!take_note(site->note))
			V->eip = next;
		return;
	}
	V->eip = site->va;
	if (!decode_insn(site->bytes, site->length, &in))
		stop_guest(STOP_INTERNAL, "a site holds no sensitive instruction");
	if (in.op == OP_STI && site->length == 2) {
		enable_and_halt(next);
		return;
	}
	if (emulate(&in, next, &x))
		return;
	mark_redirect();
	deliver_exception(&x);
}

bool note_site(uint32_t va)
{
	const struct annot_site *site = annotated_site(va);

	if (!site || !(site->flags & ANNOT_SITE_NOTE))
		return false;
	if (take_note(site->note))
		return true;
	/* A trap cannot be left in place and stepped over: put the kernel's bytes back. */
	for (unsigned i = 0; i < site->length; i++)
		guest_poke_code(va + i, site->bytes[i]);
	return true;
}

/* ---- taking windows back ---- */

void trap_bytes(uint8_t *bytes, unsigned length)
{
	__builtin_memset(bytes, TRAP_PREFIX, length);
	bytes[length - 1] = TRAP_HLT;
}

/* What stands in a window's place then: the kernel's bytes, but traps for what would not trap. */
static void original_bytes(const struct share *s, const struct annot_window *w, uint8_t *bytes)
{
	__builtin_memcpy(bytes, w->old, w->length);
	for (uint32_t i = 0; i < s->nsites; i++) {
		const struct annot_site *site = &s->sites[i];
		uint32_t at = site->va - w->va;

		if (!(site->flags & ANNOT_SITE_TRAP) || at >= w->length ||
		    w->length - at < site->length)
			continue;
		trap_bytes(bytes + at, site->length);
	}
}

static void restore_window(const struct share *s, const struct annot_window *w)
{
	uint8_t bytes[ANNOT_WINDOW_BYTES];

	if (w->length > ANNOT_WINDOW_BYTES || !text_is(w->va, w->bytes, w->length))
		return;
	original_bytes(s, w, bytes);
	for (unsigned i = 0; i < w->length; i++)
		guest_poke_code(w->va + i, bytes[i]);
	COUNT(probe_restored);
}

/* Where a branch went before its displacement was rewritten. */
static uint32_t retargeted_from(const struct annot_window *w)
{
	uint32_t displacement;

	__builtin_memcpy(&displacement, w->old, 4);
	return w->va + 4 + displacement;
}

bool restore_function(uint32_t va)
{
	const struct share s = share_of(va);
	uint32_t first = 0, end = 0;

	for (uint32_t i = 0; i < s.nwindows; i++) {
		const struct annot_window *w = &s.windows[i];

		if (va - w->function < w->function_end - w->function) {
			first = w->function;
			end = w->function_end;
		}
	}
	/* Nobody knows the function: the window alone. */
	for (uint32_t i = 0; i < s.nwindows && !end; i++)
		if (va - s.windows[i].va < s.windows[i].length) {
			first = s.windows[i].va;
			end = first + s.windows[i].length;
		}
	/* Branches of it to instructions elsewhere stay: those are still in a window. */
	for (uint32_t i = 0; i < s.nwindows && end; i++) {
		const struct annot_window *w = &s.windows[i];
		uint32_t at = w->retarget ? retargeted_from(w) : w->va;

		if (at - first < end - first)
			restore_window(&s, w);
	}
	return end;
}

/* Has the function around @va windows? Its first or last is the nearest to @va on one side. */
static bool function_has_windows(uint32_t va)
{
	const struct share s = share_of(va);
	uint32_t behind = window_behind(&s, va);

	for (uint32_t i = behind ? behind - 1 : 0; i <= behind && i < s.nwindows; i++)
		if (va - s.windows[i].function <
		        s.windows[i].function_end - s.windows[i].function ||
		    va - s.windows[i].va < s.windows[i].length)
			return true;
	return false;
}

void step_in_place(void)
{
	uint32_t va = original_address(V->eip), stub;
	const struct share s = share_of(va);

	if (va >= HOLE_BASE || (V->eip != va && !is_point(V->eip)) || !function_has_windows(va))
		return;
	restore_function(va);
	if (V->eip != va) {
		if (!window_of(&s, va) || taken_back(&s, va))
			V->eip = va;
		return;
	}
	/* Something else was written to the window than it knows: it stays, and is passed by. */
	stub = window_of(&s, va) && !taken_back(&s, va) ? point_of(va) : 0;
	if (stub)
		V->eip = stub;
}

const struct annot_site *replaced_site(uint32_t va)
{
	const struct annot_site *site = find_site(va);

	return site && site->flags & ANNOT_SITE_TRAP && site->length <= sizeof site->bytes ? site
	                                                                                   : NULL;
}
