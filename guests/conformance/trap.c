// SPDX-License-Identifier: GPL-2.0-or-later
/* Exceptions, interrupts, the PIC and the PIT. */
#include "conformance.h"

#define PIC1         0x20
#define PIC2         0xa0
#define PIC_READ_IRR 0x0a
#define PIC_READ_ISR 0x0b
#define PIC_EOI      0x20
#define PIT_CHANNEL0 0x40
#define PIT_COMMAND  0x43
#define PIT_ONE_SHOT 0x30 /* channel 0, both bytes, mode 0: one rising edge */
#define PIT_PERIODIC 0x34 /* the same, mode 2: one in each period */
#define APIC_EOI     0xb0
#define ENTRY_SIZE   16
#define GATE_KERNEL  0x8e00u /* present, DPL 0, 32-bit interrupt gate */
#define GATE_USER    0xee00u
#define SHORTEST     10 /* PIT cycles */

struct tss tss __attribute__((aligned(4096)));
struct trapped trapped;
bool expecting, apic_in_use;
bool (*trap_hook)(struct frame *);
struct frame last_interrupt;
uint32_t last_kernel_esp, last_kernel_ss;
static uint32_t counts[VECTORS - IRQ_VECTOR];
static uint16_t mask_now;

static uint64_t gate(const void *entry, uint32_t kind)
{
	uint32_t at = (uint32_t)entry;

	return (uint64_t)((at & 0xffff0000u) | kind) << 32 | KERNEL_CS << 16 | (at & 0xffff);
}

uint64_t segment_descriptor(uint32_t base, uint32_t limit_pages, uint8_t access)
{
	return (uint64_t)(base >> 24) << 56 | 0xc0ull << 48 |
	       (uint64_t)(limit_pages >> 16 & 15) << 48 | (uint64_t)access << 40 |
	       (uint64_t)(base & 0xffffff) << 16 | (limit_pages & 0xffff);
}

void pic_mask(uint16_t mask)
{
	mask_now = mask;
	outb(PIC1 + 1, (uint8_t)mask);
	outb(PIC2 + 1, (uint8_t)(mask >> 8));
}

void pic_disable(void)
{
	pic_mask(0xffff);
}

static void pic_setup(void)
{
	outb(PIC1, 0x11);
	outb(PIC2, 0x11);
	outb(PIC1 + 1, IRQ_VECTOR);
	outb(PIC2 + 1, IRQ_VECTOR + 8);
	outb(PIC1 + 1, 4);
	outb(PIC2 + 1, 2);
	outb(PIC1 + 1, 1);
	outb(PIC2 + 1, 1);
	pic_mask(0xfffe);
}

static uint16_t pic_read(uint8_t what)
{
	outb(PIC1, what);
	outb(PIC2, what);
	return (uint16_t)(inb(PIC1) | inb(PIC2) << 8);
}

bool pic_requests(unsigned irq)
{
	return pic_read(PIC_READ_IRR) >> irq & 1;
}

bool pic_in_service(unsigned irq)
{
	return pic_read(PIC_READ_ISR) >> irq & 1;
}

static void timer_set(uint8_t mode, unsigned pit_cycles)
{
	outb(PIT_COMMAND, mode);
	outb(PIT_CHANNEL0, (uint8_t)pit_cycles);
	outb(PIT_CHANNEL0, (uint8_t)(pit_cycles >> 8));
}

void timer_start(unsigned pit_cycles)
{
	timer_set(PIT_ONE_SHOT, pit_cycles);
}

void timer_repeat(unsigned pit_cycles)
{
	timer_set(PIT_PERIODIC, pit_cycles);
}

/* Mode 0 without a count does nothing; the edge is withdrawn while the line is low again. */
void timer_stop(void)
{
	outb(PIT_COMMAND, PIT_ONE_SHOT);
}

void timer_pend(void)
{
	if (get_eflags() & EFLAGS_IF)
		bail_out("timer_pend() with interrupts on: nobody would see it pending");
	timer_start(SHORTEST);
	while (!pic_requests(TIMER_IRQ))
		;
}

uint32_t interrupts(unsigned irq)
{
	return counts[irq];
}

void traps_setup(void);
void traps_setup(void)
{
	for (unsigned i = 0; i < VECTORS; i++)
		idt[i] = gate(vector_entries + i * ENTRY_SIZE, GATE_KERNEL);
	idt[USER_VECTOR] = gate(user_entry, GATE_USER);
	tss.ss0 = KERNEL_DS;
	tss.esp0 = (uint32_t)trap_stack_top;
	tss.io_map = offsetof(struct tss, ports);
	for (unsigned i = 0; i < sizeof tss.ports; i++)
		tss.ports[i] = 0xff;
	tss.end = 0xff;
	gdt[TSS >> 3] = segment_descriptor((uint32_t)&tss, 0, 0x89) & ~(0xc0ull << 48);
	gdt[TSS >> 3] |= sizeof tss - 1;
	__asm__ volatile("ltr %w0" : : "r"(TSS));
	pic_setup();
	timer_stop();
}

/* Takes what is still pending, so that no test sees the timer of another. */
void traps_forget(void);
void traps_forget(void)
{
	timer_stop();
	while (pic_requests(TIMER_IRQ)) {
		VMI(EnableInterrupts);
		VMI(DisableInterrupts);
	}
	for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++)
		counts[i] = 0;
	trapped.happened = false;
	expecting = call_loads_segments = call_sets_iopl = false;
	trap_hook = NULL;
	for (unsigned i = 0; i < 4; i++)
		call_stack[i] = 0;
}

/* Leaves the handler for one of the two places that know how to go on. */
static _Noreturn void go_on_at(const void *place)
{
	__asm__ volatile("jmp *%0" : : "r"(place));
	__builtin_unreachable();
}

static void keep(struct frame *f)
{
	bool from_user = (f->cs & 3) == 3;
	uint8_t *to = (uint8_t *)&trapped.frame, *from = (uint8_t *)f;
	size_t n = from_user ? sizeof *f : offsetof(struct frame, esp);

	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
	trapped.happened = true;
	trapped.vector = f->vector;
	trapped.error = f->error;
	__asm__ volatile("movl %%cr2, %0" : "=r"(trapped.cr2));
	for (unsigned i = 0; i < 6 && !from_user; i++)
		trapped.stack[i] = (&f->esp)[i];
	trapped.esp = from_user ? f->esp : (uint32_t)&f->esp;
}

static bool is_interrupt(uint32_t vector)
{
	return vector >= IRQ_VECTOR && vector < VECTORS;
}

static void interrupt(struct frame *f)
{
	counts[f->vector - IRQ_VECTOR]++;
	last_interrupt = *f;
	if (apic_in_use) {
		*(volatile uint32_t *)(APIC_PAGE + APIC_EOI) = 0;
		return;
	}
	if (f->vector >= IRQ_VECTOR + 8)
		outb(PIC2, PIC_EOI);
	outb(PIC1, PIC_EOI);
}

void trap(struct frame *f);
void trap(struct frame *f)
{
	if (trap_hook && trap_hook(f))
		return;
	if (is_interrupt(f->vector)) {
		interrupt(f);
		return;
	}
	if ((f->cs & 3) == 3) {
		last_kernel_esp = (uint32_t)(f + 1);
		__asm__ volatile("movl %%ss, %0" : "=r"(last_kernel_ss));
		keep(f);
		go_on_at(user_back);
	}
	if (expecting) {
		keep(f);
		expecting = false;
		go_on_at(call_recover);
	}
	__asm__ volatile("movl %%cr2, %0" : "=r"(trapped.cr2));
	print("# exception %u, error 0x%x, eip 0x%x, cs 0x%x, eflags 0x%x, cr2 0x%x\n", f->vector,
	      f->error, f->eip, f->cs, f->eflags, trapped.cr2);
	print("# eax 0x%x ecx 0x%x edx 0x%x esp 0x%x, call returns to 0x%x\n", f->eax, f->ecx,
	      f->edx, (uint32_t)&f->esp, *(&f->esp));
	bail_out("an exception that no test expects");
}
