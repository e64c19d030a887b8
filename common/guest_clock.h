/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest time, as main keeps it: the TSC, scaled, and corrected when the host slept.
 *
 * Guest time counts the time that the host, or all of its processes, stood still: it goes with
 * CLOCK_BOOTTIME, as kvmclock does under KVM. Otherwise the guest's wall clock would be behind by
 * that much afterwards, because no guest asks for the time of day again. A TSC that runs on while
 * the host sleeps needs nothing done. One that stands or starts over is made up for here.
 */
#ifndef COMMON_GUEST_CLOCK_H
#define COMMON_GUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The host's clocks at one moment: TSC ticks and ns. */
struct clock_reading {
	uint64_t tsc;
	uint64_t boot; /* CLOCK_BOOTTIME */
	uint64_t mono; /* CLOCK_MONOTONIC */
	int64_t real;  /* CLOCK_REALTIME */
};

struct guest_clock {
	uint64_t tsc_base; /* guest ns = (tsc - tsc_base) * tsc_mult >> 32 */
	uint64_t tsc_mult; /* below 2^32 for a TSC above 1 GHz */
	struct clock_reading last;
};

/* What guest_clock_keep() found out. */
struct clock_news {
	bool moved;    /* tsc_base changed: the TSC did not do what CLOCK_BOOTTIME did */
	bool stopped;  /* nobody looked for seconds: the host slept, or the machine was stopped */
	bool wall_set; /* the host's time of day was set, by more than half a second */
};

/* Guest time 0 is at @now. */
void guest_clock_start(struct guest_clock *clock, uint64_t tsc_mult,
                       const struct clock_reading *now);

/* Guest ns at a value of the TSC; 0 for one before the start. */
uint64_t guest_clock_at(const struct guest_clock *clock, uint64_t tsc);

/* What to add to guest ns for CLOCK_MONOTONIC, and for UTC, as of the last reading. */
uint64_t guest_clock_mono_offset(const struct guest_clock *clock);
int64_t guest_clock_wall_offset(const struct guest_clock *clock);

/*
 * Guest time is @ns at @now: it stood, or is to go on from elsewhere. What the host's clocks did
 * since the last reading is not compared.
 */
void guest_clock_set(struct guest_clock *clock, const struct clock_reading *now, uint64_t ns);

/*
 * Compare with the host's clocks. To be called every second or so; late is fine.
 */
struct clock_news guest_clock_keep(struct guest_clock *clock, const struct clock_reading *now);

#endif
