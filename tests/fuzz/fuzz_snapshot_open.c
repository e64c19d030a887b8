/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A snapshot's file that somebody made up: whatever its header, sections and tables say, what is
 * read is within the file and the buffers, and what is called sound can be used.
 *
 * The input is edits of a sound file: two bytes for the place, one for the value. Its first byte
 * says whether the checksums are made right again behind them, as somebody would who means harm.
 */
#include "annotate/parts.h"
#include "main/snapshot_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUILD  7u
#define MEMORY SNAPSHOT_RAM_MIN
#define CHUNKS ((uint32_t)(MEMORY / SNAPSHOT_CHUNK))

/* What an edit can reach: the header, and what is behind guest memory. */
#define TAIL_AT (SNAPSHOT_CHUNK + MEMORY)

static void promise(bool kept)
{
	if (!kept)
		__builtin_trap();
}

static int make_sound(void)
{
	static struct snapshot_writer w;
	static struct snapshot_config config;
	static uint8_t bytes[SNAPSHOT_CHUNK];
	static uint16_t pages[CHUNKS];
	static uint64_t hashes[CHUNKS];
	static uint32_t parts[sizeof(struct annot_part) / 4 + 8];
	int fd = memfd_create("snapshot", 0);

	promise(fd >= 0 && snapshot_write_begin(&w, fd, BUILD, MEMORY));
	bytes[5] = bytes[3 * PAGE_SIZE] = 1;
	snapshot_write_chunk(&w, 1, bytes, SNAPSHOT_CHUNK_PAGES, &pages[1], &hashes[1]);
	snapshot_write(&w, SNAPSHOT_PAGES, 0, pages, sizeof pages);
	snapshot_write(&w, SNAPSHOT_HASHES, 0, hashes, sizeof hashes);
	snapshot_write(&w, SNAPSHOT_CONFIG, 0, &config, sizeof config);
	snapshot_write(&w, SNAPSHOT_ANNOTATIONS, 0, parts, sizeof parts);
	promise(!snapshot_write_end(&w));
	snapshot_write_free(&w);
	return fd;
}

static void edit(int fd, const uint8_t *data, size_t size)
{
	for (; size >= 3; data += 3, size -= 3) {
		uint32_t at = data[0] | (uint32_t)data[1] << 8;

		promise(pwrite(fd, data + 2, 1, (off_t)(at < 8192 ? at : TAIL_AT + at - 8192)) ==
		        1);
	}
}

static void make_right(int fd)
{
	static struct snapshot_header h;
	static uint8_t bytes[65536];

	promise(pread(fd, &h, sizeof h, 0) == sizeof h);
	for (uint32_t i = 0; i < h.nsections && i < SNAPSHOT_SECTIONS; i++) {
		ssize_t n = h.section[i].bytes <= sizeof bytes
		                ? pread(fd, bytes, h.section[i].bytes, (off_t)h.section[i].at)
		                : -1;

		if (n >= 0)
			h.section[i].hash = XXH3_64bits(bytes, (size_t)n);
	}
	h.hash = XXH3_64bits(&h, offsetof(struct snapshot_header, hash));
	promise(pwrite(fd, &h, sizeof h, 0) == sizeof h);
}

static bool take(void *of, const uint8_t *bytes, size_t n)
{
	uint8_t *sum = of;

	for (size_t i = 0; i < n; i++)
		*sum = (uint8_t)(*sum + bytes[i]);
	return true;
}

/* What main does with the parts of annotations that it has called sound. */
static void use_annotations(const uint32_t *words, size_t n)
{
	static struct annotations *a;
	static uint8_t *area;
	const struct annotate_need need = {.sites = 3, .windows = 2, .points = 4, .stub_bytes = 64};
	struct parts_room room;

	if (!a) {
		a = calloc(1, sizeof *a);
		area = malloc(HOLE_MODULES_SIZE);
	}
	memcpy(a, words, n < 4096 ? n : 4096);
	if (!parts_are_sound(a))
		return;
	if (parts_find_room(a, 1, &need, &room))
		promise(room.site + need.sites <= ANNOT_MAX_SITES &&
		        room.stub + need.stub_bytes <= HOLE_MODULES + HOLE_MODULES_SIZE);
	parts_used(a);
	parts_remove(a, words[9], words[10], area);
}

static void use(const struct snapshot *s)
{
	char why[200] = "";
	uint8_t sum = 0;
	size_t n;

	promise(s->chunks <= SNAPSHOT_CHUNKS_MAX && s->header.ram_bytes <= SNAPSHOT_RAM_MAX);
	/* 64 MiB, or it takes longer than what is looked for. */
	if (s->header.ram_bytes == MEMORY && !snapshot_verify(s, why, sizeof why))
		promise(*why);
	for (uint32_t kind = 0; kind <= SNAPSHOT_CONTENTS; kind++) {
		const struct snapshot_section *section = snapshot_find(s, kind, 0);
		uint32_t *p = snapshot_read(s, kind, 0, 0, 65536, &n, why, sizeof why);

		promise(p ? n <= 65536 : *why != 0);
		if (p && kind == SNAPSHOT_ANNOTATIONS)
			use_annotations(p, n);
		if (p && kind == SNAPSHOT_CONFIG && n == sizeof(struct snapshot_config)) {
			struct snapshot_config *c = (struct snapshot_config *)p;

			snapshot_text(c->kernel, sizeof c->kernel);
			promise(strlen(c->kernel) < sizeof c->kernel);
		}
		free(p);
		if (section && section->bytes < 1u << 20)
			snapshot_stream(s, section, take, &sum, why, sizeof why);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct snapshot s;
	char why[200] = "";
	int fd;

	if (size < 2)
		return 0;
	fd = make_sound();
	edit(fd, data + 2, size - 2);
	if (data[0] & 1)
		make_right(fd);
	if (data[0] & 2)
		promise(!ftruncate(fd, (off_t)(TAIL_AT - 128u * 64 + 128u * data[1])));
	if (snapshot_open(&s, fd, BUILD, why, sizeof why)) {
		use(&s);
		snapshot_close(&s);
	} else {
		promise(*why);
	}
	return 0;
}
