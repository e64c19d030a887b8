// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Entering a handler of the guest through its IDT (SDM volume 3, 6.10 to 6.15): gates, frames, and
 * what becomes of an exception on the way.
 */
#include "core/interrupt.h"

#include "core/debug.h"
#include "core/frames.h"
#include "core/low.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/task.h"
#include "core/trace.h"

struct gate {
	uint32_t handler;
	uint16_t selector;
	uint8_t type, dpl;
	bool fault; /* what leads here is a fault of the instruction at EIP */
};

#define GATE_TASK      5
#define GATE_INTERRUPT 14
#define GATE_TRAP      15

static bool read_gate(unsigned vector, bool software, struct gate *g, struct exception *x)
{
	uint32_t lo, hi, error = vector * 8 | 2;
	uint32_t words[2];

	if (vector * 8 + 7 > M->idt_limit)
		return raise_error(x, VECTOR_GP, error);
	if (!guest_read(M->idt_base + vector * 8, words, 8, false, x))
		return false;
	lo = words[0];
	hi = words[1];
	*g = (struct gate){.handler = (lo & 0xffff) | (hi & 0xffff0000u),
	                   .selector = lo >> 16,
	                   .type = hi >> 8 & 0x1f,
	                   .dpl = hi >> 13 & 3};
	if (software && virtual_cpl() > g->dpl)
		return raise_error(x, VECTOR_GP, error);
	if (g->type != GATE_TASK && g->type != GATE_INTERRUPT && g->type != GATE_TRAP)
		return raise_error(x, VECTOR_GP, error);
	if (!(hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, error);
	return true;
}

bool software_interrupt_allowed(unsigned vector, struct exception *x)
{
	struct gate g;

	return read_gate(vector, true, &g, x);
}

/* The frame is built top down in @words, then written at once: nothing is half pushed. */
struct frame {
	uint32_t words[6];
	unsigned n;
};

static void frame_push(struct frame *f, uint32_t v)
{
	f->words[5 - f->n++] = v;
}

/* Returns the new ESP through @esp. */
static bool frame_write(const struct frame *f, uint32_t *esp, struct exception *x)
{
	*esp -= f->n * 4;
	return guest_write(*esp, f->words + 6 - f->n, f->n * 4, false, x);
}

/* Through an interrupt or trap gate. What fails after the frame is written ends as #DF. */
static bool enter_gate(const struct gate *g, bool has_error, uint32_t error, struct exception *x)
{
	bool from_user = user_mode();
	uint32_t esp = V->gpr[R_ESP];
	uint32_t image = eflags_image();
	struct frame f = {.n = 0};
	uint32_t stack[2];

	if (from_user) {
		if (!guest_read(M->tr_base + 4, stack, 8, false, x))
			return false;
		esp = stack[0];
		frame_push(&f, V->vsel[SEG_SS]);
		frame_push(&f, V->gpr[R_ESP]);
	}
	/* Faults are returned from without breaking again (SDM volume 3, 17.3.1.1). */
	if (g->fault || debug_resuming())
		image |= EFLAGS_RF;
	frame_push(&f, image);
	frame_push(&f, V->vsel[SEG_CS]);
	frame_push(&f, from_user ? V->eip : frame_name(esp - 12));
	if (has_error)
		frame_push(&f, error);
	if (!frame_write(&f, &esp, x))
		return false;
	if (from_user && !load_segment(SEG_SS, stack[1], 0, x))
		return false;
	if (((V->vsel[SEG_CS] ^ g->selector) & ~3u || from_user) &&
	    !load_code_segment(g->selector, g->handler, 0, x))
		return false;
	if (from_user) {
		V->real_kss = V->rsel[SEG_SS];
		/* User mode does not use the word; entering, IF was 1. */
		V->iflag |= IF_BIT;
	}
	V->gpr[R_ESP] = esp;
	V->eip = g->handler;
	V->eflags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC);
	V->gate_tf = GATE_NOT_STEPPED;
	if (g->type == GATE_INTERRUPT)
		set_virtual_if(false);
	return true;
}

/* SDM volume 3, table 6-1; a #DB of its own accord leaves RF to the handler. */
static bool is_fault(unsigned vector)
{
	return vector < 32 && vector != VECTOR_DB && vector != VECTOR_NMI && vector != VECTOR_BP &&
	       vector != VECTOR_OF && vector != VECTOR_DF;
}

static bool try_deliver(unsigned vector, bool has_error, uint32_t error, bool software,
                        struct exception *x)
{
	struct gate g;

	if (!read_gate(vector, software, &g, x))
		return false;
	if (g.type == GATE_TASK)
		return task_enter(g.selector, has_error, error, x);
	g.fault = !software && is_fault(vector);
	if (!enter_gate(&g, has_error, error, x))
		return false;
	M->debug.resume = 0;
	return true;
}

/* SDM volume 3, table 6-5: which second fault makes a double fault. */
static bool makes_double_fault(unsigned first, unsigned second)
{
	bool contributory1 = first == VECTOR_DE || (first >= VECTOR_TS && first <= VECTOR_GP);
	bool contributory2 = second == VECTOR_DE || (second >= VECTOR_TS && second <= VECTOR_GP);

	return (contributory1 && contributory2) ||
	       (first == VECTOR_PF && (contributory2 || second == VECTOR_PF));
}

void deliver(unsigned vector, bool has_error, uint32_t error, bool software)
{
	struct exception x;

	debug_abandon();
	low_close();
	if (vector == VECTOR_DB)
		M->dr[7] &= ~DR7_GD;
	if (try_deliver(vector, has_error, error, software, &x))
		return;
	if (x.vector == VECTOR_PF)
		V->cr2 = x.cr2;
	/* An INT n that fails is an ordinary fault at the INT itself. */
	if (!makes_double_fault(software ? 256 : vector, x.vector)) {
		vector = x.vector;
		has_error = x.has_error;
		error = x.error;
	} else if (vector == VECTOR_DF) {
		stop_guest(STOP_TRIPLE, "triple fault");
	} else {
		vector = VECTOR_DF;
		has_error = true;
		error = 0;
	}
	if (!try_deliver(vector, has_error, error, false, &x))
		stop_guest(STOP_TRIPLE, "triple fault");
}

void deliver_exception(const struct exception *x)
{
	TRACE(faults, x->vector, x->vector == VECTOR_PF ? x->cr2 : 0, x->has_error ? x->error : 0);
	if (x->vector == VECTOR_PF) {
		V->cr2 = x->cr2;
		if (x->error & PF_USER)
			COUNT(page_fault_user);
		else
			COUNT(page_fault_kernel);
	} else {
		COUNT(exception);
	}
	deliver(x->vector, x->has_error, x->error, false);
}
