/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/cache.h"

#include "common/cache_file.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Raise it when the meaning of a file, or what the annotator makes of a kernel, changes. */
#define CACHE_FORMAT 4
#define CACHE_MAGIC  0x31676e6972616363u

struct header {
	uint64_t magic;
	uint64_t version;  /* as in the file's name */
	uint64_t checksum; /* of everything behind the header */
	uint32_t nsites, nwindows, npoints, stub_bytes, kernel_base, patch_copy;
	uint32_t report_size;
};

static uint64_t version_of(const struct annotate_input *in, const struct annotate_options *options)
{
	const uint32_t constants[] = {
	    CACHE_FORMAT,
	    RING1_SLOW,
	    sizeof(struct annot_site),
	    sizeof(struct annot_window),
	    sizeof(struct annot_point),
	    sizeof(struct annotate_report),
	    options->traps_only,
	    options->count_sites,
	    options->deferred,
	    options->stubs_va,
	    options->stubs_size,
	    in->kernel_base,
	    in->entry,
	};
	uint64_t h = cache_hash(0, constants, sizeof(constants));

	h = cache_hash(h, &options->rom, sizeof(options->rom));
	for (size_t i = 0; i < in->nsections; i++) {
		const struct annotate_section *s = &in->sections[i];
		const uint32_t shape[] = {s->va, s->size, s->executable, s->data != NULL, s->mixed};

		h = cache_hash(h, s->name, strlen(s->name));
		h = cache_hash(h, shape, sizeof(shape));
		if (s->data)
			h = cache_hash(h, s->data, s->size);
	}
	return h;
}

/* ---- places ---- */

static bool file_name(char path[CACHE_PATH_SIZE], const uint8_t *build_id, size_t size,
                      uint64_t version)
{
	char name[256];
	int used;

	if (!size || size > 64)
		return false;
	used = sprintf(name, "annotations-");
	for (size_t i = 0; i < size; i++)
		used += sprintf(name + used, "%02x", build_id[i]);
	sprintf(name + used, "-%016llx.bin", (unsigned long long)version);
	return cache_path(path, name);
}

/* ---- contents ---- */

/* The pieces of a file behind its header, in order. */
#define PIECES 5

static void pieces_of(struct cache_piece v[PIECES], const struct header *h, struct annotations *a,
                      uint8_t *stubs, struct annotate_report *report)
{
	v[0] = (struct cache_piece){report, sizeof(*report)};
	v[1] = (struct cache_piece){a->sites, h->nsites * sizeof(a->sites[0])};
	v[2] = (struct cache_piece){a->windows, h->nwindows * sizeof(a->windows[0])};
	v[3] = (struct cache_piece){a->points, h->npoints * sizeof(a->points[0])};
	v[4] = (struct cache_piece){stubs, h->stub_bytes};
}

static uint64_t checksum_of(const struct cache_piece v[PIECES])
{
	uint64_t h = CACHE_MAGIC;

	for (int i = 0; i < PIECES; i++)
		h = cache_hash(h, v[i].data, v[i].size);
	return h;
}

/* May a guest-virtual range be part of this kernel? */
static bool in_image(const struct annotate_input *in, uint32_t va, uint32_t length)
{
	for (size_t i = 0; i < in->nsections; i++) {
		const struct annotate_section *s = &in->sections[i];

		if (s->data && va - s->va < s->size && s->size - (va - s->va) >= length)
			return true;
	}
	return false;
}

/* The promises of struct annotations. */
static bool plausible(const struct annotate_input *in, const struct annotate_options *options,
                      const struct annotations *a)
{
	for (uint32_t i = 0; i < a->nsites; i++) {
		const struct annot_site *s = &a->sites[i];

		if (!s->length || s->length > sizeof(s->bytes) || !in_image(in, s->va, s->length) ||
		    (i && s->va <= s[-1].va))
			return false;
	}
	for (uint32_t i = 0; i < a->nwindows; i++) {
		const struct annot_window *w = &a->windows[i];

		if (w->length < 2 || w->length > ANNOT_WINDOW_BYTES ||
		    !in_image(in, w->va, w->length) ||
		    (i && (w->va <= w[-1].va || w->va - w[-1].va < w[-1].length)))
			return false;
	}
	for (uint32_t i = 0; i < a->npoints; i++) {
		const struct annot_point *p = &a->points[i];

		if (p->stub - options->stubs_va >= a->stub_bytes || (i && p->stub <= p[-1].stub))
			return false;
	}
	return true;
}

static bool read_file(int fd, uint64_t file_size, uint64_t version, const struct annotate_input *in,
                      const struct annotate_options *options, struct annotations *out,
                      uint8_t *stubs, struct annotate_report *report)
{
	struct cache_piece v[PIECES];
	struct header h;
	size_t size = sizeof(h);

	if (!cache_read(fd, (struct cache_piece){&h, sizeof(h)}))
		return false;
	if (h.magic != CACHE_MAGIC || h.version != version || h.nsites > ANNOT_MAX_SITES ||
	    h.nwindows > ANNOT_MAX_WINDOWS || h.npoints > ANNOT_MAX_POINTS ||
	    h.stub_bytes > options->stubs_size || (h.stub_bytes && !stubs) ||
	    h.kernel_base != in->kernel_base || h.report_size != sizeof(*report))
		return false;
	pieces_of(v, &h, out, stubs, report);
	for (int i = 0; i < PIECES; i++)
		size += v[i].size;
	if (file_size != size)
		return false;
	out->nparts = 0;
	for (int i = 0; i < PIECES; i++)
		if (!cache_read(fd, v[i]))
			return false;
	out->nsites = h.nsites;
	out->nwindows = h.nwindows;
	out->npoints = h.npoints;
	out->stub_bytes = h.stub_bytes;
	out->kernel_base = h.kernel_base;
	out->patch_copy = h.patch_copy;
	return checksum_of(v) == h.checksum && plausible(in, options, out);
}

static void write_file(const char *path, uint64_t version, struct annotations *a, uint8_t *stubs,
                       struct annotate_report *report)
{
	struct header h = {
	    .magic = CACHE_MAGIC,
	    .version = version,
	    .nsites = a->nsites,
	    .nwindows = a->nwindows,
	    .npoints = a->npoints,
	    .stub_bytes = a->stub_bytes,
	    .kernel_base = a->kernel_base,
	    .patch_copy = a->patch_copy,
	    .report_size = sizeof(*report),
	};
	struct cache_piece all[1 + PIECES] = {{&h, sizeof(h)}};

	pieces_of(all + 1, &h, a, stubs, report);
	h.checksum = checksum_of(all + 1);
	cache_write(path, all, 1 + PIECES);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int annotate_kernel_cached(const struct annotate_input *in, const struct annotate_options *options,
                           const uint8_t *build_id, size_t build_id_size, struct annotations *out,
                           uint8_t *stubs, struct annotate_report *report,
                           char error[ANNOTATE_ERROR_SIZE])
{
	uint64_t start = now_ns(), version = version_of(in, options), size;
	struct annotate_report unwanted;
	char path[CACHE_PATH_SIZE];
	bool named = file_name(path, build_id, build_id_size, version);
	int fd, result;

	if (!report)
		report = &unwanted;
	fd = named ? cache_open(path, &size) : -1;
	if (fd >= 0) {
		bool good = read_file(fd, size, version, in, options, out, stubs, report);

		close(fd);
		if (good) {
			error[0] = 0;
			report->cached = true;
			report->sweep_ns = 0;
			report->total_ns = now_ns() - start;
			return 0;
		}
	}
	result = annotate_kernel(in, options, out, stubs, report, error);
	if (!result && named)
		write_file(path, version, out, stubs, report);
	return result;
}
