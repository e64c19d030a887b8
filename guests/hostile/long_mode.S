/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 64-bit code in a 32-bit process: what a guest program reaches by a far jump to the host's
 * selector for it. All of it lies in one page, so that one touch brings all of it in.
 *
 * struct long_call (hostile.c), in %ebx: +0 number, +8 six arguments, +56 result, +64 far
 * pointer back, +72 SS, +76 the routine.
 */
#include "ring1/layout.h"

	.text
	.p2align 12
	.code32
	.globl	long_call
long_call:
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	pushl	%ebp
	movl	20(%esp), %ebx
	movl	$back, 64(%ebx)
	movw	%cs, 68(%ebx)
	movw	%ss, 72(%ebx)
	ljmp	$HOST_CS64, $enter
back:
	popl	%ebp
	popl	%edi
	popl	%esi
	popl	%ebx
	ret

	.code64
enter:
	movl	%ebx, %ebx
	movl	%esp, %esp
	movl	76(%rbx), %eax
	call	*%rax
	/* SYSCALL came back with the host's own SS. */
	movw	72(%rbx), %ss
	ljmp	*64(%rbx)

	.globl	long_syscall
long_syscall:
	movq	(%rbx), %rax
	movq	8(%rbx), %rdi
	movq	16(%rbx), %rsi
	movq	24(%rbx), %rdx
	movq	32(%rbx), %r10
	movq	40(%rbx), %r8
	movq	48(%rbx), %r9
	syscall
	movq	%rax, 56(%rbx)
	ret

/* The i386 entry: number only. */
	.globl	long_int80
long_int80:
	pushq	%rbx
	movq	(%rbx), %rax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	int	$0x80
	popq	%rbx
	movq	%rax, 56(%rbx)
	ret

/* The page of the first x86-64 kernels: gettimeofday(NULL, NULL) without SYSCALL. */
	.globl	long_vsyscall
long_vsyscall:
	movq	$0xffffffffff600000, %rax
	xorl	%edi, %edi
	xorl	%esi, %esi
	call	*%rax
	movq	%rax, 56(%rbx)
	ret

/* Argument 0: where to, 1: 32-bit words, 2: bytes from one to the next, 3: value, 4: added to it every time */
	.globl	long_store
long_store:
	movq	8(%rbx), %rdi
	movq	16(%rbx), %rcx
	movq	32(%rbx), %rax
1:	movl	%eax, (%rdi)
	addq	24(%rbx), %rdi
	addq	40(%rbx), %rax
	decq	%rcx
	jnz	1b
	ret

/* Argument 0: where from; the result is a 32-bit word */
	.globl	long_load
long_load:
	movq	8(%rbx), %rdi
	movl	(%rdi), %eax
	movq	%rax, 56(%rbx)
	ret

	.code32
	.section .note.GNU-stack, "", @progbits
