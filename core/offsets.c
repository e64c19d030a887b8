// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers for assembler and for the annotator's stubs; the Makefile turns this into
 * build/asm_offsets.h. */
#include "core/core.h"
#include "core/paging.h"

#define DEFINE(name, value) __asm__ volatile("\n->" #name " %0" : : "i"((unsigned long)(value)))
#define WORD(name, field)   DEFINE(VCPU_##name, HOLE_VCPU + offsetof(struct vcpu, field))

void offsets(void);
#define FAST(name) DEFINE(FAST_##name, fast(FAST_##name))

void offsets(void)
{
	FAST(ROM_IRET);
	FAST(ROM_CALLS);
	WORD(IF, iflag);
	WORD(VSEL_ES, vsel[SEG_ES]);
	WORD(VSEL_CS, vsel[SEG_CS]);
	WORD(VSEL_SS, vsel[SEG_SS]);
	WORD(VSEL_DS, vsel[SEG_DS]);
	WORD(VSEL_FS, vsel[SEG_FS]);
	WORD(VSEL_GS, vsel[SEG_GS]);
	WORD(RSEL_ES, rsel[SEG_ES]);
	WORD(RSEL_CS, rsel[SEG_CS]);
	WORD(RSEL_SS, rsel[SEG_SS]);
	WORD(RSEL_DS, rsel[SEG_DS]);
	WORD(RSEL_FS, rsel[SEG_FS]);
	WORD(RSEL_GS, rsel[SEG_GS]);
	WORD(IRET_SITE, iret_site);
	WORD(IRET_ESP, iret_esp);
	WORD(RETURN_EIP, return_eip);
	WORD(RETURN_ESP, return_esp);
	WORD(REAL_USS, real_uss);
	WORD(REAL_KSS, real_kss);
	WORD(USER_CS, user_cs);
	DEFINE(NO_AREA, SELECTOR_UNKNOWN);
	WORD(GS_AREA, gs_area);
	WORD(GS_AREA_LO, gs_area_lo);
	WORD(GS_AREA_HI, gs_area_hi);
	WORD(SMALL_ESP, small_esp);
	WORD(SMALL_EIP, small_eip);
	WORD(USER_SS, user_ss);
	WORD(KERNEL_CS, kernel_cs);
	WORD(KERNEL_SS, kernel_ss);
	WORD(IOPL, iopl);
	WORD(DELIVERY, delivery);
	WORD(CR0, cr0);
	WORD(CR2, cr2);
	WORD(CR3, cr3);
	WORD(CR4, cr4);
	WORD(TSS, tss);
	WORD(GATE80, gate80);
	WORD(GATE80_LO, gate80_lo);
	WORD(GATE80_HI, gate80_hi);
	WORD(GATE80_ENTRY, gate80_entry);
	WORD(GATE80_IF, gate80_if);
	WORD(SYSCALL_SLOT, syscall_slot);
	WORD(SIGRETURN_SLOT, sigreturn_slot);
	WORD(RT_SIGRETURN_SLOT, rt_sigreturn_slot);
	WORD(GDT_BASE, gdt_base);
	WORD(KSEL, ksel);
	DEFINE(KSEL_LO, offsetof(struct selector_cache, lo));
	DEFINE(KSEL_HI, offsetof(struct selector_cache, hi));
	DEFINE(KSEL_REAL, offsetof(struct selector_cache, real));
	WORD(EAX, gpr[R_EAX]);
	WORD(ECX, gpr[R_ECX]);
	WORD(EDX, gpr[R_EDX]);
	WORD(EBX, gpr[R_EBX]);
	WORD(ESP, gpr[R_ESP]);
	WORD(EBP, gpr[R_EBP]);
	WORD(ESI, gpr[R_ESI]);
	WORD(EDI, gpr[R_EDI]);
	WORD(EIP, eip);
	WORD(EFLAGS, eflags);
	WORD(HW_ES, hw[SEG_ES]);
	WORD(HW_DS, hw[SEG_DS]);
	WORD(HW_FS, hw[SEG_FS]);
	WORD(HW_GS, hw[SEG_GS]);
	WORD(LOAD_SEGMENTS, load_segments);
	WORD(FS_BASE, fs_base);
	WORD(GS_BASE, gs_base);
	WORD(COUNT_SYSCALL, count_syscall_rom);
	WORD(COUNT_IRET_USER, count_iret_user_rom);
	WORD(COUNT_IRET_KERNEL, count_iret_kernel_rom);
	WORD(COUNT_SEGMENT, count_segment_rom);
	WORD(VMI_STOLEN, vmi_stolen);
	WORD(VMI_ASKED, vmi_asked);
	WORD(VMI_ASKED_UNKNOWN, vmi_asked_unknown);
	WORD(COUNT_CALLS, count_calls);
	WORD(COUNT_VMI, count_vmi);
	WORD(COUNT_SITE, count_site);
	WORD(COUNT_POPF_ENABLING, count_popf_enabling);
	WORD(COUNT_MASK_ENABLING, count_mask_enabling);
	DEFINE(REAL_CODE, REAL_CS);
	DEFINE(REAL_USER_DS, LDT_SELECTOR(LDT_USER_BANK + 15));
	DEFINE(REAL_KERNEL_USER_DS, LDT_SELECTOR(LDT_KERNEL_BANK + 15));
	DEFINE(REAL_BANKS, LDT_SELECTOR(LDT_KERNEL_BANK));
	DEFINE(IF_BIT, IF_BIT);
	DEFINE(IF_IRET_WORK, IF_IRET_WORK);
	DEFINE(IF_PENDING, IF_PENDING);
	DEFINE(DELIVERY_DEFERRED, DELIVERY_DEFERRED);
	DEFINE(DELIVERY_BOUNDED, DELIVERY_BOUNDED);
	DEFINE(GDT_ENTRIES, GDT_ENTRIES);
	DEFINE(EFLAGS_TF, EFLAGS_TF);
	DEFINE(EFLAGS_IF, EFLAGS_IF);
	DEFINE(EFLAGS_IOPL, EFLAGS_IOPL);
	DEFINE(EFLAGS_NT, EFLAGS_NT);
	DEFINE(EFLAGS_RF, EFLAGS_RF);
	DEFINE(EFLAGS_VM, EFLAGS_VM);
	DEFINE(EFLAGS_AC, EFLAGS_AC);
	DEFINE(MACHINE_INBOX, offsetof(struct machine, inbox));
	DEFINE(MACHINE_FSGSBASE, offsetof(struct machine, have_fsgsbase));
	DEFINE(MACHINE_XSAVE, offsetof(struct machine, xsave));
	DEFINE(MACHINE_XSAVE_MASK, offsetof(struct machine, xsave_mask));
	DEFINE(CELL_IRET_FRAME, offsetof(struct cell, iret_frame));
	DEFINE(CELL_STACK_OFFSET, offsetof(struct cell, stack));
	DEFINE(CELL_SELF_END, CELL_SELF + ROUND_PAGE(sizeof(struct cell)));
}
