// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections of a guest that a snapshot keeps, to be reset. */
#include "backends/net_connections.h"
#include "backends/net_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IP    NET_ETHERNET_BYTES
#define FIN   1
#define SYN   2
#define RST   4
#define ACK   0x10
#define SPACE (NET_CONNECTIONS * 64)

static struct net_connections *before, *after;
static uint8_t *space;
static uint8_t last[128];
static size_t last_bytes;
static unsigned resets;

static int setup(void **state)
{
	(void)state;
	before = net_connections_new();
	after = net_connections_new();
	space = malloc(SPACE);
	resets = 0;
	return before && after && space ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	net_connections_free(before);
	net_connections_free(after);
	free(space);
	return 0;
}

static void take(void *of, const uint8_t *frame, size_t n)
{
	assert_ptr_equal(of, last);
	assert_true(n <= sizeof last);
	memcpy(last, frame, n);
	last_bytes = n;
	resets++;
}

/* What the guest sends from this port, 10.0.2.15 or fec0::15, to port 80 of its host. */
static void look(bool v6, unsigned port, uint8_t flags, uint32_t acknowledged, unsigned options)
{
	unsigned header = v6 ? 40 : 20 + options;
	size_t n = IP + header + 20;
	uint8_t *frame = calloc(1, n), *ip = frame + IP, *tcp = ip + header;

	memcpy(frame, "\x52\x55\x0a\x00\x02\x02\x52\x54\x00\x12\x34\x56", 12);
	memcpy(frame + 12, v6 ? "\x86\xdd" : "\x08\x00", 2);
	ip[0] = v6 ? 0x60 : (uint8_t)(0x40 | header / 4);
	ip[v6 ? 6 : 9] = 6;
	if (v6) {
		memcpy(ip + 8, (uint8_t[16]){0xfe, 0xc0, [15] = 0x15}, 16);
		memcpy(ip + 24, (uint8_t[16]){0xfe, 0xc0, [15] = 2}, 16);
	} else {
		memcpy(ip + 12, (uint8_t[]){10, 0, 2, 15, 10, 0, 2, 2}, 8);
	}
	memcpy(tcp, (uint8_t[]){(uint8_t)(port >> 8), (uint8_t)port, 0, 80}, 4);
	memcpy(tcp + 8,
	       (uint8_t[]){(uint8_t)(acknowledged >> 24), (uint8_t)(acknowledged >> 16),
	                   (uint8_t)(acknowledged >> 8), (uint8_t)acknowledged},
	       4);
	tcp[12] = 0x50;
	tcp[13] = flags;
	net_connections_look(before, frame, n);
	free(frame);
}

static void go_on(void)
{
	size_t n = net_connections_save(before, space, SPACE);

	assert_true(n <= SPACE);
	assert_true(net_connections_load(after, space, n));
	net_connections_reset(after, take, last);
}

static void a_connection_is_reset_where_the_guest_is(void **state)
{
	uint8_t *ip = last + IP, *tcp = ip + 20;

	(void)state;
	look(false, 0x1234, SYN, 0, 0);
	look(false, 0x1234, ACK, 0x01020304, 40);
	look(false, 0x1234, ACK, 0xa1a2a3a4, 0);
	go_on();
	assert_int_equal(resets, 1);
	assert_int_equal(last_bytes, IP + 40);
	assert_memory_equal(last, "\x52\x54\x00\x12\x34\x56\x52\x55\x0a\x00\x02\x02\x08\x00\x45",
	                    15);
	assert_int_equal(ip[2] << 8 | ip[3], 40);
	assert_int_equal(net_frame_sum(ip, 20), 0);
	assert_int_equal(ip[9], 6);
	assert_memory_equal(ip + 12, ((uint8_t[]){10, 0, 2, 2, 10, 0, 2, 15}), 8);
	assert_memory_equal(tcp, ((uint8_t[]){0, 80, 0x12, 0x34, 0xa1, 0xa2, 0xa3, 0xa4}), 8);
	assert_int_equal(tcp[12], 0x50);
	assert_int_equal(tcp[13], RST);
	/* TCP's checksum has addresses, protocol and length in it (RFC 9293, 3.1). */
	memmove(tcp - 4, (uint8_t[]){0, 6, 0, 20}, 4);
	memmove(tcp - 12, (uint8_t[]){10, 0, 2, 2, 10, 0, 2, 15}, 8);
	assert_int_equal(net_frame_sum(tcp - 12, 32), 0);
	/* Once. */
	net_connections_reset(after, take, last);
	assert_int_equal(resets, 1);
}

static void ipv6_too(void **state)
{
	uint8_t *ip = last + IP, *tcp = ip + 40;

	(void)state;
	look(true, 7, ACK, 9, 0);
	go_on();
	assert_int_equal(resets, 1);
	assert_int_equal(last_bytes, IP + 60);
	assert_memory_equal(last + 12, "\x86\xdd\x60", 3);
	assert_int_equal(ip[5], 20);
	assert_int_equal(ip[6], 6);
	assert_memory_equal(ip + 8, ((uint8_t[16]){0xfe, 0xc0, [15] = 2}), 16);
	assert_memory_equal(ip + 24, ((uint8_t[16]){0xfe, 0xc0, [15] = 0x15}), 16);
	assert_memory_equal(tcp, ((uint8_t[]){0, 80, 0, 7, 0, 0, 0, 9}), 8);
}

static void what_is_over_or_never_was_is_left_alone(void **state)
{
	uint8_t udp[64] = {[12] = 8, [IP] = 0x45, [IP + 9] = 17, [IP + 33] = ACK};

	(void)state;
	look(false, 1, SYN, 0, 0);
	look(false, 2, ACK, 5, 0);
	look(false, 2, RST, 0, 0);
	look(false, 3, RST | ACK, 5, 0);
	net_connections_look(before, udp, sizeof udp);
	go_on();
	assert_int_equal(resets, 0);
}

static void a_closed_half_is_reset_as_well(void **state)
{
	(void)state;
	look(false, 1, FIN | ACK, 5, 0);
	go_on();
	assert_int_equal(resets, 1);
}

static void what_was_not_reset_yet_is_saved_again(void **state)
{
	size_t n;

	(void)state;
	look(false, 1, ACK, 5, 0);
	n = net_connections_save(before, space, SPACE);
	assert_true(net_connections_load(after, space, n));
	n = net_connections_save(after, space, SPACE);
	assert_true(net_connections_load(before, space, n));
	net_connections_reset(before, take, last);
	assert_int_equal(resets, 1);
}

/* Closed ones make room; one that idles stays. */
static void an_idle_connection_outlives_many(void **state)
{
	(void)state;
	look(false, 1, ACK, 5, 0);
	for (unsigned port = 2; port < 65536; port++) {
		look(false, port, ACK, 6, 0);
		look(false, port, FIN | ACK, 7, 0);
	}
	look(false, 2, RST, 0, 0);
	go_on();
	assert_true(resets > NET_CONNECTIONS / 2 && resets <= NET_CONNECTIONS);
	for (unsigned port = 2; port < 65536; port++)
		look(false, port, RST, 0, 0);
	resets = 0;
	go_on();
	assert_int_equal(resets, 1);
	assert_memory_equal(last + IP + 20, ((uint8_t[]){0, 80, 0, 1, 0, 0, 0, 5}), 8);
}

static void cut_off_frames_are_nothing(void **state)
{
	const uint8_t whole[IP + 40] = {[12] = 8, [IP] = 0x45, [IP + 9] = 6, [IP + 33] = ACK};
	const uint8_t six[IP + 60] = {[12] = 0x86, [13] = 0xdd, [IP + 6] = 6, [IP + 53] = ACK};

	(void)state;
	for (size_t n = 0; n < sizeof whole; n++) {
		uint8_t *frame = memcpy(malloc(n + 1), whole, n);

		frame = realloc(frame, n ? n : 1);
		net_connections_look(before, frame, n);
		if (n > IP)
			frame[IP] = 0x4f;
		net_connections_look(before, frame, n);
		free(frame);
	}
	for (size_t n = 14; n < sizeof six; n++) {
		uint8_t *frame = memcpy(malloc(n), six, n);

		net_connections_look(before, frame, n);
		free(frame);
	}
	go_on();
	assert_int_equal(resets, 0);
}

static void what_is_no_saved_state_is_refused(void **state)
{
	size_t n;

	(void)state;
	look(false, 1, ACK, 5, 0);
	look(false, 2, ACK, 5, 0);
	n = net_connections_save(before, space, SPACE);
	assert_int_equal(net_connections_save(before, space, n), n);
	assert_int_equal(net_connections_save(before, space, n - 1), SIZE_MAX);
	assert_int_equal(net_connections_save(before, space, 3), SIZE_MAX);
	n = net_connections_save(before, space, SPACE);
	for (size_t less = 0; less < n; less++) {
		uint8_t *cut = memcpy(malloc(less + 1), space, less);

		cut = realloc(cut, less ? less : 1);
		assert_false(net_connections_load(after, cut, less));
		free(cut);
	}
	assert_false(net_connections_load(after, space, n + 1));
	memset(space, 0xff, SPACE); /* more than there can be */
	for (size_t k = 0; k < SPACE; k += 997)
		assert_false(net_connections_load(after, space, k));
	memset(space, 0, SPACE); /* none */
	assert_true(net_connections_load(after, space, 14));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_connection_is_reset_where_the_guest_is),
	    TEST(ipv6_too),
	    TEST(what_is_over_or_never_was_is_left_alone),
	    TEST(a_closed_half_is_reset_as_well),
	    TEST(what_was_not_reset_yet_is_saved_again),
	    TEST(an_idle_connection_outlives_many),
	    TEST(cut_off_frames_are_nothing),
	    TEST(what_is_no_saved_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
