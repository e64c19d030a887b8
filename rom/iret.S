/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IRET. Called by a jump, with the frame on top of the stack: EIP, CS, EFLAGS[, ESP, SS].
 * Finishes here when nothing waits and nothing unusual is asked for; core/iret.c is the
 * specification and does the rest.
 *
 * Restoring IF and consuming the frame must look like one step (VMI Part 5; the race of the
 * March 2006 thread). A kick that interrupts [rom_iret_restart, rom_iret_switched) is
 * answered by starting again at rom_iret_restart with ESP = VCPU_IRET_ESP, where pending work
 * is looked for anew (core/exit.c). At rom_iret_switched the user's stack is loaded and only
 * the jump is left: that state is the user's, at VCPU_RETURN_EIP.
 */
#include "rom/rom.h"

/*
 * RF, which frames of faults have, is not among them: POPF clears it, and where it would matter,
 * with breakpoints of the debug registers, no IRET comes here (iret_work_update()).
 */
#define UNUSUAL (EFLAGS_TF | EFLAGS_NT | EFLAGS_VM)

ENTRY(rom_iret)
#if !FAST_ROM_IRET
	GATE(GATE_IRET)
	hlt
#endif
	pushl	%eax
	movzwl	8(%esp), %eax			/* CS */
	cmpl	%ss:VCPU_USER_CS, %eax
	jne	kernel
	movzwl	20(%esp), %eax			/* SS */
	cmpl	%ss:VCPU_USER_SS, %eax
	jne	slow
	movl	12(%esp), %eax			/* EFLAGS */
	testl	$UNUSUAL, %eax
	jnz	slow
	testl	$IF_BIT, %eax
	jz	slow
	xorl	%ss:VCPU_IOPL, %eax
	testl	$EFLAGS_IOPL, %eax
	jnz	slow

	/* The kernel runs with a flat DS and ES; user code gets them up to its half's end. */
	movl	%ss:VCPU_RSEL_DS, %eax
	cmpl	$REAL_USER_DS, %eax
	je	1f
	cmpl	$REAL_KERNEL_USER_DS, %eax
	jne	slow
	movl	$REAL_USER_DS, %eax
	movl	%eax, %ds
	movl	%eax, %ss:VCPU_RSEL_DS
1:	movl	%ss:VCPU_RSEL_ES, %eax
	cmpl	$REAL_USER_DS, %eax
	je	2f
	cmpl	$REAL_KERNEL_USER_DS, %eax
	jne	slow
	movl	$REAL_USER_DS, %eax
	movl	%eax, %es
	movl	%eax, %ss:VCPU_RSEL_ES
2:	cmpl	$REAL_BANKS, %ss:VCPU_RSEL_FS
	jae	slow
	cmpl	$REAL_BANKS, %ss:VCPU_RSEL_GS
	jae	slow

	movl	4(%esp), %eax
	movl	%eax, %ss:VCPU_RETURN_EIP
	movl	16(%esp), %eax
	movl	%eax, %ss:VCPU_RETURN_ESP	/* VCPU_REAL_USS stands behind it: LSS reads both */
	movl	%esp, %ss:VCPU_IRET_ESP

	.globl	rom_iret_restart
rom_iret_restart:
	cmpl	$IF_BIT, %ss:VCPU_IF
	ja	slow				/* pending, or work on the way out */
	movl	%ss:VCPU_USER_CS, %eax
	movl	%eax, %ss:VCPU_VSEL_CS
	movl	%ss:VCPU_USER_SS, %eax
	movl	%eax, %ss:VCPU_VSEL_SS
	movl	%ss:VCPU_REAL_USS, %eax
	movl	%eax, %ss:VCPU_RSEL_SS
	incl	%ss:VCPU_COUNT_IRET_USER
	movl	$NO_AREA, %ss:VCPU_GS_AREA
	movl	$0, %ss:VCPU_IF			/* means nothing in user mode */
	pushl	12(%esp)
	popfl
	movl	(%esp), %eax
	lss	%ss:VCPU_RETURN_ESP, %esp
	.globl	rom_iret_switched
rom_iret_switched:
	jmp	*%cs:VCPU_RETURN_EIP
	.globl	rom_iret_end
rom_iret_end:

kernel:
	cmpl	%ss:VCPU_VSEL_CS, %eax
	jne	slow
	movl	12(%esp), %eax
	testl	$UNUSUAL, %eax
	jnz	slow
	testl	$IF_IRET_WORK, %ss:VCPU_IF
	jnz	slow
	xorl	%ss:VCPU_IOPL, %eax
	testl	$EFLAGS_IOPL, %eax
	jnz	slow
	movl	12(%esp), %eax
	testl	$IF_BIT, %eax
	jz	3f
	/* From here an interrupt is let in at once, with the rest of this as its return. */
	orl	$IF_BIT, %ss:VCPU_IF
	js	slow
	jmp	4f
3:	cmpl	$IF_PENDING | IF_BIT, %ss:VCPU_IF
	jae	6f				/* enabled, and yet to come (core/interrupt.c) */
5:	andl	$~IF_BIT, %ss:VCPU_IF
4:	incl	%ss:VCPU_COUNT_IRET_KERNEL
	/* saved eax, EIP, CS, EFLAGS -> saved eax, (EIP), EFLAGS, EIP */
	movl	%eax, 8(%esp)
	movl	4(%esp), %eax
	movl	%eax, 12(%esp)
	popl	%eax
	leal	4(%esp), %esp
	popfl
	ret

	/* The handler may end with an IRET of another place. */
6:	pushl	%ss:VCPU_IRET_SITE
	call	rom_keep_promise
	popl	%ss:VCPU_IRET_SITE
	jmp	5b

slow:
	popl	%eax
	GATE(GATE_IRET)				/* does not return here */
	hlt
END(rom_iret)

/*
 * rom_resume_small - go on in user mode on a 16-bit stack. IRET loads the low half of ESP only
 * then and leaves the core's own in the other (the leak that Linux's espfix is for); LSS loads
 * all of it. In kernel mode until then, with the user's flags.
 */
ENTRY(rom_resume_small)
	lss	%ss:VCPU_SMALL_ESP, %esp
	.globl	rom_resume_small_switched
rom_resume_small_switched:
	ljmp	*%cs:VCPU_SMALL_EIP
END(rom_resume_small)
