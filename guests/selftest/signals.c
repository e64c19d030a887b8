// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signals: what faults report, where handlers run, what they interrupt.

#include "selftest.h"

#include <fcntl.h>
#include <sys/time.h>

// Instructions whose address a fault must report.
extern const char at_ud2[], at_div[], at_int3[], at_x87[], at_sse[], after_int3[], at_into[],
    after_into[];

static void read_byte(void *address)
{
	(void)*(volatile uint8_t *)address;
}

static void write_byte(void *address)
{
	*(volatile uint8_t *)address = 1;
}

static void expect_fault(const struct fault *fault, int number, int code, const void *address,
                         unsigned trap)
{
	if (fault->number != number || fault->code != code ||
	    fault->address != (uintptr_t)address || fault->trap != trap)
		diag_fault("got", fault);
	expect_equal(fault->number, number);
	expect_equal(fault->code, code);
	expect_equal(fault->address, (uintptr_t)address);
	expect_equal(fault->trap, trap);
}

enum { PF_WRITE = 2, PF_USER = 4 };

static void segv_maperr(void)
{
	uint8_t *area = guarded_pages(2);
	struct fault fault;

	require(munmap(area, 2 * PAGE) == 0);
	fault = catch_fault(read_byte, area + 123);
	expect_fault(&fault, SIGSEGV, SEGV_MAPERR, area + 123, 14);
	expect_equal(fault.error & 7, PF_USER);
	fault = catch_fault(write_byte, area + PAGE + 1);
	expect_fault(&fault, SIGSEGV, SEGV_MAPERR, area + PAGE + 1, 14);
	expect_equal(fault.error & 7, PF_USER | PF_WRITE);
	for (uintptr_t low = 0; low < 3 * PAGE; low += 1337) {
		fault = catch_fault(read_byte, (void *)low);
		expect_fault(&fault, SIGSEGV, SEGV_MAPERR, (void *)low, 14);
	}
}

static void segv_accerr(void)
{
	uint8_t *area = guarded_pages(2);
	struct fault fault;

	memset(area, 7, 2 * PAGE);
	require(mprotect(area, PAGE, PROT_READ) == 0);
	require(mprotect(area + PAGE, PAGE, PROT_NONE) == 0);
	fault = catch_fault(write_byte, area + 77);
	expect_fault(&fault, SIGSEGV, SEGV_ACCERR, area + 77, 14);
	expect_equal(fault.error & 7, 7); // present, write, user
	expect(area[77] == 7);
	fault = catch_fault(read_byte, area + PAGE + 4095);
	expect_fault(&fault, SIGSEGV, SEGV_ACCERR, area + PAGE + 4095, 14);
	fault = catch_fault(write_byte, area + PAGE);
	expect_fault(&fault, SIGSEGV, SEGV_ACCERR, area + PAGE, 14);
	expect(fault.error & PF_WRITE);
}

static void jump_to(void *address)
{
	((void (*)(void))address)();
}

static void segv_jump(void)
{
	uint8_t *area = guarded_pages(1);
	struct fault fault;

	require(munmap(area, PAGE) == 0);
	fault = catch_fault(jump_to, area + 5);
	expect_fault(&fault, SIGSEGV, SEGV_MAPERR, area + 5, 14);
	expect_equal(fault.eip, (uintptr_t)area + 5);
}

// An access over a page border reports the page that is not there.
static void read_word(void *address)
{
	(void)*(volatile uint32_t *)address;
}

static void segv_straddling(void)
{
	uint8_t *area = guarded_pages(1);
	struct fault fault = catch_fault(read_word, area + PAGE - 2);

	expect_fault(&fault, SIGSEGV, SEGV_ACCERR, area + PAGE, 14);
}

static void divide(void *argument)
{
	(void)argument;
	__asm__ volatile("at_div: divl %1" ::"a"(1), "r"(0), "d"(0) : "cc");
}

static void undefined(void *argument)
{
	(void)argument;
	__asm__ volatile("at_ud2: ud2");
}

static void breakpoint(void *argument)
{
	(void)argument;
	__asm__ volatile("at_int3: int3; after_int3:");
}

static void long_breakpoint(void *argument)
{
	(void)argument;
	__asm__ volatile(".byte 0xcd, 3");
}

static void overflow(void *argument)
{
	(void)argument;
	__asm__ volatile("movb $0x7f, %%al; addb $1, %%al; at_into: into; after_into:" ::
	                     : "eax", "cc");
}

static void out_of_bounds(void *argument)
{
	static const int32_t bounds[2] = {1, 9};

	(void)argument;
	__asm__ volatile("bound %0, %1" ::"r"(10), "m"(bounds));
}

static void divide_x87(void *argument)
{
	static const uint16_t unmasked = 0x037b;
	static const float zero = 0;

	(void)argument;
	// Reported by the next x87 instruction.
	__asm__ volatile("fninit; fldcw %0; fld1; fdivs %1; at_x87: fwait" ::"m"(unmasked),
	                 "m"(zero));
}

static void divide_sse(void *argument)
{
	static const uint32_t unmasked = 0x1d80;
	static const float numbers[2] = {1, 0};

	(void)argument;
	__asm__ volatile("ldmxcsr %0; movss %1, %%xmm0; at_sse: divss %2, %%xmm0" ::"m"(unmasked),
	                 "m"(numbers[0]), "m"(numbers[1]));
}

static void arithmetic_faults(void)
{
	struct fault fault = catch_fault(divide, NULL);

	expect_fault(&fault, SIGFPE, FPE_INTDIV, at_div, 0);
	expect_equal(fault.eip, (uintptr_t)at_div);
	fault = catch_fault(divide_x87, NULL);
	fpu_reset();
	expect_equal(fault.number, SIGFPE);
	expect_equal(fault.code, FPE_FLTDIV);
	expect_equal(fault.trap, 16);
	expect_equal(fault.eip, (uintptr_t)at_x87);
}

static void sse_fault(void)
{
	struct fault fault = catch_fault(divide_sse, NULL);

	fpu_reset();
	if (!fault.number)
		todo("no #XM from unmasked SSE exceptions (QEMU TCG has none)");
	expect_fault(&fault, SIGFPE, FPE_FLTDIV, at_sse, 19);
	expect_equal(fault.eip, (uintptr_t)at_sse);
}

static void instruction_faults(void)
{
	struct fault fault = catch_fault(undefined, NULL);

	expect_fault(&fault, SIGILL, ILL_ILLOPN, at_ud2, 6);
	expect_equal(fault.eip, (uintptr_t)at_ud2);
	fault = catch_fault(breakpoint, NULL);
	expect_fault(&fault, SIGTRAP, SI_KERNEL, NULL, 3);
	expect_equal(fault.eip, (uintptr_t)after_int3);
	fault = catch_fault(long_breakpoint, NULL);
	expect_fault(&fault, SIGTRAP, SI_KERNEL, NULL, 3);
	fault = catch_fault(overflow, NULL);
	expect_fault(&fault, SIGSEGV, SI_KERNEL, NULL, 4);
	expect_equal(fault.eip, (uintptr_t)after_into);
	fault = catch_fault(out_of_bounds, NULL);
	expect_fault(&fault, SIGSEGV, SI_KERNEL, NULL, 5);
}

static void bus_error(void)
{
	char name[] = "/tmp/selftest-bus-XXXXXX";
	int fd = mkstemp(name);
	struct fault fault;
	uint8_t *map;

	require(fd >= 0);
	unlink(name);
	require(ftruncate(fd, PAGE + 100) == 0);
	map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	require(map != MAP_FAILED);
	write_byte(map + PAGE + 50);
	write_byte(map + 2 * PAGE - 1); // past the end, in the last page
	fault = catch_fault(read_byte, map + 2 * PAGE + 9);
	expect_fault(&fault, SIGBUS, BUS_ADRERR, map + 2 * PAGE + 9, 14);
	require(ftruncate(fd, 0) == 0);
	fault = catch_fault(write_byte, map + 50);
	expect_fault(&fault, SIGBUS, BUS_ADRERR, map + 50, 14);
}

// ---- single step of oneself ----

static volatile uint32_t steps, bad_steps;

static void on_step(int number, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;
	// Linux before 2.6.28 calls any #DB a breakpoint.
	int code = kernel_is_at_least(2, 6, 28) ? TRAP_TRACE : TRAP_BRKPT;

	(void)number;
	steps++;
	bad_steps += info->si_code != code || user->uc_mcontext.gregs[REG_TRAPNO] != 1;
}

static void own_single_step(void)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &action, NULL);
	// The trap comes after the instruction that follows popf, and after the last popf as well.
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf\n\t"
	                 "nop; nop; nop; movl %0, %%ecx\n\t"
	                 "1: decl %%ecx; jnz 1b\n\t"
	                 "pushf; andl $~0x100, (%%esp); popf"
	                 :
	                 : "i"(10)
	                 : "ecx", "cc", "memory");
	expect_equal(steps, 4 + 20 + 3);
	expect_equal(bad_steps, 0);
	steps = 0;
	__asm__ volatile("nop; nop; nop");
	expect_equal(steps, 0);
}

// An int instruction clears the trap flag; the step ends behind the instruction that the program
// returns to.
static void step_over_calls(void)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	long result;

	sigaction(SIGTRAP, &action, NULL);
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf\n\t"
	                 "movl %1, %%eax; int $0x80; nop\n\t"
	                 "pushf; andl $~0x100, (%%esp); popf"
	                 : "=&a"(result)
	                 : "i"(SYS_getpid)
	                 : "cc", "memory");
	expect_equal(result, getpid());
	expect_equal(steps, 2 + 3);
	if (!vsyscall_entry())
		return;
	steps = 0;
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf\n\t"
	                 "movl %1, %%eax; call *%2; nop\n\t"
	                 "pushf; andl $~0x100, (%%esp); popf"
	                 : "=&a"(result)
	                 : "i"(SYS_getpid), "r"(vsyscall_entry())
	                 : "cc", "memory");
	expect_equal(result, getpid());
	expect(steps > 6 && steps < 40);
	diag("%u steps through the vDSO", steps);
	steps = 0;
	__asm__ volatile("nop; nop; nop");
	expect_equal(steps, 0);
}

// ---- handlers ----

static volatile sig_atomic_t count, depth, deepest;
static volatile uintptr_t handler_stack;

static void note_stack(int number)
{
	int here;

	(void)number;
	handler_stack = (uintptr_t)&here;
	count++;
}

static void alternate_stack(void)
{
	size_t size = 16 * PAGE;
	uint8_t *memory = guarded_pages(16);
	stack_t alternate = {.ss_sp = memory, .ss_size = size}, now;
	struct sigaction action = {.sa_handler = note_stack, .sa_flags = SA_ONSTACK};

	require(sigaltstack(&alternate, NULL) == 0);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	expect(handler_stack > (uintptr_t)memory && handler_stack < (uintptr_t)memory + size);
	require(sigaltstack(NULL, &now) == 0);
	expect_equal(now.ss_flags, 0);
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	expect(!(handler_stack > (uintptr_t)memory && handler_stack < (uintptr_t)memory + size));
	expect_equal(count, 2);
}

static int recurse(volatile char *above)
{
	volatile char frame[4096];

	frame[0] = *above;
	if (frame[0] == 1) // never
		return 0;
	return recurse(frame) + frame[0];
}

static void recurse_for_ever(void *argument)
{
	volatile char start_byte = 0;

	(void)argument;
	recurse(&start_byte);
}

// The stack grows to its limit; the handler runs on the alternate stack.
static void stack_overflow(void)
{
	struct fault fault = catch_fault(recurse_for_ever, NULL);
	int here;

	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 14);
	expect(fault.address < (uintptr_t)&here && (uintptr_t)&here - fault.address < 1u << 30);
}

static void nest(int number)
{
	(void)number;
	depth++;
	if (depth > deepest)
		deepest = depth;
	count++;
	if (depth < 50)
		raise(depth % 2 ? SIGUSR2 : SIGUSR1);
	depth--;
}

static void nested(void)
{
	struct sigaction action = {.sa_handler = nest, .sa_flags = SA_NODEFER};

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR1);
	expect_equal(deepest, 50);
	expect_equal(count, 50);
	expect_equal(depth, 0);
}

static void long_jumps(void)
{
	uint8_t *area = guarded_pages(1);

	for (unsigned i = 0; i < 500; i++) {
		struct fault fault = catch_fault(write_byte, area + PAGE + i);

		if (fault.number != SIGSEGV || fault.address != (uintptr_t)area + PAGE + i)
			diag_fault("jump", &fault);
		require(fault.address == (uintptr_t)area + PAGE + i);
	}
}

// The handler skips an instruction and changes a register: sigreturn must load all of it.
static void skip_undefined(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	(void)info;
	registers[REG_EIP] += 2;
	registers[REG_EAX] = 0x12345678;
	registers[REG_EFL] |= 1; // carry
}

static void changed_context(void)
{
	struct sigaction action = {.sa_sigaction = skip_undefined, .sa_flags = SA_SIGINFO};
	uint32_t value, other;
	uint8_t carry;

	sigaction(SIGILL, &action, NULL);
	__asm__ volatile("movl $0x55aa55aa, %%edi; clc; ud2; setc %1; movl %%edi, %2"
	                 : "=&a"(value), "=&c"(carry), "=&d"(other)
	                 :
	                 : "edi", "cc");
	expect_equal(value, 0x12345678);
	expect_equal(other, 0x55aa55aa);
	expect_equal(carry, 1);
}

static int pipes[2];

static void feed_pipe(int number)
{
	(void)number;
	count++;
	if (write(pipes[1], "y", 1) != 1)
		_exit(1);
}

// The kernel restarts the call by moving EIP back: into the vDSO when it came from there.
static long read_by_vdso(int fd, void *buffer, size_t size)
{
	uintptr_t entry = vsyscall_entry();
	long result;

	__asm__ volatile("call *%%esi"
	                 : "=a"(result)
	                 : "a"(SYS_read), "b"(fd), "c"(buffer), "d"(size), "S"(entry)
	                 : "memory");
	return result;
}

static void restart(void)
{
	struct sigaction action = {.sa_handler = feed_pipe, .sa_flags = SA_RESTART};
	struct itimerval timer = {.it_value.tv_usec = 30000}, none = {.it_value.tv_usec = 0};
	char byte = 0;

	require(pipe(pipes) == 0);
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 5; i++) {
		byte = 0;
		setitimer(ITIMER_REAL, &timer, NULL);
		expect_equal(vsyscall_entry() ? read_by_vdso(pipes[0], &byte, 1)
		                              : read(pipes[0], &byte, 1),
		             1);
		expect_equal(byte, 'y');
	}
	action.sa_handler = note_stack;
	action.sa_flags = 0;
	sigaction(SIGALRM, &action, NULL);
	count = 0;
	// Again and again: the first may come before the call is begun.
	timer.it_interval = timer.it_value;
	setitimer(ITIMER_REAL, &timer, NULL);
	expect_equal(read(pipes[0], &byte, 1), -1);
	expect_equal(errno, EINTR);
	setitimer(ITIMER_REAL, &none, NULL);
	expect(count >= 1);
}

static volatile int order[64];
static volatile sig_atomic_t arrived;

static void note_order(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	order[arrived++] = info->si_value.sival_int;
}

static void queued(void)
{
	struct sigaction action = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO};
	sigset_t set, old, pending;

	sigaction(SIGRTMIN + 3, &action, NULL);
	sigaction(SIGUSR1, &(struct sigaction){.sa_handler = note_stack}, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 32; i++)
		require(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i * 3}) == 0);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	sigpending(&pending);
	expect(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN + 3));
	expect_equal(arrived, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	expect_equal(arrived, 32);
	expect_equal(count, 1); // plain signals do not queue
	for (int i = 0; i < 32; i++)
		expect_equal(order[i], i * 3);
}

static volatile sig_atomic_t sender, sender_code;

static void note_sender(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	sender = info->si_pid;
	sender_code = info->si_code;
}

static void from_child(void)
{
	struct sigaction action = {.sa_sigaction = note_sender, .sa_flags = SA_SIGINFO};
	sigset_t set, old;
	pid_t child;
	int status;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	child = fork();
	require(child >= 0);
	if (child == 0) {
		kill(getppid(), SIGUSR1);
		pause();
	}
	set = old;
	sigaddset(&set, SIGCHLD);
	sigsuspend(&set);
	expect_equal(sender, child);
	expect_equal(sender_code, SI_USER);
	kill(child, SIGKILL);
	set = old;
	sigaddset(&set, SIGUSR1);
	sigsuspend(&set);
	expect_equal(sender_code, CLD_KILLED);
	require(waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// A handler that leaves a code segment which cannot be loaded: the fault is in the kernel's return
// to user mode, and belongs to the program.
static void spoil_cs(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_CS] = 0xff07; // LDT, far past its end
}

static void return_to_bad_segment(void *argument)
{
	(void)argument;
	raise(SIGUSR1);
}

static void bad_return(void)
{
	struct sigaction action = {.sa_sigaction = spoil_cs, .sa_flags = SA_SIGINFO};
	struct fault fault;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 10; i++) {
		fault = catch_fault(return_to_bad_segment, NULL);
		// i386 kernels say SIGILL, x86-64 ones SIGSEGV.
		expect(fault.number == SIGSEGV || fault.number == SIGILL);
	}
	diag_fault("iret", &fault);
}

static void default_actions(void)
{
	static const int numbers[] = {SIGTERM, SIGSEGV, SIGILL, SIGFPE, SIGUSR1, SIGABRT};
	int status;

	for (size_t i = 0; i < COUNT(numbers); i++) {
		pid_t child = fork();

		require(child >= 0);
		if (child == 0) {
			raise(numbers[i]);
			_exit(0);
		}
		require(waitpid(child, &status, 0) == child);
		expect(WIFSIGNALED(status));
		expect_equal(WTERMSIG(status), numbers[i]);
	}
}

const struct check signal_checks[] = {
    {"SIGSEGV on unmapped addresses: SEGV_MAPERR, exact si_addr", segv_maperr},
    {"SIGSEGV on protected pages: SEGV_ACCERR, exact si_addr", segv_accerr},
    {"SIGSEGV on a jump to nowhere: si_addr and EIP", segv_jump},
    {"SIGSEGV of an access over a page border", segv_straddling},
    {"SIGFPE: integer and x87 division by zero", arithmetic_faults},
    {"SIGFPE: SSE division by zero", sse_fault},
    {"SIGILL, SIGTRAP, into, bound: code, si_addr, EIP", instruction_faults},
    {"SIGBUS past the end of a mapped file", bus_error},
    {"single-step by the trap flag, exact count", own_single_step},
    {"single-step over system calls", step_over_calls},
    {"sigaltstack", alternate_stack},
    {"stack overflow is caught on the alternate stack", stack_overflow},
    {"nested signals", nested},
    {"siglongjmp out of 500 faults", long_jumps},
    {"a handler changes the interrupted registers", changed_context},
    {"SA_RESTART through the vDSO, EINTR without it", restart},
    {"blocked and queued signals", queued},
    {"signals from and about a child", from_child},
    {"return to a segment that cannot be loaded", bad_return},
    {"default actions end a process", default_actions},
    {0},
};
