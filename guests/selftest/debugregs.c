// SPDX-License-Identifier: GPL-2.0-or-later
//
// Debug registers, as a debugger uses them: data and instruction breakpoints of a traced process.

#include "selftest.h"

#include <sys/ptrace.h>
#include <sys/user.h>

enum { ROUNDS = 50, HIT0 = 1, HIT1 = 2, BS = 0x4000, RF = 0x10000 };
enum { EXECUTE = 0, WRITE = 1, ACCESS = 3, LEN1 = 0, LEN2 = 1, LEN4 = 3 };

// The watched words share a page with others that are used all the time.
static volatile uint32_t shared[PAGE / 4] __attribute__((aligned(4096)));
enum { WATCHED = 100, NEIGHBOUR = 101, FAR_ONE = 900 };

static int wait_stop(pid_t child)
{
	int status = 0;

	require(waitpid(child, &status, 0) == child);
	return status;
}

static pid_t start_traced(void (*body)(int))
{
	pid_t child = fork();

	require(child >= 0);
	if (child == 0) {
		require(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		raise(SIGSTOP);
		body(0);
		finish();
	}
	require(WSTOPSIG(wait_stop(child)) == SIGSTOP);
	return child;
}

static bool set_register(pid_t child, unsigned n, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg) + n * sizeof(int),
	              value) == 0;
}

static uint32_t get_register(pid_t child, unsigned n)
{
	errno = 0;
	return (uint32_t)ptrace(PTRACE_PEEKUSER, child,
	                        offsetof(struct user, u_debugreg) + n * sizeof(int), NULL);
}

// Breakpoint @n at @address; ends the check where there are no debug registers.
static void watch(pid_t child, unsigned n, const volatile void *address, unsigned type,
                  unsigned length)
{
	unsigned long control = get_register(child, 7);

	control &= ~(0xful << (16 + 4 * n));
	control |= 1ul << (2 * n) | (unsigned long)(type | length << 2) << (16 + 4 * n);
	if (!set_register(child, n, (unsigned long)(uintptr_t)address) ||
	    !set_register(child, 7, control)) {
		kill(child, SIGKILL);
		skip("no debug registers: %s", strerror(errno));
	}
}

// Runs on; true when it stopped for a breakpoint, false when it ended well.
static bool next_hit(pid_t child, int how)
{
	siginfo_t info;
	int status;

	require(ptrace(how, child, NULL, NULL) == 0);
	status = wait_stop(child);
	if (WIFEXITED(status)) {
		expect_equal(status, 0);
		return false;
	}
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		diag("status 0x%x", status);
	require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	require(ptrace(PTRACE_GETSIGINFO, child, NULL, &info) == 0);
	// Linux before 2.6.28 calls any #DB a breakpoint.
	if (how == PTRACE_CONT)
		expect_equal(info.si_code, kernel_is_at_least(2, 6, 28) ? TRAP_HWBKPT : TRAP_BRKPT);
	return true;
}

static struct user_regs_struct registers_of(pid_t child)
{
	struct user_regs_struct registers;

	require(ptrace(PTRACE_GETREGS, child, NULL, &registers) == 0);
	return registers;
}

// One write in four is to the watched word; it is read as well.
extern const char after_store[];
static void storing(int unused)
{
	uint32_t sum = 0;

	(void)unused;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		shared[NEIGHBOUR] = i;
		__asm__ volatile("movl %1, %0\n\tafter_store:" : "=m"(shared[WATCHED]) : "r"(i));
		sum += shared[WATCHED] + shared[NEIGHBOUR];
		shared[WATCHED - 1] = i;
		shared[FAR_ONE] += i;
	}
	require(sum == ROUNDS * (ROUNDS - 1));
}

static void writes(void)
{
	pid_t child = start_traced(storing);
	uint32_t hits = 0;

	watch(child, 0, &shared[WATCHED], WRITE, LEN4);
	for (; next_hit(child, PTRACE_CONT); hits++) {
		struct user_regs_struct registers = registers_of(child);

		expect_equal(registers.eip, (long)(uintptr_t)after_store);
		expect_equal(registers.eflags & 0x10100, 0); // a trap: no RF; and no TF
		expect_equal(ptrace(PTRACE_PEEKDATA, child, &shared[WATCHED], NULL), hits);
		expect_equal(get_register(child, 6) & 0xf, HIT0);
		require(set_register(child, 6, 0));
	}
	expect_equal(hits, ROUNDS);
}

// Reads and writes of every size that touch two bytes, and some that just miss them.
static void touching(int unused)
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)&shared[WATCHED];
	uint32_t value = 0;

	(void)unused;
	__asm__ volatile(
	    "movb (%0), %b1; movw -2(%0), %w1; movl 4(%0), %1; movb 3(%0), %b1\n\t" // miss
	    "nop; movb 1(%0), %b1; movw (%0), %w1; movl -1(%0), %1\n\t" // 3, each overlaps
	    "addb $0, 2(%0); cmpw $0, 2(%0); pushl (%0); popl %1\n\t"   // 3
	    "fldl -4(%0); fstpl -4(%0); movups -8(%0), %%xmm0\n\t"      // 3, by overlap
	    "leal 1(%0), %1; movl %1, 32(%0)\n\t"                       // miss
	    "pushf; popf"
	    :
	    : "r"(bytes), "q"(value)
	    : "memory", "cc");
}

static void accesses(void)
{
	pid_t child = start_traced(touching);
	uint32_t hits = 0;

	watch(child, 1, (const uint8_t *)(uintptr_t)&shared[WATCHED] + 1, ACCESS, LEN1);
	while (next_hit(child, PTRACE_CONT)) {
		expect_equal(get_register(child, 6) & 0xf, HIT1);
		require(set_register(child, 6, 0));
		hits++;
	}
	// movb 1, movw 0, movl -1; pushl; fldl, fstpl, movups.
	expect_equal(hits, 7);
}

extern const char break_here[], break_there[];
static void looping(int unused)
{
	uint32_t count = ROUNDS, sum = 0;

	(void)unused;
	__asm__ volatile("1: nop\n\t"
	                 "break_here: addl %0, %1\n\t"
	                 "subl $1, %0\n\t"
	                 "jnz 1b\n\t"
	                 "break_there: nop"
	                 : "+c"(count), "+a"(sum)
	                 :
	                 : "cc");
	require(sum == ROUNDS * (ROUNDS + 1) / 2);
}

static void executions(void)
{
	pid_t child = start_traced(looping);
	uint32_t hits = 0;

	watch(child, 0, break_here, EXECUTE, LEN1);
	watch(child, 1, break_there, EXECUTE, LEN1);
	for (; next_hit(child, PTRACE_CONT); hits++) {
		struct user_regs_struct registers = registers_of(child);
		bool last = hits == ROUNDS;

		expect_equal(registers.eip, (long)(uintptr_t)(last ? break_there : break_here));
		expect_equal(get_register(child, 6) & 0xf, last ? HIT1 : HIT0);
		expect_equal(registers.ecx, (long)(ROUNDS - hits));
		require(set_register(child, 6, 0));
		if (kernel_is_at_least(2, 6, 33))
			continue;
		// To get past the breakpoint is the debugger's business there.
		registers.eflags |= RF;
		require(ptrace(PTRACE_SETREGS, child, NULL, &registers) == 0);
	}
	expect_equal(hits, ROUNDS + 1);
}

// Where kernels report a step by themselves, without a #DB.
static bool behind_system_call(pid_t child)
{
	long before = ptrace(PTRACE_PEEKTEXT, child, registers_of(child).eip - 2, NULL);

	return (before & 0xffff) == 0x80cd; // int $0x80
}

// A stepped process with a watched word: every instruction is one step, and says what it hit.
static void watched_steps(void)
{
	pid_t child = start_traced(storing);
	uint32_t steps = 0, hits = 0;

	watch(child, 0, &shared[WATCHED], WRITE, LEN4);
	while (hits < ROUNDS) {
		uint32_t status;

		require(next_hit(child, PTRACE_SINGLESTEP));
		status = get_register(child, 6);
		expect(status & BS || behind_system_call(child));
		if (status & HIT0) {
			expect_equal(registers_of(child).eip, (long)(uintptr_t)after_store);
			hits++;
		}
		require(set_register(child, 6, 0));
		require(++steps < 100000);
	}
	require(set_register(child, 7, 0));
	require(!next_hit(child, PTRACE_CONT));
}

// The tracer's own accesses to its copy, and other processes, do not count.
static void only_the_traced(void)
{
	pid_t child = start_traced(storing), other;
	uint32_t hits = 0;

	watch(child, 0, &shared[WATCHED], WRITE, LEN4);
	other = start(storing, 0);
	storing(0);
	expect_success(other);
	while (next_hit(child, PTRACE_CONT)) {
		shared[WATCHED] = 77;
		hits++;
	}
	expect_equal(hits, ROUNDS);
}

// Flags a watched stack must not show: the trap flag is the monitor's business.
static void pushing(int unused)
{
	uint32_t flags = 0;

	(void)unused;
	for (int i = 0; i < 20; i++) {
		__asm__ volatile(
		    "movl %%esp, %%ecx; leal %1, %%esp; pushf; popl %0; movl %%ecx, %%esp"
		    : "=&r"(flags)
		    : "m"(shared[WATCHED + 1])
		    : "ecx", "memory");
		require(!(flags & 0x100));
	}
}

static void watched_stack(void)
{
	pid_t child = start_traced(pushing);
	uint32_t hits = 0;

	watch(child, 0, &shared[WATCHED], WRITE, LEN4);
	while (next_hit(child, PTRACE_CONT)) {
		expect_equal(registers_of(child).eflags & 0x100, 0);
		hits++;
	}
	expect_equal(hits, 20);
}

const struct check debug_checks[] = {
    {"debug registers: writes to a word, exact count and EIP", writes},
    {"debug registers: accesses that overlap a byte", accesses},
    {"debug registers: instruction breakpoints", executions},
    {"debug registers: single steps and a watched word", watched_steps},
    {"debug registers: only of the traced process", only_the_traced},
    {"debug registers: a watched stack", watched_stack},
    {0},
};
