// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moving a kernel that is built for it (CONFIG_RANDOMIZE_BASE). On a PC the decompressor in the
 * bzImage does that; it never runs here. On the i386 the distance between virtual and physical
 * addresses stays what it was: a kernel that is moved in memory moves by as much in its address
 * space, and every absolute address in it changes by that amount.
 *
 * Linux: arch/x86/boot/compressed/kaslr.c, choose_random_location(), and misc.c,
 * handle_relocations(). Behind the ELF file the payload holds a zero and then, in ascending
 * order, the virtual address of each 32-bit word that is an address (arch/x86/tools/relocs.c).
 */
#include "loader/internal.h"

#include <asm/bootparam.h>

/* KERNEL_IMAGE_SIZE of 32-bit kernels: the memory that they choose from. */
#define HIGHEST_END ((uint64_t)512 * MIB)

/* Whether a segment loads any of the file's bytes [at, at + n). */
static bool touches_segment(const struct kernel *k, size_t at, size_t n)
{
	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];

		if (at < (size_t)s->file_offset + s->file_size && s->file_offset < at + n)
			return true;
	}
	return false;
}

/* Section names must stay what they are, terminated, whatever a relocation says. */
static bool names_are_apart(const struct kernel *k)
{
	for (size_t i = 0; i < k->nsections; i++) {
		const char *name = k->sections[i].name;

		if (touches_segment(k, (size_t)((const uint8_t *)name - k->elf), strlen(name) + 1))
			return false;
	}
	return true;
}

void relocations_find(struct kernel *k)
{
	size_t at = k->elf_size, n = 0;
	uint32_t va, behind = UINT32_MAX;

	for (;;) {
		if (at < sizeof va)
			return;
		va = load32(k->elf + at - sizeof va);
		if (va == 0)
			break;
		/* Not all of it is a table: the file ends with something else. */
		if (va >= behind || !kernel_at_pa(k, va - k->kernel_base, sizeof va))
			return;
		behind = va;
		at -= sizeof va;
		n++;
	}
	if (touches_segment(k, at, k->elf_size - at) || !names_are_apart(k))
		return;
	k->relocations = at;
	k->nrelocations = n;
}

/* Moves everything that says where the kernel is, and the addresses in it. */
static void move(struct kernel *k, uint32_t delta)
{
	for (size_t i = 0; i < k->nrelocations; i++) {
		uint32_t va = load32(k->elf + k->relocations + i * sizeof va), word;
		const uint8_t *at = kernel_at_pa(k, va - k->kernel_base + k->moved_by, sizeof va);

		if (!at)
			continue;
		word = load32(at) + delta;
		memcpy(k->elf + (at - k->elf), &word, sizeof word);
	}
	for (size_t i = 0; i < k->nsegments; i++) {
		k->segments[i].pa += delta;
		k->segments[i].va += delta;
	}
	for (size_t i = 0; i < k->nsections; i++)
		if (k->sections[i].alloc)
			k->sections[i].va += delta;
	k->entry_pa += delta;
	k->low_pa += delta;
	k->high_pa += delta;
	k->moved_by += delta;
}

/* The bytes of memory that the kernel takes before it looks at the memory map. */
static uint64_t extent(const struct kernel *k)
{
	uint64_t size = k->high_pa - k->low_pa;

	return size > k->init_size ? size : k->init_size;
}

void kernel_move_randomly(struct kernel *k, uint64_t end, uint64_t random)
{
	uint64_t linked_at = k->low_pa - k->moved_by, room;
	uint64_t mapped_end = ((uint64_t)1 << 32) - k->kernel_base;

	if (end > HIGHEST_END)
		end = HIGHEST_END;
	if (end > mapped_end)
		end = mapped_end;
	k->randomized = true;
	room = linked_at + extent(k) < end ? end - linked_at - extent(k) : 0;
	move(k, (uint32_t)(random % (room / k->alignment + 1) * k->alignment) - k->moved_by);
}

/* Whether a word of the command line is @what, or begins with it when that ends with "=". */
static bool has_argument(const char *line, const char *what)
{
	size_t n = strlen(what);

	for (const char *at = line; (at = strstr(at, what)); at += n)
		if ((at == line || at[-1] == ' ') &&
		    (what[n - 1] == '=' || at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

/*
 * The decompressor heeds what mem= and memmap= leave of the memory as well. Somebody who describes
 * the memory by hand has the kernel stay where it was linked.
 */
bool kernel_wants_to_move(const struct kernel *k, const char *command_line)
{
	return k->randomizes && k->nrelocations && !has_argument(command_line, "nokaslr") &&
	       !has_argument(command_line, "mem=") && !has_argument(command_line, "memmap=");
}
