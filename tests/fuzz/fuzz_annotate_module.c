// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest's module: arbitrary memory, page tables included, and arbitrary addresses of its
 * headers. Whatever it says, main reads and writes guest memory only, and gives everything back.
 */
#include "annotate/image.h"
#include "annotate/module.h"
#include "annotate/parts.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define RAM  0x40000u
#define HEAD 13u /* flags, header, sections, cr3 */

static struct annotations all, one;
static uint8_t area[HOLE_MODULES_SIZE], stubs[HOLE_MODULES_SIZE];

static bool place(void *context, const struct annotate_need *need, uint32_t *first_site,
                  uint32_t *stubs_va)
{
	struct parts_room *room = context;

	if (!parts_find_room(&all, IMAGE_EXTENTS_MAX, need, room))
		return false;
	*first_site = room->site;
	*stubs_va = room->stub;
	return true;
}

static bool in_code(const struct module_image *m, uint32_t va, uint32_t n)
{
	for (size_t i = 0; i < m->in.nsections; i++) {
		const struct annotate_section *s = &m->sections[i];

		if (s->executable && va - s->va < s->size && s->size - (va - s->va) >= n)
			return true;
	}
	return false;
}

static void check(const struct module_image *m)
{
	uint32_t sites = 0, windows = 0, points = 0, bytes = 0;

	require(one.nparts && one.nparts <= IMAGE_EXTENTS_MAX);
	for (uint32_t i = 0; i < one.nsites; i++)
		require(in_code(m, one.sites[i].va, 1));
	for (uint32_t i = 0; i < one.nwindows; i++)
		require(in_code(m, one.windows[i].va, 1));
	for (uint32_t i = 0; i < one.nparts; i++) {
		const struct annot_part *p = &one.parts[i];

		for (uint32_t k = 0; k < p->nwindows; k++)
			require(one.windows[p->first_window + k].va - p->va < p->size);
		for (uint32_t k = 0; k < p->npoints; k++)
			require(one.points[p->first_point + k].stub - p->stub < p->stub_bytes);
		sites += p->nsites;
		windows += p->nwindows;
		points += p->npoints;
		bytes += p->stub_bytes;
	}
	require(sites == one.nsites && windows == one.nwindows && points == one.npoints &&
	        bytes == one.stub_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parts_room room;
	struct annotate_options o = {.place = place,
	                             .place_context = &room,
	                             .single_thread = true,
	                             .stubs_va = HOLE_MODULES,
	                             .stubs_size = sizeof(stubs)};
	struct guest_view view = {.ram_size = RAM};
	struct annotate_report report;
	struct module_image m;
	char error[ANNOTATE_ERROR_SIZE] = "";
	int result;

	if (size < HEAD || size - HEAD > RAM)
		return 0;
	view.ram = calloc(1, RAM); /* of its own, so that what lies outside is seen */
	require(view.ram != NULL);
	memcpy(view.ram, data + HEAD, size - HEAD);
	view.cr0 = data[0] & 1 ? 0x80000000 : 0;
	view.cr4 = (data[0] & 2 ? 0x20 : 0) | (data[0] & 4 ? 0x10 : 0);
	view.cr3 = u32(data + 9);
	o.traps_only = data[0] & 8;
	result = module_open(&m, &view, u32(data + 1), u32(data + 5), error);
	require(result <= 0 && (!result || error[0]));
	if (!result && module_has_code(&m)) {
		result = annotate_kernel(&m.in, &o, &one, stubs, &report, error);
		require(result <= 0 && (!result || error[0]));
		if (!result) {
			check(&m);
			parts_add(&all, &one, &room, stubs, area);
			module_write(&one, &view);
			parts_remove(&all, 0, UINT32_MAX, area);
			require(!all.nparts);
		}
	}
	module_close(&m);
	free(view.ram);
	return 0;
}
