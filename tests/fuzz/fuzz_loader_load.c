// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The input is a request and a kernel: 4 bytes of RAM size (in pages), 2 of command line
 * length, then the file. Guest RAM ends at an unmapped page, so that a write behind it is
 * seen, and what is below 1 MiB must be what the result says.
 */
#include "loader/loader.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_MOST (32u << 20) /* larger sizes are only asked for to be refused */
#define REQUEST  6u

static uint8_t *ram_end;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t *ram = mmap(NULL, RAM_MOST + 4096, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)argc;
	(void)argv;
	require(ram != MAP_FAILED);
	ram_end = ram + RAM_MOST;
	require(mprotect(ram_end, 4096, PROT_NONE) == 0);
	return 0;
}

/* A kernel that was moved is described as one that was linked there. */
static void check_place(const struct kernel *k)
{
	require(k->nrelocations || !k->moved_by);
	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];

		require(s->va - s->pa == k->kernel_base && s->memory_size <= UINT32_MAX - s->va);
		require(s->pa >= k->low_pa && s->memory_size <= k->high_pa - s->pa);
	}
	for (size_t i = 0; i < k->nsections; i++)
		require(strlen(k->sections[i].name) < k->elf_size);
}

static void load(struct kernel *k, uint64_t ram_size, size_t length)
{
	struct boot_request r = {ram_end - (ram_size < RAM_MOST ? ram_size : RAM_MOST),
	                         ram_size,
	                         NULL,
	                         NULL,
	                         0,
	                         ram_size >> 12};
	struct boot_result out;
	struct loader_error e;
	char *line = malloc(length + 1);

	require(line != NULL);
	memset(line, 'c', length);
	line[length] = '\0';
	r.command_line = line;
	if (kernel_load(k, &r, &out, &e) == 0) {
		check_place(k);
		require(ram_size >= k->high_pa && length <= k->cmdline_size);
		require(out.entry_pa == k->entry_pa && out.gdt_limit == 31);
		/* A multiboot kernel finds its own name in front. */
		if (k->format == KERNEL_MULTIBOOT)
			require(strncmp((char *)r.ram + LOADER_CMDLINE_PA, "fuzz", 4) == 0 &&
			        strlen((char *)r.ram + LOADER_CMDLINE_PA) ==
			            4 + length + (length > 0));
		else
			require(strcmp((char *)r.ram + LOADER_CMDLINE_PA, line) == 0);
	} else {
		require(e.kind == LOADER_EINPUT && strlen(e.text) < sizeof e.text);
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loader_error e;
	struct kernel k;
	uint32_t pages;
	uint16_t length;

	if (size < REQUEST)
		return 0;
	memcpy(&pages, data, 4);
	memcpy(&length, data + 4, 2);
	/* Between the largest RAM here and the largest allowed there is nothing to map. */
	if (pages > RAM_MOST / 4096 && pages <= LOADER_RAM_MAX / 4096)
		return 0;
	if (kernel_open_bytes(data + REQUEST, size - REQUEST, "fuzz", &k, &e) != 0)
		return 0;
	load(&k, (uint64_t)pages * 4096, length);
	kernel_close(&k);
	return 0;
}
