// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interrupt flag: what DisableInterrupts, EnableInterrupts and delivery mean here.
 *
 * The real IF is 1 whenever guest code runs. The guest's own is bit 9 of V->iflag, and "an
 * interrupt waits" is the sign bit of the same word. So disabling is one AND, and enabling is
 * one OR whose sign flag says whether something must be delivered: the two-instruction answer
 * to the question of March 2006 whether the test on enable costs too much. There is no race:
 * an instruction is atomic against signals of its own thread, and nobody else writes the word;
 * main writes machine.inbox and interrupts the thread.
 *
 * In user mode interrupts are always on (VMI rule 6): the word is not consulted, user code is
 * told by its stack segment.
 *
 * DELIVERY DEFERRED. The other answer of 2006: enabling only sets the flag, without a test, and
 * delivery is a step of its own (--delivery=deferred; VMI_EnableInterruptsDeferred). Then the
 * flag and "an interrupt waits" can be set together: an enable was a promise that is not kept
 * yet. It is kept by the first of
 *
 *   an exit       leave() looks at the word as always;
 *   IRET, HLT     the same, and rom/iret.S never finishes one while something waits;
 *   a disable     rom_keep_promise, keep_promise(): whoever opens a window (STI; NOP; CLI) finds
 *                 that what was pending came through it. This is the test that enabling was rid
 *                 of: deferral moves it to the other end of the window;
 *   a kick        with IF set delivery has always been immediate;
 *   1 ms          interrupt_waits(): from the moment something is left waiting, main kicks every
 *                 millisecond until it is delivered, so no enable is later than that. It costs
 *                 nothing while nothing waits, and an idle guest is not woken: HLT delivers.
 *
 * VMI_EnableInterruptsDeferred alone (API 3.1) keeps all of these but "a disable", which is
 * VMI_DisableInterrupts's contract to leave it pending; the ROM then asks for the bound only
 * (DELIVERY_BOUNDED, rom/vmi.S).
 *
 * rom/interrupt.S has both forms as the guest executes them, core/entry.c how a handler is entered,
 * docs/delivery.md what either costs.
 */
#include "core/interrupt.h"

#include "core/alarm.h"
#include "core/annotated.h"
#include "core/clock.h"
#include "core/debug.h"
#include "core/debugger.h"
#include "core/late_eoi.h"
#include "core/trace.h"

/* An enabled interrupt waits no longer than this for its delivery, in ns. */
#define DELIVERY_BOUND_NS 1000000u

uint32_t eflags_image(void)
{
	uint32_t image = V->eflags & ~(EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VM | EFLAGS_RF);

	if (M->debug.open && !M->debug.tf)
		image &= ~EFLAGS_TF;
	return image | EFLAGS_FIXED | V->iopl | (interrupts_enabled() ? EFLAGS_IF : 0);
}

void set_virtual_if(bool on)
{
	if (on)
		V->iflag |= IF_BIT;
	else
		V->iflag &= ~IF_BIT;
}

void set_eflags(uint32_t image)
{
	/* In ring 1 only SetIOPLMask changes it (VMI Part 5, IRET). */
	if (!M->vmi_active)
		V->iopl = image & EFLAGS_IOPL;
	set_virtual_if(image & EFLAGS_IF);
	V->eflags = (image & EFLAGS_WRITABLE & ~EFLAGS_IOPL) | EFLAGS_IF | EFLAGS_FIXED;
	V->gate_tf = GATE_NOT_STEPPED;
}

void interrupt_pending_update(void)
{
	late_eoi_collect();
	if (platform_intr(&M->platform))
		V->iflag |= IF_PENDING;
	else
		V->iflag &= ~IF_PENDING;
}

static void count_delivery(void)
{
	uint64_t delay;

	COUNT(interrupt);
	M->count[M->cause ? M->cause : STAT_deliver_exit]++;
	if (!M->pending_since)
		return;
	delay = clock_now() - M->pending_since;
	for (unsigned n = 0; n < DELAY_BUCKETS; n++)
		if (n == DELAY_BUCKETS - 1 || delay >> n <= 1) {
			M->delivery_delay[n]++;
			break;
		}
	M->pending_since = 0;
	M->promise_due = 0;
}

void interrupts_deliver(void)
{
	late_eoi_collect();
	while (platform_intr(&M->platform) && interrupts_enabled() && !debugger_steps()) {
		int vector = platform_acknowledge(&M->platform);

		count_delivery();
		TRACE(interrupts, (uint32_t)vector, 0, 0);
		deliver(vector, false, 0, false);
	}
	late_eoi_offer();
	interrupt_pending_update();
}

void interrupt_waits(void)
{
	uint64_t now;

	if (M->pending_since && !(V->delivery & DELIVERY_BOUNDED))
		return;
	now = clock_now();
	if (!M->pending_since)
		M->pending_since = now;
	if (!(V->delivery & DELIVERY_BOUNDED) || M->promise_due > now)
		return;
	M->promise_due = now + DELIVERY_BOUND_NS;
	if (M->promise_due < M->deadline) {
		__atomic_store_n(&M->deadline, M->promise_due, __ATOMIC_SEQ_CST);
		deadline_moved();
	}
}

bool keep_promise(void)
{
	if (!promised())
		return false;
	/* The instruction may stand in a window: then its stub is what to return to. */
	mark_redirect();
	M->cause = STAT_deliver_disable;
	interrupts_deliver();
	return true;
}
