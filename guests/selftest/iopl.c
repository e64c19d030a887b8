// SPDX-License-Identifier: GPL-2.0-or-later
//
// What iopl(3) and ioperm() give to a program, and what it does with them: ports, and an interrupt
// flag that is not its own. Other processes and the timer go on whatever it does to the flag (VMI
// specification, Part 4, rules 6 and 7).

#include "selftest.h"

#include <sched.h>
#include <sys/io.h>
#include <sys/time.h>
#include <time.h>

enum { EFLAGS_ARITHMETIC = 0x8d5 };
enum { SCRATCH = 0x3ff /* of the first serial port: keeps what is written */, NEIGHBOUR = 0x3fe };

static void disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static void enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}

// IOPL 3, of which the flag is no part.
static void get_ports(void)
{
	if (!on_i386_kernel())
		skip("real ports are left alone");
	require(iopl(3) == 0);
	if (read_flags() & EFLAGS_IOPL)
		skip("IOPL is real here: cli would stop the machine");
}

// ---- who goes on meanwhile ----

static struct {
	volatile uint32_t turns; // of a process that sleeps for a millisecond at a time
	volatile uint32_t work;  // of one that computes
	volatile uint32_t stage; // of the program under test
} * shared;
static pid_t sleeper, worker;

static void sleep_and_count(int unused)
{
	struct timespec millisecond = {.tv_nsec = 1000000};

	(void)unused;
	for (;;) {
		nanosleep(&millisecond, NULL);
		shared->turns++;
	}
}

static void work_and_count(int unused)
{
	(void)unused;
	for (;;)
		shared->work++;
}

static void start_others(void)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(shared != MAP_FAILED);
	sleeper = start(sleep_and_count, 0);
	worker = start(work_and_count, 0);
}

static void stop_others(void)
{
	kill(sleeper, SIGKILL);
	kill(worker, SIGKILL);
	require(waitpid(sleeper, NULL, 0) == sleeper && waitpid(worker, NULL, 0) == worker);
}

// All interrupts since boot.
static unsigned long long interrupts(void)
{
	char line[65536];
	unsigned long long count = 0;
	FILE *file = fopen("/proc/stat", "r");

	require(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "intr %llu", &count) == 1)
			break;
	fclose(file);
	return count;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

enum { ALARMS = 20, ALARM_US = 10000 };

struct progress {
	uint32_t turns, work;
	unsigned long long interrupts;
};

static struct progress before, wanted;

static struct progress progress(void)
{
	return (struct progress){shared->turns - before.turns, shared->work - before.work,
	                         interrupts() - before.interrupts};
}

// The timer has struck 20 times, and the others got done what they get done next to a loop that
// leaves the flag alone.
static bool others_went_on(void)
{
	return alarms >= ALARMS && shared->turns - before.turns >= wanted.turns &&
	       shared->work - before.work >= wanted.work;
}

// Without a system call: nothing but interrupts can end it.
static void wait_busily(void)
{
	while (!others_went_on())
		__asm__ volatile("" ::: "memory");
}

static struct progress during(void (*loop)(void))
{
	struct itimerval timer = {.it_value.tv_usec = ALARM_US, .it_interval.tv_usec = ALARM_US},
	                 none = {.it_value.tv_usec = 0};

	signal(SIGALRM, on_alarm);
	alarms = 0;
	before = (struct progress){shared->turns, shared->work, interrupts()};
	require(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	loop();
	setitimer(ITIMER_REAL, &none, NULL);
	return progress();
}

// On a machine that cli stops this has no end, which the harness calls a failure.
static void goes_on_during(void (*loop)(void))
{
	struct progress masked;

	get_ports();
	start_others();
	wanted = (struct progress){0};
	wanted = during(wait_busily);
	masked = during(loop);
	stop_others();
	diag("wake-ups %u, work %u, interrupts %llu; with the flag left alone %u, %u, %llu",
	     masked.turns, masked.work, masked.interrupts, wanted.turns, wanted.work,
	     wanted.interrupts);
	expect(masked.interrupts >= ALARMS / 2);
	expect(read_flags() & EFLAGS_IF);
}

static void masked_loop(void)
{
	disable();
	wait_busily();
	enable();
}

static void masked_by_popf(void)
{
	write_flags(read_flags() & ~(uint32_t)EFLAGS_IF);
	wait_busily();
	write_flags(read_flags() | EFLAGS_IF);
}

static void masked_briefly(void)
{
	while (!others_went_on()) {
		disable();
		for (int i = 0; i < 100; i++)
			__asm__ volatile("" ::: "memory");
		enable();
	}
}

// pushf; cli; ...; popf, as in drivers: the outer level decides.
static void nested(unsigned levels)
{
	uint32_t flags = read_flags();

	disable();
	if (levels)
		nested(levels - 1);
	else
		__asm__ volatile("" ::: "memory");
	write_flags(flags);
	expect_equal((read_flags() ^ flags) & (EFLAGS_IOPL | EFLAGS_ARITHMETIC), 0);
}

static void nested_loop(void)
{
	while (!others_went_on())
		nested(8);
}

static void masked_loops(void)
{
	goes_on_during(masked_loop);
}

static void masked_popf(void)
{
	goes_on_during(masked_by_popf);
}

static void brief_masks(void)
{
	goes_on_during(masked_briefly);
}

static void nested_masks(void)
{
	get_ports();
	for (uint32_t bits = 0; bits < 0x1000; bits += 0x40 / 2 + 1) {
		uint32_t before, after;

		// The whole image comes back, whatever cli and sti stand between.
		__asm__ volatile("pushf; popl %0\n\t"
		                 "andl %3, %0; orl %2, %0\n\t"
		                 "pushl %0; popf\n\t"
		                 "pushf; cli; pushf; sti; pushf; cli\n\t"
		                 "popf; popf; popf\n\t"
		                 "pushf; popl %1; cld"
		                 : "=&r"(before), "=&r"(after)
		                 : "r"(bits & EFLAGS_ARITHMETIC), "i"(~EFLAGS_ARITHMETIC)
		                 : "cc", "memory");
		expect_equal(before & EFLAGS_ARITHMETIC, bits & EFLAGS_ARITHMETIC);
		expect_equal(after & EFLAGS_ARITHMETIC, bits & EFLAGS_ARITHMETIC);
		require(after & EFLAGS_IF);
	}
	goes_on_during(nested_loop);
}

// ---- the program of March 2006: iopl(3), cli, a long loop, sti, and asleep for ever ----

enum { LOOPING = 1, ASLEEP };

static void long_loop(void)
{
	for (volatile uint32_t i = 0; i < 100000000; i++)
		;
}

static void march_2006(int with_sti)
{
	require(iopl(3) == 0);
	shared->stage = LOOPING;
	disable();
	long_loop();
	if (with_sti)
		enable();
	shared->stage = ASLEEP;
	for (;;)
		pause();
}

// Waits, asleep, until the sleeper has had some more turns.
static void wait_turns(uint32_t more)
{
	struct timespec millisecond = {.tv_nsec = 1000000};
	uint32_t target = shared->turns + more;

	while ((int32_t)(shared->turns - target) < 0)
		nanosleep(&millisecond, NULL);
}

static char state_of(pid_t process)
{
	char name[32], line[256] = "", *state;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)process);
	file = fopen(name, "r");
	require(file && fgets(line, sizeof(line), file));
	fclose(file);
	state = strrchr(line, ')');
	require(state != NULL);
	return state[2];
}

static void the_program(int with_sti)
{
	uint32_t in_loop, work;
	pid_t program;
	int status;

	get_ports();
	start_others();
	program = start(march_2006, with_sti);
	while (shared->stage < LOOPING)
		wait_turns(1);
	in_loop = shared->turns;
	while (shared->stage < ASLEEP) {
		wait_turns(1);
		expect_equal(waitpid(program, NULL, WNOHANG), 0);
	}
	diag("%u wake-ups during its loop", shared->turns - in_loop);
	expect(shared->turns > in_loop);
	work = shared->work;
	wait_turns(50);
	expect(shared->work > work);
	expect_equal(state_of(program), 'S');
	kill(program, SIGTERM);
	require(waitpid(program, &status, 0) == program);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	stop_others();
}

static void program_with_sti(void)
{
	the_program(1);
}

static void program_without_sti(void)
{
	the_program(0);
}

// ---- ports ----

// Each with its instruction behind a label; the port is the argument.
void in_byte(void *port), in_word(void *port), in_long(void *port), out_byte(void *port),
    out_string(void *port), in_string(void *port), clear_flag(void *unused), set_flag(void *unused);
extern const char in_byte_at[], in_word_at[], in_long_at[], out_byte_at[], out_string_at[],
    in_string_at[], clear_flag_at[], set_flag_at[];
__asm__(".text\n"
        "in_byte: movl 4(%esp), %edx\n in_byte_at: inb %dx, %al\n ret\n"
        "in_word: movl 4(%esp), %edx\n in_word_at: inw %dx, %ax\n ret\n"
        "in_long: movl 4(%esp), %edx\n in_long_at: inl %dx, %eax\n ret\n"
        "out_byte: movl 4(%esp), %edx\n movb $0x5a, %al\n out_byte_at: outb %al, %dx\n ret\n"
        "out_string: pushl %esi\n movl 8(%esp), %edx\n movl %esp, %esi\n movl $4, %ecx\n"
        "out_string_at: rep outsb\n popl %esi\n ret\n"
        "in_string: pushl %edi\n pushl $0\n movl 12(%esp), %edx\n movl %esp, %edi\n movl $4, %ecx\n"
        "in_string_at: rep insb\n popl %edi\n popl %edi\n ret\n"
        "clear_flag: clear_flag_at: cli\n ret\n"
        "set_flag: set_flag_at: sti\n ret\n");

static const struct {
	const char *name, *at;
	void (*run)(void *);
	unsigned bytes; // 0: the flag, and no port
} instructions[] = {
    {"in %dx, %al", in_byte_at, in_byte, 1},     {"in %dx, %ax", in_word_at, in_word, 2},
    {"in %dx, %eax", in_long_at, in_long, 4},    {"out %al, %dx", out_byte_at, out_byte, 1},
    {"rep outsb", out_string_at, out_string, 1}, {"rep insb", in_string_at, in_string, 1},
    {"cli", clear_flag_at, clear_flag, 0},       {"sti", set_flag_at, set_flag, 0},
};

static void expect_refused(size_t i, uintptr_t port)
{
	struct fault fault = catch_fault(instructions[i].run, (void *)port);
	bool right = fault.number == SIGSEGV && fault.code == SI_KERNEL && !fault.address &&
	             fault.eip == (uintptr_t)instructions[i].at && fault.trap == 13 && !fault.error;

	if (!right)
		diag_fault(instructions[i].name, &fault);
	expect(right);
}

static void expect_allowed(size_t i, uintptr_t port)
{
	struct fault fault = catch_fault(instructions[i].run, (void *)port);

	if (fault.number)
		diag_fault(instructions[i].name, &fault);
	expect_equal(fault.number, 0);
}

static void expect_all_refused(uintptr_t port)
{
	for (size_t i = 0; i < COUNT(instructions); i++)
		expect_refused(i, port);
}

static void without_permission(void)
{
	if (!on_i386_kernel())
		skip("real ports are left alone");
	expect_all_refused(SCRATCH);
	require(iopl(0) == 0);
	expect_all_refused(SCRATCH);
}

static void ports_by_iopl(void)
{
	uint8_t bytes[4] = {1, 2, 3, 0xa5}, got[4] = {0};
	const void *source = bytes;
	void *target = got;
	uint32_t count = 4;

	get_ports();
	for (unsigned value = 0; value < 256; value += 5) {
		outb((uint8_t)value, SCRATCH);
		expect_equal(inb(SCRATCH), value);
	}
	for (size_t i = 0; i < COUNT(instructions); i++)
		expect_allowed(i, SCRATCH);
	__asm__ volatile("rep outsb" : "+S"(source), "+c"(count) : "d"(SCRATCH) : "memory");
	expect(source == bytes + 4 && count == 0);
	expect_equal(inb(SCRATCH), 0xa5);
	count = 4;
	__asm__ volatile("rep insb" : "+D"(target), "+c"(count) : "d"(SCRATCH) : "memory");
	expect(target == got + 4 && count == 0);
	for (unsigned i = 0; i < 4; i++)
		expect_equal(got[i], 0xa5);
	require(iopl(0) == 0);
	expect_all_refused(SCRATCH);
}

static void ports_by_ioperm(void)
{
	if (!on_i386_kernel())
		skip("real ports are left alone");
	require(ioperm(SCRATCH, 1, 1) == 0);
	for (size_t i = 0; i < COUNT(instructions); i++) {
		if (instructions[i].bytes == 1)
			expect_allowed(i, SCRATCH);
		else // the flag; and accesses that reach beyond the one port
			expect_refused(i, SCRATCH);
	}
	expect_all_refused(NEIGHBOUR);
	outb(0x3c, SCRATCH);
	expect_equal(inb(SCRATCH), 0x3c);
	require(ioperm(NEIGHBOUR, 2, 1) == 0);
	for (size_t i = 0; i < COUNT(instructions); i++)
		if (instructions[i].bytes == 2)
			expect_allowed(i, NEIGHBOUR);
	require(ioperm(NEIGHBOUR, 1, 0) == 0);
	expect_all_refused(NEIGHBOUR);
	require(ioperm(SCRATCH, 1, 0) == 0);
	expect_all_refused(SCRATCH);
}

static void with_or_without(int may)
{
	if (!may)
		require(ioperm(SCRATCH, 1, 0) == 0);
	for (int i = 0; i < 100; i++) {
		struct fault fault = catch_fault(in_byte, (void *)SCRATCH);

		require(fault.number == (may ? 0 : SIGSEGV));
		sched_yield();
	}
}

// The kernel brings the bitmap of the process that runs, or lets its first access fault.
static void permissions_of_processes(void)
{
	pid_t children[4];

	if (!on_i386_kernel())
		skip("real ports are left alone");
	require(ioperm(SCRATCH, 1, 1) == 0);
	for (int i = 0; i < 4; i++)
		children[i] = start(with_or_without, i % 2);
	for (int i = 0; i < 4; i++)
		expect_success(children[i]);
	expect_allowed(0, SCRATCH);
}

// ---- programs that mask interrupts around ports ----

static uint8_t cmos(uint8_t number)
{
	uint8_t value;

	outb(number, 0x70);
	value = inb(0x71);
	return value;
}

enum { CMOS_A = 10, CMOS_B = 11, UPDATING = 0x80, BINARY = 4, HOURS_24 = 2 };

static unsigned cmos_number(uint8_t value)
{
	return cmos(CMOS_B) & BINARY ? value : (value >> 4) * 10u + (value & 15);
}

// As hwclock does: at the end of an update, all fields without an interrupt in between. Seconds of
// UTC.
static time_t hardware_clock(void)
{
	struct tm date = {0};
	uint8_t hours;

	while (!(cmos(CMOS_A) & UPDATING))
		;
	do {
		disable();
		while (cmos(CMOS_A) & UPDATING)
			;
		date.tm_sec = (int)cmos_number(cmos(0));
		date.tm_min = (int)cmos_number(cmos(2));
		hours = cmos(4);
		date.tm_mday = (int)cmos_number(cmos(7));
		date.tm_mon = (int)cmos_number(cmos(8)) - 1;
		date.tm_year = (int)cmos_number(cmos(9)) + 100;
		enable();
	} while (date.tm_sec != (int)cmos_number(cmos(0)));
	date.tm_hour = (int)cmos_number(hours & 0x7f);
	if (!(cmos(CMOS_B) & HOURS_24))
		date.tm_hour = date.tm_hour % 12 + (hours & 0x80 ? 12 : 0);
	expect(date.tm_sec < 60 && date.tm_min < 60 && date.tm_hour < 24 && date.tm_mon < 12);
	return timegm(&date);
}

static void clock_reader(void)
{
	time_t before = 0, now = 0;
	uint32_t turns;

	get_ports();
	start_others();
	turns = shared->turns;
	for (int i = 0; i < 3; i++, before = now) {
		now = hardware_clock();
		expect(now > before);
	}
	diag("%lld by the hardware clock, %lld by the system's", (long long)now,
	     (long long)time(NULL));
	expect(llabs((long long)now - (long long)time(NULL)) < 86400);
	expect(shared->turns > turns);
	stop_others();
}

enum { PORT_B = 0x61, REFRESH = 0x10, VGA_STATUS = 0x3da, RETRACE = 8 };

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

// As a graphics driver measures a pixel clock: how often can it look between two edges of a signal?
// The memory refresh bit toggles every 15 us on a PC; a retrace may never come, for which there is
// a bound.
static void dot_clocks(void)
{
	uint32_t edges = 0;

	while (!others_went_on()) {
		uint64_t began = read_tsc();
		uint8_t last;

		disable();
		last = inb(PORT_B) & REFRESH;
		for (int i = 0; i < 100; i++) {
			uint8_t now = inb(PORT_B) & REFRESH;

			edges += now != last;
			last = now;
		}
		for (int i = 0; i < 100 && !(inb(VGA_STATUS) & RETRACE); i++)
			;
		while (read_tsc() - began < 100000)
			;
		enable();
		require(read_tsc() > began);
	}
	diag("%u edges of the refresh bit", edges);
	expect(edges > 0);
}

static void dot_clock_loops(void)
{
	goes_on_during(dot_clocks);
}

const struct check iopl_checks[] = {
    {"without IOPL: cli, sti, in and out are SIGSEGV at the instruction", without_permission},
    {"iopl grants ports, in all sizes and strings, until it is taken back", ports_by_iopl},
    {"ioperm grants one port: not its neighbours, not the flag", ports_by_ioperm},
    {"ioperm: 4 processes with and without permission", permissions_of_processes},
    {"iopl: others go on during cli and a loop", masked_loops},
    {"iopl: others go on when popf clears the flag", masked_popf},
    {"iopl: others go on during many short masks", brief_masks},
    {"iopl: nested pushf, cli, popf", nested_masks},
    {"iopl, cli, a long loop, sti, asleep for ever", program_with_sti},
    {"iopl, cli, a long loop, asleep for ever without sti", program_without_sti},
    {"iopl: hardware clock read as hwclock does", clock_reader},
    {"iopl: timing loops as for a dot clock", dot_clock_loops},
    {0},
};
