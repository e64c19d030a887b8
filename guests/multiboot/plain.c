// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A multiboot kernel that never turns paging on: what the boot loader handed over, and the
 * instructions that would go wrong unnoticed if nobody rewrote them. TAP on the serial port.
 */
#include "tap.h"

#define CODE          0x08
#define DATA          0x10
#define IRQ_VECTOR    0x20
#define DEBUG         1
#define UNDEFINED     6
#define PROTECTION    13
#define KEYBOARD_PORT 0x64
#define PULSE_RESET   0xfe

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

__asm__(".section .multiboot, \"a\"\n"
        "header: .long 0x1badb002\n"
#ifdef ADDRESSES
        ".long 0x10003, -(0x1badb002 + 0x10003)\n"
        ".long header, load_start, load_end, bss_end, start\n"
#else
        ".long 3, -(0x1badb002 + 3)\n"
#endif
        ".text\n"
        ".globl start\n"
        "start: mov $stack + 8192, %esp\n"
        "push %ebx; push %eax\n"
        "lgdt gdt_register\n"
        "ljmp $" STRING(
            CODE) ", $1f\n"
                  "1: mov $" STRING(
                      DATA) ", %eax\n"
                            "mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs; mov %eax, "
                            "%ss\n"
                            "lidt idt_register\n"
                            "call run\n"
                            /* What is in front of the last of these is not rewritten. */
                            "get_cr0: mov %cr0, %eax; ret\n"
                            "set_de: mov %cr4, %eax; or $8, %eax; mov %eax, %cr4; ret\n"
                            "set_breakpoint: mov 4(%esp), %eax; mov %eax, %dr1; mov 8(%esp), %eax; "
                            "mov %eax, %dr7; ret\n"
                            "irq_entry: pusha; call irq; popa; iret\n"
                            "trap_db: push %eax; mov %dr6, %eax; mov %eax, seen_dr6; xor %eax, "
                            "%eax; mov %eax, %dr6\n"
                            "push %ecx; mov 8(%esp), %eax; mov %eax, seen_eip; mov breaks, %ecx; "
                            "and $31, %ecx; mov %eax, step_eips(,%ecx,4); pop %ecx; pop %eax; incl "
                            "breaks; iret\n"
                            "trap_ud: movl $6, trap_vector; mov trap_resume, %eax; mov %eax, "
                            "(%esp); iret\n"
                            "trap_gp: add $4, %esp; movl $13, trap_vector; mov trap_resume, %eax;\n"
                            "mov %eax, (%esp); iret\n");

static const uint64_t gdt[3] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
static uint64_t idt[48];
uint8_t stack[8192] __attribute__((aligned(16)));
volatile uint32_t trap_vector, trap_resume;
static volatile uint32_t ticks;
volatile uint32_t seen_dr6, seen_eip, breaks, step_eips[32];
uint32_t get_cr0(void);
void set_de(void);
void set_breakpoint(uint32_t dr1, uint32_t dr7);
extern uint8_t irq_entry[], trap_ud[], trap_gp[], trap_db[];
extern uint8_t behind_out[], behind_string[];

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));
const struct table gdt_register = {sizeof gdt - 1, (uint32_t)gdt};
const struct table idt_register = {sizeof idt - 1, (uint32_t)idt};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool ends_with(const char *text, const char *end)
{
	const char *t = text, *e = end;

	while (*t)
		t++;
	while (*e)
		e++;
	return t - text >= e - end && same(t - (e - end), end);
}

static uint32_t flags(void)
{
	uint32_t f;

	__asm__ volatile("pushfl; popl %0" : "=r"(f));
	return f;
}

static void set_flags(uint32_t f)
{
	__asm__ volatile("pushl %0; popfl" : : "r"(f) : "cc", "memory");
}

void irq(void);
void irq(void)
{
	ticks++;
	outb(0x20, 0x20);
}

static void gate(unsigned vector, const uint8_t *entry)
{
	idt[vector] = (uint64_t)(((uint32_t)entry & 0xffff0000u) | 0x8e00) << 32 | CODE << 16 |
	              ((uint32_t)entry & 0xffff);
}

static void setup(void)
{
	static const uint8_t pic[][2] = {{0x20, 0x11}, {0x21, IRQ_VECTOR}, {0x21, 4},
	                                 {0x21, 1},    {0x21, 0xfe},       {0xa1, 0xff}};

	for (unsigned i = 0; i < sizeof pic / sizeof *pic; i++)
		outb(pic[i][0], pic[i][1]);
	gate(IRQ_VECTOR, irq_entry);
	gate(DEBUG, trap_db);
	gate(UNDEFINED, trap_ud);
	gate(PROTECTION, trap_gp);
}

/* One interrupt of the PIT; waits until the PIC has it. */
static void pend(void)
{
	outb(0x43, 0x30);
	outb(0x40, 10);
	outb(0x40, 0);
	do
		outb(0x20, 0x0a);
	while (!(inb(0x20) & 1));
}

static void check_interrupts(void)
{
	uint32_t sum = 0;

	check(!(flags() & 0x200), "PUSHF shows interrupts off at the start");
	pend();
	for (volatile int i = 0; i < 100000; i++)
		sum += (uint32_t)i;
	check(ticks == 0, "a pending interrupt waits while they are off");
	__asm__ volatile("sti; nop; cli" ::: "memory");
	check(ticks == 1, "STI; NOP; CLI lets it in");
	pend();
	set_flags(0x202);
	check(ticks == 2 && flags() & 0x200, "so does POPF with IF");
	set_flags(0x2);
	check(!(flags() & 0x200), "POPF without IF turns them off");
	pend();
	check(ticks == 2, "and the next one waits again");
	__asm__ volatile("sti; hlt; cli" ::: "memory");
	check(ticks == 3, "STI; HLT takes a pending one");
	outb(0x43, 0x30);
	outb(0x40, 0);
	outb(0x40, 0x10);
	__asm__ volatile("sti; hlt; cli" ::: "memory");
	check(ticks == 4, "and waits for one to come");
}

static void check_exceptions(void)
{
	uint32_t cr0, cs;

	__asm__ volatile("movl $1f, trap_resume; ud2; 1:" ::: "eax", "memory");
	check(trap_vector == UNDEFINED, "UD2 raises #UD");
	__asm__ volatile("movl $1f, trap_resume; movl $0x1234, %%eax; movl %%eax, %%fs; 1:" ::
	                     : "eax", "memory");
	check(trap_vector == PROTECTION, "a selector beyond the GDT raises #GP");
	cr0 = get_cr0();
	check((cr0 & 0x80000001) == 1, "CR0 has PE and not PG");
	__asm__ volatile("movl %%cs, %0" : "=r"(cs));
	check((cs & 0xffff) == CODE, "CS is the kernel's own");
}

/* CR4.DE gives the fourth type of breakpoint its meaning (SDM volume 3, 17.2.4, 17.2.5). */
static void check_port_breakpoints(void)
{
	static const uint8_t bytes[3];
	const uint8_t *from = bytes;
	uint32_t n = 3;

	set_breakpoint(0x80, 0x200408);
	check(breaks == 0, "a breakpoint on a port needs CR4.DE");
	set_de();
	outb(0x81, 0);
	inb(0x7f);
	check(breaks == 0, "with it, other ports are not watched");
	__asm__ volatile("outb %%al, $0x80; .globl behind_out; behind_out:" : : "a"(0) : "memory");
	check(breaks == 1 && seen_eip == (uint32_t)behind_out && (seen_dr6 & 0xf) == 2,
	      "OUT to the port is a trap behind it, told by DR6");
	inb(0x80);
	__asm__ volatile("inl %%dx, %%eax" : : "d"(0x7e) : "eax", "memory");
	check(breaks == 3, "so is IN, and an access that overlaps");
	__asm__ volatile("rep outsb; .globl behind_string; behind_string:"
	                 : "+S"(from), "+c"(n)
	                 : "d"(0x80)
	                 : "memory");
	check(breaks == 6 && n == 0 && seen_eip == (uint32_t)behind_string,
	      "each iteration of REP OUTS is one");
	set_breakpoint(0x80, 0x400);
	outb(0x80, 0);
	check(breaks == 6, "until DR7 takes it back");
}

#ifdef ADDRESSES /* where nothing is rewritten: docs/architecture.md, 13 */
/* Behind each instruction of check_steps(), from its first label on. */
static const uint8_t step_offsets[] = {1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 18, 19, 20, 21};

/* A debugger's view of its own kernel: each instruction is one step, whatever carries it out. */
static void check_steps(void)
{
	extern uint8_t steps_begin[];
	uint32_t image, wrong = 0;

	breaks = 0;
	__asm__ volatile("pushf; pushf; orl $0x100, (%%esp); popf\n"
	                 ".globl steps_begin; steps_begin:\n"
	                 "nop; cli; pushf; pop %0\n"
	                 "outb %%al, $0x80; inb $0x80, %%al\n"
	                 "nop; sti; cli; pushf; cli; push $0x102; popf; pop %%eax; popf\n"
	                 : "=c"(image)
	                 :
	                 : "eax", "cc", "memory");
	check(breaks == sizeof step_offsets,
	      "each instruction is a step, those that are emulated too");
	for (unsigned i = 0; i < sizeof step_offsets; i++)
		wrong += step_eips[i] != (uint32_t)steps_begin + step_offsets[i];
	check(wrong == 0 && seen_dr6 & 0x4000, "with the address behind it, and DR6.BS");
	check((image & 0x300) == 0x100,
	      "PUSHF shows the trap flag, and the virtual interrupt flag");
}
#endif

static void check_memory(const uint32_t *info)
{
	volatile uint32_t *top = (volatile uint32_t *)(0x100000 + info[2] * 1024 - 4);

	*top = 0x12345678;
	check(*top == 0x12345678, "memory ends where mem_upper says");
	check((info[0] & 0x24f) == 0x24f - 2 && info[11] == 72,
	      "memory, command line, modules, map and loader name are there");
	check(same((const char *)info[16], "ring1"), "the boot loader is ring1");
	check(ends_with((const char *)info[4], " one two=3"), "the command line follows the name");
	check(info[5] == 2, "there are two modules");
	if (info[5] == 2) {
		const uint32_t *m = (const uint32_t *)info[6];

		check(m[1] - m[0] == 5 && *(const char *)m[0] == 'f' && !(m[0] & 4095),
		      "the first is on a page, whole");
		check(ends_with((const char *)m[2], " with arguments"), "and has its arguments");
		check(m[5] - m[4] == 6 && *(const char *)m[4] == 's' && m[4] > m[1],
		      "the second follows");
	}
}

/* Bytes that look like PUSHF, POPF and IRET, in the middle of everything. */
static const uint8_t constants[]
    __attribute__((section(".text.constants"))) = {0x9c, 0x9d, 0xcf, 0x1f, 0x8e, 0xd8, 0xf4, 0x9c};

_Noreturn void run(uint32_t magic, const uint32_t *info);
void run(uint32_t magic, const uint32_t *info)
{
	uint32_t sum = 0;

	setup();
	check(magic == 0x2badb002, "EAX says multiboot");
	check_memory(info);
	check_interrupts();
	check_exceptions();
	check_port_breakpoints();
#ifdef ADDRESSES
	check_steps();
#endif
#ifdef ADDRESSES
	for (unsigned i = 0; i < sizeof constants; i++)
		sum = sum * 31 + ((volatile const uint8_t *)constants)[i];
	check(sum == 0x219d85a3u, "data among the code is as it was");
#else
	(void)sum;
	(void)constants;
#endif
	put("1..");
	put((char[]){(char)('0' + count / 10), (char)('0' + count % 10), '\n', 0});
	for (;;) {
		outb(KEYBOARD_PORT, PULSE_RESET);
		__asm__ volatile("cli; hlt");
	}
}
