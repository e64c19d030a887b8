/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls of user code through the vDSO: INT 0x80 without the INT.
 *
 * Entered in user mode, by `call *%cs:slot` in place of the vDSO's first seven bytes
 * (annotate/vdso.c). Code and kernel share one flat code selector, and CPL is 3 on both
 * sides, so entering the guest's kernel is a load of SS and a jump.
 *
 * Until SS is loaded this is plain user code. From then on the word at VCPU_IF is 0 (user mode
 * leaves it so): kicks are only marked, as for a handler entered with IF off.
 */
#include "rom/rom.h"

/* Replaces `push %ecx; push %edx; push %ebp; nop`; the return address is the INT 0x80. */
ENTRY(rom_syscall)
	pushl	%edx
	pushl	%ebp
	movl	8(%esp), %edx
	movl	%ecx, 8(%esp)
	leal	2(%edx), %edx			/* where INT 0x80 would return to */
	movl	%esp, %ebp
	.globl	rom_syscall_enter
rom_syscall_enter:
	movw	%cs:VCPU_REAL_KSS, %ss
	.globl	rom_syscall_kernel
rom_syscall_kernel:
	movl	%ss:VCPU_TSS, %esp
	movl	%ss:4(%esp), %esp		/* TSS.esp0 */
	pushl	%ss:VCPU_USER_SS		/* callers of the vDSO use the flat segments */
	pushl	%ebp
	pushfl					/* IF is 1 in it, as user mode always has it */
	pushl	%ss:VCPU_USER_CS
	pushl	%edx
	movl	%ss:VCPU_IOPL, %edx
	orl	%edx, 8(%esp)
	movl	%ss:VCPU_REAL_KSS, %edx
	movl	%edx, %ss:VCPU_RSEL_SS
	movl	%ss:VCPU_KERNEL_SS, %edx
	movl	%edx, %ss:VCPU_VSEL_SS
	movl	$REAL_CODE, %ss:VCPU_RSEL_CS	/* the core last saw the program elsewhere, maybe */

	/* The IDT is the guest's memory: what is known of entry 0x80 must still be so. */
	movl	%ss:VCPU_GATE80, %edx
	movl	%ss:(%edx), %ecx
	cmpl	%ss:VCPU_GATE80_LO, %ecx
	jne	1f
	movl	%ss:4(%edx), %ecx
	cmpl	%ss:VCPU_GATE80_HI, %ecx
	jne	1f
	movl	%ss:VCPU_KERNEL_CS, %edx
	movl	%edx, %ss:VCPU_VSEL_CS
	incl	%ss:VCPU_COUNT_SYSCALL
	movl	%ss:8(%ebp), %ecx
	movl	%ss:4(%ebp), %edx
	movl	%ss:0(%ebp), %ebp
	cmpl	$0, %ss:VCPU_GATE80_IF
	jne	2f
	jmp	*%ss:VCPU_GATE80_ENTRY
2:	orl	$IF_BIT, %ss:VCPU_IF		/* a trap gate leaves IF on */
	js	3f
	jmp	*%ss:VCPU_GATE80_ENTRY
3:	GATE(GATE_DELIVER)
	jmp	*%ss:VCPU_GATE80_ENTRY
1:	GATE(GATE_SYSCALL)			/* goes on in the handler */
	hlt
	.globl	rom_syscall_end
rom_syscall_end:
END(rom_syscall)

/* Nothing is known of the guest's gate yet: put things back and run the INT 0x80 itself. */
ENTRY(rom_syscall_slow)
	pushl	%edx
	pushl	%ebp
	movl	8(%esp), %edx
	movl	%ecx, 8(%esp)
	pushl	%edx
	movl	8(%esp), %edx
	ret
END(rom_syscall_slow)

/*
 * The vDSO's signal-return code, `mov $nr, %eax; int $0x80`: the kernel looks at ESP and EAX
 * only. Read as a system call's saved registers, what stands at ESP gives ECX EDX EBP, which
 * sigreturn replaces.
 */
ENTRY(rom_rt_sigreturn)
	popl	%edx
	movl	$173, %eax
	movl	%esp, %ebp
	jmp	rom_syscall_enter
END(rom_rt_sigreturn)

ENTRY(rom_sigreturn)
	popl	%edx
	popl	%eax
	movl	$119, %eax
	movl	%esp, %ebp
	jmp	rom_syscall_enter
END(rom_sigreturn)

ENTRY(rom_rt_sigreturn_slow)
	popl	%edx
	movl	$173, %eax
	int	$0x80
	.globl	rom_rt_sigreturn_called
rom_rt_sigreturn_called:
END(rom_rt_sigreturn_slow)

ENTRY(rom_sigreturn_slow)
	popl	%edx
	popl	%eax
	movl	$119, %eax
	int	$0x80
	.globl	rom_sigreturn_called
rom_sigreturn_called:
END(rom_sigreturn_slow)
	.globl	rom_user_end
rom_user_end:
