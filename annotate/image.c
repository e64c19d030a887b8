/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Sections further apart than this are no kernel: a distribution kernel spans 20 MiB, one with
 * everything built in 60.
 */
#define IMAGE_SPAN_MAX (192u << 20)
#define HUGE_PAGE      (2u << 20) /* bytes */

/*
 * Three arrays of the image's size in huge pages, where the host has them: with small ones two
 * sweeping threads spend a third of their time on page faults and on telling each other.
 */
static bool allocate(struct image *im)
{
	size_t each = ((size_t)im->size + IMAGE_SLACK + 63) & ~(size_t)63;
	uintptr_t aligned;

	im->memory_size = 3 * each + HUGE_PAGE;
	im->memory = mmap(NULL, im->memory_size, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (im->memory == MAP_FAILED) {
		im->memory = NULL;
		return false;
	}
	aligned = ((uintptr_t)im->memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	if (each >= HUGE_PAGE)
		madvise((void *)aligned, 3 * each, MADV_HUGEPAGE); /* a wish */
	im->bytes = (uint8_t *)aligned;
	im->map = im->bytes + each;
	im->length = im->map + each;
	return true;
}

static bool in_image(const struct annotate_input *in, const struct annotate_section *s)
{
	return s->data && s->size && (s->executable || !in->module);
}

/* A gap of a page is more than alignment: another allocation. */
static bool apart(const struct annotate_input *in, const struct image_extent *e, uint32_t va)
{
	return in->module && va - (e->va + e->size) >= 4096;
}

static int by_va(const void *a, const void *b)
{
	const struct annotate_section *x = *(const struct annotate_section *const *)a;
	const struct annotate_section *y = *(const struct annotate_section *const *)b;

	return (x->va > y->va) - (x->va < y->va);
}

#define NAME_SHOWN 32

/* A section's name in a message: a module's is the guest's, and the message may reach a terminal.
 */
static const char *shown(char text[NAME_SHOWN + 1], const char *name)
{
	size_t n = 0;

	for (; n < NAME_SHOWN && name[n]; n++)
		text[n] = name[n] >= ' ' && name[n] <= '~' ? name[n] : '?';
	text[n] = 0;
	return text;
}

/* Where everything lies; sections in ascending order. */
static int make_extents(struct image *im, const struct annotate_section *const *v, size_t n,
                        char error[ANNOTATE_ERROR_SIZE])
{
	char name[NAME_SHOWN + 1];
	uint64_t size = 0;

	for (size_t i = 0; i < n; i++) {
		struct image_extent *e = im->nextents ? &im->extents[im->nextents - 1] : NULL;
		uint64_t end = (uint64_t)v[i]->va + v[i]->size;

		if (end > UINT32_MAX) {
			snprintf(error, ANNOTATE_ERROR_SIZE,
			         "section %s at %#x wraps around the address space",
			         shown(name, v[i]->name), v[i]->va);
			return -EINVAL;
		}
		if (e && v[i]->va < (uint64_t)e->va + e->size && im->in->module) {
			snprintf(error, ANNOTATE_ERROR_SIZE, "section %s at %#x overlaps another",
			         shown(name, v[i]->name), v[i]->va);
			return -EINVAL;
		}
		if (e && !apart(im->in, e, v[i]->va)) {
			if (end > (uint64_t)e->va + e->size)
				e->size = end - e->va;
			continue;
		}
		if (im->nextents == IMAGE_EXTENTS_MAX) {
			snprintf(error, ANNOTATE_ERROR_SIZE, "code in more than %d places",
			         IMAGE_EXTENTS_MAX);
			return -EINVAL;
		}
		im->extents[im->nextents++] =
		    (struct image_extent){.va = v[i]->va, .size = v[i]->size};
	}
	for (unsigned i = 0; i < im->nextents; i++) {
		size += i ? IMAGE_SLACK : 0;
		im->extents[i].at = size;
		size += im->extents[i].size;
		if (size > IMAGE_SPAN_MAX) {
			snprintf(error, ANNOTATE_ERROR_SIZE, "sections span %llu MiB, more than %u",
			         (unsigned long long)size >> 20, IMAGE_SPAN_MAX >> 20);
			return -EINVAL;
		}
	}
	im->size = size;
	return 0;
}

static void find_text(struct image *im, const struct annotate_section *const *v, size_t n)
{
	im->text_low = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		uint32_t at;

		if (!v[i]->executable || !image_offset(im, v[i]->va, &at))
			continue;
		im->text_low = at < im->text_low ? at : im->text_low;
		if (at + v[i]->size > im->text_high)
			im->text_high = at + v[i]->size;
	}
}

int image_open(struct image *im, const struct annotate_input *in, char error[ANNOTATE_ERROR_SIZE])
{
	const struct annotate_section **v = calloc(in->nsections + 1, sizeof(v[0]));
	size_t n = 0;
	int result;

	*im = (struct image){.in = in};
	if (!v) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory for the sections");
		return -ENOMEM;
	}
	for (size_t i = 0; i < in->nsections; i++)
		if (in_image(in, &in->sections[i]))
			v[n++] = &in->sections[i];
	qsort(v, n, sizeof(v[0]), by_va);
	result = make_extents(im, v, n, error);
	if (!result)
		find_text(im, v, n);
	if (!result && im->text_low >= im->text_high) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "no executable section");
		result = -EINVAL;
	}
	if (!result && !allocate(im)) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory for an image of %u bytes",
		         im->size);
		result = -ENOMEM;
	}
	for (size_t i = 0; !result && i < n; i++) {
		uint32_t at;

		if (image_offset(im, v[i]->va, &at))
			memcpy(im->bytes + at, v[i]->data, v[i]->size);
	}
	free(v);
	return result;
}

void image_close(struct image *im)
{
	if (im->memory)
		munmap(im->memory, im->memory_size);
	free(im->branches.v);
	free(im->sites.v);
	*im = (struct image){0};
}

const struct annotate_section *image_section(const struct image *im, const char *name)
{
	for (size_t i = 0; i < im->in->nsections; i++) {
		const struct annotate_section *s = &im->in->sections[i];

		if (s->data && s->size && !strcmp(s->name, name))
			return s;
	}
	return NULL;
}

/* Room for one more element of a growing array; returns the array, NULL when memory is short. */
static void *grow(void *v, size_t n, size_t *room, size_t element)
{
	size_t more = *room ? *room * 2 : 4096;

	if (n < *room)
		return v;
	v = realloc(v, more * element);
	if (v)
		*room = more;
	return v;
}

bool image_branches_add(struct branches *b, uint32_t from, uint32_t to)
{
	struct branch *v = grow(b->v, b->n, &b->room, sizeof(*v));

	if (!v)
		return false;
	b->v = v;
	b->v[b->n++] = (struct branch){.from = from, .to = to};
	return true;
}

bool image_sites_add(struct sites *s, uint32_t at, uint8_t length, uint8_t kind)
{
	struct site *v = grow(s->v, s->n, &s->room, sizeof(*v));

	if (!v)
		return false;
	s->v = v;
	s->v[s->n++] = (struct site){.at = at, .length = length, .kind = kind};
	return true;
}

/* ---- instruction by instruction ---- */

#define LENGTH_MAX 15 /* bytes of an instruction (SDM volume 2, 2.3.11) */

size_t image_site_index(const struct image *im, uint32_t at)
{
	size_t low = 0, high = im->sites.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (im->sites.v[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct site *image_site_at(const struct image *im, uint32_t at)
{
	size_t i = image_site_index(im, at);

	return i < im->sites.n && im->sites.v[i].at == at ? &im->sites.v[i] : NULL;
}

uint32_t image_length_at(const struct image *im, uint32_t at)
{
	const struct site *s = im->map[at] & BYTE_SITE ? image_site_at(im, at) : NULL;

	return s ? s->length : im->length[at];
}

bool image_instruction_before(const struct image *im, uint32_t at, uint32_t *before)
{
	for (uint32_t d = 1; d <= LENGTH_MAX && d <= at; d++)
		if ((im->map[at - d] & BYTE_START) && image_length_at(im, at - d) == d) {
			*before = at - d;
			/* the hlt of sti; hlt belongs to the sti */
			if (d == 1 && at >= 2 && (im->map[at - 2] & BYTE_SITE) &&
			    image_length_at(im, at - 2) == 2 && im->length[at - 2] == 1)
				*before = at - 2;
			return true;
		}
	return false;
}

bool image_any_byte(const struct image *im, uint32_t from, uint32_t to, uint8_t what)
{
	for (uint32_t i = from; i < to; i++)
		if (im->map[i] & what)
			return true;
	return false;
}
