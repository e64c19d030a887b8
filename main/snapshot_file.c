// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/snapshot_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* Guest memory begins behind the header; both ends at what a chunk can be mapped from. */
#define RAM_AT LAZY_FILE_AT

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

#define READ_CHUNKS 64u /* of guest memory that are read at once */

_Static_assert(sizeof(struct snapshot_header) <= RAM_AT, "the header reaches into guest memory");
_Static_assert(SNAPSHOT_CHUNK_PAGES == 16, "a chunk's pages are a word of 16 bits");

/* An XXH3 state is aligned to a cache line, and kept by the writer alone. */
static XXH3_state_t *hashing(const struct snapshot_writer *w)
{
	return w->hashing;
}

static bool no(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool no(char *why, size_t size, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(why, size, format, list);
	va_end(list);
	return false;
}

uint64_t snapshot_build(const void *program, size_t bytes)
{
	const uint64_t sizes[] = {XXH3_64bits(program, bytes), sizeof(struct snapshot_header),
	                          sizeof(struct snapshot_config), sizeof(struct snapshot_device),
	                          sizeof(struct machine)};

	return XXH3_64bits(sizes, sizeof sizes);
}

void snapshot_text(char *text, size_t size)
{
	text[size - 1] = 0;
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

/* ---- reading ---- */

static bool read_at(int fd, void *to, size_t n, uint64_t at)
{
	uint8_t *p = to;
	ssize_t r;

	while (n) {
		r = pread(fd, p, n, (off_t)at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			if (!r)
				errno = ENODATA;
			return false;
		}
		p += r;
		at += (uint64_t)r;
		n -= (size_t)r;
	}
	return true;
}

static uint64_t header_hash(const struct snapshot_header *h)
{
	return XXH3_64bits(h, offsetof(struct snapshot_header, hash));
}

/* Does [at, at + bytes) lie behind guest memory and within the file? */
static bool within(const struct snapshot_header *h, uint64_t at, uint64_t bytes)
{
	return at >= h->ram_at + h->ram_bytes && at <= h->file_bytes && bytes <= h->file_bytes - at;
}

static bool check_header(const struct snapshot_header *h, uint64_t build, uint64_t file_bytes,
                         char *why, size_t size)
{
	if (memcmp(h->magic, SNAPSHOT_MAGIC, sizeof h->magic))
		return no(why, size, "is no snapshot of ring1's");
	if (h->version != SNAPSHOT_VERSION)
		return no(why, size, "is a snapshot of version %u, and this ring1 knows version %u",
		          h->version, SNAPSHOT_VERSION);
	if (header_hash(h) != h->hash)
		return no(why, size, "is damaged: the checksum of its header is wrong");
	if (h->build != build)
		return no(why, size, "was made by another build of ring1");
	if (file_bytes < h->file_bytes)
		return no(why, size, "is cut off: it has %llu bytes of %llu",
		          (unsigned long long)file_bytes, (unsigned long long)h->file_bytes);
	if (h->ram_at != RAM_AT || h->ram_bytes < SNAPSHOT_RAM_MIN ||
	    h->ram_bytes > SNAPSHOT_RAM_MAX || h->ram_bytes % PAGE_SIZE ||
	    h->file_bytes < h->ram_at + h->ram_bytes || h->nsections > SNAPSHOT_SECTIONS)
		return no(why, size, "is no sound snapshot: its header makes no sense");
	for (uint32_t i = 0; i < h->nsections; i++)
		if (!within(h, h->section[i].at, h->section[i].bytes))
			return no(why, size, "is no sound snapshot: section %u is not in the file",
			          i);
	return true;
}

static uint32_t chunk_pages(const struct snapshot *s, uint32_t chunk)
{
	uint64_t left = s->header.ram_bytes - (uint64_t)chunk * SNAPSHOT_CHUNK;

	return left < SNAPSHOT_CHUNK ? (uint32_t)(left / PAGE_SIZE) : SNAPSHOT_CHUNK_PAGES;
}

static bool read_tables(struct snapshot *s, char *why, size_t size)
{
	size_t n;

	s->chunks = (uint32_t)((s->header.ram_bytes + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK);
	s->pages = snapshot_read(s, SNAPSHOT_PAGES, 0, s->chunks * sizeof *s->pages,
	                         s->chunks * sizeof *s->pages, &n, why, size);
	s->hashes = s->pages ? snapshot_read(s, SNAPSHOT_HASHES, 0, s->chunks * sizeof *s->hashes,
	                                     s->chunks * sizeof *s->hashes, &n, why, size)
	                     : NULL;
	if (!s->hashes)
		return false;
	if (s->pages[s->chunks - 1] >> chunk_pages(s, s->chunks - 1))
		return no(why, size, "is no sound snapshot: it has pages behind guest memory");
	return true;
}

bool snapshot_open(struct snapshot *s, int fd, uint64_t build, char *why, size_t size)
{
	struct stat st;

	*s = (struct snapshot){.fd = fd};
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		no(why, size, "is no regular file");
	} else if (!read_at(fd, &s->header, sizeof s->header, 0)) {
		if (errno == ENODATA)
			no(why, size, "is no snapshot of ring1's, or cut off");
		else
			no(why, size, "cannot be read: %s", strerror(errno));
	} else if (check_header(&s->header, build, (uint64_t)st.st_size, why, size) &&
	           read_tables(s, why, size)) {
		return true;
	}
	snapshot_close(s);
	return false;
}

void snapshot_close(struct snapshot *s)
{
	free(s->pages);
	free(s->hashes);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct snapshot){.fd = -1};
}

/* The pages of a chunk, wherever there are holes between them. */
static uint64_t hash_pages(XXH3_state_t *state, const uint8_t *chunk, uint32_t pages)
{
	if (pages == 0xffff)
		return XXH3_64bits(chunk, SNAPSHOT_CHUNK);
	XXH3_64bits_reset(state);
	for (; pages; pages &= pages - 1)
		XXH3_64bits_update(state, chunk + (size_t)__builtin_ctz(pages) * PAGE_SIZE,
		                   PAGE_SIZE);
	return XXH3_64bits_digest(state);
}

/*
 * Map what has something at once, which is quicker than by faults; and nothing else, or holes
 * become pages of the host's cache. A host before Linux 5.14 does without.
 */
static void read_ahead(const struct snapshot *s, uint8_t *ram, uint32_t from)
{
	uint32_t to = from + READ_CHUNKS < s->chunks ? from + READ_CHUNKS : s->chunks;

	for (uint32_t i = from, n; i < to; i += n ? n : 1) {
		for (n = 0; i + n < to && s->pages[i + n] == 0xffff; n++)
			;
		if (n)
			madvise(ram + (uint64_t)i * SNAPSHOT_CHUNK, (size_t)n * SNAPSHOT_CHUNK,
			        MADV_POPULATE_READ);
	}
}

bool snapshot_verify(const struct snapshot *s, char *why, size_t size)
{
	XXH3_state_t *state = XXH3_createState();
	uint8_t *ram =
	    mmap(NULL, s->header.ram_bytes, PROT_READ, MAP_SHARED, s->fd, (off_t)s->header.ram_at);
	bool ok = state && ram != MAP_FAILED;

	if (!ok)
		no(why, size, "cannot be read: %s", strerror(errno));
	for (uint32_t i = 0; ok && i < s->chunks; i++) {
		uint64_t at = (uint64_t)i * SNAPSHOT_CHUNK;

		if (i % READ_CHUNKS == 0)
			read_ahead(s, ram, i);
		if (s->pages[i] && hash_pages(state, ram + at, s->pages[i]) != s->hashes[i])
			ok =
			    no(why, size, "is damaged: guest memory at 0x%llx has a wrong checksum",
			       (unsigned long long)at);
	}
	if (ram != MAP_FAILED)
		munmap(ram, s->header.ram_bytes);
	XXH3_freeState(state);
	return ok;
}

const struct snapshot_section *snapshot_find(const struct snapshot *s, enum snapshot_kind kind,
                                             uint32_t number)
{
	for (uint32_t i = 0; i < s->header.nsections; i++)
		if (s->header.section[i].kind == kind && s->header.section[i].number == number)
			return &s->header.section[i];
	return NULL;
}

void *snapshot_read(const struct snapshot *s, enum snapshot_kind kind, uint32_t number, size_t min,
                    size_t max, size_t *bytes, char *why, size_t size)
{
	const struct snapshot_section *section = snapshot_find(s, kind, number);
	uint8_t *p;

	if (!section || section->bytes < min || section->bytes > max) {
		no(why, size, "is no sound snapshot: section %u %s", (unsigned)kind,
		   section ? "has a wrong length" : "is missing");
		return NULL;
	}
	p = calloc(1, max ? max : 1);
	if (!p) {
		no(why, size, "cannot be read: out of memory");
		return NULL;
	}
	*bytes = (size_t)section->bytes;
	if (!read_at(s->fd, p, *bytes, section->at))
		no(why, size, "cannot be read: %s", strerror(errno));
	else if (XXH3_64bits(p, *bytes) != section->hash)
		no(why, size, "is damaged: the checksum of section %u is wrong", (unsigned)kind);
	else
		return p;
	free(p);
	return NULL;
}

bool snapshot_stream(const struct snapshot *s, const struct snapshot_section *section,
                     bool (*take)(void *of, const uint8_t *bytes, size_t n), void *of, char *why,
                     size_t size)
{
	static uint8_t bytes[SNAPSHOT_CHUNK];
	XXH3_state_t *hash = XXH3_createState();
	bool ok = hash && XXH3_64bits_reset(hash) == XXH_OK;

	if (!ok)
		no(why, size, "cannot be read: out of memory");
	for (uint64_t done = 0; ok && done < section->bytes;) {
		uint64_t left = section->bytes - done;
		size_t n = left < sizeof bytes ? (size_t)left : sizeof bytes;

		ok = read_at(s->fd, bytes, n, section->at + done) ||
		     no(why, size, "cannot be read: %s", strerror(errno));
		if (!ok)
			break;
		XXH3_64bits_update(hash, bytes, n);
		ok = take(of, bytes, n);
		done += n;
	}
	if (ok && XXH3_64bits_digest(hash) != section->hash)
		ok =
		    no(why, size, "is damaged: the checksum of section %u is wrong", section->kind);
	XXH3_freeState(hash);
	return ok;
}

static bool take_nothing(void *of, const uint8_t *bytes, size_t n)
{
	(void)of, (void)bytes, (void)n;
	return true;
}

bool snapshot_verify_sections(const struct snapshot *s, char *why, size_t size)
{
	bool ok = true;

	for (uint32_t i = 0; ok && i < s->header.nsections; i++)
		ok = snapshot_stream(s, &s->header.section[i], take_nothing, NULL, why, size);
	return ok;
}

/* ---- writing ---- */

static void write_at(struct snapshot_writer *w, const void *bytes, size_t n, uint64_t at)
{
	const uint8_t *p = bytes;
	ssize_t r;

	if (!w->error && lseek(w->fd, (off_t)at, SEEK_SET) < 0)
		w->error = errno;
	while (n && !w->error) {
		r = write(w->fd, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			w->error = r ? errno : ENOSPC;
			return;
		}
		p += r;
		n -= (size_t)r;
	}
}

bool snapshot_write_begin(struct snapshot_writer *w, int fd, uint64_t build, uint64_t ram_bytes)
{
	struct stat st;

	*w = (struct snapshot_writer){.fd = fd, .at = RAM_AT + ram_bytes};
	memcpy(w->header.magic, SNAPSHOT_MAGIC, sizeof w->header.magic);
	w->header.version = SNAPSHOT_VERSION;
	w->header.build = build;
	w->header.ram_at = RAM_AT;
	w->header.ram_bytes = ram_bytes;
	w->hashing = XXH3_createState();
	if (!w->hashing)
		w->error = ENOMEM;
	else if (fstat(fd, &st))
		w->error = errno;
	else if (!S_ISREG(st.st_mode) || st.st_size)
		w->error = EINVAL;
	return !w->error;
}

static bool is_zero(const uint8_t *page)
{
	const uint64_t *word = (const uint64_t *)page;

	for (unsigned i = 0; i < PAGE_SIZE / sizeof *word; i++)
		if (word[i])
			return false;
	return true;
}

void snapshot_write_chunk(struct snapshot_writer *w, uint32_t chunk, const uint8_t *bytes,
                          uint32_t npages, uint16_t *pages, uint64_t *hash)
{
	static uint8_t copy[SNAPSHOT_CHUNK] __attribute__((aligned(64)));
	uint64_t at = RAM_AT + (uint64_t)chunk * SNAPSHOT_CHUNK;
	size_t n = 0;

	*pages = 0;
	for (uint32_t k = 0, from = 0, run = 0; k <= npages; k++) {
		bool has = false;

		if (k < npages) {
			memcpy(copy + n, bytes + k * PAGE_SIZE, PAGE_SIZE);
			has = !is_zero(copy + n);
		}
		if (has) {
			if (!run)
				from = k;
			*pages |= (uint16_t)(1u << k);
			n += PAGE_SIZE;
			run++;
		} else if (run) {
			write_at(w, copy + n - run * PAGE_SIZE, run * PAGE_SIZE,
			         at + from * PAGE_SIZE);
			run = 0;
		}
	}
	*hash = n ? XXH3_64bits(copy, n) : 0;
}

void snapshot_section_begin(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t number)
{
	struct snapshot_header *h = &w->header;

	if (h->nsections == SNAPSHOT_SECTIONS) {
		w->error = w->error ? w->error : EFBIG;
		return;
	}
	h->section[h->nsections++] =
	    (struct snapshot_section){.kind = kind, .number = number, .at = w->at};
	if (w->hashing)
		XXH3_64bits_reset(hashing(w));
}

void snapshot_section_add(struct snapshot_writer *w, const void *bytes, size_t n)
{
	if (w->error)
		return;
	write_at(w, bytes, n, w->at);
	XXH3_64bits_update(hashing(w), bytes, n);
	w->at += n;
}

void snapshot_section_end(struct snapshot_writer *w)
{
	struct snapshot_section *s;

	if (w->error || !w->header.nsections)
		return;
	s = &w->header.section[w->header.nsections - 1];
	s->bytes = w->at - s->at;
	s->hash = XXH3_64bits_digest(hashing(w));
}

void snapshot_write(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t number,
                    const void *bytes, size_t n)
{
	snapshot_section_begin(w, kind, number);
	snapshot_section_add(w, bytes, n);
	snapshot_section_end(w);
}

int snapshot_write_end(struct snapshot_writer *w)
{
	w->header.file_bytes = w->at;
	w->header.hash = header_hash(&w->header);
	write_at(w, &w->header, sizeof w->header, 0);
	return w->error;
}

void snapshot_write_free(struct snapshot_writer *w)
{
	XXH3_freeState(hashing(w));
	w->hashing = NULL;
}
