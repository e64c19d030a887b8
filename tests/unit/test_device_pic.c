/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8259A pair as a guest sees it, through its ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/pic.h"

#define MASTER_BASE 0x30
#define SLAVE_BASE  0x38

static void init_chip(struct pic *pic, uint16_t command, uint8_t base, uint8_t icw3, uint8_t icw4)
{
	pic_write(pic, command, 0x11);
	pic_write(pic, command + 1, base);
	pic_write(pic, command + 1, icw3);
	pic_write(pic, command + 1, icw4);
}

/* As Linux's init_8259A leaves it, but with nothing masked. */
static struct pic ready_pic(uint8_t master_icw4, uint8_t slave_icw4)
{
	struct pic pic;

	pic_reset(&pic);
	init_chip(&pic, PIC_MASTER_COMMAND, MASTER_BASE, 0x04, master_icw4);
	init_chip(&pic, PIC_SLAVE_COMMAND, SLAVE_BASE, 0x02, slave_icw4);
	return pic;
}

static void pulse(struct pic *pic, unsigned irq)
{
	pic_set_irq(pic, irq, true);
	pic_set_irq(pic, irq, false);
	pic_set_irq(pic, irq, true);
}

static void every_line_gives_its_own_vector(void **state)
{
	(void)state;
	for (unsigned irq = 0; irq < PIC_IRQS; irq++) {
		struct pic pic = ready_pic(1, 1);

		if (irq == PIC_CASCADE_IRQ)
			continue;
		pic_set_irq(&pic, irq, true);
		assert_true(pic_intr(&pic));
		assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + irq);
		assert_false(pic_intr(&pic));
	}
}

static void masked_request_waits_in_irr(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_write(&pic, PIC_MASTER_DATA, 0xff);
	assert_int_equal(pic_read(&pic, PIC_MASTER_DATA), 0xff);
	pic_set_irq(&pic, 4, true);
	assert_false(pic_intr(&pic));
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0x10);
	pic_write(&pic, PIC_MASTER_DATA, 0xef);
	assert_true(pic_intr(&pic));
}

static void edge_is_delivered_once(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 1, true);
	pic_acknowledge(&pic);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x20);
	assert_false(pic_intr(&pic));
	pulse(&pic, 1);
	assert_true(pic_intr(&pic));
}

static void edge_withdrawn_before_inta_is_spurious_irq7(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 1, true);
	pic_set_irq(&pic, 1, false);
	assert_false(pic_intr(&pic));
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 7);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0b); /* Linux: a clear ISR bit says spurious */
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0);
}

static void slave_without_request_answers_irq15(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	/* the cascade is asked for, but the slave has nothing when INTA comes */
	pic.master.lines = pic.master.edges = 0x04;
	assert_int_equal(pic_acknowledge(&pic), SLAVE_BASE + 7);
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x0b);
	assert_int_equal(pic_read(&pic, PIC_SLAVE_COMMAND), 0);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0b);
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0x04);
}

static void level_triggered_line_asks_again_after_eoi(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_write(&pic, PIC_MASTER_ELCR, 0xff);
	pic_write(&pic, PIC_SLAVE_ELCR, 0xff);
	assert_int_equal(pic_read(&pic, PIC_MASTER_ELCR), 0xf8);
	assert_int_equal(pic_read(&pic, PIC_SLAVE_ELCR), 0xde);
	pic_set_irq(&pic, 11, true);
	assert_int_equal(pic_acknowledge(&pic), SLAVE_BASE + 3);
	assert_false(pic_intr(&pic));
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x63);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x62);
	assert_true(pic_intr(&pic));
	pic_set_irq(&pic, 11, false);
	assert_false(pic_intr(&pic));
}

static void higher_priority_interrupts_lower_and_not_the_reverse(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 4, true);
	pic_acknowledge(&pic);
	pic_set_irq(&pic, 5, true);
	assert_false(pic_intr(&pic));
	pic_set_irq(&pic, 3, true);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 3);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x20); /* ends 3, the highest in service */
	assert_false(pic_intr(&pic));
	pic_write(&pic, PIC_MASTER_COMMAND, 0x20);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 5);
}

static void second_slave_request_follows_the_first(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 14, true);
	pic_set_irq(&pic, 8, true);
	assert_int_equal(pic_acknowledge(&pic), SLAVE_BASE + 0);
	assert_false(pic_intr(&pic));
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x60);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x62);
	assert_int_equal(pic_acknowledge(&pic), SLAVE_BASE + 6);
}

static void automatic_eoi_leaves_nothing_in_service(void **state)
{
	struct pic pic = ready_pic(3, 3);

	(void)state;
	pic_set_irq(&pic, 8, true);
	pic_set_irq(&pic, 9, true);
	assert_int_equal(pic_acknowledge(&pic), SLAVE_BASE + 0);
	/* the slave's INT fell at INTA: the master sees another edge for the second request */
	assert_true(pic_intr(&pic));
	assert_int_equal(pic_acknowledge(&pic), SLAVE_BASE + 1);
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x0b);
	assert_int_equal(pic_read(&pic, PIC_SLAVE_COMMAND), 0);
}

static void rotation_puts_the_served_level_last(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 3, true);
	pic_acknowledge(&pic);
	pic_write(&pic, PIC_MASTER_COMMAND, 0xa0); /* rotate on non-specific EOI */
	pulse(&pic, 3);
	pic_set_irq(&pic, 7, true);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 7);
	pic_write(&pic, PIC_MASTER_COMMAND, 0xe7); /* rotate on specific EOI */
	pic_write(&pic, PIC_MASTER_COMMAND, 0xc0); /* set priority: 0 lowest, so 1 highest */
	pic_set_irq(&pic, 0, true);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 3);
}

static void rotate_in_automatic_eoi_mode(void **state)
{
	struct pic pic = ready_pic(3, 1);

	(void)state;
	pic_write(&pic, PIC_MASTER_COMMAND, 0x80);
	pic_set_irq(&pic, 1, true);
	pic_acknowledge(&pic);
	pulse(&pic, 1);
	pic_set_irq(&pic, 6, true);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 6);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x00); /* rotation off: 6 stays the lowest */
	pic_acknowledge(&pic);
	pulse(&pic, 6);
	pulse(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 1);
}

static void special_mask_lets_lower_levels_through(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 3, true);
	pic_acknowledge(&pic);
	pic_set_irq(&pic, 6, true);
	pic_write(&pic, PIC_MASTER_DATA, 0x08);
	assert_false(pic_intr(&pic));
	pic_write(&pic, PIC_MASTER_COMMAND, 0x68);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + 6);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x20); /* does not end the masked level 3 */
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0b);
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0x08);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x48); /* back to normal mask mode */
	pulse(&pic, 6);
	assert_false(pic_intr(&pic));
}

static void special_fully_nested_slave_interrupts_itself(void **state)
{
	struct pic nested = ready_pic(0x11, 1);
	struct pic plain = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&nested, 12, true);
	pic_acknowledge(&nested);
	pic_set_irq(&nested, 8, true);
	assert_int_equal(pic_acknowledge(&nested), SLAVE_BASE + 0);
	pic_set_irq(&nested, 5, true); /* but the master's lower levels stay locked out */
	assert_false(pic_intr(&nested));

	pic_set_irq(&plain, 12, true);
	pic_acknowledge(&plain);
	pic_set_irq(&plain, 8, true);
	assert_false(pic_intr(&plain));
}

static void poll_reads_acknowledge(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0c);
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0);
	pic_set_irq(&pic, 9, true);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0c);
	assert_int_equal(pic_read(&pic, PIC_MASTER_DATA), 0x82);
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x0c);
	assert_int_equal(pic_read(&pic, PIC_SLAVE_COMMAND), 0x81);
	assert_int_equal(pic_read(&pic, PIC_SLAVE_COMMAND), 0); /* IRR again: poll is one-shot */
	assert_false(pic_intr(&pic));
}

static void icw1_resets_masks_edges_and_read_selection(void **state)
{
	struct pic pic = ready_pic(3, 3);

	(void)state;
	pic_write(&pic, PIC_MASTER_DATA, 0xff);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0b);
	pic_set_irq(&pic, 1, true);
	init_chip(&pic, PIC_MASTER_COMMAND, 0x40, 0x04, 0x01);
	assert_int_equal(pic_read(&pic, PIC_MASTER_DATA), 0);
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0);
	assert_false(pic_intr(&pic)); /* needs a new low-to-high change */
	pulse(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x41);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0b);
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0x02); /* AEOI is off again */
}

static void short_initializations_end_where_icw1_says(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_write(&pic, PIC_MASTER_COMMAND, 0x12); /* single, no ICW4 */
	pic_write(&pic, PIC_MASTER_DATA, 0x57);
	pic_write(&pic, PIC_MASTER_DATA, 0xaa); /* already OCW1 */
	assert_int_equal(pic_read(&pic, PIC_MASTER_DATA), 0xaa);
	pic_set_irq(&pic, 0, true);
	assert_int_equal(pic_acknowledge(&pic), 0x50);
}

static void commands_without_effect_change_nothing(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_write(&pic, PIC_SLAVE_DATA, 0xa5);
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x20); /* EOI with nothing in service */
	pic_write(&pic, PIC_SLAVE_COMMAND, 0xa0);
	pic_write(&pic, PIC_SLAVE_COMMAND, 0x43); /* OCW2 no operation */
	pic_set_irq(&pic, PIC_CASCADE_IRQ, true);
	pic_set_irq(&pic, 16, true);
	pic_write(&pic, 0x22, 0xff);
	assert_int_equal(pic_read(&pic, PIC_SLAVE_DATA), 0xa5);
	assert_int_equal(pic_read(&pic, 0x22), 0xff);
	assert_false(pic_intr(&pic));
}

static void lines_without_a_device_are_ignored(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, PIC_CASCADE_IRQ, true);
	pic_set_irq(&pic, 16, true);
	assert_false(pic_intr(&pic));
}

static void poll_command_overrides_a_register_selection(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	pic_set_irq(&pic, 1, true);
	pic_write(&pic, PIC_MASTER_COMMAND, 0x0f); /* poll and "read ISR" at once */
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0x81);
	assert_int_equal(pic_read(&pic, PIC_MASTER_COMMAND), 0x00); /* IRR still, not ISR (2) */
}

static void icw3_says_where_the_slave_is(void **state)
{
	struct pic pic = ready_pic(1, 1);

	(void)state;
	init_chip(&pic, PIC_MASTER_COMMAND, MASTER_BASE, 0x00, 0x01);
	pic_set_irq(&pic, 9, true);
	assert_int_equal(pic_acknowledge(&pic), MASTER_BASE + PIC_CASCADE_IRQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_line_gives_its_own_vector),
	    cmocka_unit_test(masked_request_waits_in_irr),
	    cmocka_unit_test(edge_is_delivered_once),
	    cmocka_unit_test(edge_withdrawn_before_inta_is_spurious_irq7),
	    cmocka_unit_test(slave_without_request_answers_irq15),
	    cmocka_unit_test(level_triggered_line_asks_again_after_eoi),
	    cmocka_unit_test(higher_priority_interrupts_lower_and_not_the_reverse),
	    cmocka_unit_test(second_slave_request_follows_the_first),
	    cmocka_unit_test(automatic_eoi_leaves_nothing_in_service),
	    cmocka_unit_test(rotation_puts_the_served_level_last),
	    cmocka_unit_test(rotate_in_automatic_eoi_mode),
	    cmocka_unit_test(special_mask_lets_lower_levels_through),
	    cmocka_unit_test(special_fully_nested_slave_interrupts_itself),
	    cmocka_unit_test(poll_reads_acknowledge),
	    cmocka_unit_test(icw1_resets_masks_edges_and_read_selection),
	    cmocka_unit_test(short_initializations_end_where_icw1_says),
	    cmocka_unit_test(commands_without_effect_change_nothing),
	    cmocka_unit_test(lines_without_a_device_are_ignored),
	    cmocka_unit_test(poll_command_overrides_a_register_selection),
	    cmocka_unit_test(icw3_says_where_the_slave_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
