/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The I/O APIC as a guest sees it, and the messages it sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/ioapic.h"

static struct ioapic reset_ioapic(void)
{
	struct ioapic ioapic;

	ioapic_reset(&ioapic);
	return ioapic;
}

static struct ioapic_message put(struct ioapic *ioapic, uint8_t reg, uint32_t value)
{
	assert_false(ioapic_write(ioapic, IOAPIC_SELECT, reg).send);
	return ioapic_write(ioapic, IOAPIC_WINDOW, value);
}

static uint32_t get(struct ioapic *ioapic, uint8_t reg)
{
	ioapic_write(ioapic, IOAPIC_SELECT, reg);
	return ioapic_read(ioapic, IOAPIC_WINDOW);
}

static uint8_t low_of(unsigned pin)
{
	return (uint8_t)(IOAPIC_REDIRECTION + 2 * pin);
}

static struct ioapic with_entry(unsigned pin, uint32_t low)
{
	struct ioapic ioapic = reset_ioapic();

	assert_false(put(&ioapic, low_of(pin), low).send);
	return ioapic;
}

static void assert_message(struct ioapic_message message, uint8_t vector, uint8_t mode, bool level)
{
	assert_true(message.send);
	assert_int_equal(message.vector, vector);
	assert_int_equal(message.mode, mode);
	assert_int_equal(message.level, level);
}

static void identity_is_that_of_an_82093aa(void **state)
{
	struct ioapic ioapic = reset_ioapic();

	(void)state;
	assert_int_equal(get(&ioapic, IOAPIC_VERSION), 0x00170011);
	assert_int_equal(get(&ioapic, IOAPIC_ID), 0);
	put(&ioapic, IOAPIC_ID, 0xffffffff);
	assert_int_equal(get(&ioapic, IOAPIC_ID), 0x0f000000);
	assert_int_equal(get(&ioapic, IOAPIC_ARBITRATION), 0x0f000000);
	put(&ioapic, IOAPIC_ARBITRATION, 0);
	put(&ioapic, IOAPIC_VERSION, 0);
	assert_int_equal(get(&ioapic, IOAPIC_ARBITRATION), 0x0f000000);
	assert_int_equal(get(&ioapic, IOAPIC_VERSION), 0x00170011);
}

static void only_select_and_window_exist(void **state)
{
	struct ioapic ioapic = reset_ioapic();

	(void)state;
	ioapic_write(&ioapic, IOAPIC_SELECT, 0xabcdef01);
	assert_int_equal(ioapic_read(&ioapic, IOAPIC_SELECT), 0x01);
	for (uint32_t offset = 0; offset < 0x1000; offset += 4) {
		if (offset == IOAPIC_SELECT || offset == IOAPIC_WINDOW)
			continue;
		assert_int_equal(ioapic_read(&ioapic, offset), 0);
		assert_false(ioapic_write(&ioapic, offset, 0x55).send);
	}
	assert_int_equal(ioapic_read(&ioapic, IOAPIC_WINDOW), 0x00170011);
}

static void entries_are_masked_at_reset_and_keep_what_is_writable(void **state)
{
	struct ioapic ioapic = reset_ioapic();

	(void)state;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint8_t reg = low_of(pin);

		assert_int_equal(get(&ioapic, reg), 0x10000);
		assert_int_equal(get(&ioapic, reg + 1), 0);
		put(&ioapic, reg, 0xffffff00 | pin);
		put(&ioapic, reg + 1, 0xf0ffffff | pin << 24);
	}
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_int_equal(get(&ioapic, low_of(pin)), 0x1af00 | pin);
		assert_int_equal(get(&ioapic, low_of(pin) + 1), (0xf0 | pin) << 24);
	}
}

static void registers_past_the_table_read_zero(void **state)
{
	struct ioapic ioapic = reset_ioapic(), before = ioapic;

	(void)state;
	for (unsigned reg = 0x40; reg < 0x100; reg++) {
		put(&ioapic, (uint8_t)reg, 0xffffffff);
		assert_int_equal(get(&ioapic, (uint8_t)reg), 0);
	}
	for (unsigned reg = 0x03; reg < 0x10; reg++) {
		put(&ioapic, (uint8_t)reg, 0xffffffff);
		assert_int_equal(get(&ioapic, (uint8_t)reg), 0);
	}
	put(&ioapic, 0, 0);
	assert_memory_equal(&ioapic, &before, sizeof(ioapic));
}

static void every_rise_of_an_edge_pin_is_one_message(void **state)
{
	(void)state;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		struct ioapic ioapic = with_entry(pin, 0x31 + pin);

		assert_message(ioapic_set_irq(&ioapic, pin, true), (uint8_t)(0x31 + pin), 0, false);
		assert_false(ioapic_set_irq(&ioapic, pin, true).send);
		assert_false(ioapic_set_irq(&ioapic, pin, false).send);
		assert_true(ioapic_set_irq(&ioapic, pin, true).send);
		assert_int_equal(get(&ioapic, low_of(pin)), 0x31 + pin); /* no remote IRR */
	}
}

static void edge_on_a_masked_pin_is_lost(void **state)
{
	struct ioapic ioapic = with_entry(4, IOAPIC_MASKED | 0x41);

	(void)state;
	assert_false(ioapic_set_irq(&ioapic, 4, true).send);
	assert_false(put(&ioapic, low_of(4), 0x41).send);
	assert_false(ioapic_set_irq(&ioapic, 4, true).send);
	ioapic_set_irq(&ioapic, 4, false);
	assert_true(ioapic_set_irq(&ioapic, 4, true).send);
}

static void level_pin_waits_for_its_end_of_interrupt(void **state)
{
	struct ioapic ioapic = with_entry(9, IOAPIC_LEVEL | 0x100 | 0x51);

	(void)state;
	assert_message(ioapic_set_irq(&ioapic, 9, true), 0x51, 1, true);
	assert_true(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
	assert_false(ioapic_set_irq(&ioapic, 9, true).send);
	assert_false(ioapic_set_irq(&ioapic, 9, false).send);
	assert_false(ioapic_set_irq(&ioapic, 9, true).send);
	assert_false(ioapic_eoi(&ioapic, 0x52).send);             /* of another */
	assert_message(ioapic_eoi(&ioapic, 0x51), 0x51, 1, true); /* still asserted */
	ioapic_set_irq(&ioapic, 9, false);
	assert_false(ioapic_eoi(&ioapic, 0x51).send);
	assert_false(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
	assert_true(ioapic_set_irq(&ioapic, 9, true).send);
}

static void unmasking_an_asserted_level_pin_sends(void **state)
{
	struct ioapic ioapic = with_entry(9, IOAPIC_MASKED | IOAPIC_LEVEL | 0x51);

	(void)state;
	assert_false(ioapic_set_irq(&ioapic, 9, true).send);
	assert_message(put(&ioapic, low_of(9), IOAPIC_LEVEL | 0x51), 0x51, 0, true);
	assert_false(put(&ioapic, low_of(9), IOAPIC_LEVEL | 0x51).send);
	put(&ioapic, low_of(9), IOAPIC_MASKED | IOAPIC_LEVEL | 0x51);
	assert_false(ioapic_eoi(&ioapic, 0x51).send); /* ended while masked */
	assert_false(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
}

static void remote_irr_is_the_chips_and_edge_mode_clears_it(void **state)
{
	struct ioapic ioapic = with_entry(9, IOAPIC_LEVEL | 0x51);

	(void)state;
	assert_false(put(&ioapic, low_of(9), IOAPIC_LEVEL | IOAPIC_REMOTE_IRR | 0x51).send);
	assert_false(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
	ioapic_set_irq(&ioapic, 9, true);
	put(&ioapic, low_of(9), IOAPIC_MASKED | IOAPIC_LEVEL | 0x51);
	assert_true(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
	put(&ioapic, low_of(9), IOAPIC_MASKED | 0x51);
	assert_false(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
	assert_true(put(&ioapic, low_of(9), IOAPIC_LEVEL | 0x51).send);
}

static void pins_that_share_a_vector_end_together(void **state)
{
	struct ioapic ioapic = with_entry(9, IOAPIC_LEVEL | 0x51);

	(void)state;
	put(&ioapic, low_of(23), IOAPIC_LEVEL | 0x51);
	put(&ioapic, low_of(10), IOAPIC_LEVEL | 0x61);
	ioapic_set_irq(&ioapic, 9, true);
	ioapic_set_irq(&ioapic, 23, true);
	ioapic_set_irq(&ioapic, 10, true);
	ioapic_set_irq(&ioapic, 9, false);
	assert_message(ioapic_eoi(&ioapic, 0x51), 0x51, 0, true);
	assert_false(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
	assert_true(get(&ioapic, low_of(23)) & IOAPIC_REMOTE_IRR);
	assert_true(get(&ioapic, low_of(10)) & IOAPIC_REMOTE_IRR);
}

static void refused_level_message_is_sent_again(void **state)
{
	struct ioapic ioapic = with_entry(9, IOAPIC_LEVEL | 0x51);

	(void)state;
	assert_true(ioapic_set_irq(&ioapic, 9, true).send);
	ioapic_refused(&ioapic, 0x50);
	assert_false(ioapic_set_irq(&ioapic, 9, true).send);
	ioapic_refused(&ioapic, 0x51);
	assert_false(ioapic_eoi(&ioapic, 0x51).send); /* not this pin's */
	assert_true(ioapic_set_irq(&ioapic, 9, true).send);
}

static void modes_other_than_fixed_and_lowest_are_edges(void **state)
{
	(void)state;
	for (uint8_t mode = 2; mode < 8; mode++) {
		struct ioapic ioapic = with_entry(9, IOAPIC_LEVEL | (uint32_t)mode << 8 | 0x51);

		assert_message(ioapic_set_irq(&ioapic, 9, true), 0x51, mode, false);
		assert_false(ioapic_set_irq(&ioapic, 9, true).send);
		assert_false(get(&ioapic, low_of(9)) & IOAPIC_REMOTE_IRR);
		assert_false(ioapic_eoi(&ioapic, 0x51).send);
	}
}

static void polarity_is_not_ours_to_apply(void **state)
{
	struct ioapic ioapic = with_entry(9, IOAPIC_ACTIVE_LOW | 0x51);

	(void)state;
	assert_int_equal(get(&ioapic, low_of(9)), IOAPIC_ACTIVE_LOW | 0x51);
	assert_true(ioapic_set_irq(&ioapic, 9, true).send);
	assert_false(ioapic_set_irq(&ioapic, 9, false).send);
}

static void pins_that_do_not_exist_are_ignored(void **state)
{
	struct ioapic ioapic = reset_ioapic(), before = ioapic;

	(void)state;
	assert_false(ioapic_set_irq(&ioapic, 24, true).send);
	assert_false(ioapic_set_irq(&ioapic, 32, true).send);
	assert_false(ioapic_set_irq(&ioapic, UINT32_MAX, true).send);
	assert_memory_equal(&ioapic, &before, sizeof(ioapic));
}

static void pic_passes_an_unmasked_extint_pin_0_only(void **state)
{
	struct ioapic ioapic = reset_ioapic();

	(void)state;
	assert_false(ioapic_extint(&ioapic));
	put(&ioapic, low_of(1), IOAPIC_EXTINT);
	assert_false(ioapic_extint(&ioapic));
	put(&ioapic, low_of(0), IOAPIC_EXTINT | IOAPIC_MASKED);
	assert_false(ioapic_extint(&ioapic));
	put(&ioapic, low_of(0), IOAPIC_EXTINT);
	assert_true(ioapic_extint(&ioapic));
	put(&ioapic, low_of(0), 0x400);
	assert_false(ioapic_extint(&ioapic));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(identity_is_that_of_an_82093aa),
	    cmocka_unit_test(only_select_and_window_exist),
	    cmocka_unit_test(entries_are_masked_at_reset_and_keep_what_is_writable),
	    cmocka_unit_test(registers_past_the_table_read_zero),
	    cmocka_unit_test(every_rise_of_an_edge_pin_is_one_message),
	    cmocka_unit_test(edge_on_a_masked_pin_is_lost),
	    cmocka_unit_test(level_pin_waits_for_its_end_of_interrupt),
	    cmocka_unit_test(unmasking_an_asserted_level_pin_sends),
	    cmocka_unit_test(remote_irr_is_the_chips_and_edge_mode_clears_it),
	    cmocka_unit_test(pins_that_share_a_vector_end_together),
	    cmocka_unit_test(refused_level_message_is_sent_again),
	    cmocka_unit_test(modes_other_than_fixed_and_lowest_are_edges),
	    cmocka_unit_test(polarity_is_not_ours_to_apply),
	    cmocka_unit_test(pins_that_do_not_exist_are_ignored),
	    cmocka_unit_test(pic_passes_an_unmasked_extint_pin_0_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
