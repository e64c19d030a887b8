/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of $XDG_CACHE_HOME/ring1 (~/.cache/ring1): results worth keeping from run to run.
 *
 * A cache file is only ever an accelerator. It is the user's own, written aside and renamed,
 * and checked by a hash against accidents; whoever reads it bounds-checks what it says.
 */
#ifndef COMMON_CACHE_FILE_H
#define COMMON_CACHE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_PATH_SIZE 4096

/* A part of a file; files are written and read piece by piece. */
struct cache_piece {
	void *data;
	size_t size; /* bytes */
};

/** cache_hash - continue hash @h over @size bytes; fast, against accidents, not enemies */
uint64_t cache_hash(uint64_t h, const void *data, size_t size);

/** cache_path - path of the cache file @name; false: there is no place for a cache */
bool cache_path(char path[CACHE_PATH_SIZE], const char *name);

/**
 * cache_open - open a cache file for reading
 * @size: its size in bytes
 *
 * Returns a descriptor, or -1: missing, or not a regular file that only this user can write.
 */
int cache_open(const char *path, uint64_t *size);

/** cache_read - read one piece whole */
bool cache_read(int fd, struct cache_piece piece);

/** cache_write - make the file of @n pieces, all or nothing; failure is silent */
void cache_write(const char *path, const struct cache_piece *pieces, size_t n);

#endif
