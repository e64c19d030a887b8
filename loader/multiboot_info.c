// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a multiboot kernel finds in EBX ("Multiboot Specification version 0.6.96", section 3.3):
 * memory, command line, modules, the boot loader's name.
 */
#include "loader/internal.h"

#include <stdlib.h>

#define INFO_MEMORY       0x001u
#define INFO_COMMAND_LINE 0x004u
#define INFO_MODULES      0x008u
#define INFO_MEMORY_MAP   0x040u
#define INFO_LOADER_NAME  0x200u

#define BIOS_END        0x100000u
#define MEMORY_RAM      1
#define MEMORY_RESERVED 2
#define MODULES_MAX     64

struct info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB from 0, and from 1 MiB */
	uint32_t boot_device;
	uint32_t command_line;
	uint32_t modules, modules_at;
	uint32_t symbols[4];
	uint32_t map_size, map_at; /* bytes */
	uint32_t drives_size, drives_at;
	uint32_t configuration, loader_name, apm_table;
	uint32_t vbe_control, vbe_mode;
	uint16_t vbe_numbers[4];
};
_Static_assert(sizeof(struct info) == 88, "the multiboot information up to VBE");

struct region {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

struct module {
	uint32_t start, end; /* end: first byte behind */
	uint32_t string;
	uint32_t reserved;
};

/* The page at LOADER_PARAMS_PA. */
struct page {
	struct info info;
	struct region map[3];
	char loader_name[16];
	struct module modules[MODULES_MAX];
};
_Static_assert(sizeof(struct page) <= PAGE, "it is one page");

/* Strings go where Linux has its command line, one behind the other. */
struct builder {
	const struct kernel *k;
	uint8_t *ram;
	uint64_t ram_size;
	uint32_t text;   /* pa of the next string */
	uint64_t module; /* lowest pa of the next module */
	struct page *page;
	struct loader_error *e;
};

/* Appends `a` and, behind a space, `b` if there is any; 0 if there is no room. */
static uint32_t add_text(struct builder *b, const char *a, size_t an, const char *c, size_t cn)
{
	uint32_t at = b->text;
	uint8_t *to = b->ram + at;

	if (an + 1 + cn + 1 > LOADER_LOWMEM_END - at)
		return 0;
	memcpy(to, a, an);
	if (cn > 0) {
		to[an++] = ' ';
		memcpy(to + an, c, cn);
	}
	to[an + cn] = '\0';
	b->text += (uint32_t)(an + cn + 1);
	return at;
}

static int no_room_for_text(struct builder *b)
{
	return loader_fail(b->e, LOADER_EINPUT, b->k->path,
	                   "the command lines of kernel and modules together have more than %u "
	                   "characters",
	                   LOADER_LOWMEM_END - LOADER_CMDLINE_PA);
}

static int place_module(struct builder *b, const char *path, const struct bytes *file,
                        const char *text, size_t length)
{
	uint64_t at = (b->module + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	struct module *m = &b->page->modules[b->page->info.modules];

	if (at > b->ram_size || file->size > b->ram_size - at)
		return loader_fail(b->e, LOADER_EINPUT, path,
		                   "does not fit: %zu bytes between 0x%llx and the end of memory "
		                   "(0x%llx); give the guest more memory",
		                   file->size, (unsigned long long)at,
		                   (unsigned long long)b->ram_size);
	memcpy(b->ram + at, file->data, file->size);
	*m = (struct module){.start = (uint32_t)at, .end = (uint32_t)(at + file->size)};
	m->string = add_text(b, text, length, NULL, 0);
	if (!m->string)
		return no_room_for_text(b);
	b->page->info.modules++;
	b->module = at + file->size;
	return 0;
}

/* One module: "FILE" or "FILE ARGUMENTS", which is also its string. */
static int add_module(struct builder *b, const char *text, size_t length)
{
	size_t n = strcspn(text, " ");
	struct bytes file;
	char *path;
	int status;

	if (n > length)
		n = length;
	if (b->page->info.modules >= MODULES_MAX)
		return loader_fail(b->e, LOADER_EINPUT, b->k->path,
		                   "there are more than %u modules", MODULES_MAX);
	path = strndup(text, n);
	if (!path)
		return loader_no_memory(b->e, b->k->path);
	status = read_file(path, b->ram_size, &file, b->e);
	if (status == 0) {
		status = place_module(b, path, &file, text, length);
		free(file.data);
	}
	free(path);
	return status;
}

/* Modules are given as QEMU takes them: separated by commas. */
static int add_modules(struct builder *b, const char *list)
{
	for (;;) {
		size_t n = strcspn(list, ",");

		if (add_module(b, list, n) < 0)
			return -1;
		if (!list[n])
			return 0;
		list += n + 1;
	}
}

static void add_region(struct builder *b, unsigned i, uint64_t from, uint64_t to, uint32_t type)
{
	b->page->map[i] = (struct region){sizeof(struct region) - 4, from, to - from, type};
}

int multiboot_info_write(const struct kernel *k, const struct boot_request *r,
                         struct loader_error *e)
{
	const char *line = r->command_line ? r->command_line : "";
	struct page *p = (struct page *)(r->ram + LOADER_PARAMS_PA);
	struct builder b = {k, r->ram, r->ram_size, LOADER_CMDLINE_PA, k->high_pa, p, e};

	memset(p, 0, PAGE);
	memcpy(p->loader_name, "ring1", sizeof "ring1");
	p->info = (struct info){
	    .flags =
	        INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME,
	    .mem_lower = LOADER_LOWMEM_END >> 10,
	    .mem_upper = (uint32_t)((r->ram_size - BIOS_END) >> 10),
	    .modules_at = LOADER_PARAMS_PA + offsetof(struct page, modules),
	    .map_size = sizeof p->map,
	    .map_at = LOADER_PARAMS_PA + offsetof(struct page, map),
	    .loader_name = LOADER_PARAMS_PA + offsetof(struct page, loader_name),
	};
	add_region(&b, 0, 0, LOADER_LOWMEM_END, MEMORY_RAM);
	add_region(&b, 1, LOADER_LOWMEM_END, BIOS_END, MEMORY_RESERVED);
	add_region(&b, 2, BIOS_END, r->ram_size, MEMORY_RAM);
	/* The first word is the kernel's name, as GRUB and QEMU have it. */
	p->info.command_line = add_text(&b, k->path, strlen(k->path), line, strlen(line));
	if (!p->info.command_line)
		return no_room_for_text(&b);
	return r->initrd_path ? add_modules(&b, r->initrd_path) : 0;
}
