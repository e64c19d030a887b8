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
	madvise((void *)aligned, 3 * each, MADV_HUGEPAGE); /* a wish */
	im->bytes = (uint8_t *)aligned;
	im->map = im->bytes + each;
	im->length = im->map + each;
	return true;
}

int image_open(struct image *im, const struct annotate_input *in, char error[ANNOTATE_ERROR_SIZE])
{
	uint64_t low = UINT64_MAX, high = 0, text_low = UINT64_MAX, text_high = 0;

	*im = (struct image){.in = in};
	for (size_t i = 0; i < in->nsections; i++) {
		const struct annotate_section *s = &in->sections[i];
		uint64_t end = (uint64_t)s->va + s->size;

		if (!s->data || !s->size)
			continue;
		if (end > UINT32_MAX) {
			snprintf(error, ANNOTATE_ERROR_SIZE,
			         "section %.32s at %#x wraps around the address space", s->name,
			         s->va);
			return -EINVAL;
		}
		low = s->va < low ? s->va : low;
		high = end > high ? end : high;
		if (!s->executable)
			continue;
		text_low = s->va < text_low ? s->va : text_low;
		text_high = end > text_high ? end : text_high;
	}
	if (text_low >= text_high) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "no executable section");
		return -EINVAL;
	}
	if (high - low > IMAGE_SPAN_MAX) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "sections span %llu MiB, more than %u",
		         (unsigned long long)(high - low) >> 20, IMAGE_SPAN_MAX >> 20);
		return -EINVAL;
	}
	im->base = low;
	im->size = high - low;
	im->text_low = text_low - low;
	im->text_high = text_high - low;

	if (!allocate(im)) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory for an image of %u bytes",
		         im->size);
		return -ENOMEM;
	}
	for (size_t i = 0; i < in->nsections; i++) {
		const struct annotate_section *s = &in->sections[i];

		if (s->data && s->size)
			memcpy(im->bytes + (s->va - im->base), s->data, s->size);
	}
	return 0;
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
