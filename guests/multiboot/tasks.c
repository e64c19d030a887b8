// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bare kernel with task gates: an exception and a double fault are handled by tasks of their own,
 * which return to what they interrupted. TAP on the serial port.
 */
#include "tap.h"

#define CODE          0x08
#define DATA          0x10
#define MAIN_TSS      0x18
#define UD_TSS        0x20
#define DF_TSS        0x28
#define KEYBOARD_PORT 0x64
#define PULSE_RESET   0xfe
#define NT            0x4000u
#define BUSY          0x2u

__asm__(".section .multiboot, \"a\"\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".text\n"
        ".globl start\n"
        "start: mov $stack + 8192, %esp\n"
        "lgdt gdt_register\n"
        "ljmp $0x08, $1f\n"
        "1: mov $0x10, %eax\n"
        "mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs; mov %eax, %ss\n"
        "call run\n"
        /* Tasks: an IRET ends one activation, and the next goes on behind it. */
        "ud_task: call on_undefined; iret; jmp ud_task\n"
        "df_task: call on_double; add $4, %esp; iret; jmp df_task\n");

struct tss {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt, map;
};

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

uint64_t gdt[6] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
static uint64_t idt[32];
uint8_t stack[8192] __attribute__((aligned(16)));
static uint8_t task_stacks[2][4096] __attribute__((aligned(16)));
static struct tss main_tss, ud_tss, df_tss;
const struct table gdt_register = {sizeof gdt - 1, (uint32_t)gdt};
static const struct table idt_register = {sizeof idt - 1, (uint32_t)idt};
extern uint8_t ud_task[], df_task[], behind_divide[];
void run(void);
void on_undefined(void);
void on_double(uint32_t error);

static uint32_t flags(void)
{
	uint32_t f;

	__asm__ volatile("pushf; pop %0" : "=r"(f));
	return f;
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

static uint64_t tss_descriptor(const struct tss *t)
{
	uint32_t at = (uint32_t)t;

	return (uint64_t)(at >> 24) << 56 | 0x89ull << 40 | (uint64_t)(at & 0xffffff) << 16 |
	       (sizeof *t - 1);
}

static void prepare(struct tss *t, const uint8_t *entry, uint8_t *top)
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

void run(void)
{
	uint32_t a = 0x1111, b = 0x3333, c, esp_before, esp_after;

	gdt[MAIN_TSS / 8] = tss_descriptor(&main_tss);
	gdt[UD_TSS / 8] = tss_descriptor(&ud_tss);
	gdt[DF_TSS / 8] = tss_descriptor(&df_tss);
	prepare(&ud_tss, ud_task, task_stacks[0] + 4096);
	prepare(&df_tss, df_task, task_stacks[1] + 4096);
	idt[6] = 0x0000850000000000 | UD_TSS << 16;
	idt[8] = 0x0000850000000000 | DF_TSS << 16;
	__asm__ volatile("lidt %0; ltr %w1" : : "m"(idt_register), "r"(MAIN_TSS));

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
	put("1..11\n");
	for (;;) {
		outb(KEYBOARD_PORT, PULSE_RESET);
		__asm__ volatile("cli; hlt");
	}
}
