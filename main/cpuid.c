// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CPUID as the guest kernel sees it.
 *
 * User code executes CPUID itself and sees the host's; the kernel's view must agree with it in
 * what programs use (FPU and vector state, TSC), and hide what a CPL 3 kernel cannot have:
 * SYSENTER/SYSCALL, SMAP/SMEP, FSGSBASE, PCID, RDTSCP, XSAVES (findings.md 5.9).
 * Bits are named as in the Intel SDM (volume 2, CPUID) and AMD's manual (volume 3, appendix E).
 */
#include "main/vm.h"

#include <cpuid.h>
#include <string.h>

#define BIT(n) (1u << (n))

/* Leaf 1 ECX: SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define LEAF1_ECX                                                                                  \
	(BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) |    \
	 BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define LEAF1_ECX_HYPERVISOR BIT(31)
#define LEAF1_ECX_DEADLINE   BIT(24) /* the local APIC's timer can wait for a value of the TSC */
/* Leaf 1 EDX: FPU DE PSE TSC MSR PAE CX8 PGE CMOV PAT CLFSH MMX FXSR SSE SSE2 */
#define LEAF1_EDX                                                                                  \
	(BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(13) | BIT(15) |        \
	 BIT(16) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26))
#define LEAF1_EDX_APIC BIT(9)
/* Leaf 7 EBX: BMI1 AVX2 BMI2 ERMS AVX512F/DQ RDSEED ADX AVX512IFMA SHA AVX512BW/VL */
#define LEAF7_EBX                                                                                  \
	(BIT(3) | BIT(5) | BIT(8) | BIT(9) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | BIT(21) |     \
	 BIT(28) | BIT(29) | BIT(30) | BIT(31))
/* Leaf 7 ECX: AVX512VBMI VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ */
#define LEAF7_ECX  (BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14))
/* 0x80000001 ECX: LAHF ABM SSE4A MISALIGNSSE 3DNOWPREFETCH */
#define LEAF81_ECX (BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8))
/* 0x80000001 EDX: what leaf 1 has, NX, MMXEXT, FXSR_OPT; not SYSCALL, RDTSCP, long mode */
#define LEAF81_EDX                                                                                 \
	(BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(13) | BIT(15) |        \
	 BIT(16) | BIT(20) | BIT(22) | BIT(23) | BIT(24) | BIT(25))

/*
 * 0x80000021, what the processor is not vulnerable to, as far as that is the same at CPL 3:
 * EAX VERW_CLEAR SRSO_NO SRSO_USER_KERNEL_NO, ECX TSA_SQ_NO TSA_L1_NO. A kernel that misses the
 * last two on a processor of that age executes VERW on each way to user mode, 40 ns.
 */
#define LEAF_FEATURES2     0x80000021u
#define LEAF_FEATURES2_EAX (BIT(5) | BIT(29) | BIT(30))
#define LEAF_FEATURES2_ECX (BIT(1) | BIT(2))

#define KVM_LEAF           0x40000000u
/* KVM_FEATURE_CLOCKSOURCE2, KVM_FEATURE_CLOCKSOURCE_STABLE_BIT (Documentation/virt/kvm). */
#define KVM_FEATURES       (BIT(3) | BIT(24))
/* KVM_FEATURE_PV_EOI: an interrupt is ended in memory (core/late_eoi.c). */
#define KVM_FEATURE_PV_EOI BIT(6)

static void add(struct machine *m, uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx,
                uint32_t ecx, uint32_t edx)
{
	if (m->ncpuid < MAX_CPUID)
		m->cpuid[m->ncpuid++] = (struct cpuid_leaf){leaf, subleaf, eax, ebx, ecx, edx};
}

static void add_host(struct machine *m, uint32_t leaf, uint32_t subleaf, uint32_t a, uint32_t b,
                     uint32_t c, uint32_t d)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid_count(leaf, subleaf, eax, ebx, ecx, edx);
	add(m, leaf, subleaf, eax & a, ebx & b, ecx & c, edx & d);
}

static void add_leaf1(struct machine *m)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	/* EBX: brand, CLFLUSH size; one logical processor with APIC id 0. */
	add(m, 1, 0, eax, ebx & 0xffff,
	    (ecx & LEAF1_ECX) | LEAF1_ECX_HYPERVISOR |
	        (m->have_apic && fast(FAST_TSC_DEADLINE) ? LEAF1_ECX_DEADLINE : 0),
	    (edx & LEAF1_EDX) | (m->have_apic ? LEAF1_EDX_APIC : 0));
}

/* XSAVE areas: the standard format only; XSAVEOPT, but neither XSAVEC nor XSAVES. */
static void add_xsave(struct machine *m)
{
	uint32_t lo = (uint32_t)m->xsave_mask, hi = (uint32_t)(m->xsave_mask >> 32);

	add_host(m, 0xd, 0, lo, ~0u, ~0u, hi);
	add_host(m, 0xd, 1, 1, 0, 0, 0);
	for (uint32_t i = 2; i < 32; i++)
		if (m->xsave_mask >> i & 1)
			add_host(m, 0xd, i, ~0u, ~0u, 0, 0);
}

static void add_hypervisor(struct machine *m)
{
	uint32_t name[3];

	memcpy(name, "KVMKVMKVM\0\0\0", 12);
	add(m, KVM_LEAF, 0, KVM_LEAF + 1, name[0], name[1], name[2]);
	add(m, KVM_LEAF + 1, 0, KVM_FEATURES | (m->have_apic ? KVM_FEATURE_PV_EOI : 0), 0, 0, 0);
}

void cpuid_fill(struct machine *m)
{
	uint32_t eax, ebx, ecx, edx, max, extended, highest;

	m->ncpuid = 0;
	__cpuid(0, max, ebx, ecx, edx);
	add(m, 0, 0, max > 0xd ? 0xd : max, ebx, ecx, edx);
	add_leaf1(m);
	add_host(m, 2, 0, ~0u, ~0u, ~0u, ~0u);
	for (uint32_t i = 0; i < 4; i++)
		add_host(m, 4, i, 0x3fff, ~0u, ~0u, ~0u);
	if (max >= 7)
		add_host(m, 7, 0, 0, LEAF7_EBX, LEAF7_ECX, 0);
	if (max >= 0xd)
		add_xsave(m);
	add_hypervisor(m);
	__cpuid(0x80000000u, extended, ebx, ecx, edx);
	highest = extended >= LEAF_FEATURES2 ? LEAF_FEATURES2 : 0x80000008u;
	add(m, 0x80000000u, 0, extended > highest ? highest : extended, ebx, ecx, edx);
	add_host(m, 0x80000001u, 0, ~0u, 0, LEAF81_ECX, LEAF81_EDX);
	for (uint32_t leaf = 0x80000002u; leaf <= 0x80000006u; leaf++)
		add_host(m, leaf, 0, ~0u, ~0u, ~0u, ~0u);
	/* Invariant TSC: it is the host's, and hosts that ring1 runs on have it. */
	__cpuid(0x80000007u, eax, ebx, ecx, edx);
	add(m, 0x80000007u, 0, 0, 0, 0, edx & BIT(8));
	add(m, 0x80000008u, 0, 0x2020, 0, 0, 0); /* 32 address bits of either kind */
	if (extended >= LEAF_FEATURES2)
		add_host(m, LEAF_FEATURES2, 0, LEAF_FEATURES2_EAX, 0, LEAF_FEATURES2_ECX, 0);
}
