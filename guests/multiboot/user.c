// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bare kernel at 1 MiB, with paging on, and user code beside it: what keeps that from the
 * kernel's pages is the U/S bit alone. TAP on the serial port.
 */
#include "kernel.h"

#define USER_CS 0x1b
#define USER_DS 0x23
#define TSS     0x28

#define P  1
#define RW 2
#define US 4
#define PS 0x80

#define LARGE     0x00800000u /* a large page of the kernel's, and the next of the user's */
#define USER_PAGE 0x00400000u /* code and data of the user; its neighbour is the kernel's */
#define CONSTANT  0x00402000u /* of the user, read-only */
#define NO_FAULT  0xffffffffu

KERNEL("load_task: mov $0x28, %eax; ltr %ax; ret\n"
       "start_paging: mov 4(%esp), %eax; mov %eax, %cr3\n"
       "mov %cr4, %eax; or $0x10, %eax; mov %eax, %cr4\n"
       "mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0; ret\n"
       "set_wp: mov %cr0, %eax; and $~0x10000, %eax; or 4(%esp), %eax; mov %eax, %cr0; ret\n"
       "flush: mov %cr3, %eax; mov %eax, %cr3; ret\n"
       ".p2align 4\n"
       /* Both ends of user code lead to where user() is waiting. */
       "page_fault: popl fault_error; popl fault_eip; mov %cr2, %eax; mov %eax, fault_address; "
       "jmp back\n"
       "system_call: movl $-1, fault_error; jmp back\n"
       "back: mov $0x10, %eax; mov %eax, %ds; mov %eax, %es; mov saved_esp, %esp; popa; ret\n"
       /* user(eip, ecx): runs with its stack at the end of its page */
       "user: pusha; mov %esp, saved_esp; mov 36(%esp), %edx; mov 40(%esp), %ecx\n"
       "mov $0x23, %eax; mov %eax, %ds; mov %eax, %es\n"
       "push %eax; push $0x401000; push $0x202; push $0x1b; push %edx; iret\n"
       /* What user code does; copied. */
       "read_code: movl (%ecx), %eax; int $0x80; read_code_end:\n"
       "write_code: movl $0x77, (%ecx); int $0x80; write_code_end:\n"
       "jump_code: jmp *%ecx; jump_code_end:\n"
       "stack_code: mov %ecx, %esp; push %eax; int $0x80; stack_code_end:\n");

static uint8_t entry_stack[4096] __attribute__((aligned(16)));
static struct tss tss;
static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t low_table[1024] __attribute__((aligned(4096)));
static uint32_t user_table[1024] __attribute__((aligned(4096)));
volatile uint32_t fault_error, fault_eip, fault_address, saved_esp;
static volatile uint32_t secret = 0x5ec4e7;

extern uint8_t page_fault[], system_call[];
extern uint8_t read_code[], read_code_end[], write_code[], write_code_end[];
extern uint8_t jump_code[], jump_code_end[], stack_code[], stack_code_end[];
void load_task(void);
void start_paging(uint32_t *directory);
void set_wp(uint32_t bit);
void flush(void);
void user(uint32_t eip, uint32_t ecx);

/* Runs it, and returns the error code of the page fault it ends in, NO_FAULT without one. */
static uint32_t user_does(const uint8_t *code, const uint8_t *end, uint32_t argument)
{
	volatile uint8_t *to = (volatile uint8_t *)USER_PAGE;

	while (code != end)
		*to++ = *code++;
	user(USER_PAGE, argument);
	return fault_error;
}
#define USER_DOES(name, argument) user_does(name, name##_end, argument)

static void check_kernel_pages(void)
{
	uint32_t at = (uint32_t)&secret;

	check(USER_DOES(read_code, at) == 5 && fault_address == at && fault_eip == USER_PAGE,
	      "user code cannot read the kernel's data");
	check(USER_DOES(write_code, at) == 7 && fault_address == at && secret == 0x5ec4e7,
	      "nor write it");
	check(USER_DOES(jump_code, (uint32_t)run) == 5 && fault_address == (uint32_t)run &&
	          fault_eip == (uint32_t)run,
	      "nor execute its code");
	check(USER_DOES(stack_code, (uint32_t)stack + 64) == 7 &&
	          fault_address == (uint32_t)stack + 60,
	      "nor use its stack");
	check(USER_DOES(read_code, USER_PAGE + 0x1000) == 5, "nor a page of it beside its own");
	check(USER_DOES(read_code, LARGE + 0x1234) == 5 && fault_address == LARGE + 0x1234,
	      "nor a large page");
}

static void check_user_pages(void)
{
	check(USER_DOES(read_code, USER_PAGE + 8) == NO_FAULT, "it can read its own page");
	check(USER_DOES(write_code, USER_PAGE + 0x800) == NO_FAULT &&
	          *(volatile uint32_t *)(USER_PAGE + 0x800) == 0x77,
	      "and write it, and the kernel sees what");
	check(USER_DOES(write_code, LARGE + 0x400000) == NO_FAULT &&
	          *(volatile uint32_t *)(LARGE + 0x400000) == 0x77,
	      "and a large page");
	check(USER_DOES(read_code, CONSTANT) == NO_FAULT && USER_DOES(write_code, CONSTANT) == 7,
	      "and read, not write, a read-only one");
}

/* With CR0.WP clear the kernel writes where user code must not. */
static void check_write_protection(void)
{
	set_wp(0);
	*(volatile uint32_t *)CONSTANT = 0x1234;
	check(USER_DOES(write_code, CONSTANT) == 7 && *(volatile uint32_t *)CONSTANT == 0x1234,
	      "also when the kernel has just written it");
	set_wp(0x10000);
}

static void check_many(void)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		secret = 0x5ec4e7;
		wrong += USER_DOES(write_code, USER_PAGE + 0x800) != NO_FAULT;
		wrong += USER_DOES(read_code, (uint32_t)&secret) != 5;
	}
	check(wrong == 0, "all that, a thousand times");
	user_table[1] |= US;
	flush();
	check(USER_DOES(read_code, USER_PAGE + 0x1000) == NO_FAULT,
	      "a page given to it is its own");
	user_table[1] &= ~(uint32_t)US;
	flush();
	check(USER_DOES(read_code, USER_PAGE + 0x1000) == 5, "until it is taken back");
}

void run(void)
{
	tss = (struct tss){.esp0 = (uint32_t)entry_stack + sizeof entry_stack,
	                   .ss0 = DATA,
	                   .map = sizeof tss << 16};
	describe_tss(TSS, &tss);
	gdt[USER_CS / 8] = 0x00cffa000000ffff;
	gdt[USER_DS / 8] = 0x00cff2000000ffff;
	load_idt();
	load_task();
	gate(14, page_fault, INTERRUPT_GATE);
	gate(0x80, system_call, USER_GATE);
	for (uint32_t i = 0; i < 1024; i++)
		low_table[i] = i << 12 | P | RW;
	user_table[0] = 0x400000 | P | RW | US;
	user_table[1] = 0x401000 | P | RW;
	user_table[2] = 0x402000 | P | US;
	directory[0] = (uint32_t)low_table | P | RW | US;
	directory[1] = (uint32_t)user_table | P | RW | US;
	directory[LARGE >> 22] = LARGE | P | RW | PS;
	directory[(LARGE >> 22) + 1] = (LARGE + 0x400000) | P | RW | US | PS;
	start_paging(directory);
	set_wp(0x10000);
	*(volatile uint32_t *)(LARGE + 0x1234) = 1; /* the kernel has been everywhere */
	*(volatile uint32_t *)(USER_PAGE + 0x1000) = 1;
	check_kernel_pages();
	check_user_pages();
	check_write_protection();
	check_many();
	finish();
}
