// SPDX-License-Identifier: GPL-2.0-or-later
// When what is pending comes in: a property a line. Nothing here depends on how fast things are.
#include "guest.h"

static unsigned tests;

static void check(const char *property, bool good)
{
	put(good ? "ok " : "not ok ");
	put_number(++tests);
	put(" - ");
	put(property);
	put("\n");
}

static void plan(void)
{
	check("there was no other interrupt or exception", others_taken == 0);
	put("1..");
	put_number(tests);
	put("\n");
}

static inline void sti(void)
{
	__asm__ volatile("sti" : : : "memory", "cc");
}

static inline void cli(void)
{
	__asm__ volatile("cli" : : : "memory", "cc");
}

static inline uint32_t flags(void)
{
	uint32_t f;

	__asm__ volatile("pushfl; popl %0" : "=r"(f) : : "memory");
	return f;
}

static inline void set_flags(uint32_t f)
{
	__asm__ volatile("pushl %0; popfl" : : "r"(f) : "memory", "cc");
}

/* A return to the next instruction, with these flags. */
static inline void iret(uint32_t f)
{
	__asm__ volatile("pushl %0; pushl %%cs; pushl $1f; iret; 1:" : : "r"(f) : "memory", "cc");
}

/* Nothing but arithmetic, until the interrupt came or 10 s of a 3 GHz processor have passed. */
static void compute_until_taken(void)
{
	uint64_t end = rdtsc() + 30000000000ull;

	while (!timer_taken && rdtsc() < end)
		;
}

/*
 * Long enough that whoever raised the timer's interrupt for us has done all he will do about it:
 * what comes later must come because of the enable. About 20 ms.
 */
static void let_it_settle(void)
{
	uint64_t end = rdtsc() + 60000000;

	while (rdtsc() < end)
		;
}

/* Code the annotator has not seen: the CLI in it faults. */
static uint8_t unseen_cli[] = {0xfa, 0xc3};

#define LEFT_TRIES 100

static void test_self(bool deferred)
{
	uint32_t taken, left = 0;

	APIC(0xf0) = 0x1ff;  /* on; spurious vector 0xff */
	APIC(0x350) = 0x700; /* LINT0: what the PIC says, as a BIOS leaves it */
	local_taken = 0;
	sti();
	send_to_self(LOCAL_VECTOR);
	taken = local_taken;
	cli();
	check("an interrupt sent to oneself with IF set: before the next instruction", taken == 1);

	local_taken = 0;
	send_to_self(LOCAL_VECTOR);
	sti();
	cli();
	check("an interrupt sent to oneself, then STI, CLI: it came through", local_taken == 1);

	for (unsigned i = 0; i < LEFT_TRIES; i++) {
		local_taken = 0;
		send_to_self(LOCAL_VECTOR);
		sti();
		taken = local_taken;
		__asm__ volatile("" : "+r"(taken) : : "memory");
		cli();
		left += !taken;
	}
	if (deferred)
		check("an interrupt sent to oneself, then STI: not yet, nearly always",
		      left > LEFT_TRIES / 2);
	else
		check("an interrupt sent to oneself, then STI: before the next instruction, always",
		      !left);
}

void test(bool deferred)
{
	uint32_t image, taken, left = 0;
	uint8_t carry;

	raise_timer();
	sti();
	image = flags();
	cli();
	check("PUSHF between STI and CLI shows IF set, whatever waits", image & EFLAGS_IF);
	check("STI, PUSHF, CLI: the interrupt came through", timer_taken == 1);
	check("PUSHF behind CLI shows IF clear", !(flags() & EFLAGS_IF));

	for (unsigned i = 0; i < LEFT_TRIES; i++) {
		raise_timer();
		sti();
		taken = timer_taken;
		__asm__ volatile("" : "+r"(taken) : : "memory");
		cli();
		left += !taken;
	}
	if (deferred)
		check("STI alone delivers nothing, nearly always", left > LEFT_TRIES / 2);
	else
		check("STI delivers before the next instruction, always", !left);

	raise_timer();
	__asm__ volatile("sti; nop; cli" : : : "memory", "cc");
	check("STI, NOP, CLI: the interrupt came through", timer_taken == 1);

	raise_timer();
	cli();
	cli();
	check("CLI while they are off lets nothing in", timer_taken == 0);
	sti();
	cli();
	check("STI, CLI after that: the interrupt came through", timer_taken == 1);

	raise_timer();
	__asm__ volatile("stc; sti; setc %0; stc; cli; adcb $0, %0"
	                 : "=&q"(carry)
	                 :
	                 : "memory", "cc");
	check("STI and CLI keep the flags, and the interrupt came through",
	      carry == 2 && timer_taken == 1);

	raise_timer();
	set_flags(flags() | EFLAGS_IF);
	cli();
	check("POPF, CLI: the interrupt came through", timer_taken == 1);

	raise_timer();
	image = flags();
	sti();
	set_flags(image);
	check("STI, POPF: the interrupt came through", timer_taken == 1);

	raise_timer();
	sti();
	__asm__ volatile("call *%0" : : "r"(unseen_cli) : "memory", "cc");
	check("STI, CLI that faults: the interrupt came through",
	      timer_taken == 1 && !(flags() & EFLAGS_IF));

	raise_timer();
	__asm__ volatile("pushfw; sti; nop; popfw" : : : "memory", "cc");
	check("STI, 16-bit POPF: the interrupt came through",
	      timer_taken == 1 && !(flags() & EFLAGS_IF));

	raise_timer();
	image = flags();
	sti();
	set_flags(image | EFLAGS_IOPL_1);
	check("STI, POPF that also changes IOPL: the interrupt came through",
	      timer_taken == 1 && (flags() & (EFLAGS_IF | EFLAGS_IOPL_1)) == EFLAGS_IOPL_1);
	set_flags(image);

	raise_timer();
	iret(flags() | EFLAGS_IF);
	taken = timer_taken;
	cli();
	check("IRET that sets IF delivers before the next instruction", taken == 1);

	raise_timer();
	image = flags();
	sti();
	iret(image);
	check("STI, IRET that clears IF: the interrupt came through", timer_taken == 1);

	raise_timer();
	sti();
	inb(0x61);
	taken = timer_taken;
	cli();
	check("STI, a port access: the interrupt came through", taken == 1);

	raise_timer();
	sti();
	__asm__ volatile("ud2" : : : "memory");
	taken = timer_taken;
	cli();
	check("STI, an exception: the interrupt came through when its handler returned",
	      taken == 1);

	/* Delivered at the STI it would be waited for in vain: a guest's mistake, also on hardware.
	 */
	if (deferred) {
		raise_timer();
		sti();
		__asm__ volatile("xorl %%eax, %%eax; hlt" : : : "eax", "memory", "cc");
		taken = timer_taken;
		cli();
		check("STI, and HLT later, does not sleep through what waits", taken == 1);
	}

	raise_timer();
	__asm__ volatile("sti; hlt" : : : "memory", "cc");
	taken = timer_taken;
	cli();
	check("STI; HLT does not sleep through what waits", taken == 1);

	raise_timer();
	let_it_settle();
	sti();
	compute_until_taken();
	taken = timer_taken;
	cli();
	check("STI, then nothing but arithmetic: the interrupt came all the same", taken == 1);

	raise_timer();
	raise_serial();
	depth_max = 0;
	__asm__ volatile("sti; nop; cli" : : : "memory", "cc");
	check("two that wait both come through a window", timer_taken == 1 && serial_taken == 1);
	check("CLI in a handler does not let the second into the first", depth_max == 1);

	test_self(deferred);
	plan();
}

/* ---- the same by VMI calls ---- */

static void vmi_iret_to_next(uint32_t f)
{
	__asm__ volatile("pushl %0; pushl %%cs; pushl $1f; call *%1; 1:"
	                 :
	                 : "r"(f), "r"(vmi_iret)
	                 : "memory", "cc");
}

static void test_split(bool deferred)
{
	uint32_t taken, left = 0;

	if (!vmi.enable_deferred || !vmi.deliver) {
		check("calls 74 and 75 are offered", false);
		return;
	}
	raise_timer();
	vmi_call(vmi.enable_deferred);
	vmi_call(vmi.deliver);
	taken = timer_taken;
	vmi_call(vmi.disable);
	check("EnableInterruptsDeferred, DeliverInterrupts: the interrupt came", taken == 1);

	raise_timer();
	vmi_call(vmi.deliver);
	check("DeliverInterrupts with the flag clear delivers nothing", timer_taken == 0);
	vmi_call(vmi.enable_deferred);
	vmi_call(vmi.deliver);
	vmi_call(vmi.disable);

	for (unsigned i = 0; i < LEFT_TRIES; i++) {
		raise_timer();
		vmi_call(vmi.enable_deferred);
		vmi_call(vmi.disable);
		left += !timer_taken;
		vmi_call(vmi.enable);
		vmi_call(vmi.deliver);
		vmi_call(vmi.disable);
	}
	if (deferred)
		check("EnableInterruptsDeferred, DisableInterrupts: it came through", !left);
	else
		check("EnableInterruptsDeferred, DisableInterrupts: it is left pending, "
		      "nearly always",
		      left > LEFT_TRIES / 2);

	raise_timer();
	let_it_settle();
	vmi_call(vmi.enable_deferred);
	compute_until_taken();
	taken = timer_taken;
	vmi_call(vmi.disable);
	check("EnableInterruptsDeferred, then arithmetic: the interrupt came all the same",
	      taken == 1);

	raise_timer();
	vmi_call(vmi.enable_deferred);
	__asm__ volatile("call *%0" : : "r"(vmi.halt) : "eax", "ecx", "edx", "memory", "cc");
	taken = timer_taken;
	vmi_call(vmi.disable);
	check("EnableInterruptsDeferred, Halt does not sleep through what waits", taken == 1);
}

void test_vmi(bool deferred)
{
	uint32_t taken, left = 0;

	vmi_call(vmi.disable);
	check("GetInterruptMask behind DisableInterrupts: 0", vmi_get() == 0);
	raise_timer();
	vmi_call(vmi.enable);
	taken = vmi_get();
	vmi_call(vmi.disable);
	check("GetInterruptMask behind EnableInterrupts: IF", taken == EFLAGS_IF);
	check("EnableInterrupts, DisableInterrupts: the interrupt came through", timer_taken == 1);

	for (unsigned i = 0; i < LEFT_TRIES; i++) {
		raise_timer();
		vmi_call(vmi.enable);
		taken = timer_taken;
		vmi_call(vmi.disable);
		left += !taken;
	}
	if (deferred)
		check("EnableInterrupts alone delivers nothing, nearly always",
		      left > LEFT_TRIES / 2);
	else
		check("EnableInterrupts delivers before it returns, always", !left);

	raise_timer();
	vmi_call(vmi.disable);
	check("DisableInterrupts while they are off lets nothing in", timer_taken == 0);
	vmi_set(EFLAGS_IF);
	vmi_set(0);
	check("SetInterruptMask on and off: the interrupt came through", timer_taken == 1);
	raise_timer();
	vmi_set(~EFLAGS_IF);
	check("SetInterruptMask looks at bit 9 only", vmi_get() == 0 && timer_taken == 0);
	vmi_set(~0u);
	vmi_call(vmi.disable);
	check("SetInterruptMask, DisableInterrupts: the interrupt came through", timer_taken == 1);

	raise_timer();
	vmi_iret_to_next(EFLAGS_IF | 2);
	taken = timer_taken;
	vmi_call(vmi.disable);
	check("IRET that sets IF delivers before the next instruction", taken == 1);
	raise_timer();
	vmi_call(vmi.enable);
	vmi_iret_to_next(2);
	check("EnableInterrupts, IRET that clears IF: the interrupt came through",
	      timer_taken == 1);

	raise_timer();
	__asm__ volatile("call *%0" : : "r"(vmi.halt) : "eax", "ecx", "edx", "memory", "cc");
	taken = timer_taken;
	check("Halt does not sleep through what waits, and enables",
	      taken == 1 && vmi_get() == EFLAGS_IF);
	vmi_call(vmi.disable);

	raise_timer();
	let_it_settle();
	vmi_call(vmi.enable);
	compute_until_taken();
	taken = timer_taken;
	vmi_call(vmi.disable);
	check("EnableInterrupts, then nothing but arithmetic: the interrupt came all the same",
	      taken == 1);

	raise_timer();
	raise_serial();
	depth_max = 0;
	vmi_call(vmi.enable);
	vmi_call(vmi.disable);
	check("two that wait both come through a window", timer_taken == 1 && serial_taken == 1);
	check("CLI in a handler does not let the second into the first", depth_max == 1);

	test_split(deferred);
	plan();
}
