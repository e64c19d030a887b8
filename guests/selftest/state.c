// SPDX-License-Identifier: GPL-2.0-or-later
//
// The processor state of one process is its own: integer registers, x87, SSE, AVX and AVX-512
// survive system calls, switches to other processes, preemption and signals.

#include "selftest.h"

#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>

// ---- FPU images: what FXSAVE or XSAVE write ----

enum { FCW = 0, FTW = 4, MXCSR = 24, ST = 32, XMM = 160, XSTATE_BV = 512 };
enum { X87_BIT = 1, SSE_BIT = 2, AVX_BIT = 4, OPMASK_BIT = 32, ZMM_BIT = 64, HI16_BIT = 128 };

// Parts of an image in an XSAVE area: component number, bytes that 32-bit code can reach.
static const struct {
	unsigned component, size;
} extensions[] = {{2, 8 * 16}, {5, 8 * 8}, {6, 8 * 32}};

// Of a signal's frame: FSAVE's image, then FXSAVE's, whose last bytes are the kernel's to use
// (struct _fpx_sw_bytes).
enum { FRAME_MAGIC = 112 + 464, FRAME_COMPONENTS = FRAME_MAGIC + 8, XSTATE_MAGIC = 0x46505853 };

static volatile unsigned kept_by_kernel;

static void look_at_frame(int number, siginfo_t *info, void *context)
{
	const uint8_t *frame = (const void *)((ucontext_t *)context)->uc_mcontext.fpregs;
	uint32_t magic, components;

	(void)number;
	(void)info;
	if (!frame)
		return;
	memcpy(&magic, frame + FRAME_MAGIC, 4);
	memcpy(&components, frame + FRAME_COMPONENTS, 4);
	kept_by_kernel = magic == XSTATE_MAGIC ? components : X87_BIT | SSE_BIT;
}

// CPUID and XGETBV are the processor's; an older kernel keeps less than they offer, and says so in
// signal frames.
static unsigned components_of_kernel(void)
{
	struct sigaction action = {.sa_sigaction = look_at_frame, .sa_flags = SA_SIGINFO}, old;

	fpu_reset(); // before it uses the FPU, a process has no image of it
	sigaction(SIGUSR2, &action, &old);
	raise(SIGUSR2);
	sigaction(SIGUSR2, &old, NULL);
	return kept_by_kernel;
}

static unsigned components;

static void look_at_components(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	a &= components_of_kernel() &
	     (X87_BIT | SSE_BIT | AVX_BIT | OPMASK_BIT | ZMM_BIT | HI16_BIT);
	if ((a & (OPMASK_BIT | ZMM_BIT | HI16_BIT)) != (OPMASK_BIT | ZMM_BIT | HI16_BIT))
		a &= X87_BIT | SSE_BIT | AVX_BIT;
	components = a;
}

// The components that are switched on, 0 when there is only FXSAVE. Threads that ask at the same
// time wait for the answer: an image made for FXSAVE has none of the bits XRSTOR looks for.
static unsigned xstate_mask(void)
{
	static pthread_once_t looked = PTHREAD_ONCE_INIT;

	pthread_once(&looked, look_at_components);
	return components;
}

static unsigned extension_offset(unsigned component)
{
	unsigned a, b, c, d;

	__cpuid_count(0xd, component, a, b, c, d);
	return b;
}

void fpu_load(const struct fpu_image *image)
{
	unsigned mask = xstate_mask();

	if (mask)
		__asm__ volatile("xrstor %0" ::"m"(*image), "a"(mask), "d"(0));
	else
		__asm__ volatile("fxrstor %0" ::"m"(*image));
}

void fpu_store(struct fpu_image *image)
{
	unsigned mask = xstate_mask();

	memset(image, 0, sizeof(*image));
	if (mask)
		__asm__ volatile("xsave %0" : "+m"(*image) : "a"(mask), "d"(0));
	else
		__asm__ volatile("fxsave %0" : "+m"(*image));
}

// What compiled code expects to find.
void fpu_reset(void)
{
	static const uint32_t mxcsr = 0x1f80;

	__asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
}

static void fill(uint8_t *bytes, size_t size, uint32_t *seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(next_random(seed) >> 11);
}

// Rounding and precision differ between patterns; exceptions stay masked.
void fpu_pattern(struct fpu_image *image, uint32_t seed)
{
	uint16_t control = (uint16_t)(0x037f | (seed & 3) << 10);
	uint32_t mxcsr = 0x1f80 | (seed >> 2 & 3) << 13;
	uint64_t bits = xstate_mask() & ~(unsigned)HI16_BIT;

	seed = seed * 2654435761u | 1;
	memset(image, 0, sizeof(*image));
	memcpy(image->bytes + FCW, &control, 2);
	image->bytes[FTW] = 0xff;
	memcpy(image->bytes + MXCSR, &mxcsr, 4);
	for (unsigned i = 0; i < 8; i++)
		fill(image->bytes + ST + 16 * i, 10, &seed);
	fill(image->bytes + XMM, 8 * 16, &seed);
	if (!bits)
		return;
	memcpy(image->bytes + XSTATE_BV, &bits, 8);
	for (size_t i = 0; i < COUNT(extensions); i++)
		if (bits & 1u << extensions[i].component)
			fill(image->bytes + extension_offset(extensions[i].component),
			     extensions[i].size, &seed);
}

static bool part_same(const struct fpu_image *a, const struct fpu_image *b, const char *name,
                      size_t at, size_t size)
{
	if (!memcmp(a->bytes + at, b->bytes + at, size))
		return true;
	diag("%s differs", name);
	return false;
}

bool fpu_same(const struct fpu_image *a, const struct fpu_image *b)
{
	static const char *const names[] = {"AVX", "AVX-512 masks", "AVX-512 upper halves"};
	bool same = part_same(a, b, "x87 control word", FCW, 2);

	same &= part_same(a, b, "x87 tags", FTW, 1);
	same &= part_same(a, b, "MXCSR", MXCSR, 4);
	for (unsigned i = 0; i < 8; i++)
		same &= part_same(a, b, "x87 register", ST + 16 * i, 10);
	same &= part_same(a, b, "SSE registers", XMM, 8 * 16);
	for (size_t i = 0; i < COUNT(extensions); i++)
		if (xstate_mask() & 1u << extensions[i].component)
			same &= part_same(a, b, names[i], extension_offset(extensions[i].component),
			                  extensions[i].size);
	return same;
}

// ---- what happens while the state is loaded ----

// One system call with six argument registers that must come back as they went; true if they did.
static bool integer_registers_kept(uint32_t seed)
{
	uint32_t want[6], got[6];

	for (unsigned i = 0; i < 6; i++)
		want[i] = next_random(&seed);
	__asm__ volatile("pushal\n\t"
	                 "pushl %1\n\t" // got
	                 "movl (%0), %%ebx; movl 4(%0), %%ecx; movl 8(%0), %%edx\n\t"
	                 "movl 12(%0), %%esi; movl 16(%0), %%edi; movl 20(%0), %%ebp\n\t"
	                 "movl $158, %%eax; int $0x80\n\t" // sched_yield takes no argument
	                 "xchgl %%eax, (%%esp)\n\t"
	                 "movl %%ebx, (%%eax); movl %%ecx, 4(%%eax); movl %%edx, 8(%%eax)\n\t"
	                 "movl %%esi, 12(%%eax); movl %%edi, 16(%%eax); movl %%ebp, 20(%%eax)\n\t"
	                 "addl $4, %%esp\n\t"
	                 "popal"
	                 :
	                 : "a"(want), "d"(got)
	                 : "memory", "cc");
	return !memcmp(want, got, sizeof(want));
}

// Counts down with patterns in all other registers; long enough to be preempted.
static bool integer_registers_survive(uint32_t seed, uint32_t turns)
{
	uint32_t want[6], got[6];

	for (unsigned i = 0; i < 6; i++)
		want[i] = next_random(&seed);
	__asm__ volatile("pushal\n\t"
	                 "pushl %1\n\t"
	                 "pushl %2\n\t"
	                 "movl (%0), %%ebx; movl 4(%0), %%ecx; movl 8(%0), %%edx\n\t"
	                 "movl 12(%0), %%esi; movl 16(%0), %%edi; movl 20(%0), %%ebp\n\t"
	                 "popl %%eax\n\t"
	                 "1: subl $1, %%eax; jnz 1b\n\t"
	                 "xchgl %%eax, (%%esp)\n\t"
	                 "movl %%ebx, (%%eax); movl %%ecx, 4(%%eax); movl %%edx, 8(%%eax)\n\t"
	                 "movl %%esi, 12(%%eax); movl %%edi, 16(%%eax); movl %%ebp, 20(%%eax)\n\t"
	                 "addl $4, %%esp\n\t"
	                 "popal"
	                 :
	                 : "a"(want), "d"(got), "c"(turns)
	                 : "memory", "cc");
	return !memcmp(want, got, sizeof(want));
}

static void spin(uint32_t turns)
{
	__asm__ volatile("1: subl $1, %0; jnz 1b" : "+r"(turns)::"cc");
}

// System calls as instructions: libc's wrappers may use the FPU.
static void yield_by_interrupt(uint32_t times)
{
	long result;

	while (times--)
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(SYS_sched_yield) : "memory");
}

static void yield_by_vdso(uint32_t times)
{
	uintptr_t entry = vsyscall_entry();
	long result;

	while (entry && times--)
		__asm__ volatile("call *%1"
		                 : "=a"(result)
		                 : "r"(entry), "0"(SYS_sched_yield)
		                 : "memory", "cc");
}

static bool fpu_survives(uint32_t seed, void (*event)(uint32_t), uint32_t argument)
{
	static struct fpu_image want, got;
	bool same;

	fpu_pattern(&want, seed);
	fpu_load(&want);
	event(argument);
	fpu_store(&got);
	fpu_reset();
	same = fpu_same(&want, &got);
	if (!same)
		diag("pattern %u", seed);
	return same;
}

enum { PROCESSES = 6, SPIN = 20000000 };

static void in_processes(void (*body)(int))
{
	pid_t children[PROCESSES];

	for (int i = 0; i < PROCESSES; i++)
		children[i] = start(body, i);
	for (int i = 0; i < PROCESSES; i++)
		expect_success(children[i]);
}

static void arithmetic(void)
{
	volatile uint64_t big = 0xfedcba9876543210u;
	volatile uint32_t divisor = 1000003;
	volatile double x = 2.0;
	volatile long double pi = 0;
	uint64_t sum = 0;

	expect_equal(big / divisor, 18364703450382u);
	expect_equal(big % divisor, 713574);
	for (uint32_t i = 0; i < 1000000; i++)
		sum += (uint64_t)i * i;
	expect_equal(sum, 333332833333500000u);
	for (int i = 0; i < 100; i++)
		x = (x + 2.0 / x) / 2.0;
	expect(x > 1.41421356237309 && x < 1.41421356237310);
	__asm__ volatile("fldpi" : "=t"(pi));
	expect(pi > 3.14159265358979L && pi < 3.14159265358980L);
}

static void integer_body(int who)
{
	for (uint32_t i = 0; i < 2000; i++)
		require(integer_registers_kept((uint32_t)who * 7919 + i + 1));
	for (uint32_t i = 0; i < 5; i++)
		require(integer_registers_survive((uint32_t)who * 7919 + i + 1, SPIN));
}

static void integer_switches(void)
{
	in_processes(integer_body);
}

static void fpu_yield_body(int who)
{
	for (uint32_t i = 0; i < 300; i++) {
		require(fpu_survives((uint32_t)who * 1000 + i, yield_by_interrupt, 3));
		require(fpu_survives((uint32_t)who * 1000 + i, yield_by_vdso, 3));
	}
}

static void fpu_yields(void)
{
	diag("state components 0x%x", xstate_mask());
	in_processes(fpu_yield_body);
}

static void fpu_preempted_body(int who)
{
	for (uint32_t i = 0; i < 8; i++)
		require(fpu_survives((uint32_t)who * 1000 + i, spin, SPIN));
}

static void fpu_preempted(void)
{
	in_processes(fpu_preempted_body);
}

// Every process waits for its neighbour's byte with its own state loaded: each system call is a
// switch.
static int ring[PROCESSES][2];

static void pass_on(uint32_t who)
{
	char byte;
	long result;

	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(SYS_read), "b"(ring[who][0]), "c"(&byte), "d"(1)
	                 : "memory");
	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(SYS_write), "b"(ring[(who + 1) % PROCESSES][1]), "c"(&byte), "d"(1)
	                 : "memory");
}

static void fpu_ring_body(int who)
{
	for (uint32_t i = 0; i < 500; i++)
		require(fpu_survives((uint32_t)who * 1000 + i, pass_on, (uint32_t)who));
}

static void fpu_ring(void)
{
	for (int i = 0; i < PROCESSES; i++)
		require(pipe(ring[i]) == 0);
	require(write(ring[0][1], "x", 1) == 1);
	in_processes(fpu_ring_body);
}

// Own or as after a reset. All zero is what XRSTOR makes of a component that an area does not hold.
static bool own_or_reset(const struct fpu_image *want, const struct fpu_image *got,
                         const char *name, size_t at, size_t size)
{
	static const uint8_t reset[8 * 32];

	if (!memcmp(want->bytes + at, got->bytes + at, size) ||
	    !memcmp(reset, got->bytes + at, size))
		return true;
	diag("%s are neither this process's nor reset", name);
	return false;
}

static bool all_own_or_reset(const struct fpu_image *want, const struct fpu_image *got)
{
	static const uint32_t reset_mxcsr = 0x1f80;
	bool good = own_or_reset(want, got, "SSE registers", XMM, 8 * 16);

	good &= !memcmp(want->bytes + MXCSR, got->bytes + MXCSR, 4) ||
	        !memcmp(&reset_mxcsr, got->bytes + MXCSR, 4);
	for (size_t c = 0; c < COUNT(extensions); c++)
		if (components & 1u << extensions[c].component)
			good &= own_or_reset(want, got, "extended registers",
			                     extension_offset(extensions[c].component),
			                     extensions[c].size);
	return good;
}

// To its end in any case: the others wait for this one's byte.
static void unkept_body(int who)
{
	static struct fpu_image want, got;
	bool good = true;

	for (uint32_t i = 0; i < 200; i++) {
		fpu_pattern(&want, (uint32_t)who * 1000 + i);
		fpu_load(&want);
		pass_on((uint32_t)who);
		fpu_store(&got);
		fpu_reset();
		good = good && all_own_or_reset(&want, &got);
	}
	require(good);
}

// A kernel that is too old to know a component, or was told not to use it, does not switch it. On a
// processor that obeys it there is no such component; a monitor may not be able to take it away.
static void fpu_unkept(void)
{
	unsigned a, b, c, d, kept = xstate_mask();

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		skip("no XSAVE");
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	components = a & (X87_BIT | SSE_BIT | AVX_BIT | OPMASK_BIT | ZMM_BIT | HI16_BIT);
	diag("components 0x%x, of which the kernel keeps 0x%x", components, kept);
	for (int i = 0; i < PROCESSES; i++)
		require(pipe(ring[i]) == 0);
	require(write(ring[0][1], "x", 1) == 1);
	in_processes(unkept_body);
}

// Each component of an area is where CPUID says, and no other byte of it is written.
static void components_in_place(void)
{
	static uint8_t area[16384] __attribute__((aligned(64)));
	static struct fpu_image pattern;
	unsigned a, b, c, d, enabled, size;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		skip("no XSAVE");
	__asm__ volatile("xgetbv" : "=a"(enabled), "=d"(d) : "c"(0));
	__cpuid_count(0xd, 0, a, size, c, d);
	diag("components 0x%x, %u bytes", enabled, size);
	require(size <= sizeof(area));
	expect_equal(enabled & ~a, 0);
	fpu_pattern(&pattern, 7);
	fpu_load(&pattern);
	for (unsigned i = 2; i < 32; i++) {
		unsigned outside = 0, inside = 0;

		// 32-bit code has no registers above the eighth.
		if (!(enabled & ~HI16_BIT & 1u << i))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		expect(a && b >= 576 && b + a <= size);
		memset(area, 0xa5, sizeof(area));
		memset(area + XSTATE_BV, 0, 64);
		__asm__ volatile("xsave %0" : "+m"(area) : "a"(1u << i), "d"(0));
		for (unsigned at = 0; at < sizeof(area); at++) {
			bool header = at >= XSTATE_BV && at < XSTATE_BV + 64;
			bool mxcsr = i == 2 && at >= MXCSR && at < MXCSR + 8;

			if (at - b < a)
				inside += area[at] != 0xa5;
			else if (!header && !mxcsr)
				outside += area[at] != 0xa5;
		}
		expect_equal(outside, 0);
		expect(inside > 0);
	}
	fpu_reset();
}

static volatile sig_atomic_t trashed;

static void trash(int number)
{
	static struct fpu_image other;

	(void)number;
	fpu_pattern(&other, 4711u + (uint32_t)trashed);
	fpu_load(&other);
	trashed++;
	// The handler's own state is not clean now, as a careless handler's would be.
}

static void raise_by_interrupt(uint32_t number)
{
	long result;

	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(SYS_kill), "b"(getpid()), "c"(number)
	                 : "memory");
}

static void fpu_signals(void)
{
	struct sigaction action = {.sa_handler = trash};

	sigaction(SIGUSR1, &action, NULL);
	for (uint32_t i = 0; i < 300; i++)
		require(fpu_survives(i, raise_by_interrupt, SIGUSR1));
	expect_equal(trashed, 300);
}

static void fpu_interrupted(void)
{
	struct sigaction action = {.sa_handler = trash};
	struct itimerval timer = {.it_value.tv_usec = 2000, .it_interval.tv_usec = 2000};

	// Asks once, by pthread_once(): a handler that came in between would wait for it for ever.
	xstate_mask();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (uint32_t i = 0; i < 20; i++)
		require(fpu_survives(i, spin, SPIN));
	expect(trashed > 0);
}

static void fpu_forked(void)
{
	static struct fpu_image want, got;
	pid_t child;

	for (uint32_t i = 0; i < 20; i++) {
		fpu_pattern(&want, 99 + i);
		fpu_load(&want);
		__asm__ volatile("int $0x80" : "=a"(child) : "a"(SYS_fork) : "memory");
		fpu_store(&got);
		fpu_reset();
		expect(fpu_same(&want, &got));
		if (child == 0)
			finish();
		expect_success(child);
	}
}

// A new program starts with the state the ABI names, whatever the old one had loaded.
static void fpu_fresh(void)
{
	static struct fpu_image image;
	pid_t child = fork();

	if (child == 0) {
		fpu_pattern(&image, 5);
		fpu_load(&image);
		execl("/proc/self/exe", "selftest", "--helper", "fpu-is-fresh", (char *)NULL);
		_exit(1);
	}
	expect_success(child);
}

const struct check state_checks[] = {
    {"arithmetic: 64-bit integers, SSE-free and x87 floating point", arithmetic},
    {"integer registers are kept over system calls and preemption, 6 processes", integer_switches},
    {"FPU state is kept over yields, 6 processes", fpu_yields},
    {"FPU state is kept over preemption, 6 processes", fpu_preempted},
    {"FPU state is kept in a ring of pipes, 6 processes", fpu_ring},
    {"XSAVE components are where CPUID says", components_in_place},
    {"unkept registers are never another process's", fpu_unkept},
    {"FPU state is kept over signal handlers that change it", fpu_signals},
    {"FPU state is kept over timer signals in computation", fpu_interrupted},
    {"FPU state is inherited by fork", fpu_forked},
    {"FPU state is fresh after exec", fpu_fresh},
    {0},
};
