// SPDX-License-Identifier: GPL-2.0-or-later
/* The interrupt flag: calls 29 to 32, 35, 74 and 75. */
#include "conformance.h"

static uint32_t mask_with(uint32_t flags)
{
	call_reset();
	call_in.eflags |= flags;
	call_with(VMI_CALL_GetInterruptMask);
	return call_out.eax;
}

static bool enabled(void)
{
	return get_eflags() & EFLAGS_IF;
}

/* ---- GetInterruptMask ---- */

TEST(GetInterruptMask, "is 0x200 and nothing else with interrupts on")
{
	check_equal(mask_with(EFLAGS_IF), VMI_INTERRUPTS_ENABLED);
	check_equal(mask_with(EFLAGS_IF | EFLAGS_ARITHM), VMI_INTERRUPTS_ENABLED);
}

TEST(GetInterruptMask, "is 0 with interrupts off, pending ones or not")
{
	check_equal(mask_with(0), 0);
	check_equal(mask_with(EFLAGS_ARITHM), 0);
	timer_pend();
	check_equal(mask_with(0), 0);
}

TEST(GetInterruptMask, "keeps all but EAX and the flags, whatever the segments hold")
{
	VMI_EVERYWHERE(GetInterruptMask);
}

TEST(GetInterruptMask, "leaves a pending interrupt where it is")
{
	timer_pend();
	VMI(GetInterruptMask);
	check_equal(interrupts(TIMER_IRQ), 0);
	check(pic_requests(TIMER_IRQ));
}

/* ---- DisableInterrupts ---- */

TEST(DisableInterrupts, "clears the flag")
{
	VMI(EnableInterrupts);
	check(enabled());
	VMI(DisableInterrupts);
	check(!enabled());
	VMI(DisableInterrupts);
	check(!enabled());
}

TEST(DisableInterrupts, "keeps everything but the flags, whatever the segments hold")
{
	VMI_EVERYWHERE(DisableInterrupts);
}

TEST(DisableInterrupts, "keeps a pending interrupt out")
{
	timer_pend();
	VMI(DisableInterrupts);
	for (volatile int i = 0; i < 100000; i++)
		;
	check_equal(interrupts(TIMER_IRQ), 0);
	check(pic_requests(TIMER_IRQ));
}

TEST(DisableInterrupts, "keeps a mask in EAX, as Linux 2.6.21 wants it")
{
	call_reset();
	call_in.eflags |= EFLAGS_IF;
	call_in.eax = VMI_INTERRUPTS_ENABLED;
	call_with(VMI_CALL_DisableInterrupts);
	check_equal(call_out.eax, VMI_INTERRUPTS_ENABLED);
	check(!(call_out.eflags & EFLAGS_IF));
}

/* ---- EnableInterrupts ---- */

TEST(EnableInterrupts, "sets the flag")
{
	VMI(EnableInterrupts);
	check(enabled());
}

TEST(EnableInterrupts, "keeps everything but the flags, whatever the segments hold")
{
	VMI_EVERYWHERE(EnableInterrupts);
}

TEST(EnableInterrupts, "delivers what is pending before it returns, once")
{
	timer_pend();
	VMI(EnableInterrupts);
	VMI(DisableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
	VMI(EnableInterrupts);
	VMI(DisableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
}

/* The registers must survive the handler's way through the ROM as well. */
TEST(EnableInterrupts, "keeps all registers when it delivers, with null DS and ES")
{
	timer_pend();
	call_reset();
	call_in.ds = call_in.es = 0;
	call_with(VMI_CALL_EnableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
	check_equal(last_interrupt.ebx, 0xebebebeb);
	check_equal(last_interrupt.ecx, 0xecececec);
	check_equal(last_interrupt.edx, 0xedededed);
	check_equal(last_interrupt.eax, 0xeaeaeaea);
}

TEST(EnableInterrupts, "shows the handler the flag set and the kernel's level in CS")
{
	timer_pend();
	VMI(EnableInterrupts);
	check(last_interrupt.eflags & EFLAGS_IF);
	check_equal(last_interrupt.cs & 0xffff, call_in.cs & 0xffff);
	check(enabled());
}

static uint32_t nested_seen;

/* Handlers run with the flag clear; what becomes pending meanwhile waits for their IRET. */
static bool pend_in_handler(struct frame *f)
{
	if (f->vector != IRQ_VECTOR + TIMER_IRQ || interrupts(TIMER_IRQ))
		return false;
	nested_seen = get_eflags() & EFLAGS_IF;
	outb(0x20, 0x20); /* EOI first: a second one can be requested */
	timer_pend();
	nested_seen |= plain_call(VMI_CALL_GetInterruptMask, 0);
	trap_hook = NULL;
	return true;
}

TEST(EnableInterrupts, "enters handlers with the flag clear and delivers what they leave pending")
{
	timer_pend();
	trap_hook = pend_in_handler;
	__asm__ volatile("" ::: "memory");
	call_reset();
	call_with(VMI_CALL_EnableInterrupts);
	check_equal(nested_seen, 0);
	check_equal(interrupts(TIMER_IRQ), 1); /* the second: the hook settled the first */
}

TEST(EnableInterrupts, "lets in what comes later")
{
	VMI(EnableInterrupts);
	timer_start(100);
	while (!*(volatile uint32_t *)&last_interrupt.vector || !interrupts(TIMER_IRQ))
		__asm__ volatile("pause" ::: "memory");
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(EnableInterrupts, "delivers nothing that the PIC masks")
{
	timer_pend();
	pic_mask(0xffff);
	VMI(EnableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 0);
	VMI(DisableInterrupts);
	pic_mask(0xfffe);
	check_equal(interrupts(TIMER_IRQ), 0);
	VMI(EnableInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(EnableInterrupts, "is undone at once by DisableInterrupts, with one window between")
{
	for (unsigned i = 1; i <= 50; i++) {
		timer_pend();
		VMI(EnableInterrupts);
		VMI(DisableInterrupts);
		if (!check_equal(interrupts(TIMER_IRQ), i))
			break;
	}
}

/* ---- SetInterruptMask ---- */

static void set_mask(uint32_t mask, uint32_t flags)
{
	call_reset();
	call_in.eax = mask;
	call_in.eflags |= flags;
	call_with(VMI_CALL_SetInterruptMask);
}

TEST(SetInterruptMask, "sets the flag from bit 9 and looks at no other bit")
{
	static const uint32_t on[] = {0x200, 0xffffffff, 0x246, 0x80000200};
	static const uint32_t off[] = {0, 0xfffffdff, 0x46, 0x80000000, 0x100, 0x400};

	for (unsigned i = 0; i < sizeof on / sizeof *on; i++) {
		set_mask(on[i], 0);
		check(call_out.eflags & EFLAGS_IF);
		set_mask(on[i], EFLAGS_IF);
		check(call_out.eflags & EFLAGS_IF);
	}
	for (unsigned i = 0; i < sizeof off / sizeof *off; i++) {
		set_mask(off[i], EFLAGS_IF);
		check(!(call_out.eflags & EFLAGS_IF));
		set_mask(off[i], 0);
		check(!(call_out.eflags & EFLAGS_IF));
	}
}

TEST(SetInterruptMask, "keeps everything but the flags, whatever the segments hold")
{
	VMI_EVERYWHERE(SetInterruptMask, 0);
	VMI_EVERYWHERE(SetInterruptMask, VMI_INTERRUPTS_ENABLED);
	VMI_EVERYWHERE(SetInterruptMask, 0xffffffff);
}

TEST(SetInterruptMask, "delivers what is pending before it returns when it sets the flag")
{
	timer_pend();
	set_mask(0, 0);
	check_equal(interrupts(TIMER_IRQ), 0);
	set_mask(VMI_INTERRUPTS_ENABLED, 0);
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(SetInterruptMask, "keeps all registers when it delivers, with null DS and ES")
{
	timer_pend();
	call_reset();
	call_in.ds = call_in.es = 0;
	call_in.eax = VMI_INTERRUPTS_ENABLED;
	call_with(VMI_CALL_SetInterruptMask);
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(SetInterruptMask, "restores what GetInterruptMask gave")
{
	uint32_t mask = mask_with(EFLAGS_IF);

	set_mask(mask, 0);
	check(call_out.eflags & EFLAGS_IF);
	mask = mask_with(0);
	set_mask(mask, EFLAGS_IF);
	check(!(call_out.eflags & EFLAGS_IF));
}

/* ---- the two of 3.1 ---- */

TEST(EnableInterruptsDeferred, "sets the flag")
{
	VMI(EnableInterruptsDeferred);
	check(enabled());
}

TEST(EnableInterruptsDeferred, "keeps everything but the flags, whatever the segments hold")
{
	VMI_EVERYWHERE(EnableInterruptsDeferred);
}

TEST(EnableInterruptsDeferred, "delivers nothing by itself, and DisableInterrupts keeps it pending")
{
	unsigned early = 0;

	/* A kick of the monitor between the two calls may deliver; most often there is none. */
	for (unsigned i = 0; i < 100; i++) {
		uint32_t before = interrupts(TIMER_IRQ);

		timer_pend();
		__asm__ volatile("call *%0; call *%1"
		                 :
		                 : "r"(call_address(VMI_CALL_EnableInterruptsDeferred)),
		                   "r"(call_address(VMI_CALL_DisableInterrupts))
		                 : "cc", "memory");
		early += interrupts(TIMER_IRQ) - before;
		VMI(EnableInterrupts);
		VMI(DisableInterrupts);
		check_equal(interrupts(TIMER_IRQ), i + 1);
	}
	check(early < 100);
}

TEST(EnableInterruptsDeferred, "is followed by delivery within its bound, without another call")
{
	timer_pend();
	__asm__ volatile("call *%0"
	                 :
	                 : "r"(call_address(VMI_CALL_EnableInterruptsDeferred))
	                 : "cc", "memory");
	while (!interrupts(TIMER_IRQ))
		__asm__ volatile("pause" ::: "memory");
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(DeliverInterrupts, "delivers what was deferred before it returns")
{
	for (unsigned i = 1; i <= 50; i++) {
		timer_pend();
		/* Nothing else between or behind could have delivered. */
		__asm__ volatile("call *%0; call *%1; call *%2"
		                 :
		                 : "r"(call_address(VMI_CALL_EnableInterruptsDeferred)),
		                   "r"(call_address(VMI_CALL_DeliverInterrupts)),
		                   "r"(call_address(VMI_CALL_DisableInterrupts))
		                 : "cc", "memory");
		if (!check_equal(interrupts(TIMER_IRQ), i))
			break;
	}
}

TEST(DeliverInterrupts, "does nothing with the flag clear")
{
	timer_pend();
	call_reset();
	call_with(VMI_CALL_DeliverInterrupts);
	check_equal(interrupts(TIMER_IRQ), 0);
	check(!(call_out.eflags & EFLAGS_IF));
	check(pic_requests(TIMER_IRQ));
}

TEST(DeliverInterrupts, "keeps everything but the flags, whatever the segments hold")
{
	VMI_EVERYWHERE(DeliverInterrupts);
	timer_pend();
	VMI_EVERYWHERE(DeliverInterrupts);
	check_equal(interrupts(TIMER_IRQ), 1);
}

/* ---- Halt ---- */

TEST(Halt, "returns after the handler of what ends it, with the flag set")
{
	timer_start(1000);
	call_reset();
	call_with(VMI_CALL_Halt);
	check_equal(interrupts(TIMER_IRQ), 1);
	check(call_out.eflags & EFLAGS_IF);
}

TEST(Halt, "delivers what is pending at once and does not wait for more")
{
	for (unsigned i = 1; i <= 20; i++) {
		timer_pend();
		call_reset();
		call_with(VMI_CALL_Halt);
		check_equal(interrupts(TIMER_IRQ), i);
		check(call_out.eflags & EFLAGS_IF);
		VMI(DisableInterrupts);
	}
}

/* The race that STI;HLT is one step for: due before, during and after the way to sleep. */
TEST(Halt, "loses no interrupt that comes while it goes to sleep")
{
	for (unsigned cycles = 2; cycles < 400; cycles++) {
		uint32_t before = interrupts(TIMER_IRQ);

		timer_start(cycles);
		call_reset();
		call_with(VMI_CALL_Halt);
		VMI(DisableInterrupts);
		if (!check_equal(interrupts(TIMER_IRQ), before + 1))
			break;
	}
}

TEST(Halt, "keeps registers and segments outside the standard clobbers")
{
	static const uint16_t fs[] = {PERCPU, 0, USER_DS};

	for (unsigned i = 0; i < 6; i++) {
		/* With the flag set one interrupt may come before the call, and another must end
		 * it. */
		if (i & 1)
			timer_repeat(20000);
		else
			timer_start(100);
		call_reset();
		call_in.fs = fs[i % 3];
		call_in.gs = fs[(i + 1) % 3];
		call_in.eflags |= i & 1 ? EFLAGS_IF | EFLAGS_ARITHM : 0;
		call_with(VMI_CALL_Halt);
		VMI(DisableInterrupts);
		timer_stop();
	}
	check(interrupts(TIMER_IRQ) >= 6);
}
