// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into ring1: a host whose disk has bad or no more room, and that counts what is asked of
 * it.
 *
 * BAD_DISK="read|write|sync|clear FROM TO ERRNO" makes calls of that kind that touch bytes [FROM,
 * TO) fail. BAD_DISK_COUNTS=FILE holds the numbers of reads, writes, syncs, writes that are
 * synchronous, and cleared ranges, each of 8 bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READS, WRITES, SYNCS, SYNC_WRITES, CLEARS, COUNTS };

static uint64_t nowhere[COUNTS], *counts = nowhere;
static char kind[8];
static unsigned long long from, to;
static int error;

__attribute__((constructor)) static void begin(void)
{
	const char *what = getenv("BAD_DISK"), *path = getenv("BAD_DISK_COUNTS");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (what)
		sscanf(what, "%7s %llu %llu %d", kind, &from, &to, &error);
	if (fd >= 0 && !ftruncate(fd, sizeof nowhere))
		counts = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
}

static int is_bad(const char *what, unsigned long long offset, unsigned long long n)
{
	if (strcmp(what, kind) || offset >= to || offset + n <= from)
		return 0;
	errno = error;
	return 1;
}

static unsigned long long bytes(const struct iovec *part, int parts)
{
	unsigned long long n = 0;

	for (int i = 0; i < parts; i++)
		n += part[i].iov_len;
	return n;
}

ssize_t preadv2(int fd, const struct iovec *part, int parts, off_t offset, int flags);
ssize_t preadv2(int fd, const struct iovec *part, int parts, off_t offset, int flags)
{
	__atomic_fetch_add(&counts[READS], 1, __ATOMIC_RELAXED);
	if (is_bad("read", (unsigned long long)offset, bytes(part, parts)))
		return -1;
	return syscall(SYS_preadv2, fd, part, parts, offset, 0, flags);
}

ssize_t pwritev2(int fd, const struct iovec *part, int parts, off_t offset, int flags);
ssize_t pwritev2(int fd, const struct iovec *part, int parts, off_t offset, int flags)
{
	__atomic_fetch_add(&counts[flags & RWF_DSYNC ? SYNC_WRITES : WRITES], 1, __ATOMIC_RELAXED);
	if (is_bad("write", (unsigned long long)offset, bytes(part, parts)))
		return -1;
	return syscall(SYS_pwritev2, fd, part, parts, offset, 0, flags);
}

int fdatasync(int fd);
int fdatasync(int fd)
{
	__atomic_fetch_add(&counts[SYNCS], 1, __ATOMIC_RELAXED);
	if (is_bad("sync", from, 1))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t n);
int fallocate(int fd, int mode, off_t offset, off_t n)
{
	__atomic_fetch_add(&counts[CLEARS], 1, __ATOMIC_RELAXED);
	if (is_bad("clear", (unsigned long long)offset, (unsigned long long)n))
		return -1;
	return (int)syscall(SYS_fallocate, fd, mode, offset, n);
}
