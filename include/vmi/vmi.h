/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMI, the Virtual Machine Interface for i386: the binary contract between a guest kernel and
 * the ROM of its hypervisor. For guests, for ROMs, and for tools that speak about either.
 * C and assembler (32 or 64 bit) read this file; it depends on nothing but the C compiler.
 *
 * API 3.0 is what upstream Linux 2.6.21 to 2.6.36 speaks. This header describes 3.1: the same
 * 74 calls, and two appended ones (74, 75) that ring1 adds.
 *
 *
 * HOW A GUEST FINDS AND USES A ROM
 *
 * 1. It looks for struct vrom_header every VMI_ROM_SEARCH_STEP bytes of physical memory in
 *    [VMI_ROM_SEARCH_START, VMI_ROM_SEARCH_END), with both signatures right, the major version
 *    equal to its own, the minor at least what it needs, and a licence it accepts.
 * 2. It gives up all linear addresses from virtual_top on.
 * 3. It calls VMI_Init at ROM + VMI_ROM_INIT. The ROM runs in place, wherever the guest has that
 *    memory mapped, so its code is position independent.
 * 4. It asks VMI_GetRelocationInfo at ROM + VMI_ROM_GET_RELOC for the address of each call it
 *    wants, and calls it there, or patches its own code to do so.
 *
 * VMI_Init            in: nothing. out: EAX = 0, or not 0: nothing has changed and the guest may
 *                     stay native. Clobbers EAX, ECX, EDX, flags; all segments flat. On success
 *                     the guest has left ring 0: the caller resumes at the same address, stack
 *                     and selector indexes, with CS.RPL = SS.RPL = the kernel's new privilege
 *                     level (user mode stays 3), and with the virtual IF clear. Linux calls it
 *                     with interrupts off, then takes CS & 3 as the level.
 *                     Source: P2.1, P5, Linux activate_vmi().
 * VMI_GetRelocationInfo
 *                     in: EAX = call number. out: EDX:EAX = struct vmi_relocation_info.
 *                     Clobbers ECX, flags. Valid from VMI_Init on, for as long as the guest runs:
 *                     Linux asks again for each patched place and for each module. A number that
 *                     the ROM does not know gives type VMI_RELOCATION_NONE.
 *                     Source: Linux vmi.h and vmi.c.
 *
 * A major version that differs means other calls or another order. Within a major version calls
 * are only appended, with a higher minor (ROMH). A guest that wants calls 74 and 75 either
 * requires minor 1 or looks whether their relocation type is VMI_RELOCATION_NONE.
 *
 *
 * CALLING CONVENTION
 *
 * "standard" below means, unless a call says otherwise:
 *
 * arguments  gcc's regparm(3): EAX, EDX, ECX, then the stack. 4(%esp) at the call's first
 *            instruction is the fourth word; the caller removes it. 64-bit results are in
 *            EDX:EAX. DF is clear. P5 counts stack words from 0 in one place and from 1 in
 *            another and means 4(%esp) both times.
 * clobbers   EAX, ECX, EDX and the arithmetic flags. EBX, ESI, EDI, EBP, ESP, the segment
 *            registers, DF and IOPL are preserved. What a call hands out counts as clobbered.
 * segments   CS, SS, DS and ES flat: base 0, limit as the hypervisor set it. FS and GS are the
 *            guest's, with any content; the ROM neither uses nor changes them.
 *            "CS, SS" means that DS and ES may hold anything, such as user or null selectors.
 * mode       The kernel's privilege level, 32-bit code and stack (P4 rule 4), 32 bytes of room on
 *            the stack (P4 rule 3).
 *
 *
 * DEFERRAL
 *
 * A call that may be deferred may return before its effect can be seen by the processor.
 *
 * MMU queue  SetPxE, SetPxELong, UpdatePxE, UpdatePxELong: when called with VMI_PAGE_DEFER, or
 *            in lazy mode VMI_LAZY_MODE_MMU_UPDATES. Flushed by SetLazyMode(OFF), InvalPage,
 *            FlushTLB and any page fault. The guest's memory itself is written at once; what
 *            waits is the hypervisor's shadow of it. Another processor may use the old entry
 *            until the flush: flush before asking others to (P2.2).
 * CPU queue  SetCR3, UpdateKernelStack, WriteGDTEntry, WriteLDTEntry, WriteIDTEntry: in lazy mode
 *            VMI_LAZY_MODE_CPU_STATE. Flushed by SetLazyMode(OFF), which the guest must call
 *            before it depends on any of them. Which calls exactly is not listed by the sources
 *            beyond CR3, the kernel stack and descriptor writes.
 *            ring1: the Get calls answer with the newest value, queued or not.
 *
 *
 * FAULTS AND BAD ARGUMENTS
 *
 * The sources promise little: a fault's EIP may differ from the native one (P4 rule 8), and only
 * IRET has to blame its caller's place. What ring1 does, called by these names below:
 *
 * #PF        Memory that a call reads or writes for the guest is not mapped or not writable: #PF
 *            with CR2 = that address and EIP inside the ROM. The guest's handler may map the page
 *            and return; the access is repeated.
 * at call    The exception that the native instruction would raise, shown as if the call itself
 *            had raised it: EIP = return address - 5, where a patched call starts, and ESP and
 *            registers as before the call. An exception-table entry for that place is found.
 *            Returning to it repeats the call, if a 5-byte call is there.
 * ignored    The call returns and has changed nothing but its clobbers.
 *
 * Addresses at or above virtual_top belong to the hypervisor: entries and mappings for them are
 * accepted and have no effect.
 *
 *
 * READING THE CALLS
 *
 * A sentence that begins with "ring1:" is a choice where the public sources are silent. DERIVED
 * marks what was inferred from code rather than stated; NOT FOUND what no public source gave.
 * "if NONE" tells what a guest gets when the ROM does not offer the call and the native
 * instruction runs at the lowered privilege level: a trap to the hypervisor, or silently wrong
 * results. "Linux" tells how Linux reaches the call: direct (its address is put into a table of
 * operations), wrapped (by a C function), patched (into the code, 5 bytes), or not at all.
 *
 * P1 P2.1 P2.2 P3 P4 P5   Zachary Amsden, "VMI Interface Proposal Documentation for I386", Part 1
 *                         to 5, linux-kernel, 2006-03-13: Paravirtualization API Version 2.0.
 *                         Part 5 describes the calls. The text of version 2.5: NOT FOUND.
 * ROMH                    VMware's GPL headers for API 3.0: vmiCalls.h, paravirtualInterface.h.
 * Linux                   Upstream kernels 2.6.21 to 2.6.36: asm/vmi.h, vmi.c, vmitime.c and
 *                         vmiclock.c under their names of the time. (a hash): a commit there.
 */
#ifndef VMI_VMI_H
#define VMI_VMI_H

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>
#endif

/* ---- versions ---- */

#define VMI_API_MAJOR     3
#define VMI_API_MINOR     1
#define VMI_API_MINOR_3_0 0 /* what upstream Linux requires at least */

#define VMI_CALLS_3_0 74 /* calls of API 3.0: 0 to 73 */
#define VMI_CALLS_3_1 76 /* and of 3.1: 0 to 75 */
#define VMI_NR_CALLS  VMI_CALLS_3_1

/* ---- the ROM in memory ---- */

#define VMI_ROM_SEARCH_START 0xc0000 /* Linux; P4 starts at 0xc8000 */
#define VMI_ROM_SEARCH_END   0xe0000 /* first address behind */
#define VMI_ROM_SEARCH_STEP  0x800

#define VMI_OPROM_SIGNATURE 0xaa55     /* bytes 55 aa */
#define VMI_SIGNATURE       0x696d5663 /* bytes 63 56 6d 69: "cVmi" */
#define VMI_ROM_UNIT        512        /* of rom_length, in bytes */
#define VMI_ROM_HEADER_SIZE 0x90
#define VMI_ROM_INIT        0x80 /* entry: VMI_Init */
#define VMI_ROM_GET_RELOC   0x88 /* entry: VMI_GetRelocationInfo */
#define VMI_ROM_ENTRY_SIZE  8    /* executable bytes of each of the two entries: room for a jump */

/* Offsets of struct vrom_header, for assembler. */
#define VROM_SIGNATURE       0x00
#define VROM_LENGTH          0x02
#define VROM_ENTRY           0x03
#define VROM_PAD0            0x07
#define VROM_VROM_SIGNATURE  0x08
#define VROM_API_VERSION_MIN 0x0c
#define VROM_API_VERSION_MAJ 0x0d
#define VROM_JUMP_SLOTS      0x0e
#define VROM_RESERVED1       0x0f
#define VROM_VIRTUAL_TOP     0x10
#define VROM_RESERVED2       0x14
#define VROM_LICENSE_OFFS    0x16
#define VROM_PCI_HEADER_OFFS 0x18
#define VROM_PNP_HEADER_OFFS 0x1a
#define VROM_PAD3            0x1c
#define VROM_RESERVED        0x20

/* PCI data structure ("PCIR") and PnP expansion header ("$PnP"): sizes as Linux declares them. */
#define VMI_PCI_SIGNATURE   0x52494350 /* bytes 50 43 49 52 */
#define VMI_PCI_HEADER_SIZE 24
#define VMI_PNP_SIGNATURE   0x506e5024 /* bytes 24 50 6e 50 */
#define VMI_PNP_HEADER_SIZE 18

/* What VMware's ROM carries. Linux logs "unknown manufacturer" for others and goes on. */
#define VMI_PCI_VENDOR_VMWARE 0x15ad
#define VMI_PCI_DEVICE_VMWARE 0x0801

#ifndef __ASSEMBLER__

/*
 * The start of a VMI ROM; all offsets in it count from the ROM's first byte. Linux does not read
 * rom_length, rom_entry and jump_slots and does not verify that the bytes of the ROM add up to 0
 * modulo 256; a BIOS and P4 want all of that right. ROMH still draws bytes 0x10 to 0x17 as two
 * reserved words; the meaning below is the one Linux uses.
 */
struct vrom_header {
	uint16_t rom_signature;   /* VMI_OPROM_SIGNATURE */
	uint8_t rom_length;       /* in units of VMI_ROM_UNIT bytes */
	uint8_t rom_entry[4];     /* 16-bit code that a BIOS calls */
	uint8_t rom_pad0;         /* 0 */
	uint32_t vrom_signature;  /* VMI_SIGNATURE */
	uint8_t api_version_min;  /* at least what the guest requires */
	uint8_t api_version_maj;  /* equal to the guest's, or the ROM is skipped */
	uint8_t jump_slots;       /* number of slots in the older, fixed layout of calls */
	uint8_t reserved1;        /* 0 */
	uint32_t virtual_top;     /* first linear address that is the hypervisor's */
	uint16_t reserved2;       /* 0 */
	uint16_t license_offs;    /* a string; Linux takes "GPL" and "GPL v2", 0 means none */
	uint16_t pci_header_offs; /* struct vmi_pci_header; Linux refuses 0 */
	uint16_t pnp_header_offs; /* struct vmi_pnp_header, or 0 */
	uint32_t rom_pad3;        /* 0 */
	uint8_t reserved[96];     /* for the headers and strings, which may be elsewhere too */
	uint8_t vmi_init[8];      /* code: VMI_Init */
	uint8_t get_reloc[8];     /* code: VMI_GetRelocationInfo */
} __attribute__((packed));

#define VMI_AT_(type, field, offset)                                                               \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field " is elsewhere")

VMI_AT_(vrom_header, rom_signature, VROM_SIGNATURE);
VMI_AT_(vrom_header, rom_length, VROM_LENGTH);
VMI_AT_(vrom_header, rom_entry, VROM_ENTRY);
VMI_AT_(vrom_header, rom_pad0, VROM_PAD0);
VMI_AT_(vrom_header, vrom_signature, VROM_VROM_SIGNATURE);
VMI_AT_(vrom_header, api_version_min, VROM_API_VERSION_MIN);
VMI_AT_(vrom_header, api_version_maj, VROM_API_VERSION_MAJ);
VMI_AT_(vrom_header, jump_slots, VROM_JUMP_SLOTS);
VMI_AT_(vrom_header, reserved1, VROM_RESERVED1);
VMI_AT_(vrom_header, virtual_top, VROM_VIRTUAL_TOP);
VMI_AT_(vrom_header, reserved2, VROM_RESERVED2);
VMI_AT_(vrom_header, license_offs, VROM_LICENSE_OFFS);
VMI_AT_(vrom_header, pci_header_offs, VROM_PCI_HEADER_OFFS);
VMI_AT_(vrom_header, pnp_header_offs, VROM_PNP_HEADER_OFFS);
VMI_AT_(vrom_header, rom_pad3, VROM_PAD3);
VMI_AT_(vrom_header, reserved, VROM_RESERVED);
VMI_AT_(vrom_header, vmi_init, VMI_ROM_INIT);
VMI_AT_(vrom_header, get_reloc, VMI_ROM_GET_RELOC);
_Static_assert(sizeof(struct vrom_header) == VMI_ROM_HEADER_SIZE, "size of struct vrom_header");

/*
 * The PCI data structure of an option ROM. Linux reads vendor and device, and shows the two
 * version bytes as the ROM's version.
 */
struct vmi_pci_header {
	uint32_t signature; /* VMI_PCI_SIGNATURE */
	uint16_t vendor_id;
	uint16_t device_id;
	uint16_t vpd;          /* 0: no vital product data */
	uint16_t size;         /* of this structure: VMI_PCI_HEADER_SIZE */
	uint8_t revision;      /* of this structure: 0 */
	uint8_t class_code[3]; /* PCI: interface, subclass, class; Linux names them backwards */
	uint16_t chunks;       /* length of the image, in units of VMI_ROM_UNIT bytes */
	uint8_t rom_version_min;
	uint8_t rom_version_maj;
	uint8_t code_type; /* 0: x86 */
	uint8_t last_rom;  /* bit 7: no further image follows */
	uint16_t reserved;
} __attribute__((packed));

VMI_AT_(vmi_pci_header, signature, 0x00);
VMI_AT_(vmi_pci_header, vendor_id, 0x04);
VMI_AT_(vmi_pci_header, device_id, 0x06);
VMI_AT_(vmi_pci_header, vpd, 0x08);
VMI_AT_(vmi_pci_header, size, 0x0a);
VMI_AT_(vmi_pci_header, revision, 0x0c);
VMI_AT_(vmi_pci_header, class_code, 0x0d);
VMI_AT_(vmi_pci_header, chunks, 0x10);
VMI_AT_(vmi_pci_header, rom_version_min, 0x12);
VMI_AT_(vmi_pci_header, rom_version_maj, 0x13);
VMI_AT_(vmi_pci_header, code_type, 0x14);
VMI_AT_(vmi_pci_header, last_rom, 0x15);
VMI_AT_(vmi_pci_header, reserved, 0x16);
_Static_assert(sizeof(struct vmi_pci_header) == VMI_PCI_HEADER_SIZE, "size of the PCI header");

/*
 * The beginning of the PnP expansion header; the standard's is longer, and size says how long, in
 * units of 16 bytes. Linux reads the two names, for its log.
 */
struct vmi_pnp_header {
	uint32_t signature; /* VMI_PNP_SIGNATURE */
	uint8_t revision;
	uint8_t size;
	uint16_t next;     /* offset of the next such header, or 0 */
	uint16_t reserved; /* in the standard: a zero byte, then the header's checksum byte */
	uint32_t device_id;
	uint16_t manufacturer; /* offset of a string, or 0 */
	uint16_t product;      /* offset of a string, or 0 */
} __attribute__((packed));

VMI_AT_(vmi_pnp_header, signature, 0x00);
VMI_AT_(vmi_pnp_header, revision, 0x04);
VMI_AT_(vmi_pnp_header, size, 0x05);
VMI_AT_(vmi_pnp_header, next, 0x06);
VMI_AT_(vmi_pnp_header, reserved, 0x08);
VMI_AT_(vmi_pnp_header, device_id, 0x0a);
VMI_AT_(vmi_pnp_header, manufacturer, 0x0e);
VMI_AT_(vmi_pnp_header, product, 0x10);
_Static_assert(sizeof(struct vmi_pnp_header) == VMI_PNP_HEADER_SIZE, "size of the PnP header");

#endif /* __ASSEMBLER__ */

/* ---- relocation ---- */

/*
 * What the guest is to do with a call. Linux crashes at its first return from a trap unless IRET
 * (and SYSEXIT, where CPUID shows SEP) is CALL_REL or JUMP_REL. The timer calls must be offered
 * all together or not at all; Linux tests GetCycleFrequency for "not NONE" and calls it then, so
 * NOP is no answer there. NOP exists in the kernel's header only, and Linux up to 2.6.21-rc7
 * takes it for a bug (0492c371372).
 */
#define VMI_RELOCATION_NONE     0 /* not offered: keep what there is */
#define VMI_RELOCATION_CALL_REL 1 /* call eip */
#define VMI_RELOCATION_JUMP_REL 2 /* jump to eip */
#define VMI_RELOCATION_NOP      3 /* do nothing in its place */

#ifndef __ASSEMBLER__

/* The answer of VMI_GetRelocationInfo: EAX is eip, DL is type, the rest of EDX reserved. */
struct vmi_relocation_info {
	uint32_t eip; /* linear address */
	uint8_t type; /* VMI_RELOCATION_* */
	uint8_t reserved[3];
} __attribute__((packed));

VMI_AT_(vmi_relocation_info, eip, 0);
VMI_AT_(vmi_relocation_info, type, 4);
VMI_AT_(vmi_relocation_info, reserved, 5);
_Static_assert(sizeof(struct vmi_relocation_info) == 8, "it is returned in EDX:EAX");

#endif /* __ASSEMBLER__ */

/* ---- constants of the calls ---- */

/* GetInterruptMask, SetInterruptMask: the only bit that means anything, EFLAGS.IF. */
#define VMI_INTERRUPTS_ENABLED 0x200

/* SetIOPLMask: bits 12 and 13, as in EFLAGS. */
#define VMI_IOPL_SHIFT 12
#define VMI_IOPL_MASK  0x3000

/* Reboot */
#define VMI_REBOOT_SOFT 0
#define VMI_REBOOT_HARD 1

/* What a page holds, or at which level an entry stands: all page-table calls. */
#define VMI_PAGE_PT   0x01
#define VMI_PAGE_PD   0x02
#define VMI_PAGE_PDP  0x04
#define VMI_PAGE_PML4 0x08

/* AllocatePage, ReleasePage: and how to shadow it. Bit 4 means something else further down. */
#define VMI_PAGE_PAE    0x10 /* entries have 64 bits */
#define VMI_PAGE_CLONE  0x20 /* entries equal another page's in a range: its shadow can be copied */
#define VMI_PAGE_ZEROED 0x40 /* the page holds zeros */

/* SetPxE, SetPxELong, UpdatePxE, UpdatePxELong: and where the entry takes effect. */
#define VMI_PAGE_CURRENT_AS 0x10 /* in the current address space, at the address in VA_MASK */
#define VMI_PAGE_DEFER      0x20 /* it may wait for the next flush */
#define VMI_PAGE_VA_MASK    0xfffff000

/* FlushTLB */
#define VMI_FLUSH_TLB    0x01 /* always set */
#define VMI_FLUSH_GLOBAL 0x02 /* entries with the G bit too */

/* SetLinearMapping: slots of each processor */
#define VMI_LINEAR_MAP_SLOTS 4

/* SetLazyMode */
#define VMI_LAZY_MODE_OFF         0
#define VMI_LAZY_MODE_MMU_UPDATES 1
#define VMI_LAZY_MODE_CPU_STATE   2

/* APICWrite, APICRead: the part of the argument that says the register. */
#define VMI_APIC_REGISTER_MASK 0xfff

/* Time: counters of cycles, each with the constant rate that GetCycleFrequency tells. */
#define VMI_CYCLES_REAL      0 /* real time; stands still only while the machine is suspended */
#define VMI_CYCLES_AVAILABLE 1 /* REAL less STOLEN */
#define VMI_CYCLES_STOLEN    2 /* this VCPU was ready to run and did not; 0 at its start */

/* SetAlarm, CancelAlarm: a counter (REAL or AVAILABLE) and these. */
#define VMI_ALARM_COUNTER_MASK 0x000000ff
#define VMI_ALARM_IS_ONESHOT   0x00000000
#define VMI_ALARM_IS_PERIODIC  0x00000100
#define VMI_ALARM_WIRED_IRQ0   0x00000000 /* raises line 0 of the PIC or IO-APIC */
#define VMI_ALARM_WIRED_LVTT   0x00010000 /* raises the vector of the local APIC's timer */

/* GetWallclockTime: units in a second. */
#define VMI_WALLCLOCK_HZ 1000000000

/* Offsets of struct vmi_ap_state, for assembler. */
#define VMI_AP_CR0        0
#define VMI_AP_CR2        4
#define VMI_AP_CR3        8
#define VMI_AP_CR4        12
#define VMI_AP_EFER       16
#define VMI_AP_EIP        24
#define VMI_AP_EFLAGS     28
#define VMI_AP_EAX        32
#define VMI_AP_EBX        36
#define VMI_AP_ECX        40
#define VMI_AP_EDX        44
#define VMI_AP_ESP        48
#define VMI_AP_EBP        52
#define VMI_AP_ESI        56
#define VMI_AP_EDI        60
#define VMI_AP_CS         64
#define VMI_AP_SS         66
#define VMI_AP_DS         68
#define VMI_AP_ES         70
#define VMI_AP_FS         72
#define VMI_AP_GS         74
#define VMI_AP_LDTR       76
#define VMI_AP_GDTR_LIMIT 78
#define VMI_AP_GDTR_BASE  80
#define VMI_AP_IDTR_BASE  84
#define VMI_AP_IDTR_LIMIT 88
#define VMI_AP_STATE_SIZE 92

#ifndef __ASSEMBLER__

/*
 * SetInitialAPState: with what a further processor starts. What is missing here (TR, debug
 * registers, FPU, other MSRs) is as after power-on. Note the order of the last two.
 */
struct vmi_ap_state {
	uint32_t cr0, cr2, cr3, cr4;
	uint64_t efer;
	uint32_t eip, eflags;
	uint32_t eax, ebx, ecx, edx, esp, ebp, esi, edi;
	uint16_t cs, ss, ds, es, fs, gs, ldtr;
	uint16_t gdtr_limit;
	uint32_t gdtr_base;
	uint32_t idtr_base;
	uint16_t idtr_limit;
	uint16_t reserved;
} __attribute__((packed));

VMI_AT_(vmi_ap_state, cr0, VMI_AP_CR0);
VMI_AT_(vmi_ap_state, cr2, VMI_AP_CR2);
VMI_AT_(vmi_ap_state, cr3, VMI_AP_CR3);
VMI_AT_(vmi_ap_state, cr4, VMI_AP_CR4);
VMI_AT_(vmi_ap_state, efer, VMI_AP_EFER);
VMI_AT_(vmi_ap_state, eip, VMI_AP_EIP);
VMI_AT_(vmi_ap_state, eflags, VMI_AP_EFLAGS);
VMI_AT_(vmi_ap_state, eax, VMI_AP_EAX);
VMI_AT_(vmi_ap_state, ebx, VMI_AP_EBX);
VMI_AT_(vmi_ap_state, ecx, VMI_AP_ECX);
VMI_AT_(vmi_ap_state, edx, VMI_AP_EDX);
VMI_AT_(vmi_ap_state, esp, VMI_AP_ESP);
VMI_AT_(vmi_ap_state, ebp, VMI_AP_EBP);
VMI_AT_(vmi_ap_state, esi, VMI_AP_ESI);
VMI_AT_(vmi_ap_state, edi, VMI_AP_EDI);
VMI_AT_(vmi_ap_state, cs, VMI_AP_CS);
VMI_AT_(vmi_ap_state, ss, VMI_AP_SS);
VMI_AT_(vmi_ap_state, ds, VMI_AP_DS);
VMI_AT_(vmi_ap_state, es, VMI_AP_ES);
VMI_AT_(vmi_ap_state, fs, VMI_AP_FS);
VMI_AT_(vmi_ap_state, gs, VMI_AP_GS);
VMI_AT_(vmi_ap_state, ldtr, VMI_AP_LDTR);
VMI_AT_(vmi_ap_state, gdtr_limit, VMI_AP_GDTR_LIMIT);
VMI_AT_(vmi_ap_state, gdtr_base, VMI_AP_GDTR_BASE);
VMI_AT_(vmi_ap_state, idtr_base, VMI_AP_IDTR_BASE);
VMI_AT_(vmi_ap_state, idtr_limit, VMI_AP_IDTR_LIMIT);
VMI_AT_(vmi_ap_state, reserved, VMI_AP_IDTR_LIMIT + 2);
_Static_assert(sizeof(struct vmi_ap_state) == VMI_AP_STATE_SIZE, "size of struct vmi_ap_state");

/* The operand of SetGDT, SetIDT, GetGDT and GetIDT, as LGDT has it. */
struct vmi_table_register {
	uint16_t limit; /* bytes of the table, less 1 */
	uint32_t base;  /* linear address */
} __attribute__((packed));

VMI_AT_(vmi_table_register, limit, 0);
VMI_AT_(vmi_table_register, base, 2);
_Static_assert(sizeof(struct vmi_table_register) == 6, "size of struct vmi_table_register");

#endif /* __ASSEMBLER__ */

/* ---- processor identification and model-specific registers ---- */

/*
 * CPUID: tell the processor's identity and features, as the hypervisor wants them seen
 *   in        EAX leaf, ECX subleaf
 *   out       EAX, EBX, ECX, EDX as CPUID gives them
 *   clobbers  flags
 *   segments  standard
 *   deferral  never
 *   errors    none. A leaf that does not exist answers as the processor does.
 *   if NONE   silent: CPUID does not trap and shows the host's processor.
 *   Linux     wrapped. Whatever feature bits it sees it uses: PSE, PGE, SEP, TSC, MTRR, APIC,
 *             PAE, NX. Boot options (vmi=disable_pse and the like) mask leaf 1 EDX in the guest.
 *   source    P5, ROMH
 */
#define VMI_CALL_CPUID 0

/*
 * WRMSR: write a model-specific register
 *   in        ECX register, EDX:EAX value
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    a register that does not exist, or a value it does not take: #GP(0) at call.
 *   if NONE   trap
 *   Linux     not used: it executes WRMSR, with an exception-table entry where #GP is expected.
 *   source    P5, ROMH
 */
#define VMI_CALL_WRMSR 1

/*
 * RDMSR: read a model-specific register
 *   in        ECX register
 *   out       EDX:EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    a register that does not exist: #GP(0) at call.
 *   if NONE   trap
 *   Linux     not used, see WRMSR.
 *   source    P5, ROMH
 */
#define VMI_CALL_RDMSR 2

/* ---- descriptor tables ---- */

/*
 * The hypervisor may change the descriptors it is given: privilege level 0 becomes the kernel's
 * level, limits end below virtual_top. Nobody may expect to read back what was written (P2.1).
 * Tables belong to one processor; writing another's is undefined (P2.2), and tables should start
 * on a page boundary (P2.1; Linux's boot GDT before 2.6.22 does not). A segment register whose
 * descriptor changes is loaded anew, with NULL if the descriptor is no longer usable.
 */

/*
 * SetGDT: load the GDT register and reload all segment registers
 *   in        EAX address of a struct vmi_table_register
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    #PF on the operand. ring1: the table is looked at when it is used; what is missing
 *             there faults then, as on hardware.
 *   if NONE   trap
 *   Linux     direct, load_gdt. It changes the GDT after VMI_Init, from the boot GDT to the
 *             processor's own.
 *   source    P5, ROMH
 */
#define VMI_CALL_SetGDT 3

/*
 * SetLDT: load the LDT register and reload all segment registers
 *   in        EAX selector (bits 0 to 15), 0 for no LDT
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never (ring1; see the CPU queue above)
 *   errors    not the selector of an LDT descriptor in the GDT: #GP(selector) at call; not
 *             present: #NP(selector) at call.
 *   if NONE   trap
 *   Linux     wrapped. It writes GDT entry 17 by WriteGDTEntry first, then passes 0x88, or 0.
 *   source    P5, ROMH
 */
#define VMI_CALL_SetLDT 4

/*
 * SetIDT: load the IDT register
 *   in        EAX address of a struct vmi_table_register
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    #PF on the operand. A table that ends too early makes the vectors behind it fault,
 *             as on hardware; Linux reboots that way (a table of no entries, then INT3).
 *   if NONE   trap
 *   Linux     direct, load_idt
 *   source    P5, ROMH
 */
#define VMI_CALL_SetIDT 5

/*
 * SetTR: load the task register
 *   in        EAX selector (bits 0 to 15)
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    null, or not the selector of a free TSS in the GDT: #GP(selector) at call; not
 *             present: #NP(selector) at call.
 *   if NONE   trap
 *   Linux     wrapped, with 0x80, once for each processor
 *   source    P5, ROMH
 */
#define VMI_CALL_SetTR 6

/*
 * GetGDT: store the GDT register as the guest set it, before VMI_Init or since
 *   in        EAX address of a struct vmi_table_register
 *   out       memory
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    #PF on the operand
 *   if NONE   silent: SGDT shows the hypervisor's table
 *   Linux     direct, store_gdt
 *   source    P5, ROMH
 */
#define VMI_CALL_GetGDT 7

/*
 * GetLDT: tell the LDT register's selector as the guest set it
 *   in        nothing
 *   out       EAX selector
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   silent: SLDT shows the hypervisor's selector
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_GetLDT 8

/*
 * GetIDT: store the IDT register as the guest set it
 *   in        EAX address of a struct vmi_table_register
 *   out       memory
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    #PF on the operand
 *   if NONE   silent: SIDT shows the hypervisor's table
 *   Linux     direct, store_idt
 *   source    P5, ROMH
 */
#define VMI_CALL_GetIDT 9

/*
 * GetTR: tell the task register's selector as the guest set it
 *   in        nothing
 *   out       EAX selector
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   silent: STR shows the hypervisor's selector
 *   Linux     direct, store_tr
 *   source    P5, ROMH
 */
#define VMI_CALL_GetTR 10

/*
 * WriteGDTEntry: write a descriptor to a GDT and to the hypervisor's copy of it
 *   in        EAX linear address of the table, EDX index, ECX low word, 4(%esp) high word
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  CPU queue
 *   errors    #PF on the entry. ring1: the two words go to table + 8 * index, and if that is
 *             inside the live GDT, LDT or IDT, the processor's copy follows. A table that is not
 *             live is memory like any other. An index above 8191 is ignored.
 *   if NONE   the guest writes its table, and the hypervisor has to notice
 *   Linux     direct up to 2.6.24, wrapped since; TLS entries are written only when they differ.
 *   source    P5 (its name for the stack word, ST(1), is 4(%esp)), ROMH, Linux
 */
#define VMI_CALL_WriteGDTEntry 11

/*
 * WriteLDTEntry: write a descriptor to an LDT and to the hypervisor's copy of it
 *   in        EAX linear address of the table, EDX index, ECX low word, 4(%esp) high word
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  CPU queue
 *   errors    as WriteGDTEntry
 *   if NONE   as WriteGDTEntry
 *   Linux     direct up to 2.6.24, wrapped since. 2.6.25 and 2.6.26 call WriteIDTEntry with the
 *             LDT's address instead; a ROM survives that by looking at the address only
 *             (DERIVED), as ring1 does.
 *   source    P5, ROMH, Linux (de59985e3a6, dc63b52673d)
 */
#define VMI_CALL_WriteLDTEntry 12

/*
 * WriteIDTEntry: write a gate to an IDT and to the hypervisor's copy of it
 *   in        EAX linear address of the table, EDX index, ECX low word, 4(%esp) high word
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  CPU queue
 *   errors    as WriteGDTEntry. A gate that cannot be used faults when it is.
 *   if NONE   as WriteGDTEntry
 *   Linux     direct up to 2.6.24, wrapped since. Entry 8 is a task gate.
 *   source    P5, ROMH
 */
#define VMI_CALL_WriteIDTEntry 13

/*
 * UpdateKernelStack: set the stack on which the kernel is entered from user mode
 *   in        EAX selector for SS, EDX ESP. (P5 says that EAX is the address of the TSS. Linux,
 *             in every version, and the tree of ROMH pass the selector.)
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  CPU queue
 *   errors    none now. The stack is flat (P4 rule 2). ring1: the privilege bits of the selector
 *             are replaced by the kernel's; a stack that cannot be used ends the guest at the
 *             next entry, which P4 rule 3 allows.
 *   if NONE   the hypervisor would have to read the TSS at each entry
 *   Linux     wrapped, load_esp0 and load_sp0, at each context switch. It stores ESP0 in its TSS
 *             itself.
 *   source    P5, ROMH, Linux
 */
#define VMI_CALL_UpdateKernelStack 14

/* ---- control and debug registers ---- */

/*
 * SetCR0: write CR0
 *   in        EAX value
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    a combination that hardware refuses: #GP(0) at call. VMware let features be turned
 *             on and not off again. ring1: so for PE and PG: clearing them is #GP(0) at call.
 *   if NONE   trap
 *   Linux     direct, write_cr0. TS is used for lazy FPU switching, WP is tested at boot.
 *   source    P5, ROMH
 */
#define VMI_CALL_SetCR0 15

/*
 * SetCR2: write CR2
 *   in        EAX value
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap
 *   Linux     direct, write_cr2
 *   source    P5, ROMH
 */
#define VMI_CALL_SetCR2 16

/*
 * SetCR3: change the address space and flush what is not global from the TLB
 *   in        EAX value: guest-physical address of the root table, and the cache bits
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  CPU queue
 *   errors    none. ring1: a root outside the guest's memory reads as not present; the next
 *             access faults.
 *   if NONE   trap
 *   Linux     direct, write_cr3
 *   source    P5, ROMH
 */
#define VMI_CALL_SetCR3 17

/*
 * SetCR4: write CR4; a change of PSE, PAE or PGE flushes the TLB
 *   in        EAX value
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    a bit whose feature CPUID does not show: #GP(0) at call. VMware let features be
 *             turned on and not off again.
 *   if NONE   trap
 *   Linux     direct, write_cr4. Kernels with PAE up to 2.6.24 set CR4.PAE while paging is on and
 *             with the root unchanged: its first 32 bytes are then the four PAE entries.
 *   source    P5, ROMH, Linux
 */
#define VMI_CALL_SetCR4 18

/*
 * GetCR0: read CR0 as the guest set it
 *   in        nothing
 *   out       EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap (and silent where SMSW reads the low word; that VMI has no call for it is
 *             intended)
 *   Linux     direct, read_cr0
 *   source    P5, ROMH
 */
#define VMI_CALL_GetCR0 19

/*
 * GetCR2: read the address of the last page fault, or what SetCR2 wrote since
 *   in        nothing
 *   out       EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap
 *   Linux     direct, read_cr2
 *   source    P5, ROMH
 */
#define VMI_CALL_GetCR2 20

/*
 * GetCR3: read CR3
 *   in        nothing
 *   out       EAX value, with the guest-physical address that the guest set
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap
 *   Linux     direct, read_cr3. Its page-fault handler walks the tables from it.
 *   source    P5, ROMH
 */
#define VMI_CALL_GetCR3 21

/*
 * GetCR4: read CR4 as the guest set it
 *   in        nothing
 *   out       EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap
 *   Linux     direct, read_cr4; the variant that may fault (read_cr4_safe) stays native.
 *   source    P5, ROMH
 */
#define VMI_CALL_GetCR4 22

/*
 * WBINVD: write back and invalidate the caches, as far as the guest can tell
 *   in        nothing
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap
 *   Linux     direct, wbinvd
 *   source    P5, ROMH
 */
#define VMI_CALL_WBINVD 23

/*
 * SetDR: write a debug register
 *   in        EAX number, EDX value
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    4 and 5 are 6 and 7, or with CR4.DE #UD at call. A value hardware refuses: #GP(0)
 *             at call. ring1: a number above 7 is ignored.
 *   if NONE   trap
 *   Linux     direct, set_debugreg
 *   source    P5, ROMH
 */
#define VMI_CALL_SetDR 24

/*
 * GetDR: read a debug register
 *   in        EAX number
 *   out       EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    4 and 5 as with SetDR. ring1: a number above 7 reads 0.
 *   if NONE   trap
 *   Linux     direct, get_debugreg
 *   source    P5, ROMH
 */
#define VMI_CALL_GetDR 25

/*
 * RDPMC: read a performance counter
 *   in        ECX counter
 *   out       EDX:EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    a counter that does not exist: #GP(0) at call.
 *   if NONE   trap, or what the host allows
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_RDPMC 26

/*
 * RDTSC: read the time-stamp counter
 *   in        nothing
 *   out       EDX:EAX cycles
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   RDTSC executes natively
 *   Linux     direct, read_tsc; for delay loops, which take GetCycleFrequency for its rate, so
 *             the two should be equal (DERIVED).
 *   source    P5, ROMH
 */
#define VMI_CALL_RDTSC 27

/*
 * CLTS: clear CR0.TS; while it is set, FPU instructions raise #NM
 *   in        nothing
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap
 *   Linux     direct, clts
 *   source    P5, ROMH
 */
#define VMI_CALL_CLTS 28

/* ---- interrupts ---- */

/*
 * The virtual IF decides when the kernel takes interrupts; the processor's own stays set while
 * guest code runs (P2.2). In user mode interrupts are always on (P4 rule 6). EnableInterrupts,
 * DisableInterrupts, GetInterruptMask and SetInterruptMask keep all registers but the ones named,
 * because Linux replaces a whole site by them, with the saving of ECX and EDX that stood around
 * it.
 */

/*
 * EnableInterrupts: set the virtual IF; what is pending is delivered before the call returns
 *   in        nothing
 *   out       nothing
 *   clobbers  flags
 *   segments  CS, SS
 *   deferral  never. ring1: with --delivery=deferred, as EnableInterruptsDeferred, except that
 *             DisableInterrupts and SetInterruptMask deliver before they clear the flag.
 *   errors    none
 *   if NONE   trap (STI)
 *   Linux     direct and patched. Up to 2.6.25 the SYSENTER entry calls it with the user's DS and
 *             ES.
 *   source    P5, ROMH. P5 leaves open whether delivery at once is required; VMware always
 *             delivered.
 */
#define VMI_CALL_EnableInterrupts 29

/*
 * DisableInterrupts: clear the virtual IF
 *   in        nothing
 *   out       nothing
 *   clobbers  flags
 *   segments  CS, SS
 *   deferral  never. ring1: with --delivery=deferred what became pending before the flag was set,
 *             and was not delivered since, is delivered first: a window lets things through.
 *   errors    none
 *   if NONE   trap (CLI)
 *   Linux     direct and patched. 2.6.21 puts it right behind GetInterruptMask and expects the
 *             mask still in EAX.
 *   source    P5, ROMH, Linux
 */
#define VMI_CALL_DisableInterrupts 30

/*
 * GetInterruptMask: read the virtual IF
 *   in        nothing
 *   out       EAX mask: VMI_INTERRUPTS_ENABLED or 0. ring1: the other bits are 0.
 *   clobbers  EAX, flags
 *   segments  CS, SS
 *   deferral  never
 *   errors    none
 *   if NONE   silent: PUSHF shows the processor's IF, always set. Not an option for a ROM.
 *   Linux     direct and patched, for saving the flags
 *   source    P5, ROMH
 */
#define VMI_CALL_GetInterruptMask 31

/*
 * SetInterruptMask: set the virtual IF; if it is set, what is pending is delivered before the
 *     call returns
 *   in        EAX mask; only VMI_INTERRUPTS_ENABLED is looked at
 *   out       nothing
 *   clobbers  flags
 *   segments  CS, SS
 *   deferral  never. ring1: with --delivery=deferred, as EnableInterruptsDeferred, or as
 *             DisableInterrupts there.
 *   errors    none: other bits mean nothing.
 *   if NONE   silent: POPF cannot change IF. Not an option for a ROM.
 *   Linux     direct and patched, with a value that GetInterruptMask gave
 *   source    P5, ROMH
 */
#define VMI_CALL_SetInterruptMask 32

/*
 * IRET: return to the frame on the stack and restore the virtual IF from it, in one step
 *   in        the stack. Called: a return address, which is dropped; then, and when jumped to
 *             first, EIP, CS, EFLAGS; to user mode also ESP, SS; to V86 mode then also ES, DS,
 *             FS, GS.
 *   out       does not return. Flags are the frame's, except IOPL, for which SetIOPLMask is. VM
 *             is taken where the hypervisor supports V86 mode.
 *   clobbers  nothing: all registers belong to the code returned to.
 *   segments  CS, SS
 *   deferral  never. What is pending when IF becomes set is delivered on the way.
 *   errors    a frame that cannot be loaded: #GP, #NP or #SS at call, with the frame still on the
 *             stack (Linux has an exception-table entry there and kills the process). Returning
 *             to user mode with IF clear is undefined (P4 rule 6); ring1: user mode runs with
 *             interrupts on all the same. 16-bit stacks are not supported (P4 rule 10).
 *   if NONE   crash. ring1: CALL_REL, since a jump would not tell where the fault belongs.
 *   Linux     patched only; the site's place in the table of operations is a poison address.
 *   source    P5, ROMH, Linux entry.S
 */
#define VMI_CALL_IRET 33

/*
 * SYSEXIT: enable interrupts and return to user mode, in one step
 *   in        EDX user EIP, ECX user ESP
 *   out       does not return. CS and SS are the flat user selectors that belong to the MSR
 *             SYSENTER_CS (Linux: 0x73, 0x7b); a return address on the stack is left behind.
 *   clobbers  nothing: all registers belong to the code returned to.
 *   segments  CS, SS
 *   deferral  never. What is pending is delivered on the way.
 *   errors    SYSENTER_CS = 0: #GP(0) at call, as SYSEXIT. Bad addresses fault in user mode.
 *   if NONE   crash, unless CPUID hides SEP
 *   Linux     patched only, for the pair of STI and SYSEXIT
 *   source    P5, ROMH
 */
#define VMI_CALL_SYSEXIT 34

/*
 * Halt: enable interrupts and wait for one, in one step; return after its handler did
 *   in        nothing
 *   out       nothing; the virtual IF is set.
 *   clobbers  standard
 *   segments  standard
 *   deferral  never. What is pending is delivered at once and ends the wait.
 *   errors    none. An alarm that expires wakes the processor (P3).
 *   if NONE   trap (STI, HLT)
 *   Linux     direct, safe_halt; its halt() for dead ends is the same.
 *   source    P5, ROMH
 */
#define VMI_CALL_Halt 35

/* ---- machine ---- */

/*
 * Reboot: reset the machine
 *   in        EAX VMI_REBOOT_SOFT or VMI_REBOOT_HARD
 *   out       does not return
 *   clobbers  -
 *   segments  standard
 *   deferral  never
 *   errors    ring1: other values as VMI_REBOOT_HARD
 *   if NONE   the guest uses the machine's devices
 *   Linux     not used: keyboard controller, or a triple fault
 *   source    P5, ROMH
 */
#define VMI_CALL_Reboot 36

/*
 * Shutdown: power off the machine
 *   in        nothing
 *   out       does not return
 *   clobbers  -
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   the guest uses the machine's devices
 *   Linux     not used: ACPI ports
 *   source    P5, ROMH
 */
#define VMI_CALL_Shutdown 37

/* ---- page tables ---- */

/*
 * The guest's memory holds ordinary page tables with guest-physical addresses, which the guest
 * reads without any call; accessed and dirty bits appear in them as on hardware. A change is told
 * to the hypervisor by SetPxE (it writes) or UpdatePxE (the guest has written, for instance by an
 * atomic instruction). Linux tells nothing when it tears down a whole address space and when it
 * fills a page before AllocatePage. Flags are hints and may be wrong: Linux says PT for entries
 * of directories, ZEROED for pages that are not, and updates tables it never announced. Making an
 * entry present that was not needs no flush.
 */

/*
 * SetPxE: write a page-table entry of 32 bits
 *   in        EAX entry, EDX linear address of the place, ECX flags: a level, VMI_PAGE_CURRENT_AS
 *             with an address in VMI_PAGE_VA_MASK, VMI_PAGE_DEFER
 *   out       memory
 *   clobbers  standard
 *   segments  standard
 *   deferral  MMU queue
 *   errors    #PF on the place. ring1: it is an ordinary store, and the place need not be in a
 *             known table nor aligned. Flags that do not fit are harmless. An entry with reserved
 *             bits faults when it is used; a page without memory reads anything and keeps nothing.
 *   if NONE   the guest writes its tables itself
 *   Linux     wrapped, kernels without PAE
 *   source    P5, ROMH; 13.x had no flags and the first two arguments the other way round.
 */
#define VMI_CALL_SetPxE 38

/*
 * SetPxELong: write a page-table entry of 64 bits (PAE); half an entry is never seen present
 *   in        EAX low word, EDX high word, ECX linear address of the place, 4(%esp) flags as
 *             SetPxE
 *   out       memory
 *   clobbers  standard
 *   segments  standard
 *   deferral  MMU queue
 *   errors    as SetPxE
 *   if NONE   the guest writes its tables itself
 *   Linux     wrapped, kernels with PAE
 *   source    P5, ROMH; the split into registers was checked with gcc -m32.
 */
#define VMI_CALL_SetPxELong 39

/*
 * UpdatePxE: take notice of a page-table entry of 32 bits that the guest has written
 *   in        EAX linear address of the entry, EDX flags as SetPxE
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  MMU queue
 *   errors    as SetPxE, but that the place is only read
 *   if NONE   the hypervisor has to notice
 *   Linux     wrapped: clearing accessed and dirty bits, write protection, get-and-clear
 *   source    P5, ROMH
 */
#define VMI_CALL_UpdatePxE 40

/*
 * UpdatePxELong: take notice of a page-table entry of 64 bits that the guest has written
 *   in        EAX linear address of the entry, EDX flags as SetPxE
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  MMU queue
 *   errors    as UpdatePxE
 *   if NONE   the hypervisor has to notice
 *   Linux     wrapped; also after writing an entry by CMPXCHG8B
 *   source    P5, ROMH
 */
#define VMI_CALL_UpdatePxELong 41

/*
 * MachineToPhysical: translate a machine page into a guest-physical one, for hypervisors whose
 *     guests see machine pages in their tables
 *   in        NOT FOUND. ring1: EAX page
 *   out       NOT FOUND. ring1: EAX the same page: machine and guest-physical pages are one here.
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: none; every value answers itself.
 *   if NONE   harmless where the two are one
 *   Linux     not used
 *   source    ROMH for number and name; arguments NOT FOUND
 */
#define VMI_CALL_MachineToPhysical 42

/*
 * PhysicalToMachine: translate a guest-physical page into a machine one
 *   in        NOT FOUND. ring1: EAX page
 *   out       NOT FOUND. ring1: EAX the same page
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: none; every value answers itself.
 *   if NONE   harmless where the two are one
 *   Linux     not used
 *   source    ROMH for number and name; arguments NOT FOUND
 */
#define VMI_CALL_PhysicalToMachine 43

/*
 * AllocatePage: announce that a page is a page table from now on
 *   in        EAX page number, EDX flags: what it is, VMI_PAGE_PAE, VMI_PAGE_ZEROED,
 *             VMI_PAGE_CLONE; with CLONE: ECX page number of the source, 4(%esp) first entry,
 *             8(%esp) number of entries
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: none; a page announced twice, one outside the guest's memory, flags or a
 *             range that do not fit are taken as bad hints: what the page holds decides.
 *   if NONE   the hypervisor finds tables by walking them
 *   Linux     wrapped. A new root is a clone of swapper_pg_dir: entries 768 to 1023 without PAE;
 *             entry 3 with PAE, where the page is called PD and holds the four PAE entries.
 *             swapper_pg_dir itself is announced as zeroed and is not.
 *   source    P5, ROMH, Linux (c119ecce894)
 */
#define VMI_CALL_AllocatePage 44

/*
 * ReleasePage: announce that a page is no page table any more; must come before any other use of
 *     the page
 *   in        EAX page number, EDX flags as AllocatePage had
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: none; a page that is not known is ignored.
 *   if NONE   the hypervisor finds out by itself
 *   Linux     wrapped; for pages it never announced too. Forgetting it hung guests of 2.6.27 to
 *             2.6.29-rc (55a8ba4b7f7).
 *   source    P5, ROMH
 */
#define VMI_CALL_ReleasePage 45

/*
 * InvalPage: drop the translation of one linear address
 *   in        EAX linear address
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never; flushes the MMU queue
 *   errors    none
 *   if NONE   trap (INVLPG)
 *   Linux     direct, flush_tlb_single
 *   source    P5, ROMH
 */
#define VMI_CALL_InvalPage 46

/*
 * FlushTLB: drop the translations of the current address space
 *   in        EAX flags: VMI_FLUSH_TLB, or VMI_FLUSH_TLB | VMI_FLUSH_GLOBAL
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never; flushes the MMU queue
 *   errors    ring1: VMI_FLUSH_TLB is taken as set; other bits mean nothing.
 *   if NONE   trap (loads of CR3 and CR4)
 *   Linux     wrapped
 *   source    P5, ROMH
 */
#define VMI_CALL_FlushTLB 47

/*
 * SetLinearMapping: tell that linear addresses are mapped to consecutive pages, so that the ROM
 *     can turn the address of an entry into a guest-physical one
 *   in        EAX slot, below VMI_LINEAR_MAP_SLOTS; EDX linear address; ECX number of pages;
 *             4(%esp) first page number
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: none; slots out of range are ignored, and the mapping is a hint that is
 *             never trusted.
 *   if NONE   fine for a ROM that needs no help (P5)
 *   Linux     wrapped. Slot 0 on each processor: all low memory at PAGE_OFFSET. Slots 1 and 2,
 *             2.6.21 to 2.6.33: page tables in high memory, each time one is mapped.
 *   source    P5 (its name for the stack word, ST(0), is 4(%esp)), ROMH, Linux
 */
#define VMI_CALL_SetLinearMapping 48

/* ---- ports ---- */

/*
 * Registers are those of the instructions. Ports are the machine's; the kernel may use all of
 * them. The clobbers of the string forms are NOT FOUND.
 */

/*
 * INL: read 32 bits from a port
 *   in        EDX port (bits 0 to 15)
 *   out       EAX value
 *   clobbers  EAX
 *   segments  standard
 *   deferral  never
 *   errors    none; a port with nothing behind it reads all ones.
 *   if NONE   trap
 *   Linux     not used: it executes IN
 *   source    P5, ROMH
 */
#define VMI_CALL_INL 49

/*
 * INB: read 8 bits from a port
 *   in        EDX port (bits 0 to 15)
 *   out       AL value. ring1: the rest of EAX is unchanged, as with the instruction.
 *   clobbers  EAX
 *   segments  standard
 *   deferral  never
 *   errors    as INL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_INB 50

/*
 * INW: read 16 bits from a port
 *   in        EDX port (bits 0 to 15)
 *   out       AX value. ring1: the rest of EAX is unchanged, as with the instruction.
 *   clobbers  EAX
 *   segments  standard
 *   deferral  never
 *   errors    as INL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_INW 51

/*
 * INSL: read 32-bit values from a port to memory, upwards
 *   in        EDI destination, EDX port, ECX number of values
 *   out       memory. ring1: EDI behind the last value, ECX 0.
 *   clobbers  NOT FOUND. ring1: EDI and ECX as said, nothing else.
 *   segments  standard
 *   deferral  never
 *   errors    #PF on the destination. ring1: EDI and ECX have advanced past what was stored, and
 *             the rest follows.
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_INSL 52

/*
 * INSB: read 8-bit values from a port to memory, upwards
 *   in        EDI destination, EDX port, ECX number of values
 *   out       as INSL
 *   clobbers  as INSL
 *   segments  standard
 *   deferral  never
 *   errors    as INSL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_INSB 53

/*
 * INSW: read 16-bit values from a port to memory, upwards
 *   in        EDI destination, EDX port, ECX number of values
 *   out       as INSL
 *   clobbers  as INSL
 *   segments  standard
 *   deferral  never
 *   errors    as INSL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_INSW 54

/*
 * OUTL: write 32 bits to a port
 *   in        EAX value, EDX port (bits 0 to 15)
 *   out       nothing
 *   clobbers  nothing
 *   segments  standard
 *   deferral  never
 *   errors    none; a port with nothing behind it swallows the value.
 *   if NONE   trap
 *   Linux     not used: it executes OUT
 *   source    P5, ROMH
 */
#define VMI_CALL_OUTL 55

/*
 * OUTB: write 8 bits to a port
 *   in        AL value, EDX port (bits 0 to 15)
 *   out       nothing
 *   clobbers  nothing
 *   segments  standard
 *   deferral  never
 *   errors    as OUTL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_OUTB 56

/*
 * OUTW: write 16 bits to a port
 *   in        AX value, EDX port (bits 0 to 15)
 *   out       nothing
 *   clobbers  nothing
 *   segments  standard
 *   deferral  never
 *   errors    as OUTL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_OUTW 57

/*
 * OUTSL: write 32-bit values from memory to a port, upwards
 *   in        ESI source, EDX port, ECX number of values
 *   out       nothing. ring1: ESI behind the last value, ECX 0.
 *   clobbers  NOT FOUND. ring1: ESI and ECX as said, nothing else.
 *   segments  standard
 *   deferral  never
 *   errors    #PF on the source. ring1: ESI and ECX have advanced past what was written, and the
 *             rest follows.
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_OUTSL 58

/*
 * OUTSB: write 8-bit values from memory to a port, upwards
 *   in        ESI source, EDX port, ECX number of values
 *   out       as OUTSL
 *   clobbers  as OUTSL
 *   segments  standard
 *   deferral  never
 *   errors    as OUTSL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_OUTSB 59

/*
 * OUTSW: write 16-bit values from memory to a port, upwards
 *   in        ESI source, EDX port, ECX number of values
 *   out       as OUTSL
 *   clobbers  as OUTSL
 *   segments  standard
 *   deferral  never
 *   errors    as OUTSL
 *   if NONE   trap
 *   Linux     not used
 *   source    P5, ROMH
 */
#define VMI_CALL_OUTSW 60

/*
 * SetIOPLMask: set the virtual IOPL, which gives user mode ports and never the interrupt flag (P4
 *     rule 7)
 *   in        EAX mask; only VMI_IOPL_MASK is looked at
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none: other bits mean nothing.
 *   if NONE   silent: POPF cannot change IOPL. Not an option for a ROM whose guests use iopl().
 *   Linux     direct, set_iopl_mask
 *   source    P5, ROMH
 */
#define VMI_CALL_SetIOPLMask 61

/* ---- more processors and the local APIC ---- */

/*
 * SetInitialAPState: say with which registers a processor starts, already paravirtualized and at
 *     the kernel's level; between INIT and STARTUP, whose vector then means nothing
 *   in        EAX linear address of a struct vmi_ap_state, EDX APIC id of the processor
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never. The structure is copied during the call.
 *   errors    #PF on the structure. P5 wants it on a page boundary; Linux has it on its stack, so
 *             no alignment may be required. Selectors may have RPL 0; the hypervisor puts in the
 *             kernel's level. ring1: an APIC id nobody has, or one of a processor that runs, is
 *             ignored; a state that cannot be loaded leaves the processor stopped (guests wait
 *             with a timeout, P2.2).
 *   if NONE   one processor
 *   Linux     wrapped, startup_ipi_hook. CS 0x60, SS 0x68, DS and ES 0x7b, FS 0xd8, EFLAGS 0, EIP
 *             start_secondary, the boot processor's CR3 and CR4.
 *   source    P5, ROMH, Linux (c6b36e9a3c5, 7d5b005652b)
 */
#define VMI_CALL_SetInitialAPState 62

/*
 * APICWrite: write a register of the local APIC, with the effect of a store to its page
 *   in        EAX register, of which VMI_APIC_REGISTER_MASK counts (P5 speaks of a mapped
 *             address, Linux passes the offset); EDX value
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never. An interrupt to oneself is delivered at once if the virtual IF is set.
 *   errors    a register that does not exist: as a store there.
 *   if NONE   the guest stores to the page, which must work anyway (P2.2)
 *   Linux     direct, apic_write (and apic_write_atomic up to 2.6.26)
 *   source    P5, ROMH
 */
#define VMI_CALL_APICWrite 63

/*
 * APICRead: read a register of the local APIC
 *   in        EAX register, as APICWrite
 *   out       EAX value
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    a register that does not exist: as a load there.
 *   if NONE   the guest loads from the page
 *   Linux     direct, apic_read
 *   source    P5, ROMH
 */
#define VMI_CALL_APICRead 64

/*
 * IODelay: wait as long as an old device needs between two accesses
 *   in        nothing
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   trap (OUT to port 0x80). VMI_RELOCATION_NOP is the natural answer.
 *   Linux     direct, io_delay
 *   source    P5, ROMH
 */
#define VMI_CALL_IODelay 65

/* ---- time ---- */

/*
 * All alarms and counters are those of the calling processor, which has two alarms: one on REAL,
 * one on AVAILABLE.
 */

/*
 * GetCycleFrequency: tell the rate of the cycle counters, which does not change
 *   in        nothing
 *   out       EDX:EAX cycles per second
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   Linux uses its other timers; NOP is no answer (see VMI_RELOCATION_NOP).
 *   Linux     direct, timer. It takes it for the rate of the TSC too, in kHz and 32 bits.
 *   source    P3, P5, ROMH
 */
#define VMI_CALL_GetCycleFrequency 66

/*
 * GetCycleCounter: read a cycle counter
 *   in        EAX counter: VMI_CYCLES_*
 *   out       EDX:EAX cycles
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: an undefined counter reads 0.
 *   if NONE   no VMI timer
 *   Linux     direct, timer: AVAILABLE for scheduling, REAL as clock source (2.6.22 on)
 *   source    P3, P5, ROMH
 */
#define VMI_CALL_GetCycleCounter 67

/*
 * SetAlarm: arm the alarm of a counter, replacing what it was armed with
 *   in        EAX flags: counter, VMI_ALARM_*; ECX:EDX expiry in cycles of that counter, absolute
 *             (EDX low); 8(%esp):4(%esp) period in cycles (4(%esp) low). P5 calls the stack pair
 *             the expiry; the C prototype says period.
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    STOLEN and undefined counters are ignored. Period 0 is one-shot, whatever the flag.
 *             ring1: an expiry that has passed fires at once. Periods that were missed are one
 *             interrupt, and the next expiry is after now. Other bits of the flags mean nothing
 *             (ring1).
 *   if NONE   no VMI timer
 *   Linux     direct, timer. LVTT takes vector and mask bit from that register. Alarms fire only
 *             while the processor runs, and wake it from Halt.
 *   source    P3, P5, ROMH
 */
#define VMI_CALL_SetAlarm 68

/*
 * CancelAlarm: disarm the alarm of a counter
 *   in        EAX flags, of which VMI_ALARM_COUNTER_MASK counts
 *   out       EAX 1 if it was armed, else 0
 *   clobbers  standard
 *   segments  standard
 *   deferral  never. An interrupt that was raised already stays raised.
 *   errors    a counter without an alarm: EAX 0 (ring1)
 *   if NONE   no VMI timer
 *   Linux     direct, timer. It declares no result, and passes wiring and mode bits too.
 *   source    P3, P5, ROMH
 */
#define VMI_CALL_CancelAlarm 69

/*
 * GetWallclockTime: tell the time of day
 *   in        nothing
 *   out       EDX:EAX nanoseconds since 1970-01-01 00:00 UTC
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   no VMI timer
 *   Linux     direct, timer
 *   source    P3, P5, ROMH
 */
#define VMI_CALL_GetWallclockTime 70

/*
 * WallclockUpdated: tell whether the time of day was set (and did not only pass) since the last
 *     such call (DERIVED, from its name)
 *   in        nothing
 *   out       EAX 1 if so, else 0
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    none
 *   if NONE   the guest does not notice
 *   Linux     looked up and never called
 *   source    P3, P5, ROMH
 */
#define VMI_CALL_WallclockUpdated 71

/* ---- the rest of API 3.0 ---- */

/*
 * SetCallbacks: semantics NOT FOUND. ring1: accepted, and no callback is ever made
 *   in        NOT FOUND. ring1: nothing is looked at.
 *   out       NOT FOUND. ring1: EAX 0
 *   clobbers  standard
 *   segments  standard
 *   deferral  never
 *   errors    ring1: none; no pointer is followed.
 *   if NONE   harmless
 *   Linux     not used
 *   source    ROMH for number and name; semantics NOT FOUND
 */
#define VMI_CALL_SetCallbacks 72

/*
 * SetLazyMode: allow calls to be deferred, or end that; not nested
 *   in        EAX VMI_LAZY_MODE_OFF, VMI_LAZY_MODE_MMU_UPDATES or VMI_LAZY_MODE_CPU_STATE
 *   out       nothing
 *   clobbers  standard
 *   segments  standard
 *   deferral  never. OFF flushes both queues before it returns.
 *   errors    ring1: an undefined mode is taken as OFF. Going from one mode to the other flushes
 *             too.
 *   if NONE   nothing is deferred
 *   Linux     wrapped. MMU_UPDATES around loops over page tables, with interrupts on: a handler
 *             that needs its entries sets OFF and then the old mode again. CPU_STATE during a
 *             context switch, ended before GS and the FPU are loaded.
 *   source    ROMH, Linux (49f19710512, 9226d125d94, 6606c3e0da5); P5 has SetDeferredMode in its
 *             place, with other numbers.
 */
#define VMI_CALL_SetLazyMode 73

/* ---- appended in 3.1: enabling and delivery as two calls ---- */

/*
 * P5 sketches such a pair ("DeliverInterrupts", without a number) as a question for later, and
 * EnableInterrupts of API 3.0 does both. These two are ring1's; a ROM of API 3.0 answers
 * VMI_RELOCATION_NONE for them.
 */

/*
 * EnableInterruptsDeferred: set the virtual IF and deliver nothing
 *   in        nothing
 *   out       nothing
 *   clobbers  flags
 *   segments  CS, SS
 *   deferral  this is what it is for. What is pending waits for the first of: DeliverInterrupts,
 *             EnableInterrupts, SetInterruptMask with IF, IRET, SYSEXIT, Halt, any other entry to
 *             the hypervisor, 1 ms. What becomes pending while the virtual IF is set is delivered
 *             as always, and takes along what waited.
 *   errors    none. A guest that enables in order to let something in, such as an interrupt it
 *             sent to itself or between STI and CLI, wants EnableInterrupts instead;
 *             DisableInterrupts before delivery leaves it pending (ring1 with
 *             --delivery=deferred: delivers it). The 1 ms hold for a guest that has asked
 *             VMI_GetRelocationInfo for this call.
 *   if NONE   use EnableInterrupts
 *   Linux     not used, not known to it
 *   source    ring1
 */
#define VMI_CALL_EnableInterruptsDeferred 74

/*
 * DeliverInterrupts: deliver what is pending before the call returns, if the virtual IF is set
 *   in        nothing
 *   out       nothing; the virtual IF is unchanged.
 *   clobbers  flags
 *   segments  CS, SS
 *   deferral  never
 *   errors    none. With the virtual IF clear it does nothing.
 *   if NONE   nothing is ever deferred: use nothing
 *   Linux     not used, not known to it
 *   source    ring1, after the sketch in P5
 */
#define VMI_CALL_DeliverInterrupts 75

/* ---- all of them ---- */

/* X(number, name, short text) for each call, in order of the numbers; in assembler too. */
#define VMI_CALLS(X)                                                                               \
	X(0, CPUID, "identify the processor")                                                      \
	X(1, WRMSR, "write a model-specific register")                                             \
	X(2, RDMSR, "read a model-specific register")                                              \
	X(3, SetGDT, "load the GDT register")                                                      \
	X(4, SetLDT, "load the LDT register")                                                      \
	X(5, SetIDT, "load the IDT register")                                                      \
	X(6, SetTR, "load the task register")                                                      \
	X(7, GetGDT, "store the GDT register")                                                     \
	X(8, GetLDT, "store the LDT register")                                                     \
	X(9, GetIDT, "store the IDT register")                                                     \
	X(10, GetTR, "store the task register")                                                    \
	X(11, WriteGDTEntry, "write a GDT descriptor")                                             \
	X(12, WriteLDTEntry, "write an LDT descriptor")                                            \
	X(13, WriteIDTEntry, "write an IDT gate")                                                  \
	X(14, UpdateKernelStack, "set the stack for entries from user mode")                       \
	X(15, SetCR0, "write CR0")                                                                 \
	X(16, SetCR2, "write CR2")                                                                 \
	X(17, SetCR3, "write CR3: change the address space")                                       \
	X(18, SetCR4, "write CR4")                                                                 \
	X(19, GetCR0, "read CR0")                                                                  \
	X(20, GetCR2, "read CR2")                                                                  \
	X(21, GetCR3, "read CR3")                                                                  \
	X(22, GetCR4, "read CR4")                                                                  \
	X(23, WBINVD, "write back and invalidate caches")                                          \
	X(24, SetDR, "write a debug register")                                                     \
	X(25, GetDR, "read a debug register")                                                      \
	X(26, RDPMC, "read a performance counter")                                                 \
	X(27, RDTSC, "read the time-stamp counter")                                                \
	X(28, CLTS, "clear CR0.TS")                                                                \
	X(29, EnableInterrupts, "enable interrupts and deliver")                                   \
	X(30, DisableInterrupts, "disable interrupts")                                             \
	X(31, GetInterruptMask, "read the interrupt flag")                                         \
	X(32, SetInterruptMask, "set the interrupt flag and deliver")                              \
	X(33, IRET, "return from an interrupt or exception")                                       \
	X(34, SYSEXIT, "return to user mode from SYSENTER")                                        \
	X(35, Halt, "wait for an interrupt")                                                       \
	X(36, Reboot, "reset the machine")                                                         \
	X(37, Shutdown, "power off the machine")                                                   \
	X(38, SetPxE, "write a 32-bit page-table entry")                                           \
	X(39, SetPxELong, "write a 64-bit page-table entry")                                       \
	X(40, UpdatePxE, "tell of a changed 32-bit entry")                                         \
	X(41, UpdatePxELong, "tell of a changed 64-bit entry")                                     \
	X(42, MachineToPhysical, "machine page to guest-physical")                                 \
	X(43, PhysicalToMachine, "guest-physical page to machine")                                 \
	X(44, AllocatePage, "announce a page-table page")                                          \
	X(45, ReleasePage, "end use as a page table")                                              \
	X(46, InvalPage, "invalidate one page of the TLB")                                         \
	X(47, FlushTLB, "flush the TLB")                                                           \
	X(48, SetLinearMapping, "tell a linear range of memory")                                   \
	X(49, INL, "read 32 bits from a port")                                                     \
	X(50, INB, "read 8 bits from a port")                                                      \
	X(51, INW, "read 16 bits from a port")                                                     \
	X(52, INSL, "read a string of 32-bit values")                                              \
	X(53, INSB, "read a string of 8-bit values")                                               \
	X(54, INSW, "read a string of 16-bit values")                                              \
	X(55, OUTL, "write 32 bits to a port")                                                     \
	X(56, OUTB, "write 8 bits to a port")                                                      \
	X(57, OUTW, "write 16 bits to a port")                                                     \
	X(58, OUTSL, "write a string of 32-bit values")                                            \
	X(59, OUTSB, "write a string of 8-bit values")                                             \
	X(60, OUTSW, "write a string of 16-bit values")                                            \
	X(61, SetIOPLMask, "set the virtual IOPL")                                                 \
	X(62, SetInitialAPState, "set the state a processor starts with")                          \
	X(63, APICWrite, "write a local APIC register")                                            \
	X(64, APICRead, "read a local APIC register")                                              \
	X(65, IODelay, "wait as long as an old device needs")                                      \
	X(66, GetCycleFrequency, "tell the rate of the cycle counters")                            \
	X(67, GetCycleCounter, "read a cycle counter")                                             \
	X(68, SetAlarm, "arm an alarm")                                                            \
	X(69, CancelAlarm, "disarm an alarm")                                                      \
	X(70, GetWallclockTime, "tell the time of day")                                            \
	X(71, WallclockUpdated, "tell whether the time of day was set")                            \
	X(72, SetCallbacks, "register callbacks")                                                  \
	X(73, SetLazyMode, "allow or end deferral")                                                \
	X(74, EnableInterruptsDeferred, "enable interrupts without delivery")                      \
	X(75, DeliverInterrupts, "deliver what is pending now")

#endif
