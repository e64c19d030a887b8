// SPDX-License-Identifier: GPL-2.0-or-later
//
// A guest program that attacks its monitor: it goes to 64-bit mode by a far jump to the host's
// selector, as nothing can keep a program from doing, and there has the cell's whole address
// space and the host's system calls in front of it. The kernel's command line says what to do:
// hostile.do=MODE hostile.seed=N (modes: the table at the end). Results are TAP.

#include "ring1/layout.h"
#include "sizes.h"

#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct long_call {
	uint64_t nr, a[6], result;
	uint32_t back_eip;
	uint16_t back_cs, pad;
	uint32_t ss, routine;
};

void long_call(struct long_call *);
void long_syscall(void), long_int80(void), long_vsyscall(void), long_store(void), long_load(void);

#define REFUSED ((uint64_t)-1)     // -EPERM
#define KILLED  ((uint64_t)-0x5e9) // no result: a signal came instead

// x86-64 numbers.
enum {
	MPROTECT = 10,
	IOCTL = 16,
	MMAP = 9,
	MUNMAP = 11,
	RT_SIGRETURN = 15,
	MODIFY_LDT = 154,
	FUTEX = 202,
	EXIT_GROUP = 231
};
#define X32 0x40000000ull

static uint32_t seed = 1;
static int tests;
static sigjmp_buf after_signal;
static volatile int last_signal;

// ---- going there ----

// A host signal that finds the program in 64-bit mode (a timer's, say) is a SIGSEGV to it.
static void on_signal(int number)
{
	last_signal = number;
	siglongjmp(after_signal, 1);
}

static void catch_signals(void)
{
	static const int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sigaction(all[i], &a, NULL);
}

// Run a routine in 64-bit mode. False when it was interrupted @tries times.
static bool visit_tries(struct long_call *c, void (*routine)(void), int tries)
{
	static volatile int left;

	c->routine = (uint32_t)(uintptr_t)routine;
	left = tries;
	sigsetjmp(after_signal, 1);
	if (left-- <= 0)
		return false;
	c->result = KILLED;
	long_call(c);
	return true;
}

static bool visit(struct long_call *c, void (*routine)(void))
{
	return visit_tries(c, routine, 50);
}

static uint64_t host(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                     uint64_t a5)
{
	static struct long_call c;

	c = (struct long_call){.nr = nr, .a = {a0, a1, a2, a3, a4, a5}};
	return visit(&c, long_syscall) ? c.result : KILLED;
}

static uint32_t stores; // that went through

static bool store(uint64_t to, uint64_t words, uint64_t stride, uint64_t value, uint64_t step)
{
	static struct long_call c;

	c = (struct long_call){.a = {to, words, stride, value, step}};
	if (!visit_tries(&c, long_store, 3))
		return false;
	stores++;
	return true;
}

// ---- telling ----

static void result(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%sok %d - ", good ? "" : "not ", ++tests);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
}

static uint32_t random32(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

// ---- system calls ----

static char victim[4096] = "/ring1-hostile-nothing"; // what pointers point to

static uint32_t counted, allowed;

// Two calls pass by every filter since Linux 6.14 (kernel/seccomp.c): they are the kernel's own,
// for uprobes' trampolines, and the kernel refuses them to anybody else.
static bool kernel_refuses(uint64_t nr, uint64_t r)
{
	switch ((uint32_t)nr) {
	case 335: // uretprobe: a signal, at every try
		return r == KILLED;
	case 336: // uprobe: ENXIO
		return r == (uint64_t)-6;
	}
	return false;
}

static void must_refuse(const char *what, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
                        uint64_t a3, uint64_t a4, uint64_t a5)
{
	uint64_t r = host(nr, a0, a1, a2, a3, a4, a5);

	counted++;
	if (r == REFUSED || kernel_refuses(nr, r))
		return;
	if (allowed++ < 20)
		printf("# %s: call %#llx(%#llx, %#llx, %#llx, %#llx, %#llx, %#llx) gave %lld%s\n",
		       what, (unsigned long long)nr, (unsigned long long)a0, (unsigned long long)a1,
		       (unsigned long long)a2, (unsigned long long)a3, (unsigned long long)a4,
		       (unsigned long long)a5, (long long)r, r == KILLED ? " (interrupted)" : "");
	fflush(stdout);
}

static void report(const char *what)
{
	result(!allowed, "%s: %u calls tried, %u not refused", what, counted, allowed);
	counted = allowed = 0;
}

static void try_number(const char *what, uint64_t nr)
{
	uint64_t p = (uintptr_t)victim;

	must_refuse(what, nr, 0, 0, 0, 0, 0, 0);
	must_refuse(what, nr, 3, 4, 3, 4, 3, 4);
	must_refuse(what, nr, p, p, p, p, p, p);
	// Not -1: should a kill() come through, it must not reach everybody.
	must_refuse(what, nr, 1ull << 62, 1ull << 62, 1ull << 62, 1ull << 62, 1ull << 62,
	            1ull << 62);
	must_refuse(what, nr, 3, p, 1, 17, 3, 0);
}

static bool tagged(uint64_t nr)
{
	return nr == MMAP || nr == MPROTECT || nr == MUNMAP || nr == RT_SIGRETURN ||
	       nr == MODIFY_LDT || nr == FUTEX || nr == EXIT_GROUP;
}

static void every_number(void)
{
	static const uint64_t high[] = {600,        999,        1024,       4096,
	                                0x7fff,     0x10000,    0x3fffffff, 0x7fffffff,
	                                0x80000000, 0xfffffffe, 0xffffffff};

	for (uint64_t nr = 0; nr <= 550; nr++)
		if (!tagged(nr))
			try_number("x86-64", nr);
	report("every x86-64 call without a tag");
	for (uint64_t nr = 0; nr <= 550; nr++)
		try_number("x32", X32 | nr);
	report("every x32 call");
	for (size_t i = 0; i < sizeof(high) / sizeof(high[0]); i++)
		try_number("high", high[i]);
	// The upper half of RAX is cut off: that makes no new calls, and none of the tagged ones
	// here.
	for (uint64_t nr = 0; nr <= 550; nr += 7)
		if (!tagged(nr))
			try_number("RAX", 0xdead00000000ull | nr);
	report("call numbers that do not exist");
}

#define GIB4 0x100000000ull

static void bad_mmap(void)
{
	uint64_t at = 0x10000000;
	static const uint64_t flags[] = {0x01,   0x02,    0x03,     0x10,     0x12,        0x13,
	                                 0x22,   0x31,    0x32,     0x111,    0x2011,      0x4011,
	                                 0x8011, 0x40011, 0x100011, 0x100001, GIB4 | 0x11, 0};
	static const uint64_t fds[] = {0, 1, 2, 5, 6, 7, 100, 0xffffffff, ~0ull, GIB4 | 3};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		must_refuse("flags", MMAP, at, 4096, 3, flags[i], 3, 0);
		must_refuse("flags", MMAP, at, 4096, 3, flags[i], 4, 0);
		must_refuse("flags", MMAP, at, 4096, 3, flags[i], ~0ull, 0);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		must_refuse("fd", MMAP, at, 4096, 3, 0x11, fds[i], 0);
	report("mmap: private, anonymous, movable, and of other files");
	must_refuse("exec of the state", MMAP, at, 4096, 4, 0x11, 4, 0);
	must_refuse("exec of the state", MMAP, at, 4096, 7, 0x11, 4, 0);
	for (int bit = 3; bit < 64; bit++)
		must_refuse("protection", MMAP, at, 4096, 1ull << bit | 1, 0x11, 3, 0);
	report("mmap: executable machine state, odd protections");
	for (int bit = 32; bit < 64; bit++)
		must_refuse("address", MMAP, 1ull << bit, 4096, 3, 0x11, 3, 0);
	must_refuse("core", MMAP, CELL_TEXT, 4096, 7, 0x11, 3, 0);
	must_refuse("state", MMAP, CELL_STATE, 4096, 3, 0x11, 3, 0);
	must_refuse("self", MMAP, CELL_SELF, 4096, 3, 0x11, 4, 0);
	must_refuse("length", MMAP, 0xfffff000, 0x2000, 3, 0x11, 3, 0);
	must_refuse("length", MMAP, at, GIB4, 3, 0x11, 3, 0);
	must_refuse("length", MMAP, 0x1000, GIB4 - 0x800, 3, 0x11, 3, 0);
	must_refuse("length", MMAP, at, ~0ull - at + 1, 3, 0x11, 3, 0);
	report("mmap: above 4 GiB or across");
}

static void bad_unmap_and_protect(void)
{
	static const uint64_t both[] = {MUNMAP, MPROTECT};

	for (int i = 0; i < 2; i++) {
		uint64_t nr = both[i], prot = i ? 5 : 0;

		for (int bit = 32; bit < 64; bit++)
			must_refuse("address", nr, 1ull << bit, 4096, prot, 0, 0, 0);
		must_refuse("core", nr, CELL_TEXT, 4096, prot, 0, 0, 0);
		must_refuse("state", nr, CELL_STATE, 4096, prot, 0, 0, 0);
		must_refuse("annotations", nr, CELL_ANNOT, 4096, prot, 0, 0, 0);
		must_refuse("RAM", nr, CELL_RAM, 4096, prot, 0, 0, 0);
		must_refuse("self", nr, CELL_SELF, 4096, prot, 0, 0, 0);
		must_refuse("length", nr, 0xfffff000, 0x2000, prot, 0, 0, 0);
		must_refuse("length", nr, 0x10000000, GIB4, prot, 0, 0, 0);
		must_refuse("length", nr, 0x1000, ~0ull - 0xfff, prot, 0, 0, 0);
		must_refuse("length", nr, 0, 0x7ffffffff000ull, prot, 0, 0, 0);
	}
	report("munmap and mprotect: above 4 GiB or across");
	for (int bit = 3; bit < 64; bit++)
		must_refuse("protection", MPROTECT, 0x10000000, 4096, 1ull << bit | 1, 0, 0, 0);
	report("mprotect: odd protections");
}

static void bad_modify_ldt(void)
{
	uint64_t p = (uintptr_t)victim;

	for (uint64_t function = 0; function < 64; function++)
		if (function != 17)
			must_refuse("function", MODIFY_LDT, function, p, 16, 0, 0, 0);
	must_refuse("function", MODIFY_LDT, GIB4 | 17, p, 16, 0, 0, 0);
	for (uint64_t size = 0; size < 64; size++)
		if (size != 16)
			must_refuse("size", MODIFY_LDT, 17, p, size, 0, 0, 0);
	must_refuse("size", MODIFY_LDT, 17, p, 65536, 0, 0, 0);
	must_refuse("size", MODIFY_LDT, 17, p, GIB4 | 16, 0, 0, 0);
	report("modify_ldt: reading, the old forms, other sizes");
}

static void bad_futex(void)
{
	uint64_t p = (uintptr_t)victim + 2048;

	for (uint64_t op = 0; op < 1024; op++)
		if (op != 1 && op != 9)
			must_refuse("operation", FUTEX, p, op, 1, 0, p, 0);
	for (int bit = 10; bit < 64; bit++) {
		must_refuse("operation", FUTEX, p, 1ull << bit | 1, 1, 0, p, 0);
		must_refuse("operation", FUTEX, p, 1ull << bit | 9, 1, 0, p, 0);
	}
	report("futex: every operation but the two");
}

static void bad_ioctl(void)
{
	static const uint64_t allowed[] = {0xc020aa00, 0xc020aa07};
	uint64_t p = (uintptr_t)victim;

	// Of the requests a userfaultfd knows, only registering and installing a page.
	for (uint64_t nr = 0; nr < 256; nr++)
		for (uint64_t form = 0; form < 6; form++) {
			static const uint64_t forms[] = {0xc020aa00, 0xc018aa00, 0x8010aa00,
			                                 0xc028aa00, 0x0000aa00, 0x00005400};
			uint64_t request = forms[form] | nr;

			if (request != allowed[0] && request != allowed[1])
				must_refuse("request", IOCTL, 5, request, p, 0, 0, 0);
		}
	for (uint64_t fd = 0; fd < 64; fd++)
		for (int i = 0; i < 2 && fd != 5; i++)
			must_refuse("file", IOCTL, fd, allowed[i], p, 0, 0, 0);
	for (int bit = 32; bit < 64; bit++)
		must_refuse("request", IOCTL, 5, 1ull << bit | allowed[0], p, 0, 0, 0);
	report("ioctl: every request but two, and of other files");
}

static void other_doors(void)
{
	static struct long_call c;
	bool back;

	// The filter's answer must be the filter's: a call that is allowed does come through.
	result(host(FUTEX, (uintptr_t)victim, 1, 1, 0, 0, 0) == 0, "a tagged call is not refused");
	c = (struct long_call){.nr = 20};
	back = visit_tries(&c, long_int80, 3);
	result(!back || (int64_t)c.result < 0 || (pid_t)c.result == getpid(),
	       "INT 0x80 in 64-bit mode is no call of the host's (%lld)",
	       back ? (long long)c.result : -1);
	c = (struct long_call){0};
	back = visit_tries(&c, long_vsyscall, 3);
	result(!back || c.result == REFUSED, "the vsyscall page is closed (%lld)",
	       back ? (long long)c.result : -1);
}

static void do_calls(void)
{
	other_doors();
	every_number();
	bad_mmap();
	bad_unmap_and_protect();
	bad_modify_ldt();
	bad_futex();
	bad_ioctl();
	printf("1..%d\n", tests);
}

// ---- ends of the cell ----

static void do_exit(void)
{
	host(EXIT_GROUP, 7, 0, 0, 0, 0, 0);
}

static void do_sigreturn(void)
{
	for (int i = 0; i < 20; i++)
		host(RT_SIGRETURN, random32(), random32(), 0, 0, 0, 0);
}

static void do_unmap(void)
{
	host(MUNMAP, 0, GIB4, 0, 0, 0, 0);
}

static void do_unmap_gate(void)
{
	host(MUNMAP, HOLE_GATE, 4096, 0, 0, 0, 0);
	getppid();
}

static void do_unmap_vcpu(void)
{
	host(MUNMAP, HOLE_VCPU, 4096, 0, 0, 0, 0);
	getppid();
}

// All LDT entries gone: no segment of the guest can be loaded any more.
static void do_ldt(void)
{
	static uint32_t entry[4]; // read_exec_only and seg_not_present: an empty entry

	for (uint32_t slot = 0; slot < 1024; slot++) {
		entry[0] = slot;
		entry[3] = 0x28;
		host(MODIFY_LDT, 17, (uintptr_t)entry, 16, 0, 0, 0);
	}
}

// Without access rights to its own memory, would the core notice?
static void do_pkru(void)
{
	uint32_t eax, ebx, ecx = 0, edx;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ecx & 16)) {
		result(true, "WRPKRU # SKIP not on this processor");
	} else {
		// No stack between the two: all data is out of reach.
		__asm__ volatile(
		    "wrpkru\n\tmovl $20, %%eax\n\tint $0x80\n\txorl %%eax, %%eax\n\twrpkru"
		    : "=&a"(eax), "+c"((uint32_t){0}), "+d"((uint32_t){0})
		    : "0"(0x55555555)
		    : "memory");
		result(true, "the program lives after WRPKRU");
	}
	printf("1..%d\n", tests);
}

// ---- the monitor's state ----

static uint32_t nasty32(void)
{
	static const uint32_t values[] = {
	    0,   1,   0x7fffffff, 0x80000000, 0xffffffff, 0x4000,    0x3fff,
	    128, 127, 4096,       0xffff0000, 0xc0000000, 0xff000000};
	uint32_t r = random32();

	return r & 1 ? values[(r >> 1) % (sizeof(values) / sizeof(values[0]))] : random32();
}

// Let main and the core meet what was written.
static void carry_on(void)
{
	pid_t child;

	if (write(1, "hostile: still here\n", 20) < 0)
		return;
	getppid();
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	usleep(500);
}

static void scribble(uint64_t base, uint64_t start, uint64_t end, uint32_t times, bool many)
{
	for (uint32_t i = 0; i < times; i++) {
		uint64_t at = base + start + random32() % ((uint32_t)(end - start) / 4) * 4;
		uint64_t left = (base + end - at) / 4, words = many ? random32() % 4096 + 1 : 1;

		store(at, words < left ? words : left, 4, nasty32(), many ? random32() : 0);
		if (i % 8 == 0)
			carry_on();
	}
	carry_on();
}

static void do_talk(void)
{
	scribble(CELL_STATE, TALK_START, TALK_END, 400, false);
}

static void do_talk_hard(void)
{
	scribble(CELL_STATE, TALK_START, TALK_END, 40, true);
}

static void do_machine(void)
{
	scribble(CELL_STATE, 0, MACHINE_SIZE, 200, true);
}

static void do_slots(void)
{
	scribble(CELL_STATE, SLOTS_START, SLOTS_END, 200, false);
}

static void do_self(void)
{
	scribble(CELL_SELF, 0, CELL_SIZE, 400, true);
}

static void do_vcpu(void)
{
	scribble(HOLE_VCPU, 0, HOLE_VCPU_SIZE, 200, false);
}

static void do_ram(void)
{
	scribble(CELL_RAM, 0, 60 << 20, 200, true);
}

// Ring the bells as fast as can be, with a stop that says nothing sensible.
static void do_stop(void)
{
	for (uint32_t i = 0; i < STOP_SIZE / 4; i++)
		store(CELL_STATE + STOP + i * 4, 1, 4, random32(), 0);
	store(CELL_STATE + STOP, 1, 4, 0x1000 + seed, 0);
	store(CELL_STATE + DOORBELL, 1, 4, 4, 0);
	store(CELL_STATE + MAIN_WAITS, 1, 4, 0, 0);
	host(FUTEX, CELL_STATE + MAIN_WAITS, 1, 1, 0, 0, 0);
	sleep(1);
}

// Control bytes for the terminal of whoever runs the machine.
static void do_log(void)
{
	static const uint8_t bytes[] = {0x1b, ']', '0', ';', 0x9b, '2',  'J',  0x07,
	                                0x1b, '[', '2', 'J', 0x7f, '\n', 0x1b, 'c'};
	uint32_t words[4];

	memcpy(words, bytes, sizeof(words));
	for (uint32_t i = 0; i < 4; i++)
		store(CELL_STATE + LOG_RING + 8 + i * 4, 1, 4, words[i], 0);
	store(CELL_STATE + LOG_RING + 4, 1, 4, 0, 0);
	store(CELL_STATE + LOG_RING, 1, 4, 16, 0);
	store(CELL_STATE + DOORBELL, 1, 4, 16, 0);
	store(CELL_STATE + MAIN_WAITS, 1, 4, 0, 0);
	host(FUTEX, CELL_STATE + MAIN_WAITS, 1, 1, 0, 0, 0);
	usleep(200000);
}

// Nothing at all, in 64-bit mode, for ever.
static void do_spin(void)
{
	static struct long_call c;

	printf("hostile: spinning\n");
	fflush(stdout);
	signal(SIGSEGV, SIG_DFL);
	c = (struct long_call){.a = {(uintptr_t)victim, ~0ull, 0, 0, 0}};
	c.routine = (uint32_t)(uintptr_t)long_store;
	long_call(&c);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
    {"calls", do_calls},
    {"exit", do_exit},
    {"sigreturn", do_sigreturn},
    {"unmap", do_unmap},
    {"unmap-gate", do_unmap_gate},
    {"unmap-vcpu", do_unmap_vcpu},
    {"ldt", do_ldt},
    {"pkru", do_pkru},
    {"talk", do_talk},
    {"talk-hard", do_talk_hard},
    {"machine", do_machine},
    {"slots", do_slots},
    {"self", do_self},
    {"vcpu", do_vcpu},
    {"ram", do_ram},
    {"stop", do_stop},
    {"log", do_log},
    {"spin", do_spin},
};

// The value of NAME=value on the kernel's command line, or an empty string.
static void parameter(const char *name, char *value, size_t size)
{
	char line[4096], *word;
	FILE *f = fopen("/proc/cmdline", "r");

	*value = 0;
	if (!f || !fgets(line, sizeof(line), f))
		exit(2);
	fclose(f);
	for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
		if (!strncmp(word, name, strlen(name)) && word[strlen(name)] == '=')
			snprintf(value, size, "%s", word + strlen(name) + 1);
}

int main(void)
{
	char mode[32], number[32];

	parameter("hostile.do", mode, sizeof(mode));
	parameter("hostile.seed", number, sizeof(number));
	if (atoi(number))
		seed = (uint32_t)atoi(number) * 2654435761u;
	// In memory, all of it, before the first visit: a page fault there would be the visit's
	// end.
	mlockall(MCL_CURRENT | MCL_FUTURE);
	catch_signals();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(mode, modes[i].name)) {
			printf("hostile: %s, seed %s\n", mode, number);
			fflush(stdout);
			modes[i].run();
			printf("hostile: %s done, %u stores\n", mode, stores);
			return 0;
		}
	printf("hostile: no such mode: '%s'\n", mode);
	return 2;
}
