// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bare kernel with task gates: an exception and a double fault are handled by tasks of their own,
 * which return to what they interrupted. TAP on the serial port.
 */
#include "kernel.h"

#define MAIN_TSS 0x18
#define UD_TSS   0x20
#define DF_TSS   0x28
#define LDT      0x30
#define BUSY     0x2u

#define LDT_DATA 0x04 /* its first entry, RPL 0 */

KERNEL(/* Tasks: an IRET ends one activation, and the next goes on behind it. */
       "ud_task: call on_undefined; iret; jmp ud_task\n"
       "df_task: call on_double; add $4, %esp; iret; jmp df_task\n");

static uint8_t task_stacks[2][4096] __attribute__((aligned(16)));
static struct tss main_tss, ud_tss, df_tss;
extern uint8_t ud_task[], df_task[], behind_divide[];
void on_undefined(void);
void on_double(uint32_t error);

static uint64_t ldt[1] = {0x00cf92000000ffff};

static uint16_t stack_segment(void)
{
	uint16_t selector;

	__asm__ volatile("mov %%ss, %0" : "=r"(selector));
	return selector;
}

static uint16_t task_register(void)
{
	uint16_t selector;

	__asm__ volatile("str %0" : "=r"(selector));
	return selector;
}

static volatile unsigned undefined, doubles;
static volatile uint32_t error_seen, tr_seen, flags_seen, link_seen, busy_seen;

void on_undefined(void)
{
	undefined++;
	tr_seen = task_register();
	flags_seen = flags();
	link_seen = ud_tss.link;
	busy_seen = (uint32_t)(gdt[UD_TSS / 8] >> 40) & (uint32_t)(gdt[MAIN_TSS / 8] >> 40) & BUSY;
	main_tss.eip += 2; /* UD2 */
	main_tss.ecx = 0x2222;
}

void on_double(uint32_t error)
{
	doubles++;
	error_seen = error;
	tr_seen = task_register();
	link_seen = df_tss.link;
	main_tss.eip = (uint32_t)behind_divide;
}

void run(void)
{
	uint32_t a = 0x1111, b = 0x3333, c, esp_before, esp_after;

	describe_tss(MAIN_TSS, &main_tss);
	describe_tss(UD_TSS, &ud_tss);
	describe_tss(DF_TSS, &df_tss);
	prepare_task(&ud_tss, ud_task, task_stacks[0] + 4096);
	prepare_task(&df_tss, df_task, task_stacks[1] + 4096);
	task_gate(6, UD_TSS);
	task_gate(8, DF_TSS);
	load_idt();
	__asm__ volatile("ltr %w0" : : "r"(MAIN_TSS));

	for (int i = 0; i < 3; i++) {
		c = 0;
		__asm__ volatile("mov %%esp, %3; stc; ud2; mov %%esp, %4; adc $0, %2"
		                 : "+a"(a), "+c"(b), "+d"(c), "=&S"(esp_before), "=&D"(esp_after)
		                 :
		                 : "cc", "memory");
	}
	check(undefined == 3, "an exception enters its task, each time");
	check(tr_seen == UD_TSS, "with the task register of that task");
	check(link_seen == MAIN_TSS && flags_seen & NT, "linked to the one it interrupted, NT set");
	check(busy_seen == BUSY, "both are busy");
	check(a == 0x1111 && esp_before == esp_after && c == 1, "registers and flags come back");
	check(b == 0x2222, "as the task left them in the other's TSS");
	check(task_register() == MAIN_TSS && !(flags() & NT), "the interrupted task runs again");
	check(!(gdt[UD_TSS / 8] >> 40 & BUSY) && gdt[MAIN_TSS / 8] >> 40 & BUSY,
	      "and it alone is busy");

	/* The gate of vector 0 is not present: #DE, then #NP, make #DF. */
	__asm__ volatile("div %%ecx; .globl behind_divide; behind_divide:"
	                 : "+a"(a), "+d"(c)
	                 : "c"(0)
	                 : "cc", "memory");
	check(doubles == 1, "a double fault enters its task");
	check(tr_seen == DF_TSS && link_seen == MAIN_TSS, "with that task's register");
	check(error_seen == 0, "and an error code of 0 on its stack");

	gdt[LDT / 8] = 0x0000820000000000ull | ((uint64_t)(uint32_t)ldt & 0xffffff) << 16 |
	               (uint64_t)((uint32_t)ldt >> 24) << 56 | (sizeof ldt - 1);
	main_tss.ldt = LDT;
	__asm__ volatile("lldt %w0; mov %w1, %%ss" : : "r"(LDT), "r"(LDT_DATA));
	check(stack_segment() == LDT_DATA, "a kernel's stack may be a segment of the LDT");
	check(!(flags() & 0x200), "it goes on with interrupts off");
	__asm__ volatile("ud2" : : : "ecx", "memory");
	check(undefined == 4 && stack_segment() == LDT_DATA, "it comes back there from a task");
	__asm__ volatile("mov %w0, %%ss" : : "r"(DATA));
	check(stack_segment() == DATA && !(flags() & 0x200), "and leaves it");
	finish();
}
