/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/annotate.h"
#include "annotate/image.h"
#include "annotate/sensitive.h"
#include "annotate/sweep.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define HLT 0xf4

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The sites as the core sees them. */
static int describe_sites(const struct image *im, struct annotations *out,
                          struct annotate_report *report, char error[ANNOTATE_ERROR_SIZE])
{
	if (im->sites.n > ANNOT_MAX_SITES) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "%zu sensitive instructions, room for %u",
		         im->sites.n, ANNOT_MAX_SITES);
		return -E2BIG;
	}
	for (size_t i = 0; i < im->sites.n; i++) {
		const struct site *s = &im->sites.v[i];
		struct annot_site *o = &out->sites[i];

		*o = (struct annot_site){.va = im->base + s->at, .length = s->length};
		memcpy(o->bytes, im->bytes + s->at, s->length);
		if (!sensitive_traps(s->kind))
			o->flags |= ANNOT_SITE_TRAP;
		report->kinds[s->kind].found++;
	}
	out->nsites = im->sites.n;
	return 0;
}

int annotate_kernel(const struct annotate_input *in, const struct annotate_options *options,
                    struct annotations *out, uint8_t *stubs, struct annotate_report *report,
                    char error[ANNOTATE_ERROR_SIZE])
{
	struct annotate_report unwanted;
	struct image im;
	uint64_t start = now_ns();
	int result;

	(void)stubs;
	if (!report)
		report = &unwanted;
	*report = (struct annotate_report){0};
	memset(out, 0, sizeof(*out));
	out->kernel_base = in->kernel_base;
	error[0] = 0;

	result = image_open(&im, in, error);
	if (result)
		goto done;
	result = sweep(&im, options->single_thread ? 1 : 2, report);
	report->sweep_ns = now_ns() - start;
	if (result) {
		snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory for the kernel's instructions");
		goto done;
	}
	result = describe_sites(&im, out, report, error);
	if (result)
		goto done;
	for (int i = 0; i < ANNOTATE_NKINDS; i++)
		report->kinds[i].trap = report->kinds[i].found;
done:
	image_close(&im);
	report->total_ns = now_ns() - start;
	return result;
}

void annotate_apply_traps(const struct annotations *a, uint8_t *ram, uint64_t ram_size)
{
	for (uint32_t i = 0; i < a->nsites && i < ANNOT_MAX_SITES; i++) {
		uint32_t pa = a->sites[i].va - a->kernel_base;

		if ((a->sites[i].flags & ANNOT_SITE_TRAP) && pa < ram_size)
			ram[pa] = HLT;
	}
}
