/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/module.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX   (256u << 10) /* bytes of all section names */
#define SYMBOLS_MAX (256u << 10)

struct headers {
	Elf32_Ehdr elf;
	Elf32_Shdr *v;
	uint32_t n;
};

static int fail(char error[ANNOTATE_ERROR_SIZE], int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, ANNOTATE_ERROR_SIZE, format, args);
	va_end(args);
	return code;
}

static int read_headers(struct headers *h, const struct guest_view *view, uint32_t header,
                        uint32_t sections, char error[ANNOTATE_ERROR_SIZE])
{
	const Elf32_Ehdr *e = &h->elf;

	if (!guest_view_read(view, header, &h->elf, sizeof(h->elf)))
		return fail(error, -EINVAL, "a module's ELF header is not in memory");
	if (memcmp(e->e_ident, ELFMAG "\1\1\1", SELFMAG + 3) || e->e_type != ET_REL ||
	    e->e_machine != EM_386)
		return fail(error, -EINVAL, "a module is no relocatable i386 ELF file");
	if (e->e_shentsize != sizeof(Elf32_Shdr) || !e->e_shnum ||
	    e->e_shnum > MODULE_SECTIONS_MAX || e->e_shstrndx >= e->e_shnum)
		return fail(error, -EINVAL, "a module has strange section headers");
	h->n = e->e_shnum;
	h->v = calloc(h->n, sizeof(h->v[0]));
	if (!h->v)
		return fail(error, -ENOMEM, "out of memory for a module");
	if (!guest_view_read(view, sections, h->v, h->n * sizeof(h->v[0])))
		return fail(error, -EINVAL, "a module's section headers are not in memory");
	return 0;
}

static int read_names(struct module_image *m, const struct headers *h,
                      const struct guest_view *view, uint32_t header,
                      char error[ANNOTATE_ERROR_SIZE])
{
	const Elf32_Shdr *s = &h->v[h->elf.e_shstrndx];

	if (s->sh_size > NAMES_MAX)
		return fail(error, -E2BIG, "a module has section names of %u bytes", s->sh_size);
	m->names = calloc(1, s->sh_size + 1);
	if (!m->names)
		return fail(error, -ENOMEM, "out of memory for a module");
	if (!guest_view_read(view, header + s->sh_offset, m->names, s->sh_size))
		return fail(error, -EINVAL, "a module's section names are not in memory");
	return 0;
}

static bool is_loaded(const Elf32_Shdr *s)
{
	return s->sh_flags & SHF_ALLOC && s->sh_type != SHT_NOBITS && s->sh_size;
}

static int read_sections(struct module_image *m, const struct headers *h,
                         const struct guest_view *view, char error[ANNOTATE_ERROR_SIZE])
{
	uint32_t names = h->v[h->elf.e_shstrndx].sh_size;
	uint64_t total = 0;
	uint8_t *at;

	for (uint32_t i = 0; i < h->n; i++)
		total += is_loaded(&h->v[i]) ? h->v[i].sh_size : 0;
	if (total > MODULE_BYTES_MAX)
		return fail(error, -E2BIG, "a module of %llu MiB, more than %u",
		            (unsigned long long)total >> 20, MODULE_BYTES_MAX >> 20);
	m->sections = calloc(h->n, sizeof(m->sections[0]));
	m->bytes = malloc(total + 1);
	if (!m->sections || !m->bytes)
		return fail(error, -ENOMEM, "out of memory for a module of %llu bytes",
		            (unsigned long long)total);
	m->in.sections = m->sections;
	at = m->bytes;
	for (uint32_t i = 0; i < h->n; i++) {
		const Elf32_Shdr *s = &h->v[i];

		if (!is_loaded(s))
			continue;
		if (!guest_view_read(view, s->sh_addr, at, s->sh_size))
			return fail(error, -EINVAL, "section %u of a module is not in memory", i);
		m->sections[m->in.nsections++] = (struct annotate_section){
		    .name = s->sh_name < names ? m->names + s->sh_name : "",
		    .va = s->sh_addr,
		    .size = s->sh_size,
		    .data = at,
		    .executable = s->sh_flags & SHF_EXECINSTR,
		    .writable = s->sh_flags & SHF_WRITE};
		at += s->sh_size;
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * The kernel has made st_value of the symbols that a module defines addresses. Their types it may
 * have replaced by letters for kallsyms (before 5.3), so sections tell what is code. Without
 * symbols there are no functions; that is allowed.
 */
static int read_functions(struct module_image *m, const struct headers *h,
                          const struct guest_view *view, char error[ANNOTATE_ERROR_SIZE])
{
	size_t n = 0;

	for (uint32_t i = 0; i < h->n && !m->functions; i++) {
		const Elf32_Shdr *s = &h->v[i];
		uint32_t count = s->sh_size / sizeof(Elf32_Sym);

		if (s->sh_type != SHT_SYMTAB || count > SYMBOLS_MAX)
			continue;
		m->functions = calloc((size_t)count + 1, sizeof(m->functions[0]));
		if (!m->functions)
			return fail(error, -ENOMEM, "out of memory for a module");
		for (uint32_t k = 0; k < count; k++) {
			Elf32_Sym y;

			if (!guest_view_read(view, s->sh_addr + k * (uint32_t)sizeof(y), &y,
			                     sizeof(y)))
				break;
			if (y.st_shndx < h->n && is_loaded(&h->v[y.st_shndx]) &&
			    h->v[y.st_shndx].sh_flags & SHF_EXECINSTR)
				m->functions[n++] = y.st_value;
		}
	}
	if (n)
		qsort(m->functions, n, sizeof(m->functions[0]), by_number);
	for (size_t i = 0; i < n; i++)
		if (!m->in.nfunctions || m->functions[m->in.nfunctions - 1] != m->functions[i])
			m->functions[m->in.nfunctions++] = m->functions[i];
	m->in.functions = m->functions;
	return 0;
}

int module_open(struct module_image *m, const struct guest_view *view, uint32_t header,
                uint32_t sections, char error[ANNOTATE_ERROR_SIZE])
{
	struct headers h = {0};
	int result;

	*m = (struct module_image){.in.module = true};
	result = read_headers(&h, view, header, sections, error);
	if (!result)
		result = read_names(m, &h, view, header, error);
	if (!result)
		result = read_sections(m, &h, view, error);
	if (!result)
		result = read_functions(m, &h, view, error);
	free(h.v);
	return result;
}

void module_close(struct module_image *m)
{
	free(m->sections);
	free(m->functions);
	free(m->names);
	free(m->bytes);
	*m = (struct module_image){0};
}

bool module_has_code(const struct module_image *m)
{
	for (size_t i = 0; i < m->in.nsections; i++)
		if (m->sections[i].executable)
			return true;
	return false;
}

void module_write(const struct annotations *a, const struct guest_view *view)
{
	uint8_t bytes[15];

	for (uint32_t i = 0; i < a->nsites; i++) {
		const struct annot_site *s = &a->sites[i];

		if (!(s->flags & ANNOT_SITE_TRAP))
			continue;
		annotate_trap_bytes(s, bytes);
		guest_view_write(view, s->va, bytes, s->length);
	}
	for (uint32_t i = 0; i < a->nwindows; i++) {
		const struct annot_window *w = &a->windows[i];

		guest_view_write(view, w->va, w->bytes, w->length);
	}
}
