// SPDX-License-Identifier: GPL-2.0-or-later
//
// 100 MiB written, copied and compared in a file system in memory.

#include "selftest.h"

#include <fcntl.h>
#include <sys/vfs.h>

enum { MIB = 100, BLOCK = 65536, BLOCKS = MIB * (1 << 20) / BLOCK };

static int temporary_file(void)
{
	char name[] = "/tmp/selftest-copy-XXXXXX";
	int fd = mkstemp(name);

	require(fd >= 0);
	unlink(name);
	return fd;
}

static uint64_t mix(uint64_t sum, const uint32_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sum = (sum ^ words[i]) * 0x100000001b3u;
	return sum;
}

static void require_memory(unsigned mib)
{
	if (meminfo_mib("MemAvailable") < mib)
		skip("less than %u MiB of memory are free", mib);
}

static void require_room(unsigned mib)
{
	struct statfs status;

	require(statfs("/tmp", &status) == 0);
	if ((uint64_t)status.f_bavail * (uint64_t)status.f_bsize >> 20 < mib + 16)
		skip("/tmp has no room for %u MiB", mib);
	require_memory(mib + 48);
}

static uint64_t write_random(int fd)
{
	static uint32_t block[BLOCK / 4];
	uint32_t seed = 20060313;
	uint64_t sum = 0;

	for (int i = 0; i < BLOCKS; i++) {
		for (size_t word = 0; word < COUNT(block); word++)
			block[word] = next_random(&seed);
		sum = mix(sum, block, COUNT(block));
		require(write(fd, block, BLOCK) == BLOCK);
	}
	return sum;
}

static void copy(int from, int to)
{
	static uint32_t block[BLOCK / 4];

	require(lseek(from, 0, SEEK_SET) == 0);
	for (int i = 0; i < BLOCKS; i++) {
		require(read(from, block, BLOCK) == BLOCK);
		require(write(to, block, BLOCK) == BLOCK);
	}
}

static uint64_t sum_by_mapping(int fd)
{
	const uint32_t *words = mmap(NULL, MIB << 20, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t sum;

	require(words != MAP_FAILED);
	sum = mix(0, words, (MIB << 20) / 4);
	munmap((void *)words, MIB << 20);
	return sum;
}

static uint64_t sum_by_reading(int fd)
{
	static uint32_t block[BLOCK / 4];
	uint64_t sum = 0;

	require(lseek(fd, 0, SEEK_SET) == 0);
	for (int i = 0; i < BLOCKS; i++) {
		require(read(fd, block, BLOCK) == BLOCK);
		sum = mix(sum, block, COUNT(block));
	}
	return sum;
}

static void copies(void)
{
	int original = temporary_file(), duplicate = temporary_file();
	uint64_t sum;

	require_room(2 * MIB);
	sum = write_random(original);
	copy(original, duplicate);
	expect_equal(sum_by_reading(original), sum);
	expect_equal(sum_by_reading(duplicate), sum);
	expect_equal(sum_by_mapping(duplicate), sum);
}

static void in_memory(void)
{
	size_t size = 32u << 20;
	uint32_t *from, *to, seed = 1;
	uint64_t sum;

	require_memory(2 * 32 + 8);
	from = malloc(size), to = malloc(size);
	require(from && to);
	for (size_t i = 0; i < size / 4; i++)
		from[i] = next_random(&seed);
	sum = mix(0, from, size / 4);
	for (int i = 0; i < 4; i++) {
		memmove((uint8_t *)to + i, (uint8_t *)from + i, size - 8);
		memcpy(to, from, size);
		expect_equal(mix(0, to, size / 4), sum);
		memset(to, 0, size);
	}
}

const struct check copy_checks[] = {
    {"32 MiB copied in memory", in_memory},
    {"100 MiB written, copied and compared in /tmp", copies},
    {0},
};
