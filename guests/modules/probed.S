/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that puts a kprobe on each instruction of a function, and says whether they mean the
 * same as on hardware, with the probes and when these are gone. Loading it fails with a number of
 * sensitive.h, or -200 (a probe was refused), -201 (one was not hit).
 */
#include "module.h"
#define LIST_OF probed
#include "sensitive.h"

/* struct kprobe: <linux/kprobes.h>; its size, and a counter behind it, at most. */
#define KPROBE_ADDR 20
#define KPROBE_PRE  32
#define PROBE_HITS  124
#define PROBE_SHIFT 7

MODULE_THAT_CALLS("probed")

FUNCTION(probed, .text)
	body
END(probed)

	.section .data, "aw"
	.balign 4
probes:
	.zero instructions << PROBE_SHIFT

	.section .instructions, "a"
offsets = . - instructions * 4

/* int pre_handler(struct kprobe *, struct pt_regs *) */
FUNCTION(hit, .text)
	incl PROBE_HITS(%eax)
	xorl %eax, %eax
	ret
END(hit)

/* EAX: the probe of instruction ESI */
.macro probe_of_esi
	movl %esi, %eax
	shll $PROBE_SHIFT, %eax
	addl $probes, %eax
.endm

FUNCTION(init_module, .init.text)
	pushl %esi
	pushl %edi
	xorl %esi, %esi
1:	probe_of_esi
	movl offsets(, %esi, 4), %edx
	addl $probed, %edx
	movl %edx, KPROBE_ADDR(%eax)
	movl $hit, KPROBE_PRE(%eax)
	call register_kprobe
	movl $-200, %edi
	testl %eax, %eax
	jnz 3f
	incl %esi
	cmpl $instructions, %esi
	jb 1b
	call probed
	movl %eax, %edi
	jmp 3f
2:	probe_of_esi
	call unregister_kprobe
3:	decl %esi
	jns 2b
	movl %edi, %eax
	testl %eax, %eax
	jnz 5f
	movl $instructions, %esi
4:	decl %esi
	js 6f
	probe_of_esi
	cmpl $1, PROBE_HITS(%eax)
	movl $-201, %eax
	je 4b
	jmp 5f
6:	call probed
5:	popl %edi
	popl %esi
	ret
END(init_module)

FUNCTION(cleanup_module, .exit.text)
	ret
END(cleanup_module)
