/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "asm_offsets.h"
#include "ring1/layout.h"
#include <asm/unistd.h>

#define STACK_TOP (CELL_SELF + CELL_STACK_OFFSET + 65536 - 64)
#define USER_END 0x7ffffffff000

#define PR_SET_NO_NEW_PRIVS 38
#define SECCOMP_SET_MODE_FILTER 1

	.text
	.globl	enter_jail
	.type	enter_jail, @function
enter_jail:
	/* The nursery's stack, vDSO and whatever else lies above the cell's own mappings. */
	movl	$__NR_munmap, %eax
	movabsq	$CELL_SELF_END, %rdi
	movabsq	$USER_END, %rsi
	subq	%rdi, %rsi
	syscall
	testq	%rax, %rax
	jnz	1f
	movl	$__NR_prctl, %eax
	movl	$PR_SET_NO_NEW_PRIVS, %edi
	movl	$1, %esi
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	xorl	%r8d, %r8d
	syscall
	testq	%rax, %rax
	jnz	1f
	movl	$__NR_seccomp, %eax
	movl	$SECCOMP_SET_MODE_FILTER, %edi
	xorl	%esi, %esi
	leaq	jail_program(%rip), %rdx
	syscall
	testq	%rax, %rax
	jnz	1f
	movabsq	$STACK_TOP, %rsp
	call	core_start
1:	movl	$__NR_exit_group, %eax
	movl	$3, %edi
	syscall
	hlt
	.size	enter_jail, . - enter_jail

	.section .note.GNU-stack, "", @progbits
