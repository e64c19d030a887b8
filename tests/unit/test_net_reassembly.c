// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams in parts: in any order, lost, repeated, at odds with each other, too long. */
#include "backends/net_frame.h"
#include "backends/net_reassembly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IP    NET_ETHERNET_BYTES
#define PLAIN 20u /* bytes of a header without options */

static struct net_reassembly *r;
static int64_t now;
static uint8_t *got;
static size_t got_bytes;

static int setup(void **state)
{
	(void)state;
	r = net_reassembly_new();
	now = 1000;
	return r ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	net_reassembly_free(r);
	return 0;
}

static void sum(uint8_t *ip)
{
	memset(ip + 10, 0, 2);
	net_frame_put_sum(ip + 10, net_frame_sum(ip, 4u * (ip[0] & 15)));
}

/* The byte of each datagram at an offset of its data. */
static uint8_t byte_at(unsigned id, unsigned offset)
{
	return (uint8_t)(offset * 31 + offset / 251 + id * 7);
}

/* A part with a header of so many bytes, in a block of just its size. */
static uint8_t *make(unsigned id, unsigned header, unsigned offset, unsigned bytes, bool more)
{
	uint8_t *frame = calloc(1, IP + header + bytes), *ip = frame + IP;
	const uint8_t fixed[] = {8, 0, 0x40 | header / 4, 0};

	memcpy(frame + 12, fixed, sizeof fixed);
	ip[2] = (uint8_t)((header + bytes) >> 8);
	ip[3] = (uint8_t)(header + bytes);
	ip[4] = (uint8_t)(id >> 8);
	ip[5] = (uint8_t)id;
	ip[6] = (uint8_t)((more ? 0x20 : 0) | offset >> 11);
	ip[7] = (uint8_t)(offset >> 3);
	ip[8] = 64;
	ip[9] = 17;
	ip[12] = ip[16] = 10;
	memset(ip + PLAIN, 1, header - PLAIN); /* no operation */
	for (unsigned i = 0; i < bytes; i++)
		ip[header + i] = byte_at(id, offset + i);
	sum(ip);
	return frame;
}

/* What comes of a frame, which is gone then; NULL or in got, got_bytes. */
static bool give_frame(uint8_t *frame, size_t n)
{
	size_t size = n;
	uint8_t *whole = net_reassemble(r, frame, &size, now);

	free(got);
	got = NULL;
	if (whole) {
		got = malloc(size);
		memcpy(got, whole, size);
		got_bytes = size;
	}
	free(frame);
	return whole;
}

static bool give(unsigned id, unsigned header, unsigned offset, unsigned bytes, bool more)
{
	return give_frame(make(id, header, offset, bytes, more), IP + header + bytes);
}

static bool part(unsigned id, unsigned offset, unsigned bytes, bool more)
{
	return give(id, PLAIN, offset, bytes, more);
}

/* What was got last is this datagram, in one, with a right header. */
static void assert_whole(unsigned id, unsigned header, unsigned bytes)
{
	uint8_t *ip = got + IP;

	assert_non_null(got);
	assert_int_equal(got_bytes, IP + header + bytes);
	assert_int_equal(ip[0], 0x40 | header / 4);
	assert_int_equal(ip[2] << 8 | ip[3], header + bytes);
	assert_int_equal(ip[4] << 8 | ip[5], id);
	assert_int_equal(ip[6] | ip[7], 0);
	assert_int_equal(net_frame_sum(ip, header), 0);
	for (unsigned i = 0; i < bytes; i++)
		assert_int_equal(ip[header + i], byte_at(id, i));
	free(got);
	got = NULL;
}

static void what_is_no_part_passes(void **state)
{
	uint8_t arp[42] = {[12] = 8, [13] = 6, [20] = 0x20}, *whole = make(1, PLAIN, 0, 100, false);
	size_t n = sizeof arp;

	(void)state;
	assert_ptr_equal(net_reassemble(r, arp, &n, now), arp);
	assert_int_equal(n, sizeof arp);
	n = IP + PLAIN + 100;
	assert_ptr_equal(net_reassemble(r, whole, &n, now), whole);
	assert_int_equal(n, IP + PLAIN + 100);
	n = IP + PLAIN - 1; /* too short for a header: libslirp sees that */
	whole[IP + 6] = 0x20;
	assert_ptr_equal(net_reassemble(r, whole, &n, now), whole);
	whole[IP + 6] = 0x40; /* "don't fragment" */
	n = IP + PLAIN + 100;
	assert_ptr_equal(net_reassemble(r, whole, &n, now), whole);
	free(whole);
}

static void parts_in_any_order_make_one(void **state)
{
	static const uint8_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
	                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		for (unsigned k = 0; k < 3; k++) {
			unsigned at = orders[i][k];

			assert_int_equal(part(i, at * 1480, at < 2 ? 1480 : 33, at < 2), k == 2);
			if (k == 2)
				assert_whole(i, PLAIN, 2 * 1480 + 33);
		}
}

static void datagrams_do_not_mix(void **state)
{
	(void)state;
	for (unsigned id = 0; id < NET_DATAGRAMS; id++)
		assert_false(part(id, 8, 8, false));
	for (unsigned id = 0; id < NET_DATAGRAMS; id++) {
		assert_true(part(id, 0, 8, true));
		assert_whole(id, PLAIN, 16);
	}
}

static uint8_t *changed(unsigned at, uint8_t value)
{
	uint8_t *frame = make(1, PLAIN, 8, 8, false);

	frame[IP + at] = value;
	sum(frame + IP);
	return frame;
}

static void addresses_and_protocol_are_part_of_the_name(void **state)
{
	(void)state;
	part(1, 0, 8, true);
	assert_false(give_frame(changed(9, 6), IP + PLAIN + 8));
	assert_false(give_frame(changed(15, 9), IP + PLAIN + 8));
	assert_false(give_frame(changed(19, 9), IP + PLAIN + 8));
	assert_true(part(1, 8, 8, false));
	assert_whole(1, PLAIN, 16);
}

static void the_largest_is_taken_and_nothing_beyond_it(void **state)
{
	const unsigned most = 65535 - PLAIN;

	(void)state;
	assert_false(part(1, 32768, most - 32768, false));
	assert_true(part(1, 0, 32768, true));
	assert_whole(1, PLAIN, most);
	/* One byte more, by the last part, or by options of the first. */
	assert_false(part(2, 0, 65512, true));
	assert_false(part(2, 65512, 4, false));
	assert_true(part(2, 65512, 3, false));
	assert_whole(2, PLAIN, most);
	assert_false(part(3, 32768, most - 32768, false));
	assert_false(give(3, 24, 0, 32768, true));
	assert_false(part(4, 65528, 8, true));
}

static void the_first_parts_header_is_the_datagrams(void **state)
{
	(void)state;
	assert_false(give(1, 60, 8, 8, false));
	assert_true(give(1, PLAIN, 0, 8, true));
	assert_whole(1, PLAIN, 16);
	assert_false(give(2, 60, 0, 8, true));
	assert_true(give(2, PLAIN, 8, 8, false));
	assert_whole(2, 60, 16);
}

static void a_part_may_come_twice(void **state)
{
	(void)state;
	assert_false(part(1, 0, 800, true));
	assert_false(part(1, 0, 800, true));
	assert_false(part(1, 1600, 5, false));
	assert_false(part(1, 1600, 5, false));
	assert_true(part(1, 800, 800, true));
	assert_whole(1, PLAIN, 1605);
	/* It is a new datagram's then. */
	assert_false(part(1, 800, 800, true));
}

/* After each pair nothing is left that the missing part could complete. */
static void parts_that_overlap_take_the_datagram_with_them(void **state)
{
	(void)state;
	part(1, 0, 16, true);
	assert_false(part(1, 8, 16, false));
	assert_false(part(1, 16, 8, false));
	part(2, 16, 16, false);
	assert_false(part(2, 0, 24, true));
	assert_false(part(2, 0, 16, true));
	part(3, 8, 8, true);
	assert_false(part(3, 0, 24, true));
	assert_false(part(3, 24, 8, false));
}

static void two_ends_take_the_datagram_with_them(void **state)
{
	(void)state;
	/* behind the end */
	part(1, 8, 8, false);
	part(1, 16, 8, true);
	assert_false(part(1, 0, 8, true));
	/* an end before what is known */
	part(2, 16, 8, true);
	part(2, 8, 8, false);
	assert_false(part(2, 0, 8, true));
	/* two ends */
	part(3, 8, 8, false);
	part(3, 16, 8, false);
	assert_false(part(3, 0, 8, true));
}

static void a_part_that_no_host_sends_is_dropped(void **state)
{
	uint8_t *frame, *padded = calloc(1, 60);

	(void)state;
	part(1, 0, 8, true);
	assert_false(part(1, 8, 0, false)); /* nothing in it */
	assert_false(part(1, 8, 7, true));  /* the next could not begin there */
	frame = make(1, PLAIN, 8, 8, false);
	frame[IP + 10] ^= 1; /* the checksum */
	assert_false(give_frame(frame, IP + PLAIN + 8));
	assert_false(give_frame(make(1, PLAIN, 8, 8, false), IP + PLAIN + 7)); /* cut off */
	frame = make(1, PLAIN, 8, 8, false);
	frame[IP] = 0x44; /* no whole header */
	sum(frame + IP);
	assert_false(give_frame(frame, IP + PLAIN + 8));
	frame = make(1, PLAIN, 8, 8, false);
	frame[IP] = 0x65; /* another version */
	sum(frame + IP);
	assert_false(give_frame(frame, IP + PLAIN + 8));
	frame = make(1, PLAIN, 8, 8, false);
	frame[IP + 3] = PLAIN - 1; /* shorter than its header */
	sum(frame + IP);
	assert_false(give_frame(frame, IP + PLAIN + 8));
	/* A header said to be longer than the frame is not summed up beyond it. */
	frame = malloc(IP + PLAIN);
	memcpy(frame, (uint8_t[IP + PLAIN]){[12] = 8, [IP] = 0x4f, [IP + 3] = 200, [IP + 7] = 1},
	       IP + PLAIN);
	assert_false(give_frame(frame, IP + PLAIN));
	/* None of them has touched the datagram. */
	assert_true(part(1, 8, 8, false));
	assert_whole(1, PLAIN, 16);
	/* Bytes behind the packet are the network's padding. */
	part(2, 0, 8, true);
	frame = make(2, PLAIN, 8, 8, false);
	memcpy(padded, frame, IP + PLAIN + 8);
	free(frame);
	assert_true(give_frame(padded, 60));
	assert_whole(2, PLAIN, 16);
}

static void what_is_late_starts_anew(void **state)
{
	(void)state;
	part(1, 0, 8, true);
	now += NET_REASSEMBLE_MS;
	assert_true(part(1, 8, 8, false));
	part(2, 0, 8, true);
	now += NET_REASSEMBLE_MS + 1;
	assert_false(part(2, 8, 8, false));
	assert_true(part(2, 0, 8, true));
	assert_whole(2, PLAIN, 16);
}

static void the_oldest_makes_room(void **state)
{
	(void)state;
	for (unsigned id = 0; id <= NET_DATAGRAMS; id++, now++)
		assert_false(part(id, 0, 8, true));
	for (unsigned id = 1; id <= NET_DATAGRAMS; id++)
		assert_true(part(id, 8, 8, false));
	assert_false(part(0, 8, 8, false));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_no_part_passes),
	    TEST(parts_in_any_order_make_one),
	    TEST(datagrams_do_not_mix),
	    TEST(addresses_and_protocol_are_part_of_the_name),
	    TEST(the_largest_is_taken_and_nothing_beyond_it),
	    TEST(the_first_parts_header_is_the_datagrams),
	    TEST(a_part_may_come_twice),
	    TEST(parts_that_overlap_take_the_datagram_with_them),
	    TEST(two_ends_take_the_datagram_with_them),
	    TEST(a_part_that_no_host_sends_is_dropped),
	    TEST(what_is_late_starts_anew),
	    TEST(the_oldest_makes_room),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(got);
	return failed;
}
