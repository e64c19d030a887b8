// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel whose stack is not where the monitor would look for it. IN is no instruction that uses a
 * stack; it means the same whatever ESP is, and the page there may be taken away while it is
 * carried out. Each line is "stack: ok WHAT" or "stack: bad WHAT".
 */
#include "hostile_kernel.h"

#include <stdbool.h>
#include <stddef.h>

#define KERNEL_DS 0x10
#define MAIN_TSS  0x28
#define FAULT_TSS 0x38
#define TASK_GATE 0x8500u

#define PRESENT_RW  3u
#define PAGE        4096u
#define WINDOW      0x30000000u /* 4 MiB with a page table of its own: below, a page; here the next */
#define UPPER       (WINDOW + PAGE)
#define LOWER_ENTRY 0
#define UPPER_ENTRY 1

#define PCI_ADDRESS 0xcf8 /* reads as it was written */

struct task {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t gpr[8]; /* EAX ECX EDX EBX ESP EBP ESI EDI */
	uint32_t es, cs, ss, ds, fs, gs, ldt, map;
};

static struct task main_task, fault_task;
static uint32_t table[1024] __attribute__((aligned(4096)));
static uint8_t pages[3][PAGE] __attribute__((aligned(4096)));
static uint8_t fault_stack[PAGE] __attribute__((aligned(16)));
static volatile uint32_t faults, fault_at[4];
static volatile bool take_away;
extern const uint8_t fault_entry[];
void on_fault(void);

static uint32_t entry_of(const void *p)
{
	return ((uint32_t)p - PAGE_OFFSET) | PRESENT_RW;
}

static void invalidate(uint32_t va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/*
 * The lower page gets its memory. The upper one, which was pushed to before, is another page with
 * the same contents now; or none, until it is asked for as well.
 */
void on_fault(void)
{
	uint32_t at;

	__asm__ volatile("mov %%cr2, %0" : "=r"(at));
	fault_at[faults++ % 4] = at;
	if (at >= UPPER) {
		table[UPPER_ENTRY] = entry_of(pages[1]);
		return;
	}
	table[LOWER_ENTRY] = entry_of(pages[2]);
	for (unsigned i = 0; i < PAGE; i++)
		pages[1][i] = pages[0][i];
	table[UPPER_ENTRY] = take_away ? 0 : entry_of(pages[1]);
	invalidate(UPPER);
}

__asm__("fault_entry: call on_fault; add $4, %esp; iret; jmp fault_entry\n");

__attribute__((noinline)) static uint32_t in_with_stack(uint32_t esp)
{
	uint32_t value;

	__asm__ volatile("mov %%esp, %%esi; mov %[esp], %%esp\n"
	                 "in %%dx, %%eax\n"
	                 "mov %%esi, %%esp"
	                 : "=&a"(value)
	                 : "d"(PCI_ADDRESS), [esp] "b"(esp)
	                 : "esi", "memory");
	return value;
}

static void describe(uint16_t selector, const struct task *t)
{
	uint32_t base = (uint32_t)t;

	gdt[selector / 8] = (uint64_t)(base & 0xff000000u) << 32 | 0x89ull << 40 |
	                    (uint64_t)(base & 0xffffff) << 16 | (sizeof *t - 1);
}

static void prepare(void)
{
	describe(MAIN_TSS, &main_task);
	describe(FAULT_TSS, &fault_task);
	fault_task = (struct task){.cr3 = (uint32_t)page_root - PAGE_OFFSET,
	                           .eip = (uint32_t)fault_entry,
	                           .eflags = 2,
	                           .gpr[4] = (uint32_t)fault_stack + sizeof fault_stack,
	                           .es = KERNEL_DS,
	                           .cs = 0x08,
	                           .ss = KERNEL_DS,
	                           .ds = KERNEL_DS,
	                           .fs = KERNEL_DS,
	                           .gs = KERNEL_DS};
	main_task.cr3 = fault_task.cr3;
	idt[14] = (struct gate){0, FAULT_TSS, TASK_GATE, 0};
	page_root[WINDOW >> 22] = ((uint32_t)table - PAGE_OFFSET) | PRESENT_RW;
	__asm__ volatile("lidt %0; ltr %w1" : : "m"(idt_register), "r"(MAIN_TSS));
}

static void say(bool good, const char *what)
{
	print(good ? "stack: ok " : "stack: bad ");
	print(what);
	print("\n");
}

/* One word of stack in the upper page, the next in the lower, which is not there. */
static uint32_t in_across_pages(bool taken_away)
{
	table[LOWER_ENTRY] = 0;
	table[UPPER_ENTRY] = entry_of(pages[0]);
	invalidate(WINDOW);
	invalidate(UPPER);
	faults = 0;
	take_away = taken_away;
	*(volatile uint32_t *)UPPER = 0; /* present, accessed, dirty, and mapped */
	return in_with_stack(UPPER + 4);
}

void stack_checks(void)
{
	uint32_t address = 0x80000a5cu;

	prepare();
	outl(PCI_ADDRESS, address);
	say(in_across_pages(false) == address, "with the page replaced that was pushed to");
	say(faults == 1 && fault_at[0] / PAGE == WINDOW / PAGE, "at one page fault");
	say(in_across_pages(true) == address, "with that page taken away");
	say(faults == 2 && fault_at[1] / PAGE == UPPER / PAGE, "at two");
}
