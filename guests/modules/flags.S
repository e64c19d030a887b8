/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that says whether sensitive instructions mean the same in its code as on hardware:
 * loading it fails with a number of its own for the first that does not. None of these faults by
 * itself at CPL 3.
 */
#include "module.h"

#define IF_BIT 0x200

MODULE("flags")

/* EAX: 0, or -100 minus the number of the check that failed. EBX is kept. */
.macro check_if number, jump
	pushf
	popl %eax
	testl $IF_BIT, %eax
	movl $-100-\number, %eax
	\jump 9f
.endm

.macro body
	pushl %ebx
	pushl %edi
	check_if 1, jz
	cli
	check_if 2, jnz
	pushf
	sti
	popf				/* off again */
	check_if 3, jnz
	pushf
	popl %ebx
	sti
	check_if 4, jz
	pushf
	cli
	popf				/* on again */
	check_if 5, jz
	pushl %ebx			/* the image saved with interrupts off */
	popf
	check_if 6, jnz
	sti
	nop
	check_if 7, jz

	movl $-108, %eax
	movl %ds, %edx			/* __USER_DS, which the kernel keeps in DS */
	cmpw $0x7b, %dx
	jne 9f
	movl $-109, %eax
	movl %cs, %edx			/* __KERNEL_CS */
	cmpw $0x60, %dx
	jne 9f
	movl $-110, %eax
	pushl %cs
	popl %edx
	cmpw $0x60, %dx
	jne 9f
	movl $-111, %eax
	pushl %ds
	popl %es
	movl %es, %edx
	cmpw $0x7b, %dx
	jne 9f

	movl $0x40000000, %eax		/* the clock is KVM's */
	cpuid
	movl $-112, %eax
	cmpl $0x4b4d564b, %ebx
	jne 9f

	subl $8, %esp
	sgdt (%esp)
	movl $-113, %eax
	cmpl $0xfffe0000, 2(%esp)	/* what hosts show programs */
	leal 8(%esp), %esp
	je 9f
	movl $-114, %eax
	str %dx
	cmpw $0x80, %dx			/* GDT_ENTRY_TSS */
	jne 9f

	movl $-115, %eax
	movl $0x80, %edx		/* a port that takes anything */
	outb %al, %dx
	inb %dx, %al
	xorl %eax, %eax
9:	sti
	popl %edi
	popl %ebx
	ret
.endm

FUNCTION(init_module, .init.text)
	call stays
	testl %eax, %eax
	jnz 1f
	body
1:	ret
END(init_module)

/* The same in text that stays. */
FUNCTION(stays, .text)
	body
END(stays)

FUNCTION(cleanup_module, .exit.text)
	pushf
	cli
	popf
	ret
END(cleanup_module)
