// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cache_file.h"

#include "common/whole_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

uint64_t cache_hash(uint64_t h, const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t word;

	h = mix(h, size);
	for (; size >= sizeof(word); size -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	if (size)
		memcpy(&word, p, size);
	return mix(h, word);
}

/* The directory, made if need be. */
static bool directory(char path[CACHE_PATH_SIZE])
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;

	if (base && base[0] == '/')
		n = snprintf(path, CACHE_PATH_SIZE, "%s", base);
	else if (home && home[0] == '/')
		n = snprintf(path, CACHE_PATH_SIZE, "%s/.cache", home);
	else
		return false;
	if (n < 0 || n >= CACHE_PATH_SIZE - 8 || (mkdir(path, 0700) && errno != EEXIST))
		return false;
	strcat(path, "/ring1");
	return !mkdir(path, 0700) || errno == EEXIST;
}

bool cache_path(char path[CACHE_PATH_SIZE], const char *name)
{
	size_t used;

	if (!directory(path))
		return false;
	used = strlen(path);
	return (size_t)snprintf(path + used, CACHE_PATH_SIZE - used, "/%s", name) <
	       CACHE_PATH_SIZE - used;
}

int cache_open(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_size < 0) {
		close(fd);
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

bool cache_read(int fd, struct cache_piece piece)
{
	return read_all(fd, piece.data, piece.size);
}

void cache_write(const char *path, const struct cache_piece *pieces, size_t n)
{
	char aside[CACHE_PATH_SIZE + 32];
	bool written = true;
	int fd;

	snprintf(aside, sizeof(aside), "%s.%ld", path, (long)getpid());
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	for (size_t i = 0; i < n && written; i++)
		written = write_all(fd, pieces[i].data, pieces[i].size);
	/* A file cut short by a crash is refused for its size: no fsync. */
	if (close(fd) || !written || rename(aside, path))
		unlink(aside);
}
