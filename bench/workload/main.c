// SPDX-License-Identifier: GPL-2.0-or-later
//
// The benchmark's own program: static i386, the same file on the host and in every guest.
//
//   workload [OPTION]... [ITEM]...
//
// Measures the items (all of them, or those named) and prints one line each:
//
//   NAME<TAB>ns<TAB>MEDIAN<TAB>MINIMUM      nanoseconds per operation
//
// with "-" for both figures where the item cannot be run. Every item has a process of its own, so
// that one that dies costs only its line.

#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_REPETITIONS = 100, TIME_LIMIT_S = 120 };

static const struct item *const tables[] = {
    system_call_items, memory_items,  process_items, switch_items, signal_items, tick_items,
    file_items,        compute_items, copy_items,    disk_items,   net_items,
};

static struct {
	unsigned ms, repetitions, operations;
} options = {.ms = 150, .repetitions = 5};

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void fail(const char *what)
{
	perror(what);
	_exit(1);
}

uint8_t *map_private(size_t size)
{
	uint8_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(at != MAP_FAILED, "mmap");
	madvise(at, size, MADV_NOHUGEPAGE); /* fails where there are none */
	return at;
}

void touch(volatile uint8_t *at, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		at[i * PAGE] = 1;
}

uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state ^ *state >> 15;
}

uint64_t total_memory(void)
{
	struct sysinfo info;

	need(!sysinfo(&info), "sysinfo");
	return (uint64_t)info.totalram * info.mem_unit;
}

/* ---- measuring ---- */

static uint64_t duration(const struct item *item, unsigned n)
{
	uint64_t start;

	if (item->timed)
		return item->timed(n);
	start = now_ns();
	item->run(n);
	return now_ns() - start;
}

/* The number of operations that takes about as long as one repetition should; warms up on the way.
 */
static unsigned calibrate(const struct item *item, uint64_t goal)
{
	unsigned n = 1;
	uint64_t ns;

	while ((ns = duration(item, n)) < goal / 4 && n < 1u << 30)
		n *= ns < goal / 64 ? 8 : 2;
	ns = duration(item, n);
	ns = n * goal / (ns ? ns : 1);
	return ns < 1 ? 1 : ns > 1u << 31 ? 1u << 31 : (unsigned)ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void print_result(const char *name, const char *unit, double *values, unsigned count)
{
	double middle = median(values, count);

	printf("%s\t%s\t%.2f\t%.2f\n", name, unit, middle, values[0]);
	fflush(stdout);
}

static void leave(const struct item *item)
{
	if (item->finish)
		item->finish();
	_exit(0);
}

/* In the item's own process. */
static void measure(const struct item *item)
{
	double per_operation[MOST_REPETITIONS];
	uint64_t goal = (uint64_t)options.ms * 1000000 / options.repetitions;
	unsigned n;

	alarm(TIME_LIMIT_S);
	if (item->prepare && !item->prepare())
		_exit(2);
	if (options.operations) {
		uint64_t ns = duration(item, options.operations);

		print_result(item->name, "ns", &(double){(double)ns / options.operations}, 1);
		leave(item);
	}
	n = item->fixed ? item->fixed : calibrate(item, goal);
	for (unsigned i = 0; i < options.repetitions; i++)
		per_operation[i] = (double)duration(item, n) / n;
	print_result(item->name, "ns", per_operation, options.repetitions);
	leave(item);
}

static void run_item(const struct item *item)
{
	int status;
	pid_t child = fork();

	need(child >= 0, "fork");
	if (!child)
		measure(item);
	need(waitpid(child, &status, 0) == child, "waitpid");
	if (status)
		printf("%s\tns\t-\t-\n", item->name);
	fflush(stdout);
}

static bool named(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

static void for_each_item(char **names, void (*visit)(const struct item *))
{
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct item *item = tables[t]; item->name; item++)
			if ((tables[t] != disk_items || disk_path) &&
			    (tables[t] != net_items || net_place) && named(item->name, names))
				visit(item);
}

static void print_name(const struct item *item)
{
	puts(item->name);
}

/* Kernels without 32-bit time make programs of this age not sleep at all. */
int sleep_ms(unsigned ms)
{
	const int64_t interval[2] = {ms / 1000, ms % 1000 * 1000000};

	return syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, interval, NULL) != 0;
}

/* A program's duration, its output thrown away: the macro rows. */
static int run_program(const char *name, char **command)
{
	double ms[MOST_REPETITIONS];

	for (unsigned i = 0; i < options.repetitions; i++) {
		uint64_t start = now_ns();
		int status;
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child) {
			if (!freopen("/dev/null", "w", stdout))
				_exit(1);
			execvp(command[0], command);
			fail(command[0]);
		}
		waitpid(child, &status, 0);
		ms[i] = (double)(now_ns() - start) / 1e6;
		if (status) {
			printf("%s\tms\t-\t-\n", name);
			return 1;
		}
	}
	print_result(name, "ms", ms, options.repetitions);
	return 0;
}

static int usage(void)
{
	fputs("usage: workload [OPTION]... [ITEM]...\n"
	      "  --ms N        measure each item for N ms (150) ...\n"
	      "  --reps N      ... in N repetitions (5)\n"
	      "  --ops N       instead: do N operations of each item, once\n"
	      "  --dir DIR     work there\n"
	      "  --disk FILE   a file or block device that may be written to: items of disks as "
	      "well\n"
	      "  --synced-disk FILE  the same, for the item whose writes are to be on it\n"
	      "  --net ADDRESS:PORT  where a --serve listens: items of networks as well\n"
	      "  --serve ADDRESS:PORT  be that (port 0: a free one); print the port\n"
	      "  --list        print the items' names\n"
	      "  --program NAME COMMAND...   how long a program takes (ms)\n"
	      "  --sleep N                   for N ms, by the call every kernel has\n"
	      "  --clock                     the monotonic clock (ms)\n"
	      "  --fork-tree N               make a tree of N processes\n"
	      "  --hold NAME PROCESSES MIB MS   hold sleeping processes and memory\n"
	      "  --make-text FILE MIB, --make-c FILE LINES   write an input file\n"
	      "  --make-tree DIR FILES       write a tree of small files\n",
	      stderr);
	return 2;
}

static unsigned number(const char *text, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > most) {
		fprintf(stderr, "workload: %s: not a number from 1 to %u\n", text, most);
		exit(2);
	}
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	int i;

	(void)argc;
	for (i = 1; argv[i] && !strncmp(argv[i], "--", 2); i += 2) {
		const char *option = argv[i] + 2, *value = argv[i + 1];

		if (!strcmp(option, "nothing"))
			return 0;
		if (!strcmp(option, "list")) {
			for_each_item(&(char *){NULL}, print_name);
			return 0;
		}
		if (!strcmp(option, "clock"))
			return printf("%llu\n", (unsigned long long)now_ns() / 1000000) < 0;
		if (!value)
			return usage();
		if (!strcmp(option, "ms"))
			options.ms = number(value, 60000);
		else if (!strcmp(option, "reps"))
			options.repetitions = number(value, MOST_REPETITIONS);
		else if (!strcmp(option, "ops"))
			options.operations = number(value, 1u << 30);
		else if (!strcmp(option, "disk"))
			disk_path = value;
		else if (!strcmp(option, "synced-disk"))
			synced_disk_path = value;
		else if (!strcmp(option, "net"))
			net_place = value;
		else if (!strcmp(option, "serve"))
			return serve_net(value);
		else if (!strcmp(option, "dir"))
			need(!chdir(value), value);
		else if (!strcmp(option, "sleep"))
			return sleep_ms(number(value, 600000));
		else if (!strcmp(option, "fork-tree"))
			return fork_tree(number(value, 10000));
		else if (!strcmp(option, "hold") && argv[i + 2] && argv[i + 3] && argv[i + 4])
			return hold_memory(value, number(argv[i + 2], 10000),
			                   number(argv[i + 3], 4096), number(argv[i + 4], 600000));
		else if (!strcmp(option, "make-tree") && argv[i + 2])
			return make_tree(value, number(argv[i + 2], 1000000));
		else if (!strcmp(option, "make-text") && argv[i + 2])
			return make_text(value, number(argv[i + 2], 1024));
		else if (!strcmp(option, "make-c") && argv[i + 2])
			return make_c_source(value, number(argv[i + 2], 10000000));
		else if (!strcmp(option, "program") && argv[i + 2])
			return run_program(value, argv + i + 2);
		else
			return usage();
	}
	for_each_item(argv + i, run_item);
	return 0;
}
