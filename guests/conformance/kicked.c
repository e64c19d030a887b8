// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest of tests/tools/kick_each.c, which stops it at one instruction of the ROM after the
 * other and lets an interrupt come right there. The tool says what to do by `kick`; the guest does
 * it once with the timer armed, and says whether the interrupt came once, and when it might.
 */
#include "conformance.h"

#define NMI_VECTOR   2
#define SVR          0xf0
#define LINT0        0x350
#define LVT_NMI      0x400
#define NMI_PATIENCE 4000000000u /* turns: one that found the ROM at work comes within 100 us */
#define TIMER_CYCLES 24000       /* of the PIT: 20 ms, which the tool waits for */

/* Bits of kick.verdict. */
#define LOST     1 /* no interrupt though the flag was set */
#define LATE     2 /* not before the call returned */
#define TWICE    4
#define EARLY    8  /* while the flag was clear */
#define REGISTER 16 /* something that must be kept was not */

struct kick {
	uint32_t magic;
	volatile uint32_t go;      /* tool: run `scenario`; 0xffffffff: end */
	volatile uint32_t done;    /* guest: runs that ended */
	volatile uint32_t verdict; /* of the last one */
	volatile uint32_t scenario;
	volatile uint32_t inside; /* guest: it is doing what the verdict is about */
};
struct kick kick;

volatile uint32_t count;
static volatile uint32_t closed, early;
static bool by_nmi; /* the timer's edge is an NMI: no flag keeps it out, and none makes it come */

static bool count_interrupt(struct frame *f)
{
	if (by_nmi && f->vector == NMI_VECTOR) {
		count++;
		return true;
	}
	if (f->vector != IRQ_VECTOR + TIMER_IRQ)
		return false;
	count++;
	early |= closed;
	outb(0x20, 0x20);
	return true;
}

/* Nothing: what waits on the way to user mode comes before its first instruction. */
USER_CODE(user_work, "");
/* The vDSO's way into the kernel, with what the annotator puts there (annotate/vdso.c). */
USER_CODE(user_syscall, ".byte 0x2e, 0xff, 0x15; .long " SLOT);

/* ---- what is done; each returns with the flag clear, and a verdict of its own ---- */

#define CALL(name) "r"(call_address(VMI_CALL_##name))

static uint32_t enable(void)
{
	uint32_t now;

	closed = 0;
	__asm__ volatile("call *%1; movl count, %0"
	                 : "=r"(now)
	                 : CALL(EnableInterrupts)
	                 : "cc", "memory");
	return now ? 0 : LATE;
}

static uint32_t disable(void)
{
	uint32_t before, after;

	closed = 0;
	plain_call(VMI_CALL_EnableInterrupts, 0);
	__asm__ volatile("call *%1; movl count, %0"
	                 : "=r"(before)
	                 : CALL(DisableInterrupts)
	                 : "cc", "memory");
	closed = 1;
	for (volatile unsigned i = 0; i < 1000; i++)
		;
	inb(0x80);
	after = count;
	return before == after ? 0 : EARLY;
}

static uint32_t set_mask_on(void)
{
	uint32_t now;

	closed = 0;
	__asm__ volatile("call *%2; movl count, %0"
	                 : "=r"(now)
	                 : "a"(VMI_INTERRUPTS_ENABLED), CALL(SetInterruptMask)
	                 : "cc", "memory");
	return now ? 0 : LATE;
}

static uint32_t set_mask_off(void)
{
	uint32_t before, after;

	closed = 0;
	plain_call(VMI_CALL_EnableInterrupts, 0);
	__asm__ volatile("call *%2; movl count, %0"
	                 : "=r"(before)
	                 : "a"(0), CALL(SetInterruptMask)
	                 : "cc", "memory");
	closed = 1;
	inb(0x80);
	after = count;
	return before == after ? 0 : EARLY;
}

static uint32_t get_mask(void)
{
	uint32_t mask = 1;

	closed = 1;
	__asm__ volatile("call *%1" : "+a"(mask) : CALL(GetInterruptMask) : "cc", "memory");
	return mask ? REGISTER : 0;
}

static uint32_t deferred(void)
{
	uint32_t now;

	closed = 0;
	__asm__ volatile("call *%1; call *%2; movl count, %0"
	                 : "=r"(now)
	                 : CALL(EnableInterruptsDeferred), CALL(DeliverInterrupts)
	                 : "cc", "memory");
	return now ? 0 : LATE;
}

/* What the annotator makes of the instructions: the flags are needed behind them. */
static uint32_t sti_live(void)
{
	uint32_t now;
	uint8_t z, c;

	closed = 0;
	__asm__ volatile("xorl %%eax, %%eax; stc; sti; setz %1; setc %2; movl count, %0"
	                 : "=r"(now), "=q"(z), "=q"(c)
	                 :
	                 : "eax", "cc", "memory");
	return (now ? 0 : LATE) | (z && c ? 0 : REGISTER);
}

static uint32_t popf_on(void)
{
	uint32_t now;
	uint8_t c;

	closed = 0;
	__asm__ volatile("pushl $0x203; popfl; setc %1; movl count, %0"
	                 : "=r"(now), "=q"(c)
	                 :
	                 : "cc", "memory");
	return (now ? 0 : LATE) | (c ? 0 : REGISTER);
}

static uint32_t popf_off(void)
{
	uint32_t before, after;

	closed = 0;
	__asm__ volatile("sti" ::: "memory");
	__asm__ volatile("pushl $2; popfl; movl count, %0" : "=r"(before) : : "cc", "memory");
	closed = 1;
	inb(0x80);
	after = count;
	return before == after ? 0 : EARLY;
}

static uint32_t pushf_off(void)
{
	uint32_t image;

	closed = 1;
	__asm__ volatile("stc; pushfl; popl %0" : "=r"(image) : : "cc", "memory");
	return (image & (EFLAGS_IF | EFLAGS_CF)) == EFLAGS_CF ? 0 : REGISTER;
}

static uint32_t iret_kernel(void)
{
	uint32_t now;

	closed = 0;
	__asm__ volatile("pushl $0x202; pushl %%cs; pushl $1f; call *%1; 1: movl count, %0"
	                 : "=r"(now)
	                 : CALL(IRET)
	                 : "cc", "memory");
	return now ? 0 : LATE;
}

static uint32_t iret_kernel_off(void)
{
	uint32_t before, after;

	closed = 0;
	plain_call(VMI_CALL_EnableInterrupts, 0);
	__asm__ volatile("pushl $0x2; pushl %%cs; pushl $1f; call *%1; 1: movl count, %0"
	                 : "=r"(before)
	                 : CALL(IRET)
	                 : "cc", "memory");
	closed = 1;
	inb(0x80);
	after = count;
	return before == after ? 0 : EARLY;
}

static uint32_t check_user(uint32_t eip, uint32_t esp)
{
	const struct frame *f = &trapped.frame;
	uint32_t now = count;

	if (trapped.vector != USER_VECTOR || f->eip != eip || f->esp != esp ||
	    f->eax != call_in.eax || f->ecx != call_in.ecx || f->edx != call_in.edx ||
	    f->ebx != call_in.ebx || f->ebp != call_in.ebp || f->esi != call_in.esi ||
	    f->edi != call_in.edi || (f->cs & 0xffff) != USER_CS || (f->ss & 0xffff) != USER_DS ||
	    (f->ds & 0xffff) != USER_DS || (f->es & 0xffff) != USER_DS)
		return REGISTER | (now ? 0 : LATE);
	return now ? 0 : LATE;
}

static uint32_t iret_user(void)
{
	closed = 0;
	user_load(user_work, user_work_end);
	user_registers();
	call_in.eflags = 2;
	return_frame[0] = USER_TEXT;
	return_frame[1] = USER_CS;
	return_frame[2] = 2 | EFLAGS_IF;
	return_frame[3] = USER_STACK + 4096;
	return_frame[4] = USER_DS;
	return_by(VMI_CALL_IRET, 5);
	return check_user(USER_TEXT + (uint32_t)(user_work_end - user_work), USER_STACK + 4096);
}

static uint32_t sysexit(void)
{
	closed = 0;
	user_load(user_work, user_work_end);
	user_registers();
	call_in.eflags = 2;
	call_in.edx = USER_TEXT;
	call_in.ecx = USER_STACK + 4096;
	return_by(VMI_CALL_SYSEXIT, 0);
	return check_user(USER_TEXT + (uint32_t)(user_work_end - user_work), USER_STACK + 4096);
}

/* The handler runs with the flag clear: the interrupt may wait for the end of this. */
static uint32_t syscall(void)
{
	closed = 0;
	user_load(user_syscall, user_syscall_end);
	user_registers();
	call_in.eflags = 2;
	return_frame[0] = USER_TEXT;
	return_frame[1] = USER_CS;
	return_frame[2] = 2 | EFLAGS_IF;
	return_frame[3] = USER_STACK + 4096;
	return_frame[4] = USER_DS;
	return_by(VMI_CALL_IRET, 5);
	/* The vDSO's three pushes come with it; LATE is no fault here. */
	return check_user(USER_TEXT + (uint32_t)(user_syscall_end - user_syscall),
	                  USER_STACK + 4096 - 12) &
	       ~LATE;
}

static uint32_t (*const scenarios[])(void) = {
    enable,   disable,   set_mask_on, set_mask_off,    get_mask,  deferred, sti_live, popf_on,
    popf_off, pushf_off, iret_kernel, iret_kernel_off, iret_user, sysexit,  syscall,
};

static uint32_t run(uint32_t which)
{
	uint32_t verdict;

	count = early = closed = 0;
	trap_hook = count_interrupt;
	timer_start(TIMER_CYCLES);
	closed = 1;
	kick.inside = 1;
	verdict = scenarios[which]();
	kick.inside = 0;
	closed = 0;
	plain_call(VMI_CALL_EnableInterrupts, 0);
	/* An instruction that was not reached leaves the timer running: there is nothing to see. */
	inb(0x80);
	if (by_nmi) {
		verdict &= REGISTER;
		early = 0;
		for (volatile unsigned i = 0; !count && i < NMI_PATIENCE; i++)
			;
	}
	if (!count)
		verdict |= LOST;
	inb(0x80);
	if (count > 1)
		verdict |= TWICE;
	if (early)
		verdict |= EARLY;
	plain_call(VMI_CALL_DisableInterrupts, 0);
	timer_stop();
	return verdict;
}

void group_setup(void)
{
	VMI(WRMSR, KERNEL_CS, 0, 0x174);
	by_nmi = command_line_has("nmi");
	if (by_nmi) {
		map_page(APIC_PAGE, APIC_PAGE, PTE_P | PTE_RW);
		VMI(APICWrite, SVR, 0x13f);
		VMI(APICWrite, LINT0, LVT_NMI);
	}
	/* Once each without being stopped, so that all that is learned is known. */
	for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		run(i);
	kick.magic = 0x6b63696b;
	for (;;) {
		while (!kick.go)
			__asm__ volatile("pause" ::: "memory");
		if (kick.go == 0xffffffff)
			return;
		kick.go = 0;
		kick.verdict = run(kick.scenario % (sizeof scenarios / sizeof *scenarios));
		kick.done++;
	}
}
