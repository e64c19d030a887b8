// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/frames.h"

#include "core/paging.h"
#include "rom_symbols.h"

/* The ROM pushes at most this much on top of its return address into a stub, in words. */
#define ROM_DEPTH 12

static bool in_rom(uint32_t eip)
{
	return eip - HOLE_ROM < HOLE_ROM_SIZE;
}

/* The kernel's address for a place in the hole; @eip itself when it stands for none. */
static uint32_t kernel_name(uint32_t eip)
{
	uint32_t word;

	if (in_stubs(eip))
		return original_address(eip);
	if (!in_rom(eip))
		return eip;
	if (eip >= ROM_IRET_RESTART && eip < ROM_IRET_SWITCHED)
		return V->iret_site;
	for (unsigned i = 0; i < ROM_DEPTH; i++)
		if (guest_peek(V->gpr[R_ESP] + i * 4, &word, 4) && in_stubs(word - 1) &&
		    original_address(word - 1) != word - 1)
			return original_address(word - 1);
	return eip;
}

static void forget(unsigned i)
{
	M->named[i] = M->named[--M->nnamed];
	iret_work_update();
}

/*
 * Frames that were left without a return: the new one is in their place, or something else is. What
 * belongs to the same stack cannot be told: kernels have had stacks of 4 and of 8 KiB.
 */
static void forget_dead(uint32_t at)
{
	uint32_t now;

	for (unsigned i = M->nnamed; i-- > 0;)
		if (M->named[i].at == at ||
		    (guest_peek(M->named[i].at, &now, 4) && now != M->named[i].va))
			forget(i);
}

/* Make room by giving a frame the address in the hole after all: only its looks suffer. */
static void give_up_one(void)
{
	struct exception x;
	uint32_t now;
	unsigned i = M->named_next++ % NAMED_FRAMES;

	if (guest_peek(M->named[i].at, &now, 4) && now == M->named[i].va)
		guest_write(M->named[i].at, &M->named[i].eip, 4, false, &x);
	forget(i);
}

uint32_t frame_name(uint32_t at)
{
	uint32_t va = kernel_name(V->eip);

	/* The state is shared memory: what a hostile cell wrote there must not lead out of it. */
	if (M->nnamed > NAMED_FRAMES)
		M->nnamed = 0;
	forget_dead(at);
	if (va == V->eip)
		return va;
	if (M->nnamed == NAMED_FRAMES)
		give_up_one();
	M->named[M->nnamed].at = at;
	M->named[M->nnamed].va = va;
	M->named[M->nnamed++].eip = V->eip;
	COUNT(frame_named);
	iret_work_update();
	return va;
}

uint32_t frame_return(uint32_t at, uint32_t eip)
{
	for (unsigned i = 0; i < M->nnamed && i < NAMED_FRAMES; i++) {
		uint32_t va = M->named[i].va, real = M->named[i].eip;

		if (M->named[i].at != at)
			continue;
		forget(i);
		return eip == va ? real : eip;
	}
	return eip;
}

void iret_work_update(void)
{
	if (M->redirects || M->prefill.armed || M->nnamed || M->nested_tasks || M->nmi.blocked ||
	    M->probe_returns || M->debugger.stepping || M->debug.active)
		V->iflag |= IF_IRET_WORK;
	else
		V->iflag &= ~IF_IRET_WORK;
}
