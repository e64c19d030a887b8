// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's ELF file. Program headers say what is loaded and must be right; section
 * headers only help the annotator and are dropped as a whole if they are not usable.
 */
#include "loader/internal.h"

#include <elf.h>
#include <stdlib.h>

#define SEGMENTS_MAX 64       /* vmlinux has 2 to 5; also bounds the search for overlaps */
#define LOAD_MIN_PA  0x100000 /* below are boot_params, command line and the BIOS area */

bool elf_recognise(const uint8_t *file, size_t n)
{
	return n >= SELFMAG && memcmp(file, ELFMAG, SELFMAG) == 0;
}

/* Whether [offset, offset + size) lies within n bytes; no sum that could overflow. */
static bool within(uint64_t offset, uint64_t size, uint64_t n)
{
	return offset <= n && size <= n - offset;
}

static int check_machine(const struct kernel *k, struct loader_error *e)
{
	/* e_type and e_machine are at the same place in both classes. */
	uint16_t machine = load16(k->elf + offsetof(Elf32_Ehdr, e_machine));
	uint16_t type = load16(k->elf + offsetof(Elf32_Ehdr, e_type));

	if (k->elf[EI_DATA] != ELFDATA2LSB)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is not for the i386: it is not little-endian");
	if (type != ET_EXEC)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is no kernel: ELF type %u instead of %u, an executable", type,
		                   ET_EXEC);
	if (machine == EM_X86_64)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is a 64-bit kernel; ring1 runs i386 kernels");
	if (machine != EM_386 || k->elf[EI_CLASS] != ELFCLASS32)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is not for the i386 (ELF machine %u, class %u)", machine,
		                   k->elf[EI_CLASS]);
	return 0;
}

static int read_header(const struct kernel *k, Elf32_Ehdr *h, struct loader_error *e)
{
	if (k->elf_size < sizeof *h)
		return loader_fail(e, LOADER_EINPUT, k->path, "ends within its ELF header");
	if (check_machine(k, e) < 0)
		return -1;
	memcpy(h, k->elf, sizeof *h);
	if (h->e_phnum == 0 || h->e_phentsize != sizeof(Elf32_Phdr))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has no program headers: nothing in it can be loaded");
	if (h->e_phnum > SEGMENTS_MAX)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has %u program headers; more than %u are not expected",
		                   h->e_phnum, SEGMENTS_MAX);
	if (!within(h->e_phoff, h->e_phnum * sizeof(Elf32_Phdr), k->elf_size))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is truncated: its program headers are not in the file");
	return 0;
}

static int check_segment(const struct kernel *k, const Elf32_Phdr *p, struct loader_error *e)
{
	if (p->p_filesz > p->p_memsz)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has a segment with more file (%u) than memory (%u)",
		                   p->p_filesz, p->p_memsz);
	if (!within(p->p_offset, p->p_filesz, k->elf_size))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is truncated: the segment for 0x%x is not in the file",
		                   p->p_paddr);
	if (!within(p->p_paddr, p->p_memsz, UINT32_MAX) ||
	    !within(p->p_vaddr, p->p_memsz, UINT32_MAX))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has a segment that ends above 4 GiB (0x%x + 0x%x)", p->p_paddr,
		                   p->p_memsz);
	if (p->p_paddr < LOAD_MIN_PA)
		return loader_fail(
		    e, LOADER_EINPUT, k->path,
		    "is linked to run at 0x%x; ring1 loads kernels at 1 MiB or above", p->p_paddr);
	return 0;
}

static int check_against_others(const struct kernel *k, const struct kernel_segment *s,
                                struct loader_error *e)
{
	const struct kernel_segment *o = k->segments;

	for (size_t i = 0; i < k->nsegments; i++, o++) {
		if (s->pa < o->pa + o->memory_size && o->pa < s->pa + s->memory_size)
			return loader_fail(e, LOADER_EINPUT, k->path,
			                   "has segments that overlap at 0x%x and 0x%x", o->pa,
			                   s->pa);
		if (s->va - s->pa != k->kernel_base)
			return loader_fail(e, LOADER_EINPUT, k->path,
			                   "has segments whose addresses differ from their load "
			                   "addresses by 0x%x and by 0x%x",
			                   k->kernel_base, s->va - s->pa);
	}
	return 0;
}

static int add_segment(struct kernel *k, const Elf32_Phdr *p, struct loader_error *e)
{
	struct kernel_segment s = {
	    .pa = p->p_paddr,
	    .va = p->p_vaddr,
	    .file_offset = p->p_offset,
	    .file_size = p->p_filesz,
	    .memory_size = p->p_memsz,
	    .executable = p->p_flags & PF_X,
	    .writable = p->p_flags & PF_W,
	};

	if (check_segment(k, p, e) < 0)
		return -1;
	if (k->nsegments == 0) {
		k->kernel_base = s.va - s.pa;
		k->low_pa = UINT32_MAX;
	}
	if (check_against_others(k, &s, e) < 0)
		return -1;
	if (s.pa < k->low_pa)
		k->low_pa = s.pa;
	if (s.pa + s.memory_size > k->high_pa)
		k->high_pa = s.pa + s.memory_size;
	k->segments[k->nsegments++] = s;
	return 0;
}

static int read_segments(struct kernel *k, const Elf32_Ehdr *h, struct loader_error *e)
{
	k->segments = calloc(h->e_phnum, sizeof *k->segments);
	if (!k->segments)
		return loader_no_memory(e, k->path);
	for (size_t i = 0; i < h->e_phnum; i++) {
		Elf32_Phdr p;

		memcpy(&p, k->elf + h->e_phoff + i * sizeof p, sizeof p);
		if (p.p_type == PT_LOAD && p.p_memsz > 0 && add_segment(k, &p, e) < 0)
			return -1;
	}
	if (k->nsegments == 0)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has no segments: nothing in it can be loaded");
	return 0;
}

const uint8_t *kernel_at_pa(const struct kernel *k, uint32_t pa, uint32_t n)
{
	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];

		if (pa >= s->pa && within(pa - s->pa, n, s->file_size))
			return k->elf + s->file_offset + (pa - s->pa);
	}
	return NULL;
}

/*
 * Linux's linker script makes e_entry the physical address (phys_startup_32), as paging is
 * off at that point. A kernel of another make may give the virtual one.
 */
static int set_entry(struct kernel *k, uint32_t entry, struct loader_error *e)
{
	if (!kernel_at_pa(k, entry, 1))
		entry -= k->kernel_base;
	if (!kernel_at_pa(k, entry, 1))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "has its entry point (0x%x) outside of what it loads",
		                   entry + k->kernel_base);
	k->entry_pa = entry;
	return 0;
}

/* Whether a segment puts the section's bytes at the section's address. */
static bool is_loaded(const struct kernel *k, const Elf32_Shdr *s)
{
	bool nobits = s->sh_type == SHT_NOBITS;

	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *g = &k->segments[i];
		uint32_t at = s->sh_addr - g->va;

		if (s->sh_addr < g->va || !within(at, s->sh_size, g->memory_size))
			continue;
		if (nobits)
			return at >= g->file_size || s->sh_size == 0;
		return within(at, s->sh_size, g->file_size) &&
		       s->sh_offset == (uint64_t)g->file_offset + at;
	}
	return false;
}

/* The section name table, or a NULL name if it is not usable. Its last byte is zero. */
static struct bytes read_names(const struct kernel *k, const Elf32_Ehdr *h)
{
	struct bytes names = {0};
	Elf32_Shdr s;

	if (h->e_shstrndx >= h->e_shnum)
		return names;
	memcpy(&s, k->elf + h->e_shoff + h->e_shstrndx * sizeof s, sizeof s);
	if (s.sh_type != SHT_STRTAB || s.sh_size == 0 ||
	    !within(s.sh_offset, s.sh_size, k->elf_size) ||
	    k->elf[s.sh_offset + s.sh_size - 1] != '\0')
		return names;
	names.data = k->elf + s.sh_offset;
	names.size = s.sh_size;
	return names;
}

static bool read_section(const struct kernel *k, const Elf32_Shdr *s, struct bytes names,
                         struct kernel_section *out)
{
	bool nobits = s->sh_type == SHT_NOBITS;

	if (s->sh_name >= names.size)
		return false;
	if (!nobits && !within(s->sh_offset, s->sh_size, k->elf_size))
		return false;
	*out = (struct kernel_section){
	    .name = (const char *)names.data + s->sh_name,
	    .va = s->sh_addr,
	    .size = s->sh_size,
	    .data = nobits ? NULL : k->elf + s->sh_offset,
	    .executable = s->sh_flags & SHF_EXECINSTR,
	    .writable = s->sh_flags & SHF_WRITE,
	    .alloc = (s->sh_flags & SHF_ALLOC) && is_loaded(k, s),
	};
	return true;
}

static void drop_sections(struct kernel *k)
{
	free(k->sections);
	k->sections = NULL;
	k->nsections = 0;
}

/* Fails only for lack of memory: a kernel runs without section headers. */
static int read_sections(struct kernel *k, const Elf32_Ehdr *h, struct loader_error *e)
{
	struct bytes names;

	if (h->e_shnum < 2 || h->e_shentsize != sizeof(Elf32_Shdr) ||
	    !within(h->e_shoff, h->e_shnum * sizeof(Elf32_Shdr), k->elf_size))
		return 0;
	names = read_names(k, h);
	if (!names.data)
		return 0;
	k->sections = calloc(h->e_shnum, sizeof *k->sections);
	if (!k->sections)
		return loader_no_memory(e, k->path);
	for (size_t i = 1; i < h->e_shnum; i++) {
		Elf32_Shdr s;

		memcpy(&s, k->elf + h->e_shoff + i * sizeof s, sizeof s);
		if (!read_section(k, &s, names, &k->sections[k->nsections++])) {
			drop_sections(k);
			return 0;
		}
	}
	return 0;
}

int elf_sections(struct kernel *k, struct loader_error *e)
{
	Elf32_Ehdr h;

	if (k->elf_size < sizeof h)
		return 0;
	memcpy(&h, k->elf, sizeof h);
	if (h.e_ident[EI_CLASS] != ELFCLASS32 || h.e_ident[EI_DATA] != ELFDATA2LSB)
		return 0;
	return read_sections(k, &h, e);
}

int elf_open(struct kernel *k, struct loader_error *e)
{
	Elf32_Ehdr h;

	if (read_header(k, &h, e) < 0 || read_segments(k, &h, e) < 0)
		return -1;
	if (set_entry(k, h.e_entry, e) < 0)
		return -1;
	return read_sections(k, &h, e);
}
