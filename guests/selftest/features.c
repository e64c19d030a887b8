// SPDX-License-Identifier: GPL-2.0-or-later
//
// What programs find out about their processor, and that the kernel keeps what it says it has.

#include "selftest.h"

#include <asm/ldt.h>
#include <cpuid.h>

// ---- CPUID and /proc/cpuinfo ----

static const struct {
	const char *name;
	unsigned leaf, subleaf, reg, bit; // reg: 0 EAX .. 3 EDX
	uint64_t state;                   // XCR0 components it needs
} features[] = {
    {"fpu", 1, 0, 3, 0, 0},          {"tsc", 1, 0, 3, 4, 0},
    {"cx8", 1, 0, 3, 8, 0},          {"cmov", 1, 0, 3, 15, 0},
    {"mmx", 1, 0, 3, 23, 0},         {"fxsr", 1, 0, 3, 24, 0},
    {"sse", 1, 0, 3, 25, 0},         {"sse2", 1, 0, 3, 26, 0},
    {"pni", 1, 0, 2, 0, 0},          {"ssse3", 1, 0, 2, 9, 0},
    {"sse4_1", 1, 0, 2, 19, 0},      {"sse4_2", 1, 0, 2, 20, 0},
    {"popcnt", 1, 0, 2, 23, 0},      {"aes", 1, 0, 2, 25, 0},
    {"xsave", 1, 0, 2, 26, 0},       {"avx", 1, 0, 2, 28, 6},
    {"f16c", 1, 0, 2, 29, 6},        {"avx2", 7, 0, 1, 5, 6},
    {"bmi1", 7, 0, 1, 3, 0},         {"bmi2", 7, 0, 1, 8, 0},
    {"erms", 7, 0, 1, 9, 0},         {"avx512f", 7, 0, 1, 16, 0xe6},
    {"avx512bw", 7, 0, 1, 30, 0xe6}, {"avx512vl", 7, 0, 1, 31, 0xe6},
    {"ospke", 7, 0, 2, 4, 0x200},
};

static uint64_t enabled_state(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 3;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

static bool in_cpuinfo(const char *name)
{
	static char line[8192];
	FILE *file = fopen("/proc/cpuinfo", "r");
	size_t length = strlen(name);
	bool found = false;

	require(file != NULL);
	while (!found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (char *at = line; !found && (at = strstr(at, name)); at += length)
			found = at[-1] == ' ' && (at[length] == ' ' || at[length] == '\n');
		break;
	}
	fclose(file);
	return found;
}

static void told_alike(void)
{
	unsigned unknown = 0;

	for (size_t i = 0; i < COUNT(features); i++) {
		unsigned reg[4] = {0};
		bool offered, usable;

		__get_cpuid_count(features[i].leaf, features[i].subleaf, &reg[0], &reg[1], &reg[2],
		                  &reg[3]);
		offered = reg[features[i].reg] >> features[i].bit & 1;
		usable = offered && (enabled_state() & features[i].state) == features[i].state;
		if (in_cpuinfo(features[i].name) != usable)
			diag("%s: the kernel says %d, CPUID %d, usable %d", features[i].name,
			     in_cpuinfo(features[i].name), offered, usable);
		// What the kernel names can be used; what needs the kernel's help is named.
		expect(usable || !in_cpuinfo(features[i].name));
		if (!features[i].state || in_cpuinfo(features[i].name) || !usable)
			continue;
		unknown++;
		expect(!kernel_is_at_least(4, 6, 0)); // which knows all of them
	}
	if (unknown)
		todo("%u features of the processor whose state this kernel does not know", unknown);
}

// ---- vulnerabilities ----

enum { TSA_NO = 6 }; // CPUID 0x80000021 ECX: TSA_SQ_NO, TSA_L1_NO

// A kernel that is not told mitigates what its processor does not have, at each return to user
// mode.
static void immune(void)
{
	char line[80];
	FILE *file = fopen("/sys/devices/system/cpu/vulnerabilities/tsa", "r");
	unsigned a, b, c, d;

	if (!file)
		skip("this kernel does not know of TSA");
	require(fgets(line, sizeof(line), file) != NULL);
	fclose(file);
	if (!__get_cpuid(0x80000021, &a, &b, &c, &d) || (c & TSA_NO) != TSA_NO)
		skip("the processor does not say that it has no TSA: %s", line);
	if (strncmp(line, "Not affected", 12))
		diag("tsa: %s", line);
	expect(!strncmp(line, "Not affected", 12));
}

// ---- the extended state in signal frames ----

enum { MAGIC1 = 0x46505853, MAGIC2 = 0x46505845, FSAVE = 112, SW_BYTES = 464, HEADER = 512 };

static uint8_t frame_copy[16384];
static volatile uint32_t frame_size;

// The frame's FXSAVE image lies behind the FSAVE image of i386 (struct _fpstate_32).
static void copy_frame(int number, siginfo_t *info, void *context)
{
	const uint8_t *frame = (const uint8_t *)((ucontext_t *)context)->uc_mcontext.fpregs + FSAVE;
	uint32_t words[4];

	(void)number;
	(void)info;
	memcpy(words, frame + SW_BYTES, sizeof(words));
	if (words[0] != MAGIC1)
		return;
	frame_size = words[1];
	if (words[1] <= sizeof(frame_copy))
		memcpy(frame_copy, frame - FSAVE, words[1]);
	// What the handler writes into it, the program finds in its registers.
	((uint8_t *)(uintptr_t)frame)[160] ^= 0xff;
}

static void state_in_frames(void)
{
	struct sigaction action = {.sa_sigaction = copy_frame, .sa_flags = SA_SIGINFO};
	static struct fpu_image want, got;
	uint32_t words[4], a, b, c, d, magic2;
	uint64_t kept;
	long result;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		skip("no XSAVE");
	sigaction(SIGUSR1, &action, NULL);
	fpu_pattern(&want, 99);
	fpu_load(&want);
	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(SYS_kill), "b"(getpid()), "c"(SIGUSR1)
	                 : "memory");
	fpu_store(&got);
	fpu_reset();
	if (!frame_size)
		skip("this kernel's frames hold no XSAVE area");
	got.bytes[160] ^= 0xff;
	expect(fpu_same(&want, &got));
	memcpy(words, frame_copy + FSAVE + SW_BYTES, sizeof(words));
	kept = (uint64_t)words[3] << 32 | words[2];
	memcpy(words, frame_copy + FSAVE + SW_BYTES + 16, 4);
	diag("state 0x%llx of 0x%llx, %u bytes", (unsigned long long)kept,
	     (unsigned long long)enabled_state(), words[0]);
	expect(words[0] >= HEADER + 64 && frame_size == FSAVE + words[0] + 4);
	memcpy(&magic2, frame_copy + FSAVE + words[0], 4);
	expect_equal(magic2, MAGIC2);
	__cpuid_count(0xd, 0, a, b, c, d);
	expect_equal(kept & ~enabled_state(), 0);
	expect(words[0] <= b);
	// The registers as they were: x87, SSE and what the image has behind them.
	expect(!memcmp(frame_copy + FSAVE + 160, want.bytes + 160, 8 * 16));
	if (kept & 4) {
		__cpuid_count(0xd, 2, a, b, c, d);
		expect(!memcmp(frame_copy + FSAVE + b, want.bytes + b, 8 * 16));
	}
	if (kept & 0x40) {
		__cpuid_count(0xd, 6, a, b, c, d);
		expect(!memcmp(frame_copy + FSAVE + b, want.bytes + b, 8 * 32));
	}
	if ((kept & 0xe7) != (enabled_state() & 0xe7))
		todo("this kernel keeps less than programs can use");
}

// ---- where the descriptor tables are ----

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

// With UMIP the kernel answers for the processor (arch/x86/kernel/umip.c), the same to everybody.
static void table_addresses(void)
{
	struct table gdt = {0}, idt = {0};
	uint32_t msw = 0, a, b, c, d;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(c & 4))
		skip("the processor has no UMIP: it tells where its tables are");
	__asm__ volatile("sgdt %0; sidt %1; smsw %2" : "=m"(gdt), "=m"(idt), "=r"(msw));
	expect_equal(gdt.base, 0xfffe0000);
	expect_equal(gdt.limit, 0);
	expect_equal(idt.base, 0xffff0000);
	expect_equal(idt.limit, 0);
	expect_equal(msw & 0xffff, 0x33);
}

static uint32_t selector_read;

static void read_task_selector(void *unused)
{
	(void)unused;
	__asm__ volatile("str %0" : "=r"(selector_read));
}

static void read_table_selector(void *unused)
{
	(void)unused;
	__asm__ volatile("sldt %0" : "=r"(selector_read));
}

// Kernels answer with the selector that they use themselves (arch/x86/include/asm/segment.h), those
// of before 5.10 by SIGSEGV.
static void table_selectors(void)
{
	struct user_desc entry = {.entry_number = 1, .limit = 1, .seg_32bit = 1, .useable = 1};
	unsigned a, b, c, d;
	uint32_t without;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(c & 4))
		skip("the processor has no UMIP: it tells its selectors");
	if (catch_fault(read_task_selector, NULL).number)
		skip("this kernel does not answer for the processor");
	expect(selector_read == 0x40 || (on_i386_kernel() && selector_read == 0x80));
	expect_equal(catch_fault(read_table_selector, NULL).number, 0);
	without = selector_read;
	require(syscall(SYS_modify_ldt, 0x11, &entry, sizeof(entry)) == 0);
	expect_equal(catch_fault(read_table_selector, NULL).number, 0);
	expect(selector_read == 0x50 || (on_i386_kernel() && selector_read == 0x88));
	// docs/architecture.md, 13: what the host answers for has a table always.
	if (on_i386_kernel() && without)
		todo("sldt is %x in a process without a table", without);
	expect_equal(without, 0);
}

// ---- the kernel's memory by other ways than DS ----

static uint16_t area_selector;
static uint32_t area_base;

static void read_through_area(void *address)
{
	uint8_t value;

	__asm__ volatile("pushl %%fs; movw %w1, %%fs; movb %%fs:(%2), %0; popl %%fs"
	                 : "=q"(value)
	                 : "r"(area_selector), "r"((uint32_t)(uintptr_t)address - area_base));
}

static void read_through_code(void *address)
{
	uint8_t value;

	__asm__ volatile("movb %%cs:(%1), %0" : "=q"(value) : "r"(address));
}

static void other_ways(void)
{
	static uint32_t words[16];
	struct user_desc entry = {.entry_number = (unsigned)-1,
	                          .base_addr = (unsigned)(uintptr_t)words,
	                          .limit = 0xfffff,
	                          .seg_32bit = 1,
	                          .limit_in_pages = 1,
	                          .useable = 1};
	void *kernel = (void *)(user_end() + (on_i386_kernel() ? 0x1000000 : 0));
	static void (*const ways[])(void *) = {read_through_area, read_through_code};
	unsigned readable = 0;

	require(syscall(SYS_set_thread_area, &entry) == 0);
	area_selector = (uint16_t)(entry.entry_number << 3 | 3);
	area_base = entry.base_addr;
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct fault fault = catch_fault(ways[i], kernel);

		readable += !fault.number;
		if (!fault.number)
			continue;
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, (uintptr_t)kernel);
	}
	// docs/architecture.md, 7: no limit is both above and below a segment's base.
	if (readable)
		todo("a program can read its kernel in %u ways", readable);
}

const struct check feature_checks[] = {
    {"CPUID and /proc/cpuinfo agree", told_alike},
    {"nothing is mitigated that the processor does not have", immune},
    {"the extended state in signal frames", state_in_frames},
    {"sgdt, sidt, smsw: the answers of UMIP", table_addresses},
    {"sldt, str: the answers of UMIP", table_selectors},
    {"kernel addresses through a thread area and through CS", other_ways},
    {0},
};
