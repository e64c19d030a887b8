// SPDX-License-Identifier: GPL-2.0-or-later
/* Split virtqueues, the device's side: what drivers may do, and what they may not. */
#include "backends/virtqueue.h"

#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY   65536u
#define SIZE     8u
#define TABLE    0x1000u
#define DRIVER   0x2000u
#define DEVICE   0x3000u
#define INDIRECT 0x4000u
#define DATA     0x8000u

#define EVENTS (1ull << VIRTIO_RING_F_EVENT_IDX)
#define NESTED (1ull << VIRTIO_RING_F_INDIRECT_DESC)

static struct guest_memory memory;
static struct virtqueue q;
static struct chain chain;

static struct vring_desc *table(uint32_t pa)
{
	return (struct vring_desc *)(memory.base + pa);
}

static struct vring_avail *driver_ring(void)
{
	return (struct vring_avail *)(memory.base + DRIVER);
}

static struct vring_used *device_ring(void)
{
	return (struct vring_used *)(memory.base + DEVICE);
}

static const struct virtio_queue good = {
    .descriptors = TABLE, .driver = DRIVER, .device = DEVICE, .size = SIZE, .enabled = 1};

static void open_queue(uint64_t features)
{
	virtqueue_open(&q, &memory, &good, features);
	assert_true(q.live);
	assert_false(q.broken);
}

static int setup(void **state)
{
	(void)state;
	memory = (struct guest_memory){.base = calloc(1, MEMORY), .size = MEMORY};
	return memory.base ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(memory.base);
	return 0;
}

static void describe(uint32_t at, unsigned i, uint64_t pa, uint32_t n, unsigned flags,
                     unsigned next)
{
	table(at)[i] = (struct vring_desc){pa, n, (uint16_t)flags, (uint16_t)next};
}

static void offer(uint16_t head)
{
	driver_ring()->ring[driver_ring()->idx % SIZE] = head;
	driver_ring()->idx++;
}

/* ---- what drivers do ---- */

static void chain_has_its_parts_in_order(void **state)
{
	uint8_t bytes[32];
	struct iovec part[4];

	(void)state;
	open_queue(0);
	assert_false(virtqueue_pop(&q, &chain));
	describe(TABLE, 3, DATA, 16, VRING_DESC_F_NEXT, 5);
	describe(TABLE, 5, DATA + 0x100, 8, VRING_DESC_F_NEXT, 1);
	describe(TABLE, 1, DATA + 0x200, 4, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
	describe(TABLE, 0, DATA + 0x300, 1, VRING_DESC_F_WRITE, 0);
	memcpy(memory.base + DATA, "0123456789abcdef", 16);
	memcpy(memory.base + DATA + 0x100, "ghijklmn", 8);
	offer(3);
	assert_true(virtqueue_pop(&q, &chain));
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.readable, 2);
	assert_int_equal(chain.readable_bytes, 24);
	assert_int_equal(chain.writable, 2);
	assert_int_equal(chain.writable_bytes, 5);
	assert_int_equal(chain_read(&chain, 14, bytes, 4), 4);
	assert_memory_equal(bytes, "efgh", 4);
	assert_int_equal(chain_read(&chain, 20, bytes, 32), 4);
	assert_int_equal(chain_read(&chain, 24, bytes, 1), 0);
	assert_int_equal(chain_write(&chain, 3, "XYZ", 3), 2);
	assert_int_equal(memory.base[DATA + 0x203], 'X');
	assert_int_equal(memory.base[DATA + 0x300], 'Y');
	assert_int_equal(chain_slice(&chain, false, 15, 3, part), 2);
	assert_ptr_equal(part[0].iov_base, memory.base + DATA + 15);
	assert_int_equal(part[0].iov_len, 1);
	assert_int_equal(part[1].iov_len, 2);
	assert_int_equal(chain_slice(&chain, false, 15, 10, part), 0);
	assert_false(virtqueue_pop(&q, &chain));
	virtqueue_push(&q, 3, 5);
	assert_int_equal(device_ring()->idx, 1);
	assert_int_equal(device_ring()->ring[0].id, 3);
	assert_int_equal(device_ring()->ring[0].len, 5);
}

static void indirect_table_is_followed(void **state)
{
	(void)state;
	open_queue(NESTED);
	describe(TABLE, 2, INDIRECT, 3 * 16, VRING_DESC_F_INDIRECT, 0);
	describe(INDIRECT, 0, DATA, 16, VRING_DESC_F_NEXT, 2);
	describe(INDIRECT, 2, DATA + 16, 16, VRING_DESC_F_WRITE, 0);
	offer(2);
	assert_true(virtqueue_pop(&q, &chain));
	assert_int_equal(chain.readable + 10 * chain.writable, 11);
}

static void positions_wrap(void **state)
{
	(void)state;
	open_queue(0);
	describe(TABLE, 0, DATA, 1, 0, 0);
	for (unsigned i = 0; i < 70000; i++) {
		offer(0);
		assert_true(virtqueue_pop(&q, &chain));
		assert_false(virtqueue_pop(&q, &chain));
		virtqueue_push(&q, chain.head, 0);
	}
	assert_int_equal(device_ring()->idx, 70000 & 0xffff);
	assert_false(q.broken);
}

static void queue_goes_on_where_it_was(void **state)
{
	struct virtio_queue r = good;

	(void)state;
	describe(TABLE, 0, DATA, 1, 0, 0);
	driver_ring()->idx = 5;
	device_ring()->idx = 4;
	r.next = 4;
	virtqueue_open(&q, &memory, &r, 0);
	assert_true(virtqueue_pop(&q, &chain));
	virtqueue_push(&q, 0, 0);
	assert_int_equal(device_ring()->idx, 5);
	assert_false(virtqueue_pop(&q, &chain));
}

static void chain_can_be_put_back(void **state)
{
	(void)state;
	open_queue(0);
	describe(TABLE, 6, DATA, 1, 0, 0);
	offer(6);
	assert_true(virtqueue_pop(&q, &chain));
	virtqueue_unpop(&q);
	assert_true(virtqueue_pop(&q, &chain));
	assert_int_equal(chain.head, 6);
}

static void flags_suppress_interrupts_and_notifications(void **state)
{
	(void)state;
	open_queue(0);
	describe(TABLE, 0, DATA, 1, 0, 0);
	offer(0);
	virtqueue_hush(&q);
	assert_int_equal(device_ring()->flags, VRING_USED_F_NO_NOTIFY);
	assert_true(virtqueue_listen(&q)); /* there is one */
	assert_int_equal(device_ring()->flags, 0);
	assert_true(virtqueue_pop(&q, &chain));
	assert_false(virtqueue_listen(&q));
	virtqueue_push(&q, 0, 0);
	assert_true(virtqueue_wants_interrupt(&q));
	driver_ring()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_false(virtqueue_wants_interrupt(&q));
}

static void event_indexes_suppress_them(void **state)
{
	uint16_t *used_event, *available_event;

	(void)state;
	open_queue(EVENTS);
	used_event = &driver_ring()->ring[SIZE];
	available_event = (uint16_t *)&device_ring()->ring[SIZE];
	describe(TABLE, 0, DATA, 1, 0, 0);
	driver_ring()->flags = VRING_AVAIL_F_NO_INTERRUPT; /* is not looked at */
	*used_event = 2;
	for (unsigned i = 0; i < 5; i++) {
		offer(0);
		assert_true(virtqueue_pop(&q, &chain));
		virtqueue_push(&q, 0, 0);
		/* the first is told of in any case; then when the index passes the event's */
		assert_int_equal(virtqueue_wants_interrupt(&q), i == 0 || i == 2);
	}
	assert_false(virtqueue_listen(&q));
	assert_int_equal(*available_event, 5);
	virtqueue_hush(&q);
	assert_int_equal(device_ring()->flags, 0);
	/* several at once: one of them passed it */
	*used_event = 6;
	for (unsigned i = 0; i < 3; i++) {
		offer(0);
		assert_true(virtqueue_pop(&q, &chain));
		virtqueue_push(&q, 0, 0);
	}
	assert_true(virtqueue_wants_interrupt(&q));
	assert_false(virtqueue_wants_interrupt(&q));
}

/* ---- what they must not ---- */

static void registers_must_make_sense(void **state)
{
	struct virtio_queue bad[] = {good, good, good, good, good, good, good, good, good, good};

	(void)state;
	bad[0].size = 0;
	bad[1].size = 7;
	bad[2].size = 2048;
	bad[3].descriptors = TABLE + 8;
	bad[4].driver = DRIVER + 1;
	bad[5].device = DEVICE + 2;
	bad[6].descriptors = MEMORY - 16;
	bad[7].driver = MEMORY - 4;
	bad[8].device = MEMORY - 8;
	bad[9].descriptors = UINT64_MAX - 15;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		virtqueue_open(&q, &memory, &bad[i], 0);
		assert_true(q.broken);
		assert_false(q.live);
		assert_false(virtqueue_pop(&q, &chain));
		assert_false(virtqueue_listen(&q));
	}
	bad[0] = good;
	bad[0].enabled = 0;
	virtqueue_open(&q, &memory, &bad[0], 0);
	assert_false(q.live || q.broken);
}

static void breaks(uint64_t features, uint16_t head)
{
	open_queue(features);
	q.next_available = driver_ring()->idx;
	offer(head);
	assert_false(virtqueue_pop(&q, &chain));
	assert_true(q.broken);
	assert_false(virtqueue_pop(&q, &chain));
}

static void chains_must_make_sense(void **state)
{
	(void)state;
	breaks(0, SIZE); /* no such descriptor */
	describe(TABLE, 0, MEMORY - 8, 9, 0, 0);
	breaks(0, 0);
	describe(TABLE, 0, UINT64_MAX, 2, 0, 0);
	breaks(0, 0);
	describe(TABLE, 0, DATA, 0, 0, 0);
	breaks(0, 0);
	describe(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, SIZE);
	breaks(0, 0);
	describe(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 0); /* a ring of one */
	breaks(0, 0);
	describe(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(TABLE, 1, DATA, 1, 0, 0); /* to read behind one to write */
	breaks(0, 0);
}

static void indirect_tables_must_make_sense(void **state)
{
	(void)state;
	describe(INDIRECT, 0, DATA, 1, 0, 0);
	describe(TABLE, 0, INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	breaks(0, 0); /* not negotiated */
	describe(TABLE, 0, INDIRECT, 24, VRING_DESC_F_INDIRECT, 0);
	breaks(NESTED, 0);
	describe(TABLE, 0, INDIRECT, 0, VRING_DESC_F_INDIRECT, 0);
	breaks(NESTED, 0);
	describe(TABLE, 0, MEMORY - 16, 32, VRING_DESC_F_INDIRECT, 0);
	breaks(NESTED, 0);
	describe(TABLE, 0, 0, 16 * (VIRTQUEUE_CHAIN + 1), VRING_DESC_F_INDIRECT, 0);
	breaks(NESTED, 0);
	describe(TABLE, 0, INDIRECT, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	breaks(NESTED, 0);
	describe(TABLE, 0, INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	describe(INDIRECT, 0, INDIRECT, 16, VRING_DESC_F_INDIRECT, 0); /* one in another */
	breaks(NESTED, 0);
	describe(INDIRECT, 0, DATA, 1, VRING_DESC_F_NEXT, 1); /* out of the table */
	breaks(NESTED, 0);
}

static void more_chains_than_descriptors_are_nonsense(void **state)
{
	(void)state;
	open_queue(0);
	describe(TABLE, 0, DATA, 1, 0, 0);
	driver_ring()->idx = SIZE + 1;
	assert_false(virtqueue_pop(&q, &chain));
	assert_true(q.broken);
	/* those that the device has count */
	open_queue(0);
	driver_ring()->idx = SIZE;
	assert_true(virtqueue_pop(&q, &chain));
	driver_ring()->idx++;
	assert_false(virtqueue_pop(&q, &chain));
	assert_true(q.broken);
}

static void ranges_lie_wholly_in_memory(void **state)
{
	(void)state;
	assert_null(guest_range(&memory, 1, MEMORY));
	assert_null(guest_range(&memory, 0, UINT64_MAX));
	assert_ptr_equal(guest_range(&memory, 0, MEMORY), memory.base);
	assert_non_null(guest_range(&memory, MEMORY, 0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(chain_has_its_parts_in_order),
	    TEST(indirect_table_is_followed),
	    TEST(positions_wrap),
	    TEST(queue_goes_on_where_it_was),
	    TEST(chain_can_be_put_back),
	    TEST(flags_suppress_interrupts_and_notifications),
	    TEST(event_indexes_suppress_them),
	    TEST(registers_must_make_sense),
	    TEST(chains_must_make_sense),
	    TEST(indirect_tables_must_make_sense),
	    TEST(more_chains_than_descriptors_are_nonsense),
	    TEST(ranges_lie_wholly_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
