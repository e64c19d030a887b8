// SPDX-License-Identifier: GPL-2.0-or-later
/* What an RTL8139 does with frames: filter, ring, descriptors, and addresses that lead nowhere. */
#include "backends/net.h"
#include "devices/rtl8139.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define MEMORY (1u << 20)
#define RING   0x10000u
#define BUFFER 0x40000u
#define SIZE   8192u

static struct machine *machine;
static struct backend backend;
static struct net net;
static uint32_t plug;
static uint8_t sent[NET_FRAME_MAX];
static size_t sent_bytes;
static unsigned sents;

static void peer(struct net *n, const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t bytes)
{
	(void)n;
	assert_int_equal(h->flags | h->gso_type, 0);
	memcpy(sent, frame, bytes);
	sent_bytes = bytes;
	sents++;
}

static struct rtl8139 *nic(void)
{
	return &machine->platform.rtl8139[2];
}

static const uint8_t *ring(uint32_t at)
{
	return backend.memory.base + RING + at;
}

/* Where the guest sees the ring end; of this epoch. */
static uint32_t written(void)
{
	assert_int_equal(nic()->written_to >> 16, nic()->receive_epoch & 0xffff);
	return nic()->written_to & 0xffff;
}

static uint32_t completed(void)
{
	return __atomic_exchange_n(&backend.device->completed, 0, __ATOMIC_SEQ_CST);
}

/* As the cell does when the driver enables both. */
static void enable(void)
{
	nic()->read_at = 0xfff0;
	nic()->receive_epoch++;
	nic()->transmit_epoch++;
	nic()->command = RTL8139_CR_RECEIVE | RTL8139_CR_TRANSMIT;
	net_settle(&backend);
}

static int setup(void **state)
{
	(void)state;
	machine = aligned_alloc(_Alignof(struct machine), sizeof *machine);
	memset(machine, 0, sizeof *machine);
	backend = (struct backend){.own = &net,
	                           .machine = machine,
	                           .device = &machine->platform.virtio.device[2],
	                           .memory = {.base = calloc(1, MEMORY), .size = MEMORY},
	                           .bell_event = 1};
	plug = 1;
	memset(&net, 0, sizeof net);
	net.plug = &plug;
	net.model = &net_rtl8139;
	net.send = peer;
	nic()->link = 1;
	nic()->ring = RING;
	nic()->receive_config = RTL8139_RCR_MINE | RTL8139_RCR_BROADCAST;
	nic()->address[0] = 0x12005452;
	nic()->address[1] = 0xffff5634; /* what is behind it is nobody's */
	net_start(&net, &backend);
	enable();
	sents = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	net_drop_waiting(&net);
	free(backend.memory.base);
	free(machine);
	return 0;
}

static const uint8_t mine[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t all[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static const uint8_t *frame_to(const uint8_t *address, size_t n)
{
	static uint8_t frame[NET_FRAME_MAX];

	for (size_t i = 0; i < n; i++)
		frame[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(frame, address, NET_MAC_BYTES);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	return frame;
}

/* Bytes that a frame takes in the ring. */
static uint32_t takes(size_t n)
{
	return (uint32_t)(4 + n + 4 + 3) & ~3u;
}

/* ---- to the guest ---- */

static void a_frame_is_in_the_ring_with_header_and_checksum(void **state)
{
	const uint8_t *frame = frame_to(mine, 101);
	uint32_t header, crc;

	(void)state;
	net_receive(&net, frame, 101, true);
	net_tell(&net);
	assert_int_equal(completed(), 0); /* it shows by its place in the ring */
	assert_int_equal(written(), takes(101));
	memcpy(&header, ring(0), 4);
	assert_int_equal(header, 105u << 16 | 0x4001);
	assert_memory_equal(ring(4), frame, 101);
	memcpy(&crc, ring(105), 4);
	assert_int_equal(crc, (uint32_t)crc32(0, frame, 101));
	/* Short ones are as long as the shortest on a wire. */
	net_receive(&net, frame_to(all, 42), 42, true);
	memcpy(&header, ring(takes(101)), 4);
	assert_int_equal(header, 64u << 16 | 0x2001);
	assert_int_equal(ring(takes(101) + 4)[41], (uint8_t)(41 * 7));
	assert_int_equal(ring(takes(101) + 4)[42], 0);
	assert_int_equal(written(), takes(101) + takes(60));
}

static bool arrives(const uint8_t *address, uint32_t config)
{
	uint32_t before = written();

	nic()->receive_config = config;
	nic()->read_at = before - 16; /* all was read */
	net_receive(&net, frame_to(address, 60), 60, false);
	return written() != before;
}

static void the_filter_lets_in_what_was_asked_for(void **state)
{
	static const uint8_t other[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x57};
	/* All hosts (IP), and two whose bits in the hash are known. */
	static const uint8_t groups[][NET_MAC_BYTES] = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01},
	                                                {0x33, 0x33, 0x00, 0x00, 0x00, 0x01},
	                                                {0x33, 0x33, 0xff, 0x12, 0x34, 0x56}};

	(void)state;
	assert_false(arrives(mine, 0));
	assert_true(arrives(mine, RTL8139_RCR_MINE));
	assert_true(arrives(mine, RTL8139_RCR_ALL));
	assert_false(arrives(other, RTL8139_RCR_MINE | RTL8139_RCR_BROADCAST));
	assert_true(arrives(other, RTL8139_RCR_ALL));
	assert_false(arrives(all, RTL8139_RCR_MINE | RTL8139_RCR_ALL | RTL8139_RCR_MULTICAST));
	assert_true(arrives(all, RTL8139_RCR_BROADCAST));
	for (unsigned i = 0; i < 3; i++) {
		uint32_t crc = UINT32_MAX;
		unsigned bit;

		/* Bit by bit, most significant first, as the data sheet has it. */
		for (unsigned byte = 0; byte < NET_MAC_BYTES; byte++)
			for (unsigned b = 0; b < 8; b++)
				crc = crc << 1 ^
				      ((crc >> 31 ^ (groups[i][byte] >> b & 1)) ? 0x04c11db7 : 0);
		bit = crc >> 26;
		nic()->group[0] = nic()->group[1] = UINT32_MAX;
		nic()->group[bit / 32] &= ~(1u << bit % 32);
		assert_false(arrives(groups[i], RTL8139_RCR_MULTICAST));
		nic()->group[0] = nic()->group[1] = 0;
		nic()->group[bit / 32] |= 1u << bit % 32;
		assert_true(arrives(groups[i], RTL8139_RCR_MULTICAST));
		assert_false(arrives(groups[i], RTL8139_RCR_ALL | RTL8139_RCR_BROADCAST));
	}
}

/* The driver reads what is in the ring, up to where it was written. */
static void read_all(void)
{
	nic()->read_at = (written() - 16) & 0xffff;
}

static void fill_to(uint32_t at)
{
	while (written() < at) {
		net_receive(&net, frame_to(mine, 1000), 1000, false);
		read_all();
	}
}

static void the_ring_wraps(void **state)
{
	const uint8_t *frame;
	uint32_t at, first;

	(void)state;
	fill_to(SIZE - 1008);
	at = written();
	frame = frame_to(mine, 1400);
	memset(backend.memory.base + RING + SIZE, 0xee, 2048);
	net_receive(&net, frame, 1400, false);
	first = SIZE - at - 4;
	assert_memory_equal(ring(at + 4), frame, first);
	assert_memory_equal(ring(0), frame + first, 1400 - first);
	assert_int_equal(ring(SIZE)[0], 0xee);
	assert_int_equal(written(), at + takes(1400) - SIZE);
}

static void or_goes_on_behind_its_end(void **state)
{
	const uint8_t *frame;
	uint32_t at;

	(void)state;
	nic()->receive_config |= RTL8139_RCR_NO_WRAP;
	fill_to(SIZE - 1008);
	at = written();
	memset(backend.memory.base + RING, 0xee, 64);
	frame = frame_to(mine, 1400);
	net_receive(&net, frame, 1400, false);
	assert_memory_equal(ring(at + 4), frame, 1400);
	assert_int_equal(ring(0)[0], 0xee);
	assert_int_equal(written(), at + takes(1400) - SIZE);
}

static void frames_wait_for_room_in_order(void **state)
{
	uint32_t header, first;
	unsigned n = 0;

	(void)state;
	while (net_has_room(&net))
		net_receive(&net, frame_to(mine, 1000 + n), 1000 + n, false), n++;
	assert_int_equal(n, SIZE / takes(1000) + 1);
	assert_int_equal(nic()->wants_room, 1);
	/* Never quite full: that would look like empty. */
	assert_true(written() && written() < SIZE);
	net_receive(&net, frame_to(mine, 500), 500, false); /* fits, but is behind the other */
	/* The driver takes one; that makes room for one. */
	first = written();
	nic()->read_at = takes(1000) - 16;
	nic()->wants_room = 0;
	net_rung(&backend, RTL8139_BELL_ROOM);
	assert_int_equal(written(), (first + takes(1000 + n - 1)) % SIZE);
	assert_false(net_has_room(&net));
	read_all();
	net_rung(&backend, RTL8139_BELL_ROOM);
	assert_true(net_has_room(&net));
	memcpy(&header, ring((written() - takes(500)) % SIZE), 4);
	assert_int_equal(header >> 16, 504);
}

/* Eight such frames are the ring's size: the last would make it look empty. */
static void the_ring_is_never_full(void **state)
{
	(void)state;
	assert_int_equal(8 * takes(1016), SIZE);
	for (unsigned i = 0; i < 8; i++)
		net_receive(&net, frame_to(mine, 1016), 1016, false);
	assert_int_equal(written(), 7 * takes(1016));
	assert_false(net_has_room(&net));
	nic()->read_at = takes(1016) - 16;
	net_rung(&backend, RTL8139_BELL_ROOM);
	assert_int_equal(written(), 0);
	assert_true(net_has_room(&net));
}

static void too_many_are_lost_and_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		net_receive(&net, frame_to(mine, 1500), 1500, false);
	net_tell(&net);
	assert_true(net.waiting_bytes <= 4u << 20);
	assert_int_equal(completed(), RTL8139_INT_OVERFLOW);
	assert_true(nic()->missed > 7000 && nic()->missed < 7500);
}

static void a_ring_elsewhere_is_an_error(void **state)
{
	static const uint32_t bad[] = {MEMORY - 4, MEMORY, UINT32_MAX, UINT32_MAX - SIZE,
	                               0xfffffff0};

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		nic()->ring = bad[i];
		net_receive(&net, frame_to(mine, 300), 300, false);
		net_tell(&net);
		assert_int_equal(completed(), RTL8139_INT_SYSTEM_ERROR);
		assert_int_equal(written(), 0);
	}
	assert_true(net_has_room(&net));
}

static void positions_of_no_sense_stay_in_the_ring(void **state)
{
	static const uint32_t positions[] = {UINT32_MAX, 0x80000000u, 0x12345677u, 3};
	uint8_t before[256];

	(void)state;
	memset(backend.memory.base, 0xcc, MEMORY);
	memset(before, 0xcc, sizeof before);
	for (unsigned i = 0; i < 400; i++) {
		nic()->read_at = positions[i % 4] * i;
		nic()->written_to = positions[i % 3]; /* it goes by its own */
		net_receive(&net, frame_to(mine, 60 + i), 60 + i, false);
		net_rung(&backend, RTL8139_BELL_ROOM);
	}
	assert_memory_equal(backend.memory.base + RING - sizeof before, before, sizeof before);
	assert_memory_equal(backend.memory.base + RING + SIZE, before, sizeof before);
}

static void nothing_comes_while_it_is_off(void **state)
{
	(void)state;
	nic()->command = RTL8139_CR_TRANSMIT;
	net_receive(&net, frame_to(mine, 100), 100, false);
	assert_int_equal(written(), 0);
	assert_true(net_has_room(&net));
}

static void the_guest_is_kicked_only_for_what_it_has_not_seen(void **state)
{
	(void)state;
	machine->halted = 0;
	net_receive(&net, frame_to(mine, 100), 100, false);
	net_tell(&net);
	assert_int_equal(machine->inbox & INBOX_DEVICE, 0); /* masked */
	nic()->mask = RTL8139_INT_RECEIVED;
	nic()->status = RTL8139_INT_RECEIVED;
	net_receive(&net, frame_to(mine, 100), 100, false);
	net_tell(&net);
	assert_int_equal(machine->inbox & INBOX_DEVICE, 0); /* it is there already */
	nic()->status = 0;
	net_receive(&net, frame_to(mine, 100), 100, false);
	net_tell(&net);
	assert_int_equal(machine->inbox & INBOX_DEVICE, INBOX_DEVICE);
	assert_int_equal(machine->doorbell, DOORBELL_DEVICE);
	/* A virtual CPU that is about to look need not be kicked. */
	machine->inbox = machine->doorbell = 0;
	machine->attentive = 1;
	nic()->status = 0;
	net_receive(&net, frame_to(mine, 100), 100, false);
	net_tell(&net);
	machine->attentive = 0;
	assert_int_equal(machine->inbox, INBOX_DEVICE);
	assert_int_equal(machine->doorbell, 0);
}

/* ---- from the guest ---- */

static void start(unsigned i, uint32_t pa, uint32_t n)
{
	nic()->transmit_address[i] = pa;
	nic()->transmit_status[i] = n;
}

static void descriptors_go_in_turn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		uint8_t *at = backend.memory.base + BUFFER + i % 4 * 0x800;

		memcpy(at, frame_to(all, 100 + i), 100 + i);
		start(i % 4, BUFFER + i % 4 * 0x800, 0x00080000 | (100 + i));
		net_rung(&backend, RTL8139_BELL_TRANSMIT);
		assert_int_equal(sents, i + 1);
		assert_int_equal(sent_bytes, 100 + i);
		assert_memory_equal(sent, at, 100 + i);
		assert_int_equal(nic()->transmit_status[i % 4], 0x0008a000 | (100 + i));
		assert_int_equal(completed(), RTL8139_INT_TRANSMITTED);
	}
	/* Out of turn: it waits for those before it. */
	start(0, BUFFER, 60);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 10);
	start(2, BUFFER, 60);
	start(3, BUFFER, 60);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 13);
	assert_int_equal(nic()->transmit_next, 1);
}

static void what_cannot_be_fetched_is_aborted(void **state)
{
	(void)state;
	start(0, MEMORY - 50, 100);
	start(1, UINT32_MAX - 50, 100);
	start(2, BUFFER, 1793);
	start(3, BUFFER, 1792);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 1);
	assert_int_equal(nic()->transmit_status[0], RTL8139_TSD_OWN | RTL8139_TSD_ABORTED | 100);
	assert_int_equal(nic()->transmit_status[1], RTL8139_TSD_OWN | RTL8139_TSD_ABORTED | 100);
	assert_int_equal(nic()->transmit_status[2], RTL8139_TSD_OWN | RTL8139_TSD_ABORTED | 1793);
	assert_int_equal(nic()->transmit_status[3], RTL8139_TSD_OWN | RTL8139_TSD_OK | 1792);
	assert_int_equal(completed(),
	                 RTL8139_INT_NOT_SENT | RTL8139_INT_SYSTEM_ERROR | RTL8139_INT_TRANSMITTED);
	/* No frame at all is sent, and is done. */
	start(0, BUFFER, 0);
	start(1, BUFFER, 13);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 1);
	assert_int_equal(completed(), RTL8139_INT_TRANSMITTED);
}

static void a_loop_stays_in_the_card(void **state)
{
	(void)state;
	nic()->transmit_config = RTL8139_TCR_LOOPBACK;
	memcpy(backend.memory.base + BUFFER, frame_to(mine, 200), 200);
	start(0, BUFFER, 200);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 0);
	assert_memory_equal(ring(4), frame_to(mine, 200), 200);
	assert_int_equal(completed(), RTL8139_INT_TRANSMITTED);
}

/* ---- afresh ---- */

static void a_reset_forgets_both_rings(void **state)
{
	(void)state;
	while (net_has_room(&net))
		net_receive(&net, frame_to(mine, 1000), 1000, false);
	start(0, BUFFER, 60);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	start(1, BUFFER, 60);
	/* As the cell does it, and waits. */
	nic()->command = 0;
	for (unsigned i = 0; i < 4; i++)
		nic()->transmit_status[i] = RTL8139_TSD_OWN;
	nic()->transmit_epoch++;
	nic()->receive_epoch++;
	net_settle(&backend);
	assert_true(net_has_room(&net));
	assert_int_equal(completed(), 0);
	assert_int_equal(written(), 0);
	assert_int_equal(nic()->transmit_next, 0);
	assert_int_equal(nic()->transmit_status[0], RTL8139_TSD_OWN);
	enable();
	start(0, BUFFER, 60);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 2);
	net_receive(&net, frame_to(mine, 60), 60, false);
	assert_int_equal(written(), takes(60));
}

static void a_restored_one_goes_on_where_it_was(void **state)
{
	(void)state;
	net_receive(&net, frame_to(mine, 60), 60, false);
	start(0, BUFFER, 60);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	start(1, BUFFER, 61);
	memset(&net.rtl8139, 0, sizeof net.rtl8139); /* another process */
	net_start(&net, &backend);
	net_rung(&backend, VIRTIO_BELL_STATUS);
	assert_int_equal(sent_bytes, 61);
	net_receive(&net, frame_to(mine, 60), 60, false);
	assert_int_equal(written(), 2 * takes(60));
}

static void the_cable(void **state)
{
	(void)state;
	plug = 0;
	net_look_at_plug(&net);
	assert_int_equal(completed(), RTL8139_INT_LINK);
	assert_int_equal(nic()->link, 0);
	net_look_at_plug(&net);
	assert_int_equal(completed(), 0);
	net_receive(&net, frame_to(mine, 60), 60, false);
	assert_int_equal(written(), 0);
	start(0, BUFFER, 60);
	net_rung(&backend, RTL8139_BELL_TRANSMIT);
	assert_int_equal(sents, 0);
	assert_int_equal(completed(), RTL8139_INT_TRANSMITTED);
	plug = 1;
	net_look_at_plug(&net);
	assert_int_equal(completed(), RTL8139_INT_LINK);
	assert_int_equal(nic()->link, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(a_frame_is_in_the_ring_with_header_and_checksum),
	    TEST(the_filter_lets_in_what_was_asked_for),
	    TEST(the_ring_wraps),
	    TEST(or_goes_on_behind_its_end),
	    TEST(frames_wait_for_room_in_order),
	    TEST(the_ring_is_never_full),
	    TEST(too_many_are_lost_and_counted),
	    TEST(a_ring_elsewhere_is_an_error),
	    TEST(positions_of_no_sense_stay_in_the_ring),
	    TEST(nothing_comes_while_it_is_off),
	    TEST(the_guest_is_kicked_only_for_what_it_has_not_seen),
	    TEST(descriptors_go_in_turn),
	    TEST(what_cannot_be_fetched_is_aborted),
	    TEST(a_loop_stays_in_the_card),
	    TEST(a_reset_forgets_both_rings),
	    TEST(a_restored_one_goes_on_where_it_was),
	    TEST(the_cable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
