/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI's fixed hardware, alone and on the platform's bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/ports.h"

#define SECOND 1000000000ull
#define BOOT   (7 * SECOND)
#define STATUS (PLATFORM_PM_PORT + PM1_STATUS)
#define ENABLE (PLATFORM_PM_PORT + PM1_ENABLE)
#define CNTRL  (PLATFORM_PM_PORT + PM1_CONTROL)
#define TIMER  (PLATFORM_PM_PORT + PM_TIMER)

static struct platform fresh(void)
{
	struct platform p = {0};

	platform_reset(&p, 0, 64ull << 20, BOOT);
	return p;
}

/* The 8259A pair with vectors 0x30..0x3f, all masked but the SCI, which is level triggered. */
static struct platform with_sci(void)
{
	static const uint8_t script[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x30}, {0xa1, 0x38},
	                                    {0x21, 0x04}, {0xa1, 0x02}, {0x21, 0x01}, {0xa1, 0x01},
	                                    {0x21, 0xfb}, {0xa1, 0xfd}};
	struct platform p = fresh();

	for (unsigned i = 0; i < sizeof script / sizeof *script; i++)
		platform_out(&p, script[i][0], 1, script[i][1], BOOT);
	platform_out(&p, PIC_SLAVE_ELCR, 1, 0x02, BOOT);
	return p;
}

static void timer_runs_at_3579545_hz(void **state)
{
	struct platform p = fresh();
	uint32_t first = platform_in(&p, TIMER, 4, BOOT);

	(void)state;
	assert_int_equal(first, 7 * PM_TIMER_HZ);
	assert_int_equal(platform_in(&p, TIMER, 4, BOOT + SECOND) - first, PM_TIMER_HZ);
	/* three hours: it has wrapped around more than once */
	assert_int_equal(platform_in(&p, TIMER, 4, BOOT + 10800 * SECOND) - first,
	                 (uint32_t)(10800ull * PM_TIMER_HZ));
	assert_int_equal(platform_in(&p, TIMER, 2, BOOT), first & 0xffff);
	assert_int_equal(platform_in(&p, TIMER + 2, 1, BOOT), first >> 16 & 0xff);
	platform_out(&p, TIMER, 4, 0, BOOT);
	assert_int_equal(platform_in(&p, TIMER, 4, BOOT), first);
}

static void machine_is_in_acpi_mode_from_the_start(void **state)
{
	struct platform p = fresh();

	(void)state;
	assert_int_equal(platform_in(&p, CNTRL, 2, BOOT), PM1_SCI_ENABLE);
	platform_out(&p, CNTRL, 2, 0, BOOT);
	assert_int_equal(platform_in(&p, CNTRL, 2, BOOT), PM1_SCI_ENABLE);
	assert_int_equal(platform_in(&p, STATUS, 4, BOOT), 0);
	assert_int_equal(p.events, 0);
}

static void only_s5_with_its_enable_bit_switches_off(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 8; type++) {
		struct platform p = fresh();

		platform_out(&p, CNTRL, 2, type << 10 | PM1_SCI_ENABLE, BOOT);
		assert_int_equal(p.events, 0);
		platform_out(&p, CNTRL, 2, type << 10 | PM1_SLEEP_ENABLE | PM1_SCI_ENABLE, BOOT);
		assert_int_equal(p.events, type == PM_S5_TYPE ? PLATFORM_POWER_OFF : 0);
		/* the enable bit is write-only, the type is kept */
		assert_int_equal(platform_in(&p, CNTRL, 2, BOOT), type << 10 | PM1_SCI_ENABLE);
	}
}

static void switching_off_by_bytes_works_too(void **state)
{
	struct platform p = fresh();

	(void)state;
	platform_out(&p, CNTRL, 1, PM1_SLEEP_ENABLE & 0xff, BOOT);
	assert_int_equal(p.events, 0);
	platform_out(&p, CNTRL + 1, 1, (PM_S5_TYPE << 10 | PM1_SLEEP_ENABLE) >> 8, BOOT);
	assert_int_equal(p.events, PLATFORM_POWER_OFF);
}

static void power_button_raises_the_sci_until_its_status_is_cleared(void **state)
{
	struct platform p = with_sci();

	(void)state;
	assert_false(pm_heeds_power_button(&p.pm));
	platform_out(&p, ENABLE, 2, PM1_POWER_BUTTON, BOOT);
	assert_true(pm_heeds_power_button(&p.pm));
	assert_false(platform_intr(&p));
	pm_press_power_button(&p.pm);
	platform_update_irqs(&p, BOOT);
	assert_true(platform_intr(&p));
	assert_int_equal(platform_acknowledge(&p), 0x39);
	assert_int_equal(platform_in(&p, STATUS, 2, BOOT), PM1_POWER_BUTTON);
	/* a zero clears nothing, nor does a one elsewhere */
	platform_out(&p, STATUS, 2, (uint16_t)~PM1_POWER_BUTTON, BOOT);
	assert_int_equal(platform_in(&p, STATUS, 2, BOOT), PM1_POWER_BUTTON);
	platform_out(&p, STATUS, 2, PM1_POWER_BUTTON, BOOT);
	assert_int_equal(platform_in(&p, STATUS, 2, BOOT), 0);
	platform_out(&p, PIC_SLAVE_COMMAND, 1, 0x61, BOOT);
	platform_out(&p, PIC_MASTER_COMMAND, 1, 0x62, BOOT);
	assert_false(platform_intr(&p));
}

static void button_that_nobody_listens_to_waits(void **state)
{
	struct platform p = with_sci();

	(void)state;
	pm_press_power_button(&p.pm);
	platform_update_irqs(&p, BOOT);
	assert_false(platform_intr(&p));
	platform_out(&p, ENABLE, 2, PM1_POWER_BUTTON, BOOT);
	assert_true(platform_intr(&p));
}

static void only_events_that_exist_are_in_the_enable_register(void **state)
{
	struct platform p = fresh();

	(void)state;
	platform_out(&p, ENABLE, 2, 0xffff, BOOT);
	assert_int_equal(platform_in(&p, ENABLE, 2, BOOT),
	                 PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC);
	platform_out(&p, ENABLE + 1, 1, 0, BOOT);
	assert_int_equal(platform_in(&p, ENABLE, 2, BOOT), PM1_TIMER | PM1_GLOBAL);
}

static void timer_status_follows_the_highest_bit(void **state)
{
	struct platform p = with_sci();
	uint64_t change, now = BOOT;

	(void)state;
	platform_out(&p, ENABLE, 2, PM1_TIMER, BOOT);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t before = platform_in(&p, TIMER, 4, now);

		change = pm_next_deadline(&p.pm);
		assert_true(change > now && change - now <= 601 * SECOND);
		assert_true(platform_next_deadline(&p, now) <= change);
		assert_int_equal(platform_in(&p, STATUS, 2, change - 1), 0);
		assert_int_equal(platform_in(&p, STATUS, 2, change), PM1_TIMER);
		assert_int_equal((platform_in(&p, TIMER, 4, change) ^ before) >> 31, 1);
		assert_true(pm_next_deadline(&p.pm) == UINT64_MAX);
		platform_out(&p, STATUS, 2, PM1_TIMER, change);
		now = change;
	}
}

static void end_of_time_is_no_deadline(void **state)
{
	struct pm pm;

	(void)state;
	pm_reset(&pm, UINT64_MAX - 1);
	(void)pm_write(&pm, PM1_ENABLE, PM1_TIMER, UINT64_MAX - 1);
	assert_true(pm_next_deadline(&pm) == UINT64_MAX);
	assert_false(pm_sci(&pm, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(timer_runs_at_3579545_hz),
	    cmocka_unit_test(machine_is_in_acpi_mode_from_the_start),
	    cmocka_unit_test(only_s5_with_its_enable_bit_switches_off),
	    cmocka_unit_test(switching_off_by_bytes_works_too),
	    cmocka_unit_test(power_button_raises_the_sci_until_its_status_is_cleared),
	    cmocka_unit_test(button_that_nobody_listens_to_waits),
	    cmocka_unit_test(only_events_that_exist_are_in_the_enable_register),
	    cmocka_unit_test(timer_status_follows_the_highest_bit),
	    cmocka_unit_test(end_of_time_is_no_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
