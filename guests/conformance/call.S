/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calling a ROM with every register, flag and segment register chosen, and keeping all that come
 * back (struct registers in vmi.h, in call_in and call_out); and excursions to user mode.
 */
#include "machine.h"

#define EAX    0
#define ECX    4
#define EDX    8
#define EBX    12
#define ESP    16
#define EBP    20
#define ESI    24
#define EDI    28
#define EFLAGS 32
#define DS     36
#define ES     40
#define FS     44
#define GS     48
#define CS     52
#define SS     56

/* What C code expects to find unchanged, and segments and flags; and back to it. */
	.macro	save_caller
	pusha
	pushl	%gs
	pushl	%fs
	pushl	%es
	pushl	%ds
	pushfl
	.endm

	.macro	return_to_caller
	popfl
	popl	%ds
	popl	%es
	popl	%fs
	popl	%gs
	popa
	ret
	.endm

/* Everything of call_in but ESP, CS and SS; the last memory operands need SS only. */
	.macro	load_call_in
	movl	call_in + GS, %eax
	movl	%eax, %gs
	movl	call_in + FS, %eax
	movl	%eax, %fs
	movl	call_in + ES, %eax
	movl	%eax, %es
	movl	call_in + EBX, %ebx
	movl	call_in + ESI, %esi
	movl	call_in + EDI, %edi
	movl	call_in + EBP, %ebp
	movl	call_in + ECX, %ecx
	movl	call_in + EDX, %edx
	pushl	call_in + EFLAGS
	movl	call_in + DS, %eax
	movl	%eax, %ds
	movl	%ss:call_in + EAX, %eax
	popfl
	.endm

	.text
/* void call_rom(void): the CALL at call_site has been aimed at the ROM. */
	.globl	call_rom
call_rom:
	save_caller
	movl	%esp, call_saved_esp
	pushl	call_stack + 12
	pushl	call_stack + 8
	pushl	call_stack + 4
	pushl	call_stack
	movl	%esp, call_in + ESP
	movl	%cs, %eax
	movl	%eax, call_in + CS
	movl	%ss, %eax
	movl	%eax, call_in + SS
	load_call_in
	jmp	call_site
	.globl	call_back
call_back:
	movl	%esp, %ss:call_out + ESP
	movl	%eax, %ss:call_out + EAX
	movl	%ecx, %ss:call_out + ECX
	movl	%edx, %ss:call_out + EDX
	movl	%ebx, %ss:call_out + EBX
	movl	%ebp, %ss:call_out + EBP
	movl	%esi, %ss:call_out + ESI
	movl	%edi, %ss:call_out + EDI
	pushfl
	popl	%ss:call_out + EFLAGS
	movl	%ds, %eax
	movl	%eax, %ss:call_out + DS
	movl	%es, %eax
	movl	%eax, %ss:call_out + ES
	movl	%fs, %eax
	movl	%eax, %ss:call_out + FS
	movl	%gs, %eax
	movl	%eax, %ss:call_out + GS
	movl	%cs, %eax
	movl	%eax, %ss:call_out + CS
	movl	%ss, %eax
	movl	%eax, %ss:call_out + SS
	/* IF stays as the call left it. */
	movl	%ss:call_saved_esp, %esp
	andl	$~0x200, (%esp)
	movl	%ss:call_out + EFLAGS, %eax
	andl	$0x200, %eax
	orl	%eax, (%esp)
/* Here goes on what a trap has ended: only SS is as it should be. */
	.globl	call_recover
call_recover:
	movl	%ss:call_saved_esp, %esp
	return_to_caller

/*
 * void user_enter(const struct registers *): IRET to user mode; back here when user code executes
 * INT 0x80 or raises an exception (trap.c goes on at user_back).
 */
	.globl	user_enter, user_back, user_iret
user_enter:
	movl	4(%esp), %eax
	save_caller
	movl	%esp, user_saved_esp
	pushl	SS(%eax)
	pushl	ESP(%eax)
	pushl	EFLAGS(%eax)
	pushl	CS(%eax)
	pushl	$USER_TEXT
	movl	GS(%eax), %ecx
	movl	%ecx, %gs
	movl	FS(%eax), %ecx
	movl	%ecx, %fs
	pushl	ES(%eax)
	popl	%es
	movl	EBX(%eax), %ebx
	movl	ECX(%eax), %ecx
	movl	EDX(%eax), %edx
	movl	EBP(%eax), %ebp
	movl	ESI(%eax), %esi
	movl	EDI(%eax), %edi
	pushl	EAX(%eax)
	pushl	DS(%eax)
	popl	%ds
	popl	%eax
user_iret:
	iret
user_back:
	movl	%ss:user_saved_esp, %esp
	return_to_caller

/*
 * void return_enter(void): IRET or SYSEXIT as Linux has it, a patched CALL where the instruction
 * stood, with nothing to go back to. return_frame holds return_words words of the frame, the first
 * one at the lowest address.
 */
	.globl	return_enter
return_enter:
	save_caller
	/* Where call_recover and user_back look for it. */
	movl	%esp, call_saved_esp
	movl	%esp, user_saved_esp
	movl	return_words, %ecx
1:	jecxz	2f
	decl	%ecx
	pushl	return_frame(,%ecx,4)
	jmp	1b
2:	movl	%esp, return_esp
	load_call_in
	jmp	return_site

/* A place in the kernel to return to: keeps what it finds. */
	.globl	kernel_code
kernel_code:
	pushfl
	popl	%ss:landed + EFLAGS
	movl	%eax, %ss:landed + EAX
	movl	%ecx, %ss:landed + ECX
	movl	%edx, %ss:landed + EDX
	movl	%ebx, %ss:landed + EBX
	movl	%esp, %ss:landed + ESP
	movl	%ebp, %ss:landed + EBP
	movl	%esi, %ss:landed + ESI
	movl	%edi, %ss:landed + EDI
	movl	%ds, %eax
	movl	%eax, %ss:landed + DS
	movl	%es, %eax
	movl	%eax, %ss:landed + ES
	movl	%fs, %eax
	movl	%eax, %ss:landed + FS
	movl	%gs, %eax
	movl	%eax, %ss:landed + GS
	movl	%cs, %eax
	movl	%eax, %ss:landed + CS
	movl	%ss, %eax
	movl	%eax, %ss:landed + SS
	incl	%ss:landings
	cli
	jmp	call_recover

/* The site that a guest kernel would have patched: in data, so that nobody else rewrites it. */
	.data
	.p2align 4
	.globl	call_site
call_site:
	.byte	0xe8, 0, 0, 0, 0		/* CALL rel32 */
	jmp	call_back

	.p2align 4
	.globl	return_site, return_frame, return_esp, return_words, landed, landings
return_site:
	.byte	0xe8, 0, 0, 0, 0
	hlt
	.p2align 2
return_frame:
	.fill	6, 4, 0
return_esp:
	.long	0
return_words:
	.long	0
landed:
	.fill	15, 4, 0
landings:
	.long	0

	.globl	call_in, call_out, call_stack, call_saved_esp, user_saved_esp
	.p2align 2
call_in:
	.fill	15, 4, 0
call_out:
	.fill	15, 4, 0
call_stack:
	.fill	4, 4, 0
call_saved_esp:
	.long	0
user_saved_esp:
	.long	0

	.section .note.GNU-stack, "", @progbits
