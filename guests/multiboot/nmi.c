// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bare kernel that takes non-maskable interrupts: sent by its local APIC to itself, by the timer
 * through LINT0 at any moment, entered by an interrupt gate and by a task gate. TAP on the serial
 * port.
 */
#include "kernel.h"

#define LOADED_AT 0x100000
#define MAIN_TSS  0x18
#define NMI_TSS   0x20
#define APIC      0xfee00000u
#define SPURIOUS  0x0f0
#define ENABLED   0x1ff
#define LINT0     0x350
#define ICR       0x300
#define SEND_NMI  0x400 /* to APIC 0, physical */
#define MASKED    0x10000

KERNEL(/* Near the entry: what is in front of the last of these is not rewritten. */
       "load_task: mov $0x18, %eax; ltr %ax; ret\n"
       "nmi_entry: pusha; mov %esp, %eax; push %eax; call on_nmi; pop %eax; popa; iret\n"
       "ud_entry: pusha; mov %esp, %eax; push %eax; call on_undefined; pop %eax; popa; iret\n"
       "gp_entry: pusha; mov %esp, %eax; push %eax; call on_protection; pop %eax; popa\n"
       "add $4, %esp; iret\n"
       "nmi_task: call on_nmi_task; iret; jmp nmi_task\n");

struct frame {
	uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
	uint32_t eip, cs, eflags;
};

static uint8_t task_stack[4096] __attribute__((aligned(16)));
static struct tss main_tss, nmi_tss;
extern uint8_t nmi_entry[], ud_entry[], gp_entry[], nmi_task[], etext[];
extern uint8_t behind_store[], behind_bad[];
void load_task(void);
void on_nmi(struct frame *f);
void on_undefined(struct frame *f);
void on_protection(uint32_t *f);
void on_nmi_task(void);

static volatile uint32_t taken, depth, deepest, strange, eip_seen, flags_seen;
static volatile uint32_t send_inside, inside, undefined, at_undefined, protections, at_protection;
static volatile enum { NOTHING, RAISE, FAULT } inside_do;
static volatile uint32_t task_taken, link_seen, task_flags;

static void apic(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(APIC + offset) = value;
}

/* In the handler, with another one waiting. */
__attribute__((noinline)) static void misbehave(void)
{
	uint32_t what = inside_do, esp;

	inside_do = NOTHING;
	if (what == NOTHING)
		return;
	apic(ICR, SEND_NMI);
	if (what == RAISE)
		__asm__ volatile("ud2" ::: "memory");
	else
		__asm__ volatile("mov %%esp, %0; pushf; push $0xf8; push $start; iret\n"
		                 ".globl behind_bad; behind_bad: mov %0, %%esp"
		                 : "=&b"(esp)
		                 :
		                 : "memory", "cc");
}

/* Sends another @send_inside times, and counts how many come before it returns. */
void on_nmi(struct frame *f)
{
	uint32_t before;

	taken++;
	if (++depth > deepest)
		deepest = depth;
	eip_seen = f->eip;
	flags_seen = f->eflags;
	if (f->cs != CODE || f->eip < LOADED_AT || f->eip >= (uint32_t)etext || !(f->eflags & 2) ||
	    f->eflags & 0xffc0f128 || flags() & 0x4300)
		strange++;
	before = taken;
	for (; send_inside; send_inside--)
		apic(ICR, SEND_NMI);
	misbehave();
	inside += taken - before;
	depth--;
}

void on_undefined(struct frame *f)
{
	undefined++;
	at_undefined = taken;
	f->eip += 2; /* UD2 */
}

void on_protection(uint32_t *f)
{
	protections++;
	at_protection = taken;
	f[9] = (uint32_t)behind_bad;
}

void on_nmi_task(void)
{
	task_taken++;
	link_seen = nmi_tss.link;
	task_flags = flags();
	for (; send_inside; send_inside--)
		apic(ICR, SEND_NMI);
}

static void check_gate(void)
{
	__asm__ volatile("movl %0, 0xfee00300; .globl behind_store; behind_store:"
	                 :
	                 : "r"(SEND_NMI)
	                 : "memory");
	check(taken == 1, "an NMI to oneself comes though interrupts are off");
	check(eip_seen == (uint32_t)behind_store, "before the next instruction");
	check(!(flags_seen & 0x200) && !(flags() & 0x200), "and leaves the flag as it was");
	__asm__ volatile("sti" ::: "memory");
	apic(ICR, SEND_NMI);
	check(taken == 2 && flags_seen & 0x200 && flags() & 0x200, "so it does with interrupts on");
	__asm__ volatile("cli" ::: "memory");

	taken = 0;
	send_inside = 1;
	apic(ICR, SEND_NMI);
	check(taken == 2 && inside == 0 && deepest == 1,
	      "one sent by the handler comes behind its IRET");
	taken = 0;
	send_inside = 3;
	apic(ICR, SEND_NMI);
	check(taken == 2 && inside == 0, "three sent by the handler are one");
}

/* SDM volume 3, 6.7.1: any IRET lets the next one in, also one of something within the handler. */
static void check_unblocking(void)
{
	taken = undefined = deepest = 0;
	inside_do = RAISE;
	apic(ICR, SEND_NMI);
	check(undefined == 1 && at_undefined == 1,
	      "an exception in the handler keeps the next one out");
	check(taken == 2 && inside == 1 && deepest == 2, "and its IRET lets it in");

	taken = protections = inside = deepest = 0;
	inside_do = FAULT;
	apic(ICR, SEND_NMI);
	check(protections == 1 && inside == 1, "so does an IRET that faults");
	check(at_protection == 2 && deepest == 2, "before the handler of the fault begins");
}

static void timer(bool on)
{
	outb(0x21, on ? 0xfe : 0xff);
	outb(0x43, on ? 0x34 : 0x30); /* a rate generator; or nothing until a count is written */
	if (on) {
		outb(0x40, 0x68); /* 360 cycles: 300 us */
		outb(0x40, 0x01);
	}
}

/* What is rewritten or traps, again and again: each must mean the same whatever comes in between.
 */
static bool work(uint32_t seed)
{
	uint32_t image, a, b, c, esp_before, esp_after;

	__asm__ volatile("mov %%esp, %4\n"
	                 "mov %6, %0; clc\n"
	                 "sti; pushf; pop %1; cli\n"
	                 "pushf; stc; popf; adc $0, %0\n"
	                 "push $0x203; popf; adc $1, %0\n"
	                 "pushf; pop %2\n"
	                 "push $2; popf; adc $0, %0\n"
	                 "push $0x202; push %%cs; push $1f; iret; 1:\n"
	                 "pushf; pop %3\n"
	                 "push $2; push %%cs; push $1f; iret; 1:\n"
	                 "mov %%esp, %5\n"
	                 : "=&r"(image), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(esp_before),
	                   "=m"(esp_after)
	                 : "m"(seed)
	                 : "cc", "memory");
	return image == seed + 2 && (a & 0x200) && (b & 0x200) && (c & 0x200) &&
	       !(flags() & 0x200) && esp_before == esp_after;
}

static void check_anywhere(void)
{
	static const uint8_t pic[][2] = {
	    {0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0xa1, 0xff}};
	uint32_t wrong = 0, n;

	for (unsigned i = 0; i < sizeof pic / sizeof *pic; i++)
		outb(pic[i][0], pic[i][1]);
	taken = deepest = strange = 0;
	apic(SPURIOUS, ENABLED);
	apic(LINT0, SEND_NMI);
	timer(true);
	for (n = 0; taken < 400 && n < 20000000; n++)
		wrong += !work(n * 2654435761u);
	check(taken >= 400, "the timer sends NMIs through LINT0");
	check(wrong == 0, "wherever they come, instructions mean the same");
	check(strange == 0 && deepest == 1, "and their frames name the kernel's own instructions");
	taken = 0;
	__asm__ volatile("sti; hlt; cli" ::: "memory");
	check(taken >= 1, "HLT ends");
	apic(LINT0, SEND_NMI | MASKED);
	timer(false);
	taken = 0;
	for (n = 0; n < 1000; n++)
		work(n);
	check(taken == 0, "a masked LINT0 sends none");
}

static void check_task(void)
{
	describe_tss(MAIN_TSS, &main_tss);
	describe_tss(NMI_TSS, &nmi_tss);
	prepare_task(&nmi_tss, nmi_task, task_stack + sizeof task_stack);
	task_gate(2, NMI_TSS);
	load_task();
	apic(ICR, SEND_NMI);
	check(task_taken == 1 && link_seen == MAIN_TSS && task_flags & NT,
	      "a task gate switches to its task");
	check(!(flags() & NT), "which returns");
	send_inside = 2;
	apic(ICR, SEND_NMI);
	check(task_taken == 3, "the IRET of a task lets the next one in");
}

void run(void)
{
	load_idt();
	gate(2, nmi_entry, INTERRUPT_GATE);
	gate(6, ud_entry, INTERRUPT_GATE);
	gate(13, gp_entry, INTERRUPT_GATE);
	check_gate();
	check_unblocking();
	check_anywhere();
	check_task();
	finish();
}
