// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshot_edit FILE WHAT [NUMBER]: change a snapshot, and make its checksums right again, as
 * somebody would who means harm. WHAT is one of the words below.
 */
#include "main/snapshot_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static int fd;
static struct snapshot_header h;

static void io(bool writing, void *p, size_t n, uint64_t at)
{
	if ((writing ? pwrite(fd, p, n, (off_t)at) : pread(fd, p, n, (off_t)at)) == (ssize_t)n)
		return;
	perror("snapshot_edit");
	exit(2);
}

static struct snapshot_section *find(uint32_t kind)
{
	for (uint32_t i = 0; i < h.nsections; i++)
		if (h.section[i].kind == kind)
			return &h.section[i];
	fprintf(stderr, "snapshot_edit: no section %u\n", kind);
	exit(2);
}

static void *load(uint32_t kind)
{
	struct snapshot_section *s = find(kind);
	void *p = malloc(s->bytes + 1);

	io(false, p, s->bytes, s->at);
	return p;
}

static void store(uint32_t kind, void *p)
{
	struct snapshot_section *s = find(kind);

	io(true, p, s->bytes, s->at);
	s->hash = XXH3_64bits(p, s->bytes);
}

/* Random bytes over a part of a section. */
static void garbage(uint32_t kind, size_t from, size_t n, unsigned seed)
{
	uint8_t *p = load(kind);
	size_t size = find(kind)->bytes;

	srandom(seed);
	for (size_t i = from; i < from + n && i < size; i++)
		p[i] = (uint8_t)random();
	store(kind, p);
}

static void edit_config(const char *what, unsigned long number)
{
	struct snapshot_config *c = load(SNAPSHOT_CONFIG);

	if (!strcmp(what, "cpuid")) {
		for (uint32_t i = 0; i < c->ncpuid; i++)
			if (c->cpuid[i].leaf == 1)
				c->cpuid[i].ecx |= 1u << 27 | 1u << 5;
	} else if (!strcmp(what, "ncpuid"))
		c->ncpuid = (uint32_t)number;
	else if (!strcmp(what, "tsc"))
		c->tsc_khz += c->tsc_khz / 10;
	else if (!strcmp(what, "xsave-size"))
		c->xsave_size += 64;
	else if (!strcmp(what, "ndevices"))
		c->ndevices = (uint32_t)number;
	else {
		fprintf(stderr, "snapshot_edit: '%s'?\n", what);
		exit(2);
	}
	store(SNAPSHOT_CONFIG, c);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	unsigned long number = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;

	fd = argc > 2 ? open(argv[1], O_RDWR) : -1;
	if (fd < 0) {
		fprintf(stderr, "usage: snapshot_edit FILE WHAT [NUMBER]\n");
		return 2;
	}
	io(false, &h, sizeof h, 0);
	if (!strcmp(what, "version"))
		h.version++;
	else if (!strcmp(what, "build"))
		h.build++;
	else if (!strcmp(what, "ram"))
		h.ram_bytes = number;
	else if (!strcmp(what, "sections"))
		h.nsections = (uint32_t)number;
	else if (!strcmp(what, "place"))
		find((uint32_t)number)->at = h.file_bytes - 1;
	else if (!strcmp(what, "length"))
		find((uint32_t)number)->bytes -= 4;
	else if (!strcmp(what, "missing"))
		find((uint32_t)number)->kind = 99;
	else if (!strcmp(what, "machine"))
		garbage(SNAPSHOT_MACHINE, 0, sizeof(struct machine), (unsigned)number);
	else if (!strcmp(what, "vcpu"))
		garbage(SNAPSHOT_VCPU, 0, sizeof(struct vcpu), (unsigned)number);
	else if (!strcmp(what, "platform"))
		garbage(SNAPSHOT_MACHINE, offsetof(struct machine, platform),
		        sizeof(struct platform), (unsigned)number);
	else if (!strcmp(what, "xsave"))
		garbage(SNAPSHOT_MACHINE, offsetof(struct machine, xsave), 1024, (unsigned)number);
	else if (!strcmp(what, "annotations"))
		garbage(SNAPSHOT_ANNOTATIONS, 0, PAGE_SIZE, (unsigned)number);
	else if (!strcmp(what, "annotation-pages"))
		garbage(SNAPSHOT_ANNOTATION_PAGES, 0, 64, (unsigned)number);
	else if (!strcmp(what, "memory-byte")) { /* with the checksums as they were */
		uint8_t byte;
		off_t at = lseek(fd, (off_t)(h.ram_at + number), SEEK_DATA);

		io(false, &byte, 1, (uint64_t)at);
		byte ^= 1;
		io(true, &byte, 1, (uint64_t)at);
	} else if (!strcmp(what, "section-byte")) {
		uint8_t byte;
		const struct snapshot_section *s = find((uint32_t)number);

		io(false, &byte, 1, s->at + s->bytes / 2);
		byte ^= 1;
		io(true, &byte, 1, s->at + s->bytes / 2);
	} else
		edit_config(what, number);
	h.hash = XXH3_64bits(&h, offsetof(struct snapshot_header, hash));
	io(true, &h, sizeof h, 0);
	return 0;
}
