/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the boot loader to main(): paging on, descriptor tables, stack; and the entries from
 * exceptions and interrupts. Built twice: PAE chooses the format of the page tables.
 */
#include "machine.h"

#define PA(x)        ((x) - PAGE_OFFSET)
#define CR0_PG_WP_PE 0x80010033
#define CR4_PAE      0x20

	.section .multiboot, "a"
	.p2align 2
	.long	0x1badb002, 0x3, -(0x1badb002 + 0x3)

	.text
	.globl	start
start:
	cli
	cld
	movl	%ebx, PA(boot_info)
	movl	%eax, PA(boot_magic)
#ifdef PAE
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
#endif
	movl	$PA(page_root), %eax
	movl	%eax, %cr3
	movl	$CR0_PG_WP_PE, %eax
	movl	%eax, %cr0
	movl	$high, %eax
	jmp	*%eax
high:
	lgdt	gdt_register
	lidt	idt_register
	ljmp	$KERNEL_CS, $1f
1:	movl	$KERNEL_DS, %eax
	movl	%eax, %ss
	movl	$stack_top, %esp
	movl	$USER_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	$PERCPU, %eax
	movl	%eax, %fs
	xorl	%eax, %eax
	movl	%eax, %gs
	xorl	%ebp, %ebp
	call	start_c
1:	hlt
	jmp	1b

/* ---- entries: all vectors alike; the handlers are in trap.c ---- */

	.macro	vector number
	.p2align 4
	.if	\number == 8 || (\number >= 10 && \number <= 14) || \number == 17
	.else
	pushl	$TRAP_NO_CODE
	.endif
	pushl	$\number
	jmp	enter
	.endm

	.p2align 4
	.globl	vector_entries, user_entry
vector_entries:
	.set	n, 0
	.rept	VECTORS
	vector	n
	.set	n, n + 1
	.endr

	.p2align 4
user_entry:
	pushl	$TRAP_NO_CODE
	pushl	$USER_VECTOR
enter:
	pushl	%gs
	pushl	%fs
	pushl	%es
	pushl	%ds
	pusha
	cld
	movl	$USER_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%esp, %eax
	pushl	%eax
	call	trap
	addl	$4, %esp
	popa
	popl	%ds
	popl	%es
	popl	%fs
	popl	%gs
	addl	$8, %esp
	.globl	trap_iret
trap_iret:
	iret

/* ---- memory ---- */

	.data
	.p2align 12
	.globl	page_root, kernel_tables, gdt, idt
#define KERNEL_RW 7 /* present, writable, user: as Linux's boot tables */
#ifdef PAE
/* 2 MiB for each directory entry: the low half once at 0 (until main drops it) and once high. */
page_root:
	.long	PA(directory) + 1, 0, 0, 0, 0, 0, PA(directory) + 1, 0
	.p2align 12
	.globl	directory
directory:
	.set	i, 0
	.rept	MAPPED >> 21
	.long	PA(kernel_tables) + i * 4096 + KERNEL_RW, 0
	.set	i, i + 1
	.endr
	.p2align 12
kernel_tables:
	.set	i, 0
	.rept	MAPPED >> 12
	.long	i * 4096 + KERNEL_RW, 0
	.set	i, i + 1
	.endr
#else
page_root:
	.set	i, 0
	.rept	MAPPED >> 22
	.long	PA(kernel_tables) + i * 4096 + KERNEL_RW
	.set	i, i + 1
	.endr
	.org	page_root + (PAGE_OFFSET >> 20)
	.set	i, 0
	.rept	MAPPED >> 22
	.long	PA(kernel_tables) + i * 4096 + KERNEL_RW
	.set	i, i + 1
	.endr
	.p2align 12
kernel_tables:
	.set	i, 0
	.rept	MAPPED >> 12
	.long	i * 4096 + KERNEL_RW
	.set	i, i + 1
	.endr
#endif

	.p2align 12
gdt:
	.org	gdt + KERNEL_CS
	.quad	0x00cf9a000000ffff
	.quad	0x00cf92000000ffff		/* KERNEL_DS */
	.quad	0x00cffa000000ffff		/* USER_CS */
	.quad	0x00cff2000000ffff		/* USER_DS */
	.org	gdt + PERCPU
	.quad	0x00cf92000000ffff
	.org	gdt + GDT_SIZE * 8
	.p2align 12
idt:
	.fill	256, 8, 0
gdt_register:
	.word	GDT_SIZE * 8 - 1
	.long	gdt
idt_register:
	.word	256 * 8 - 1
	.long	idt
	.globl	boot_info, boot_magic, gdt_register, idt_register
boot_info:
	.long	0
boot_magic:
	.long	0

	.bss
	.p2align 12
	.skip	STACK_SIZE
stack_top:
	.skip	STACK_SIZE
	.globl	stack_top, trap_stack_top
trap_stack_top:

	.section .note.GNU-stack, "", @progbits
