// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Decompressed kernels kept from run to run: xz needs 0.3 s for a stock kernel, most of the
 * time between the command and the guest's first instruction.
 */
#include "common/cache_file.h"
#include "loader/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAGIC 0x31676e69722d6675u

struct header {
	uint64_t magic, payload_hash, payload_size, elf_hash, elf_size;
};

static bool name_of(char path[CACHE_PATH_SIZE], uint64_t hash)
{
	char name[64];

	snprintf(name, sizeof(name), "kernel-%016llx.bin", (unsigned long long)hash);
	return cache_path(path, name);
}

static bool read_cached(int fd, uint64_t file_size, uint64_t hash, size_t n, struct bytes *out)
{
	struct header h;

	if (!cache_read(fd, (struct cache_piece){&h, sizeof(h)}) || h.magic != MAGIC ||
	    h.payload_hash != hash || h.payload_size != n || h.elf_size > KERNEL_ELF_MAX ||
	    file_size != sizeof(h) + h.elf_size)
		return false;
	out->size = h.elf_size;
	out->data = malloc(out->size + 1);
	if (!out->data)
		return false;
	if (cache_read(fd, (struct cache_piece){out->data, out->size}) &&
	    cache_hash(MAGIC, out->data, out->size) == h.elf_hash)
		return true;
	free(out->data);
	return false;
}

int decompress_cached(const char *path, const uint8_t *in, size_t n, struct bytes *out,
                      struct loader_error *e)
{
	uint64_t hash = cache_hash(MAGIC, in, n), size;
	struct header h = {.magic = MAGIC, .payload_hash = hash, .payload_size = n};
	char file[CACHE_PATH_SIZE];
	int fd;

	if (!name_of(file, hash))
		return decompress(path, in, n, out, e);
	fd = cache_open(file, &size);
	if (fd >= 0) {
		bool good = read_cached(fd, size, hash, n, out);

		close(fd);
		if (good)
			return 0;
	}
	if (decompress(path, in, n, out, e))
		return -1;
	h.elf_hash = cache_hash(MAGIC, out->data, out->size);
	h.elf_size = out->size;
	cache_write(file, (struct cache_piece[]){{&h, sizeof(h)}, {out->data, out->size}}, 2);
	return 0;
}
