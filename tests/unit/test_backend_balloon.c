// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The balloon: which pages of guest memory go back to the host, and which never do, whatever is in
 * the queues.
 */
#include "backends/balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE   4096u
#define PAGES  256u /* of guest memory */
#define MEMORY (PAGES * PAGE)
#define WHOLE  (2 * MEMORY) /* what lies behind guest memory is of the same file */
#define CHUNKS (MEMORY / LAZY_CHUNK)
#define SIZE   8u
#define QUEUES 5u
#define LISTS  0x8000u /* where lists of page numbers are */
#define FIRST  64u     /* pages from here on hold nothing that the queues need */
#define FILLED 0x5a

#define F(name) (1ull << VIRTIO_BALLOON_F_##name)

static struct machine *machine;
static struct balloon balloon;
static struct backend b;
static int ram = -1;
static uint8_t *base; /* of a snapshot */

/* ---- what a driver does ---- */

static struct vring_desc *table(unsigned queue)
{
	return (void *)(b.memory.base + queue * PAGE);
}

static struct vring_avail *available(unsigned queue)
{
	return (void *)(b.memory.base + queue * PAGE + 1024);
}

static struct vring_used *used(unsigned queue)
{
	return (void *)(b.memory.base + queue * PAGE + 2048);
}

static void open_queues(uint64_t features)
{
	b.features = features;
	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtio_queue *r = &b.device->queue[i];

		*r = (struct virtio_queue){.descriptors = i * PAGE,
		                           .driver = i * PAGE + 1024,
		                           .device = i * PAGE + 2048,
		                           .size = SIZE,
		                           .enabled = 1,
		                           .generation = r->generation + 1};
		memset(b.memory.base + i * PAGE, 0, PAGE);
		virtqueue_open(&b.queue[i], &b.memory, r, 0);
		assert_true(b.queue[i].live);
	}
	balloon_ops.changed(&b);
}

static void offer(unsigned queue, unsigned index, uint64_t pa, uint32_t n, uint16_t flags)
{
	struct vring_avail *a = available(queue);

	table(queue)[index] = (struct vring_desc){pa, n, flags, (uint16_t)(index + 1)};
	if (flags & VRING_DESC_F_NEXT)
		return;
	a->ring[a->idx % SIZE] = 0;
	a->idx++;
}

static void send_list(unsigned queue, const uint32_t *pfn, unsigned n)
{
	memcpy(b.memory.base + LISTS, pfn, n * sizeof *pfn);
	offer(queue, 0, LISTS, n * sizeof *pfn, 0);
	balloon_ops.serve(&b, queue);
}

static void report(unsigned queue, uint64_t pa, uint32_t n)
{
	uint16_t before = used(queue)->idx;

	offer(queue, 0, pa, n, VRING_DESC_F_WRITE);
	balloon_ops.serve(&b, queue);
	assert_int_equal(used(queue)->idx, (uint16_t)(before + 1));
}

/* ---- what the host has ---- */

static bool host_has(unsigned page)
{
	off_t at = (off_t)page * PAGE;

	return lseek(ram, at, SEEK_DATA) == at;
}

/* Of the pages from FIRST on, those in [from, to) are gone, and the others hold what they held. */
static void assert_only_gone(unsigned from, unsigned to)
{
	for (unsigned i = FIRST; i < 2 * PAGES; i++) {
		assert_int_equal(host_has(i), !(i >= from && i < to));
		if (host_has(i))
			assert_int_equal(b.memory.base[i * PAGE + 100], FILLED);
	}
}

static bool in_balloon(unsigned page)
{
	return balloon.shared->map[page / 64] >> page % 64 & 1;
}

static void fill(void)
{
	memset(b.memory.base, FILLED, WHOLE);
}

static int setup(void **state)
{
	(void)state;
	machine =
	    mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ram = memfd_create("ram", 0);
	if (machine == MAP_FAILED || ram < 0 || ftruncate(ram, WHOLE))
		return -1;
	balloon = (struct balloon){.shared = calloc(1, sizeof *balloon.shared),
	                           .told = eventfd(0, EFD_NONBLOCK),
	                           .reporting = true};
	b = (struct backend){.ops = &balloon_ops,
	                     .own = &balloon,
	                     .machine = machine,
	                     .device = &machine->platform.virtio.device[0],
	                     .bell_event = -1};
	b.memory.size = MEMORY;
	b.memory.base = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	balloon_describe(&balloon, &b.shown, b.device->config);
	fill();
	return b.memory.base == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	munmap(b.memory.base, WHOLE);
	munmap(machine, sizeof *machine);
	if (base)
		munmap(base, MEMORY);
	base = NULL;
	close(ram);
	close(balloon.told);
	free(balloon.shared);
	return 0;
}

/* ---- inflating and deflating ---- */

static void pages_in_the_balloon_are_the_hosts(void **state)
{
	static const uint32_t up[] = {100, 101, 102}, down[] = {109, 108, 107},
	                      between[] = {103, 106, 104, 105};

	(void)state;
	open_queues(0);
	send_list(0, up, 3);
	assert_only_gone(100, 103);
	send_list(0, down, 3);
	send_list(0, between, 4);
	assert_only_gone(100, 110);
	assert_true(in_balloon(100) && in_balloon(109) && !in_balloon(99) && !in_balloon(110));
	assert_int_equal(used(0)->idx, 3);
	assert_int_equal(used(0)->ring[0].len, 0);
}

static void what_comes_out_is_empty_and_can_be_used(void **state)
{
	static const uint32_t pfn[] = {100, 101};

	(void)state;
	open_queues(0);
	send_list(0, pfn, 2);
	send_list(1, pfn, 1);
	assert_true(!in_balloon(100) && in_balloon(101));
	/* what the driver does with it is not the device's business, before or after */
	for (unsigned i = 0; i < PAGE; i++)
		assert_int_equal(b.memory.base[100 * PAGE + i], 0);
	b.memory.base[100 * PAGE] = 1;
	assert_true(host_has(100));
	send_list(0, pfn, 1);
	assert_false(host_has(100));
}

static void pages_that_are_none_are_nobodys(void **state)
{
	static const uint32_t pfn[] = {PAGES,    PAGES + 1, UINT32_MAX, UINT32_MAX - 1,
	                               1u << 20, PAGES - 1, PAGES,      0x80000000u + 100};

	(void)state;
	open_queues(0);
	send_list(0, pfn, 8);
	assert_only_gone(PAGES - 1, PAGES);
	assert_false(in_balloon(PAGES));
	send_list(1, pfn, 8);
	assert_false(in_balloon(PAGES - 1));
	assert_false(b.queue[0].broken || b.queue[1].broken);
}

static void a_list_in_odd_parts_is_one(void **state)
{
	static const uint32_t pfn[] = {120, 121, 122};

	(void)state;
	open_queues(0);
	memcpy(b.memory.base + LISTS, pfn, sizeof pfn);
	/* 12 bytes and one more, which is no number: 5, 1, 7 */
	offer(0, 0, LISTS, 5, VRING_DESC_F_NEXT);
	offer(0, 1, LISTS + 5, 1, VRING_DESC_F_NEXT);
	offer(0, 2, LISTS + 6, 7, 0);
	balloon_ops.serve(&b, 0);
	assert_only_gone(120, 123);
}

static void a_list_has_an_end(void **state)
{
	(void)state;
	open_queues(0);
	/* All of memory as a list, several times: more numbers than there are pages. */
	for (unsigned i = 0; i < SIZE; i++)
		offer(0, i, FIRST * PAGE, MEMORY - FIRST * PAGE,
		      i + 1 < SIZE ? VRING_DESC_F_NEXT : 0);
	/* They all name one page, and the last one, behind as many as there are pages, another. */
	for (uint32_t i = FIRST * PAGE; i < MEMORY; i += 4)
		memcpy(b.memory.base + i, &(uint32_t){4}, 4);
	memcpy(b.memory.base + MEMORY - 4, &(uint32_t){5}, 4);
	balloon_ops.serve(&b, 0);
	assert_int_equal(used(0)->idx, 1);
	assert_true(in_balloon(4));
	assert_false(in_balloon(5));
}

static void a_driver_that_begins_anew_has_an_empty_balloon(void **state)
{
	static const uint32_t pfn[] = {100};

	(void)state;
	open_queues(0);
	send_list(0, pfn, 1);
	assert_true(in_balloon(100));
	open_queues(0);
	assert_false(in_balloon(100));
}

/* ---- reporting ---- */

static void free_pages_are_the_hosts_by_every_queue_a_driver_may_use(void **state)
{
	(void)state;
	open_queues(F(REPORTING) | F(STATS_VQ));
	report(3, 128 * PAGE, 4 * PAGE);
	assert_only_gone(128, 132);
	assert_int_equal(balloon.shared->reported, 4 * PAGE);
	report(4, 132 * PAGE, PAGE);
	assert_only_gone(128, 133);
	open_queues(F(REPORTING));
	report(2, 133 * PAGE, PAGE);
	assert_only_gone(128, 134);
	assert_false(in_balloon(128));
}

static void parts_of_pages_stay(void **state)
{
	(void)state;
	open_queues(F(REPORTING) | F(STATS_VQ));
	report(3, 128 * PAGE + 1, 3 * PAGE);
	assert_only_gone(129, 131);
	report(3, 140 * PAGE + 1, PAGE);
	report(3, 140 * PAGE, PAGE - 1);
	assert_only_gone(129, 131);
	assert_false(b.queue[3].broken);
}

static void ranges_outside_of_memory_break_the_queue(void **state)
{
	static const struct {
		uint64_t pa;
		uint32_t n;
	} bad[] = {{MEMORY, PAGE},
	           {MEMORY - PAGE, 2 * PAGE},
	           {UINT64_MAX - PAGE + 1, PAGE},
	           {1ull << 40, PAGE},
	           {0, UINT32_MAX}};

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		open_queues(F(REPORTING) | F(STATS_VQ));
		offer(3, 0, bad[i].pa, bad[i].n, VRING_DESC_F_WRITE);
		balloon_ops.serve(&b, 3);
		assert_true(b.queue[3].broken);
		assert_only_gone(0, 0);
	}
}

static void nothing_is_reported_unasked(void **state)
{
	(void)state;
	open_queues(F(STATS_VQ));
	report(3, 128 * PAGE, 4 * PAGE);
	assert_only_gone(0, 0);
	/* nor what the device is to read, which is no page */
	open_queues(F(REPORTING) | F(STATS_VQ));
	offer(3, 0, 128 * PAGE, PAGE, 0);
	balloon_ops.serve(&b, 3);
	assert_only_gone(0, 0);
}

static void pages_that_must_not_hold_zeros_are_left(void **state)
{
	uint8_t *value = b.device->config + offsetof(struct virtio_balloon_config, poison_val);

	(void)state;
	open_queues(F(REPORTING) | F(STATS_VQ) | F(PAGE_POISON));
	memset(value, 0xaa, 4);
	report(3, 128 * PAGE, 4 * PAGE);
	assert_only_gone(0, 0);
	memset(value, 0, 4);
	report(3, 128 * PAGE, 4 * PAGE);
	assert_only_gone(128, 132);
}

/* ---- statistics ---- */

static void give_statistics(const struct virtio_balloon_stat *stat, unsigned n)
{
	memcpy(b.memory.base + LISTS, stat, n * sizeof *stat);
	offer(2, 0, LISTS, n * sizeof *stat, 0);
	balloon_ops.serve(&b, 2);
}

static void statistics_come_when_they_are_asked_for(void **state)
{
	struct virtio_balloon_stat stat[] = {{VIRTIO_BALLOON_S_MEMFREE, 1111},
	                                     {VIRTIO_BALLOON_S_MEMTOT, 2222},
	                                     {77, 3333},
	                                     {UINT16_MAX, 4444}};
	uint64_t count;

	(void)state;
	open_queues(F(STATS_VQ));
	give_statistics(stat, 4);
	assert_int_equal(balloon.shared->known,
	                 1u << VIRTIO_BALLOON_S_MEMFREE | 1u << VIRTIO_BALLOON_S_MEMTOT);
	assert_int_equal(balloon.shared->stat[VIRTIO_BALLOON_S_MEMFREE], 1111);
	/* the buffer stays with the device, and nobody is told of what nobody asked for */
	assert_int_equal(used(2)->idx, 0);
	assert_true(read(balloon.told, &count, sizeof count) < 0);
	balloon.shared->asked++;
	balloon_ops.changed(&b);
	assert_int_equal(used(2)->idx, 1);
	assert_int_not_equal(balloon.shared->answered, balloon.shared->asked);
	/* asked again meanwhile: the same answer does for both */
	balloon.shared->asked++;
	balloon_ops.changed(&b);
	stat[0].val = 5555;
	give_statistics(stat, 1);
	assert_int_equal(balloon.shared->answered, balloon.shared->asked);
	assert_int_equal(balloon.shared->stat[VIRTIO_BALLOON_S_MEMFREE], 5555);
	assert_int_equal(balloon.shared->known, 1u << VIRTIO_BALLOON_S_MEMFREE);
	assert_int_equal(read(balloon.told, &count, sizeof count), sizeof count);
	assert_int_equal(used(2)->idx, 1);
}

static void no_buffer_is_in_hand_at_any_time(void **state)
{
	static const struct virtio_balloon_stat stat = {VIRTIO_BALLOON_S_MEMFREE, 1};

	(void)state;
	open_queues(F(STATS_VQ));
	give_statistics(&stat, 1);
	assert_int_equal(b.queue[2].outstanding, 0);
	assert_int_equal(b.queue[2].next_available, 0);
	/* a second one, which a driver should not have: it waits */
	give_statistics(&stat, 1);
	assert_int_equal(b.queue[2].outstanding, 0);
	assert_int_equal(used(2)->idx, 0);
}

/* ---- the target ---- */

static uint32_t shown_target(void)
{
	uint32_t n;

	memcpy(&n, b.device->config, sizeof n);
	return n;
}

static void the_target_is_told_to_a_driver_that_is_there(void **state)
{
	(void)state;
	open_queues(0);
	balloon.shared->target = 0x12345;
	balloon_ops.changed(&b);
	assert_int_equal(shown_target(), 0x12345);
	assert_int_equal(b.device->completed, 0);
	b.device->status = VIRTIO_CONFIG_S_DRIVER_OK;
	balloon_ops.changed(&b);
	assert_int_equal(b.device->completed, 0);
	balloon.shared->target = 7;
	balloon_ops.changed(&b);
	assert_int_equal(shown_target(), 7);
	assert_int_equal(b.device->completed, VIRTIO_CONFIG_CHANGED);
}

static void a_snapshot_keeps_the_target(void **state)
{
	uint8_t saved[64];
	size_t n;

	(void)state;
	open_queues(0);
	balloon.shared->target = 17;
	n = balloon_ops.save(&b, saved, sizeof saved);
	assert_true(n <= sizeof saved);
	balloon.shared->target = 0;
	assert_true(balloon_ops.load(&b, saved, n));
	assert_int_equal(balloon.shared->target, 17);
	assert_false(balloon_ops.load(&b, saved, n - 1));
	assert_int_equal(balloon_ops.save(&b, saved, 1), SIZE_MAX);
	memcpy(saved, &(uint32_t){PAGES + 1}, 4);
	assert_false(balloon_ops.load(&b, saved, n));
}

/* ---- a machine that was restored ---- */

static void what_is_given_back_does_not_return_from_the_file(void **state)
{
	static const uint32_t pfn[] = {160, 161};

	(void)state;
	base = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(base, 0x77, MEMORY);
	open_queues(F(REPORTING) | F(STATS_VQ));
	/* Pages 160.. and 176.. are in the file yet, and the host has nothing of them. */
	machine->lazy_chunk[10] = machine->lazy_chunk[11] = 0xffff;
	madvise(b.memory.base + 160 * PAGE, 32 * PAGE, MADV_REMOVE);
	b.memory.lazy = (struct lazy_memory){b.memory.base, MEMORY, base, machine->lazy_chunk};
	for (unsigned i = 0; i < QUEUES; i++)
		b.queue[i].memory.lazy = b.memory.lazy;
	/* None of it is worth reading the file for. */
	mprotect(base + 160 * PAGE, 2 * PAGE, PROT_NONE);
	mprotect(base + 176 * PAGE, 16 * PAGE, PROT_NONE);
	send_list(0, pfn, 2);
	assert_int_equal(machine->lazy_chunk[10], 0xfffc);
	report(3, 176 * PAGE, 16 * PAGE);
	assert_int_equal(machine->lazy_chunk[11], 0);
	for (unsigned i = 160; i < 192; i++)
		assert_false(host_has(i));
	assert_true(lazy_memory_need(&b.memory.lazy, 160 * PAGE, 32 * PAGE));
	assert_int_equal(b.memory.base[161 * PAGE], 0);
	assert_int_equal(b.memory.base[162 * PAGE], 0x77);
	assert_int_equal(b.memory.base[176 * PAGE], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(pages_in_the_balloon_are_the_hosts),
	    TEST(what_comes_out_is_empty_and_can_be_used),
	    TEST(pages_that_are_none_are_nobodys),
	    TEST(a_list_in_odd_parts_is_one),
	    TEST(a_list_has_an_end),
	    TEST(a_driver_that_begins_anew_has_an_empty_balloon),
	    TEST(free_pages_are_the_hosts_by_every_queue_a_driver_may_use),
	    TEST(parts_of_pages_stay),
	    TEST(ranges_outside_of_memory_break_the_queue),
	    TEST(nothing_is_reported_unasked),
	    TEST(pages_that_must_not_hold_zeros_are_left),
	    TEST(statistics_come_when_they_are_asked_for),
	    TEST(no_buffer_is_in_hand_at_any_time),
	    TEST(the_target_is_told_to_a_driver_that_is_there),
	    TEST(a_snapshot_keeps_the_target),
	    TEST(what_is_given_back_does_not_return_from_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
