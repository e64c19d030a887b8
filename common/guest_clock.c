// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/guest_clock.h"

/*
 * Clocks disagree when they differ by more than half a second and a thousandth of the time that
 * passed: twice what NTP may slew (500 ppm), and what the measured factor is wrong by (some ppm).
 */
#define JUMP_NS       500000000
#define JUMP_FRACTION 1000

#define STOPPED_NS 5000000000

void guest_clock_start(struct guest_clock *clock, uint64_t tsc_mult,
                       const struct clock_reading *now)
{
	*clock = (struct guest_clock){.tsc_base = now->tsc, .tsc_mult = tsc_mult, .last = *now};
}

static uint64_t scaled(const struct guest_clock *clock, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * clock->tsc_mult >> 32);
}

uint64_t guest_clock_at(const struct guest_clock *clock, uint64_t tsc)
{
	/* modulo 2^64: the base of a TSC that started over lies before its 0 */
	int64_t ticks = (int64_t)(tsc - clock->tsc_base);

	return ticks < 0 ? 0 : scaled(clock, (uint64_t)ticks);
}

uint64_t guest_clock_mono_offset(const struct guest_clock *clock)
{
	return clock->last.mono - guest_clock_at(clock, clock->last.tsc);
}

int64_t guest_clock_wall_offset(const struct guest_clock *clock)
{
	return clock->last.real - (int64_t)guest_clock_at(clock, clock->last.tsc);
}

static bool disagree(int64_t a, int64_t b)
{
	int64_t difference = a > b ? a - b : b - a, longer = a > b ? a : b;

	return difference > JUMP_NS + longer / JUMP_FRACTION;
}

/* The TSC at which guest time was 0, when it is @ns at @tsc. */
static uint64_t base_for(const struct guest_clock *clock, uint64_t tsc, uint64_t ns)
{
	return tsc - (uint64_t)(((unsigned __int128)ns << 32) / clock->tsc_mult);
}

void guest_clock_set(struct guest_clock *clock, const struct clock_reading *now, uint64_t ns)
{
	clock->tsc_base = base_for(clock, now->tsc, ns);
	clock->last = *now;
}

struct clock_news guest_clock_keep(struct guest_clock *clock, const struct clock_reading *now)
{
	const struct clock_reading last = clock->last;
	uint64_t guest = guest_clock_at(clock, last.tsc);
	int64_t passed = (int64_t)(now->boot - last.boot), by_tsc;
	struct clock_news news = {.moved = false};

	if (passed < 0)
		passed = 0;
	by_tsc = (int64_t)(guest_clock_at(clock, now->tsc) - guest);
	if (disagree(by_tsc, passed)) {
		clock->tsc_base = base_for(clock, now->tsc, guest + (uint64_t)passed);
		news.moved = true;
	}
	news.stopped = passed > STOPPED_NS;
	news.wall_set = disagree(now->real - last.real, passed);
	clock->last = *now;
	return news;
}
