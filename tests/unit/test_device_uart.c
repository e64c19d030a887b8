/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 16550A as a guest sees it, and Linux's tests of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/uart.h"

#define LSR_READY 0x60 /* THRE and TEMT */

static struct uart new_uart(void)
{
	struct uart uart;

	uart_reset(&uart);
	return uart;
}

/* FIFOs on with a trigger level (bits 6 and 7 of FCR), 8n1 at 9600, OUT2 set. */
static struct uart open_uart(uint8_t trigger, uint8_t ier)
{
	struct uart uart = new_uart();

	uart_write(&uart, UART_LCR, 0x83, 0);
	uart_write(&uart, UART_THR, 12, 0);
	uart_write(&uart, UART_IER, 0, 0);
	uart_write(&uart, UART_LCR, 0x03, 0);
	uart_write(&uart, UART_FCR, trigger | 0x07, 0);
	uart_write(&uart, UART_MCR, 0x0b, 0);
	uart_write(&uart, UART_IER, ier, 0);
	return uart;
}

static uint8_t rd(struct uart *uart, unsigned reg)
{
	return uart_read(uart, reg, 0);
}

static void wr(struct uart *uart, unsigned reg, uint8_t value)
{
	uart_write(uart, reg, value, 0);
}

/* drivers/tty/serial/8250/8250_port.c, autoconfig() */
static void linux_autoconfig_finds_a_16550a(void **state)
{
	struct uart uart = new_uart();

	(void)state;
	wr(&uart, UART_IER, 0);
	assert_int_equal(rd(&uart, UART_IER) & 0x0f, 0);
	wr(&uart, UART_IER, 0x0f);
	assert_int_equal(rd(&uart, UART_IER) & 0x0f, 0x0f);
	wr(&uart, UART_IER, 0);
	wr(&uart, UART_MCR, 0x1a);
	assert_int_equal(rd(&uart, UART_MSR) & 0xf0, 0x90);
	wr(&uart, UART_MCR, 0);
	wr(&uart, UART_LCR, 0xbf);
	wr(&uart, 2, 0);
	wr(&uart, UART_LCR, 0);
	wr(&uart, UART_FCR, 0x01);
	assert_int_equal(rd(&uart, UART_IIR) >> 6, 3);
	/* autoconfig_16550a: no EFR of a 16650, no 64-byte FIFO of a 16750, no XScale IER */
	wr(&uart, UART_LCR, 0x80);
	assert_int_not_equal(rd(&uart, 2), 0);
	wr(&uart, UART_LCR, 0xbf);
	assert_int_not_equal(rd(&uart, 2), 0);
	wr(&uart, UART_FCR, 0x21);
	assert_int_equal(rd(&uart, UART_IIR) >> 5, 6);
	wr(&uart, UART_LCR, 0);
	wr(&uart, UART_IER, 0x40);
	assert_int_equal(rd(&uart, UART_IER), 0);
}

/* serial8250_do_startup(): the tests for UART_BUG_THRE and UART_BUG_TXEN */
static void linux_finds_no_thre_bug(void **state)
{
	struct uart uart = open_uart(0x80, 0);
	uint8_t lsr;

	(void)state;
	wr(&uart, UART_IER, 0x02);
	assert_int_equal(rd(&uart, UART_IIR) & 0x0f, 0x02);
	wr(&uart, UART_IER, 0);
	wr(&uart, UART_IER, 0x02);
	assert_int_equal(rd(&uart, UART_IIR) & 0x0f, 0x02);
	wr(&uart, UART_IER, 0);
	wr(&uart, UART_IER, 0x02);
	lsr = rd(&uart, UART_LSR);
	assert_int_equal(lsr & LSR_READY, LSR_READY);
	assert_int_equal(rd(&uart, UART_IIR) & 0x01, 0);
}

static void thre_interrupt_is_cleared_by_iir_or_thr(void **state)
{
	struct uart uart = open_uart(0x80, 0x02);
	uint8_t byte;

	(void)state;
	assert_true(uart_intr(&uart));
	assert_int_equal(rd(&uart, UART_IIR), 0xc2);
	assert_int_equal(rd(&uart, UART_IIR), 0xc1);
	assert_false(uart_intr(&uart));
	wr(&uart, UART_THR, 'a');
	wr(&uart, UART_THR, 'b');
	assert_true(uart_transmit(&uart, &byte));
	assert_int_equal(byte, 'a');
	assert_false(uart_intr(&uart));
	assert_true(uart_transmit(&uart, &byte));
	assert_int_equal(byte, 'b');
	assert_true(uart_intr(&uart));
	wr(&uart, UART_THR, 'c');
	assert_false(uart_intr(&uart));
	wr(&uart, UART_IER, 0x02); /* no change of IER: nothing new */
	assert_false(uart_intr(&uart));
}

static void transmit_fifo_takes_sixteen_and_keeps_order(void **state)
{
	struct uart uart = open_uart(0, 0);
	uint8_t byte;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (uint8_t i = 0; i < 20; i++)
			wr(&uart, UART_THR, i);
		assert_int_equal(rd(&uart, UART_LSR) & LSR_READY, 0);
		for (uint8_t i = 0; i < 16; i++) {
			assert_true(uart_transmit(&uart, &byte));
			assert_int_equal(byte, i);
		}
		assert_false(uart_transmit(&uart, &byte));
		assert_int_equal(rd(&uart, UART_LSR), LSR_READY);
		wr(&uart, UART_THR, 0xee); /* shift the ring for the next round */
		assert_true(uart_transmit(&uart, &byte));
	}
}

static void without_fifos_thr_holds_one_byte(void **state)
{
	struct uart uart = new_uart();
	uint8_t byte;

	(void)state;
	wr(&uart, UART_THR, 'x');
	wr(&uart, UART_THR, 'y');
	assert_true(uart_transmit(&uart, &byte));
	assert_int_equal(byte, 'y');
	assert_false(uart_transmit(&uart, &byte));
	assert_true(uart_receive(&uart, 'r', 0));
	assert_false(uart_receive(&uart, 's', 0));
	assert_int_equal(rd(&uart, UART_IIR), 0x01);
	wr(&uart, UART_IER, 0x01);
	assert_int_equal(rd(&uart, UART_IIR), 0x04);
}

static void receive_interrupt_comes_at_each_trigger_level(void **state)
{
	const unsigned levels[] = {1, 4, 8, 14};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct uart uart = open_uart((uint8_t)(i << 6), 0x01);

		for (unsigned n = 1; n < levels[i]; n++) {
			assert_true(uart_receive(&uart, 'a', 0));
			assert_false(uart_intr(&uart));
		}
		assert_true(uart_receive(&uart, 'a', 0));
		assert_int_equal(rd(&uart, UART_IIR), 0xc4);
		rd(&uart, UART_RBR);
		assert_false(uart_intr(&uart));
	}
}

static void character_timeout_comes_after_four_characters(void **state)
{
	struct uart uart = open_uart(0x80, 0x01);
	const uint64_t timeout = 4 * 10 * 1000000000ull / 9600; /* ns, 8n1 */
	uint64_t due;

	(void)state;
	assert_true(uart_next_deadline(&uart) == UINT64_MAX);
	uart_receive(&uart, 'a', 1000);
	uart_receive(&uart, 'b', 2000);
	due = uart_next_deadline(&uart);
	assert_in_range(due, 2000 + timeout - 4, 2000 + timeout);
	uart_update(&uart, due - 1);
	assert_false(uart_intr(&uart));
	uart_update(&uart, due);
	assert_true(uart_intr(&uart));
	assert_int_equal(uart_read(&uart, UART_IIR, due), 0xcc);
	assert_int_equal(uart_read(&uart, UART_RBR, due), 'a');
	assert_false(uart_intr(&uart)); /* a read restarts it for what is left */
	assert_true(uart_next_deadline(&uart) > due);
	assert_int_equal(uart_read(&uart, UART_RBR, due), 'b');
	assert_true(uart_next_deadline(&uart) == UINT64_MAX);
}

static void receiver_refuses_what_does_not_fit(void **state)
{
	struct uart uart = open_uart(0x80, 0);

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(uart_receive_room(&uart), 16 - i);
		assert_true(uart_receive(&uart, (uint8_t)i, 0));
	}
	assert_int_equal(uart_receive_room(&uart), 0);
	assert_false(uart_receive(&uart, 99, 0));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(rd(&uart, UART_RBR), i);
	assert_int_equal(rd(&uart, UART_LSR) & 0x03, 0);
}

static void break_shows_when_its_character_is_first(void **state)
{
	struct uart uart = open_uart(0x00, 0x05);

	(void)state;
	uart_receive(&uart, 'a', 0);
	uart_receive_break(&uart, 0);
	assert_int_equal(rd(&uart, UART_IIR), 0xc4);
	assert_int_equal(rd(&uart, UART_LSR), 0x80 | LSR_READY | 0x01);
	assert_int_equal(rd(&uart, UART_RBR), 'a');
	assert_int_equal(rd(&uart, UART_IIR), 0xc6);
	assert_int_equal(rd(&uart, UART_LSR), 0x80 | LSR_READY | 0x18 | 0x01);
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY | 0x01);
	assert_int_equal(rd(&uart, UART_RBR), 0);
}

static void loopback_returns_bytes_and_overruns(void **state)
{
	struct uart uart = open_uart(0x00, 0x05);
	uint8_t byte;

	(void)state;
	wr(&uart, UART_MCR, 0x1b);
	for (unsigned i = 0; i < 17; i++)
		wr(&uart, UART_THR, (uint8_t)i);
	assert_false(uart_transmit(&uart, &byte));
	assert_false(uart_intr(&uart)); /* OUT2 is off while looped */
	assert_int_equal(rd(&uart, UART_IIR), 0xc6);
	assert_int_equal(rd(&uart, UART_LSR) & 0x03, 0x03);
	assert_int_equal(rd(&uart, UART_LSR) & 0x03, 0x01);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(rd(&uart, UART_RBR), i);
	assert_int_equal(uart_receive_room(&uart), 0);
	assert_false(uart_receive(&uart, 'x', 0));
}

static void loopback_modem_lines_report_changes(void **state)
{
	struct uart uart = open_uart(0x00, 0x08);

	(void)state;
	assert_int_equal(rd(&uart, UART_MSR), 0xb0);
	wr(&uart, UART_MCR, 0x10);
	assert_int_equal(rd(&uart, UART_IIR), 0xc0);
	assert_int_equal(rd(&uart, UART_MSR), 0x0b);
	assert_int_equal(rd(&uart, UART_MSR), 0x00);
	wr(&uart, UART_MCR, 0x14); /* RI rises: no change reported */
	assert_int_equal(rd(&uart, UART_MSR), 0x40);
	wr(&uart, UART_MCR, 0x11); /* RI ends, DTR to DSR */
	assert_int_equal(rd(&uart, UART_MSR), 0x26);
}

static void interrupts_need_out2(void **state)
{
	struct uart uart = open_uart(0x00, 0x02);

	(void)state;
	assert_true(uart_intr(&uart));
	wr(&uart, UART_MCR, 0x03);
	assert_false(uart_intr(&uart));
	assert_int_equal(rd(&uart, UART_IIR), 0xc2);
}

static void interrupt_sources_rank_as_the_data_sheet_says(void **state)
{
	struct uart uart = open_uart(0x00, 0x0f);

	(void)state;
	wr(&uart, UART_MCR, 0x1a); /* DSR falls, then rises again: modem status */
	wr(&uart, UART_MCR, 0x0b);
	uart_receive_break(&uart, 0);
	assert_int_equal(rd(&uart, UART_IIR), 0xc6);
	rd(&uart, UART_LSR);
	assert_int_equal(rd(&uart, UART_IIR), 0xc4);
	rd(&uart, UART_RBR);
	assert_int_equal(rd(&uart, UART_IIR), 0xc2);
	assert_int_equal(rd(&uart, UART_IIR), 0xc0);
	rd(&uart, UART_MSR);
	assert_int_equal(rd(&uart, UART_IIR), 0xc1);
}

static void dlab_selects_the_divisor(void **state)
{
	struct uart uart = new_uart();
	uint8_t byte;

	(void)state;
	wr(&uart, UART_LCR, 0x80);
	wr(&uart, UART_THR, 0x34);
	wr(&uart, UART_IER, 0x12);
	assert_int_equal(rd(&uart, UART_RBR), 0x34);
	assert_int_equal(rd(&uart, UART_IER), 0x12);
	assert_false(uart_transmit(&uart, &byte));
	wr(&uart, UART_LCR, 0x03);
	assert_int_equal(rd(&uart, UART_IER), 0);
	wr(&uart, UART_SCR, 0x77);
	assert_int_equal(rd(&uart, UART_SCR), 0x77);
}

static void clearing_fifos_drops_their_bytes(void **state)
{
	struct uart uart = open_uart(0x00, 0x01);
	uint8_t byte;

	(void)state;
	uart_receive(&uart, 'a', 0);
	wr(&uart, UART_THR, 'b');
	wr(&uart, UART_FCR, 0x03);
	assert_int_equal(rd(&uart, UART_LSR), 0);
	assert_int_equal(rd(&uart, UART_IIR), 0xc1);
	wr(&uart, UART_FCR, 0x05);
	assert_false(uart_transmit(&uart, &byte));
	uart_receive(&uart, 'c', 0);
	wr(&uart, UART_FCR, 0x00); /* turning FIFOs off empties them too */
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY);
	assert_int_equal(rd(&uart, UART_IIR), 0x01);
}

static void control_registers_read_back(void **state)
{
	struct uart uart = new_uart();

	(void)state;
	wr(&uart, UART_LCR, 0x1b);
	wr(&uart, UART_MCR, 0xff);
	wr(&uart, UART_LSR, 0xff);
	wr(&uart, UART_MSR, 0xff);
	assert_int_equal(rd(&uart, UART_LCR), 0x1b);
	assert_int_equal(rd(&uart, UART_MCR), 0x1f);
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY);
	assert_int_equal(uart_read(&uart, 8 + UART_LCR, 0), 0x1b); /* registers repeat */
}

static void overrun_without_fifos_keeps_the_newest_byte(void **state)
{
	struct uart uart = new_uart();

	(void)state;
	wr(&uart, UART_MCR, 0x10);
	wr(&uart, UART_THR, 'a');
	wr(&uart, UART_THR, 'b');
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY | 0x03);
	assert_int_equal(rd(&uart, UART_RBR), 'b');
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY);
	rd(&uart, UART_RBR); /* of an empty receiver: harmless */
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY);
}

static void fcr_without_its_enable_bit_clears_nothing(void **state)
{
	struct uart uart = new_uart();

	(void)state;
	uart_receive(&uart, 'a', 0);
	wr(&uart, UART_THR, 'b');
	wr(&uart, UART_FCR, 0x06);
	assert_int_equal(rd(&uart, UART_LSR), 0x01);
}

static void fcr_clears_only_what_it_names(void **state)
{
	struct uart uart = open_uart(0x00, 0x02);

	(void)state;
	uart_receive(&uart, 'a', 0);
	wr(&uart, UART_THR, 'b');
	wr(&uart, UART_FCR, 0x01);
	assert_int_equal(rd(&uart, UART_LSR), 0x01);
	assert_false(uart_intr(&uart));
	wr(&uart, UART_FCR, 0x05); /* the transmitter is empty now, which interrupts */
	assert_int_equal(rd(&uart, UART_LSR), LSR_READY | 0x01);
	assert_int_equal(rd(&uart, UART_IIR), 0xc2);
}

static void disabled_sources_do_not_interrupt(void **state)
{
	struct uart uart = open_uart(0x40, 0x00);

	(void)state;
	wr(&uart, UART_MCR, 0x1a);
	wr(&uart, UART_MCR, 0x0b);
	uart_receive_break(&uart, 0);
	assert_true(uart_next_deadline(&uart) == UINT64_MAX);
	uart_update(&uart, 10000000000ull);
	assert_false(uart_intr(&uart));
	assert_int_equal(rd(&uart, UART_IIR), 0xc1);
}

static void timeout_follows_the_frame_length(void **state)
{
	struct uart uart = open_uart(0x80, 0x01);

	(void)state;
	wr(&uart, UART_LCR, 0x00); /* 5n1: 7 bits */
	uart_receive(&uart, 'a', 0);
	assert_in_range(uart_next_deadline(&uart), 4 * 729164, 4 * 729167);
	wr(&uart, UART_LCR, 0x0f); /* 8 bits, parity, 2 stop bits: 12 */
	uart_receive(&uart, 'b', 0);
	assert_in_range(uart_next_deadline(&uart), 4 * 1249996, 4 * 1250000);
}

/* Linux clears the FIFO when it opens the port: who can hold bytes back does so until then. */
static void it_listens_with_the_interrupt_on_or_while_it_polls(void **state)
{
	struct uart uart = open_uart(0, 0);

	(void)state;
	assert_false(uart_listens(&uart));
	uart_write(&uart, UART_IER, 0x0e, 0); /* all but received data */
	assert_false(uart_listens(&uart));
	uart_write(&uart, UART_IER, 0x01, 0);
	assert_true(uart_listens(&uart));
	uart_write(&uart, UART_IER, 0, 0);
	assert_false(uart_listens(&uart));

	/* printing polls, too, but writes each time */
	for (int i = 0; i < 10 * UART_POLLS; i++) {
		uart_read(&uart, UART_LSR, 0);
		uart_read(&uart, UART_LSR, 0);
		uart_write(&uart, UART_THR, 'x', 0);
		assert_false(uart_listens(&uart));
	}
	for (int i = 0; i < UART_POLLS; i++) {
		assert_false(uart_listens(&uart));
		uart_read(&uart, UART_LSR, 0);
	}
	assert_true(uart_listens(&uart));
	/* and goes on while it reads, */
	for (int i = 0; i < 1000; i++) {
		assert_true(uart_receive(&uart, 'a', 0));
		assert_int_equal(uart_read(&uart, UART_LSR, 0) & 1, 1);
		assert_int_equal(uart_read(&uart, UART_RBR, 0), 'a');
		assert_true(uart_listens(&uart));
	}
	/* until it does something else. */
	uart_write(&uart, UART_THR, 'x', 0);
	assert_false(uart_listens(&uart));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(linux_autoconfig_finds_a_16550a),
	    cmocka_unit_test(linux_finds_no_thre_bug),
	    cmocka_unit_test(thre_interrupt_is_cleared_by_iir_or_thr),
	    cmocka_unit_test(transmit_fifo_takes_sixteen_and_keeps_order),
	    cmocka_unit_test(without_fifos_thr_holds_one_byte),
	    cmocka_unit_test(receive_interrupt_comes_at_each_trigger_level),
	    cmocka_unit_test(character_timeout_comes_after_four_characters),
	    cmocka_unit_test(receiver_refuses_what_does_not_fit),
	    cmocka_unit_test(break_shows_when_its_character_is_first),
	    cmocka_unit_test(loopback_returns_bytes_and_overruns),
	    cmocka_unit_test(loopback_modem_lines_report_changes),
	    cmocka_unit_test(interrupts_need_out2),
	    cmocka_unit_test(interrupt_sources_rank_as_the_data_sheet_says),
	    cmocka_unit_test(dlab_selects_the_divisor),
	    cmocka_unit_test(clearing_fifos_drops_their_bytes),
	    cmocka_unit_test(control_registers_read_back),
	    cmocka_unit_test(overrun_without_fifos_keeps_the_newest_byte),
	    cmocka_unit_test(fcr_without_its_enable_bit_clears_nothing),
	    cmocka_unit_test(fcr_clears_only_what_it_names),
	    cmocka_unit_test(disabled_sources_do_not_interrupt),
	    cmocka_unit_test(timeout_follows_the_frame_length),
	    cmocka_unit_test(it_listens_with_the_interrupt_on_or_while_it_polls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
