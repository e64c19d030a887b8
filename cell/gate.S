/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The crossing between 32-bit guest code and the 64-bit core.
 *
 * A far call to HOST_CS64 lands on one of the pads in the hole, with the guest's stack and
 * registers. DS, ES, FS, GS keep the guest's values while the core runs: 64-bit code uses none
 * of them. The FPU is not touched either (the core is built without it), so the guest's state
 * simply stays in the registers.
 */
#include "asm_offsets.h"
#include "cell/gate.h"
#include "ring1/layout.h"

#define STACK_TOP (CELL_SELF + CELL_STACK_OFFSET + 65536 - 64)

	.section .gate, "ax", @progbits
	.code64
	.globl	gate_pads
gate_pads:
	.set	n, 0
	.rept	GATE_COUNT
	.p2align 5
	movl	%eax, (VCPU_EAX - HOLE_VCPU) + vcpu_page(%rip)
	movl	$n, %eax
	jmp	gate_common
	.set	n, n + 1
	.endr

	.p2align 5
gate_common:
	movl	%ecx, (VCPU_ECX - HOLE_VCPU) + vcpu_page(%rip)
	movl	%edx, (VCPU_EDX - HOLE_VCPU) + vcpu_page(%rip)
	movl	%ebx, (VCPU_EBX - HOLE_VCPU) + vcpu_page(%rip)
	movl	%esp, (VCPU_ESP - HOLE_VCPU) + vcpu_page(%rip)
	movl	%ebp, (VCPU_EBP - HOLE_VCPU) + vcpu_page(%rip)
	movl	%esi, (VCPU_ESI - HOLE_VCPU) + vcpu_page(%rip)
	movl	%edi, (VCPU_EDI - HOLE_VCPU) + vcpu_page(%rip)
	movabsq	$STACK_TOP, %rsp
	pushfq
	popq	%rcx
	movl	%ecx, (VCPU_EFLAGS - HOLE_VCPU) + vcpu_page(%rip)
	/* NT would fault IRETQ, AC the core's own accesses; the host's gates clear neither. */
	testl	$EFLAGS_NT | EFLAGS_AC, %ecx
	jz	1f
	pushq	$EFLAGS_IF
	popfq
1:	cld
	movl	%eax, %edi
	movw	%ds, (VCPU_HW_DS - HOLE_VCPU) + vcpu_page(%rip)
	movw	%es, (VCPU_HW_ES - HOLE_VCPU) + vcpu_page(%rip)
	movw	%fs, (VCPU_HW_FS - HOLE_VCPU) + vcpu_page(%rip)
	movw	%gs, (VCPU_HW_GS - HOLE_VCPU) + vcpu_page(%rip)
	movabsq	$core_gate, %rax
	call	*%rax
	hlt
	.size	gate_common, . - gate_common

	.text
/*
 * cell_resume - continue the guest from the virtual CPU's registers. Never returns.
 *
 * What main asks for between the last look at the inbox and IRETQ must not wait: a kick that
 * interrupts [cell_resume, cell_resume_end) is answered by starting again at cell_resume
 * (cell/signal.c). Nothing in between changes what it reads, but that the segment registers are
 * loaded, once they are: a signal leaves them alone, so nor are they the next time.
 */
	.globl	cell_resume
	.type	cell_resume, @function
cell_resume:
	movabsq	$STACK_TOP, %rsp
	movabsq	$CELL_STATE + MACHINE_INBOX, %rax
	cmpl	$0, (%rax)
	jne	core_again
	movl	$HOLE_VCPU, %ebx
	cmpl	$0, (VCPU_LOAD_SEGMENTS - HOLE_VCPU)(%rbx)
	je	1f
	movl	(VCPU_RSEL_DS - HOLE_VCPU)(%rbx), %eax
	movl	%eax, %ds
	movl	(VCPU_RSEL_ES - HOLE_VCPU)(%rbx), %eax
	movl	%eax, %es
	movl	(VCPU_RSEL_FS - HOLE_VCPU)(%rbx), %eax
	movl	%eax, %fs
	movl	(VCPU_RSEL_GS - HOLE_VCPU)(%rbx), %eax
	movl	%eax, %gs
	movabsq	$CELL_STATE + MACHINE_FSGSBASE, %rax
	cmpl	$0, (%rax)
	je	2f
	movq	(VCPU_FS_BASE - HOLE_VCPU)(%rbx), %rax
	wrfsbase %rax
	movq	(VCPU_GS_BASE - HOLE_VCPU)(%rbx), %rax
	wrgsbase %rax
2:	movl	$0, (VCPU_LOAD_SEGMENTS - HOLE_VCPU)(%rbx)
1:	movabsq	$CELL_SELF + CELL_IRET_FRAME + 40, %rsp
	movl	(VCPU_RSEL_SS - HOLE_VCPU)(%rbx), %eax
	pushq	%rax
	movl	(VCPU_ESP - HOLE_VCPU)(%rbx), %eax
	pushq	%rax
	movl	(VCPU_EFLAGS - HOLE_VCPU)(%rbx), %eax
	pushq	%rax
	movl	(VCPU_RSEL_CS - HOLE_VCPU)(%rbx), %eax
	pushq	%rax
	movl	(VCPU_EIP - HOLE_VCPU)(%rbx), %eax
	pushq	%rax
	movl	(VCPU_EAX - HOLE_VCPU)(%rbx), %eax
	movl	(VCPU_ECX - HOLE_VCPU)(%rbx), %ecx
	movl	(VCPU_EDX - HOLE_VCPU)(%rbx), %edx
	movl	(VCPU_EBP - HOLE_VCPU)(%rbx), %ebp
	movl	(VCPU_ESI - HOLE_VCPU)(%rbx), %esi
	movl	(VCPU_EDI - HOLE_VCPU)(%rbx), %edi
	movl	(VCPU_EBX - HOLE_VCPU)(%rbx), %ebx
	iretq
	.globl	cell_resume_end
cell_resume_end:
	.size	cell_resume, . - cell_resume

/*
 * signal_entry - the handler of every signal a cell takes: (rdi: number, rsi: siginfo,
 * rdx: ucontext), on the cell's stack.
 *
 * From guest code: the kernel has put the guest's extended state into the frame and reset the
 * registers; take it back at once, so that it stays in the registers while the core runs, and
 * never return through the frame. From the core itself: core_nested decides, and the frame is
 * returned through as usual.
 */
#define UC_CS 184	/* uc_mcontext.gregs[REG_CSGSFS], low 16 bits */
#define UC_RIP 168	/* uc_mcontext.gregs[REG_RIP] */
#define UC_FPSTATE 224	/* uc_mcontext.fpregs */
	.globl	signal_entry
	.type	signal_entry, @function
signal_entry:
	cmpw	$HOST_CS64, UC_CS(%rdx)
	je	2f
1:	pushq	$EFLAGS_IF			/* as in the gate: without NT and AC */
	popfq
	movl	$HOLE_VCPU, %ecx
	movw	%ds, (VCPU_HW_DS - HOLE_VCPU)(%rcx)
	movw	%es, (VCPU_HW_ES - HOLE_VCPU)(%rcx)
	movw	%fs, (VCPU_HW_FS - HOLE_VCPU)(%rcx)
	movw	%gs, (VCPU_HW_GS - HOLE_VCPU)(%rcx)
	movq	%rdx, %r8
	movq	UC_FPSTATE(%rdx), %r9
	movabsq	$CELL_STATE + MACHINE_XSAVE_MASK, %rcx
	movl	(%rcx), %eax
	movl	4(%rcx), %edx
	xrstor64 (%r9)
	movq	%r8, %rdx
	call	core_signal
	hlt
	/* 64-bit code above 4 GiB or on the gate's page is ours. Below, it is a guest program
	 * that jumped to the host's selector: an exit like any other. */
2:	movabsq	$cell_resume, %rax
	movq	UC_RIP(%rdx), %rcx
	subq	%rax, %rcx
	cmpq	$cell_resume_end - cell_resume, %rcx
	jae	4f
	cmpl	$CELL_SIGNAL_KICK, %edi		/* it cannot load what the guest has: an exit too */
	jne	1b
4:	cmpl	$0, UC_RIP+4(%rdx)
	jne	3f
	movl	UC_RIP(%rdx), %eax
	subl	$HOLE_GATE, %eax
	cmpl	$4096, %eax
	jae	1b
3:	call	core_nested
	ret
	.size	signal_entry, . - signal_entry

/* What the kernel makes a handler return to (sa_restorer). */
	.globl	signal_return
	.type	signal_return, @function
signal_return:
	movl	$15, %eax			/* rt_sigreturn */
	syscall
	.size	signal_return, . - signal_return

/* The whole extended state, between the registers and machine.xsave: it follows the virtual
 * CPU from cell to cell. */
	.globl	fpu_save
	.type	fpu_save, @function
fpu_save:
	movabsq	$CELL_STATE + MACHINE_XSAVE_MASK, %rcx
	movl	(%rcx), %eax
	movl	4(%rcx), %edx
	movabsq	$CELL_STATE + MACHINE_XSAVE, %rcx
	xsave64	(%rcx)
	ret

	.globl	fpu_restore
	.type	fpu_restore, @function
fpu_restore:
	movabsq	$CELL_STATE + MACHINE_XSAVE_MASK, %rcx
	movl	(%rcx), %eax
	movl	4(%rcx), %edx
	movabsq	$CELL_STATE + MACHINE_XSAVE, %rcx
	xrstor64 (%rcx)
	ret

	.globl	read_fs_base
	.type	read_fs_base, @function
read_fs_base:
	rdfsbase %rax
	ret

	.globl	read_gs_base
	.type	read_gs_base, @function
read_gs_base:
	rdgsbase %rax
	ret

	.section .note.GNU-stack, "", @progbits
