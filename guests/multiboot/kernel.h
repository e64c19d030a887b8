/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bare kernels have in common: flat segments, a stack, gates, task-state segments, an end.
 */
#ifndef MULTIBOOT_KERNEL_H
#define MULTIBOOT_KERNEL_H

#include "tap.h"

#define CODE 0x08
#define DATA 0x10
#define NT   0x4000u

#define KEYBOARD_PORT 0x64
#define PULSE_RESET   0xfe

#define INTERRUPT_GATE 0x8e00u
#define USER_GATE      0xee00u
#define TASK_GATE      0x8500u

/*
 * The multiboot header (version 1, no flags), and the first instructions: a stack, the kernel's own
 * GDT, flat segments, run(). What @more assembles lies behind it; near the entry, what is in front
 * of the last routine is not rewritten.
 */
#define KERNEL(more)                                                                               \
	__asm__(".section .multiboot, \"a\"\n"                                                     \
	        ".long 0x1badb002, 0, -0x1badb002\n"                                               \
	        ".text\n"                                                                          \
	        ".globl start\n"                                                                   \
	        "start: mov $stack + 8192, %esp\n"                                                 \
	        "lgdt gdt_register\n"                                                              \
	        "ljmp $0x08, $1f\n"                                                                \
	        "1: mov $0x10, %eax\n"                                                             \
	        "mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs; mov %eax, %ss\n"      \
	        "call run\n"                                                                       \
	        "load_idt: lidt idt_register; ret\n" more)

struct tss {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt, map;
};

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

uint64_t gdt[7] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
static uint64_t idt[256];
uint8_t stack[8192] __attribute__((aligned(16)));
const struct table gdt_register = {sizeof gdt - 1, (uint32_t)gdt};
const struct table idt_register = {sizeof idt - 1, (uint32_t)idt};
void run(void);
void load_idt(void);

static inline uint32_t flags(void)
{
	uint32_t f;

	__asm__ volatile("pushf; pop %0" : "=r"(f));
	return f;
}

/* @kind: INTERRUPT_GATE or USER_GATE */
static inline void gate(unsigned vector, const uint8_t *entry, uint32_t kind)
{
	idt[vector] = (uint64_t)(((uint32_t)entry & 0xffff0000u) | kind) << 32 | CODE << 16 |
	              ((uint32_t)entry & 0xffff);
}

static inline void task_gate(unsigned vector, uint16_t selector)
{
	idt[vector] = (uint64_t)TASK_GATE << 32 | (uint32_t)selector << 16;
}

static inline void describe_tss(uint16_t selector, const struct tss *t)
{
	uint32_t at = (uint32_t)t;

	gdt[selector / 8] = (uint64_t)(at >> 24) << 56 | 0x89ull << 40 |
	                    (uint64_t)(at & 0xffffff) << 16 | (sizeof *t - 1);
}

/* A task that begins at @entry, with interrupts off and @top the end of its stack. */
static inline void prepare_task(struct tss *t, const uint8_t *entry, uint8_t *top)
{
	*t = (struct tss){.eip = (uint32_t)entry,
	                  .esp = (uint32_t)top,
	                  .eflags = 2,
	                  .cs = CODE,
	                  .ss = DATA,
	                  .ds = DATA,
	                  .es = DATA,
	                  .fs = DATA,
	                  .gs = DATA,
	                  .map = sizeof *t << 16};
}

/* The plan, and a reset. */
static inline _Noreturn void finish(void)
{
	put("1..");
	put((char[]){(char)('0' + count / 10), (char)('0' + count % 10), '\n', 0});
	for (;;) {
		outb(KEYBOARD_PORT, PULSE_RESET);
		__asm__ volatile("cli; hlt");
	}
}

#endif
