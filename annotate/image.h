/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel image while it is examined: one flat copy of its sections and, for each byte, what
 * is known about it.
 */
#ifndef ANNOTATE_IMAGE_H
#define ANNOTATE_IMAGE_H

#include "annotate/annotate.h"
#include <stdint.h>

/* Bytes behind the image that may be read: a decoder looks ahead. */
#define IMAGE_SLACK 16

/*
 * What is known of a byte. The first three are set by two threads at once: through
 * image_mark() only.
 */
enum {
	BYTE_START = 1,   /* an instruction starts here */
	BYTE_HARD = 2,    /* reached by something that cannot be sent elsewhere */
	BYTE_SOFT = 4,    /* reached by a jmp or jcc rel32, which can */
	BYTE_FORBID = 8,  /* the kernel itself writes or names this byte: never touched */
	BYTE_FIXUP = 16,  /* an instruction with an exception table entry */
	BYTE_SITE = 32,   /* a sensitive instruction starts here */
	BYTE_TAKEN = 64,  /* part of a window */
	BYTE_MOVED = 128, /* an instruction that is rendered in a stub starts here */
};

/* A direct branch or call with a 32-bit displacement. */
struct branch {
	uint32_t from; /* offset of the instruction */
	uint32_t to;   /* offset of its target */
};

struct branches {
	struct branch *v;
	size_t n, room;
};

/* A sensitive instruction, found by the sweep. */
struct site {
	uint32_t at; /* offset */
	uint8_t length;
	uint8_t kind; /* enum annotate_kind */
};

struct sites {
	struct site *v;
	size_t n, room;
};

/*
 * Addresses that lie together. A kernel is one extent; a module has one where its code stays and
 * one for what is freed after its initialization, in places of their own.
 */
#define IMAGE_EXTENTS_MAX 8
struct image_extent {
	uint32_t va, size; /* guest-virtual address, bytes */
	uint32_t at;       /* offset of its first byte; between extents is IMAGE_SLACK */
};

/* All positions in the image are offsets; the order of offsets is that of addresses. */
struct image {
	const struct annotate_input *in;
	struct image_extent extents[IMAGE_EXTENTS_MAX]; /* ascending, disjoint */
	unsigned nextents;
	uint32_t size;                /* bytes */
	uint32_t text_low, text_high; /* offsets around all executable sections */
	void *memory;                 /* one mapping for the next three */
	size_t memory_size;
	uint8_t *bytes;           /* size + IMAGE_SLACK */
	uint8_t *map;             /* size + IMAGE_SLACK, BYTE_* */
	uint8_t *length;          /* of the instruction that starts here */
	struct branches branches; /* ascending by from within a section */
	struct sites sites;       /* ascending by at */
	uint32_t head_end;        /* offset behind the code that runs at physical addresses */
};

/**
 * image_open() - copy the sections into one piece; of a module, the executable ones
 *
 * Return: 0, -EINVAL (nothing executable, sections outside any sensible range, ...) or -ENOMEM,
 * with @error filled. image_close() is due in any case.
 */
int image_open(struct image *im, const struct annotate_input *in, char error[ANNOTATE_ERROR_SIZE]);
void image_close(struct image *im);

/* Is the address inside the image? Then *at is its offset. */
static inline bool image_offset(const struct image *im, uint32_t va, uint32_t *at)
{
	for (unsigned i = 0; i < im->nextents; i++) {
		const struct image_extent *e = &im->extents[i];

		if (va - e->va < e->size) {
			*at = va - e->va + e->at;
			return true;
		}
	}
	*at = UINT32_MAX;
	return false;
}

/* Is the address inside the span of executable sections? Then *at is its offset. */
static inline bool image_text_offset(const struct image *im, uint32_t va, uint32_t *at)
{
	return image_offset(im, va, at) && *at >= im->text_low && *at < im->text_high;
}

/* The extent an offset belongs to: an address just behind one counts as its own. */
static inline unsigned image_extent_of(const struct image *im, uint32_t at)
{
	unsigned i = 0;

	while (i + 1 < im->nextents && at >= im->extents[i + 1].at)
		i++;
	return i;
}

/* The guest-virtual address of an offset. */
static inline uint32_t image_va(const struct image *im, uint32_t at)
{
	const struct image_extent *e = &im->extents[image_extent_of(im, at)];

	return e->va + (at - e->at);
}

static inline void image_mark(struct image *im, uint32_t at, uint8_t what)
{
	if ((__atomic_load_n(&im->map[at], __ATOMIC_RELAXED) & what) != what)
		__atomic_fetch_or(&im->map[at], what, __ATOMIC_RELAXED);
}

/* Little-endian reads at an offset; the caller has checked that the bytes are there. */
static inline uint32_t image_u32(const struct image *im, uint32_t at)
{
	const uint8_t *p = im->bytes + at;

	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* image_section() - the section of that name with data, or NULL */
const struct annotate_section *image_section(const struct image *im, const char *name);

/* image_branches_add(), image_sites_add() - append; false when memory is short */
bool image_branches_add(struct branches *b, uint32_t from, uint32_t to);
bool image_sites_add(struct sites *s, uint32_t at, uint8_t length, uint8_t kind);

/* image_site_index() - index of the first site at or behind @at; the number of sites: none is */
size_t image_site_index(const struct image *im, uint32_t at);

/* image_site_at() - the site at @at, or NULL */
struct site *image_site_at(const struct image *im, uint32_t at);

/* image_length_at() - bytes of the instruction that starts at @at; of a site, all of it (sti; hlt) */
uint32_t image_length_at(const struct image *im, uint32_t at);

/* image_instruction_before() - is there an instruction that ends at @at? Then *before is where */
bool image_instruction_before(const struct image *im, uint32_t at, uint32_t *before);

/* image_any_byte() - is one of [@from, @to) marked as one of @what (BYTE_*)? */
bool image_any_byte(const struct image *im, uint32_t from, uint32_t to, uint8_t what);

#endif
