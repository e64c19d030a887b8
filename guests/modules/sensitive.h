/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sensitive instructions that do not fault by themselves at CPL 3, and whether they mean the same
 * as on hardware: the macro `body` of a function. With LIST_OF, the name of the function, the
 * offset of each instruction in it is in the section .instructions, their number is `instructions`.
 */
#define IF_BIT 0x200

#ifdef LIST_OF
	.set instructions, 0
.macro I instruction:vararg
	.pushsection .instructions, "a"
	.long 8f - LIST_OF
	.popsection
	.set instructions, instructions + 1
8:	\instruction
.endm
#else
.macro I instruction:vararg
	\instruction
.endm
#endif

/* EAX: 0, or -100 minus the number of the check that failed. EBX is kept. */
.macro check_if number, jump
	I pushf
	I popl %eax
	I testl $IF_BIT, %eax
	I movl $-100-\number, %eax
	I \jump 9f
.endm

.macro body
	I pushl %ebx
	I pushl %edi
	check_if 1, jz
	I cli
	check_if 2, jnz
	I pushf
	I sti
	I popf		/* off again */
	check_if 3, jnz
	I pushf
	I popl %ebx
	I sti
	check_if 4, jz
	I pushf
	I cli
	I popf		/* on again */
	check_if 5, jz
	I pushl %ebx		/* the image saved with interrupts off */
	I popf
	check_if 6, jnz
	I sti
	I nop
	check_if 7, jz

	I movl $-108, %eax
	I movl %ds, %edx		/* __USER_DS, which the kernel keeps in DS */
	I cmpw $0x7b, %dx
	I jne 9f
	I movl $-109, %eax
	I movl %cs, %edx		/* __KERNEL_CS */
	I cmpw $0x60, %dx
	I jne 9f
	I movl $-110, %eax
	I pushl %cs
	I popl %edx
	I cmpw $0x60, %dx
	I jne 9f
	I movl $-111, %eax
	I pushl %ds
	I popl %es
	I movl %es, %edx
	I cmpw $0x7b, %dx
	I jne 9f

	I movl $0x40000000, %eax		/* the clock is KVM's */
	I cpuid
	I movl $-112, %eax
	I cmpl $0x4b4d564b, %ebx
	I jne 9f

	I subl $8, %esp
	I sgdt (%esp)
	I movl $-113, %eax
	I cmpl $0xfffe0000, 2(%esp)		/* what hosts show programs */
	I leal 8(%esp), %esp
	I je 9f
	I movl $-114, %eax
	I str %dx
	I cmpw $0x80, %dx		/* GDT_ENTRY_TSS */
	I jne 9f

	I movl $-115, %eax
	I movl $0x80, %edx		/* a port that takes anything */
	I outb %al, %dx
	I inb %dx, %al
	I xorl %eax, %eax
9:	I sti
	I popl %edi
	I popl %ebx
	I ret
.endm
