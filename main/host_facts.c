// SPDX-License-Identifier: GPL-2.0-or-later
/* What the host gives the machine: the rate of its TSC, the time of day, its register state. */
#include "main/vm.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define HWCAP2_FSGSBASE 2u
#define XFEATURE_AMX    0x60000ull /* off until a process asks for it */

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A pair of readings taken close together: the narrowest of a few tries. */
static void read_pair(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t before = __rdtsc(), now = nanoseconds(CLOCK_MONOTONIC), after = __rdtsc();

		if (after - before < best) {
			best = after - before;
			*tsc = before + (after - before) / 2;
			*ns = now;
		}
	}
}

/*
 * CLOCK_MONOTONIC against the TSC. main has other things to do meanwhile, so the interval is
 * from the first call (at start-up) to now, at least 20 ms: an error of 100 ns in 20 ms is
 * 5 ppm, about what NTP corrects anyway.
 */
static uint64_t first_tsc, first_ns;

static void __attribute__((constructor)) first_reading(void)
{
	read_pair(&first_tsc, &first_ns);
}

static uint64_t calibrate(struct machine *m)
{
	uint64_t tsc, ns;

	do
		read_pair(&tsc, &ns);
	while (ns - first_ns < 20000000);
	m->tsc_khz = (uint32_t)((tsc - first_tsc) * 1000000 / (ns - first_ns));
	return (uint64_t)(((unsigned __int128)(ns - first_ns) << 32) / (tsc - first_tsc));
}

static void fill_xsave(struct machine *m)
{
	uint32_t eax, ebx, ecx, edx, lo, hi;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	m->xsave_mask = ((uint64_t)hi << 32 | lo) & ~XFEATURE_AMX;
	__cpuid_count(0xd, 0, eax, ebx, ecx, edx);
	m->xsave_size = ebx;
	/* The initial state: everything in its reset state but MXCSR, which is always loaded. */
	memcpy(m->xsave + 24, &(uint32_t){0x1f80}, 4);
}

/* What a cell cannot do without. Better said here than by a process that dies. */
static int check_host(void)
{
	uint8_t entry[8];

	if (syscall(SYS_modify_ldt, 0, entry, sizeof entry) < 0) {
		complain("the host forbids modify_ldt (%s): its kernel needs "
		         "CONFIG_MODIFY_LDT_SYSCALL, and a container must not filter the call",
		         strerror(errno));
		return EXIT_HOST;
	}
	if (prctl(PR_GET_SECCOMP) < 0) {
		complain("the host's kernel has no seccomp (CONFIG_SECCOMP_FILTER): a guest cannot "
		         "be confined");
		return EXIT_HOST;
	}
	return 0;
}

/*
 * From where on the host lets this process, and so the cells, map memory: vm.mmap_min_addr, unless
 * CAP_SYS_RAWIO or a security module say otherwise.
 */
static int find_lowest(uint32_t *lowest)
{
	for (uint32_t at = 0; at <= HOLE_LOW_SIZE; at += PAGE_SIZE) {
		/* Not by mmap(): the thread sanitizer's takes address 0 for a mistake. */
		long p = syscall(SYS_mmap, (uintptr_t)at, PAGE_SIZE, PROT_NONE,
		                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		*lowest = at;
		if (p == -1 && errno != EEXIST)
			continue;
		if (p != -1)
			syscall(SYS_munmap, p, PAGE_SIZE);
		return 0;
	}
	complain(
	    "the host lets processes map nothing below address 0x%x (sysctl vm.mmap_min_addr); "
	    "ring1 needs all above 64 KiB",
	    HOLE_LOW_SIZE + PAGE_SIZE);
	return EXIT_HOST;
}

bool host_has_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
}

int host_facts_fill(struct vm *vm)
{
	int status;

	struct machine *m = vm->machine;
	uint32_t eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) {
		complain("this host's processor or kernel has no XSAVE; ring1 needs it");
		return EXIT_HOST;
	}
	if (check_host())
		return EXIT_HOST;
	if ((status = find_lowest(&m->low.end)))
		return status;
	m->have_fsgsbase = fast(FAST_FSGSBASE) && host_has_fsgsbase();
	fill_xsave(m);
	if (m->xsave_size > sizeof m->xsave) {
		complain(
		    "this processor's extended state is %u bytes, more than ring1 provides for",
		    m->xsave_size);
		return EXIT_HOST;
	}
	vm_start_clock(vm, calibrate(m));
	cpuid_fill(m);
	return 0;
}
