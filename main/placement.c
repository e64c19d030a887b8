// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/placement.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct load {
	uint64_t at;                /* CLOCK_MONOTONIC, ns */
	uint64_t idle[CPU_SETSIZE]; /* idle time of each CPU since the host's boot, ns */
	uint64_t cells;             /* CPU time of all cells, ns */
};

static struct load last;
static bool have_last;

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool read_idle(uint64_t idle[CPU_SETSIZE])
{
	uint64_t tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	/* Kept open: a confined main opens no file. */
	static FILE *f;
	char line[512];
	bool any = false;

	if (!f && !(f = fopen("/proc/stat", "re")))
		return false;
	rewind(f);
	while (fgets(line, sizeof line, f)) {
		unsigned cpu;
		uint64_t user, nice, system, ticks;

		if (sscanf(line, "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &cpu, &user,
		           &nice, &system, &ticks) == 5 &&
		    cpu < CPU_SETSIZE) {
			idle[cpu] = ticks * tick;
			any = true;
		}
	}
	return any;
}

static uint64_t cells_time(const struct vm *vm)
{
	uint64_t sum = 0;
	clockid_t clock;

	for (uint32_t i = 0; i < vm->ncells; i++)
		if (!clock_getcpuclockid(vm->cell_pid[i], &clock))
			sum += nanoseconds(clock);
	return sum;
}

static bool look(const struct vm *vm, struct load *now)
{
	now->at = nanoseconds(CLOCK_MONOTONIC);
	now->cells = vm ? cells_time(vm) : 0;
	return read_idle(now->idle);
}

/* At start-up, so that loading the kernel is the interval that is looked at first. */
static void __attribute__((constructor)) first_look(void)
{
	have_last = look(NULL, &last);
}

/* The CPU with the most idle time since the last look; -1: unknown. */
static int most_idle(const struct load *now)
{
	uint64_t most = 0;
	int best = -1, here = sched_getcpu();
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof allowed, &allowed))
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		uint64_t gained = now->idle[cpu] - last.idle[cpu];

		if (!CPU_ISSET(cpu, &allowed))
			continue;
		if (best < 0 || gained > most || (gained == most && cpu != here)) {
			best = cpu;
			most = gained;
		}
	}
	return best;
}

static bool move(struct vm *vm, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Cells to come inherit it from the nursery. */
	if (sched_setaffinity(vm->nursery_pid, sizeof set, &set))
		return false;
	for (uint32_t i = 0; i < vm->ncells; i++)
		sched_setaffinity(vm->cell_pid[i], sizeof set, &set);
	vm->cpu = cpu;
	return true;
}

/* As the host's own lists of CPUs: 0-3,6 */
static void list_cpus(const cpu_set_t *set, char *to, size_t size)
{
	size_t n = 0;

	*to = 0;
	for (int first = 0, last; first < CPU_SETSIZE && n < size; first = last + 1) {
		last = first;
		if (!CPU_ISSET(first, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		n += (size_t)snprintf(to + n, size - n, n ? ",%d" : "%d", first);
		if (last > first && n < size)
			n += (size_t)snprintf(to + n, size - n, "-%d", last);
	}
}

/* The host cuts a set to what it allows, and refuses one of which nothing is left. */
bool placement_check(int cpu)
{
	cpu_set_t before, one, all;
	char list[256];
	bool may;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	memset(&all, 0xff, sizeof all);
	if (sched_getaffinity(0, sizeof before, &before))
		return true;
	may = !sched_setaffinity(0, sizeof one, &one);
	if (!may &&
	    (sched_setaffinity(0, sizeof all, &all) || sched_getaffinity(0, sizeof all, &all)))
		all = before;
	sched_setaffinity(0, sizeof before, &before);
	list_cpus(&all, list, sizeof list);
	if (!may)
		complain("--cpu %d: the host lets this process run on CPUs %s only", cpu, list);
	return may;
}

void placement_start(struct vm *vm, int cpu)
{
	static struct load now;

	vm->cpu = -1;
	vm->may_move = cpu < 0;
	if (cpu < 0) {
		if (!have_last || !look(vm, &now))
			return;
		cpu = most_idle(&now);
		last = now;
	}
	if (cpu >= 0 && !move(vm, cpu) && !vm->may_move)
		complain("--cpu %d: %s; going on without", cpu, strerror(errno));
}

void placement_review(struct vm *vm)
{
	static struct load now;
	uint64_t interval, ours, idle, others;
	int best;

	if (!vm->may_move || vm->cpu < 0 || !look(vm, &now))
		return;
	interval = now.at - last.at;
	ours = now.cells - last.cells;
	idle = now.idle[vm->cpu] - last.idle[vm->cpu];
	best = most_idle(&now);
	others = interval > ours + idle ? interval - ours - idle : 0;
	/*
	 * The guest computes, somebody else takes at least a fifth of this CPU, and another one
	 * is mostly idle. Less than that does not pay for the cold caches.
	 */
	if (best >= 0 && best != vm->cpu && ours > interval / 4 && others > interval / 5 &&
	    now.idle[best] - last.idle[best] > interval * 7 / 10)
		move(vm, best);
	last = now;
}
