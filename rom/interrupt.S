/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupt flag in the guest's own mode: no host kernel, no gate unless something waits.
 * See core/interrupt.c for the word and why there is no race.
 *
 * The debate of March 2006 in this file: must an enable look for pending work (VMI: it delivers),
 * or may delivery be a call of its own? Both are here, with the same contracts. Immediate:
 *
 *	orl	$IF, word		enable: sets the flag, and the sign says "one waits"
 *	js	deliver
 *	...
 *	andl	$~IF, word		disable
 *
 * Deferred (--delivery=deferred), when nothing but the window's two ends is executed:
 *
 *	orl	$IF, word		enable
 *	...
 *	cmpl	$PENDING | IF, word	disable: was one let in that has not come?
 *	jae	deliver
 *	andl	$~IF, word
 *
 * The second form does not save the test, it moves it; what it buys is that the test is at the
 * other end of the window. Without it, as in rom_vmi_EnableInterruptsDeferred with
 * rom_vmi_DisableInterrupts, a window is one instruction at each end and lets nothing through.
 */
#include "rom/rom.h"

/*
 * Was an interrupt enabled that has not come? CF is clear if so, and also in some cases of a
 * disabled one, which rom_keep_promise tells apart. Between CMP and the AND behind it nothing can
 * become pending unnoticed: while IF is set a kick delivers by itself.
 */
#define PROMISED (IF_PENDING | IF_BIT)

/*
 * rom_deliver - interrupts were enabled and one waits: let it in now.
 * Clobbers nothing that the guest's handler restores.
 */
ENTRY(rom_deliver)
	GATE(GATE_DELIVER)
	ret
END(rom_deliver)

/*
 * rom_keep_promise - interrupts are about to be disabled, and the word is not below PROMISED: if
 * they are enabled, let in what waits. Clobbers flags.
 */
ENTRY(rom_keep_promise)
	testl	$IF_BIT, %ss:VCPU_IF
	jz	1f
	GATE(GATE_PROMISE)
1:	ret
END(rom_keep_promise)

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

/* rom_disable_keep_deferred - CLI likewise, where enabling is deferred. Clobbers nothing. */
ENTRY(rom_disable_keep_deferred)
	pushfl
	cmpl	$PROMISED, %ss:VCPU_IF
	jae	1f
2:	andl	$~IF_BIT, %ss:VCPU_IF
	popfl
	ret
1:	call	rom_keep_promise
	jmp	2b
END(rom_disable_keep_deferred)

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
 * rom_popf, rom_popf_deferred - POPF. Stack: return address, image; the image is consumed.
 * The real POPF restores everything but IF and IOPL, which it cannot touch at CPL 3. With TF set it
 * would be stepped from here on.
 */
.macro popf name, deferred
ENTRY(\name)
	pushl	%eax
	movl	8(%esp), %eax
	xorl	%ss:VCPU_IOPL, %eax
	testl	$EFLAGS_IOPL | EFLAGS_TF, %eax
	jnz	3f
	movl	8(%esp), %eax
	testl	$IF_BIT, %eax
	jz	1f
	orl	$IF_BIT, %ss:VCPU_IF
	.if	!\deferred
	js	2f
	.endif
	xchg_return
	popl	%eax
	popfl
	ret
1:
	.if	\deferred
	cmpl	$PROMISED, %ss:VCPU_IF
	jae	2f
4:
	.endif
	andl	$~IF_BIT, %ss:VCPU_IF
	xchg_return
	popl	%eax
	popfl
	ret
	.if	\deferred
2:	call	rom_keep_promise
	jmp	4b
	.else
2:	xchg_return
	popl	%eax
	popfl
	GATE(GATE_DELIVER)
	ret
	.endif
3:	popl	%eax
	GATE(GATE_POPF)
	ret	$4
END(\name)
.endm

popf rom_popf, 0
popf rom_popf_deferred, 1
