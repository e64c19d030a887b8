// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/debugger.h"

#include "core/annotated.h"
#include "core/debug.h"
#include "core/emulate.h"
#include "core/frames.h"
#include "core/interrupt.h"
#include "core/paging.h"
#include "core/pause.h"
#include "core/segment.h"
#include "core/userhalf.h"

#define INT3 0xcc

/* ---- registers ---- */

static void tell_registers(void)
{
	for (unsigned i = 0; i < R_COUNT; i++)
		M->debugger.registers.gpr[i] = V->gpr[i];
	M->debugger.registers.eip = original_address(V->eip);
	M->debugger.registers.eflags = eflags_image();
	for (enum seg seg = SEG_ES; seg < SEG_COUNT; seg++) {
		M->debugger.registers.vsel[seg] = V->vsel[seg] & 0xffff;
		M->debugger.registers.base[seg] = segment_base(seg);
	}
}

static void take_registers(void)
{
	for (unsigned i = 0; i < R_COUNT; i++)
		V->gpr[i] = M->debugger.registers.gpr[i];
	if (M->debugger.registers.eflags != eflags_image())
		set_eflags(M->debugger.registers.eflags);
	if (M->debugger.registers.eip == original_address(V->eip))
		return; /* it may be in a stub, and stays there */
	debug_abandon();
	V->eip = M->debugger.registers.eip;
	if (!user_mode())
		restore_function(V->eip);
}

/* ---- breakpoints ---- */

static uint32_t find_break(uint32_t va)
{
	uint32_t n = M->debugger.nbreaks < DEBUGGER_BREAKS ? M->debugger.nbreaks : DEBUGGER_BREAKS;

	for (uint32_t i = 0; i < n; i++)
		if (M->debugger.breaks[i].va == va)
			return i;
	return DEBUGGER_BREAKS;
}

/* Put INT3 there; the byte it replaces. */
static bool place(uint32_t va, uint8_t *old)
{
	if (va >= M->user_top)
		restore_function(va);
	return guest_peek_code(va, old) && guest_poke_code(va, INT3);
}

/* Unless the guest has put something else there since, or taken the page away. */
static void take_away(uint32_t va, uint8_t old)
{
	uint8_t now;

	if (guest_peek_code(va, &now) && now == INT3)
		guest_poke_code(va, old);
}

static bool insert(uint32_t va)
{
	uint32_t n = M->debugger.nbreaks;
	uint8_t old;

	if (find_break(va) < DEBUGGER_BREAKS)
		return true;
	if (n >= DEBUGGER_BREAKS || va >= HOLE_BASE || !place(va, &old))
		return false;
	M->debugger.breaks[n].va = va;
	M->debugger.breaks[n].old = old;
	M->debugger.nbreaks = n + 1;
	return true;
}

static bool remove_break(uint32_t va)
{
	uint32_t i = find_break(va);

	if (i == DEBUGGER_BREAKS)
		return false;
	take_away(va, M->debugger.breaks[i].old);
	M->debugger.breaks[i] = M->debugger.breaks[--M->debugger.nbreaks];
	return true;
}

static void remove_until(void)
{
	if (M->debugger.until.set)
		take_away(M->debugger.until.va, M->debugger.until.old);
	M->debugger.until.set = 0;
}

static void forget_all(void)
{
	while (M->debugger.nbreaks && M->debugger.nbreaks <= DEBUGGER_BREAKS)
		remove_break(M->debugger.breaks[0].va);
	M->debugger.nbreaks = 0;
	for (unsigned i = 0; i < DEBUGGER_WATCHES; i++)
		M->debugger.watch[i].length = 0;
	debug_registers_changed();
}

/* ---- stops ---- */

void debugger_serve(void)
{
	uint32_t request = M->debugger.request, va = M->debugger.request_va;

	remove_until();
	M->debugger.request = DEBUGGER_NOTHING;
	M->debugger.refused = 0;
	switch (request) {
	case DEBUGGER_INSERT:
		M->debugger.refused = !insert(va);
		break;
	case DEBUGGER_REMOVE:
		M->debugger.refused = !remove_break(va);
		break;
	case DEBUGGER_WATCHING:
		debug_registers_changed();
		break;
	case DEBUGGER_REGISTERS:
		take_registers();
		break;
	case DEBUGGER_FORGET:
		forget_all();
		break;
	}
	tell_registers();
}

void debugger_resumed(void)
{
	M->debugger.from = V->eip;
	M->debugger.moved = 0;
	M->debugger.hits = 0;
	M->debugger.why = DEBUGGER_ASKED;
	iret_work_update();
}

static void stop(enum debugger_why why, uint32_t where)
{
	uint32_t nobody = 0;

	M->debugger.why = why;
	M->debugger.where = where;
	M->debugger.stepping = 0;
	M->debugger.hits = 0;
	/* When main asks for the same at this moment, its number stands. */
	__atomic_compare_exchange_n(&M->pause, &nobody, PAUSE_BY_CORE, false, __ATOMIC_SEQ_CST,
	                            __ATOMIC_SEQ_CST);
	stand_still();
}

bool debugger_break(void)
{
	uint32_t va = linear_eip() - 1;

	if (!M->debugged)
		return false;
	if (M->debugger.until.set && M->debugger.until.va == va) {
		V->eip--;
		remove_until();
		M->debugger.moved = 1;
		return true;
	}
	if (find_break(va) == DEBUGGER_BREAKS)
		return false;
	debug_abandon();
	V->eip--;
	stop(DEBUGGER_BREAK, va);
	return true;
}

/* ---- steps ---- */

static bool in_rom(void)
{
	return V->eip - HOLE_ROM < HOLE_ROM_SIZE;
}

/* Between two instructions of the guest's own. */
static bool at_boundary(void)
{
	if (V->eip < HOLE_BASE)
		return true;
	return in_stubs(V->eip) && is_point(V->eip);
}

/*
 * The ROM was called by an instruction of the guest's (a VMI kernel's): go on behind it. Its code
 * stores and loads flags, which would show the trap flag.
 */
static bool run_until_return(void)
{
	uint32_t back, displacement;
	uint8_t call[5];

	if (!in_rom() || user_mode() || !guest_peek(V->gpr[R_ESP], &back, 4) ||
	    back < M->user_top || back >= HOLE_BASE || !guest_peek(back - 5, call, 5) ||
	    call[0] != 0xe8)
		return false;
	__builtin_memcpy(&displacement, call + 1, 4);
	if (back + displacement != V->eip || !place(back, &M->debugger.until.old))
		return false;
	M->debugger.until.va = back;
	M->debugger.until.set = 1;
	return true;
}

static void begin_step(void)
{
	uint32_t va = original_address(V->eip);

	/* In its place every instruction is one. */
	if (va != V->eip && is_point(V->eip)) {
		restore_function(va);
		V->eip = M->debugger.from = va;
	} else if (va == V->eip && !user_mode()) {
		restore_function(va);
	}
	iret_work_update();
	if (M->debugger.until.set || run_until_return())
		return;
	debug_step();
}

static bool step_done(void)
{
	return (M->debugger.moved || V->eip != M->debugger.from) && at_boundary() &&
	       !M->debugger.until.set;
}

static uint32_t watched_address(void)
{
	for (unsigned i = 0; i < DEBUGGER_WATCHES; i++)
		if (M->debugger.hits & 1u << i)
			return M->debugger.watch[i].va;
	return 0;
}

static bool executes(void)
{
	for (unsigned i = 0; i < DEBUGGER_WATCHES; i++)
		if (M->debugger.hits & 1u << i && M->debugger.watch[i].type)
			return false;
	return true;
}

void debugger_leave(void)
{
	for (;;) {
		if (M->debugger.hits)
			stop(executes() ? DEBUGGER_BREAK : DEBUGGER_WATCH, watched_address());
		else if (M->debugger.stepping && step_done())
			stop(DEBUGGER_STEP, 0);
		else
			break;
	}
	if (M->debugger.stepping)
		begin_step();
}
