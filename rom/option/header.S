/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM in guest memory, what a VMI kernel looks for between 0xC0000 and 0xE0000
 * (VMI Part 4; layout of struct vrom_header in include/vmi/vmi.h).
 *
 * Executed in place at PAGE_OFFSET + 0xC0000, so position independent: both entries only jump
 * to the hole. main fills in the checksum (loader/vrom.c).
 */
#include "ring1/layout.h"
#include "rom_symbols.h"
#include "vmi/vmi.h"

	.text
rom:
	.word	0xaa55				/* option ROM signature */
	.byte	(rom_end - rom) / 512
	.byte	0xcb, 0, 0, 0			/* BIOS entry: a far return */
	.byte	0
	.ascii	"cVmi"				/* VROM signature */
	.byte	VMI_API_MINOR, VMI_API_MAJOR
	.byte	VMI_NR_CALLS
	.byte	0
	.long	HOLE_BASE			/* virtual_top */
	.word	0
	.word	licence - rom
	.word	pci - rom
	.word	pnp - rom
	.long	0
	.org	rom + 0x80
	pushl	$ROM_VMI_INIT			/* vmi_init */
	ret
	.org	rom + 0x88
	pushl	$ROM_VMI_GET_RELOC		/* get_reloc */
	ret
	.org	rom + 0x90

pci:						/* PCI data structure */
	.ascii	"PCIR"
	.word	0x1234, 0x0801			/* vendor: nobody's; device: as VMware's */
	.word	0
	.word	24
	.byte	0
	.byte	0, 0x80, 0x05			/* memory controller, other */
	.word	(rom_end - rom) / 512
	.byte	1, 0				/* ROM version: minor, major */
	.byte	0, 0x80				/* x86 code, last image */
	.word	0

pnp:						/* PnP expansion header */
	.ascii	"$PnP"
	.byte	1, 2
	.word	0
	.byte	0, 0
	.long	0
	.word	manufacturer - rom
	.word	product - rom

licence:
	.asciz	"GPL v2"
manufacturer:
	.asciz	"ring1"
product:
	.asciz	"VMI ROM"
	.p2align 9
rom_end:
