// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multiboot kernels ("Multiboot Specification version 0.6.96", section 3.1): a header within the
 * first 8 KiB of the file says how to load it; the file may be an ELF file besides.
 */
#include "loader/internal.h"

#include <stdlib.h>

#define HEADER_SEARCH 8192u /* the whole header lies within so many bytes */
#define HEADER_ALIGN  4u
#define HEADER_MAGIC  0x1badb002u
#define HEADER_SIZE   12u /* magic, flags, checksum */
#define HEADER_FULL   32u /* and header_addr to entry_addr */

/* Flags: bits 0 to 15 must be understood by the boot loader, bits 16 to 31 need not. */
#define FLAG_PAGE_ALIGN  0x00000001u /* modules on page boundaries: always so here */
#define FLAG_MEMORY_INFO 0x00000002u /* mem_* and mmap_*: always there */
#define FLAG_VIDEO_MODE  0x00000004u
#define FLAG_ADDRESSES   0x00010000u /* header_addr to entry_addr are valid */
#define FLAGS_REQUIRED   0x0000ffffu
#define FLAGS_KNOWN      (FLAG_PAGE_ALIGN | FLAG_MEMORY_INFO | FLAG_VIDEO_MODE)

#define LOAD_MIN_PA 0x100000u /* below is what the boot loader itself keeps */

bool multiboot_recognise(const uint8_t *file, size_t n, size_t *header_at, bool *damaged)
{
	size_t end = n < HEADER_SEARCH ? n : HEADER_SEARCH;

	*damaged = false;
	for (size_t at = 0; at + HEADER_SIZE <= end; at += HEADER_ALIGN) {
		const uint8_t *h = file + at;

		if (load32(h) != HEADER_MAGIC)
			continue;
		if (load32(h) + load32(h + 4) + load32(h + 8) == 0) {
			*header_at = at;
			*damaged = false;
			return true;
		}
		*header_at = at;
		*damaged = true;
	}
	return false;
}

static int check_flags(struct kernel *k, uint32_t flags, struct loader_error *e)
{
	if (flags & FLAGS_REQUIRED & ~FLAGS_KNOWN)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "needs a multiboot loader with features 0x%x, which ring1 does "
		                   "not have",
		                   flags & FLAGS_REQUIRED & ~FLAGS_KNOWN);
	k->wants_video = flags & FLAG_VIDEO_MODE;
	return 0;
}

/* The address fields; load_end 0 means the file's end, bss_end 0 means no bss. */
struct addresses {
	uint32_t header, load, load_end, bss_end, entry;
};

static int check_addresses(const struct kernel *k, size_t header_at, struct addresses *a,
                           struct loader_error *e)
{
	uint64_t skipped;

	if (a->load > a->header || a->header - a->load > header_at)
		return loader_fail(
		    e, LOADER_EINPUT, k->path,
		    "has a multiboot header at file offset 0x%zx that claims to be at "
		    "0x%x, while loading starts at 0x%x",
		    header_at, a->header, a->load);
	skipped = header_at - (a->header - a->load);
	if (a->load_end == 0) {
		if (k->elf_size - skipped > UINT32_MAX - a->load)
			return loader_fail(e, LOADER_EINPUT, k->path,
			                   "would end above 4 GiB when loaded at 0x%x", a->load);
		a->load_end = a->load + (uint32_t)(k->elf_size - skipped);
	}
	if (a->load_end <= a->load)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has a multiboot header that loads nothing: from 0x%x to 0x%x",
		                   a->load, a->load_end);
	if (a->load_end - a->load > k->elf_size - skipped)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is truncated: it holds %llu of the %u bytes to be loaded",
		                   (unsigned long long)(k->elf_size - skipped),
		                   a->load_end - a->load);
	if (a->bss_end == 0)
		a->bss_end = a->load_end;
	if (a->bss_end < a->load_end)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has a multiboot header whose bss ends (0x%x) before its data "
		                   "(0x%x)",
		                   a->bss_end, a->load_end);
	if (a->load < LOAD_MIN_PA)
		return loader_fail(
		    e, LOADER_EINPUT, k->path,
		    "is linked to run at 0x%x; ring1 loads kernels at 1 MiB or above", a->load);
	if (a->entry < a->load || a->entry >= a->load_end)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has its entry point (0x%x) outside of what it loads", a->entry);
	return 0;
}

/* One segment, at the addresses it is linked for. */
static int load_by_addresses(struct kernel *k, size_t header_at, struct loader_error *e)
{
	const uint8_t *h = k->elf + header_at + HEADER_SIZE;
	struct addresses a;

	if (header_at + HEADER_FULL > HEADER_SEARCH || header_at + HEADER_FULL > k->elf_size)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "ends within the address fields of its multiboot header");
	a = (struct addresses){load32(h), load32(h + 4), load32(h + 8), load32(h + 12),
	                       load32(h + 16)};
	if (check_addresses(k, header_at, &a, e) < 0)
		return -1;
	k->segments = calloc(1, sizeof *k->segments);
	if (!k->segments)
		return loader_no_memory(e, k->path);
	k->segments[0] =
	    (struct kernel_segment){.pa = a.load,
	                            .va = a.load,
	                            .file_offset = (uint32_t)(header_at - (a.header - a.load)),
	                            .file_size = a.load_end - a.load,
	                            .memory_size = a.bss_end - a.load,
	                            .executable = true,
	                            .writable = true};
	k->nsegments = 1;
	k->kernel_base = 0;
	k->low_pa = a.load;
	k->high_pa = a.bss_end;
	k->entry_pa = a.entry;
	return elf_recognise(k->elf, k->elf_size) ? elf_sections(k, e) : 0;
}

int multiboot_open(struct kernel *k, size_t header_at, struct loader_error *e)
{
	uint32_t flags = load32(k->elf + header_at + 4);

	if (check_flags(k, flags, e) < 0)
		return -1;
	if (flags & FLAG_ADDRESSES)
		return load_by_addresses(k, header_at, e);
	if (!elf_recognise(k->elf, k->elf_size))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has a multiboot header, but neither addresses in it (flag 16) "
		                   "nor an ELF header");
	return elf_open(k, e);
}
