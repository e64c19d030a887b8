// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames of a virtio network device: what is put in that a driver left out, and buffers of all
 * sizes. */
#include "backends/net.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY (1u << 20)
#define TABLE  0x1000u
#define DRIVER 0x3000u
#define DEVICE 0x4000u
#define DATA   0x10000u
#define SIZE   64u

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
	if (!net_frame_complete(frame, bytes, h))
		return;
	memcpy(sent, frame, bytes);
	sent_bytes = bytes;
	sents++;
}

/* ---- a driver with a queue of buffers ---- */

static struct vring_desc *descriptor(unsigned i)
{
	return (struct vring_desc *)(backend.memory.base + TABLE) + i;
}

static struct vring_avail *driver_ring(void)
{
	return (struct vring_avail *)(backend.memory.base + DRIVER);
}

static struct vring_used *device_ring(void)
{
	return (struct vring_used *)(backend.memory.base + DEVICE);
}

/* Where buffer i lies: far from the next. */
static uint8_t *buffer(unsigned i)
{
	return backend.memory.base + DATA + i * 0x2000;
}

static void offer(unsigned i, uint32_t bytes)
{
	*descriptor(i) = (struct vring_desc){DATA + i * 0x2000, bytes, VRING_DESC_F_WRITE, 0};
	driver_ring()->ring[driver_ring()->idx % SIZE] = (uint16_t)i;
	driver_ring()->idx++;
}

static void open_device(uint64_t features, uint16_t mtu)
{
	static const struct virtio_queue good = {
	    .descriptors = TABLE, .driver = DRIVER, .device = DEVICE, .size = SIZE, .enabled = 1};

	net.mtu = mtu;
	backend.features = features;
	virtqueue_open(&backend.queue[NET_RECEIVE], &backend.memory, &good, features);
	assert_true(backend.queue[NET_RECEIVE].live);
	net_changed(&backend);
}

static int setup(void **state)
{
	(void)state;
	machine = aligned_alloc(_Alignof(struct machine), sizeof *machine);
	memset(machine, 0, sizeof *machine);
	backend = (struct backend){.own = &net,
	                           .machine = machine,
	                           .device = &machine->platform.virtio.device[0],
	                           .memory = {.base = calloc(1, MEMORY), .size = MEMORY},
	                           .bell_event = 1};
	plug = 1;
	memset(&net, 0, sizeof net);
	net.plug = &plug;
	net.send = peer;
	net_start(&net, &backend);
	sents = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	net_changed(&backend); /* frees what waits */
	free(backend.memory.base);
	free(machine);
	return 0;
}

#define MERGES (1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_F_VERSION_1)

/* A frame of a kind nobody looks into. */
static const uint8_t *plain(size_t n)
{
	static uint8_t frame[NET_FRAME_MAX];

	for (size_t i = 0; i < n; i++)
		frame[i] = (uint8_t)(i * 7 + i / 256);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	return frame;
}

/* ---- to the guest ---- */

static void a_frame_takes_the_buffers_it_needs_at_once(void **state)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame = plain(5000);

	(void)state;
	open_device(MERGES | 1ull << VIRTIO_NET_F_MTU, 9000);
	offer(0, 2000);
	offer(1, 2000);
	net_receive(&net, frame, 5000, true);
	/* Too few: none is used, and none is kept. */
	assert_int_equal(device_ring()->idx, 0);
	assert_false(net_has_room(&net));
	assert_int_equal(backend.queue[NET_RECEIVE].outstanding, 0);
	offer(2, 2000);
	net_serve(&backend, NET_RECEIVE);
	assert_true(net_has_room(&net));
	assert_int_equal(device_ring()->idx, 3);
	assert_int_equal(device_ring()->ring[0].len, 2000);
	assert_int_equal(device_ring()->ring[2].len, 5012 - 4000);
	memcpy(&h, buffer(0), sizeof h);
	assert_int_equal(h.num_buffers, 3);
	assert_int_equal(h.flags, 0);
	assert_memory_equal(buffer(0) + 12, frame, 1988);
	assert_memory_equal(buffer(1), frame + 1988, 2000);
	assert_memory_equal(buffer(2), frame + 3988, 1012);
}

static void frames_keep_their_order_while_they_wait(void **state)
{
	(void)state;
	open_device(MERGES, 1500);
	for (unsigned i = 0; i < 3; i++)
		net_receive(&net, plain(100 + i), 100 + i, false);
	assert_int_equal(device_ring()->idx, 0);
	for (unsigned i = 0; i < 3; i++)
		offer(i, 1526);
	/* One that comes before the driver's notification is looked at is behind them. */
	offer(3, 1526);
	net_receive(&net, plain(200), 200, false);
	net_serve(&backend, NET_RECEIVE);
	assert_int_equal(device_ring()->idx, 4);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(device_ring()->ring[i].len, 112 + i);
	assert_int_equal(device_ring()->ring[3].len, 212);
}

static void what_waits_is_bounded(void **state)
{
	unsigned n = 0;

	(void)state;
	open_device(MERGES, 1500);
	for (unsigned i = 0; i < 10000; i++)
		net_receive(&net, plain(1500), 1500, false);
	assert_true(net.waiting_bytes <= 4u << 20);
	for (unsigned i = 0; i < 10000 && !net_has_room(&net); i++, n++) {
		offer(i % SIZE, 1526);
		net_serve(&backend, NET_RECEIVE);
	}
	assert_true(n > 2000 && n < 3000);
	assert_int_equal(net.waiting_bytes, 0);
}

static void without_merging_a_frame_has_one_buffer(void **state)
{
	(void)state;
	open_device(0, 0);
	offer(0, 1000);
	offer(1, 1000);
	net_receive(&net, plain(1200), 1200, false);
	assert_int_equal(device_ring()->idx, 0);
	assert_true(net_has_room(&net));
	net_receive(&net, plain(990), 990, false);
	assert_int_equal(device_ring()->idx, 1);
	assert_int_equal(device_ring()->ring[0].len, 1000);
	assert_memory_equal(buffer(0) + 10, plain(990), 990);
	assert_false(backend.queue[NET_RECEIVE].broken);
}

static void a_buffer_without_room_for_a_header_breaks_the_queue(void **state)
{
	(void)state;
	open_device(MERGES, 1500);
	offer(0, 11);
	net_receive(&net, plain(100), 100, false);
	assert_true(backend.queue[NET_RECEIVE].broken);
	assert_int_equal(backend.device->broken, 1);
	net_receive(&net, plain(100), 100, false);
	assert_true(net_has_room(&net));
}

static void crumbs_do_not_make_a_buffer(void **state)
{
	(void)state;
	open_device(MERGES, 1500);
	offer(0, 12);
	for (unsigned i = 1; i < SIZE; i++)
		offer(i, 1);
	net_receive(&net, plain(100), 100, false);
	/* More buffers than a frame may take: it is lost, and nothing is used. */
	assert_int_equal(device_ring()->idx, 0);
	net_receive(&net, plain(60), 60, false);
	assert_int_equal(device_ring()->idx, 61);
}

/* UDP over IPv4, 4000 bytes of it, as a socket sends it. */
static const uint8_t *datagram(size_t *n)
{
	static uint8_t frame[4042];
	uint8_t *ip = frame + 14;

	for (unsigned i = 0; i < sizeof frame; i++)
		frame[i] = (uint8_t)(i * 13);
	memcpy(frame + 12, "\x08\x00\x45\x00", 4);
	ip[2] = (sizeof frame - 14) >> 8;
	ip[3] = (sizeof frame - 14) & 255;
	memcpy(ip + 4, "\x12\x34\x40\x00\x40\x11", 6);
	*n = sizeof frame;
	return frame;
}

static uint16_t sum(const uint8_t *bytes, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += i % 2 ? bytes[i] : bytes[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static void a_large_packet_comes_in_parts_to_a_driver_of_small_ones(void **state)
{
	static const uint16_t lengths[] = {1500, 1500, 1068};
	struct virtio_net_hdr_v1 h;
	uint8_t whole[4000 + 28];
	const uint8_t *frame;
	size_t n, at = 20;

	(void)state;
	frame = datagram(&n);
	open_device(MERGES, 9000);
	for (unsigned i = 0; i < 4; i++)
		offer(i, 1600);
	net_receive(&net, frame, n, true);
	assert_int_equal(device_ring()->idx, 3);
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *ip = buffer(i) + 12 + 14;
		unsigned field = (unsigned)ip[6] << 8 | ip[7];

		assert_int_equal(device_ring()->ring[i].len, 12 + 14 + lengths[i]);
		assert_int_equal((ip[2] << 8 | ip[3]), lengths[i]);
		assert_int_equal(sum(ip, 20), 0xffff);
		assert_int_equal(field, (at - 20) / 8 | (i < 2 ? 0x2000 : 0));
		memcpy(whole + at, ip + 20, lengths[i] - 20u);
		at += lengths[i] - 20u;
	}
	assert_int_equal(at, n - 14);
	assert_memory_equal(whole + 20, frame + 34, n - 34);
	open_device(MERGES | 1ull << VIRTIO_NET_F_MTU, 9000);
	net_receive(&net, frame, n, true);
	memcpy(&h, buffer(0), sizeof h);
	assert_int_equal(h.num_buffers, 3); /* whole, in buffers of 1600 bytes */
	assert_memory_equal(buffer(0) + 12, frame, 1588);
}

static void only_a_driver_that_asks_is_told_that_sums_are_right(void **state)
{
	static uint8_t frame[60];
	struct virtio_net_hdr_v1 h;

	(void)state;
	memcpy(frame + 12, "\x08\x00\x45\x00\x00\x2e", 6);
	frame[23] = 6;
	for (unsigned i = 0; i < 4; i++) {
		bool asks = i & 1, whole = i & 2;

		frame[20] = whole ? 0x40 : 0x20;
		device_ring()->idx = driver_ring()->idx = 0;
		open_device(MERGES | (asks ? 1ull << VIRTIO_NET_F_GUEST_CSUM : 0), 1500);
		offer(0, 1600);
		net_receive(&net, frame, sizeof frame, true);
		memcpy(&h, buffer(0), sizeof h);
		assert_int_equal(h.flags, asks && whole ? VIRTIO_NET_HDR_F_DATA_VALID : 0);
	}
}

/* ---- from the guest ---- */

static void transmit(const struct virtio_net_hdr_v1 *h, const uint8_t *frame, size_t n)
{
	static struct chain chain;
	static uint8_t bytes[NET_FRAME_MAX + 12];

	memcpy(bytes, h, 12);
	memcpy(bytes + 12, frame, n);
	chain = (struct chain){.readable = 3, .readable_bytes = 12 + n};
	chain.part[0] = (struct iovec){bytes, 5};
	chain.part[1] = (struct iovec){bytes + 5, 20};
	chain.part[2] = (struct iovec){bytes + 25, 12 + n - 25};
	net_transmit(&net, &chain);
}

static void a_sum_is_put_where_the_driver_says(void **state)
{
	struct virtio_net_hdr_v1 h = {
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
	uint8_t frame[101], pseudo[101];

	(void)state;
	open_device(MERGES, 1500);
	memcpy(frame, plain(sizeof frame), sizeof frame);
	transmit(&h, frame, sizeof frame);
	assert_int_equal(sents, 1);
	/* What was there is the sum of the pseudo header; with that, all sums up to 0xffff. */
	memcpy(pseudo, frame + 50, 2);
	memcpy(pseudo + 2, sent + 34, sizeof frame - 34);
	assert_int_equal(sum(pseudo, 2 + sizeof frame - 34), 0xffff);
	memcpy(sent + 50, frame + 50, 2);
	assert_memory_equal(sent, frame, sizeof frame);
	for (unsigned i = 0; i < 4; i++) {
		static const uint16_t bad[][2] = {{13, 1}, {101, 0}, {60, 40}, {0xffff, 0xffff}};

		h.csum_start = bad[i][0];
		h.csum_offset = bad[i][1];
		transmit(&h, frame, sizeof frame);
	}
	assert_int_equal(sents, 1);
	h.csum_start = 60;
	h.csum_offset = 39;
	transmit(&h, frame, sizeof frame);
	assert_int_equal(sents, 2);
}

static void a_large_segment_is_one_right_packet(void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                              .gso_size = 1448,
	                              .csum_start = 34,
	                              .csum_offset = 16};
	static uint8_t frame[40001], pseudo[40001];
	size_t tcp = sizeof frame - 34;

	(void)state;
	open_device(MERGES, 1500);
	memcpy(frame, plain(sizeof frame), sizeof frame);
	memcpy(frame + 12, "\x08\x00\x45\x00\x00\x00", 6);
	frame[23] = 6;
	transmit(&h, frame, sizeof frame);
	assert_int_equal(sents, 1);
	assert_int_equal(sent_bytes, sizeof frame);
	assert_int_equal((sent[16] << 8 | sent[17]), sizeof frame - 14);
	assert_int_equal(sum(sent + 14, 20), 0xffff);
	memcpy(pseudo, sent + 26, 8);
	memcpy(pseudo + 8, (uint8_t[]){0, 6, (uint8_t)(tcp >> 8), (uint8_t)tcp}, 4);
	memcpy(pseudo + 12, sent + 34, tcp);
	assert_int_equal(sum(pseudo, 12 + tcp), 0xffff);
	frame[14] = 0x4f; /* options that end behind what a header may have here */
	transmit(&h, frame, 70);
	frame[14] = 0x45;
	frame[23] = 17;
	transmit(&h, frame, sizeof frame);
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	frame[23] = 6;
	transmit(&h, frame, sizeof frame);
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	transmit(&h, frame, sizeof frame);
	assert_int_equal(sents, 1);
}

static void an_unplugged_device_moves_nothing(void **state)
{
	const struct virtio_net_hdr_v1 h = {0};
	uint8_t *status = backend.device->config + 6;

	(void)state;
	open_device(MERGES, 1500);
	*status = VIRTIO_NET_S_LINK_UP;
	offer(0, 1600);
	plug = 0;
	net_look_at_plug(&net);
	assert_int_equal(*status, 0);
	assert_int_equal(backend.device->completed, VIRTIO_CONFIG_CHANGED);
	net_receive(&net, plain(100), 100, false);
	transmit(&h, plain(100), 100);
	assert_int_equal(device_ring()->idx, 0);
	assert_int_equal(sents, 0);
	plug = 1;
	net_look_at_plug(&net);
	assert_int_equal(*status, VIRTIO_NET_S_LINK_UP);
	net_receive(&net, plain(100), 100, false);
	transmit(&h, plain(100), 100);
	assert_int_equal(device_ring()->idx, 1);
	assert_int_equal(sents, 1);
}

static void frames_too_short_or_too_long_are_dropped(void **state)
{
	const struct virtio_net_hdr_v1 h = {0};

	(void)state;
	open_device(MERGES, 1500);
	transmit(&h, plain(100), 14);
	assert_int_equal(sents, 1);
	transmit(&h, plain(100), 13);
	transmit(&h, plain(NET_FRAME_MAX), NET_FRAME_MAX);
	assert_int_equal(sents, 2);
	net_transmit(&net, &(struct chain){.readable_bytes = UINT32_MAX});
	net_transmit(&net, &(struct chain){.readable_bytes = 5});
	assert_int_equal(sents, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_frame_takes_the_buffers_it_needs_at_once),
	    TEST(frames_keep_their_order_while_they_wait),
	    TEST(what_waits_is_bounded),
	    TEST(without_merging_a_frame_has_one_buffer),
	    TEST(a_buffer_without_room_for_a_header_breaks_the_queue),
	    TEST(crumbs_do_not_make_a_buffer),
	    TEST(a_large_packet_comes_in_parts_to_a_driver_of_small_ones),
	    TEST(only_a_driver_that_asks_is_told_that_sums_are_right),
	    TEST(a_sum_is_put_where_the_driver_says),
	    TEST(a_large_segment_is_one_right_packet),
	    TEST(an_unplugged_device_moves_nothing),
	    TEST(frames_too_short_or_too_long_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
