// SPDX-License-Identifier: GPL-2.0-or-later
/* What kernel it is, told from what it would load. Nothing here decides on safety. */
#include "loader/internal.h"

#include <elf.h>
#include <stdlib.h>

#define CR4_PAE 0x20

/* Finds bytes in what a segment loads from the file, at or behind `from`. */
static const uint8_t *segment_find(const struct kernel *k, const struct kernel_segment *s,
                                   const uint8_t *from, const void *what, size_t n)
{
	const uint8_t *start = k->elf + s->file_offset;
	const uint8_t *end = start + s->file_size;

	if (!from)
		from = start;
	return memmem(from, (size_t)(end - from), what, n);
}

static bool kernel_contains(const struct kernel *k, const char *text)
{
	for (size_t i = 0; i < k->nsegments; i++)
		if (segment_find(k, &k->segments[i], NULL, text, strlen(text)))
			return true;
	return false;
}

static void copy_line(const uint8_t *from, const uint8_t *end, char *to, size_t room)
{
	size_t i = 0;

	while (from + i < end && i + 1 < room && from[i] >= ' ' && from[i] < 0x7f) {
		to[i] = (char)from[i];
		i++;
	}
	to[i] = '\0';
}

/*
 * linux_banner in .rodata: "Linux version 6.1.0 (user@host) (compiler) #1 ...\n". The
 * digit tells it from the format strings that begin alike.
 */
static void find_version(struct kernel *k)
{
	static const char banner[] = "Linux version ";
	size_t n = sizeof banner - 1;

	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];
		const uint8_t *end = k->elf + s->file_offset + s->file_size;
		const uint8_t *at = NULL;

		while ((at = segment_find(k, s, at, banner, n))) {
			at += n;
			if (at < end && *at >= '0' && *at <= '9') {
				copy_line(at, end, k->version, sizeof k->version);
				return;
			}
		}
	}
}

/* One pass over the notes of a PT_NOTE segment; sizes are padded to 4 (ELF gABI). */
static bool find_build_id_in(struct kernel *k, const uint8_t *note, size_t n)
{
	while (n >= sizeof(Elf32_Nhdr)) {
		Elf32_Nhdr h;
		size_t name_size, size;

		memcpy(&h, note, sizeof h);
		note += sizeof h;
		n -= sizeof h;
		name_size = ((size_t)h.n_namesz + 3) & ~(size_t)3;
		size = ((size_t)h.n_descsz + 3) & ~(size_t)3;
		if (name_size > n || size > n - name_size)
			return false;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 &&
		    memcmp(note, ELF_NOTE_GNU, 4) == 0 && h.n_descsz <= sizeof k->build_id) {
			memcpy(k->build_id, note + name_size, h.n_descsz);
			k->build_id_size = h.n_descsz;
			return true;
		}
		note += name_size + size;
		n -= name_size + size;
	}
	return false;
}

static void find_build_id(struct kernel *k)
{
	Elf32_Ehdr h;

	memcpy(&h, k->elf, sizeof h);
	for (size_t i = 0; i < h.e_phnum; i++) {
		Elf32_Phdr p;

		memcpy(&p, k->elf + h.e_phoff + i * sizeof p, sizeof p);
		if (p.p_type != PT_NOTE || p.p_offset > k->elf_size ||
		    p.p_filesz > k->elf_size - p.p_offset)
			continue;
		if (find_build_id_in(k, k->elf + p.p_offset, p.p_filesz))
			return;
	}
}

/*
 * The physical address in front of a "mov %eax,%cr4" of the shapes that head_32.S had:
 *   since 3.x     mov pa(mmu_cr4_features),%eax; mov %eax,%cr4
 *   2.6           mov pa(mmu_cr4_features),%edx; and %edx,%edx; jz +8;
 *                 mov %cr4,%eax; or %edx,%eax; mov %eax,%cr4
 * `at` points to the mov to %cr4, with `room` bytes of the segment in front of it.
 */
static bool cr4_features_of(const uint8_t *at, size_t room, uint32_t *pa)
{
	static const uint8_t old_tail[] = {0x0f, 0x20, 0xe0, 0x09, 0xd0};

	if (room >= 5 && at[-5] == 0xa1) {
		*pa = load32(at - 4);
		return true;
	}
	if (room >= 15 && memcmp(at - 5, old_tail, sizeof old_tail) == 0 && at[-7] == 0x74 &&
	    at[-9] == 0x21 && at[-8] == 0xd2 && at[-15] == 0x8b && at[-14] == 0x15) {
		*pa = load32(at - 13);
		return true;
	}
	return false;
}

/*
 * Finds mmu_cr4_features: head_32.S runs without paging, so it alone reads the variable
 * by its physical address, which must be one that the kernel loads or clears.
 */
static bool find_cr4_features(const struct kernel *k, uint32_t *pa)
{
	static const uint8_t mov_to_cr4[] = {0x0f, 0x22, 0xe0};

	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];
		const uint8_t *start = k->elf + s->file_offset;
		const uint8_t *at = NULL;

		while ((at = segment_find(k, s, at, mov_to_cr4, sizeof mov_to_cr4))) {
			if (cr4_features_of(at, (size_t)(at - start), pa) && *pa >= k->low_pa &&
			    *pa < k->high_pa)
				return true;
			at++;
		}
	}
	return false;
}

/*
 * The structural criterion: since 2.6.29 or so setup.c defines
 *     unsigned long mmu_cr4_features = X86_CR4_PAE;
 * in a PAE kernel and leaves it zero otherwise, and head_32.S loads CR4 from it before it
 * turns paging on. Kernels where head_32.S does not (UP builds of 2.6.2x, PAE kernels that
 * switch over in paging_init()) are told by the oops text that names the third level.
 */
static bool is_pae(const struct kernel *k)
{
	const uint8_t *value;
	uint32_t pa;

	if (find_cr4_features(k, &pa)) {
		value = kernel_at_pa(k, pa, 4);
		if (value && (load32(value) & CR4_PAE))
			return true;
	}
	return kernel_contains(k, "*pdpt = ");
}

void identify(struct kernel *k)
{
	if (!k->version[0])
		find_version(k);
	find_build_id(k);
	k->pae = is_pae(k);
	k->speaks_vmi = kernel_contains(k, "VMI: Found %s %s"); /* probe_vmi_rom() */
}
