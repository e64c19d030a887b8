// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests to a virtio disk, carried out on files: every type, every error, and copy on write. */
#include "backends/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DISK   (64u * 1024)
#define SECTOR DISK_SECTOR

static char path[64];
static struct disk disk;
static uint8_t data[DISK];

static int setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/ring1-blk.XXXXXX");
	fd = mkstemp(path);
	for (unsigned i = 0; i < DISK; i++)
		data[i] = (uint8_t)(i / SECTOR + 1);
	if (fd < 0 || write(fd, data, DISK) != DISK)
		return -1;
	close(fd);
	disk = (struct disk){.fd = -1, .overlay = -1};
	strcpy(disk.path, path);
	strcpy(disk.serial, "twenty characters...");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_close(&disk);
	unlink(path);
	return 0;
}

static void open_disk(bool read_only, bool cow)
{
	char why[200] = "";

	disk.read_only = read_only;
	disk.cow = cow;
	if (!disk_open(&disk, why, sizeof why))
		fail_msg("%s", why);
}

/* What the file holds, whoever opened it. */
static uint8_t in_file(uint64_t offset)
{
	uint8_t byte = 0;
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
	return byte;
}

/* A request with its header, n bytes of data in two parts, and its status. Returns the status. */
static int request_of(uint32_t type, uint64_t sector, void *bytes, size_t n, unsigned header_bytes,
                      uint32_t *written)
{
	static struct chain chain;
	struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	bool reads = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	uint8_t status = 0xee;
	size_t first = n / 3;
	unsigned at = 0;
	int error;

	chain.head = 0;
	chain.part[at++] = (struct iovec){&header, header_bytes};
	if (first)
		chain.part[at++] = (struct iovec){bytes, first};
	if (n)
		chain.part[at++] = (struct iovec){(uint8_t *)bytes + first, n - first};
	chain.part[at++] = (struct iovec){&status, 1};
	chain.readable = reads ? 1 : at - 1;
	chain.writable = at - chain.readable;
	chain.readable_bytes = header_bytes + (reads ? 0 : n);
	chain.writable_bytes = 1 + (reads ? n : 0);
	error = blk_request(&disk, &chain, false, 0, written);
	return error ? error : status;
}

static int request(uint32_t type, uint64_t sector, void *bytes, size_t n)
{
	uint32_t written;

	return request_of(type, sector, bytes, n, 16, &written);
}

static void reads_and_writes_reach_their_sectors(void **state)
{
	uint8_t bytes[3 * SECTOR];
	uint32_t written;

	(void)state;
	open_disk(false, false);
	assert_int_equal(disk.bytes, DISK);
	assert_int_equal(request_of(VIRTIO_BLK_T_IN, 5, bytes, sizeof bytes, 16, &written), 0);
	assert_int_equal(written, sizeof bytes + 1);
	assert_int_equal(bytes[0], 6);
	assert_int_equal(bytes[3 * SECTOR - 1], 8);
	memset(bytes, 0x77, sizeof bytes);
	assert_int_equal(request_of(VIRTIO_BLK_T_OUT, 125, bytes, sizeof bytes, 16, &written), 0);
	assert_int_equal(written, 1);
	assert_int_equal(in_file(125 * SECTOR - 1), 125);
	assert_int_equal(in_file(125 * SECTOR), 0x77);
	assert_int_equal(in_file(DISK - 1), 0x77);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 0);
}

static void what_lies_outside_is_an_error(void **state)
{
	uint8_t bytes[2 * SECTOR] = {0};

	(void)state;
	open_disk(false, false);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 127, bytes, SECTOR), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 127, bytes, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 128, bytes, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 128, bytes, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, UINT64_MAX, bytes, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 1ull << 55, bytes, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, bytes, 100), VIRTIO_BLK_S_IOERR);
	assert_int_equal(in_file(0), 1);
	assert_int_equal(request(99, 0, bytes, SECTOR), VIRTIO_BLK_S_UNSUPP);
}

static void nothing_is_written_to_a_read_only_disk(void **state)
{
	struct virtio_blk_discard_write_zeroes range = {.sector = 0, .num_sectors = 1};
	uint8_t bytes[SECTOR] = {0};

	(void)state;
	open_disk(true, false);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, bytes, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, sizeof range),
	                 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, &range, sizeof range),
	                 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, bytes, SECTOR), 0);
	assert_int_equal(in_file(0), 1);
}

static void chain_without_header_is_no_request(void **state)
{
	uint32_t written;

	(void)state;
	open_disk(false, false);
	assert_int_equal(request_of(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 15, &written), -EINVAL);
}

static void serial_is_cut_to_the_room_there_is(void **state)
{
	char id[32];
	uint32_t written;

	(void)state;
	open_disk(false, false);
	memset(id, 'x', sizeof id);
	assert_int_equal(request_of(VIRTIO_BLK_T_GET_ID, 0, id, 20, 16, &written), 0);
	assert_memory_equal(id, "twenty characters...x", 21);
	assert_int_equal(written, 21);
	strcpy(disk.serial, "s");
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, id, 5), 0);
	assert_memory_equal(id, "s\0\0\0\0y ", 7);
}

static void ranges_are_zeroed_and_discarded(void **state)
{
	struct virtio_blk_discard_write_zeroes range = {.sector = 9, .num_sectors = 20};
	uint8_t bytes[22 * SECTOR];

	(void)state;
	open_disk(false, false);
	for (unsigned unmap = 0; unmap < 2; unmap++) {
		range.sector += 40 * unmap;
		range.flags = unmap;
		assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, sizeof range), 0);
		assert_int_equal(request(VIRTIO_BLK_T_IN, range.sector - 1, bytes, sizeof bytes),
		                 0);
		assert_int_equal(bytes[SECTOR - 1], (uint8_t)range.sector);
		for (unsigned i = SECTOR; i < 21 * SECTOR; i++)
			assert_int_equal(bytes[i], 0);
		assert_int_equal(bytes[21 * SECTOR], (uint8_t)(range.sector + 21));
	}
	range.flags = 0;
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, &range, sizeof range), 0);
	/* what is refused */
	range.flags = 1;
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, &range, sizeof range),
	                 VIRTIO_BLK_S_UNSUPP);
	range.flags = 2;
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, sizeof range),
	                 VIRTIO_BLK_S_UNSUPP);
	range = (struct virtio_blk_discard_write_zeroes){.sector = 120, .num_sectors = 9};
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, sizeof range),
	                 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, &range, sizeof range - 1),
	                 VIRTIO_BLK_S_IOERR);
	assert_int_equal(in_file(DISK - 1), 128);
}

static void image_that_became_shorter_is_an_error(void **state)
{
	uint8_t bytes[2 * SECTOR];

	(void)state;
	open_disk(false, false);
	assert_int_equal(truncate(path, 10 * SECTOR), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 9, bytes, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 9, bytes, SECTOR), 0);
}

/* Against a plain array, with writes, zeroing and reads of all sizes and places. */
static void copy_on_write_reads_what_was_written(void **state)
{
	static uint8_t model[DISK], bytes[DISK];
	uint32_t random = 12345;

	(void)state;
	open_disk(false, true);
	memcpy(model, data, DISK);
	for (unsigned n = 0; n < 2000; n++) {
		uint64_t from, count;

		random = random * 1664525 + 1013904223;
		from = (random >> 8) % (DISK / SECTOR);
		count = 1 + (random >> 20) % 24;
		if (from + count > DISK / SECTOR)
			count = DISK / SECTOR - from;
		if (random >> 30 == 0) {
			struct virtio_blk_discard_write_zeroes range = {
			    .sector = from, .num_sectors = (uint32_t)count};

			assert_int_equal(
			    request(n & 1 ? VIRTIO_BLK_T_DISCARD : VIRTIO_BLK_T_WRITE_ZEROES, 0,
			            &range, sizeof range),
			    0);
			memset(model + from * SECTOR, 0, count * SECTOR);
		} else if (random >> 30 == 1) {
			memset(bytes, (int)n, count * SECTOR);
			assert_int_equal(request(VIRTIO_BLK_T_OUT, from, bytes, count * SECTOR), 0);
			memset(model + from * SECTOR, (int)n, count * SECTOR);
		} else {
			assert_int_equal(request(VIRTIO_BLK_T_IN, from, bytes, count * SECTOR), 0);
			assert_memory_equal(bytes, model + from * SECTOR, count * SECTOR);
		}
	}
	for (unsigned i = 0; i < DISK; i += SECTOR)
		assert_int_equal(in_file(i), data[i]);
}

static void odd_tail_of_a_base_is_copied(void **state)
{
	uint8_t bytes[SECTOR];

	(void)state;
	assert_int_equal(truncate(path, 9 * SECTOR), 0);
	open_disk(false, true);
	memset(bytes, 0x55, sizeof bytes);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 8, bytes, SECTOR), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 8, bytes, SECTOR), 0);
	assert_int_equal(bytes[SECTOR - 1], 0x55);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 9, bytes, SECTOR), VIRTIO_BLK_S_IOERR);
}

static bool second_open(bool read_only, bool cow)
{
	struct disk other = {.read_only = read_only, .cow = cow, .fd = -1, .overlay = -1};
	char why[200];
	bool opened;

	strcpy(other.path, path);
	opened = disk_open(&other, why, sizeof why);
	if (opened)
		disk_close(&other);
	else
		assert_non_null(strstr(why, "another machine"));
	return opened;
}

static void writers_exclude_everybody(void **state)
{
	(void)state;
	open_disk(false, false);
	assert_false(second_open(false, false));
	assert_false(second_open(true, false));
	assert_false(second_open(false, true));
	disk_close(&disk);
	open_disk(true, false);
	assert_false(second_open(false, false));
	assert_true(second_open(true, false));
	assert_true(second_open(false, true));
	disk_close(&disk);
	assert_true(second_open(false, false));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(reads_and_writes_reach_their_sectors),
	    TEST(what_lies_outside_is_an_error),
	    TEST(nothing_is_written_to_a_read_only_disk),
	    TEST(chain_without_header_is_no_request),
	    TEST(serial_is_cut_to_the_room_there_is),
	    TEST(ranges_are_zeroed_and_discarded),
	    TEST(image_that_became_shorter_is_an_error),
	    TEST(copy_on_write_reads_what_was_written),
	    TEST(odd_tail_of_a_base_is_copied),
	    TEST(writers_exclude_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
