// SPDX-License-Identifier: GPL-2.0-or-later
//
// Guest self-test: the harness that all themes share.
//
// Every check runs in a process of its own (and its own process group), so it may change signal
// handlers, segments and memory as it likes, and a check that dies or hangs costs only its own
// line.

#ifndef SELFTEST_H
#define SELFTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE         4096u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct check {
	const char *name;
	void (*run)(void);
};

// One table per theme; an entry without a name ends it.
extern const struct check state_checks[], signal_checks[], usermode_checks[], thread_checks[],
    process_checks[], memory_checks[], ipc_checks[], time_checks[], copy_checks[], trace_checks[],
    segment_checks[], syscall_checks[], exact_checks[], debug_checks[], iopl_checks[],
    kind_checks[], feature_checks[], low_checks[];

// A line "# ..." about the running check.
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));

// These end the check. A todo is a departure from i386 that is known; it does not fail the run.
void skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void todo(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void expect_at(bool holds, const char *text, const char *file, int line);
void expect_equal_at(uint64_t value, uint64_t wanted, const char *text, const char *file, int line);
void require_at(bool holds, const char *text, const char *file, int line);

// expect notes a failure and goes on; require ends the check.
#define expect(condition) expect_at((condition), #condition, __FILE__, __LINE__)
#define expect_equal(value, wanted)                                                                \
	expect_equal_at((uint64_t)(value), (uint64_t)(wanted), #value " == " #wanted, __FILE__,    \
	                __LINE__)
#define require(condition) require_at((condition), #condition, __FILE__, __LINE__)

// Ends a process that a check started: status 0 if nothing failed in it so far, else 1.
void finish(void) __attribute__((noreturn));
bool failed_so_far(void);

// Waits for a child and expects it to have exited with status 0.
void expect_success(pid_t child);

// Starts a child that runs body(argument) and finishes.
pid_t start(void (*body)(int), int argument);

// What a fault looked like to the program; number is 0 when there was none.
struct fault {
	int number, code;
	uintptr_t address; // si_addr
	uintptr_t eip;     // where it happened
	unsigned trap, error;
	unsigned eflags;
};

// Runs body(argument) and catches the first SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGTRAP.
struct fault catch_fault(void (*body)(void *), void *argument);
void diag_fault(const char *what, const struct fault *fault);

uint64_t now_ns(void);
uint32_t next_random(uint32_t *state);
uintptr_t vsyscall_entry(void); // AT_SYSINFO, 0 without
uintptr_t user_end(void);       // the first address that no program can use, whatever it maps
bool on_i386_kernel(void);      // false when run natively on an x86-64 host
bool kernel_is_at_least(unsigned major, unsigned minor, unsigned patch); // uname's release
unsigned meminfo_mib(const char *field);

// The program break, moved by that many bytes; NULL when the kernel refuses. Not every libc's sbrk
// does it.
uint8_t *move_break(intptr_t by);

// Writable memory with a page at each end that is not.
void *guarded_pages(size_t count);

enum { EFLAGS_IF = 0x200, EFLAGS_IOPL = 0x3000 };

static inline uint32_t read_flags(void)
{
	uint32_t flags;

	__asm__ volatile("pushf; popl %0" : "=r"(flags));
	return flags;
}

static inline void write_flags(uint32_t flags)
{
	__asm__ volatile("pushl %0; popf" ::"r"(flags) : "cc", "memory");
}

// state.c: the whole FPU state (x87, SSE, AVX, AVX-512: what CPU and kernel offer), filled with a
// pattern.
#define FPU_IMAGE_SIZE 4096
struct fpu_image {
	uint8_t bytes[FPU_IMAGE_SIZE];
} __attribute__((aligned(64)));
void fpu_pattern(struct fpu_image *image, uint32_t seed);
void fpu_load(const struct fpu_image *image);
void fpu_store(struct fpu_image *image);
void fpu_reset(void);
bool fpu_same(const struct fpu_image *a, const struct fpu_image *b);

// Commands of the program itself that checks run by exec: selftest --helper NAME ...
int helper_main(int argc, char **argv);

#endif
