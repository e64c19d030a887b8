// SPDX-License-Identifier: GPL-2.0-or-later
//
// ptrace: one process steps, stops and changes another.

#include "selftest.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

// What the traced process runs: LOOPS times two instructions, between two labels.
enum { LOOPS = 100 };
extern const char traced_start[], traced_loop[], traced_end[];
uint32_t traced_function(void);
__asm__(".text\n"
        "traced_function:\n"
        "traced_start: movl $100, %ecx\n"
        "	movl $0, %eax\n"
        "traced_loop: addl %ecx, %eax\n"
        "	subl $1, %ecx\n"
        "	jnz traced_loop\n"
        "traced_end: ret\n");

static void stop_at_once(void)
{
	require(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
}

static void traced_body(int unused)
{
	(void)unused;
	stop_at_once();
	require(traced_function() == LOOPS * (LOOPS + 1) / 2);
}

static int wait_stop(pid_t child)
{
	int status = 0;

	require(waitpid(child, &status, 0) == child);
	return status;
}

static void expect_stop(pid_t child, int signal_number)
{
	int status = wait_stop(child);

	if (!WIFSTOPPED(status) || WSTOPSIG(status) != signal_number)
		diag("status 0x%x instead of a stop by signal %d", status, signal_number);
	require(WIFSTOPPED(status) && WSTOPSIG(status) == signal_number);
}

static struct user_regs_struct registers_of(pid_t child)
{
	struct user_regs_struct registers;

	require(ptrace(PTRACE_GETREGS, child, NULL, &registers) == 0);
	return registers;
}

static pid_t start_traced(void (*body)(int))
{
	pid_t child = start(body, 0);

	expect_stop(child, SIGSTOP);
	return child;
}

static void step(pid_t child)
{
	require(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
	expect_stop(child, SIGTRAP);
}

static void run_to_end(pid_t child)
{
	require(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
	require(wait_stop(child) == 0);
}

// Puts a breakpoint there, runs into it and takes it away again.
static void run_to(pid_t child, const char *address)
{
	struct user_regs_struct registers;
	long word = ptrace(PTRACE_PEEKTEXT, child, address, NULL);

	require(ptrace(PTRACE_POKETEXT, child, address, (word & ~0xffl) | 0xcc) == 0);
	require(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
	expect_stop(child, SIGTRAP);
	registers = registers_of(child);
	require(registers.eip == (long)(uintptr_t)address + 1);
	require(ptrace(PTRACE_POKETEXT, child, address, word) == 0);
	registers.eip--;
	require(ptrace(PTRACE_SETREGS, child, NULL, &registers) == 0);
}

static void single_step(void)
{
	pid_t child = start_traced(traced_body);
	unsigned steps = 0;

	run_to(child, traced_start);
	while (registers_of(child).eip != (long)(uintptr_t)traced_end && steps < 10000) {
		struct user_regs_struct registers;

		step(child);
		steps++;
		registers = registers_of(child);
		if (registers.eip == (long)(uintptr_t)traced_loop)
			require((unsigned long)registers.ecx == LOOPS - (steps - 2) / 3);
	}
	expect_equal(steps, 2 + 3 * LOOPS);
	expect_equal(registers_of(child).eax, LOOPS * (LOOPS + 1) / 2);
	run_to_end(child);
}

static void breakpoints(void)
{
	pid_t child = start_traced(traced_body);

	for (int i = 0; i < LOOPS; i++) {
		run_to(child, traced_loop);
		require(registers_of(child).ecx == LOOPS - i);
		step(child);
	}
	run_to(child, traced_end);
	expect_equal(registers_of(child).eax, LOOPS * (LOOPS + 1) / 2);
	run_to_end(child);
	// The parent shares the text, but not the breakpoints.
	expect_equal(traced_function(), LOOPS * (LOOPS + 1) / 2);
}

static volatile uint32_t traced_word = 41;

static void word_body(int unused)
{
	(void)unused;
	stop_at_once();
	require(traced_word == 42);
}

static void memory_access(void)
{
	pid_t child = start_traced(word_body);

	expect_equal(ptrace(PTRACE_PEEKDATA, child, &traced_word, NULL), 41);
	require(ptrace(PTRACE_POKEDATA, child, &traced_word, 42) == 0);
	expect_equal(traced_word, 41);
	run_to_end(child);
}

static void calling_body(int unused)
{
	(void)unused;
	stop_at_once();
	for (int i = 0; i < 10; i++)
		require(syscall(SYS_getppid) == 1000 + i);
}

// Each call stops twice; the tracer replaces the result.
static void calls(void)
{
	pid_t child = start_traced(calling_body);
	unsigned seen = 0;
	bool inside = false;

	for (;;) {
		struct user_regs_struct registers;
		int status;

		require(ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0);
		status = wait_stop(child);
		if (WIFEXITED(status)) {
			expect_equal(status, 0);
			break;
		}
		require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		registers = registers_of(child);
		inside = !inside;
		if (registers.orig_eax != SYS_getppid)
			continue;
		if (inside) {
			expect_equal((unsigned long)registers.eax, (unsigned long)-ENOSYS);
			continue;
		}
		registers.eax = 1000 + (long)seen++;
		require(ptrace(PTRACE_SETREGS, child, NULL, &registers) == 0);
	}
	expect_equal(seen, 10);
}

static void fault_body(int unused)
{
	(void)unused;
	stop_at_once();
	*(volatile int *)0x1234 = 1;
}

static void fault_seen(void)
{
	pid_t child = start_traced(fault_body);
	siginfo_t info;

	require(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
	expect_stop(child, SIGSEGV);
	require(ptrace(PTRACE_GETSIGINFO, child, NULL, &info) == 0);
	expect_equal((uintptr_t)info.si_addr, 0x1234);
	expect_equal(info.si_code, SEGV_MAPERR);
	require(ptrace(PTRACE_KILL, child, NULL, NULL) == 0 || errno == ESRCH);
	kill(child, SIGKILL);
	require(WIFSIGNALED(wait_stop(child)));
}

enum { PATTERN = 321, OTHER_PATTERN = 322 };

// Loads PATTERN and stops; what it has when it goes on must be the pattern @after.
static void fpu_body(int after)
{
	static struct fpu_image want, got;

	require(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	fpu_pattern(&want, PATTERN);
	fpu_load(&want);
	__asm__ volatile("int3");
	fpu_store(&got);
	fpu_reset();
	fpu_pattern(&want, (uint32_t)after);
	require(fpu_same(&want, &got));
}

static void fpu_seen(void)
{
	static struct fpu_image want;
	struct user_fpxregs_struct seen;
	pid_t child;

	fpu_pattern(&want, PATTERN); // takes a signal the first time, which would stop the child
	child = start(fpu_body, PATTERN);
	expect_stop(child, SIGTRAP);
	require(ptrace(PTRACE_GETFPXREGS, child, NULL, &seen) == 0);
	expect(!memcmp(seen.xmm_space, want.bytes + 160, 8 * 16));
	for (unsigned i = 0; i < 8; i++)
		expect(!memcmp((uint8_t *)seen.st_space + 16 * i, want.bytes + 32 + 16 * i, 10));
	expect_equal(seen.mxcsr, *(uint32_t *)(want.bytes + 24));
	require(ptrace(PTRACE_SETFPXREGS, child, NULL, &seen) == 0);
	run_to_end(child);
}

enum { XSTATE_FEATURES = 464, XSTATE_LEAST = 512 + 64 };

// The whole XSAVE area, of whatever size the processor's is.
static void xstate_seen(void)
{
	static struct fpu_image want, other;
	static uint8_t area[16384] __attribute__((aligned(64)));
	struct iovec seen = {area, sizeof(area)};
	pid_t child;

	fpu_pattern(&want, PATTERN);
	fpu_pattern(&other, OTHER_PATTERN);
	child = start(fpu_body, OTHER_PATTERN);
	expect_stop(child, SIGTRAP);
	if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &seen) != 0) {
		kill(child, SIGKILL);
		skip("no NT_X86_XSTATE: %s", strerror(errno));
	}
	diag("%zu bytes", seen.iov_len);
	require(seen.iov_len >= XSTATE_LEAST && seen.iov_len <= sizeof(area));
	expect(fpu_same(&want, (struct fpu_image *)area));
	// All but what the kernel says there of itself.
	memcpy(area, other.bytes, XSTATE_FEATURES);
	memcpy(area + 512, other.bytes + 512,
	       (seen.iov_len < sizeof(other) ? seen.iov_len : sizeof(other)) - 512);
	require(ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &seen) == 0);
	run_to_end(child);
}

static void attached(void)
{
	pid_t child = fork();
	int status;

	require(child >= 0);
	if (child == 0)
		for (;;)
			__asm__ volatile("" ::: "memory");
	require(ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0);
	expect_stop(child, SIGSTOP);
	for (int i = 0; i < 50; i++)
		step(child);
	require(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0);
	kill(child, SIGKILL);
	require(waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void watch_body(int unused)
{
	(void)unused;
	stop_at_once();
	traced_word = 43;
}

// Debug register 0 watches a word for writes.
static void watchpoint(void)
{
	pid_t child = start_traced(watch_body);
	int status;

	errno = 0;
	if (ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[0]), &traced_word) <
	        0 ||
	    ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 0x000d0001) < 0) {
		kill(child, SIGKILL);
		skip("no debug registers: %s", strerror(errno));
	}
	require(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
	status = wait_stop(child);
	if (WIFEXITED(status))
		todo("the watchpoint did not stop the process");
	require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	expect_equal(ptrace(PTRACE_PEEKDATA, child, &traced_word, NULL), 43);
	run_to_end(child);
}

const struct check trace_checks[] = {
    {"ptrace: single-step of a loop, exact count", single_step},
    {"ptrace: breakpoint in a loop", breakpoints},
    {"ptrace: memory of the traced process", memory_access},
    {"ptrace: system calls seen and changed", calls},
    {"ptrace: a fault with its address", fault_seen},
    {"ptrace: FPU registers", fpu_seen},
    {"ptrace: the XSAVE area, read and replaced", xstate_seen},
    {"ptrace: attach to a spinning process, step, detach", attached},
    {"ptrace: watchpoint", watchpoint},
    {0},
};
