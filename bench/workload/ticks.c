// SPDX-License-Identifier: GPL-2.0-or-later
/* What a timer's interrupts take from a computation.
 *
 * The computation reads the processor's time stamp counter again and again, and knows after each
 * step whether a tick came in it. What such a step takes longer than an undisturbed one is what the
 * tick took: the interrupt, what the kernel does for it, and in a guest what the monitor does, the
 * signal, its handler and sigreturn. The median of the ticks leaves out those that came while
 * others had the CPU. */
#include "workload.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

enum { MOST_TICKS = 256, RATE_NS = 20000000 };

static volatile unsigned ticks;
static unsigned period_us;
static uint64_t undisturbed; /* the shortest step, in counts */
static double ns_per_count;

static uint64_t counter(void)
{
	return __builtin_ia32_rdtsc();
}

static void tick(int number)
{
	(void)number;
	ticks++;
}

static bool find_rates(unsigned us)
{
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	uint64_t start_ns = now_ns(), start = counter();

	period_us = us;
	undisturbed = UINT64_MAX;
	while (now_ns() - start_ns < RATE_NS)
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t step = counter();

			step = counter() - step;
			if (step && step < undisturbed)
				undisturbed = step;
		}
	ns_per_count = (double)(now_ns() - start_ns) / (double)(counter() - start);
	return !sigaction(SIGALRM, &action, NULL);
}

static bool at_250_hz(void)
{
	return find_rates(4000);
}

static bool at_1000_hz(void)
{
	return find_rates(1000);
}

static void set_timer(unsigned us)
{
	struct itimerval interval = {{0, (int)us}, {0, (int)us}};

	need(!setitimer(ITIMER_REAL, &interval, NULL), "setitimer");
}

/* The step, in counts, in which the next tick comes; it may come behind the reading that ends a
 * step, so that one more has to be taken. */
static uint64_t step_of_tick(void)
{
	unsigned before = ticks;
	uint64_t now = counter(), then;

	do {
		then = now;
		now = counter();
	} while (ticks == before);
	return counter() - then;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* One operation: a tick. */
static uint64_t cost_of_ticks(unsigned n)
{
	static uint64_t steps[MOST_TICKS];
	unsigned kept = n < MOST_TICKS ? n : MOST_TICKS;
	uint64_t middle;

	set_timer(period_us);
	for (unsigned i = 0; i < n; i++)
		steps[i % MOST_TICKS] = step_of_tick();
	set_timer(0);
	qsort(steps, kept, sizeof(*steps), compare);
	middle = steps[kept / 2];
	need(middle > undisturbed, "a tick that took no time");
	return (uint64_t)((double)(middle - undisturbed) * ns_per_count * n);
}

const struct item tick_items[] = {
    {"timer_tick_250hz", .prepare = at_250_hz, .timed = cost_of_ticks, .fixed = 10},
    {"timer_tick_1000hz", .prepare = at_1000_hz, .timed = cost_of_ticks, .fixed = 40},
    {0},
};
