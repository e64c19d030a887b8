/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller with nothing plugged in, as Linux probes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/i8042.h"

static struct i8042 new_kbc(void)
{
	struct i8042 kbc;

	i8042_reset(&kbc);
	return kbc;
}

static unsigned command(struct i8042 *kbc, uint8_t value)
{
	return i8042_write(kbc, I8042_COMMAND, value);
}

static unsigned data(struct i8042 *kbc, uint8_t value)
{
	return i8042_write(kbc, I8042_DATA, value);
}

static uint8_t status(struct i8042 *kbc)
{
	return i8042_read(kbc, I8042_COMMAND);
}

/* The answer that must be waiting now; `source`: AUX and timeout bits of the status. */
static void assert_answer(struct i8042 *kbc, uint8_t expected, uint8_t source)
{
	const uint8_t bits = I8042_STATUS_OBF | I8042_STATUS_AUX | I8042_STATUS_TIMEOUT;

	assert_int_equal(status(kbc) & bits, I8042_STATUS_OBF | source);
	assert_int_equal(i8042_read(kbc, I8042_DATA), expected);
	assert_int_equal(status(kbc) & bits, 0);
}

static void nothing_waits_after_reset(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	assert_int_equal(status(&kbc) & 0x03,
	                 0); /* neither OBF nor IBF: i8042_flush ends at once */
	assert_int_equal(status(&kbc) & I8042_STATUS_KEYLOCK, I8042_STATUS_KEYLOCK);
	assert_false(i8042_irq1(&kbc));
}

static void self_tests_pass(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0xaa);
	assert_answer(&kbc, 0x55, 0);
	assert_int_equal(status(&kbc) & I8042_STATUS_SYSTEM, I8042_STATUS_SYSTEM);
	command(&kbc, 0xab);
	assert_answer(&kbc, 0x00, 0);
}

static void command_byte_reads_back(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0x60);
	assert_int_equal(status(&kbc) & I8042_STATUS_COMMAND, I8042_STATUS_COMMAND);
	data(&kbc, 0x47);
	assert_int_equal(status(&kbc) & I8042_STATUS_COMMAND, 0);
	command(&kbc, 0x20);
	assert_answer(&kbc, 0x47, 0);
	command(&kbc, 0x7f);
	data(&kbc, 0x99);
	command(&kbc, 0x3f);
	assert_answer(&kbc, 0x99, 0);
}

static void interface_switches_show_in_the_command_byte(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0x60);
	data(&kbc, 0x00);
	command(&kbc, 0xa7);
	command(&kbc, 0xad);
	command(&kbc, 0x20);
	assert_answer(&kbc, 0x30, 0);
	command(&kbc, 0xa8);
	command(&kbc, 0xae);
	command(&kbc, 0x20);
	assert_answer(&kbc, 0x00, 0);
}

/* drivers/input/serio/i8042.c, i8042_check_aux() */
static void linux_finds_no_aux_port(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0xd3);
	data(&kbc, 0x5a);
	assert_answer(&kbc, 0x5a, 0); /* no AUX bit: i8042_command fails without a timeout */
	command(&kbc, 0xa9);
	assert_answer(&kbc, 0x01, 0); /* none of 0, 0xfa, 0xff: no port */
	command(&kbc, 0xd4);
	data(&kbc, 0xf2);
	assert_answer(&kbc, 0xfe, I8042_STATUS_AUX | I8042_STATUS_TIMEOUT);
}

static void absent_keyboard_answers_resend_with_an_interrupt(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0x60);
	data(&kbc, 0x01);
	data(&kbc, 0xf2);
	assert_true(i8042_irq1(&kbc));
	assert_false(i8042_irq12(&kbc));
	assert_answer(&kbc, 0xfe, I8042_STATUS_TIMEOUT);
	assert_false(i8042_irq1(&kbc));
}

static void only_pulses_of_bit_0_reset(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	for (unsigned value = 0xf0; value <= 0xff; value++)
		assert_int_equal(command(&kbc, (uint8_t)value), value & 1 ? 0 : I8042_RESET);
	assert_int_equal(command(&kbc, 0xaa), 0);
}

static void output_port_drives_reset_and_a20(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	assert_true(i8042_a20(&kbc));
	command(&kbc, 0xd1);
	assert_int_equal(data(&kbc, 0xdd), 0);
	assert_false(i8042_a20(&kbc));
	command(&kbc, 0xd0);
	assert_answer(&kbc, 0xdd, 0);
	command(&kbc, 0xdf);
	assert_true(i8042_a20(&kbc));
	command(&kbc, 0xdd);
	assert_false(i8042_a20(&kbc));
	command(&kbc, 0xd1);
	assert_int_equal(data(&kbc, 0xfe), I8042_RESET);
}

static void keyboard_loopback_returns_its_byte(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0xd2);
	data(&kbc, 0x1c);
	assert_answer(&kbc, 0x1c, 0);
}

static void input_port_shows_an_unlocked_keyboard(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0xc0);
	assert_answer(&kbc, 0x80, 0);
	command(&kbc, 0xe0);
	assert_answer(&kbc, 0x00, 0);
}

static void aux_answers_use_irq_12_only_if_enabled(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0xd4);
	data(&kbc, 0xf2);
	assert_false(i8042_irq12(&kbc));
	command(&kbc, 0x60);
	data(&kbc, 0x02);
	assert_true(i8042_irq12(&kbc));
	assert_false(i8042_irq1(&kbc));
	i8042_read(&kbc, I8042_DATA);
	assert_false(i8042_irq12(&kbc));
}

static void a_parameter_is_taken_once(void **state)
{
	struct i8042 kbc = new_kbc();

	(void)state;
	command(&kbc, 0x60);
	data(&kbc, 0x00);
	data(&kbc, 0x47); /* to the keyboard */
	assert_answer(&kbc, 0xfe, I8042_STATUS_TIMEOUT);
	command(&kbc, 0x20);
	assert_answer(&kbc, 0x00, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_waits_after_reset),
	    cmocka_unit_test(self_tests_pass),
	    cmocka_unit_test(command_byte_reads_back),
	    cmocka_unit_test(interface_switches_show_in_the_command_byte),
	    cmocka_unit_test(linux_finds_no_aux_port),
	    cmocka_unit_test(absent_keyboard_answers_resend_with_an_interrupt),
	    cmocka_unit_test(only_pulses_of_bit_0_reset),
	    cmocka_unit_test(output_port_drives_reset_and_a20),
	    cmocka_unit_test(keyboard_loopback_returns_its_byte),
	    cmocka_unit_test(input_port_shows_an_unlocked_keyboard),
	    cmocka_unit_test(aux_answers_use_irq_12_only_if_enabled),
	    cmocka_unit_test(a_parameter_is_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
