/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The platform as the core sees it: ports in, interrupts, events and deadlines out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/ports.h"
#include "tests/unit/test_device_pic_set_up.h"

#define SECOND 1000000000ull
#define BOOT   (7 * SECOND)
#define COM1   PLATFORM_UART_PORT

static struct platform new_platform(void)
{
	struct platform platform = {0};

	platform_reset(&platform, 0, 64ull << 20, BOOT);
	return platform;
}

static void out(struct platform *platform, uint16_t port, uint8_t value, uint64_t now)
{
	platform_out(platform, port, 1, value, now);
}

static uint8_t in(struct platform *platform, uint16_t port, uint64_t now)
{
	return (uint8_t)platform_in(platform, port, 1, now);
}

static struct platform platform_with_pic(void)
{
	struct platform platform = new_platform();

	set_up_pic(&platform, BOOT);
	return platform;
}

static void start_timer(struct platform *platform, uint8_t control, uint16_t count, uint64_t now)
{
	out(platform, 0x43, control, now);
	out(platform, 0x40, (uint8_t)count, now);
	out(platform, 0x40, (uint8_t)(count >> 8), now);
}

static void unknown_ports_read_all_ones(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	platform_out(&platform, 0x1234, 4, 0, BOOT);
	assert_int_equal(platform_in(&platform, 0x1234, 1, BOOT), 0xff);
	assert_int_equal(platform_in(&platform, 0x1234, 2, BOOT), 0xffff);
	assert_int_equal(platform_in(&platform, 0x1234, 4, BOOT), UINT32_MAX);
	assert_int_equal(platform_in(&platform, 0x43, 1, BOOT), 0xff);
	assert_int_equal(platform_in(&platform, 0x20, 3, BOOT), UINT32_MAX);
}

static void wide_accesses_split_into_byte_ports(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	platform_out(&platform, 0x4d0, 2, 0xdef8, BOOT);
	assert_int_equal(platform_in(&platform, 0x4d0, 1, BOOT), 0xf8);
	assert_int_equal(platform_in(&platform, 0x4d1, 1, BOOT), 0xde);
	assert_int_equal(platform_in(&platform, 0x4d0, 2, BOOT), 0xdef8);
	assert_int_equal(platform_in(&platform, 0x4d0, 4, BOOT), 0xffffdef8);
	platform_out(&platform, 0x70, 2, 0x5a40, BOOT); /* CMOS index and data in one */
	assert_int_equal(platform_in(&platform, 0x71, 1, BOOT), 0x5a);
	platform_in(&platform, 0xffff, 4, BOOT); /* wraps to port 0 */
}

static void pci_configuration_is_reached_in_every_width(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	platform_out(&platform, 0xcf8, 4, 0x80000000u, BOOT);
	assert_int_equal(platform_in(&platform, 0xcf8, 4, BOOT), 0x80000000u);
	assert_int_equal(platform_in(&platform, 0xcfc, 4, BOOT), 0x12378086);
	assert_int_equal(platform_in(&platform, 0xcfe, 2, BOOT), 0x1237);
	assert_int_equal(platform_in(&platform, 0xcfd, 1, BOOT), 0x80);
	assert_int_equal(platform.events, 0);
}

static void every_way_to_reset_is_an_event(void **state)
{
	struct platform kbc = new_platform(), fast = new_platform(), cf9 = new_platform();

	(void)state;
	out(&kbc, 0x64, 0xfe, BOOT);
	assert_int_equal(kbc.events, PLATFORM_RESET);
	out(&fast, 0x92, 0x01, BOOT);
	assert_int_equal(fast.events, PLATFORM_RESET);
	out(&cf9, 0xcf9, 0x02, BOOT);
	assert_int_equal(cf9.events, 0);
	out(&cf9, 0xcf9, 0x06, BOOT);
	assert_int_equal(cf9.events, PLATFORM_RESET);
}

static void timer_reaches_irq0_at_its_deadline(void **state)
{
	struct platform platform = platform_with_pic();
	uint64_t deadline;

	(void)state;
	assert_true(platform_next_deadline(&platform, BOOT) == UINT64_MAX);
	start_timer(&platform, 0x34, 4772, BOOT); /* HZ=250 */
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED);
	deadline = platform_next_deadline(&platform, BOOT);
	for (unsigned i = 0; i < 250; i++) {
		platform_update_irqs(&platform, deadline - 1);
		assert_false(pic_intr(&platform.pic));
		platform_update_irqs(&platform, deadline);
		assert_int_equal(pic_acknowledge(&platform.pic), 0x30);
		out(&platform, 0x20, 0x60, deadline);
		deadline = platform_next_deadline(&platform, deadline);
	}
	assert_int_equal((deadline - BOOT) / 1000000, 1003);
	assert_int_equal(platform.timer_ticks_missed, 0);
}

static void late_timer_gives_one_interrupt_and_counts_the_rest(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	start_timer(&platform, 0x34, 11932, BOOT); /* HZ=100 */
	platform_update_irqs(&platform, BOOT + SECOND);
	assert_int_equal(platform.timer_ticks_missed, 98);
	assert_int_equal(pic_acknowledge(&platform.pic), 0x30);
	assert_false(pic_intr(&platform.pic));
}

static void stopping_the_timer_withdraws_its_interrupt(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	start_timer(&platform, 0x34, 100, BOOT);
	platform_update_irqs(&platform, BOOT + SECOND);
	assert_true(pic_intr(&platform.pic));
	out(&platform, 0x43, 0x30, BOOT + SECOND); /* mode 0 lowers OUT0 */
	assert_false(pic_intr(&platform.pic));
	assert_true(platform_next_deadline(&platform, BOOT + SECOND) == UINT64_MAX);
}

static void other_counters_do_not_concern_the_owner(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	out(&platform, 0x43, 0xb6, BOOT);
	out(&platform, 0x42, 0x34, BOOT);
	out(&platform, 0x42, 0x12, BOOT);
	out(&platform, 0x43, 0x00, BOOT); /* latch of counter 0 */
	out(&platform, 0x61, 0x03, BOOT);
	assert_int_equal(platform.events, 0);
}

static void irr_shows_a_tick_that_nobody_carried_over_yet(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	start_timer(&platform, 0x34, 100, BOOT);
	assert_int_equal(in(&platform, 0x20, BOOT + SECOND) & 0x01, 0x01);
}

static void console_byte_out_is_an_event_and_its_drain_an_interrupt(void **state)
{
	struct platform platform = platform_with_pic();
	uint8_t byte;

	(void)state;
	out(&platform, COM1 + UART_FCR, 0x01, BOOT);
	out(&platform, COM1 + UART_MCR, 0x0b, BOOT);
	platform.events = 0;
	out(&platform, COM1 + UART_THR, '!', BOOT);
	assert_int_equal(platform.events, PLATFORM_CONSOLE_OUTPUT);
	out(&platform, COM1 + UART_IER, 0x02, BOOT);
	assert_false(pic_intr(&platform.pic));
	assert_true(uart_transmit(&platform.uart, &byte));
	platform_update_irqs(&platform, BOOT);
	assert_int_equal(pic_acknowledge(&platform.pic), 0x34);
	assert_int_equal(in(&platform, COM1 + UART_IIR, BOOT), 0xc2);
	out(&platform, 0x20, 0x64, BOOT);
	assert_false(pic_intr(&platform.pic));
}

static void enabling_the_transmit_interrupt_acts_at_once(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	out(&platform, COM1 + UART_MCR, 0x08, BOOT);
	out(&platform, COM1 + UART_IER, 0x02, BOOT);
	assert_true(pic_intr(&platform.pic));
	in(&platform, COM1 + UART_IIR, BOOT);
	assert_false(pic_intr(&platform.pic));
}

static void console_input_sets_a_deadline_and_reading_it_makes_room(void **state)
{
	struct platform platform = platform_with_pic();
	uint64_t deadline;

	(void)state;
	out(&platform, COM1 + UART_FCR, 0x81, BOOT);
	out(&platform, COM1 + UART_MCR, 0x08, BOOT);
	out(&platform, COM1 + UART_IER, 0x01, BOOT);
	platform.events = 0;
	uart_receive(&platform.uart, 'a', BOOT);
	uart_receive(&platform.uart, 'b', BOOT);
	deadline = platform_next_deadline(&platform, BOOT);
	platform_update_irqs(&platform, deadline - 1);
	assert_false(pic_intr(&platform.pic));
	platform_update_irqs(&platform, deadline);
	assert_int_equal(pic_acknowledge(&platform.pic), 0x34);
	assert_int_equal(in(&platform, COM1, deadline), 'a');
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED);
	assert_int_equal(in(&platform, COM1, deadline), 'b');
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED | PLATFORM_CONSOLE_ROOM);
}

static void leaving_loopback_makes_room(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	out(&platform, COM1 + UART_MCR, 0x10, BOOT);
	assert_int_equal(platform.events, 0);
	out(&platform, COM1 + UART_MCR, 0x00, BOOT);
	assert_int_equal(platform.events, PLATFORM_CONSOLE_ROOM);
}

static void clock_reaches_irq8_and_comes_again_after_c_was_read(void **state)
{
	struct platform platform = platform_with_pic();
	uint64_t deadline;

	(void)state;
	out(&platform, 0x70, RTC_B, BOOT);
	assert_int_equal(platform.events, 0);
	out(&platform, 0x71, RTC_B_24H | RTC_B_PERIODIC, BOOT);
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED);
	deadline = platform_next_deadline(&platform, BOOT);
	platform_update_irqs(&platform, deadline);
	assert_int_equal(pic_acknowledge(&platform.pic), 0x38);
	out(&platform, 0xa0, 0x60, deadline);
	out(&platform, 0x20, 0x62, deadline);
	assert_true(platform_next_deadline(&platform, deadline) == UINT64_MAX);
	platform.events = 0;
	out(&platform, 0x70, RTC_C, deadline);
	assert_int_equal(in(&platform, 0x71, deadline), 0xc0);
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED);
	deadline = platform_next_deadline(&platform, deadline);
	assert_int_equal((deadline - BOOT) * 1024 / SECOND, 2);
	platform_update_irqs(&platform, deadline);
	assert_true(pic_intr(&platform.pic));
}

static void absent_keyboard_interrupts_with_its_resend(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	out(&platform, 0x64, 0x60, BOOT);
	out(&platform, 0x60, 0x01, BOOT);
	out(&platform, 0x60, 0xf2, BOOT);
	assert_int_equal(pic_acknowledge(&platform.pic), 0x31);
	assert_int_equal(in(&platform, 0x60, BOOT), 0xfe);
}

static void a20_is_open_if_either_gate_is(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	out(&platform, 0x92, 0x00, BOOT);
	assert_true(platform_a20(&platform));
	out(&platform, 0x64, 0xdd, BOOT);
	assert_false(platform_a20(&platform));
	out(&platform, 0x92, 0x02, BOOT);
	assert_true(platform_a20(&platform));
}

static void polled_console_waits_on_the_line_status(void **state)
{
	struct platform platform = new_platform();
	uint8_t byte;

	(void)state;
	assert_int_equal(in(&platform, COM1 + UART_LSR, BOOT), 0x60);
	out(&platform, COM1 + UART_THR, 'x', BOOT);
	assert_int_equal(in(&platform, COM1 + UART_LSR, BOOT), 0x00);
	assert_true(uart_transmit(&platform.uart, &byte));
	assert_int_equal(in(&platform, COM1 + UART_LSR, BOOT), 0x60);
}

static void counter_and_speaker_port_are_decoded(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	out(&platform, 0x61, 0x01, BOOT);
	out(&platform, 0x43, 0xb0, BOOT);
	out(&platform, 0x42, 0x10, BOOT);
	out(&platform, 0x42, 0x00, BOOT);
	assert_int_equal(in(&platform, 0x61, BOOT) & 0x21, 0x01);
	assert_int_equal(in(&platform, 0x42, BOOT + 900), 0x10);
	assert_int_equal(in(&platform, 0x61, BOOT + 20000) & 0x21, 0x21);
	start_timer(&platform, 0x14, 0x80, BOOT); /* LSB only: the second byte is a new count */
	assert_int_not_equal(in(&platform, 0x40, BOOT + 900), 0xff);
}

static void accesses_that_change_no_deadline_are_silent(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	out(&platform, 0x70, 0x50, BOOT); /* plain CMOS RAM */
	out(&platform, 0x71, 0x12, BOOT);
	out(&platform, 0x70, RTC_C, BOOT);
	in(&platform, 0x71, BOOT); /* nothing enabled, so nothing can follow */
	out(&platform, 0x64, 0xaa, BOOT);
	out(&platform, 0x80, 0x00, BOOT);
	out(&platform, 0x20, 0x20, BOOT);
	in(&platform, COM1 + UART_LSR, BOOT);
	assert_int_equal(platform.events, 0);
}

static void setting_the_clock_changes_the_deadline(void **state)
{
	struct platform platform = new_platform();

	(void)state;
	out(&platform, 0x70, RTC_HOURS, BOOT);
	out(&platform, 0x71, 0x12, BOOT);
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unknown_ports_read_all_ones),
	    cmocka_unit_test(wide_accesses_split_into_byte_ports),
	    cmocka_unit_test(pci_configuration_is_reached_in_every_width),
	    cmocka_unit_test(every_way_to_reset_is_an_event),
	    cmocka_unit_test(timer_reaches_irq0_at_its_deadline),
	    cmocka_unit_test(late_timer_gives_one_interrupt_and_counts_the_rest),
	    cmocka_unit_test(stopping_the_timer_withdraws_its_interrupt),
	    cmocka_unit_test(other_counters_do_not_concern_the_owner),
	    cmocka_unit_test(irr_shows_a_tick_that_nobody_carried_over_yet),
	    cmocka_unit_test(console_byte_out_is_an_event_and_its_drain_an_interrupt),
	    cmocka_unit_test(enabling_the_transmit_interrupt_acts_at_once),
	    cmocka_unit_test(console_input_sets_a_deadline_and_reading_it_makes_room),
	    cmocka_unit_test(leaving_loopback_makes_room),
	    cmocka_unit_test(clock_reaches_irq8_and_comes_again_after_c_was_read),
	    cmocka_unit_test(absent_keyboard_interrupts_with_its_resend),
	    cmocka_unit_test(a20_is_open_if_either_gate_is),
	    cmocka_unit_test(polled_console_waits_on_the_line_status),
	    cmocka_unit_test(counter_and_speaker_port_are_decoded),
	    cmocka_unit_test(accesses_that_change_no_deadline_are_silent),
	    cmocka_unit_test(setting_the_clock_changes_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
