/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every file of the core needs: where the state is, and how an exception is raised. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "ring1/annotations.h"
#include "ring1/fast.h"
#include "ring1/layout.h"
#include "ring1/machine.h"
#include "ring1/vcpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define V     ((struct vcpu *)(uintptr_t)HOLE_VCPU)
#define M     ((struct machine *)(uintptr_t)CELL_STATE)
#define SELF  ((struct cell *)(uintptr_t)CELL_SELF)
#define ANNOT ((struct annotations *)(uintptr_t)CELL_ANNOT)
#define RAM   ((uint8_t *)(uintptr_t)CELL_RAM)

#define COUNT(name)      (M->count[STAT_##name]++)
#define COUNT_N(name, n) (M->count[STAT_##name] += (n))

#define EFLAGS_CF       0x00000001u
#define EFLAGS_ZF       0x00000040u
#define EFLAGS_TF       0x00000100u
#define EFLAGS_IF       0x00000200u
#define EFLAGS_DF       0x00000400u
#define EFLAGS_IOPL     0x00003000u
#define EFLAGS_NT       0x00004000u
#define EFLAGS_RF       0x00010000u
#define EFLAGS_VM       0x00020000u
#define EFLAGS_AC       0x00040000u
#define EFLAGS_FIXED    0x00000002u
#define EFLAGS_WRITABLE 0x00247fd5u /* what POPF at ring 0 can change, IF and IOPL included */

#define CR0_PE      0x00000001u
#define CR0_TS      0x00000008u
#define CR0_WP      0x00010000u
#define CR0_PG      0x80000000u
#define CR4_DE      0x00000008u
#define CR4_PSE     0x00000010u
#define CR4_PAE     0x00000020u
#define CR4_PGE     0x00000080u
#define CR4_OSXSAVE 0x00040000u

#define EFER_NX 0x800ull

enum vector {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_OF = 4,
	VECTOR_BR = 5,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_NP = 11,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_AC = 17,
	VECTOR_XM = 19,
};

/* An exception to be delivered to the guest instead of completing an operation. */
struct exception {
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint32_t cr2; /* page faults */
};

/* Fill in *x and return false: the common end of a failing operation. */
static inline bool raise(struct exception *x, uint8_t vector)
{
	*x = (struct exception){.vector = vector};
	return false;
}

static inline bool raise_error(struct exception *x, uint8_t vector, uint32_t error)
{
	*x = (struct exception){.vector = vector, .has_error = true, .error = error};
	return false;
}

static inline bool raise_page_fault(struct exception *x, uint32_t va, uint32_t error)
{
	*x = (struct exception){.vector = VECTOR_PF, .has_error = true, .error = error, .cr2 = va};
	return false;
}

static inline bool paging_on(void)
{
	return V->cr0 & CR0_PG;
}

/* The host's SS tells the guest's mode: the kernel runs on kernel-bank stack segments. */
static inline bool real_ss_is_kernel(uint32_t real)
{
	return (real & 4) && (real >> 3) >= LDT_KERNEL_BANK && (real >> 3) < LDT_USER_BANK;
}

static inline bool user_mode(void)
{
	return !real_ss_is_kernel(V->rsel[SEG_SS]);
}

static inline uint32_t virtual_cpl(void)
{
	return user_mode() ? 3 : 0;
}

/**
 * stop_guest - end the guest with a named reason
 * @reason: enum stop_reason
 * @text: what happened, for people; copied
 *
 * Does not return: the registers are left in machine.stop and the cell waits for main.
 */
_Noreturn void stop_guest(enum stop_reason reason, const char *text);

/* The reason with STOP_MEMORY: SIGBUS for a page of a file that is whole in size means just this.
 */
#define OUT_OF_MEMORY "the host has no memory left for the guest's"

/* Nothing that a cell maps can be given back any more, and it still is too much. */
#define CANNOT_MAP                                                                                 \
	"the host refuses to map guest memory: its limit of address space (ulimit -v) or of "      \
	"mappings (vm.max_map_count) is too low"

/** note_panic - the guest kernel enters panic(): keep its message and registers for the end */
void note_panic(void);

/** fpu_save, fpu_restore - move the whole extended state between the CPU and machine.xsave */
void fpu_save(void);
void fpu_restore(void);

/** read_fs_base, read_gs_base - what the processor has; only where machine.have_fsgsbase says so */
uint64_t read_fs_base(void);
uint64_t read_gs_base(void);

/** annotated_site - the annotator's record of the instruction at @va, NULL: not one */
const struct annot_site *annotated_site(uint32_t va);

/** redirect_to_stub - where the instruction at kernel address @va runs now, if it was moved */
uint32_t redirect_to_stub(uint32_t va);

/** original_address - the kernel's own address for an address inside a stub, else @eip */
uint32_t original_address(uint32_t eip);

/** is_point - does @eip, inside a stub, begin an instruction of the kernel's? */
bool is_point(uint32_t eip);

/** in_stubs - is @eip in one of the annotator's stubs? */
bool in_stubs(uint32_t eip);

/** syscall_gate_changed - LIDT or LTR: look again at what the ROM's fast path may assume */
void syscall_gate_changed(void);

#endif
