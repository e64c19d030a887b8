// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a processor does to the letter: addresses, error codes and flags of faults, steps and
// frames.

#include "selftest.h"

#include <sys/io.h>
#include <sys/time.h>

enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, RF = 0x10000 };
enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

static uint8_t *code_page(void)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
	                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(page != MAP_FAILED);
	return page;
}

// ---- accesses behind the user half: every way to name an address ----

// All registers hold the end of the user half but @inside, which names memory of the program.
static const struct {
	const char *name;
	uint8_t code[12], length;
	uint8_t inside; // register, or 8: none
	int32_t where;  // of the access, from the end of the user half
	unsigned error;
} behind[] = {
    {"mov (%eax), %ebx", {0x8b, 0x18}, 2, 8, 0, 0},
    {"mov %ebx, 4(%eax)", {0x89, 0x58, 4}, 3, 8, 4, PF_WRITE},
    {"mov 8(%ebp), %eax", {0x8b, 0x45, 8}, 3, 8, 8, 0},
    {"mov %eax, (%esp)", {0x89, 0x04, 0x24}, 3, 8, 0, PF_WRITE},
    {"add %ecx, (%edx)", {0x01, 0x0a}, 2, 8, 0, PF_WRITE},
    {"cmp %ecx, (%edx)", {0x39, 0x0a}, 2, 8, 0, 0},
    {"test $1, (%edx)", {0xf6, 0x02, 0x01}, 3, 8, 0, 0},
    {"not (%edx)", {0xf7, 0x12}, 2, 8, 0, PF_WRITE},
    {"mov %es:16(%edi), %al", {0x26, 0x8a, 0x47, 16}, 4, 8, 16, 0},
    {"push %eax", {0x83, 0xc4, 0x40, 0x50}, 4, 8, 0x3c, PF_WRITE},
    {"pop %eax", {0x58}, 1, 8, 0, 0},
    {"pusha", {0x83, 0xc4, 0x40, 0x60}, 4, 8, 0x3c, PF_WRITE},
    {"pop %eax, the long form", {0x8f, 0xc0}, 2, 8, 0, 0},
    {"popa", {0x61}, 1, 8, 0, 0},
    {"ret", {0xc3}, 1, 8, 0, 0},
    {"leave", {0xc9}, 1, 8, 0, 0},
    {"call *(%eax)", {0xff, 0x10}, 2, ESP, 0, 0},
    {"push (%eax)", {0xff, 0x30}, 2, ESP, 0, 0},
    {"pop (%eax)", {0x8f, 0x00}, 2, ESP, 0, PF_WRITE},
    {"movsb from there", {0xa4}, 1, EDI, 0, 0},
    {"movsl to there", {0xa5}, 1, ESI, 0, PF_WRITE},
    {"rep stosl", {0xf3, 0xab}, 2, 8, 0, PF_WRITE},
    {"lodsb", {0xac}, 1, 8, 0, 0},
    {"scasb", {0xae}, 1, 8, 0, 0},
    {"xlat", {0x30, 0xc0, 0xd7}, 3, 8, 0, 0},
    {"setz (%ecx)", {0x0f, 0x94, 0x01}, 3, 8, 0, PF_WRITE},
    {"bts %eax, (%ecx)", {0x6a, 0x61, 0x58, 0x0f, 0xab, 0x01}, 6, ESP, 12, PF_WRITE},
    {"cmpxchg8b (%esi)", {0x0f, 0xc7, 0x0e}, 3, 8, 0, PF_WRITE},
    {"fldt (%eax)", {0xdb, 0x28}, 2, 8, 0, 0},
    {"fstps (%eax)", {0xd9, 0x18}, 2, 8, 0, PF_WRITE},
    {"fnstcw (%eax)", {0xd9, 0x38}, 2, 8, 0, PF_WRITE},
    {"movups (%eax), %xmm0", {0x0f, 0x10, 0x00}, 3, 8, 0, 0},
    {"movaps %xmm0, (%eax)", {0x0f, 0x29, 0x00}, 3, 8, 0, PF_WRITE},
    {"movntdq %xmm0, (%eax)", {0x66, 0x0f, 0xe7, 0x00}, 4, 8, 0, PF_WRITE},
    {"addss (%eax), %xmm0", {0xf3, 0x0f, 0x58, 0x00}, 4, 8, 0, 0},
};

static size_t set_registers(uint8_t *code, uint32_t value, unsigned inside, uint32_t memory)
{
	size_t n = 0;

	for (unsigned reg = 0; reg < 8; reg++, n += 4) {
		uint32_t v = reg == inside ? memory : value;

		code[n++] = (uint8_t)(0xb8 + reg);
		memcpy(code + n, &v, 4);
	}
	return n;
}

static void run_without_return(void *code)
{
	__asm__ volatile("jmp *%0" ::"r"(code) : "memory");
}

static void accesses_behind(void)
{
	static uint32_t room[64];
	uint8_t *page = code_page();

	for (size_t i = 0; i < COUNT(behind); i++) {
		uintptr_t at = user_end() + (uintptr_t)behind[i].where;
		size_t n = set_registers(page, (uint32_t)user_end(), behind[i].inside,
		                         (uint32_t)(uintptr_t)&room[32]);
		struct fault fault;

		memcpy(page + n, behind[i].code, behind[i].length);
		memcpy(page + n + behind[i].length, "\x0f\x0b", 2);
		fault = catch_fault(run_without_return, page);
		fpu_reset();
		if (fault.number != SIGSEGV || fault.trap != 14 || fault.address != at ||
		    (fault.error & ~(unsigned)PF_PRESENT) != (behind[i].error | PF_USER)) {
			diag_fault(behind[i].name, &fault);
			diag("    wanted %08lx, error %x", (unsigned long)at,
			     behind[i].error | PF_USER);
		}
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.code == SEGV_MAPERR || fault.code == SEGV_ACCERR, 1);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, at);
		expect_equal(fault.error & ~(unsigned)PF_PRESENT, behind[i].error | PF_USER);
	}
}

// An access that begins in the last page of the user half reports the first byte behind it.
static void accesses_over_the_end(void)
{
	uint8_t *last = (uint8_t *)user_end() - PAGE;
	uint8_t *page = code_page();
	static const uint8_t codes[][4] = {{0x8b, 0x18}, {0xdd, 0x18}, {0x0f, 0x11, 0x00}};

	if (mmap(last, PAGE, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != last)
		skip("the last page of the user half is taken: %s", strerror(errno));
	diag("user addresses end at %#lx", (unsigned long)user_end());
	for (size_t i = 0; i < COUNT(codes); i++) {
		size_t n = set_registers(page, (uint32_t)user_end() - 2, 8, 0);
		struct fault fault;

		memcpy(page + n, codes[i], 3);
		fault = catch_fault(run_without_return, page);
		fpu_reset();
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, user_end());
		expect_equal(!!(fault.error & PF_WRITE), i > 0);
	}
	munmap(last, PAGE);
}

// A jump there is a fault of the fetch, not of what the bytes there would do.
static void jumps_behind(void)
{
	static const uintptr_t distances[] = {0, 1, 0x3000, 0x03f00123, 0x10000000, 0x30000001};
	uintptr_t last = 0xfffffffe;

	for (size_t i = 0; i <= COUNT(distances); i++) {
		uintptr_t at = i < COUNT(distances) ? user_end() + distances[i] : last;
		struct fault fault;

		if (at < user_end())
			continue;
		fault = catch_fault(run_without_return, (void *)at);
		if (fault.address != at)
			diag_fault("jump", &fault);
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, at);
		expect_equal(fault.eip, at);
		expect_equal(fault.error & (PF_WRITE | PF_USER), PF_USER);
	}
}

// ---- flags and steps ----

static void undefined(void *argument)
{
	(void)argument;
	__asm__ volatile("ud2");
}

static void breakpoint(void *argument)
{
	(void)argument;
	__asm__ volatile("int3");
}

static void halt(void *argument)
{
	(void)argument;
	__asm__ volatile("hlt");
}

static void divide(void *argument)
{
	(void)argument;
	__asm__ volatile("divl %1" ::"a"(1), "r"(0), "d"(0) : "cc");
}

static void read_byte(void *address)
{
	(void)*(volatile uint8_t *)address;
}

static void step_once(void *argument)
{
	(void)argument;
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf; nop; nop" ::: "cc", "memory");
}

// Faults push RF set, traps clear.
static void resume_flag(void)
{
	static void (*const faults[])(void *) = {undefined, halt, divide, read_byte};
	static void (*const traps[])(void *) = {breakpoint, step_once};

	for (size_t i = 0; i < COUNT(faults); i++) {
		struct fault fault = catch_fault(faults[i], NULL);

		require(fault.number != 0);
		if (!(fault.eflags & RF))
			diag_fault("a fault without RF", &fault);
		expect(fault.eflags & RF);
	}
	for (size_t i = 0; i < COUNT(traps); i++) {
		struct fault fault = catch_fault(traps[i], NULL);

		expect_equal(fault.number, SIGTRAP);
		expect_equal(fault.eflags & RF, 0);
	}
}

static volatile uint32_t steps;
static volatile uintptr_t highest;

static void note_eip(int number, siginfo_t *info, void *context)
{
	uintptr_t eip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_EIP];

	(void)number;
	(void)info;
	steps++;
	if (eip > highest)
		highest = eip;
}

static long call_by_vdso(long number)
{
	uintptr_t entry = vsyscall_entry();
	long result;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(entry), "0"(number) : "memory", "cc");
	return result;
}

// Whether stepped or interrupted, a program in a system call is in its own half.
static void where_calls_are(void)
{
	struct sigaction action = {.sa_sigaction = note_eip, .sa_flags = SA_SIGINFO};
	struct itimerval timer = {.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000};
	uint64_t end;

	if (!vsyscall_entry())
		skip("no AT_SYSINFO");
	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf" ::: "cc", "memory");
	for (int i = 0; i < 20; i++)
		call_by_vdso(SYS_getpid);
	kill(getpid(), SIGALRM); // raise may block SIGTRAP, too; the handler is stepped, too, and
	                         // so is the return from it
	__asm__ volatile("pushf; andl $~0x100, (%%esp); popf" ::: "cc", "memory");
	expect(steps >= 20 * 3); // call, int and ret in the shortest vDSO, and the loop
	expect(highest < user_end());
	steps = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	// On a busy host many ticks are one, and 300 ms may be none of this machine's.
	for (end = now_ns() + 300000000; now_ns() < end || steps <= 10;)
		for (int i = 0; i < 1000; i++)
			require(call_by_vdso(SYS_getpid) == getpid());
	if (highest >= user_end())
		diag("EIP was %08lx", (unsigned long)highest);
	expect(highest < user_end());
}

// Instructions that are not executed but emulated are steps like any other.
static void emulated_steps(void)
{
	struct sigaction action = {.sa_sigaction = note_eip, .sa_flags = SA_SIGINFO};

	if (!on_i386_kernel())
		skip("real ports are left alone");
	require(ioperm(0x80, 1, 1) == 0);
	sigaction(SIGTRAP, &action, NULL);
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf\n\t"
	                 "outb %%al, $0x80; outb %%al, $0x80; nop; outb %%al, $0x80\n\t"
	                 "pushf; andl $~0x100, (%%esp); popf" ::"a"(0)
	                 : "cc", "memory");
	expect_equal(steps, 4 + 3);
	steps = 0;
	__asm__ volatile("outb %%al, $0x80; nop" ::"a"(0));
	expect_equal(steps, 0);
}

const struct check exact_checks[] = {
    {"accesses behind the user half: si_addr, error code", accesses_behind},
    {"accesses over the end of the user half", accesses_over_the_end},
    {"jumps behind the user half", jumps_behind},
    {"EFLAGS.RF in the frames of faults and traps", resume_flag},
    {"system calls are made from the user half, stepped or interrupted", where_calls_are},
    {"single-step over port accesses, exact count", emulated_steps},
    {0},
};
