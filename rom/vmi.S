/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMI calls, API 3 (include/vmi/vmi.h has the contract of each).
 *
 * A kernel that speaks VMI calls these; the annotator's stubs call the same code for kernels
 * that do not: rom_iret, the interrupt flag's word and the gates exist once. Arguments are in
 * EAX, EDX, ECX, then on the stack; EAX, EDX, ECX and the flags may be clobbered unless noted.
 *
 * What is short and touches nothing of the host is done here. The rest crosses the gate, each
 * call by a landing pad of its own, so that --stats can tell them apart.
 */
#include "rom/rom.h"
#include "vmi/vmi.h"

#define CALL_LENGTH 5 /* CALL rel32 */

/* A call that is the core's (core/vmi.c). */
#define SLOW(name)                                                                                 \
	ENTRY(rom_vmi_##name);                                                                     \
	GATE(GATE_VMI + VMI_CALL_##name);                                                          \
	ret;                                                                                       \
	END(rom_vmi_##name)

/*
 * The split that was debated in March 2006 (rom/interrupt.S). Clobbers flags. With
 * --delivery=deferred the first stands for EnableInterrupts, too. No exit could do that: it delivers.
 */
ENTRY(rom_vmi_EnableInterruptsDeferred)
	orl	$IF_BIT, %ss:VCPU_IF
	ret
END(rom_vmi_EnableInterruptsDeferred)

#if FAST_ROM_CALLS

/* ---- processor state calls: the interrupt flag. Only CS and SS need be valid. ---- */

/* Clobbers flags. Two instructions when nothing is pending, and the call's own RET. */
ENTRY(rom_vmi_EnableInterrupts)
	orl	$IF_BIT, %ss:VCPU_IF
	js	1f
	ret
1:	GATE(GATE_VMI + VMI_CALL_EnableInterrupts)
	ret
END(rom_vmi_EnableInterrupts)

/* Clobbers flags. */
ENTRY(rom_vmi_DisableInterrupts)
	andl	$~IF_BIT, %ss:VCPU_IF
	ret
END(rom_vmi_DisableInterrupts)

/* Clobbers EAX, the result, and flags. */
ENTRY(rom_vmi_GetInterruptMask)
	movl	%ss:VCPU_IF, %eax
	andl	$IF_BIT, %eax
	ret
END(rom_vmi_GetInterruptMask)

/* Clobbers flags. Only bit 9 of EAX counts. */
ENTRY(rom_vmi_SetInterruptMask)
	testl	$IF_BIT, %eax
	jz	2f
	orl	$IF_BIT, %ss:VCPU_IF
	js	1f
	ret
1:	GATE(GATE_VMI + VMI_CALL_SetInterruptMask)
	ret
2:	andl	$~IF_BIT, %ss:VCPU_IF
	ret
END(rom_vmi_SetInterruptMask)

ENTRY(rom_vmi_DeliverInterrupts)
	testl	$IF_PENDING, %ss:VCPU_IF
	jz	1f
	GATE(GATE_VMI + VMI_CALL_DeliverInterrupts)
1:	ret
END(rom_vmi_DeliverInterrupts)

/* DisableInterrupts and SetInterruptMask with --delivery=deferred. Clobber flags. */
ENTRY(rom_vmi_DisableInterrupts_deferred)
	cmpl	$IF_PENDING | IF_BIT, %ss:VCPU_IF
	jae	1f
	andl	$~IF_BIT, %ss:VCPU_IF
	ret
1:	call	rom_keep_promise
	andl	$~IF_BIT, %ss:VCPU_IF
	ret
END(rom_vmi_DisableInterrupts_deferred)

ENTRY(rom_vmi_SetInterruptMask_deferred)
	testl	$IF_BIT, %eax
	jz	rom_vmi_DisableInterrupts_deferred
	orl	$IF_BIT, %ss:VCPU_IF
	ret
END(rom_vmi_SetInterruptMask_deferred)

/* ---- control registers: reads ---- */

.macro read_word name, word
ENTRY(rom_vmi_\name)
	movl	%ss:\word, %eax
	ret
END(rom_vmi_\name)
.endm

read_word GetCR0, VCPU_CR0
read_word GetCR2, VCPU_CR2
read_word GetCR3, VCPU_CR3
read_word GetCR4, VCPU_CR4

ENTRY(rom_vmi_RDTSC)
	rdtsc
	ret
END(rom_vmi_RDTSC)

/*
 * EAX: counter. Linux asks at every switch of tasks (sched_clock). REAL is the TSC; what was stolen
 * changes in the core only, and a change between these instructions is one of later.
 */
ENTRY(rom_vmi_GetCycleCounter)
	cmpl	$VMI_CYCLES_AVAILABLE, %eax
	ja	2f
	je	1f
	rdtsc
	ret
1:	rdtsc
	subl	%ss:VCPU_VMI_STOLEN, %eax
	sbbl	%ss:VCPU_VMI_STOLEN+4, %edx
	ret
2:	GATE(GATE_VMI + VMI_CALL_GetCycleCounter)
	ret
END(rom_vmi_GetCycleCounter)

/* ---- descriptor tables: the guest's own memory; what is loaded is compared when used ---- */

/*
 * EAX: table, EDX: index, ECX: low word, 4(%esp): high word. Done here when the table is the live
 * GDT and no data segment register holds the entry, which would have to be loaded anew.
 */
.macro unless_loaded register, otherwise
	movl	%ss:\register, %ecx
	shrl	$3, %ecx
	cmpl	%edx, %ecx
	je	\otherwise
.endm

ENTRY(rom_vmi_WriteGDTEntry)
	cmpl	%ss:VCPU_GDT_BASE, %eax
	jne	2f
	cmpl	$8191, %edx			/* a table has at most 64 KiB */
	ja	2f
	pushl	%ecx
	unless_loaded VCPU_VSEL_GS, 1f
	unless_loaded VCPU_VSEL_FS, 1f
	unless_loaded VCPU_VSEL_DS, 1f
	unless_loaded VCPU_VSEL_ES, 1f
	popl	%ecx
	movl	%ecx, (%eax,%edx,8)
	movl	4(%esp), %ecx
	movl	%ecx, 4(%eax,%edx,8)
	ret
1:	popl	%ecx
2:	GATE(GATE_VMI + VMI_CALL_WriteGDTEntry)
	ret
END(rom_vmi_WriteGDTEntry)

/* EAX: SS selector, EDX: ESP for the next entry from user mode. */
ENTRY(rom_vmi_UpdateKernelStack)
	movl	%ss:VCPU_TSS, %ecx
	testl	%ecx, %ecx
	jz	1f
	andl	$0xfffc, %eax			/* its privilege is the kernel's */
	cmpw	%ax, 8(%ecx)
	jne	2f
	movl	%edx, 4(%ecx)
1:	ret
2:	GATE(GATE_VMI + VMI_CALL_UpdateKernelStack)
	ret
END(rom_vmi_UpdateKernelStack)

/* EAX: IOPL in bits 12 and 13. It grants ports, never the flag (rule 7). */
ENTRY(rom_vmi_SetIOPLMask)
	andl	$EFLAGS_IOPL, %eax
	movl	%eax, %ss:VCPU_IOPL
	ret
END(rom_vmi_SetIOPLMask)

/*
 * ---- page tables ----
 *
 * The guest's tables are the truth, and the software TLB compares with them when the guest
 * invalidates or flushes (core/shadow.c). So an update is a store; deferring it gains nothing,
 * and announcing a page as a table says nothing that matters.
 */

/* EAX: entry, EDX: where. */
ENTRY(rom_vmi_SetPxE)
	movl	%eax, (%edx)
	ret
END(rom_vmi_SetPxE)

/* EAX: low, EDX: high, ECX: where. Never present and torn: first not present, low last. */
ENTRY(rom_vmi_SetPxELong)
	movl	$0, (%ecx)
	movl	%edx, 4(%ecx)
	movl	%eax, (%ecx)
	ret
END(rom_vmi_SetPxELong)

	.globl	rom_vmi_UpdatePxE, rom_vmi_UpdatePxELong, rom_vmi_AllocatePage, rom_vmi_ReleasePage
	.globl	rom_vmi_SetLinearMapping, rom_vmi_SetLazyMode
	.set	rom_vmi_UpdatePxE, rom_vmi_nothing
	.set	rom_vmi_UpdatePxELong, rom_vmi_nothing
	.set	rom_vmi_AllocatePage, rom_vmi_nothing
	.set	rom_vmi_ReleasePage, rom_vmi_nothing
	.set	rom_vmi_SetLinearMapping, rom_vmi_nothing
	.set	rom_vmi_SetLazyMode, rom_vmi_nothing

/* Machine and guest-physical pages are the same here. */
ENTRY(rom_vmi_MachineToPhysical)
	ret
END(rom_vmi_MachineToPhysical)

ENTRY(rom_vmi_PhysicalToMachine)
	ret
END(rom_vmi_PhysicalToMachine)

ENTRY(rom_vmi_SetCallbacks)
	xorl	%eax, %eax
	ret
END(rom_vmi_SetCallbacks)

#else /* each is the core's */

SLOW(EnableInterrupts)
SLOW(DisableInterrupts)
SLOW(GetInterruptMask)
SLOW(SetInterruptMask)
SLOW(DeliverInterrupts)
	.globl	rom_vmi_DisableInterrupts_deferred, rom_vmi_SetInterruptMask_deferred
	.set	rom_vmi_DisableInterrupts_deferred, rom_vmi_DisableInterrupts
	.set	rom_vmi_SetInterruptMask_deferred, rom_vmi_SetInterruptMask
SLOW(GetCR0)
SLOW(GetCR2)
SLOW(GetCR3)
SLOW(GetCR4)
SLOW(RDTSC)
SLOW(GetCycleCounter)
SLOW(WriteGDTEntry)
SLOW(UpdateKernelStack)
SLOW(SetIOPLMask)
SLOW(SetPxE)
SLOW(SetPxELong)
SLOW(UpdatePxE)
SLOW(UpdatePxELong)
SLOW(AllocatePage)
SLOW(ReleasePage)
SLOW(SetLinearMapping)
SLOW(SetLazyMode)
SLOW(MachineToPhysical)
SLOW(PhysicalToMachine)
SLOW(SetCallbacks)

#endif

ENTRY(rom_vmi_nothing)
	ret
END(rom_vmi_nothing)

/* ---- returns to user mode ---- */

/* Called with CALL: the return address tells where the guest's IRET stands. */
ENTRY(rom_vmi_IRET)
	popl	%ss:VCPU_IRET_SITE
	subl	$CALL_LENGTH, %ss:VCPU_IRET_SITE
	jmp	rom_iret
END(rom_vmi_IRET)

/* ---- calls that are the core's (core/vmi.c) ---- */

SLOW(CPUID)
SLOW(WRMSR)
SLOW(RDMSR)
SLOW(SetGDT)
SLOW(SetLDT)
SLOW(SetIDT)
SLOW(SetTR)
SLOW(GetGDT)
SLOW(GetLDT)
SLOW(GetIDT)
SLOW(GetTR)
SLOW(WriteLDTEntry)
SLOW(WriteIDTEntry)
SLOW(SetCR0)
SLOW(SetCR2)
SLOW(SetCR3)
SLOW(SetCR4)
SLOW(WBINVD)
SLOW(SetDR)
SLOW(GetDR)
SLOW(RDPMC)
SLOW(CLTS)
SLOW(SYSEXIT)
SLOW(Halt)
SLOW(Reboot)
SLOW(Shutdown)
SLOW(InvalPage)
SLOW(FlushTLB)
SLOW(INL)
SLOW(INB)
SLOW(INW)
SLOW(INSL)
SLOW(INSB)
SLOW(INSW)
SLOW(OUTL)
SLOW(OUTB)
SLOW(OUTW)
SLOW(OUTSL)
SLOW(OUTSB)
SLOW(OUTSW)
SLOW(SetInitialAPState)
SLOW(APICWrite)
SLOW(APICRead)
SLOW(GetCycleFrequency)
SLOW(SetAlarm)
SLOW(CancelAlarm)
SLOW(GetWallclockTime)
SLOW(WallclockUpdated)

/* ---- the ROM's two fixed entries, reached from the option ROM (rom/option/header.S) ---- */

ENTRY(rom_vmi_init)
	GATE(GATE_VMI_INIT)
	ret
END(rom_vmi_init)

/* EAX: call number. EDX:EAX: address, and in DL the relocation type. */
ENTRY(rom_vmi_get_reloc)
	cmpl	$VMI_NR_CALLS, %eax
	jae	1f
	incl	%ss:VCPU_VMI_ASKED(,%eax,4)
	cmpl	$VMI_CALL_EnableInterruptsDeferred, %eax
	jne	2f
	orl	$DELIVERY_BOUNDED, %ss:VCPU_DELIVERY
2:	movl	%ss:rom_vmi_table+4(,%eax,8), %edx
	cmpl	$0, %ss:VCPU_COUNT_CALLS
	jne	3f
	testl	$DELIVERY_DEFERRED, %ss:VCPU_DELIVERY
	jnz	4f
	movl	%ss:rom_vmi_table(,%eax,8), %eax
	ret
3:	movl	%ss:rom_counting_table(,%eax,4), %eax
	ret
4:	movl	%ss:deferred_table(,%eax,4), %eax
	ret
1:	incl	%ss:VCPU_VMI_ASKED_UNKNOWN
	xorl	%eax, %eax
	movl	$VMI_RELOCATION_NONE, %edx
	ret
END(rom_vmi_get_reloc)

/* Nothing to wait for on a port that is not there. */
	.globl	rom_vmi_IODelay
	.set	rom_vmi_IODelay, rom_vmi_nothing
	.set	type_IODelay, VMI_RELOCATION_NOP

/*
 * Nothing to be told either, so the guest is told not to: Linux then leaves out the C functions
 * around these calls, which for a fork are two for each page. Their addresses work all the same.
 */
#if FAST_ROM_CALLS
	.set	type_UpdatePxE, VMI_RELOCATION_NOP
	.set	type_UpdatePxELong, VMI_RELOCATION_NOP
	.set	type_AllocatePage, VMI_RELOCATION_NOP
	.set	type_ReleasePage, VMI_RELOCATION_NOP
	.set	type_SetLazyMode, VMI_RELOCATION_NOP
#endif

	.globl	rom_vmi_table
	.p2align 3
rom_vmi_table:
#define X(number, name, text)                                                                      \
	.ifndef type_##name;                                                                       \
	.set type_##name, VMI_RELOCATION_CALL_REL;                                                 \
	.endif;                                                                                    \
	.long rom_vmi_##name, type_##name;
	VMI_CALLS(X)

/* What --delivery=deferred answers instead: addresses only, the types are the same. */
	.globl	rom_vmi_EnableInterrupts_deferred
	.set	rom_vmi_EnableInterrupts_deferred, rom_vmi_EnableInterruptsDeferred

deferred_table:
#undef X
#define X(number, name, text)                                                                      \
	.ifdef DEFERS_##name;                                                                      \
	.long rom_vmi_##name##_deferred;                                                           \
	.else;                                                                                     \
	.long rom_vmi_##name;                                                                      \
	.endif;
	VMI_CALLS(X)
