/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the boot loader to hostile_main() at 3 GiB, with 4 MiB pages; every vector leads to
 * caught(), which does not come back.
 */
#define PAGE_OFFSET  0xc0000000
#define PA(x)        ((x) - PAGE_OFFSET)
#define CR4_PSE      0x10
#define CR0_PG_WP_PE 0x80010033
#define LARGE_RW     0x87 /* present, writable, user, 4 MiB */
#define KERNEL_CS    0x08
#define KERNEL_DS    0x10

	.section .multiboot, "a"
	.p2align 2
	.long	0x1badb002, 0x3, -(0x1badb002 + 0x3)

	.text
	.globl	start, run_user, call_rom, vector_entries
start:
	cli
	cld
	movl	%ebx, PA(boot_info)
	movl	%cr4, %eax
	orl	$CR4_PSE, %eax
	movl	%eax, %cr4
	movl	$PA(page_root), %eax
	movl	%eax, %cr3
	movl	$CR0_PG_WP_PE, %eax
	movl	%eax, %cr0
	movl	$1f, %eax
	jmp	*%eax
1:	lgdt	gdt_register
	ljmp	$KERNEL_CS, $1f
1:	movl	$KERNEL_DS, %eax
	movl	%eax, %ss
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$stack_top, %esp
	call	hostile_main
1:	hlt
	jmp	1b

/* Vector n pushes n; what lies below it on the stack does not matter. */
	.p2align 4
vector_entries:
	.set	n, 0
	.rept	256
	.p2align 4
	pushl	$n
	jmp	enter
	.set	n, n + 1
	.endr
enter:
	popl	%eax
	movl	$KERNEL_DS, %ecx
	movl	%ecx, %ds
	movl	%ecx, %es
	movl	%ecx, %ss
	movl	$stack_top, %esp
	cld
	call	caught
	hlt

/* void run_user(const uint32_t frame[5]): IRET to user mode */
run_user:
	movl	4(%esp), %esp
	movl	$0x23, %eax
	movl	%eax, %ds
	movl	%eax, %es
	iret

/* void call_rom(uint32_t entry, const uint32_t r[8]): with random registers, ESP excepted */
call_rom:
	pushal
	movl	36(%esp), %eax
	movl	%eax, rom_entry
	movl	40(%esp), %esi
	pushl	20(%esi)
	pushl	24(%esi)
	movl	(%esi), %eax
	movl	4(%esi), %ecx
	movl	8(%esi), %edx
	movl	12(%esi), %ebx
	movl	16(%esi), %ebp
	movl	28(%esi), %edi
	movl	20(%esi), %esi
	call	*rom_entry
	addl	$8, %esp
	popal
	ret

	.data
	.p2align 12
	.globl	page_root, gdt, idt, gdt_register, idt_register, boot_info, rom_entry
page_root:
	.set	i, 0
	.rept	8
	.long	(i << 22) + LARGE_RW
	.set	i, i + 1
	.endr
	.org	page_root + (PAGE_OFFSET >> 20)
	.set	i, 0
	.rept	8
	.long	(i << 22) + LARGE_RW
	.set	i, i + 1
	.endr
	.p2align 12
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff
	.globl	tss_descriptor
tss_descriptor:
	.quad	0
	.fill	10, 8, 0
	.p2align 4
idt:	.fill	256, 8, 0
gdt_register:
	.word	16 * 8 - 1
	.long	gdt
idt_register:
	.word	256 * 8 - 1
	.long	idt
boot_info:
	.long	0
rom_entry:
	.long	0

	.bss
	.p2align 12
	.skip	16384
	.globl	stack_top
stack_top:

	.section .note.GNU-stack, "", @progbits
