// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk: in a guest a block device, past the guest's page cache; natively the file behind it, by
 * the host's page cache, which is what serves the guests as well. What is left is what a request
 * costs.
 */
#include "workload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *disk_path, *synced_disk_path;

static int disk = -1;
static uint8_t *buffer;
static off_t disk_size, place;
static uint32_t choice = 7;

static bool open_device(const char *path)
{
	struct stat s;
	int direct = !stat(path, &s) && S_ISBLK(s.st_mode) ? O_DIRECT : 0;

	disk = open(path, O_RDWR | direct);
	if (disk < 0)
		return false;
	disk_size = lseek(disk, 0, SEEK_END) & ~(off_t)(MIB - 1);
	need(disk_size > 0, "a disk of a MiB");
	need(!posix_memalign((void **)&buffer, PAGE, MIB), "posix_memalign");
	touch(buffer, MIB / PAGE);
	return true;
}

static bool open_disk(void)
{
	return open_device(disk_path);
}

static bool open_synced_disk(void)
{
	return open_device(synced_disk_path ? synced_disk_path : disk_path);
}

static off_t next_place(void)
{
	off_t at = place;

	place = (place + (off_t)MIB) % disk_size;
	return at;
}

static off_t random_place(void)
{
	return (off_t)(next_random(&choice) % (uint32_t)(disk_size / PAGE)) * PAGE;
}

static void disk_read_1m(unsigned n)
{
	while (n--)
		need(pread(disk, buffer, MIB, next_place()) == MIB, "pread");
}

static void disk_write_1m(unsigned n)
{
	while (n--)
		need(pwrite(disk, buffer, MIB, next_place()) == MIB, "pwrite");
}

static void disk_read_random_4k(unsigned n)
{
	while (n--)
		need(pread(disk, buffer, PAGE, random_place()) == PAGE, "pread");
}

static void disk_write_random_4k(unsigned n)
{
	while (n--)
		need(pwrite(disk, buffer, PAGE, random_place()) == PAGE, "pwrite");
}

/* On the host's disk when it returns. */
static void disk_write_sync_4k(unsigned n)
{
	while (n--) {
		need(pwrite(disk, buffer, PAGE, random_place()) == PAGE, "pwrite");
		need(!fdatasync(disk), "fdatasync");
	}
}

const struct item disk_items[] = {
    {"disk_read_1m", .prepare = open_disk, .run = disk_read_1m},
    {"disk_write_1m", .prepare = open_disk, .run = disk_write_1m},
    {"disk_read_random_4k", .prepare = open_disk, .run = disk_read_random_4k},
    {"disk_write_random_4k", .prepare = open_disk, .run = disk_write_random_4k},
    {"disk_write_sync_4k", .prepare = open_synced_disk, .run = disk_write_sync_4k},
    {0},
};
