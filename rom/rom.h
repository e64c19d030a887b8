/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conventions of the ROM: 32-bit code that runs in the guest's mode, called where the guest
 * kernel had a sensitive instruction. DS and ES may hold anything, so every access to the
 * virtual CPU's words names SS, which is flat in kernel mode (VMI Part 5: these calls need
 * only CS and SS).
 */
#ifndef ROM_ROM_H
#define ROM_ROM_H

#include "asm_offsets.h"
#include "cell/gate.h"
#include "ring1/layout.h"

#define ENTRY(name)                                                                                \
	.globl name;                                                                               \
	.type name, @function;                                                                     \
	.p2align 4;                                                                                \
	name:

#define END(name) .size name, . - name

/* A far call into the 64-bit core; it returns here unless it decides otherwise. */
#define GATE(n) lcall $HOST_CS64, $(HOLE_GATE + (n) * GATE_PAD_SIZE)

/* VMI calls with a form of their own for --delivery=deferred: rom_vmi_NAME_deferred. */
	.set	DEFERS_EnableInterrupts, 1
	.set	DEFERS_DisableInterrupts, 1
	.set	DEFERS_SetInterruptMask, 1

/* ecx += eax without touching the flags */
.macro addr_add_ecx_eax
	leal	(%ecx,%eax), %ecx
.endm

/* Stack: saved eax, return address, image -> saved eax, image, return address. Clobbers eax. */
.macro xchg_return
	pushl	%ecx
	movl	8(%esp), %ecx
	movl	12(%esp), %eax
	movl	%ecx, 12(%esp)
	movl	%eax, 8(%esp)
	popl	%ecx
.endm

#endif
