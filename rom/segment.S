/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads and stores of segment registers. The guest's selectors are not the host's (design.md,
 * section 7); what the core has translated once is kept in the cache V->ksel with the
 * descriptor it was made from, and used here as long as the guest's table still says the same.
 */
#include "rom/rom.h"

/*
 * rom_load_X - MOV to or POP of a segment register in kernel mode.
 * Stack: return address, selector; the selector is consumed. Clobbers flags.
 *
 * @area: the register may hold a thread area, whose base takes 64-bit code to load. Processes that
 * were forked have theirs at the same address: between them it saves the exit (vcpu.gs_area).
 */
.macro load_segment name, reg, vsel, rsel, gate, area=0
ENTRY(rom_load_\name)
	pushl	%eax
	pushl	%ecx
	pushl	%edx
	movzwl	16(%esp), %eax
	cmpl	$GDT_ENTRIES * 8 - 1, %eax
	ja	9f
	movl	%eax, %ecx
	andl	$~7, %ecx
	jz	8f				/* null, or the first table entry */
	testl	$4, %eax
	jnz	9f				/* the guest's LDT */
	movl	%ss:VCPU_GDT_BASE, %edx
	addl	%ecx, %edx
	.if	\area
	cmpl	%ss:VCPU_GS_AREA, %eax
	je	5f
4:
	.endif
	leal	VCPU_KSEL(,%ecx,2), %ecx	/* 16 bytes an entry */
	movl	%ss:(%edx), %eax
	cmpl	%ss:KSEL_LO(%ecx), %eax
	jne	9f
	movl	%ss:4(%edx), %eax
	cmpl	%ss:KSEL_HI(%ecx), %eax
	jne	9f
	movl	%ss:KSEL_REAL(%ecx), %eax
	testl	%eax, %eax
	js	9f
7:	cmpl	%ss:\rsel, %eax			/* loading the same again changes nothing */
	je	6f
	.if	\area
	movl	$NO_AREA, %ss:VCPU_GS_AREA
	.endif
	movl	%eax, %\reg
	movl	%eax, %ss:\rsel
6:	movzwl	16(%esp), %eax
	movl	%eax, %ss:\vsel
	incl	%ss:VCPU_COUNT_SEGMENT
	popl	%edx
	popl	%ecx
	popl	%eax
	ret	$4
	.if	\area
5:	movl	%ss:(%edx), %ecx
	cmpl	%ss:VCPU_GS_AREA_LO, %ecx
	jne	3f
	movl	%ss:4(%edx), %ecx
	cmpl	%ss:VCPU_GS_AREA_HI, %ecx
	je	6b
3:	movl	%eax, %ecx
	andl	$~7, %ecx
	jmp	4b
	.endif
8:	testl	$4, %eax
	jz	7b				/* null selectors are themselves */
9:	popl	%edx
	popl	%ecx
	popl	%eax
	GATE(\gate)
	ret	$4
END(rom_load_\name)
.endm

load_segment es, es, VCPU_VSEL_ES, VCPU_RSEL_ES, GATE_LOAD_ES
load_segment ds, ds, VCPU_VSEL_DS, VCPU_RSEL_DS, GATE_LOAD_DS
load_segment fs, fs, VCPU_VSEL_FS, VCPU_RSEL_FS, GATE_LOAD_FS
load_segment gs, gs, VCPU_VSEL_GS, VCPU_RSEL_GS, GATE_LOAD_GS, 1

/*
 * rom_store_X - MOV from or PUSH of a segment register in kernel mode: write what the guest
 * loaded to the word above the return address. Clobbers flags.
 */
.macro store_segment name, reg, vsel, rsel, gate
ENTRY(rom_store_\name)
	pushl	%eax
	movl	%\reg, %eax
	cmpl	%ss:\rsel, %eax
	jne	1f				/* user code loaded it natively */
	movl	%ss:\vsel, %eax
	movl	%eax, 8(%esp)
	popl	%eax
	ret
1:	popl	%eax
	GATE(\gate)
	ret
END(rom_store_\name)
.endm

store_segment es, es, VCPU_VSEL_ES, VCPU_RSEL_ES, GATE_STORE_ES
store_segment ds, ds, VCPU_VSEL_DS, VCPU_RSEL_DS, GATE_STORE_DS
store_segment fs, fs, VCPU_VSEL_FS, VCPU_RSEL_FS, GATE_STORE_FS
store_segment gs, gs, VCPU_VSEL_GS, VCPU_RSEL_GS, GATE_STORE_GS
