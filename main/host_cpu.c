// SPDX-License-Identifier: GPL-2.0-or-later
/* Which host CPU has the most time to give. */
#include "main/vm.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

/* Idle time of each CPU since boot, in ticks; false: the host does not say. */
static bool read_idle(uint64_t idle[CPU_SETSIZE])
{
	FILE *f = fopen("/proc/stat", "re");
	char line[512];
	bool any = false;

	if (!f)
		return false;
	while (fgets(line, sizeof line, f)) {
		unsigned cpu;
		uint64_t user, nice, system, ticks;

		if (sscanf(line, "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &cpu, &user,
			   &nice, &system, &ticks) == 5 &&
		    cpu < CPU_SETSIZE) {
			idle[cpu] = ticks;
			any = true;
		}
	}
	fclose(f);
	return any;
}

static uint64_t first_idle[CPU_SETSIZE];
static bool have_first;

/* At start-up, so that loading the kernel is the interval that is looked at. */
static void __attribute__((constructor)) first_look(void)
{
	have_first = read_idle(first_idle);
}

int least_busy_cpu(void)
{
	static uint64_t idle[CPU_SETSIZE];
	uint64_t most = 0;
	int best = -1, here = sched_getcpu();
	cpu_set_t allowed;

	if (!have_first || !read_idle(idle) || sched_getaffinity(0, sizeof allowed, &allowed))
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		uint64_t gained = idle[cpu] - first_idle[cpu];

		if (!CPU_ISSET(cpu, &allowed))
			continue;
		/* This one was busy only with starting ring1. */
		if (best < 0 || gained > most || (gained == most && cpu != here)) {
			best = cpu;
			most = gained;
		}
	}
	return best;
}
