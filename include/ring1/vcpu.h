/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual CPU's hot words: one page at HOLE_VCPU, mapped in every cell, read and written
 * by the 32-bit ROM (rom/), the gate (cell/gate.S) and the core. Assembler reaches the
 * fields through build/asm_offsets.h.
 */
#ifndef RING1_VCPU_H
#define RING1_VCPU_H

#include "vmi/vmi.h"

#include <stdint.h>

/* Segment registers in the order of the ISA's sreg field. */
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

/* General registers in the order of the ISA's reg field. */
enum gpr { R_EAX, R_ECX, R_EDX, R_EBX, R_ESP, R_EBP, R_ESI, R_EDI, R_COUNT };

/*
 * The word of design.md section 4. In user mode bit 9 is 0 and means nothing: user mode
 * always runs with interrupts on (VMI rule 6), and the mode itself is told by SS.
 */
#define IF_BIT       0x00000200 /* virtual EFLAGS.IF of kernel mode */
#define IF_IRET_WORK 0x40000000 /* the next IRET must not take the ROM's fast path */
#define IF_USER_WORK 0x20000000 /* the next IRET to user mode must not: update_user_work() */
#define IF_PENDING   0x80000000 /* an interrupt waits for IF */

/*
 * Bits of vcpu.delivery. When enabling and delivering are two steps, IF_PENDING and IF_BIT can
 * be set together while guest code runs: a promise, which core/interrupt.c says how to keep.
 */
#define DELIVERY_DEFERRED 1 /* --delivery=deferred: enabling delivers nothing */
#define DELIVERY_BOUNDED  2 /* what is pending must not wait for longer than 1 ms once enabled */

/*
 * Real selectors. Each guest GDT descriptor has a host LDT slot in each of two banks:
 * as the guest kernel sees it, and as guest user code may use it (limited to the user half).
 */
#define LDT_KERNEL_BANK    512 /* + GDT index */
#define LDT_USER_BANK      544 /* + GDT index */
#define LDT_LOW            576 /* + 0..3: segments moved up into the hole (core/low.h) */
#define LDT_SLOTS          580
#define GDT_ENTRIES        32
#define LDT_SELECTOR(slot) (((slot) << 3) | 7)
#define SELECTOR_UNKNOWN   0xffffffffu

/*
 * The one code selector of kernel and user code: flat, 4 GiB (a code limit costs speed,
 * findings.md 2). Which of the two runs is told by SS.
 */
#define LDT_FLAT_CODE       510
#define LDT_TLS_ALTERNATIVE 506 /* 506..508: TLS entries whose own slot the guest's LDT uses */
#define LDT_USER_FLAT_DATA  (LDT_USER_BANK + 15)
#define REAL_CS             LDT_SELECTOR(LDT_FLAT_CODE)

/* A kernel selector the ROM may load by itself, and the descriptor it was made from. */
struct selector_cache {
	uint32_t lo, hi; /* guest descriptor */
	uint32_t real;   /* host selector, or SELECTOR_UNKNOWN */
	uint32_t pad;
};

/* vcpu.load_segments. What IRETQ loads anyway needs its descriptor in the LDT, and nothing else. */
#define LOAD_DATA    1 /* DS, ES, FS or GS: the way back loads all four */
#define LOAD_BY_IRET 2 /* CS or SS */

/* vcpu.gate_tf: was the far call single-stepped? */
#define GATE_NOT_STEPPED 0
#define GATE_STEPPED     1 /* it was; the core has not seen it yet */
#define GATE_STEPPING    2 /* it was, and this is its exit */

#define VCPU_SITE_KINDS 32 /* room for enum annotate_kind */

struct vcpu {
	uint32_t iflag;

	/* Selectors as the guest loaded them, and what the hardware holds for them. */
	uint32_t vsel[SEG_COUNT];
	uint32_t rsel[SEG_COUNT];

	/* IRET in the ROM (rom/iret.S). */
	uint32_t iret_site; /* kernel address of the IRET being executed */
	uint32_t iret_esp;  /* where its frame starts, while the restart range runs */
	uint32_t return_eip;
	uint32_t return_esp;           /* and, right behind it, its selector: LSS reads both */
	uint32_t real_uss;             /* host selector for SS in user mode */
	uint32_t real_kss;             /* and in kernel mode */
	uint32_t user_cs, user_ss;     /* the virtual selectors the fast path recognises */
	uint32_t kernel_cs, kernel_ss; /* virtual: of the system-call gate and of TSS.ss0 */
	uint32_t iopl;                 /* virtual EFLAGS.IOPL, bits 12-13 in place */
	uint32_t delivery;             /* DELIVERY_*; set by main, BOUNDED also by the ROM */

	uint32_t cr0, cr2, cr3, cr4; /* stubs read them in place of MOV from CRn */

	/* System call in the ROM (rom/syscall.S). */
	uint32_t tss;       /* linear address of the guest's 32-bit TSS, 0: none */
	uint32_t gate80;    /* linear address of IDT entry 0x80, 0: take the slow path */
	uint32_t gate80_lo; /* its contents when it was last looked at */
	uint32_t gate80_hi;
	uint32_t gate80_entry; /* handler */
	uint32_t gate80_if;    /* 0: interrupt gate, IF_BIT: trap gate */

	/* What the vDSO calls through (annotate/vdso.c). */
	uint32_t syscall_slot;
	uint32_t sigreturn_slot;
	uint32_t rt_sigreturn_slot;

	uint32_t gdt_base;
	uint32_t gdt_limit;
	struct selector_cache ksel[GDT_ENTRIES];

	/*
	 * The thread area that GS was loaded from on the last way back into the kernel, base
	 * included, and what its descriptor was: to load just that again changes nothing.
	 * SELECTOR_UNKNOWN: none, or user code has run since and may have loaded GS by itself.
	 */
	uint32_t gs_area, gs_area_lo, gs_area_hi;

	/* Registers of the guest while the core runs. */
	uint32_t gpr[R_COUNT];
	uint32_t eip;
	uint32_t eflags;
	uint32_t hw[SEG_COUNT]; /* real selectors found at the last exit */
	uint32_t load_segments; /* LOAD_*: what is new; 0 when the guest goes on */
	uint32_t pad;
	uint64_t fs_base, gs_base; /* set by WRFSBASE/WRGSBASE after such a reload */
	uint32_t gate_tf;          /* GATE_*STEPP* */

	/* Where rom_resume_small goes: far pointers. */
	uint32_t small_esp, small_ss;
	uint32_t small_eip, small_cs;

	/* Counts kept by the ROM. */
	uint32_t count_syscall_rom;
	uint32_t count_iret_user_rom;
	uint32_t count_iret_kernel_rom;
	uint32_t count_segment_rom;

	uint64_t vmi_stolen; /* cycles that AVAILABLE is behind the TSC */

	/* VMI_GetRelocationInfo: how often each number was asked for, and others than these. */
	uint32_t vmi_asked[VMI_NR_CALLS];
	uint32_t vmi_asked_unknown;

	/*
	 * Asked for with count_calls, set by main before the guest starts: what never leaves
	 * 32-bit code is counted there as well. The ROM then answers with entries that count
	 * (rom/counting.S), and the annotator renders sites that do (annotate/stub.c).
	 */
	uint32_t count_calls;
	uint64_t count_vmi[VMI_NR_CALLS];     /* calls */
	uint64_t count_site[VCPU_SITE_KINDS]; /* sites in stubs, by enum annotate_kind */
	uint64_t count_popf_enabling;         /* of the POPFs: with IF set in the image */
	uint64_t count_mask_enabling;         /* of the SetInterruptMask calls: with IF set */
};

_Static_assert(sizeof(struct vcpu) <= 4096, "the hot words are one page");

#endif
