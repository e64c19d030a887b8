// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel that single-steps its own text, as its debugger would: each instruction is one #DB, at the
 * address of the next, whatever stands for it. tests/system/test_stepping.sh runs it.
 */
#include "conformance.h"

#define VMI_CALL_TF 1002 /* what the tests are about is no call */

#define VECTOR_DB 1
#define DR6_BS    0x4000u
#define STEPS_MAX 64u

/* The addresses of the instructions that a step ends at, in order; the last one ends it all. */
struct steps {
	uint32_t n, at[STEPS_MAX];
};
static struct steps seen;
static uint32_t stop, flags_seen, without_bs;

/* Each instruction of a sequence behind STEP: its address is in a table of its own. */
#define STEP          "771: .pushsection .rodata.steps, \"a\"; .long 771b; .popsection; "
#define TABLE(name)   ".pushsection .rodata.steps, \"a\"; " name ": .popsection; "
#define START_BY_POPF "pushf; orl $0x100, (%%esp); popf; "
#define START_BY_IRET "pushf; orl $0x100, (%%esp); push %%cs; push $772f; iret; 772: "

static uint32_t read_dr6(void)
{
	uint32_t v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

static bool on_step(struct frame *f)
{
	uint32_t none = 0;

	if (f->vector != VECTOR_DB)
		return false;
	if (!(read_dr6() & DR6_BS))
		without_bs++;
	__asm__ volatile("mov %0, %%dr6" : : "r"(none));
	if (seen.n < STEPS_MAX)
		seen.at[seen.n] = f->eip;
	seen.n++;
	flags_seen = f->eflags;
	if (f->eip == stop || seen.n >= STEPS_MAX)
		f->eflags &= ~EFLAGS_TF;
	return true;
}

/* @last: the table's last entry */
static void begin(const uint32_t *last)
{
	seen.n = 0;
	without_bs = 0;
	stop = *last;
	trap_hook = on_step;
}

/* The first of [from, to) is executed; a step ends at each of the others. */
static void compare(const uint32_t *from, const uint32_t *to)
{
	uint32_t n = (uint32_t)(to - from) - 1;

	trap_hook = NULL;
	check_equal(seen.n, n);
	for (uint32_t i = 0; i < n && i < seen.n; i++)
		check_equal(seen.at[i], from[1 + i]);
	check_equal(without_bs, 0);
	check_equal(get_eflags() & EFLAGS_TF, 0);
}

#define STEPPED(name) extern const uint32_t name[], name##_last[], name##_end[]
#define BEGIN(name)   begin(name##_last)
#define COMPARE(name) compare(name, name##_end)

STEPPED(flags);
TEST(TF, "steps CLI, STI, PUSHF and POPF once each")
{
	uint32_t off, on;

	BEGIN(flags);
	__asm__ volatile(TABLE("flags") START_BY_POPF STEP
	                 "cli; " STEP "pushf; " STEP "pop %0; " STEP "sti; " STEP "pushf; " STEP
	                 "pop %1; " STEP "push %0; " STEP "popf; " STEP "cli; " STEP
	                 "nop; " TABLE("flags_last") STEP "nop; " TABLE("flags_end")
	                 : "=&r"(off), "=&r"(on)
	                 :
	                 : "memory", "cc");
	COMPARE(flags);
	check_equal(off & (EFLAGS_IF | EFLAGS_TF), EFLAGS_TF);
	check_equal(on & (EFLAGS_IF | EFLAGS_TF), EFLAGS_IF | EFLAGS_TF);
}

STEPPED(cleared);
TEST(TF, "is cleared by POPF, which is stepped itself")
{
	BEGIN(cleared);
	__asm__ volatile(TABLE("cleared") START_BY_POPF STEP "push $2; " STEP
	                                                     "popf; " TABLE("cleared_last") STEP
	                 "nop; " TABLE("cleared_end") "nop; nop; cli"
	                 :
	                 :
	                 : "memory", "cc");
	COMPARE(cleared);
	check_equal(flags_seen & EFLAGS_TF, 0);
}

STEPPED(iret);
TEST(TF, "is set and kept by IRET, which is one step")
{
	BEGIN(iret);
	__asm__ volatile(TABLE("iret") START_BY_IRET STEP
	                 "nop; " STEP "pushf; " STEP "push %%cs; " STEP "push $773f; " STEP "iret; "
	                 "773: " STEP "cli; " TABLE("iret_last") STEP "nop; " TABLE("iret_end")
	                 :
	                 :
	                 : "memory", "cc");
	COMPARE(iret);
}

STEPPED(iret_off);
TEST(TF, "is cleared by IRET, which is stepped itself")
{
	BEGIN(iret_off);
	__asm__ volatile(TABLE("iret_off") START_BY_IRET STEP "push $2; " STEP "push %%cs; " STEP
	                                                      "push $773f; " STEP "iret; "
	                                                      "773: " TABLE("iret_off_last") STEP
	                 "nop; " TABLE("iret_off_end") "nop; cli"
	                 :
	                 :
	                 : "memory", "cc");
	COMPARE(iret_off);
}

STEPPED(control);
TEST(TF, "steps moves to and from control registers, CPUID and ports once each")
{
	uint32_t ebx;

	BEGIN(control);
	__asm__ volatile(TABLE("control") START_BY_POPF STEP
	                 "mov %%cr0, %%eax; " STEP "mov %%eax, %%cr0; " STEP
	                 "mov %%cr3, %%eax; " STEP "mov %%eax, %%cr3; " STEP
	                 "mov %%cr4, %%eax; " STEP "mov %%eax, %%cr4; " STEP "clts; " STEP
	                 "xor %%eax, %%eax; " STEP "cpuid; " STEP "invlpg (%%esp); " STEP
	                 "mov $0x20, %%edx; " STEP "in %%dx, %%al; " STEP "in $0x21, %%al; " STEP
	                 "out %%al, $0x80; " TABLE("control_last") STEP "nop; " TABLE("control_end")
	                 : "=b"(ebx)
	                 :
	                 : "eax", "ecx", "edx", "memory", "cc");
	COMPARE(control);
}

STEPPED(segments);
TEST(TF, "steps segment registers once each, and a load of SS with what is behind it")
{
	BEGIN(segments);
	__asm__ volatile(TABLE("segments") START_BY_POPF STEP
	                 "mov %%es, %%eax; " STEP "mov %%eax, %%es; " STEP "push %%fs; " STEP
	                 "pop %%fs; " STEP "mov %%ss, %%eax; " STEP "mov %%eax, %%ss; nop; " STEP
	                 "push %%ss; " STEP "pop %%ss; cli; " STEP
	                 "sgdt -64(%%esp); " TABLE("segments_last") STEP
	                 "nop; " TABLE("segments_end")
	                 :
	                 :
	                 : "eax", "memory", "cc");
	COMPARE(segments);
}

STEPPED(called);
TEST(TF, "goes into and out of functions, over branches and loops")
{
	BEGIN(called);
	__asm__ volatile(
	    TABLE("called") START_BY_POPF STEP
	    "mov $1, %%ecx; " STEP "call 774f; "
	    ".pushsection .text.called, \"ax\"; .type stepped_function, @function; "
	    "stepped_function: 774: " STEP "pushf; " STEP "cli; " STEP "popf; " STEP "ret; "
	    ".size stepped_function, . - stepped_function; .popsection; " STEP "jmp 775f; "
	    "cli; sti; "
	    "775: " STEP "cli; " STEP "loop 775b; " TABLE("called_last") STEP
	    "nop; " TABLE("called_end")
	    :
	    :
	    : "ecx", "memory", "cc");
	COMPARE(called);
}

STEPPED(interrupted);
TEST(TF, "survives interrupts that are let in, and is not their handler's")
{
	timer_pend();
	BEGIN(interrupted);
	__asm__ volatile(TABLE("interrupted") START_BY_POPF STEP
	                 "sti; " STEP "nop; " STEP "nop; " STEP "cli; " TABLE("interrupted_last")
	                     STEP "nop; " TABLE("interrupted_end")
	                 :
	                 :
	                 : "memory", "cc");
	COMPARE(interrupted);
	check_equal(interrupts(TIMER_IRQ), 1);
	check_equal(last_interrupt.eflags & EFLAGS_TF, EFLAGS_TF);
}

STEPPED(rom_calls);
TEST(TF, "takes a call of the ROM as one instruction")
{
	uint32_t mask;

	BEGIN(rom_calls);
	__asm__ volatile(TABLE("rom_calls") START_BY_POPF STEP
	                 "call *%[disable]; " STEP "call *%[get]; " STEP "mov %%eax, %[mask]; " STEP
	                 "call *%[set]; " STEP "call *%[enable]; " STEP "call *%[disable]; " STEP
	                 "mov $0, %%eax; " STEP "call *%[cr]; " TABLE("rom_calls_last") STEP
	                 "nop; " TABLE("rom_calls_end")
	                 : [mask] "=m"(mask)
	                 : [disable] "m"((uint32_t){call_address(VMI_CALL_DisableInterrupts)}),
	                   [enable] "m"((uint32_t){call_address(VMI_CALL_EnableInterrupts)}),
	                   [get] "m"((uint32_t){call_address(VMI_CALL_GetInterruptMask)}),
	                   [set] "m"((uint32_t){call_address(VMI_CALL_SetInterruptMask)}),
	                   [cr] "m"((uint32_t){call_address(VMI_CALL_GetCR4)})
	                 : "eax", "ecx", "edx", "memory", "cc");
	COMPARE(rom_calls);
}
