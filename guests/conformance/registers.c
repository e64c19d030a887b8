// SPDX-License-Identifier: GPL-2.0-or-later
/* CPUID, MSRs, control, debug and time-stamp registers: calls 0 to 2 and 15 to 28. */
#include "conformance.h"

#define CR0_MP 0x00000002u
#define CR0_EM 0x00000004u
#define CR0_TS 0x00000008u
#define CR0_NE 0x00000020u
#define CR0_WP 0x00010000u
#define CR0_AM 0x00040000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u
#define CR0_PE 0x00000001u
#define CR4_DE 0x00000008u

#define MSR_SYSENTER_CS  0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_TSC          0x10

struct leaf {
	uint32_t eax, ebx, ecx, edx;
};

static struct leaf cpuid_call(uint32_t leaf, uint32_t subleaf)
{
	VMI(CPUID, leaf, 0xedededed, subleaf);
	return (struct leaf){call_out.eax, call_out.ebx, call_out.ecx, call_out.edx};
}

static struct leaf cpuid_instruction(uint32_t leaf, uint32_t subleaf)
{
	struct leaf l;

	__asm__ volatile("cpuid"
	                 : "=a"(l.eax), "=b"(l.ebx), "=c"(l.ecx), "=d"(l.edx)
	                 : "a"(leaf), "c"(subleaf));
	return l;
}

/* ---- CPUID ---- */

TEST(CPUID, "answers each leaf as the kernel's CPUID instruction is answered")
{
	static const uint32_t leaves[][2] = {
	    {0, 0},   {1, 0},          {2, 0},          {7, 0},          {0xd, 0},
	    {0xd, 1}, {0x40000000, 0}, {0x80000000, 0}, {0x80000001, 0}, {0x80000008, 0}};

	for (unsigned i = 0; i < sizeof leaves / sizeof *leaves; i++) {
		struct leaf a = cpuid_call(leaves[i][0], leaves[i][1]);
		struct leaf b = cpuid_instruction(leaves[i][0], leaves[i][1]);

		check_equal(a.eax, b.eax);
		check_equal(a.ebx, b.ebx);
		check_equal(a.ecx, b.ecx);
		check_equal(a.edx, b.edx);
	}
}

TEST(CPUID, "shows the features every guest of this kind needs")
{
	struct leaf l = cpuid_call(1, 0);
	uint32_t needed = 1u << 0 | 1u << 4 | 1u << 8; /* FPU, TSC, CX8 */

	check_equal(l.edx & needed, needed);
	check(cpuid_call(0, 0).eax >= 1);
}

TEST(CPUID, "answers a leaf that does not exist without a fault")
{
	cpuid_call(0x7fffffff, 0xffffffff);
	cpuid_call(0xffffffff, 0);
	cpuid_call(0x8000ffff, 0);
	check(!trapped.happened);
}

TEST(CPUID, "keeps all but EAX, EBX, ECX, EDX and the flags")
{
	VMI_EVERYWHERE(CPUID, 1);
	VMI_EVERYWHERE(CPUID, 0xffffffff, 0xffffffff, 0xffffffff);
}

/* ---- MSRs ---- */

TEST(WRMSR, "writes what RDMSR reads")
{
	for (uint32_t msr = MSR_SYSENTER_CS; msr <= MSR_SYSENTER_EIP; msr++) {
		VMI(WRMSR, 0x1230 + msr, 0, msr);
		check_equal(VMI(RDMSR, 0, 0, msr), 0x1230 + msr);
		VMI(WRMSR, 0, 0, msr);
		check_equal(VMI(RDMSR, 0, 0, msr), 0);
	}
}

TEST(WRMSR, "raises #GP(0) at the call for a register that does not exist")
{
	static const uint32_t unknown[] = {0x12345678, 0xffffffff, 0xc0010fff, 0x40000fff};

	for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		call_reset();
		call_in.ecx = unknown[i];
		if (call_trapping(VMI_CALL_WRMSR, 13))
			check_at_call(13, 0);
	}
}

TEST(WRMSR, "raises #GP(0) at the call for a value the register does not take")
{
	call_reset();
	call_in.ecx = 0xc0000080; /* EFER: bits that mean nothing on any processor */
	call_in.eax = 0xffffffff;
	call_in.edx = 0xffffffff;
	if (call_trapping(VMI_CALL_WRMSR, 13))
		check_at_call(13, 0);
	call_reset();
	call_in.ecx = 0x277; /* PAT: memory type 2 is reserved */
	call_in.eax = 0x02020202;
	call_in.edx = 0x02020202;
	if (call_trapping(VMI_CALL_WRMSR, 13))
		check_at_call(13, 0);
}

TEST(WRMSR, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(WRMSR, 0, 0, MSR_SYSENTER_ESP);
}

TEST(RDMSR, "reads the time-stamp counter forwards")
{
	uint64_t a = VMI(RDMSR, 0, 0, MSR_TSC), b = VMI(RDTSC), c = VMI(RDMSR, 0, 0, MSR_TSC);

	check(a <= b && b <= c);
}

TEST(RDMSR, "raises #GP(0) at the call for a register that does not exist")
{
	static const uint32_t unknown[] = {0x12345678, 0xffffffff, 0xc0010fff, 0x40000fff};

	for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		call_reset();
		call_in.ecx = unknown[i];
		call_in.eflags |= i & 1 ? EFLAGS_IF : 0;
		if (call_trapping(VMI_CALL_RDMSR, 13))
			check_at_call(13, 0);
	}
}

TEST(RDMSR, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(RDMSR, 0, 0, MSR_SYSENTER_ESP);
}

/* ---- CR0 ---- */

TEST(SetCR0, "sets what GetCR0 and the instruction read")
{
	uint32_t before = (uint32_t)VMI(GetCR0), seen;
	static const uint32_t bits[] = {CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM, CR0_CD};

	for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
		VMI(SetCR0, before ^ bits[i]);
		check_equal((uint32_t)VMI(GetCR0), before ^ bits[i]);
		__asm__ volatile("movl %%cr0, %0" : "=r"(seen));
		check_equal(seen, before ^ bits[i]);
		VMI(SetCR0, before);
	}
	check_equal((uint32_t)VMI(GetCR0), before);
}

static void cr0_refused(uint32_t value)
{
	uint32_t before = (uint32_t)VMI(GetCR0);

	call_reset();
	call_in.eax = value;
	if (call_trapping(VMI_CALL_SetCR0, 13))
		check_at_call(13, 0);
	check_equal((uint32_t)VMI(GetCR0), before);
}

TEST(SetCR0, "raises #GP(0) at the call for combinations that hardware refuses")
{
	uint32_t now = (uint32_t)VMI(GetCR0);

	cr0_refused((now & ~CR0_CD) | CR0_NW);
	cr0_refused(now & ~CR0_PE);
}

TEST(SetCR0, "does not turn paging or protection off again")
{
	uint32_t now = (uint32_t)VMI(GetCR0);

	cr0_refused(now & ~CR0_PG);
	cr0_refused(now & ~(CR0_PG | CR0_PE));
	cr0_refused(0);
}

TEST(SetCR0, "makes the kernel heed read-only pages with WP, and not without")
{
	uint32_t now = (uint32_t)VMI(GetCR0);
	volatile uint32_t *page = page_new();
	uint32_t va = PLAYGROUND;

	map_page(va, physical((void *)page), PTE_P);
	call_reset();
	call_in.esi = va;
	/* A call that writes: the fault is the kernel's. */
	call_in.eax = va;
	if (call_trapping(VMI_CALL_GetGDT, 14)) {
		check_equal(trapped.error, 3);
		check_equal(trapped.cr2, va);
	}
	VMI(SetCR0, now & ~CR0_WP);
	*(volatile uint32_t *)va = 0x5a5a5a5a;
	check_equal(*page, 0x5a5a5a5a);
	VMI(SetCR0, now);
	call_reset();
	call_in.eax = va;
	call_trapping(VMI_CALL_GetGDT, 14);
}

TEST(SetCR0, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetCR0, (uint32_t)VMI(GetCR0));
}

TEST(GetCR0, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetCR0);
}

TEST(GetCR0, "shows protection and paging on, and TS after SetCR0 until CLTS")
{
	uint32_t now = (uint32_t)VMI(GetCR0);

	check_equal(now & (CR0_PE | CR0_PG), CR0_PE | CR0_PG);
	VMI(SetCR0, now | CR0_TS);
	check(VMI(GetCR0) & CR0_TS);
	VMI(CLTS);
	check_equal((uint32_t)VMI(GetCR0), now & ~CR0_TS);
}

/* ---- CLTS ---- */

USER_CODE(user_fpu, "fld1\nfstp %st");

TEST(CLTS, "ends the #NM of FPU instructions in user mode")
{
	uint32_t now = (uint32_t)VMI(GetCR0);

	VMI(SetCR0, (now | CR0_TS | CR0_MP) & ~CR0_EM);
	user_registers();
	USER_RUN(user_fpu);
	check_equal(trapped.vector, 7);
	check_equal(trapped.frame.eip, USER_TEXT);
	VMI(CLTS);
	user_registers();
	USER_RUN(user_fpu);
	check_equal(trapped.vector, USER_VECTOR);
	VMI(SetCR0, now);
}

TEST(CLTS, "changes no other bit, and nothing when TS is clear")
{
	uint32_t now = (uint32_t)VMI(GetCR0) & ~CR0_TS;

	VMI(SetCR0, now);
	VMI(CLTS);
	check_equal((uint32_t)VMI(GetCR0), now);
	VMI(SetCR0, now | CR0_TS);
	VMI(CLTS);
	check_equal((uint32_t)VMI(GetCR0), now);
}

TEST(CLTS, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(CLTS);
}

/* ---- CR2 ---- */

TEST(SetCR2, "sets what GetCR2 and the instruction read")
{
	static const uint32_t values[] = {0, 0xffffffff, 0x12345678};

	for (unsigned i = 0; i < 3; i++) {
		uint32_t seen;

		VMI(SetCR2, values[i]);
		__asm__ volatile("movl %%cr2, %0" : "=r"(seen));
		check_equal(seen, values[i]);
		check_equal((uint32_t)VMI(GetCR2), values[i]);
	}
}

TEST(SetCR2, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetCR2, 0xfffffff0);
}

TEST(GetCR2, "tells the address of the last page fault")
{
	VMI(SetCR2, 0);
	call_reset();
	call_in.eax = PLAYGROUND + 0x3123;
	call_trapping(VMI_CALL_GetIDT, 14);
	check_equal((uint32_t)VMI(GetCR2), PLAYGROUND + 0x3123);
}

TEST(GetCR2, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetCR2);
}

/* ---- CR3 ---- */

static entry_t second_root[1024] __attribute__((aligned(4096)));

static void copy_root(void)
{
	for (unsigned i = 0; i < 1024; i++)
		second_root[i] = page_root[i];
}

TEST(SetCR3, "changes the address space, and GetCR3 answers with what was set")
{
	uint32_t *a = page_new(), *b = page_new();
	uint32_t *table = page_new();
	uint32_t root = (uint32_t)VMI(GetCR3), va = PLAYGROUND;

	check_equal(root, physical(page_root));
	*a = 0xaaaaaaaa;
	*b = 0xbbbbbbbb;
	map_page(va, physical(a), PTE_P | PTE_RW);
	copy_root();
	((entry_t *)table)[0] = physical(b) | PTE_P | PTE_RW;
	second_root[va >> 22] = physical(table) | PTE_P | PTE_RW;
	for (unsigned i = 0; i < 10; i++) {
		VMI(SetCR3, physical(second_root));
		check_equal((uint32_t)VMI(GetCR3), physical(second_root));
		check_equal(*(volatile uint32_t *)va, 0xbbbbbbbb);
		VMI(SetCR3, root);
		check_equal((uint32_t)VMI(GetCR3), root);
		check_equal(*(volatile uint32_t *)va, 0xaaaaaaaa);
	}
}

TEST(SetCR3, "keeps the cache bits for GetCR3")
{
	uint32_t root = (uint32_t)VMI(GetCR3);

	VMI(SetCR3, root | 0x18);
	check_equal((uint32_t)VMI(GetCR3), root | 0x18);
	VMI(SetCR3, root);
	check_equal((uint32_t)VMI(GetCR3), root);
}

TEST(SetCR3, "flushes what is not global when it loads the same value")
{
	uint32_t *a = page_new(), *b = page_new();
	uint32_t va = PLAYGROUND;

	*a = 1;
	*b = 2;
	map_page(va, physical(a), PTE_P | PTE_RW);
	check_equal(*(volatile uint32_t *)va, 1);
	*table_entry(va) = physical(b) | PTE_P | PTE_RW;
	VMI(SetCR3, (uint32_t)VMI(GetCR3));
	check_equal(*(volatile uint32_t *)va, 2);
}

TEST(SetCR3, "keeps all but the standard clobbers, to another space and back")
{
	copy_root();
	VMI_EVERYWHERE(SetCR3, physical(page_root));
	VMI_EVERYWHERE(SetCR3, physical(second_root));
	VMI_EVERYWHERE(SetCR3, physical(page_root));
}

TEST(GetCR3, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetCR3);
}

/* ---- CR4 ---- */

TEST(SetCR4, "sets what GetCR4 and the instruction read")
{
	uint32_t before = (uint32_t)VMI(GetCR4), seen;

	VMI(SetCR4, before ^ CR4_DE);
	check_equal((uint32_t)VMI(GetCR4), before ^ CR4_DE);
	__asm__ volatile("movl %%cr4, %0" : "=r"(seen));
	check_equal(seen, before ^ CR4_DE);
	VMI(SetCR4, before);
	check_equal((uint32_t)VMI(GetCR4), before);
}

/* Bits of CR4 and the CPUID bits that offer them: register 0 is leaf 1 EDX, 1 leaf 1 ECX, 2 and 3
 * leaf 7 EBX and ECX; 4: never offered here. */
static const struct {
	uint8_t bit, where, feature;
} cr4_features[] = {
    {0, 0, 1},   {1, 0, 1},  {2, 0, 4},  {3, 0, 2},   {4, 0, 3},   {5, 0, 6},
    {6, 0, 7},   {7, 0, 13}, {9, 0, 24}, {10, 0, 25}, {11, 3, 2},  {12, 4, 0},
    {13, 1, 5},  {14, 1, 6}, {16, 2, 0}, {17, 1, 17}, {18, 1, 26}, {20, 2, 7},
    {21, 2, 20}, {22, 3, 3}, {24, 4, 0}, {31, 4, 0},
};

TEST(SetCR4, "raises #GP(0) at the call for a bit whose feature CPUID does not show")
{
	struct leaf one = cpuid_call(1, 0), seven = {0};
	uint32_t words[5], now = (uint32_t)VMI(GetCR4);

	if (cpuid_call(0, 0).eax >= 7)
		seven = cpuid_call(7, 0);
	words[0] = one.edx;
	words[1] = one.ecx;
	words[2] = seven.ebx;
	words[3] = seven.ecx;
	words[4] = 0;
	for (unsigned i = 0; i < sizeof cr4_features / sizeof *cr4_features; i++) {
		if (words[cr4_features[i].where] >> cr4_features[i].feature & 1)
			continue;
		call_reset();
		call_in.eax = now | 1u << cr4_features[i].bit;
		if (call_trapping(VMI_CALL_SetCR4, 13))
			check_at_call(13, 0);
		else
			print("# bit %u\n", cr4_features[i].bit);
		VMI(SetCR4, now);
	}
}

TEST(SetCR4, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetCR4, (uint32_t)VMI(GetCR4));
}

TEST(GetCR4, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetCR4);
}

/* ---- WBINVD ---- */

TEST(WBINVD, "changes nothing that can be seen, and keeps all but the standard clobbers")
{
	volatile uint32_t *page = page_new();

	*page = 0x12345678;
	VMI_EVERYWHERE(WBINVD);
	check_equal(*page, 0x12345678);
}

/* ---- debug registers ---- */

TEST(SetDR, "sets what GetDR reads")
{
	for (uint32_t n = 0; n < 4; n++)
		VMI(SetDR, n, PLAYGROUND + 16 * n);
	for (uint32_t n = 0; n < 4; n++) {
		uint32_t seen;

		check_equal((uint32_t)VMI(GetDR, n), PLAYGROUND + 16 * n);
		if (n == 0)
			__asm__ volatile("movl %%db0, %0" : "=r"(seen));
		else
			__asm__ volatile("movl %%db3, %0" : "=r"(seen));
		if (n == 0 || n == 3)
			check_equal(seen, PLAYGROUND + 16 * n);
	}
	for (uint32_t n = 0; n < 4; n++)
		VMI(SetDR, n, 0);
}

TEST(SetDR, "has 6 and 7 under the numbers 4 and 5")
{
	VMI(SetDR, 4, 0x4000);
	check_equal((uint32_t)VMI(GetDR, 6), 0xffff4ff0);
	VMI(SetDR, 6, 0);
	check_equal((uint32_t)VMI(GetDR, 4), 0xffff0ff0);
	VMI(SetDR, 5, 0);
	check_equal((uint32_t)VMI(GetDR, 7), 0x400);
}

TEST(SetDR, "raises #UD at the call for 4 and 5 with CR4.DE")
{
	uint32_t cr4 = (uint32_t)VMI(GetCR4);

	VMI(SetCR4, cr4 | CR4_DE);
	for (uint32_t n = 4; n <= 5; n++) {
		call_reset();
		call_in.eax = n;
		if (call_trapping(VMI_CALL_SetDR, 6))
			check_at_call(6, TRAP_NO_CODE);
	}
	VMI(SetCR4, cr4);
}

TEST(SetDR, "ignores numbers above 7")
{
	static const uint32_t numbers[] = {8, 15, 16, 0x80000000, 0xffffffff};

	for (unsigned i = 0; i < 5; i++)
		VMI(SetDR, numbers[i], 0x55555555);
	for (uint32_t n = 0; n < 4; n++)
		check_equal((uint32_t)VMI(GetDR, n), 0);
}

TEST(SetDR, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetDR, 3, 0);
	VMI_EVERYWHERE(SetDR, 0xffffffff, 0xffffffff);
}

TEST(GetDR, "reads 0 for numbers above 7")
{
	static const uint32_t numbers[] = {8, 15, 16, 0x80000000, 0xffffffff};

	for (unsigned i = 0; i < 5; i++)
		check_equal((uint32_t)VMI(GetDR, numbers[i]), 0);
}

TEST(GetDR, "raises #UD at the call for 4 and 5 with CR4.DE")
{
	uint32_t cr4 = (uint32_t)VMI(GetCR4);

	VMI(SetCR4, cr4 | CR4_DE);
	for (uint32_t n = 4; n <= 5; n++) {
		call_reset();
		call_in.eax = n;
		if (call_trapping(VMI_CALL_GetDR, 6))
			check_at_call(6, TRAP_NO_CODE);
	}
	VMI(SetCR4, cr4);
}

TEST(GetDR, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetDR, 7);
}

/* ---- RDPMC, RDTSC ---- */

TEST(RDPMC, "raises #GP(0) at the call for a counter that does not exist")
{
	static const uint32_t counters[] = {0x12345, 0xffffffff, 0x4fffffff};

	for (unsigned i = 0; i < 3; i++) {
		call_reset();
		call_in.ecx = counters[i];
		if (call_trapping(VMI_CALL_RDPMC, 13))
			check_at_call(13, 0);
	}
}

static uint64_t rdtsc(void)
{
	uint64_t value;

	__asm__ volatile("rdtsc" : "=A"(value));
	return value;
}

TEST(RDTSC, "counts forwards, as the instruction does")
{
	uint64_t last = rdtsc();

	for (unsigned i = 0; i < 100; i++) {
		uint64_t now = VMI(RDTSC), behind = rdtsc();

		if (!check(last <= now && now <= behind))
			break;
		last = behind;
	}
}

TEST(RDTSC, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(RDTSC);
}
