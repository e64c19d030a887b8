// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/annotated.h"

#include "core/emulate.h"
#include "core/interrupt.h"
#include "core/paging.h"

static uint32_t site_count(void)
{
	return ANNOT->nsites < ANNOT_MAX_SITES ? ANNOT->nsites : ANNOT_MAX_SITES;
}

static uint32_t point_count(void)
{
	return ANNOT->npoints < ANNOT_MAX_POINTS ? ANNOT->npoints : ANNOT_MAX_POINTS;
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
	uint32_t low = 0, high = site_count();

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (ANNOT->sites[middle].va < va)
			low = middle + 1;
		else
			high = middle;
	}
	return low < site_count() && ANNOT->sites[low].va == va ? &ANNOT->sites[low] : NULL;
}

const struct annot_site *annotated_site(uint32_t va)
{
	const struct annot_site *site = find_site(kernel_address(va));
	uint8_t now;

	if (!site || site->length > sizeof site->bytes)
		return NULL;
	/* The kernel may have written something else there since, or freed the page. */
	if (!guest_peek_code(va, &now) || (now != 0xf4 && now != site->bytes[0]))
		return NULL;
	return site;
}

uint32_t original_address(uint32_t eip)
{
	uint32_t low = 0, high = point_count();

	if (eip < HOLE_STUBS || eip >= HOLE_STUBS + ANNOT->stub_bytes)
		return eip;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (ANNOT->points[middle].stub <= eip)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? ANNOT->points[low - 1].va : eip;
}

/* Stub address of the point for kernel address @va; points are sorted by stub, not by va. */
static uint32_t point_of(uint32_t va)
{
	for (uint32_t i = 0; i < point_count(); i++)
		if (ANNOT->points[i].va == va)
			return ANNOT->points[i].stub;
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
	if (--M->redirects)
		V->iflag |= IF_IRET_WORK;
	else if (!M->prefill.armed)
		V->iflag &= ~IF_IRET_WORK;
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

/* True: the function noted was carried out, and EIP is behind it. */
static bool note(const struct annot_site *site)
{
	if (site->flags & ANNOT_SITE_NOTE_PANIC && !M->panicked)
		note_panic();
	return site->flags & ANNOT_SITE_NOTE_PATCH && note_text_patch();
}

void run_site(uint32_t index, uint32_t next)
{
	struct annot_site *site;
	struct exception x;
	struct insn in;

	if (index >= site_count())
		stop_guest(STOP_INTERNAL, "a stub names a site that does not exist");
	site = &ANNOT->sites[index];
	if (site->flags & ANNOT_SITE_NOTES) {
		V->eip = site->va;
		if (!note(site))
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

	if (!site || !(site->flags & ANNOT_SITE_NOTES))
		return false;
	if (note(site))
		return true;
	/* A trap cannot be left in place and stepped over: put the kernel's byte back. */
	guest_poke_code(va, site->bytes[0]);
	return true;
}
