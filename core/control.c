// SPDX-License-Identifier: GPL-2.0-or-later
/* Control registers, MSRs and CPUID: the system registers of the virtual CPU. */
#include "core/alarm.h"
#include "core/clock.h"
#include "core/emulate.h"
#include "core/interrupt.h"
#include "core/late_eoi.h"
#include "core/segment.h"
#include "core/shadow.h"
#include "core/spaces.h"

#define CR0_WRITABLE 0xe005003fu
#define CR0_FIXED    0x00000010u /* ET */
#define CR0_MMU      (CR0_PG | CR0_WP | CR0_PE)
#define CR0_NW       0x20000000u
#define CR0_CD       0x40000000u
#define CR4_FORMAT   (CR4_PSE | CR4_PAE)

/* User code cannot be made to trap on its first FPU instruction: IRET must look (iret.c). */
void update_user_work(void)
{
	bool ldt = M->ldt_base && (M->ldt_unproven || M->ldt_in_place);

	if (V->cr0 & CR0_TS || M->was_idle || ldt || M->private_segment)
		V->iflag |= IF_USER_WORK;
	else
		V->iflag &= ~IF_USER_WORK;
}

static const struct cpuid_leaf *find_leaf(uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_leaf *same = NULL;

	for (uint32_t i = 0; i < M->ncpuid && i < MAX_CPUID; i++) {
		const struct cpuid_leaf *l = &M->cpuid[i];

		if (l->leaf == leaf && l->subleaf == subleaf)
			return l;
		if (l->leaf == leaf && l->subleaf == 0)
			same = l;
	}
	/* Only leaves 4, 7, 0xb and 0xd tell subleaves apart. */
	return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd ? NULL : same;
}

static bool write_cr0(uint32_t value, struct exception *x)
{
	uint32_t old = V->cr0;

	if ((value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
		return raise_error(x, VECTOR_GP, 0);
	V->cr0 = (value & CR0_WRITABLE) | CR0_FIXED;
	update_user_work();
	if (!((old ^ V->cr0) & CR0_MMU))
		return true;
	if (V->cr0 & CR0_PG)
		read_pdptes();
	shadow_reset();
	if (V->cr0 & ~old & CR0_PG)
		apply_windows();
	return true;
}

/*
 * The bits of CR4 that are not reserved: those whose feature CPUID shows (SDM volume 3, 2.5), and
 * PCE, which every processor since the Pentium Pro has. Only features that this machine can have.
 */
static uint32_t cr4_writable(void)
{
	static const struct {
		uint8_t bit, leaf, feature;
		bool ecx;
	} features[] = {
	    {0, 1, 1, false},  {1, 1, 1, false},   {2, 1, 4, false}, {3, 1, 2, false},
	    {4, 1, 3, false},  {5, 1, 6, false},   {6, 1, 7, false}, {7, 1, 13, false},
	    {9, 1, 24, false}, {10, 1, 25, false}, {11, 7, 2, true}, {18, 1, 26, true},
	};
	uint32_t writable = 1u << 8;

	for (unsigned i = 0; i < sizeof features / sizeof *features; i++) {
		const struct cpuid_leaf *l = find_leaf(features[i].leaf, 0);

		if (l && (features[i].ecx ? l->ecx : l->edx) >> features[i].feature & 1)
			writable |= 1u << features[i].bit;
	}
	return writable;
}

static bool write_cr4(uint32_t value, struct exception *x)
{
	uint32_t old = V->cr4;

	if (value & ~cr4_writable())
		return raise_error(x, VECTOR_GP, 0);
	V->cr4 = value;
	if ((old ^ value) & (CR4_FORMAT | CR4_PGE))
		read_pdptes(); /* SDM volume 3, 4.4.1 */
	if ((old ^ value) & CR4_FORMAT)
		shadow_reset();
	else if ((old ^ value) & CR4_PGE)
		shadow_flush_global();
	return true;
}

bool write_cr(unsigned n, uint32_t value, struct exception *x)
{
	switch (n) {
	case 0:
		return write_cr0(value, x);
	case 2:
		V->cr2 = value;
		return true;
	case 3:
		load_cr3(value);
		return true;
	case 4:
		return write_cr4(value, x);
	default:
		return raise(x, VECTOR_UD);
	}
}

bool read_cr(unsigned n, uint32_t *value, struct exception *x)
{
	switch (n) {
	case 0:
		*value = V->cr0;
		return true;
	case 2:
		*value = V->cr2;
		return true;
	case 3:
		*value = V->cr3;
		return true;
	case 4:
		*value = V->cr4;
		return true;
	default:
		return raise(x, VECTOR_UD);
	}
}

#define MSR_TSC          0x10u
#define MSR_PLATFORM_ID  0x17u
#define MSR_APIC_BASE    0x1bu
#define MSR_BIOS_SIGN_ID 0x8bu
#define MSR_SYSENTER_CS  0x174u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_MISC_ENABLE  0x1a0u
#define MSR_PAT          0x277u
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_EFER         0xc0000080u

#define PAT_RESET 0x0007040600070406ull

#define APIC_BASE_BSP      0x100u
#define APIC_BASE_ENABLE   0x800u
#define APIC_BASE_RESERVED 0xfffffff0000006ffull /* x2APIC mode (bit 10) among them */

/*
 * IA32_APIC_BASE (SDM volume 3, 10.4.4): the guest may switch its APIC off and on. The registers
 * stay where they are: no kernel of this kind moves them.
 */
static uint64_t read_apic_base(void)
{
	return PLATFORM_LAPIC_PA | APIC_BASE_BSP |
	       (M->platform.lapic.global_off ? 0 : APIC_BASE_ENABLE);
}

static bool write_apic_base(uint64_t value)
{
	if (value & APIC_BASE_RESERVED)
		return false;
	lapic_set_global(&M->platform.lapic, value & APIC_BASE_ENABLE);
	devices_run();
	return true;
}

static bool write_tsc_deadline(uint64_t tsc)
{
	lapic_set_tsc_deadline(&M->platform.lapic, tsc, clock_of_tsc(tsc));
	devices_run();
	return true;
}

/* Read as zero and ignored when written: what kernels of this kind touch on any processor. */
static bool ignored_msr(uint32_t msr)
{
	switch (msr) {
	case MSR_PLATFORM_ID:
	case MSR_APIC_BASE:
	case MSR_BIOS_SIGN_ID:
	case MSR_MISC_ENABLE:
	case 0xc0010015u: /* AMD HWCR */
	case 0xc001001fu: /* AMD NB_CFG */
	case 0xc0010029u: /* AMD DE_CFG */
	case 0xc0010055u: /* AMD INT_PENDING, the C1E bits: the idle loop of old kernels reads it */
	case 0xc0011020u: /* AMD LS_CFG */
	case 0xc0011029u: /* AMD DE_CFG of later families */
		return true;
	default:
		return false;
	}
}

bool read_msr(uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_TSC:
		*value = rdtsc();
		return true;
	case MSR_SYSENTER_CS ... MSR_SYSENTER_EIP:
		*value = M->sysenter[msr - MSR_SYSENTER_CS];
		return true;
	case MSR_PAT:
		*value = M->pat ? M->pat : PAT_RESET;
		return true;
	case MSR_EFER:
		*value = M->efer;
		return true;
	}
	if (M->have_apic && msr == MSR_APIC_BASE) {
		*value = read_apic_base();
		return true;
	}
	if (M->have_apic && msr == MSR_LATE_EOI) {
		*value = M->late_eoi_msr;
		return true;
	}
	if (M->have_apic && msr == MSR_TSC_DEADLINE) {
		*value = lapic_tsc_deadline(&M->platform.lapic);
		return true;
	}
	if (kvmclock_read(msr, value))
		return true;
	*value = 0;
	return ignored_msr(msr);
}

/* Eight memory types of 8 bits: 2, 3 and all above 7 are reserved (SDM volume 3, 11.12.2). */
static bool pat_allows(uint64_t value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		uint8_t type = value >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

bool write_msr(uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_TSC:
		return true; /* the TSC is the host's (design.md, 9) */
	case MSR_SYSENTER_CS ... MSR_SYSENTER_EIP:
		M->sysenter[msr - MSR_SYSENTER_CS] = value;
		return true;
	case MSR_PAT:
		if (!pat_allows(value))
			return false;
		M->pat = value;
		return true;
	case MSR_EFER:
		if (value & ~EFER_NX)
			return false;
		if (M->efer != value) {
			M->efer = value;
			shadow_reset();
		}
		return true;
	}
	if (M->have_apic && msr == MSR_APIC_BASE)
		return write_apic_base(value);
	if (M->have_apic && msr == MSR_TSC_DEADLINE)
		return write_tsc_deadline(value);
	if (M->have_apic && msr == MSR_LATE_EOI)
		return late_eoi_enable(value);
	return kvmclock_write(msr, value) || ignored_msr(msr);
}

#define CPUID1_ECX_OSXSAVE (1u << 27)
#define CPUID1_EDX_APIC    (1u << 9)

void emulate_cpuid(void)
{
	uint32_t leaf = V->gpr[R_EAX];
	const struct cpuid_leaf *l = find_leaf(leaf, V->gpr[R_ECX]);

	V->gpr[R_EAX] = l ? l->eax : 0;
	V->gpr[R_EBX] = l ? l->ebx : 0;
	V->gpr[R_ECX] = l ? l->ecx : 0;
	V->gpr[R_EDX] = l ? l->edx : 0;
	if (leaf == 1 && V->cr4 & CR4_OSXSAVE)
		V->gpr[R_ECX] |= CPUID1_ECX_OSXSAVE;
	if (leaf == 1 && M->platform.lapic.global_off)
		V->gpr[R_EDX] &= ~CPUID1_EDX_APIC;
}
