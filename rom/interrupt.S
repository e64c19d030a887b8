/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupt flag in the guest's own mode: no host kernel, no gate unless something waits.
 * See core/interrupt.c for the word and why there is no race.
 */
#include "rom/rom.h"

/*
 * rom_deliver - interrupts were enabled and one waits: let it in now.
 * Clobbers nothing that the guest's handler restores.
 */
ENTRY(rom_deliver)
	GATE(GATE_DELIVER)
	ret
END(rom_deliver)

/* rom_enable_keep - STI where the arithmetic flags are still needed. Clobbers nothing. */
ENTRY(rom_enable_keep)
	pushfl
	orl	$IF_BIT, %ss:VCPU_IF
	js	1f
	popfl
	ret
1:	popfl
	GATE(GATE_DELIVER)
	ret
END(rom_enable_keep)

/*
 * rom_pushf_image - make the real EFLAGS just pushed the guest's: virtual IF and IOPL.
 * Stack: return address, image. Clobbers nothing, flags included (LEA adds without them).
 */
ENTRY(rom_pushf_image)
	pushl	%eax
	pushl	%ecx
	movl	12(%esp), %ecx
	movzwl	%ss:VCPU_IF, %eax		/* 0 or IF_BIT: pending lives in the high half */
	leal	-IF_BIT(%ecx,%eax), %ecx	/* the real IF is always 1 */
	movl	%ss:VCPU_IOPL, %eax
	addr_add_ecx_eax
	movl	%ecx, 12(%esp)
	popl	%ecx
	popl	%eax
	ret
END(rom_pushf_image)

/*
 * rom_popf - POPF. Stack: return address, image; the image is consumed.
 * The real POPF restores everything but IF and IOPL, which it cannot touch at CPL 3.
 */
ENTRY(rom_popf)
	pushl	%eax
	movl	8(%esp), %eax
	xorl	%ss:VCPU_IOPL, %eax
	testl	$EFLAGS_IOPL, %eax
	jnz	3f
	movl	8(%esp), %eax
	testl	$IF_BIT, %eax
	jz	1f
	orl	$IF_BIT, %ss:VCPU_IF
	js	2f
	xchg_return
	popl	%eax
	popfl
	ret
1:	andl	$~IF_BIT, %ss:VCPU_IF
	xchg_return
	popl	%eax
	popfl
	ret
2:	xchg_return
	popl	%eax
	popfl
	GATE(GATE_DELIVER)
	ret
3:	popl	%eax
	GATE(GATE_POPF)
	ret	$4
END(rom_popf)
