// SPDX-License-Identifier: GPL-2.0-or-later
/* Placing an opened kernel in guest RAM. */
#include "loader/internal.h"

#include <stdlib.h>

/*
 * Linux copies COMMAND_LINE_SIZE bytes from cmd_line_ptr whatever the line's length; that
 * much is cleared so that what it copies is not the guest's previous life.
 */
#define CMDLINE_CLEAR 4096u
#define CMDLINE_ROOM  (LOADER_LOWMEM_END - LOADER_CMDLINE_PA)

/* Linux's boot_gdt: null, null, __BOOT_CS, __BOOT_DS; both flat, 4 GiB, ring 0. */
static const uint64_t boot_gdt[] = {0, 0, 0x00cf9a000000ffff, 0x00cf92000000ffff};

static int check_ram(const struct kernel *k, uint64_t size, struct loader_error *e)
{
	if (size < LOADER_RAM_MIN || size > LOADER_RAM_MAX)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "guest memory of %llu bytes is not between %u and %u",
		                   (unsigned long long)size, LOADER_RAM_MIN, LOADER_RAM_MAX);
	if (size % PAGE != 0)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "guest memory of %llu bytes is not a multiple of %u",
		                   (unsigned long long)size, PAGE);
	if (k->high_pa > size)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "needs memory up to 0x%x; the guest has 0x%llx", k->high_pa,
		                   (unsigned long long)size);
	return 0;
}

#define MULTIBOOT_MAGIC 0x2badb002u /* in EAX: a multiboot boot loader has loaded the kernel */

static int check_command_line(const struct kernel *k, const char *line, struct loader_error *e)
{
	size_t length = strlen(line);
	size_t most = k->cmdline_size < CMDLINE_ROOM - 1 ? k->cmdline_size : CMDLINE_ROOM - 1;

	if (length > most)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "the command line has %zu characters; this kernel takes %zu",
		                   length, most);
	return 0;
}

static void copy_segments(const struct kernel *k, uint8_t *ram)
{
	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];

		memcpy(ram + s->pa, k->elf + s->file_offset, s->file_size);
		memset(ram + s->pa + s->file_size, 0, s->memory_size - s->file_size);
	}
}

/* Where the kernel lies and where its initrd, which is *pa and *size (0, 0 without one). */
static int place_both(struct kernel *k, const struct boot_request *r, const char *line,
                      uint32_t *pa, uint32_t *size, struct loader_error *e)
{
	bool with_initrd = r->initrd_path && k->format != KERNEL_MULTIBOOT;
	struct bytes file = {0};
	int status = 0;

	if (with_initrd && initrd_read(r->initrd_path, r->ram_size, &file, e) < 0)
		return -1;
	if (kernel_wants_to_move(k, line))
		kernel_move_randomly(k, initrd_kernel_end(k, r->ram_size, file.size), r->random);
	if (with_initrd)
		status = initrd_place(k, r->initrd_path, &file, r->ram, r->ram_size, pa, size, e);
	free(file.data);
	return status;
}

int kernel_load(struct kernel *k, const struct boot_request *r, struct boot_result *out,
                struct loader_error *e)
{
	const char *line = r->command_line ? r->command_line : "";
	bool multiboot = k->format == KERNEL_MULTIBOOT;
	uint32_t initrd_pa = 0, initrd_size = 0;

	if (check_ram(k, r->ram_size, e) < 0 || check_command_line(k, line, e) < 0 ||
	    place_both(k, r, line, &initrd_pa, &initrd_size, e) < 0)
		return -1;
	copy_segments(k, r->ram);
	memset(r->ram + LOADER_CMDLINE_PA, 0, CMDLINE_CLEAR);
	if (multiboot) {
		if (multiboot_info_write(k, r, e) < 0)
			return -1;
	} else {
		memcpy(r->ram + LOADER_CMDLINE_PA, line, strlen(line) + 1);
		boot_params_write(k, r->ram, r->ram_size, initrd_pa, initrd_size, r->rsdp_pa);
	}
	memcpy(r->ram + LOADER_GDT_PA, boot_gdt, sizeof boot_gdt);

	*out = (struct boot_result){
	    .entry_pa = k->entry_pa,
	    .boot_params_pa = LOADER_PARAMS_PA,
	    .esi = multiboot ? 0 : LOADER_PARAMS_PA,
	    .eax = multiboot ? MULTIBOOT_MAGIC : 0,
	    .ebx = multiboot ? LOADER_PARAMS_PA : 0,
	    .gdt_pa = LOADER_GDT_PA,
	    .gdt_limit = sizeof boot_gdt - 1,
	    .stack_pa = LOADER_STACK_PA,
	    .initrd_pa = initrd_pa,
	    .initrd_size = initrd_size,
	};
	return 0;
}
