/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/parts.h"

#include <stdlib.h>
#include <string.h>

#define STUB_ALIGN 16u
#define INT3       0xcc

struct range {
	uint32_t first, count;
};

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* First fit in [low, high) between @n taken ranges, which are sorted here. */
static bool first_fit(struct range *taken, uint32_t n, uint32_t low, uint32_t high, uint32_t align,
                      uint32_t count, uint32_t *first)
{
	uint32_t at = low;

	qsort(taken, n, sizeof(taken[0]), by_first);
	for (uint32_t i = 0; i <= n; i++) {
		uint32_t end = i < n ? taken[i].first : high;

		at = (at + align - 1) & ~(align - 1);
		if (at <= end && end - at >= count) {
			*first = at;
			return true;
		}
		if (i < n && taken[i].first + taken[i].count > at)
			at = taken[i].first + taken[i].count;
	}
	return false;
}

bool parts_find_room(const struct annotations *a, uint32_t nparts, const struct annotate_need *need,
                     struct parts_room *room)
{
	struct range *taken = malloc((a->nparts + 1) * sizeof(taken[0]));
	bool fits = taken && nparts <= ANNOT_MAX_PARTS - a->nparts;

#define FIT(first_field, count_field, low, high, align, count, result)                             \
	do {                                                                                       \
		for (uint32_t i = 0; fits && i < a->nparts; i++)                                   \
			taken[i] =                                                                 \
			    (struct range){a->parts[i].first_field, a->parts[i].count_field};      \
		fits = fits && first_fit(taken, a->nparts, low, high, align, count, result);       \
	} while (0)
	FIT(first_site, nsites, a->nsites, ANNOT_MAX_SITES, 1, need->sites, &room->site);
	FIT(first_window, nwindows, a->nwindows, ANNOT_MAX_WINDOWS, 1, need->windows,
	    &room->window);
	FIT(first_point, npoints, a->npoints, ANNOT_MAX_POINTS, 1, need->points, &room->point);
	FIT(stub, stub_bytes, HOLE_MODULES, HOLE_MODULES + HOLE_MODULES_SIZE, STUB_ALIGN,
	    need->stub_bytes, &room->stub);
#undef FIT
	free(taken);
	return fits;
}

static void insert(struct annotations *a, const struct annot_part *part)
{
	uint32_t at = a->nparts;

	while (at && a->parts[at - 1].va > part->va)
		at--;
	memmove(&a->parts[at + 1], &a->parts[at], (a->nparts - at) * sizeof(a->parts[0]));
	a->parts[at] = *part;
	a->nparts++;
}

void parts_add(struct annotations *a, const struct annotations *from, const struct parts_room *room,
               const uint8_t *stubs, uint8_t *area)
{
	memcpy(a->sites + room->site, from->sites, from->nsites * sizeof(a->sites[0]));
	memcpy(a->windows + room->window, from->windows, from->nwindows * sizeof(a->windows[0]));
	memcpy(a->points + room->point, from->points, from->npoints * sizeof(a->points[0]));
	memcpy(area + (room->stub - HOLE_MODULES), stubs, from->stub_bytes);
	for (uint32_t i = 0; i < from->nparts; i++) {
		struct annot_part part = from->parts[i];

		part.first_window += room->window;
		part.first_point += room->point;
		insert(a, &part);
	}
}

static void forget(struct annotations *a, const struct annot_part *part, uint8_t *area)
{
	memset(a->sites + part->first_site, 0, part->nsites * sizeof(a->sites[0]));
	if (part->stub_bytes)
		memset(area + (part->stub - HOLE_MODULES), INT3, part->stub_bytes);
}

uint32_t parts_remove(struct annotations *a, uint32_t va, uint32_t size, uint8_t *area)
{
	uint32_t kept = 0, removed = 0;

	for (uint32_t i = 0; i < a->nparts; i++) {
		const struct annot_part *part = &a->parts[i];

		/* Either begins within the other. */
		if (part->va - va < size || va - part->va < part->size) {
			forget(a, part, area);
			removed++;
		} else {
			a->parts[kept++] = *part;
		}
	}
	a->nparts = kept;
	return removed;
}

struct annotate_need parts_used(const struct annotations *a)
{
	struct annotate_need used = {0};

	for (uint32_t i = 0; i < a->nparts; i++) {
		used.sites += a->parts[i].nsites;
		used.windows += a->parts[i].nwindows;
		used.points += a->parts[i].npoints;
		used.stub_bytes += a->parts[i].stub_bytes;
	}
	return used;
}

static bool in_table(uint32_t first, uint32_t n, uint32_t low, uint32_t high)
{
	return !n || (first >= low && first <= high && n <= high - first);
}

bool parts_are_sound(const struct annotations *a)
{
	if (a->nsites > ANNOT_MAX_SITES || a->nwindows > ANNOT_MAX_WINDOWS ||
	    a->npoints > ANNOT_MAX_POINTS || a->nparts > ANNOT_MAX_PARTS ||
	    a->stub_bytes > HOLE_STUBS_SIZE)
		return false;
	for (uint32_t i = 0; i < a->nparts; i++) {
		const struct annot_part *p = &a->parts[i];

		if (p->size > UINT32_MAX - p->va || (i && p->va < a->parts[i - 1].va) ||
		    !in_table(p->first_site, p->nsites, a->nsites, ANNOT_MAX_SITES) ||
		    !in_table(p->first_window, p->nwindows, a->nwindows, ANNOT_MAX_WINDOWS) ||
		    !in_table(p->first_point, p->npoints, a->npoints, ANNOT_MAX_POINTS) ||
		    !in_table(p->stub, p->stub_bytes, HOLE_MODULES,
		              HOLE_MODULES + HOLE_MODULES_SIZE))
			return false;
	}
	return true;
}
