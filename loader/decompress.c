// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The compression formats a kernel build offers (CONFIG_KERNEL_GZIP and its siblings),
 * undone with the libraries of the host.
 *
 * Every decoder sees only the input it was given and writes only through struct sink,
 * which grows on demand up to a limit: a size stated by the file is a hint, no more.
 */
#include "loader/internal.h"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum status {
	MORE, /* not an end: the decoder goes on */
	DONE,
	TRUNCATED,
	CORRUPT,
	TOO_BIG,
	NO_MEMORY,
};

#define SINK_FIRST   65536 /* bytes allocated when the file gives no better hint */
#define LIKELY_RATIO 16
#define LZ4_BLOCK    (8 * MIB)   /* most a block of the legacy lz4 format decompresses to */
#define LZ4_MAGIC    0x184c2102  /* of the legacy format, the one the kernel uses */
#define XZ_MEMORY    (256 * MIB) /* xz -9 needs 65 MiB */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define ZSTD_WINDOW_LOG 23
#else
#define ZSTD_WINDOW_LOG 27 /* what the kernel's build uses at most (zstd -22 --ultra) */
#endif

/* Output under construction. */
struct sink {
	uint8_t *data;
	size_t size, capacity, limit;
};

/* Makes room for at least one byte, growing by doubling. */
static enum status sink_room(struct sink *s)
{
	size_t larger;
	uint8_t *data;

	if (s->size < s->capacity)
		return MORE;
	if (s->capacity >= s->limit)
		return TOO_BIG;
	larger = s->capacity > s->limit / 2 ? s->limit : s->capacity * 2;
	data = realloc(s->data, larger);
	if (!data)
		return NO_MEMORY;
	s->data = data;
	s->capacity = larger;
	return MORE;
}

static enum status gunzip_step(z_stream *z, struct sink *s)
{
	size_t room = s->capacity - s->size;
	int code;

	z->next_out = s->data + s->size;
	z->avail_out = (uInt)room;
	code = inflate(z, Z_NO_FLUSH);
	s->size += room - z->avail_out;
	switch (code) {
	case Z_OK:
		return MORE;
	case Z_STREAM_END:
		return DONE;
	case Z_BUF_ERROR: /* no progress although there is room */
		return TRUNCATED;
	case Z_MEM_ERROR:
		return NO_MEMORY;
	default:
		return CORRUPT;
	}
}

static enum status gunzip(const uint8_t *in, size_t n, struct sink *s)
{
	z_stream z = {.next_in = (Bytef *)in, .avail_in = (uInt)n};
	enum status status = MORE;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: gzip header and trailer */
		return NO_MEMORY;
	while (status == MORE && (status = sink_room(s)) == MORE)
		status = gunzip_step(&z, s);
	inflateEnd(&z);
	return status;
}

static enum status lzma_step(lzma_stream *l, struct sink *s)
{
	size_t room = s->capacity - s->size;
	lzma_ret code;

	l->next_out = s->data + s->size;
	l->avail_out = room;
	code = lzma_code(l, LZMA_FINISH);
	s->size += room - l->avail_out;
	switch (code) {
	case LZMA_OK:
		return MORE;
	case LZMA_STREAM_END:
		return DONE;
	case LZMA_BUF_ERROR:
		return TRUNCATED;
	case LZMA_MEM_ERROR:
		return NO_MEMORY;
	default:
		return CORRUPT;
	}
}

/* Runs a liblzma decoder that has been set up (or failed to be). */
static enum status lzma_run(lzma_stream *l, lzma_ret ready, const uint8_t *in, size_t n,
                            struct sink *s)
{
	enum status status = MORE;

	if (ready != LZMA_OK)
		return NO_MEMORY;
	l->next_in = in;
	l->avail_in = n;
	while (status == MORE && (status = sink_room(s)) == MORE)
		status = lzma_step(l, s);
	lzma_end(l);
	return status;
}

static enum status unxz(const uint8_t *in, size_t n, struct sink *s)
{
	lzma_stream l = LZMA_STREAM_INIT;

	return lzma_run(&l, lzma_stream_decoder(&l, XZ_MEMORY, 0), in, n, s);
}

static enum status unlzma(const uint8_t *in, size_t n, struct sink *s)
{
	lzma_stream l = LZMA_STREAM_INIT;

	return lzma_run(&l, lzma_alone_decoder(&l, XZ_MEMORY), in, n, s);
}

static enum status bunzip2_step(bz_stream *b, struct sink *s)
{
	size_t room = s->capacity - s->size;
	int code;

	b->next_out = (char *)s->data + s->size;
	b->avail_out = (unsigned)room;
	code = BZ2_bzDecompress(b);
	s->size += room - b->avail_out;
	switch (code) {
	case BZ_OK:
		return b->avail_in == 0 && b->avail_out > 0 ? TRUNCATED : MORE;
	case BZ_STREAM_END:
		return DONE;
	case BZ_MEM_ERROR:
		return NO_MEMORY;
	default:
		return CORRUPT;
	}
}

static enum status bunzip2(const uint8_t *in, size_t n, struct sink *s)
{
	bz_stream b = {.next_in = (char *)in, .avail_in = (unsigned)n};
	enum status status = MORE;

	if (BZ2_bzDecompressInit(&b, 0, 0) != BZ_OK)
		return NO_MEMORY;
	while (status == MORE && (status = sink_room(s)) == MORE)
		status = bunzip2_step(&b, s);
	BZ2_bzDecompressEnd(&b);
	return status;
}

static enum status unzstd_step(ZSTD_DStream *z, ZSTD_inBuffer *in, struct sink *s)
{
	ZSTD_outBuffer out = {s->data + s->size, s->capacity - s->size, 0};
	size_t code = ZSTD_decompressStream(z, &out, in);

	s->size += out.pos;
	if (ZSTD_isError(code))
		return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? NO_MEMORY
		                                                               : CORRUPT;
	if (code == 0)
		return DONE;
	return in->pos == in->size && out.pos < out.size ? TRUNCATED : MORE;
}

static enum status unzstd(const uint8_t *in, size_t n, struct sink *s)
{
	ZSTD_inBuffer input = {in, n, 0};
	ZSTD_DStream *z = ZSTD_createDStream();
	enum status status = MORE;

	if (!z)
		return NO_MEMORY;
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while (status == MORE && (status = sink_room(s)) == MORE)
		status = unzstd_step(z, &input, s);
	ZSTD_freeDStream(z);
	return status;
}

static enum status unlz4_block(const uint8_t *in, size_t n, struct sink *s)
{
	char *block = malloc(LZ4_BLOCK);
	enum status status = CORRUPT;
	size_t done = 0, size;
	int got;

	if (!block)
		return NO_MEMORY;
	got = LZ4_decompress_safe((const char *)in, block, (int)n, (int)LZ4_BLOCK);
	size = got < 0 ? 0 : (size_t)got;
	if (got >= 0)
		status = MORE;
	while (status == MORE && done < size && (status = sink_room(s)) == MORE) {
		size_t room = s->capacity - s->size;
		size_t part = size - done < room ? size - done : room;

		memcpy(s->data + s->size, block + done, part);
		s->size += part;
		done += part;
	}
	free(block);
	return status;
}

/*
 * The legacy format has no end mark: blocks, each behind its 32-bit size, until the input
 * ends. In a bzImage the last four bytes are the decompressed size and no block.
 */
static enum status unlz4(const uint8_t *in, size_t n, struct sink *s)
{
	enum status status = MORE;
	size_t at = 4, size;

	while (status == MORE && n - at > 4) {
		size = load32(in + at);
		at += 4;
		if (size == LZ4_MAGIC) /* concatenated streams */
			continue;
		if (size == 0 || size > (size_t)LZ4_COMPRESSBOUND(LZ4_BLOCK))
			return CORRUPT;
		if (size > n - at)
			return TRUNCATED;
		status = unlz4_block(in + at, size, s);
		at += size;
	}
	return status == MORE ? DONE : status;
}

static const struct format {
	const char *name;
	const char *magic;
	size_t magic_size;
	enum status (*decode)(const uint8_t *in, size_t n, struct sink *s);
} formats[] = {
    {"gzip", "\x1f\x8b\x08", 3, gunzip},
    {"xz",
     "\xfd"
     "7zXZ\0",
     6, unxz},
    {"bzip2", "BZh", 3, bunzip2},
    {"lz4", "\x02\x21\x4c\x18", 4, unlz4},
    {"zstd", "\x28\xb5\x2f\xfd", 4, unzstd},
    {"lzo", "\x89LZO\0\r\n\x1a\n", 9, NULL},
    {"lzma", "\x5d\0\0", 3, unlzma}, /* no magic, but these are its usual properties */
};

static const struct format *recognise(const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (n >= formats[i].magic_size &&
		    memcmp(in, formats[i].magic, formats[i].magic_size) == 0)
			return &formats[i];
	return NULL;
}

const char *compression_name(const uint8_t *in, size_t n)
{
	const struct format *f = recognise(in, n);

	return f ? f->name : NULL;
}

/*
 * All formats end with the decompressed size in a bzImage (gzip by itself, ISIZE). Kernels
 * compress to a third or fifth: a claim of much more is not worth memory in advance.
 */
static size_t first_capacity(const uint8_t *in, size_t n)
{
	size_t hint = n >= 4 ? load32(in + n - 4) : 0;

	if (hint > n * LIKELY_RATIO)
		hint = n * LIKELY_RATIO;
	if (hint < SINK_FIRST)
		return SINK_FIRST;
	return hint < KERNEL_ELF_MAX ? hint : KERNEL_ELF_MAX;
}

static int explain(enum status status, const char *path, const char *name, struct loader_error *e)
{
	switch (status) {
	case NO_MEMORY:
		return loader_fail(e, LOADER_EHOST, path,
		                   "the host has no memory left to decompress it (%s)", name);
	case TOO_BIG:
		return loader_fail(e, LOADER_EINPUT, path,
		                   "decompresses (%s) to more than the %zu bytes allowed", name,
		                   KERNEL_ELF_MAX);
	case TRUNCATED:
		return loader_fail(e, LOADER_EINPUT, path, "ends within its %s data: truncated",
		                   name);
	default:
		return loader_fail(e, LOADER_EINPUT, path, "its %s data is damaged", name);
	}
}

int decompress(const char *path, const uint8_t *in, size_t n, struct bytes *out,
               struct loader_error *e)
{
	const struct format *f = recognise(in, n);
	struct sink s = {.limit = KERNEL_ELF_MAX};
	enum status status = NO_MEMORY;

	if (!f)
		return loader_fail(e, LOADER_EINPUT, path,
		                   "is compressed in a way ring1 does not know");
	if (!f->decode)
		return loader_fail(e, LOADER_EINPUT, path,
		                   "is compressed with %s, which ring1 cannot decompress; give "
		                   "the vmlinux it was made from",
		                   f->name);
	s.capacity = first_capacity(in, n);
	s.data = malloc(s.capacity);
	if (s.data)
		status = f->decode(in, n, &s);
	if (status != DONE) {
		free(s.data);
		return explain(status, path, f->name, e);
	}
	out->data = s.data;
	out->size = s.size;
	return 0;
}
