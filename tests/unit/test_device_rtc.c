/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real-time clock as a guest sees it, against times worked out with date(1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/rtc.h"

#define SECOND 1000000000ull
#define MS     1000000ull
#define BOOT   (5 * SECOND) /* guest time of reset */

#define UTC_2024_02_29_235959 1709251199ll
#define UTC_1970_01_01_000000 0ll
#define UTC_1999_12_31_235959 946684799ll
#define UTC_2100_02_28_235959 4107542399ll
#define UTC_2199_12_31_235959 7258118399ll

static uint8_t get(struct rtc *rtc, uint8_t index, uint64_t now)
{
	rtc_write(rtc, RTC_INDEX, index, now);
	return rtc_read(rtc, RTC_DATA, now);
}

static void set(struct rtc *rtc, uint8_t index, uint8_t value, uint64_t now)
{
	rtc_write(rtc, RTC_INDEX, index, now);
	rtc_write(rtc, RTC_DATA, value, now);
}

/* A clock that reads `utc` at BOOT. */
static struct rtc clock_at(int64_t utc)
{
	struct rtc rtc;

	rtc_reset(&rtc, utc * (int64_t)SECOND - (int64_t)BOOT, BOOT);
	return rtc;
}

static void assert_time(struct rtc *rtc, uint64_t now, unsigned year, unsigned date, unsigned time)
{
	unsigned y = get(rtc, RTC_CENTURY, now) << 8 | get(rtc, RTC_YEAR, now);
	unsigned d = get(rtc, RTC_MONTH, now) << 8 | get(rtc, RTC_DAY, now);
	unsigned t = (unsigned)get(rtc, RTC_HOURS, now) << 16 | get(rtc, RTC_MINUTES, now) << 8 |
	             get(rtc, RTC_SECONDS, now);

	assert_int_equal(y, year);
	assert_int_equal(d, date);
	assert_int_equal(t, time);
}

static void set_time(struct rtc *rtc, uint64_t now, unsigned year, unsigned date, unsigned time)
{
	set(rtc, RTC_CENTURY, (uint8_t)(year >> 8), now);
	set(rtc, RTC_YEAR, (uint8_t)year, now);
	set(rtc, RTC_MONTH, (uint8_t)(date >> 8), now);
	set(rtc, RTC_DAY, (uint8_t)date, now);
	set(rtc, RTC_HOURS, (uint8_t)(time >> 16), now);
	set(rtc, RTC_MINUTES, (uint8_t)(time >> 8), now);
	set(rtc, RTC_SECONDS, (uint8_t)time, now);
}

static void reads_wall_clock_across_the_calendars_corners(void **state)
{
	struct rtc leap = clock_at(UTC_2024_02_29_235959);
	struct rtc first = clock_at(UTC_1970_01_01_000000);
	struct rtc century = clock_at(UTC_1999_12_31_235959);
	struct rtc common = clock_at(UTC_2100_02_28_235959);
	struct rtc last = clock_at(UTC_2199_12_31_235959);

	(void)state;
	assert_time(&leap, BOOT, 0x2024, 0x0229, 0x235959);
	assert_time(&leap, BOOT + SECOND, 0x2024, 0x0301, 0x000000);
	assert_time(&first, BOOT, 0x1970, 0x0101, 0x000000);
	assert_int_equal(get(&first, RTC_WEEKDAY, BOOT), 5); /* a Thursday */
	assert_time(&century, BOOT, 0x1999, 0x1231, 0x235959);
	assert_time(&century, BOOT + SECOND, 0x2000, 0x0101, 0x000000);
	assert_int_equal(get(&century, RTC_WEEKDAY, BOOT + SECOND), 7);
	assert_time(&common, BOOT + SECOND, 0x2100, 0x0301, 0x000000);
	assert_time(&last, BOOT, 0x2199, 0x1231, 0x235959);
}

static void binary_and_twelve_hour_formats(void **state)
{
	struct rtc rtc = clock_at(UTC_1999_12_31_235959);

	(void)state;
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_BINARY, BOOT);
	assert_time(&rtc, BOOT, 19 << 8 | 99, 12 << 8 | 31, 23 << 16 | 59 << 8 | 59);
	set(&rtc, RTC_B, 0, BOOT);
	assert_int_equal(get(&rtc, RTC_HOURS, BOOT), 0x91);                  /* 11 pm */
	assert_int_equal(get(&rtc, RTC_HOURS, BOOT + SECOND), 0x12);         /* midnight */
	assert_int_equal(get(&rtc, RTC_HOURS, BOOT + 43201 * SECOND), 0x92); /* noon */
}

static void uip_warns_before_the_second_changes(void **state)
{
	struct rtc rtc = clock_at(UTC_1999_12_31_235959);
	uint64_t change = BOOT + SECOND;

	(void)state;
	assert_int_equal(get(&rtc, RTC_A, BOOT), 0x26);
	assert_int_equal(get(&rtc, RTC_A, change - 2228001), 0x26);
	assert_int_equal(get(&rtc, RTC_A, change - 2228000), 0xa6);
	assert_int_equal(get(&rtc, RTC_A, change - 1), 0xa6);
	assert_int_equal(get(&rtc, RTC_A, change), 0x26);
}

static void set_bit_freezes_the_time_and_keeps_the_fraction(void **state)
{
	struct rtc rtc = clock_at(UTC_1999_12_31_235959);

	(void)state;
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_SET, BOOT + 300 * MS);
	assert_time(&rtc, BOOT + 90 * SECOND, 0x1999, 0x1231, 0x235959);
	assert_int_equal(get(&rtc, RTC_A, BOOT + 91 * SECOND - 1), 0x26);
	set_time(&rtc, BOOT + 90 * SECOND, 0x2038, 0x0119, 0x031407);
	set(&rtc, RTC_B, RTC_B_24H, BOOT + 90 * SECOND + 400 * MS);
	assert_time(&rtc, BOOT + 91 * SECOND - 1, 0x2038, 0x0119, 0x031407);
	assert_time(&rtc, BOOT + 91 * SECOND, 0x2038, 0x0119, 0x031408);
}

static void linux_set_time_updates_half_a_second_after_divider_reset(void **state)
{
	struct rtc rtc = clock_at(UTC_1999_12_31_235959);
	uint64_t now = BOOT + 123 * MS;

	(void)state;
	/* drivers/rtc/rtc-mc146818-lib.c, mc146818_set_time */
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_SET, now);
	set(&rtc, RTC_A, 0x26 | 0x70, now);
	set_time(&rtc, now, 0x2199, 0x1231, 0x235958);
	set(&rtc, RTC_B, RTC_B_24H, now);
	set(&rtc, RTC_A, 0x26, now);
	assert_time(&rtc, now + 499 * MS, 0x2199, 0x1231, 0x235958);
	assert_time(&rtc, now + 500 * MS, 0x2199, 0x1231, 0x235959);
}

static void twelve_hour_time_can_be_set(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	set(&rtc, RTC_B, RTC_B_SET, BOOT);
	set_time(&rtc, BOOT, 0x2007, 0x0820, 0x920000);
	set(&rtc, RTC_B, 0, BOOT);
	set(&rtc, RTC_B, RTC_B_24H, BOOT);
	assert_time(&rtc, BOOT, 0x2007, 0x0820, 0x120000);
}

static void running_clock_takes_single_fields(void **state)
{
	struct rtc rtc = clock_at(UTC_1999_12_31_235959);

	(void)state;
	set(&rtc, RTC_HOURS, 0x07, BOOT + 10 * MS);
	assert_time(&rtc, BOOT + 10 * MS, 0x1999, 0x1231, 0x075959);
	assert_time(&rtc, BOOT + SECOND, 0x1999, 0x1231, 0x080000);
}

static void update_interrupt_comes_each_second_until_c_is_read(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_UPDATE, BOOT + 1);
	assert_true(rtc_next_irq(&rtc, BOOT + 1) == BOOT + SECOND);
	assert_false(rtc_irq(&rtc, BOOT + SECOND - 1));
	assert_true(rtc_irq(&rtc, BOOT + SECOND));
	assert_true(rtc_next_irq(&rtc, BOOT + SECOND) == UINT64_MAX);
	/* PF is set too, at 1024 Hz, but asks for nothing */
	assert_int_equal(get(&rtc, RTC_C, BOOT + SECOND), 0xd0);
	assert_int_equal(get(&rtc, RTC_C, BOOT + SECOND), 0);
	assert_false(rtc_irq(&rtc, BOOT + SECOND));
	assert_true(rtc_next_irq(&rtc, BOOT + SECOND) == BOOT + 2 * SECOND);
}

static void flags_are_set_without_their_enables(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	assert_false(rtc_irq(&rtc, BOOT + SECOND));
	/* the alarm is 00:00:00 and did not come; PF and UF did; IRQF stays low */
	assert_int_equal(get(&rtc, RTC_C, BOOT + SECOND), 0x50);
}

static void periodic_rates_follow_register_a(void **state)
{
	(void)state;
	for (uint8_t rate = 1; rate < 16; rate++) {
		/* table 5: 1 and 2 are 256 and 128 Hz, then 8192 Hz down to 2 Hz */
		unsigned hz = rate < 3 ? 512u >> rate : 65536u >> rate;
		struct rtc rtc = clock_at(0);
		unsigned seen = 0;
		uint64_t now = BOOT;

		set(&rtc, RTC_A, 0x20 | rate, BOOT);
		set(&rtc, RTC_B, RTC_B_24H | RTC_B_PERIODIC, BOOT);
		while ((now = rtc_next_irq(&rtc, now)) <= BOOT + SECOND) {
			assert_false(rtc_irq(&rtc, now - 1));
			assert_true(rtc_irq(&rtc, now));
			assert_int_equal(get(&rtc, RTC_C, now) & 0xc0, 0xc0);
			seen++;
		}
		assert_int_equal(seen, hz);
	}
}

static void rate_zero_means_no_periodic_interrupt(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	set(&rtc, RTC_A, 0x20, BOOT);
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_PERIODIC, BOOT);
	assert_true(rtc_next_irq(&rtc, BOOT) == UINT64_MAX);
	assert_false(rtc_irq(&rtc, BOOT + 10 * SECOND));
}

/* When the alarm of a clock that starts at midnight comes, in seconds; 0: never. */
static uint64_t alarm_second(uint8_t hours, uint8_t minutes, uint8_t seconds)
{
	struct rtc rtc = clock_at(0);
	uint64_t next;

	set(&rtc, RTC_HOURS_ALARM, hours, BOOT);
	set(&rtc, RTC_MINUTES_ALARM, minutes, BOOT);
	set(&rtc, RTC_SECONDS_ALARM, seconds, BOOT);
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_ALARM, BOOT);
	next = rtc_next_irq(&rtc, BOOT);
	if (next == UINT64_MAX)
		return 0;
	assert_false(rtc_irq(&rtc, next - 1));
	assert_true(rtc_irq(&rtc, next));
	assert_int_equal(get(&rtc, RTC_C, next) & 0xa0, 0xa0);
	return (next - BOOT) / SECOND;
}

static void alarm_matches_its_fields_and_dont_cares(void **state)
{
	(void)state;
	assert_int_equal(alarm_second(0x13, 0x37, 0x42), 13 * 3600 + 37 * 60 + 42);
	assert_int_equal(alarm_second(0x00, 0x00, 0x00), 86400); /* tomorrow */
	assert_int_equal(alarm_second(0xff, 0xff, 0xff), 1);
	assert_int_equal(alarm_second(0xff, 0xff, 0x00), 60);
	assert_int_equal(alarm_second(0xff, 0x00, 0x00), 3600);
	assert_int_equal(alarm_second(0xc0, 0x59, 0xff), 59 * 60);
	assert_int_equal(alarm_second(0x23, 0xff, 0x59), 23 * 3600 + 59);
	assert_int_equal(alarm_second(0x24, 0x00, 0x00), 0);
	assert_int_equal(alarm_second(0x00, 0x60, 0x00), 0);
	assert_int_equal(alarm_second(0x00, 0x00, 0x60), 0);
}

static void late_reader_still_gets_the_alarm(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	set(&rtc, RTC_MINUTES_ALARM, 0x05, BOOT);
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_ALARM, BOOT);
	assert_true(rtc_irq(&rtc, BOOT + 86000 * SECOND));
}

static void ram_keeps_bytes_and_status_registers_do_not(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	set(&rtc, 0x7f, 0x5a, BOOT);
	set(&rtc, 0xff, 0xa5, BOOT); /* bit 7 of the index is the NMI mask */
	assert_int_equal(get(&rtc, 0x7f, BOOT), 0xa5);
	set(&rtc, RTC_D, 0, BOOT);
	assert_int_equal(get(&rtc, RTC_D, BOOT), RTC_D_VALID);
	assert_int_equal(rtc_read(&rtc, RTC_INDEX, BOOT), 0xff);
}

static unsigned word(struct rtc *rtc, uint8_t index)
{
	return get(rtc, index, BOOT) | get(rtc, index + 1, BOOT) << 8;
}

static void cmos_describes_the_machine(void **state)
{
	struct rtc small = clock_at(0), big = clock_at(0);

	(void)state;
	rtc_set_equipment(&small, 32ull << 20, 0x02);
	assert_int_equal(word(&small, 0x15), 640);
	assert_int_equal(word(&small, 0x17), 31 * 1024);
	assert_int_equal(word(&small, 0x30), 31 * 1024);
	assert_int_equal(word(&small, 0x34), 256);
	assert_int_equal(get(&small, 0x14, BOOT), 0x02);
	assert_int_equal(get(&small, 0x2e, BOOT) << 8 | get(&small, 0x2f, BOOT),
	                 0x02 + 0x80 + 0x02 + 0x00 + 0x7c);
	rtc_set_equipment(&big, 5ull << 30, 0x02);
	assert_int_equal(word(&big, 0x17), 0xffff);
	assert_int_equal(word(&big, 0x34), (3072 - 16) * 16);
	assert_int_equal(word(&big, 0x5b), 2048 * 16);
}

static void nonsense_in_the_registers_stays_within_the_years(void **state)
{
	struct rtc late = clock_at(0), early = clock_at(0);

	(void)state;
	set(&late, RTC_B, RTC_B_24H | RTC_B_SET, BOOT);
	set_time(&late, BOOT, 0xffff, 0x1231, 0x235959);
	set(&late, RTC_B, RTC_B_24H, BOOT);
	assert_time(&late, BOOT, 0x2199, 0x1231, 0x235959);
	set(&early, RTC_B, RTC_B_24H | RTC_B_SET, BOOT);
	set_time(&early, BOOT, 0x1200, 0x9901, 0x000000);
	set(&early, RTC_B, RTC_B_24H, BOOT);
	assert_time(&early, BOOT, 0x1970, 0x0101, 0x000000);
}

static void set_bit_clears_the_update_enable(void **state)
{
	struct rtc rtc = clock_at(0);

	(void)state;
	set(&rtc, RTC_B, RTC_B_24H | RTC_B_SET | RTC_B_UPDATE, BOOT);
	assert_int_equal(get(&rtc, RTC_B, BOOT), RTC_B_24H | RTC_B_SET);
	assert_true(rtc_next_irq(&rtc, BOOT) == UINT64_MAX);
	assert_false(rtc_irq(&rtc, BOOT + 10 * SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_wall_clock_across_the_calendars_corners),
	    cmocka_unit_test(binary_and_twelve_hour_formats),
	    cmocka_unit_test(uip_warns_before_the_second_changes),
	    cmocka_unit_test(set_bit_freezes_the_time_and_keeps_the_fraction),
	    cmocka_unit_test(linux_set_time_updates_half_a_second_after_divider_reset),
	    cmocka_unit_test(twelve_hour_time_can_be_set),
	    cmocka_unit_test(running_clock_takes_single_fields),
	    cmocka_unit_test(update_interrupt_comes_each_second_until_c_is_read),
	    cmocka_unit_test(flags_are_set_without_their_enables),
	    cmocka_unit_test(periodic_rates_follow_register_a),
	    cmocka_unit_test(rate_zero_means_no_periodic_interrupt),
	    cmocka_unit_test(alarm_matches_its_fields_and_dont_cares),
	    cmocka_unit_test(late_reader_still_gets_the_alarm),
	    cmocka_unit_test(ram_keeps_bytes_and_status_registers_do_not),
	    cmocka_unit_test(cmos_describes_the_machine),
	    cmocka_unit_test(nonsense_in_the_registers_stays_within_the_years),
	    cmocka_unit_test(set_bit_clears_the_update_enable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
