// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The initial RAM disk. It lies as high as kernel and RAM allow, as boot.rst asks for:
 * low memory stays in one piece and the kernel's early allocations do not meet it.
 */
#include "loader/internal.h"

#include <stdlib.h>

/*
 * Linux up to 2.6.29 lets head_32.S build its first page tables behind _end, in memory that
 * no program header mentions: a table for each 4 MiB (2 MiB with PAE) of image.
 */
#define BEHIND_KERNEL (1u << 20)

/*
 * Kernels before 2.6.3x give an initrd up that is not in directly mapped memory, newer ones
 * copy it there. What is mapped directly is the kernel's part of the 4 GiB without room for
 * vmalloc (128 MiB by default), the fixmap and the hole at the top (16 MiB each at most).
 */
#define NOT_DIRECTLY_MAPPED 0x10000000u

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The highest page boundary the initrd's end may have, if `preferred` counts as a bound. */
static uint64_t end_limit(const struct kernel *k, uint64_t ram_size, bool preferred)
{
	uint64_t kernel_part = ((uint64_t)1 << 32) - k->kernel_base;
	uint64_t end = min64(ram_size, (uint64_t)k->initrd_addr_max + 1);

	if (preferred && kernel_part > NOT_DIRECTLY_MAPPED)
		end = min64(end, kernel_part - NOT_DIRECTLY_MAPPED);
	return end & ~(uint64_t)(PAGE - 1);
}

/* Finds a page-aligned place for `size` bytes; 0 if there is none. */
static uint64_t place(const struct kernel *k, uint64_t ram_size, uint64_t size)
{
	uint64_t lowest = (uint64_t)k->high_pa + BEHIND_KERNEL;

	for (int preferred = 1; preferred >= 0; preferred--) {
		uint64_t end = end_limit(k, ram_size, preferred);

		if (end >= size && ((end - size) & ~(uint64_t)(PAGE - 1)) >= lowest)
			return (end - size) & ~(uint64_t)(PAGE - 1);
	}
	return 0;
}

int initrd_read(const char *path, uint64_t ram_size, struct bytes *out, struct loader_error *e)
{
	if (read_file(path, ram_size, out, e) < 0)
		return -1;
	if (out->size)
		return 0;
	free(out->data);
	return loader_fail(e, LOADER_EINPUT, path, "is empty: no initrd");
}

uint64_t initrd_kernel_end(const struct kernel *k, uint64_t ram_size, uint64_t size)
{
	uint64_t end = end_limit(k, ram_size, true);

	size += PAGE + BEHIND_KERNEL;
	return end > size ? end - size : 0;
}

int initrd_place(const struct kernel *k, const char *path, const struct bytes *file, uint8_t *ram,
                 uint64_t ram_size, uint32_t *pa, uint32_t *size, struct loader_error *e)
{
	uint64_t at = place(k, ram_size, file->size);

	if (at == 0)
		return loader_fail(e, LOADER_EINPUT, path,
		                   "does not fit: %zu bytes between the kernel's end "
		                   "(0x%x) and 0x%llx; give the guest more memory",
		                   file->size, k->high_pa,
		                   (unsigned long long)end_limit(k, ram_size, false));
	memcpy(ram + at, file->data, file->size);
	*pa = (uint32_t)at;
	*size = (uint32_t)file->size;
	return 0;
}
