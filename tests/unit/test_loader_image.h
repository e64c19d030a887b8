/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tiny kernel files for the loader's tests, built in memory. */
#ifndef TEST_LOADER_IMAGE_H
#define TEST_LOADER_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bzlib.h>
#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "loader/loader.h"

#define ROOM        0x40000 /* the largest file built here */
#define TEXT_PA     0x100000u
#define DATA_PA     0x102000u
#define BASE        0xc0000000u
#define TEXT_AT     0x1000u /* file offsets */
#define DATA_AT     0x2000u
#define NAMES_AT    0x2100u
#define NOTE_AT     0x2180u
#define SECTIONS_AT 0x2200u
#define ELF_SIZE    0x2300u
#define DATA_FILE   0x80u
#define DATA_MEMORY 0x1800u

/* A file under construction; unused bytes are zero. */
struct image {
	uint8_t *bytes;
	size_t size;
};

__attribute__((unused)) static struct image image_new(size_t size)
{
	struct image i = {calloc(1, ROOM), size};

	assert_non_null(i.bytes);
	return i;
}

__attribute__((unused)) static Elf32_Ehdr *image_header(struct image *i)
{
	return (Elf32_Ehdr *)i->bytes;
}

__attribute__((unused)) static Elf32_Phdr *image_segment(struct image *i, int n)
{
	return (Elf32_Phdr *)(i->bytes + 64) + n;
}

__attribute__((unused)) static Elf32_Shdr *image_section(struct image *i, int n)
{
	return (Elf32_Shdr *)(i->bytes + SECTIONS_AT) + n;
}

/*
 * An ELF kernel with a text segment of 0x1000 bytes (0xcc all over, then `text`), a data
 * segment with bss, a build id and the sections .text, .data, .bss and .shstrtab.
 */
__attribute__((unused)) static struct image image_elf(const void *text, size_t n)
{
	static const char names[] = "\0.text\0.data\0.bss\0.shstrtab";
	static const uint8_t note[] = {4, 0, 0,   0,   3,   0, 0,    0,    3,    0,
	                               0, 0, 'G', 'N', 'U', 0, 0xab, 0xcd, 0xef, 0};
	struct image i = image_new(ELF_SIZE);

	*image_header(&i) = (Elf32_Ehdr){
	    .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
	    .e_type = ET_EXEC,
	    .e_machine = EM_386,
	    .e_version = EV_CURRENT,
	    .e_entry = TEXT_PA,
	    .e_phoff = 64,
	    .e_shoff = SECTIONS_AT,
	    .e_ehsize = sizeof(Elf32_Ehdr),
	    .e_phentsize = sizeof(Elf32_Phdr),
	    .e_phnum = 3,
	    .e_shentsize = sizeof(Elf32_Shdr),
	    .e_shnum = 5,
	    .e_shstrndx = 4,
	};
	*image_segment(&i, 0) = (Elf32_Phdr){PT_LOAD, TEXT_AT, TEXT_PA + BASE, TEXT_PA,
	                                     0x1000,  0x1000,  PF_R | PF_X,    0x1000};
	*image_segment(&i, 1) = (Elf32_Phdr){PT_LOAD,   DATA_AT,     DATA_PA + BASE, DATA_PA,
	                                     DATA_FILE, DATA_MEMORY, PF_R | PF_W,    0x1000};
	*image_segment(&i, 2) =
	    (Elf32_Phdr){PT_NOTE, NOTE_AT, 0, 0, sizeof note, sizeof note, PF_R, 4};
	*image_section(&i, 1) = (Elf32_Shdr){.sh_name = 1,
	                                     .sh_type = SHT_PROGBITS,
	                                     .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
	                                     .sh_addr = TEXT_PA + BASE,
	                                     .sh_offset = TEXT_AT,
	                                     .sh_size = 0x1000};
	*image_section(&i, 2) = (Elf32_Shdr){.sh_name = 7,
	                                     .sh_type = SHT_PROGBITS,
	                                     .sh_flags = SHF_ALLOC | SHF_WRITE,
	                                     .sh_addr = DATA_PA + BASE,
	                                     .sh_offset = DATA_AT,
	                                     .sh_size = DATA_FILE};
	*image_section(&i, 3) = (Elf32_Shdr){.sh_name = 13,
	                                     .sh_type = SHT_NOBITS,
	                                     .sh_flags = SHF_ALLOC | SHF_WRITE,
	                                     .sh_addr = DATA_PA + BASE + DATA_FILE,
	                                     .sh_offset = DATA_AT + DATA_FILE,
	                                     .sh_size = DATA_MEMORY - DATA_FILE};
	*image_section(&i, 4) = (Elf32_Shdr){
	    .sh_name = 18, .sh_type = SHT_STRTAB, .sh_offset = NAMES_AT, .sh_size = sizeof names};
	memcpy(i.bytes + NAMES_AT, names, sizeof names);
	memcpy(i.bytes + NOTE_AT, note, sizeof note);
	memset(i.bytes + TEXT_AT, 0xcc, 0x1000);
	memset(i.bytes + DATA_AT, 0xda, DATA_FILE);
	if (n > 0)
		memcpy(i.bytes + TEXT_AT, text, n);
	return i;
}

/* Compressors: from `in` into `out` (ROOM bytes); the compressed size. */
typedef size_t compressor(const struct image *in, uint8_t *out);

__attribute__((unused)) static size_t with_gzip(const struct image *in, uint8_t *out)
{
	z_stream z = {
	    .next_in = in->bytes, .avail_in = (uInt)in->size, .next_out = out, .avail_out = ROOM};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static inline size_t lzma_finish(lzma_stream *l, const struct image *in, uint8_t *out)
{
	l->next_in = in->bytes;
	l->avail_in = in->size;
	l->next_out = out;
	l->avail_out = ROOM;
	assert_int_equal(lzma_code(l, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(l);
	return ROOM - l->avail_out;
}

/* As the kernel's build does: xz with the x86 filter, LZMA2 and CRC32. */
__attribute__((unused)) static size_t with_xz(const struct image *in, uint8_t *out)
{
	lzma_stream l = LZMA_STREAM_INIT;
	lzma_options_lzma options;
	lzma_filter filters[] = {
	    {LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};

	lzma_lzma_preset(&options, 6);
	assert_int_equal(lzma_stream_encoder(&l, filters, LZMA_CHECK_CRC32), LZMA_OK);
	return lzma_finish(&l, in, out);
}

__attribute__((unused)) static size_t with_lzma(const struct image *in, uint8_t *out)
{
	lzma_stream l = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 6);
	assert_int_equal(lzma_alone_encoder(&l, &options), LZMA_OK);
	return lzma_finish(&l, in, out);
}

__attribute__((unused)) static size_t with_bzip2(const struct image *in, uint8_t *out)
{
	unsigned size = ROOM;

	assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out, &size, (char *)in->bytes,
	                                          (unsigned)in->size, 9, 0, 0),
	                 BZ_OK);
	return size;
}

__attribute__((unused)) static size_t with_zstd(const struct image *in, uint8_t *out)
{
	size_t size = ZSTD_compress(out, ROOM, in->bytes, in->size, 19);

	assert_false(ZSTD_isError(size));
	return size;
}

/* Two blocks, the second one behind a repeated magic as lz4 -l concatenates them. */
__attribute__((unused)) static size_t with_lz4(const struct image *in, uint8_t *out)
{
	static const uint8_t magic[] = {0x02, 0x21, 0x4c, 0x18};
	size_t half = in->size / 2, at = 0;

	for (int n = 0; n < 2; n++) {
		const char *from = (char *)in->bytes + (n ? half : 0);
		int size = (int)(n ? in->size - half : half);
		uint32_t block = (uint32_t)LZ4_compress_default(from, (char *)out + at + 8, size,
		                                                ROOM - (int)at - 8);

		assert_int_not_equal(block, 0);
		memcpy(out + at, magic, 4);
		memcpy(out + at + 4, &block, 4);
		at += 8 + block;
	}
	return at;
}

#define PAYLOAD_AT 0x200u     /* behind the real-mode code */
#define SETUP_END  (5 * 512u) /* boot sector and 4 sectors */

/*
 * A bzImage (protocol 2.15) with the given payload and, as in real ones, the decompressed
 * size behind it.
 */
__attribute__((unused)) static struct image image_wrap(const uint8_t *payload, size_t n,
                                                       uint32_t decompressed)
{
	struct image i = image_new(SETUP_END + PAYLOAD_AT + n + 4);
	uint8_t *b = i.bytes;

	b[0x1f1] = 4;
	memcpy(b + 0x1fe, "\x55\xaa", 2);
	memcpy(b + 0x200, "\xeb\x6a", 2); /* the header ends at 0x26c */
	memcpy(b + 0x202, "HdrS", 4);
	memcpy(b + 0x206, &(uint16_t){0x020f}, 2);
	memcpy(b + 0x20e, &(uint16_t){0x100}, 2);
	b[0x211] = 1; /* loadflags: LOADED_HIGH */
	memcpy(b + 0x22c, &(uint32_t){0x7fffffff}, 4);
	memcpy(b + 0x238, &(uint32_t){2047}, 4);
	memcpy(b + 0x248, &(uint32_t){PAYLOAD_AT}, 4);
	memcpy(b + 0x24c, &(uint32_t){(uint32_t)n + 4}, 4);
	strcpy((char *)b + 0x300, "6.6.6-test (me@here) #1");
	memcpy(b + SETUP_END + PAYLOAD_AT, payload, n);
	memcpy(b + SETUP_END + PAYLOAD_AT + n, &decompressed, 4);
	return i;
}

__attribute__((unused)) static struct image image_bzimage(compressor *compress)
{
	struct image elf = image_elf(NULL, 0), i;
	uint8_t *payload = malloc(ROOM);

	assert_non_null(payload);
	i = image_wrap(payload, compress(&elf, payload), (uint32_t)elf.size);
	free(payload);
	free(elf.bytes);
	return i;
}

/* Opens the image from a copy of just its size, so that ASan sees reads behind the end. */
__attribute__((unused)) static int image_open(const struct image *i, struct kernel *k,
                                              struct loader_error *e)
{
	uint8_t *exact = malloc(i->size);
	int status;

	memset(e, 0, sizeof *e);
	memset(k, 0xa5, sizeof *k);
	if (i->size > 0)
		memcpy(exact, i->bytes, i->size);
	status = kernel_open_bytes(exact, i->size, "tiny", k, e);
	free(exact);
	return status;
}

/* Opens, expects a refusal as unusable input whose text contains `reason`, and frees. */
__attribute__((unused)) static void image_refused(struct image *i, const char *reason)
{
	struct loader_error e;
	struct kernel k;

	assert_int_equal(image_open(i, &k, &e), -1);
	assert_int_equal(e.kind, LOADER_EINPUT);
	if (strncmp(e.text, "tiny: ", 6) != 0 || !strstr(e.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", e.text, reason);
	assert_null(k.elf);
	assert_null(k.sections);
	free(i->bytes);
}

__attribute__((unused)) static struct kernel image_opened(struct image *i)
{
	struct loader_error e;
	struct kernel k;

	if (image_open(i, &k, &e) != 0)
		fail_msg("refused: %s", e.text);
	free(i->bytes);
	return k;
}

#endif
