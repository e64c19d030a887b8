/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254 as a guest sees it, tick by tick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/pit.h"

#define SECOND 1000000000ull
#define START  (123 * SECOND) /* a whole second is a whole number of ticks: tick 0 of the tests */

/* The first ns of the n-th tick after START. */
static uint64_t at(uint64_t tick)
{
	return START + tick / PIT_HZ * SECOND + (tick % PIT_HZ * SECOND + PIT_HZ - 1) / PIT_HZ;
}

static struct pit new_pit(void)
{
	struct pit pit;

	pit_reset(&pit, START);
	return pit;
}

/* Control word for LSB+MSB access and a count, both written in tick 0 (loaded in tick 1). */
static struct pit programmed(unsigned channel, unsigned mode, uint16_t count)
{
	struct pit pit = new_pit();

	pit_write(&pit, PIT_CONTROL, (uint8_t)(channel << 6 | 0x30 | mode << 1), START);
	pit_write(&pit, (uint16_t)(PIT_CHANNEL0 + channel), (uint8_t)count, START);
	pit_write(&pit, (uint16_t)(PIT_CHANNEL0 + channel), (uint8_t)(count >> 8), START);
	return pit;
}

static uint16_t latched(struct pit *pit, unsigned channel, uint64_t now)
{
	uint16_t port = (uint16_t)(PIT_CHANNEL0 + channel);
	uint16_t low;

	pit_write(pit, PIT_CONTROL, (uint8_t)(channel << 6), now);
	low = pit_read(pit, port, now);
	return (uint16_t)(low | pit_read(pit, port, now) << 8);
}

static uint8_t status(struct pit *pit, unsigned channel, uint64_t now)
{
	pit_write(pit, PIT_CONTROL, (uint8_t)(0xe0 | 2u << channel), now);
	return pit_read(pit, (uint16_t)(PIT_CHANNEL0 + channel), now);
}

/* Levels of OUT in ticks first..first+n-1 as a string of H and L. */
static void assert_wave(const struct pit *pit, unsigned channel, uint64_t first, const char *wave)
{
	for (size_t i = 0; wave[i]; i++)
		assert_int_equal(pit_out(pit, channel, at(first + i)) ? 'H' : 'L', wave[i]);
}

static void reset_makes_no_interrupts(void **state)
{
	struct pit pit = new_pit();

	(void)state;
	assert_true(pit_next_irq(&pit, START) == UINT64_MAX);
	assert_false(pit_irq_edges(&pit, START + 1000 * SECOND, NULL));
}

static void mode0_rises_n_plus_one_ticks_after_the_count(void **state)
{
	struct pit pit = programmed(0, 0, 4);

	(void)state;
	assert_wave(&pit, 0, 0, "LLLLLHHHHH");
	assert_true(pit_next_irq(&pit, START) == at(5));
	assert_false(pit_irq_edges(&pit, at(5) - 1, NULL));
	assert_true(pit_irq_edges(&pit, at(5), NULL));
	assert_true(pit_next_irq(&pit, at(5)) == UINT64_MAX);
	assert_false(pit_irq_edges(&pit, at(100000), NULL));
}

static void mode0_counts_on_through_zero(void **state)
{
	struct pit pit = programmed(0, 0, 4);

	(void)state;
	assert_int_equal(latched(&pit, 0, at(1)), 4);
	assert_int_equal(latched(&pit, 0, at(5)), 0);
	assert_int_equal(latched(&pit, 0, at(6)), 0xffff);
	assert_int_equal(latched(&pit, 0, at(65541)), 0);
}

static void mode0_first_byte_of_a_new_count_lowers_out(void **state)
{
	struct pit pit = programmed(0, 0, 4);

	(void)state;
	pit_write(&pit, PIT_CHANNEL0, 9, at(6));
	assert_wave(&pit, 0, 7, "LLLLLLLLLLLLLLL");
	pit_write(&pit, PIT_CHANNEL0, 0, at(20));
	assert_false(pit_out(&pit, 0, at(29)));
	assert_true(pit_out(&pit, 0, at(30)));
}

static void mode2_is_low_for_the_last_tick_of_each_period(void **state)
{
	struct pit pit = programmed(0, 2, 4);

	(void)state;
	assert_wave(&pit, 0, 0, "HHHHLHHHLHHHLH");
	assert_int_equal(latched(&pit, 0, at(1)), 4);
	assert_int_equal(latched(&pit, 0, at(4)), 1);
	assert_int_equal(latched(&pit, 0, at(5)), 4);
}

static void mode2_new_count_takes_effect_with_the_next_period(void **state)
{
	struct pit pit = programmed(0, 2, 6);

	(void)state;
	pit_write(&pit, PIT_CHANNEL0, 3, at(2));
	pit_write(&pit, PIT_CHANNEL0, 0, at(2));
	assert_true(pit_next_irq(&pit, at(2)) == at(7));
	assert_wave(&pit, 0, 2, "HHHHLHHLHHL");
	assert_true(pit_irq_edges(&pit, at(7), NULL));
	assert_true(pit_next_irq(&pit, at(7)) == at(10));
}

static void mode3_odd_count_is_high_one_tick_longer(void **state)
{
	struct pit even = programmed(2, 3, 6), odd = programmed(2, 3, 5);

	(void)state;
	pit_port61_write(&even, 1, START);
	pit_port61_write(&odd, 1, START);
	assert_wave(&even, 2, 1, "HHHLLLHHHLLL");
	assert_wave(&odd, 2, 1, "HHHLLHHHLL");
	assert_int_equal(latched(&even, 2, at(1)), 6);
	assert_int_equal(latched(&even, 2, at(2)), 4);
	assert_int_equal(latched(&even, 2, at(4)), 6);
	assert_int_equal(latched(&odd, 2, at(1)), 4);
	assert_int_equal(latched(&odd, 2, at(3)), 0);
	assert_int_equal(latched(&odd, 2, at(4)), 4);
}

static void mode3_new_count_takes_effect_with_the_next_half(void **state)
{
	struct pit pit = programmed(0, 3, 8);

	(void)state;
	pit_write(&pit, PIT_CHANNEL0, 4, at(2));
	pit_write(&pit, PIT_CHANNEL0, 0, at(2));
	assert_wave(&pit, 0, 1, "HHHHLLHHLLHH");
	assert_true(pit_next_irq(&pit, at(2)) == at(7));
}

static void mode4_strobes_once(void **state)
{
	struct pit pit = programmed(0, 4, 3);

	(void)state;
	assert_wave(&pit, 0, 0, "HHHHLHHHHHHH");
	assert_true(pit_out(&pit, 0, at(4 + 65536)));
	assert_true(pit_next_irq(&pit, START) == at(5));
	assert_true(pit_irq_edges(&pit, at(5), NULL));
	assert_true(pit_next_irq(&pit, at(5)) == UINT64_MAX);
	/* Linux's one-shot reprograms by count alone */
	pit_write(&pit, PIT_CHANNEL0, 10, at(20));
	pit_write(&pit, PIT_CHANNEL0, 0, at(20));
	assert_true(pit_next_irq(&pit, at(20)) == at(32));
}

static void modes_1_and_5_start_on_a_rise_of_the_gate(void **state)
{
	struct pit shot = programmed(2, 1, 3), strobe = programmed(2, 5, 3);

	(void)state;
	assert_wave(&shot, 2, 0, "HHHHHHHH");
	pit_port61_write(&shot, 1, at(10));
	assert_wave(&shot, 2, 10, "HLLLHHH");
	pit_port61_write(&shot, 0, at(20));
	pit_port61_write(&shot, 1, at(20));
	pit_port61_write(&shot, 0,
	                 at(22)); /* a second trigger starts over; the fall does nothing */
	pit_port61_write(&shot, 1, at(22));
	assert_wave(&shot, 2, 21, "LLLLLH");
	pit_port61_write(&strobe, 1, at(10));
	assert_wave(&strobe, 2, 10, "HHHHLHHH");
}

static void gate_low_stops_the_count(void **state)
{
	struct pit pit = programmed(2, 0, 10);

	(void)state;
	assert_int_equal(latched(&pit, 2, at(50)), 10);
	pit_port61_write(&pit, 1, at(50));
	assert_int_equal(latched(&pit, 2, at(54)), 6);
	pit_port61_write(&pit, 0, at(54));
	assert_int_equal(latched(&pit, 2, at(90)), 6);
	pit_port61_write(&pit, 1, at(100));
	assert_int_equal(pit_port61_read(&pit, at(105)) & 0x21, 0x01);
	assert_int_equal(pit_port61_read(&pit, at(106)) & 0x21, 0x21);
}

static void gate_restarts_the_periodic_modes(void **state)
{
	struct pit pit = programmed(2, 2, 4);

	(void)state;
	pit_port61_write(&pit, 1, at(10));
	assert_wave(&pit, 2, 11, "HHHLHHHL");
	pit_port61_write(&pit, 0, at(14)); /* OUT is low here and goes high at once */
	assert_wave(&pit, 2, 14, "HHHHHHHH");
	pit_port61_write(&pit, 1, at(30));
	assert_wave(&pit, 2, 31, "HHHLHHHL");
}

static void bcd_counts_in_decimal(void **state)
{
	struct pit pit = new_pit();

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0x31, START);
	pit_write(&pit, PIT_CHANNEL0, 0x00, START);
	pit_write(&pit, PIT_CHANNEL0, 0x10, START);
	assert_int_equal(latched(&pit, 0, at(2)), 0x0999);
	assert_int_equal(latched(&pit, 0, at(1001)), 0);
	assert_int_equal(latched(&pit, 0, at(1002)), 0x9999);
	assert_true(pit_irq_edges(&pit, at(2000), NULL));
	pit_write(&pit, PIT_CONTROL, 0x35, at(2000));
	pit_write(&pit, PIT_CHANNEL0, 0, at(2000));
	pit_write(&pit, PIT_CHANNEL0, 0, at(2000));
	assert_true(pit_next_irq(&pit, at(2000)) == at(12001)); /* 0 means 10000 */
}

static void count_zero_means_65536(void **state)
{
	struct pit pit = programmed(0, 2, 0);

	(void)state;
	assert_true(pit_next_irq(&pit, START) == at(65537));
}

static void latch_holds_until_it_is_read(void **state)
{
	struct pit pit = programmed(0, 2, 1000);
	uint8_t low, high;

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0x00, at(1));
	pit_write(&pit, PIT_CONTROL, 0x00, at(400)); /* ignored */
	low = pit_read(&pit, PIT_CHANNEL0, at(500));
	high = pit_read(&pit, PIT_CHANNEL0, at(600));
	assert_int_equal(low | high << 8, 1000);
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(601)), (1000 - 600) & 0xff);
}

static void single_byte_access_reads_and_writes_one_byte(void **state)
{
	struct pit pit = new_pit();

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0x14, START);
	pit_write(&pit, PIT_CHANNEL0, 100, START);
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(1)), 100);
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(2)), 99);
	pit_write(&pit, PIT_CONTROL, 0x24, at(10));
	pit_write(&pit, PIT_CHANNEL0, 0x12, at(10));
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(11)), 0x12);
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(12)), 0x11);
}

static void read_back_gives_status_then_count(void **state)
{
	struct pit pit = programmed(0, 2, 0x1234);

	(void)state;
	assert_int_equal(status(&pit, 0, START), 0x80 | 0x40 | 0x30 | 0x04); /* null count */
	assert_int_equal(status(&pit, 0, at(1)), 0x80 | 0x30 | 0x04);
	pit_write(&pit, PIT_CONTROL, 0xc2, at(1));
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(9)), 0xb4);
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(9)), 0x34);
	assert_int_equal(pit_read(&pit, PIT_CHANNEL0, at(9)), 0x12);
}

static void late_reader_learns_of_every_period(void **state)
{
	struct pit pit = programmed(0, 2, 11932);
	unsigned missed;

	(void)state;
	assert_true(pit_irq_edges(&pit, at(1 + 11932 * 1000), &missed));
	assert_int_equal(missed, 999);
	assert_false(pit_irq_edges(&pit, at(1 + 11932 * 1000), &missed));
	assert_int_equal(missed, 0);
}

static void an_hour_of_ticks_has_no_drift(void **state)
{
	struct pit pit = programmed(0, 2, 2);
	unsigned missed;

	(void)state;
	/* the edge of tick 1 + 2k: exactly PIT_HZ / 2 of them a second */
	assert_true(pit_irq_edges(&pit, START + 3600 * SECOND, &missed));
	assert_int_equal(missed + 1, 3600ull * PIT_HZ / 2 - 1);
	assert_true(pit_next_irq(&pit, START + 3600 * SECOND) ==
	            START + 3600 * SECOND + (SECOND + PIT_HZ - 1) / PIT_HZ);
}

static void deadline_is_the_first_ns_that_has_the_edge(void **state)
{
	struct pit pit = programmed(0, 2, 4772);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t next = pit_next_irq(&pit, START);

		assert_false(pit_irq_edges(&pit, next - 1, NULL));
		assert_true(pit_irq_edges(&pit, next, NULL));
	}
}

static void reprogramming_keeps_edges_that_were_due(void **state)
{
	struct pit pit = programmed(0, 2, 100);
	unsigned missed;

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0x34, at(250));
	assert_true(pit_next_irq(&pit, at(250)) <= at(250));
	assert_true(pit_irq_edges(&pit, at(250), &missed));
	assert_int_equal(missed, 1);
	assert_true(pit_next_irq(&pit, at(250)) == UINT64_MAX);
}

static void control_word_that_raises_out_is_an_edge(void **state)
{
	struct pit pit = programmed(0, 0, 1000);

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0x34, at(10));
	assert_true(pit_irq_edges(&pit, at(10), NULL));
}

static void refresh_bit_toggles(void **state)
{
	struct pit pit = new_pit();

	(void)state;
	assert_int_not_equal(pit_port61_read(&pit, at(0)) & 0x10,
	                     pit_port61_read(&pit, at(18)) & 0x10);
	pit_port61_write(&pit, 0xff, START);
	assert_int_equal(pit_port61_read(&pit, START) & 0xcf, 0x0f);
}

static void linux_tsc_calibration_ends(void **state)
{
	struct pit pit = new_pit();
	uint16_t count = PIT_HZ / (1000 / 50);
	uint64_t due;

	(void)state;
	/* arch/x86/kernel/tsc.c, pit_calibrate_tsc */
	pit_port61_write(&pit, (uint8_t)((pit_port61_read(&pit, START) & ~2) | 1), START);
	pit_write(&pit, PIT_CONTROL, 0xb0, START);
	pit_write(&pit, PIT_CHANNEL2, (uint8_t)count, START);
	pit_write(&pit, PIT_CHANNEL2, (uint8_t)(count >> 8), START);
	due = at(count + 1u);
	assert_int_equal(pit_port61_read(&pit, due - 1) & 0x20, 0);
	assert_int_equal(pit_port61_read(&pit, due) & 0x20, 0x20);
}

static void counters_are_independent(void **state)
{
	struct pit pit = programmed(1, 2, 18);

	(void)state;
	assert_int_equal(latched(&pit, 1, at(2)), 17);
	assert_true(pit_next_irq(&pit, START) == UINT64_MAX);
	assert_false(pit_out(&pit, PIT_CHANNELS, START));
	assert_int_equal(pit_read(&pit, PIT_CONTROL, START), 0xff);
}

static void time_that_goes_backwards_makes_no_edges(void **state)
{
	struct pit pit = programmed(0, 2, 100);

	(void)state;
	assert_true(pit_irq_edges(&pit, at(1000), NULL));
	assert_false(pit_irq_edges(&pit, at(500), NULL));
	assert_true(pit_next_irq(&pit, at(500)) == at(1001));
}

static void mode0_single_byte_count_lowers_out(void **state)
{
	struct pit pit = new_pit();

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0x10, START);
	pit_write(&pit, PIT_CHANNEL0, 2, START);
	assert_true(pit_out(&pit, 0, at(3)));
	pit_write(&pit, PIT_CHANNEL0, 2, at(5));
	assert_wave(&pit, 0, 5, "LLLHH");
	pit_write(&pit, PIT_CONTROL, 0x10, at(9));
	assert_int_equal(status(&pit, 0, at(10)), 0x40 | 0x10); /* null again, OUT low */
}

static void gate_alone_starts_nothing_without_a_count(void **state)
{
	struct pit pit = programmed(2, 1, 3);

	(void)state;
	pit_write(&pit, PIT_CONTROL, 0xb2, at(1)); /* forgets the count */
	pit_port61_write(&pit, 1, at(2));
	assert_wave(&pit, 2, 2, "HHHHHH");
}

static void unlatched_reads_follow_the_access_mode(void **state)
{
	struct pit both = programmed(0, 2, 0x1234);

	(void)state;
	assert_int_equal(pit_read(&both, PIT_CHANNEL0, at(1)), 0x34);
	assert_int_equal(pit_read(&both, PIT_CHANNEL0, at(1)), 0x12);
	assert_int_equal(pit_read(&both, PIT_CHANNEL0, at(1)), 0x34);
}

static void port61_keeps_what_was_written(void **state)
{
	struct pit pit = new_pit();

	(void)state;
	assert_int_equal(pit_port61_read(&pit, START) & 0x0f, 0);
	pit_port61_write(&pit, 0x02, START);
	assert_int_equal(pit_port61_read(&pit, START) & 0x0f, 0x02);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reset_makes_no_interrupts),
	    cmocka_unit_test(mode0_rises_n_plus_one_ticks_after_the_count),
	    cmocka_unit_test(mode0_counts_on_through_zero),
	    cmocka_unit_test(mode0_first_byte_of_a_new_count_lowers_out),
	    cmocka_unit_test(mode2_is_low_for_the_last_tick_of_each_period),
	    cmocka_unit_test(mode2_new_count_takes_effect_with_the_next_period),
	    cmocka_unit_test(mode3_odd_count_is_high_one_tick_longer),
	    cmocka_unit_test(mode3_new_count_takes_effect_with_the_next_half),
	    cmocka_unit_test(mode4_strobes_once),
	    cmocka_unit_test(modes_1_and_5_start_on_a_rise_of_the_gate),
	    cmocka_unit_test(gate_low_stops_the_count),
	    cmocka_unit_test(gate_restarts_the_periodic_modes),
	    cmocka_unit_test(bcd_counts_in_decimal),
	    cmocka_unit_test(count_zero_means_65536),
	    cmocka_unit_test(latch_holds_until_it_is_read),
	    cmocka_unit_test(single_byte_access_reads_and_writes_one_byte),
	    cmocka_unit_test(read_back_gives_status_then_count),
	    cmocka_unit_test(late_reader_learns_of_every_period),
	    cmocka_unit_test(an_hour_of_ticks_has_no_drift),
	    cmocka_unit_test(deadline_is_the_first_ns_that_has_the_edge),
	    cmocka_unit_test(reprogramming_keeps_edges_that_were_due),
	    cmocka_unit_test(control_word_that_raises_out_is_an_edge),
	    cmocka_unit_test(refresh_bit_toggles),
	    cmocka_unit_test(linux_tsc_calibration_ends),
	    cmocka_unit_test(counters_are_independent),
	    cmocka_unit_test(time_that_goes_backwards_makes_no_edges),
	    cmocka_unit_test(mode0_single_byte_count_lowers_out),
	    cmocka_unit_test(gate_alone_starts_nothing_without_a_count),
	    cmocka_unit_test(unlatched_reads_follow_the_access_mode),
	    cmocka_unit_test(port61_keeps_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
