/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest time through what hosts do: NTP, long pauses, sleep with every kind of TSC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/guest_clock.h"

#define SECOND 1000000000ull
#define MULT   (1ull << 31) /* a TSC of 2 GHz */
#define TICKS  2000000000ull
#define EPOCH  1800000000000000000ll

static const struct clock_reading start = {
    .tsc = 5000 * TICKS, .boot = 9000 * SECOND, .mono = 8000 * SECOND, .real = EPOCH};

static struct guest_clock fresh(void)
{
	struct guest_clock c;

	guest_clock_start(&c, MULT, &start);
	return c;
}

/* The host's clocks go on; tsc_ticks may differ from ns * 2. */
static struct clock_reading later(struct clock_reading r, uint64_t ns, uint64_t tsc_ticks)
{
	r.tsc += tsc_ticks;
	r.boot += ns;
	r.mono += ns;
	r.real += (int64_t)ns;
	return r;
}

static struct clock_reading slept(struct clock_reading r, uint64_t ns)
{
	r.boot += ns;
	r.real += (int64_t)ns;
	return r;
}

static void assert_near(uint64_t a, uint64_t b, uint64_t most)
{
	assert_true((a > b ? a - b : b - a) <= most);
}

/* UTC as the guest computes it from its own time. */
static void assert_wall(const struct guest_clock *c, const struct clock_reading *r, uint64_t most)
{
	assert_near(guest_clock_at(c, r->tsc) + (uint64_t)EPOCH, (uint64_t)r->real, most);
	assert_int_equal((int64_t)guest_clock_at(c, r->tsc) + guest_clock_wall_offset(c), r->real);
	assert_int_equal(guest_clock_at(c, r->tsc) + guest_clock_mono_offset(c), r->mono);
}

static void time_is_the_scaled_tsc(void **state)
{
	struct guest_clock c = fresh();

	(void)state;
	assert_int_equal(guest_clock_at(&c, start.tsc), 0);
	assert_int_equal(guest_clock_at(&c, start.tsc + TICKS), SECOND);
	assert_int_equal(guest_clock_at(&c, start.tsc - 1), 0);
	/* 50 years: no overflow on the way */
	assert_int_equal(guest_clock_at(&c, start.tsc + 1576800000ull * TICKS),
	                 1576800000ull * SECOND);
}

static void slow_drift_is_followed_and_no_jump(void **state)
{
	static const int64_t ppm[] = {-500, -5, 0, 5, 500};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct guest_clock c = fresh();
		struct clock_reading r = start;

		/* a day of looks every second, then one after a day in which main was stopped */
		for (unsigned n = 0; n <= 86400; n++) {
			uint64_t ns = n < 86400 ? SECOND : 86400 * SECOND;
			struct clock_news news;

			r = later(r, ns,
			          (uint64_t)((int64_t)(ns * 2) + (int64_t)(ns / 500000) * ppm[i]));
			news = guest_clock_keep(&c, &r);
			assert_false(news.moved);
			assert_false(news.wall_set);
			/* sleepers on CLOCK_MONOTONIC wake when guest time says so */
			assert_int_equal(guest_clock_at(&c, r.tsc) + guest_clock_mono_offset(&c),
			                 r.mono);
		}
		assert_int_equal(c.tsc_base, start.tsc);
	}
}

static void sleep_with_a_tsc_that_runs_on_needs_nothing(void **state)
{
	struct guest_clock c = fresh();
	struct clock_reading r = slept(later(start, SECOND, TICKS), 3600 * SECOND);
	struct clock_news news;

	(void)state;
	r.tsc += 3600 * TICKS;
	news = guest_clock_keep(&c, &r);
	assert_false(news.moved);
	assert_true(news.stopped);
	assert_wall(&c, &r, 0);
	r = later(r, SECOND, TICKS);
	assert_false(guest_clock_keep(&c, &r).stopped);
}

static void sleep_with_a_tsc_that_stands_is_made_up_for(void **state)
{
	struct guest_clock c = fresh();
	struct clock_reading r = later(start, SECOND, TICKS);
	struct clock_news news;

	(void)state;
	(void)guest_clock_keep(&c, &r);
	r = slept(later(r, SECOND / 2, TICKS / 2), 3600 * SECOND);
	news = guest_clock_keep(&c, &r);
	assert_true(news.moved);
	assert_false(news.wall_set); /* the time of day passed, nobody set it */
	assert_wall(&c, &r, 2);
	r = later(r, SECOND, TICKS);
	assert_false(guest_clock_keep(&c, &r).moved);
	assert_wall(&c, &r, 2);
}

static void sleep_with_a_tsc_that_starts_over_is_made_up_for(void **state)
{
	struct guest_clock c = fresh();
	struct clock_reading r = later(start, 100 * SECOND, 100 * TICKS);
	uint64_t before;

	(void)state;
	(void)guest_clock_keep(&c, &r);
	before = guest_clock_at(&c, r.tsc);
	for (unsigned i = 0; i < 3; i++) {
		r = slept(r, 60 * SECOND);
		r.tsc = TICKS / 10;
		assert_true(guest_clock_keep(&c, &r).moved);
		assert_wall(&c, &r, 2 * (i + 1));
		assert_true(guest_clock_at(&c, r.tsc) >= before);
		before = guest_clock_at(&c, r.tsc);
	}
}

static void setting_the_hosts_time_of_day_is_told_and_moves_nothing_else(void **state)
{
	struct guest_clock c = fresh();
	struct clock_reading r = later(start, SECOND, TICKS);
	struct clock_news news;

	(void)state;
	r.real -= 3600 * (int64_t)SECOND;
	news = guest_clock_keep(&c, &r);
	assert_true(news.wall_set);
	assert_false(news.moved);
	assert_int_equal(guest_clock_at(&c, r.tsc), SECOND);
	assert_int_equal(guest_clock_wall_offset(&c), EPOCH - 3600 * (int64_t)SECOND);
	r = later(r, SECOND, TICKS);
	assert_false(guest_clock_keep(&c, &r).wall_set);
}

static void guest_time_stays_with_boot_time(void **state)
{
	static const int64_t tsc[] = {0, -1000, 1, 4000000000ll, -90000000000ll, 90000000000ll};
	static const uint64_t ns[] = {0, 1, SECOND, 3600 * SECOND};

	(void)state;
	for (unsigned i = 0; i < 6 * 4; i++) {
		struct guest_clock c = fresh();
		struct clock_reading r = later(start, 10 * SECOND, 10 * TICKS);
		uint64_t before = guest_clock_at(&c, r.tsc);

		(void)guest_clock_keep(&c, &r);
		r = later(r, ns[i / 6], (uint64_t)tsc[i % 6]);
		(void)guest_clock_keep(&c, &r);
		assert_near(guest_clock_at(&c, r.tsc), before + ns[i / 6],
		            SECOND / 2 + ns[i / 6] / 500);
	}
}

/* A pause: the host's clocks and the TSC go on, guest time does not. */
static void time_goes_on_from_where_it_was_set(void **state)
{
	struct guest_clock c = fresh();
	struct clock_reading paused = later(start, 3 * SECOND, 3 * TICKS);
	struct clock_reading resumed = later(paused, 60 * SECOND, 60 * TICKS), after;
	struct clock_news news;

	(void)state;
	guest_clock_set(&c, &resumed, guest_clock_at(&c, paused.tsc));
	assert_near(guest_clock_at(&c, resumed.tsc), 3 * SECOND, 1);
	after = later(resumed, SECOND, TICKS);
	assert_near(guest_clock_at(&c, after.tsc), 4 * SECOND, 1);
	/* The next look compares with the moment of going on. */
	news = guest_clock_keep(&c, &after);
	assert_false(news.moved || news.stopped || news.wall_set);
	assert_int_equal(guest_clock_at(&c, after.tsc) + guest_clock_mono_offset(&c), after.mono);
	assert_int_equal((int64_t)guest_clock_at(&c, after.tsc) + guest_clock_wall_offset(&c),
	                 after.real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_goes_on_from_where_it_was_set),
	    cmocka_unit_test(time_is_the_scaled_tsc),
	    cmocka_unit_test(slow_drift_is_followed_and_no_jump),
	    cmocka_unit_test(sleep_with_a_tsc_that_runs_on_needs_nothing),
	    cmocka_unit_test(sleep_with_a_tsc_that_stands_is_made_up_for),
	    cmocka_unit_test(sleep_with_a_tsc_that_starts_over_is_made_up_for),
	    cmocka_unit_test(setting_the_hosts_time_of_day_is_told_and_moves_nothing_else),
	    cmocka_unit_test(guest_time_stays_with_boot_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
