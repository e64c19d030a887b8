// SPDX-License-Identifier: GPL-2.0-or-later
//
// Does one thing many times, so that the difference of two runs' statistics is the cost of one.
// The kernel's command line says what: counts.do=MODE counts.n=N (modes: the table below).

#include "../parameter.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static void die(const char *what)
{
	perror(what);
	exit(1);
}

// One system call through the C library and the vDSO.
static void do_getppid(long n)
{
	while (n-- > 0)
		if (getppid() < 0)
			die("getppid");
}

// Takes the run queue's lock with interrupts off, without switching to anybody.
static void do_yield(long n)
{
	while (n-- > 0)
		if (sched_yield())
			die("sched_yield");
}

// The first touch of an anonymous page, pages in order.
static void do_touch(long n)
{
	volatile char *memory;

	if (!n)
		return;
	memory = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	              -1, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	for (long i = 0; i < n; i++)
		memory[(size_t)i * PAGE] = 1;
}

// A byte to another process and back: two context switches.
static void do_pipe(long n)
{
	int there[2], back[2];
	char byte = 'x';
	pid_t child;

	if (pipe(there) || pipe(back))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(there[0]);
	while (n-- > 0)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("round trip");
	close(there[1]);
	waitpid(child, NULL, 0);
}

// A page made read-only, writable again, and written.
static void do_protect(long n)
{
	volatile char *page =
	    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		die("mmap");
	*page = 1;
	while (n-- > 0) {
		if (mprotect((void *)page, PAGE, PROT_READ) ||
		    mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE))
			die("mprotect");
		*page = 1;
	}
}

// Sixteen pages mapped, written, made read-only and writable again, written, and unmapped.
static void do_sixteen(long n)
{
	const size_t size = 16 * PAGE;

	while (n-- > 0) {
		volatile char *pages =
		    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (pages == MAP_FAILED)
			die("mmap");
		for (size_t i = 0; i < size; i += PAGE)
			pages[i] = 1;
		if (mprotect((void *)pages, size, PROT_READ) ||
		    mprotect((void *)pages, size, PROT_READ | PROT_WRITE))
			die("mprotect");
		for (size_t i = 0; i < size; i += PAGE)
			pages[i] = 2;
		if (munmap((void *)pages, size))
			die("munmap");
	}
}

static void do_fork(long n)
{
	while (n-- > 0) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0)
			_exit(0);
		if (waitpid(child, NULL, 0) != child)
			die("waitpid");
	}
}

// N programs, each executed by a process of its own, that are all there at once.
static void do_programs(long n)
{
	pid_t *children = calloc((size_t)n + 1, sizeof(*children));
	int executed[2];
	char byte;

	if (!children)
		die("calloc");
	for (long i = 0; i < n; i++) {
		if (pipe2(executed, O_CLOEXEC))
			die("pipe2");
		children[i] = fork();
		if (children[i] < 0)
			die("fork");
		if (children[i] == 0) {
			execl("/proc/self/exe", "counts", "pause", NULL);
			die("execl");
		}
		close(executed[1]);
		if (read(executed[0], &byte, 1))
			die("execution");
		close(executed[0]);
	}
	for (long i = 0; i < n; i++)
		if (kill(children[i], SIGKILL) || waitpid(children[i], NULL, 0) != children[i])
			die("the end of a program");
	free(children);
}

// Every second page of 2 * N is written, then these are read: the host can join none of them.
static void do_scatter(long n)
{
	volatile uint32_t *memory;
	const size_t step = 2 * PAGE / sizeof(*memory);

	if (!n)
		return;
	memory = mmap(NULL, (size_t)n * 2 * PAGE, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	madvise((void *)memory, (size_t)n * 2 * PAGE, MADV_NOHUGEPAGE);
	for (long i = 0; i < n; i++)
		memory[(size_t)i * step] = (uint32_t)i * 2654435761u;
	for (long i = 0; i < n; i++)
		if (memory[(size_t)i * step] != (uint32_t)i * 2654435761u)
			die("a page lost what was written");
}

static const struct {
	const char *name;
	void (*run)(long);
} modes[] = {{"getppid", do_getppid}, {"yield", do_yield},     {"touch", do_touch},
             {"protect", do_protect}, {"fork", do_fork},       {"scatter", do_scatter},
             {"pipe", do_pipe},       {"sixteen", do_sixteen}, {"programs", do_programs}};

int main(int argc, char **argv)
{
	char mode[32] = "", count[32] = "";

	if (argc == 2 && !strcmp(argv[1], "pause"))
		return pause();
	parameter("counts.do", mode, sizeof(mode));
	parameter("counts.n", count, sizeof(count));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(mode, modes[i].name)) {
			modes[i].run(atol(count));
			printf("counts: %s %s done\n", mode, count);
			return 0;
		}
	printf("counts: no such mode: '%s'\n", mode);
	return 2;
}
