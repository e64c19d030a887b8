/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMI timer's counters and alarms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/vmitimer.h"

#define START    5000000000033ull /* cycles */
#define NEVER    UINT64_MAX
#define IRQ0     VMITIMER_RAISE_IRQ0
#define LVTT     VMITIMER_RAISE_LVTT
#define PERIODIC VMITIMER_PERIODIC

static struct vmitimer reset_timer(void)
{
	struct vmitimer timer;

	vmitimer_reset(&timer);
	return timer;
}

static void available_is_real_less_stolen(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	assert_true(vmitimer_counter(&timer, VMITIMER_STOLEN, START) == 0);
	assert_true(vmitimer_counter(&timer, VMITIMER_AVAILABLE, START) == START);
	vmitimer_add_stolen(&timer, 1000);
	vmitimer_add_stolen(&timer, 234);
	assert_true(vmitimer_counter(&timer, VMITIMER_REAL, START) == START);
	assert_true(vmitimer_counter(&timer, VMITIMER_STOLEN, START) == 1234);
	assert_true(vmitimer_counter(&timer, VMITIMER_AVAILABLE, START) == START - 1234);
	assert_true(vmitimer_counter(&timer, 3, START) == 0);
	assert_true(vmitimer_counter(&timer, 0x100, START) == 0);
	vmitimer_add_stolen(&timer, NEVER);
	assert_true(vmitimer_counter(&timer, VMITIMER_STOLEN, START) == NEVER);
	assert_true(vmitimer_counter(&timer, VMITIMER_AVAILABLE, START) == 0);
}

static void one_shot_fires_once_when_it_is_due(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	assert_true(vmitimer_next_deadline(&timer) == NEVER);
	assert_int_equal(vmitimer_expired(&timer, START), 0);
	vmitimer_set(&timer, VMITIMER_REAL, START + 100, 50); /* a period it must not use */
	assert_true(vmitimer_next_deadline(&timer) == START + 100);
	assert_int_equal(vmitimer_expired(&timer, START + 99), 0);
	assert_int_equal(vmitimer_expired(&timer, START + 100), IRQ0);
	assert_int_equal(vmitimer_expired(&timer, START + 1000), 0);
	assert_true(vmitimer_next_deadline(&timer) == NEVER);
	assert_int_equal(vmitimer_cancel(&timer, VMITIMER_REAL), 0);
}

static void expiry_in_the_past_fires_at_once(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL, 1, 0);
	assert_true(vmitimer_next_deadline(&timer) <= START);
	assert_int_equal(vmitimer_expired(&timer, START), IRQ0);
	assert_int_equal(vmitimer_expired(&timer, START), 0);
}

static void period_zero_is_a_one_shot(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL | PERIODIC, START, 0);
	assert_int_equal(vmitimer_expired(&timer, START), IRQ0);
	assert_int_equal(vmitimer_expired(&timer, START + 1), 0);
	assert_true(vmitimer_next_deadline(&timer) == NEVER);
}

static void periodic_alarm_keeps_its_grid(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL | PERIODIC, START + 100, 100);
	for (unsigned i = 1; i <= 5; i++) {
		assert_true(vmitimer_next_deadline(&timer) == START + 100 * i);
		assert_int_equal(vmitimer_expired(&timer, START + 100 * i - 1), 0);
		assert_int_equal(vmitimer_expired(&timer, START + 100 * i + 7 * i), IRQ0);
	}
}

static void missed_periods_collapse_into_one(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL | PERIODIC, START + 100, 100);
	assert_int_equal(vmitimer_expired(&timer, START + 1234), IRQ0);
	assert_int_equal(vmitimer_expired(&timer, START + 1234), 0);
	assert_true(vmitimer_next_deadline(&timer) == START + 1300);
	assert_int_equal(vmitimer_expired(&timer, START + 2000), IRQ0); /* on the point */
	assert_true(vmitimer_next_deadline(&timer) == START + 2100);
}

static void alarms_are_wired_as_their_flags_say(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL | VMITIMER_LVTT, START, 0);
	vmitimer_set(&timer, VMITIMER_AVAILABLE, START, 0);
	assert_int_equal(vmitimer_expired(&timer, START), LVTT | IRQ0);
	vmitimer_set(&timer, VMITIMER_AVAILABLE | VMITIMER_LVTT, START, 0);
	assert_int_equal(vmitimer_expired(&timer, START), LVTT);
	vmitimer_set(&timer, VMITIMER_REAL, START, 0);
	assert_int_equal(vmitimer_expired(&timer, START), IRQ0);
	vmitimer_set(&timer, VMITIMER_REAL | 0xfffe0000u | 0xfe00u, START, 0); /* undefined flags */
	assert_int_equal(vmitimer_expired(&timer, START), IRQ0);
}

static void stolen_time_delays_the_available_alarm_only(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_AVAILABLE | PERIODIC, START + 100, 100);
	vmitimer_set(&timer, VMITIMER_REAL | VMITIMER_LVTT, START + 500, 0);
	vmitimer_add_stolen(&timer, 30);
	assert_true(vmitimer_next_deadline(&timer) == START + 130);
	assert_int_equal(vmitimer_expired(&timer, START + 129), 0);
	assert_int_equal(vmitimer_expired(&timer, START + 130), IRQ0);
	vmitimer_add_stolen(&timer, 400);
	assert_true(vmitimer_next_deadline(&timer) == START + 500);
	assert_int_equal(vmitimer_expired(&timer, START + 500), LVTT);
	assert_true(vmitimer_next_deadline(&timer) == START + 630);
	assert_int_equal(vmitimer_expired(&timer, START + 630), IRQ0);
}

static void setting_again_replaces(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL | PERIODIC | VMITIMER_LVTT, START + 100, 100);
	vmitimer_set(&timer, VMITIMER_REAL, START + 300, 0);
	assert_true(vmitimer_next_deadline(&timer) == START + 300);
	assert_int_equal(vmitimer_expired(&timer, START + 300), IRQ0);
	assert_true(vmitimer_next_deadline(&timer) == NEVER);
}

static void cancelling_says_whether_it_was_armed(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL, START, 0);
	vmitimer_set(&timer, VMITIMER_AVAILABLE | PERIODIC, START + 50, 50);
	/* as Linux calls it, with the wiring and the mode beside the counter */
	assert_int_equal(vmitimer_cancel(&timer, VMITIMER_AVAILABLE | PERIODIC | VMITIMER_LVTT), 1);
	assert_int_equal(vmitimer_cancel(&timer, VMITIMER_AVAILABLE), 0);
	assert_true(vmitimer_next_deadline(&timer) == START);
	assert_int_equal(vmitimer_cancel(&timer, VMITIMER_REAL), 1);
	assert_int_equal(vmitimer_expired(&timer, START + 1000), 0);
}

static void other_counters_have_no_alarm(void **state)
{
	struct vmitimer timer = reset_timer(), before = timer;

	(void)state;
	for (uint32_t counter = VMITIMER_STOLEN; counter < 0x100; counter++) {
		vmitimer_set(&timer, counter, START, 10);
		assert_int_equal(vmitimer_cancel(&timer, counter), 0);
	}
	assert_memory_equal(&timer, &before, sizeof(timer));
}

static void end_of_time_is_survived(void **state)
{
	struct vmitimer timer = reset_timer();

	(void)state;
	vmitimer_set(&timer, VMITIMER_REAL | PERIODIC, NEVER - 10, NEVER);
	assert_int_equal(vmitimer_expired(&timer, NEVER - 5), IRQ0);
	assert_int_equal(vmitimer_expired(&timer, NEVER - 5), 0);
	assert_int_equal(vmitimer_expired(&timer, NEVER), IRQ0);
	assert_int_equal(vmitimer_expired(&timer, NEVER), 0);
	vmitimer_add_stolen(&timer, 100);
	vmitimer_set(&timer, VMITIMER_AVAILABLE, NEVER - 10, 0);
	assert_true(vmitimer_next_deadline(&timer) == NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(available_is_real_less_stolen),
	    cmocka_unit_test(one_shot_fires_once_when_it_is_due),
	    cmocka_unit_test(expiry_in_the_past_fires_at_once),
	    cmocka_unit_test(period_zero_is_a_one_shot),
	    cmocka_unit_test(periodic_alarm_keeps_its_grid),
	    cmocka_unit_test(missed_periods_collapse_into_one),
	    cmocka_unit_test(alarms_are_wired_as_their_flags_say),
	    cmocka_unit_test(stolen_time_delays_the_available_alarm_only),
	    cmocka_unit_test(setting_again_replaces),
	    cmocka_unit_test(cancelling_says_whether_it_was_armed),
	    cmocka_unit_test(other_counters_have_no_alarm),
	    cmocka_unit_test(end_of_time_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
