/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entry of the bare guest and its interrupt handlers. Entered as Linux is (32-bit boot
 * protocol): flat segments, interrupts off, ESI: boot_params. It runs where it is loaded; paging
 * is turned on, with an identity map, because that is when an annotated kernel's stubs come in.
 */
#define CR0_PG  0x80000000
#define CR4_PSE 0x10
#define LARGE   0x83 /* present, writable, 4 MiB */

	.section .head, "ax"
	.globl	_start
_start:
	movl	$stack_end, %esp
	movl	$bss, %edi
	movl	$bss_end, %ecx
	subl	%edi, %ecx
	xorl	%eax, %eax
	cld
	rep stosb
	lgdt	gdt_register
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	ljmp	$0x10, $1f
1:	movl	%cr4, %eax
	orl	$CR4_PSE, %eax
	movl	%eax, %cr4
	movl	$LARGE, %eax			/* 0 to 64 MiB */
	xorl	%ecx, %ecx
2:	movl	%eax, page_directory(,%ecx,4)
	addl	$0x400000, %eax
	incl	%ecx
	cmpl	$16, %ecx
	jne	2b
	movl	$0xfec00000 + LARGE, page_directory + 0xfec00000 / 0x400000 * 4 /* the APICs */
	movl	$page_directory, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	movl	%esi, %eax
	jmp	go_on

	.data
	.p2align 3
gdt:	.quad	0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_register:
	.word	. - gdt - 1
	.long	gdt

	.bss
	.p2align 12
page_directory:
	.skip	4096
	.skip	16384
stack_end:

	.text
go_on:	call	delivery_main
1:	cli
	hlt
	jmp	1b

/* With VMI the return is a call. */
.macro handler name, function
	.globl	\name
	.p2align 4
\name:
	pushal
	cld
	call	\function
	popal
	cmpl	$0, vmi_iret
	jne	1f
	iret
1:	call	*vmi_iret
.endm

handler timer_entry, timer_interrupt
handler serial_entry, serial_interrupt
handler local_entry, local_interrupt
handler spurious_entry, spurious_interrupt

/* #UD: go on behind the two bytes of UD2. */
	.globl	undefined_entry
	.p2align 4
undefined_entry:
	addl	$2, (%esp)
	cmpl	$0, vmi_iret
	jne	1f
	iret
1:	call	*vmi_iret

	.section .note.GNU-stack, "", @progbits
