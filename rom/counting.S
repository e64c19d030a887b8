/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries that count and go on at the real code. Only reached when the user asked for it:
 * VMI_GetRelocationInfo answers with these then (rom/vmi.S), and the annotator's stubs call
 * rom_popf_counted (annotate/stub.c). Nobody else pays for them.
 *
 * A count is exact: an interrupt between the two additions may count as well, and the carry
 * kept in its frame's EFLAGS still belongs to this one. Clobbers nothing, flags included; needs
 * 4 bytes of stack, given back before the call itself begins.
 */
#include "rom/rom.h"
#include "vmi/vmi.h"

.macro count_up at
	addl	$1, %ss:\at
	adcl	$0, %ss:\at+4
.endm

	.set	tells_mask_SetInterruptMask, 1

#define X(number, name, text)                                                                      \
	ENTRY(rom_counted_##name);                                                                 \
	pushfl;                                                                                    \
	count_up VCPU_COUNT_VMI+8*number;                                                          \
	.ifdef tells_mask_##name;                                                                  \
	testl $IF_BIT, %eax;                                                                       \
	jz 1f;                                                                                     \
	count_up VCPU_COUNT_MASK_ENABLING;                                                         \
	1:;                                                                                        \
	.endif;                                                                                    \
	.ifdef DEFERS_##name;                                                                      \
	testl $DELIVERY_DEFERRED, %ss:VCPU_DELIVERY;                                               \
	jz 2f;                                                                                     \
	popfl;                                                                                     \
	jmp rom_vmi_##name##_deferred;                                                             \
	2:;                                                                                        \
	.endif;                                                                                    \
	popfl;                                                                                     \
	jmp rom_vmi_##name;                                                                        \
	END(rom_counted_##name);
	VMI_CALLS(X)
#undef X

/* In place of rom_popf. Stack: return address, image. */
ENTRY(rom_popf_counted)
	pushfl
	testl	$IF_BIT, 8(%esp)
	jz	1f
	count_up VCPU_COUNT_POPF_ENABLING
1:	testl	$DELIVERY_DEFERRED, %ss:VCPU_DELIVERY
	jnz	2f
	popfl
	jmp	rom_popf
2:	popfl
	jmp	rom_popf_deferred
END(rom_popf_counted)

	.globl	rom_counting_table
	.p2align 3
rom_counting_table:
#define X(number, name, text) .long rom_counted_##name;
	VMI_CALLS(X)
