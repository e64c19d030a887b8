// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing: which container a file is, and what follows from that. */
#include "loader/internal.h"

#include <stdlib.h>

/* A vmlinux does not say what its kernel can take; these suit every i386 Linux since 2.6. */
#define ELF_INITRD_ADDR_MAX 0x37ffffff /* boot.rst's value for protocols before 2.03 */
#define ELF_CMDLINE_SIZE    2047       /* COMMAND_LINE_SIZE - 1; kernels cut off the excess */

static int refuse(const struct kernel *k, const uint8_t *file, size_t n, struct loader_error *e)
{
	const char *compression = compression_name(file, n);
	size_t at;
	bool damaged;

	if (!multiboot_recognise(file, n, &at, &damaged) && damaged)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has a multiboot header at offset 0x%zx whose checksum is wrong",
		                   at);
	if (n == 0)
		return loader_fail(e, LOADER_EINPUT, k->path, "is empty");
	if (compression)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is a bare %s file; decompress it first, or give a bzImage",
		                   compression);
	return loader_fail(e, LOADER_EINPUT, k->path,
	                   "is neither a bzImage nor an ELF kernel (vmlinuz or vmlinux), nor a "
	                   "multiboot kernel");
}

/*
 * An ELF file that is entered as Linux's boot protocol says. Linux's tell physical addresses apart
 * from virtual ones, as paging is off then; linkers give programs the same for both, and addresses
 * from 128 MiB on (System V ABI, i386: 0x08048000), where a bare kernel does not lie.
 */
#define PROGRAMS_FROM 0x08000000u

static int check_is_kernel(const struct kernel *k, struct loader_error *e)
{
	if (k->kernel_base || k->entry_pa < PROGRAMS_FROM)
		return 0;
	return loader_fail(
	    e, LOADER_EINPUT, k->path,
	    "is a program, or a kernel of unknown make: it has no multiboot header, and "
	    "no physical addresses of its own as a Linux kernel has");
}

/* Opens a file held in file->data, which it takes over if it becomes part of *k. */
static int open_file(struct kernel *k, struct bytes *file, struct loader_error *e)
{
	size_t header_at;
	bool damaged;

	k->compression = "none";
	k->initrd_addr_max = ELF_INITRD_ADDR_MAX;
	k->cmdline_size = ELF_CMDLINE_SIZE;
	if (bzimage_recognise(file->data, file->size)) {
		if (bzimage_open(k, file->data, file->size, e) < 0)
			return -1;
	} else if (multiboot_recognise(file->data, file->size, &header_at, &damaged)) {
		k->format = KERNEL_MULTIBOOT;
		k->cmdline_size = LOADER_LOWMEM_END - LOADER_CMDLINE_PA;
		k->elf = file->data;
		k->elf_size = file->size;
		file->data = NULL;
		return multiboot_open(k, header_at, e);
	} else if (elf_recognise(file->data, file->size)) {
		k->format = KERNEL_ELF;
		k->elf = file->data;
		k->elf_size = file->size;
		file->data = NULL;
	} else {
		return refuse(k, file->data, file->size, e);
	}
	if (elf_open(k, e) < 0 || (k->format == KERNEL_ELF && check_is_kernel(k, e) < 0))
		return -1;
	if (k->randomizes)
		relocations_find(k);
	identify(k);
	return 0;
}

static int open_and_free(const char *name, struct bytes *file, struct kernel *k,
                         struct loader_error *e)
{
	int status;

	k->path = strdup(name);
	status = k->path ? open_file(k, file, e) : loader_no_memory(e, name);
	free(file->data);
	if (status < 0)
		kernel_close(k);
	return status;
}

int kernel_open(const char *path, struct kernel *k, struct loader_error *e)
{
	struct bytes file = {0};

	memset(k, 0, sizeof *k);
	if (read_file(path, KERNEL_FILE_MAX, &file, e) < 0)
		return -1;
	k->use_cache = true;
	return open_and_free(path, &file, k, e);
}

int kernel_open_bytes(const uint8_t *data, size_t size, const char *name, struct kernel *k,
                      struct loader_error *e)
{
	struct bytes file = {.size = size};

	memset(k, 0, sizeof *k);
	if (size > KERNEL_FILE_MAX)
		return loader_fail(e, LOADER_EINPUT, name, "has %zu bytes; at most %zu are allowed",
		                   size, KERNEL_FILE_MAX);
	file.data = malloc(size + 1); /* never malloc(0), whose answer may be NULL */
	if (!file.data)
		return loader_no_memory(e, name);
	if (size > 0)
		memcpy(file.data, data, size);
	return open_and_free(name, &file, k, e);
}

void kernel_close(struct kernel *k)
{
	free(k->path);
	free(k->elf);
	free(k->segments);
	free(k->sections);
	memset(k, 0, sizeof *k);
}

const struct kernel_section *kernel_section(const struct kernel *k, const char *name)
{
	for (size_t i = 0; i < k->nsections; i++)
		if (strcmp(k->sections[i].name, name) == 0)
			return &k->sections[i];
	return NULL;
}
