// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening kernel files: containers, compression, ELF, and everything that is wrong with them. */
#include "tests/unit/test_loader_image.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	compressor *compress;
} formats[] = {
    {"gzip", with_gzip}, {"xz", with_xz},     {"lzma", with_lzma},
    {"lz4", with_lz4},   {"zstd", with_zstd}, {"bzip2", with_bzip2},
};
#define FORMATS (sizeof formats / sizeof *formats)

static void test_elf_is_described(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k = image_opened(&i);
	const struct kernel_section *s;

	(void)state;
	assert_int_equal(k.format, KERNEL_ELF);
	assert_string_equal(k.compression, "none");
	assert_string_equal(k.path, "tiny");
	assert_int_equal(k.entry_pa, TEXT_PA);
	assert_int_equal(k.kernel_base, BASE);
	assert_int_equal(k.low_pa, TEXT_PA);
	assert_int_equal(k.high_pa, DATA_PA + DATA_MEMORY);
	assert_int_equal(k.nsegments, 2);
	assert_true(k.segments[0].executable && !k.segments[0].writable);
	assert_true(!k.segments[1].executable && k.segments[1].writable);
	assert_int_equal(k.boot_protocol, 0);
	assert_int_equal(k.initrd_addr_max, 0x37ffffff);
	assert_int_equal(k.build_id_size, 3);
	assert_memory_equal(k.build_id, "\xab\xcd\xef", 3);
	assert_string_equal(k.version, "");
	assert_false(k.pae);
	assert_false(k.speaks_vmi);

	assert_int_equal(k.nsections, 4);
	s = kernel_section(&k, ".text");
	assert_non_null(s);
	assert_true(s->alloc && s->executable && !s->writable);
	assert_int_equal(s->va, TEXT_PA + BASE);
	assert_int_equal(s->size, 0x1000);
	assert_ptr_equal(s->data, k.elf + TEXT_AT);
	s = kernel_section(&k, ".bss");
	assert_non_null(s);
	assert_true(s->alloc && s->writable);
	assert_null(s->data);
	assert_false(kernel_section(&k, ".shstrtab")->alloc);
	assert_null(kernel_section(&k, ".nothing"));
	kernel_close(&k);
	assert_null(k.path);
	kernel_close(&k);
}

static void test_every_format_gives_the_same_elf(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct image elf = image_elf(NULL, 0);
		struct image i = image_bzimage(formats[f].compress);
		struct kernel k = image_opened(&i);

		assert_string_equal(k.compression, formats[f].name);
		assert_int_equal(k.format, KERNEL_BZIMAGE);
		assert_int_equal(k.elf_size, elf.size);
		assert_memory_equal(k.elf, elf.bytes, elf.size);
		assert_int_equal(k.boot_protocol, 0x20f);
		assert_int_equal(k.initrd_addr_max, 0x7fffffff);
		assert_int_equal(k.cmdline_size, 2047);
		assert_int_equal(k.setup_header_size, 0x26c - 0x1f1);
		assert_int_equal(k.setup_header[0], 4);
		assert_string_equal(k.version, "6.6.6-test (me@here) #1");
		kernel_close(&k);
		free(elf.bytes);
	}
}

/* A cut anywhere must be refused, save within the four bytes behind a lz4 stream. */
static void test_every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct image i = image_bzimage(formats[f].compress);
		size_t whole = i.size;

		for (size_t cut = 1; cut <= whole; cut += cut < 24 ? 1 : 61) {
			struct loader_error e;
			struct kernel k;

			i.size = whole - cut;
			assert_int_equal(image_open(&i, &k, &e), -1);
			assert_int_equal(e.kind, LOADER_EINPUT);
		}
		free(i.bytes);
	}
}

/* The same with a header that agrees with the cut, so that the decoder itself must notice. */
static void test_every_truncated_stream_is_refused(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct image i = image_bzimage(formats[f].compress);
		uint32_t stream = (uint32_t)(i.size - SETUP_END - PAYLOAD_AT - 4);

		for (uint32_t size = stream - 5; size > 0; size -= size < 32 ? 1 : 17) {
			struct loader_error e;
			struct kernel k;

			memcpy(i.bytes + 0x24c, &size, 4);
			assert_int_equal(image_open(&i, &k, &e), -1);
			assert_int_equal(e.kind, LOADER_EINPUT);
			assert_non_null(strstr(e.text, "tiny: "));
		}
		free(i.bytes);
	}
}

static void test_wrong_size_hints_are_harmless(void **state)
{
	static const uint32_t hints[] = {0, 1, 0x7fffffff, 0xffffffff};

	(void)state;
	for (size_t n = 0; n < sizeof hints / sizeof *hints; n++) {
		struct image i = image_bzimage(with_xz);
		struct kernel k;

		memcpy(i.bytes + i.size - 4, &hints[n], 4);
		k = image_opened(&i);
		assert_int_equal(k.elf_size, ELF_SIZE);
		kernel_close(&k);
	}
}

/* 300 MiB of zeros in some 300 KB: the cap, not the host's memory, ends it. */
static void test_bomb_is_capped(void **state)
{
	static uint8_t zeros[1 << 20];
	uint8_t *payload = malloc(ROOM * 2);
	struct image i;
	z_stream z = {.next_out = payload, .avail_out = ROOM * 2};

	(void)state;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, 0), Z_OK);
	for (int mib = 0; mib < 300 && z.avail_out > 4096; mib++) {
		z.next_in = zeros;
		z.avail_in = sizeof zeros;
		assert_int_equal(deflate(&z, mib == 299 ? Z_FINISH : Z_NO_FLUSH),
		                 mib == 299 ? Z_STREAM_END : Z_OK);
	}
	deflateEnd(&z);
	i.size = SETUP_END + PAYLOAD_AT + z.total_out + 4;
	i.bytes = calloc(1, i.size);
	{
		struct image head = image_wrap(payload, 0, 0);
		uint32_t size = (uint32_t)z.total_out + 4;

		memcpy(i.bytes, head.bytes, SETUP_END);
		memcpy(i.bytes + 0x24c, &size, 4);
		memcpy(i.bytes + SETUP_END + PAYLOAD_AT, payload, z.total_out);
		free(head.bytes);
	}
	free(payload);
	image_refused(&i, "more than the 268435456 bytes");
}

static void test_lzo_is_named(void **state)
{
	struct image i = image_wrap((const uint8_t *)"\x89LZO\0\r\n\x1a\n....", 13, 100);

	(void)state;
	image_refused(&i, "lzo");
}

static void test_unknown_compression(void **state)
{
	struct image i = image_wrap((const uint8_t *)"abcdefgh", 8, 100);

	(void)state;
	image_refused(&i, "does not know");
}

static void test_damaged_data(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct image i = image_bzimage(formats[f].compress);
		struct loader_error e;
		struct kernel k;

		memset(i.bytes + SETUP_END + PAYLOAD_AT + 16, 0xff, 40);
		assert_int_equal(image_open(&i, &k, &e), -1);
		free(i.bytes);
	}
}

static void test_bzimage_64bit_is_refused_unseen(void **state)
{
	struct image i = image_wrap((const uint8_t *)"not even compressed", 19, 0);

	(void)state;
	i.bytes[0x236] = 1; /* XLF_KERNEL_64 */
	image_refused(&i, "64-bit kernel; ring1 runs i386 kernels");
}

static void test_xloadflags_mean_nothing_before_2_12(void **state)
{
	struct image i = image_bzimage(with_gzip);
	struct kernel k;

	(void)state;
	memcpy(i.bytes + 0x206, &(uint16_t){0x020b}, 2);
	i.bytes[0x236] = 1;
	k = image_opened(&i);
	kernel_close(&k);
}

static void test_payload_outside_of_file(void **state)
{
	struct image i = image_bzimage(with_gzip);

	(void)state;
	memcpy(i.bytes + 0x248, &(uint32_t){0xfffffff0}, 4);
	image_refused(&i, "truncated");
	i = image_bzimage(with_gzip);
	memcpy(i.bytes + 0x24c, &(uint32_t){0xffffffff}, 4);
	image_refused(&i, "truncated");
	i = image_bzimage(with_gzip);
	memset(i.bytes + 0x24c, 0, 4);
	image_refused(&i, "no payload");
}

static void test_setup_sects_zero_means_four(void **state)
{
	struct image i = image_bzimage(with_gzip);
	struct kernel k;

	(void)state;
	i.bytes[0x1f1] = 0;
	k = image_opened(&i);
	kernel_close(&k);
	i = image_bzimage(with_gzip);
	i.bytes[0x1f1] = 255;
	image_refused(&i, "real-mode code");
}

/* Protocol 2.07 has no payload fields: found by its magic, past something that looks alike. */
static void test_old_protocol_is_scanned(void **state)
{
	struct image i = image_bzimage(with_gzip);
	struct kernel k;

	(void)state;
	memcpy(i.bytes + 0x206, &(uint16_t){0x0207}, 2);
	memset(i.bytes + 0x248, 0xff, 8);
	memcpy(i.bytes + SETUP_END + 0x10, "\x1f\x8b\x08\xff", 4);
	k = image_opened(&i);
	assert_string_equal(k.compression, "gzip");
	assert_int_equal(k.elf_size, ELF_SIZE);
	kernel_close(&k);

	i = image_bzimage(with_xz);
	memcpy(i.bytes + 0x206, &(uint16_t){0x0207}, 2);
	image_refused(&i, "no gzip data");
}

static void test_protocol_limits(void **state)
{
	struct image i = image_bzimage(with_gzip);
	struct kernel k;

	(void)state;
	memcpy(i.bytes + 0x206, &(uint16_t){0x0205}, 2);
	k = image_opened(&i);
	assert_int_equal(k.cmdline_size, 255);
	kernel_close(&k);
	i = image_bzimage(with_gzip);
	memcpy(i.bytes + 0x206, &(uint16_t){0x0202}, 2);
	image_refused(&i, "2.02");
}

static void test_payload_without_elf(void **state)
{
	struct image flat = image_new(0x800), i;
	uint8_t *payload = malloc(ROOM);

	(void)state;
	i = image_wrap(payload, with_gzip(&flat, payload), 0x800);
	free(payload);
	free(flat.bytes);
	image_refused(&i, "give the vmlinux");
}

static void test_version_offset_outside_of_setup(void **state)
{
	static const uint16_t offsets[] = {0, SETUP_END - 0x200, 0xffff};

	(void)state;
	for (size_t n = 0; n < 3; n++) {
		struct image i = image_bzimage(with_gzip);
		struct kernel k;

		memcpy(i.bytes + 0x20e, &offsets[n], 2);
		k = image_opened(&i);
		assert_string_equal(k.version, "");
		kernel_close(&k);
	}
}

static void test_elf_of_other_kinds(void **state)
{
	struct image i = image_elf(NULL, 0);

	(void)state;
	i.bytes[EI_CLASS] = ELFCLASS64;
	image_header(&i)->e_machine = EM_X86_64;
	image_refused(&i, "64-bit kernel; ring1 runs i386 kernels");
	i = image_elf(NULL, 0);
	image_header(&i)->e_machine = EM_ARM;
	image_refused(&i, "not for the i386");
	i = image_elf(NULL, 0);
	i.bytes[EI_CLASS] = ELFCLASS64;
	image_refused(&i, "not for the i386");
	i = image_elf(NULL, 0);
	i.bytes[EI_DATA] = ELFDATA2MSB;
	image_refused(&i, "little-endian");
	i = image_elf(NULL, 0);
	image_header(&i)->e_type = ET_REL;
	image_refused(&i, "no kernel");
	i = image_elf(NULL, 0);
	i.size = 51;
	image_refused(&i, "within its ELF header");
}

/* What a linker makes of a program: every byte has one address. */
static void test_a_program_is_no_kernel(void **state)
{
	struct image i = image_elf(NULL, 0);

	(void)state;
	for (unsigned n = 0; n < 2; n++)
		image_segment(&i, n)->p_paddr = image_segment(&i, n)->p_vaddr;
	image_header(&i)->e_entry = image_segment(&i, 0)->p_vaddr;
	image_refused(&i, "is a program");
}

static void test_program_headers(void **state)
{
	struct image i = image_elf(NULL, 0);

	(void)state;
	image_header(&i)->e_phnum = 0;
	image_refused(&i, "no program headers");
	i = image_elf(NULL, 0);
	image_header(&i)->e_phentsize = 31;
	image_refused(&i, "no program headers");
	i = image_elf(NULL, 0);
	image_header(&i)->e_phnum = 65;
	image_refused(&i, "65 program headers");
	i = image_elf(NULL, 0);
	image_header(&i)->e_phoff = 0xfffffff0;
	image_refused(&i, "program headers are not in the file");
	i = image_elf(NULL, 0);
	image_segment(&i, 0)->p_type = image_segment(&i, 1)->p_type = PT_NULL;
	image_refused(&i, "no segments");
}

static void test_segments_outside_of_file(void **state)
{
	struct image i = image_elf(NULL, 0);

	(void)state;
	image_segment(&i, 1)->p_offset = ELF_SIZE - DATA_FILE + 1;
	image_refused(&i, "not in the file");
	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_offset = 0xffffffff;
	image_refused(&i, "not in the file");
	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_filesz = image_segment(&i, 1)->p_memsz = 0xfffffff0;
	image_refused(&i, "not in the file");
	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_filesz = DATA_MEMORY + 1;
	image_refused(&i, "more file");
}

static void test_segments_with_bad_addresses(void **state)
{
	struct image i = image_elf(NULL, 0);

	(void)state;
	image_segment(&i, 1)->p_memsz = 0u - DATA_PA;
	image_refused(&i, "above 4 GiB");
	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_memsz = 0u - DATA_PA - BASE; /* fits by pa, not by va */
	image_refused(&i, "above 4 GiB");
	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_paddr = TEXT_PA + 0xfff;
	image_segment(&i, 1)->p_vaddr = TEXT_PA + 0xfff + BASE;
	image_refused(&i, "overlap");
	i = image_elf(NULL, 0);
	image_segment(&i, 0)->p_memsz = 0x2001;
	image_refused(&i, "overlap");
	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_vaddr += 0x1000;
	image_refused(&i, "differ");
	i = image_elf(NULL, 0);
	image_segment(&i, 0)->p_paddr = 0xff000;
	image_segment(&i, 0)->p_vaddr = 0xff000 + BASE;
	image_refused(&i, "1 MiB or above");
}

static void test_segments_may_touch(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k;

	(void)state;
	image_segment(&i, 0)->p_memsz = 0x2000;
	k = image_opened(&i);
	kernel_close(&k);
}

static void test_entry(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k;

	(void)state;
	image_header(&i)->e_entry = TEXT_PA + 0xfff;
	k = image_opened(&i);
	assert_int_equal(k.entry_pa, TEXT_PA + 0xfff);
	kernel_close(&k);
	i = image_elf(NULL, 0);
	image_header(&i)->e_entry = TEXT_PA + BASE + 4; /* virtual */
	k = image_opened(&i);
	assert_int_equal(k.entry_pa, TEXT_PA + 4);
	kernel_close(&k);
	i = image_elf(NULL, 0);
	image_header(&i)->e_entry = TEXT_PA + 0x1000;
	image_refused(&i, "entry point (0x101000)");
	i = image_elf(NULL, 0);
	image_header(&i)->e_entry = DATA_PA + DATA_FILE; /* in the bss */
	image_refused(&i, "entry point");
}

static void expect_no_sections(struct image *i)
{
	struct kernel k = image_opened(i);

	assert_int_equal(k.nsections, 0);
	assert_null(k.sections);
	assert_int_equal(k.nsegments, 2);
	kernel_close(&k);
}

static void test_bad_section_headers_are_dropped(void **state)
{
	struct image i = image_elf(NULL, 0);

	(void)state;
	image_header(&i)->e_shoff = 0;
	image_header(&i)->e_shnum = 0;
	expect_no_sections(&i);
	i = image_elf(NULL, 0);
	image_header(&i)->e_shoff = ELF_SIZE - 10;
	expect_no_sections(&i);
	i = image_elf(NULL, 0);
	image_header(&i)->e_shnum = 0xffff;
	expect_no_sections(&i);
	i = image_elf(NULL, 0);
	image_header(&i)->e_shstrndx = 5;
	expect_no_sections(&i);
	i = image_elf(NULL, 0);
	image_section(&i, 4)->sh_size = 26; /* the last name is not terminated */
	expect_no_sections(&i);
	i = image_elf(NULL, 0);
	image_section(&i, 2)->sh_name = 28;
	expect_no_sections(&i);
	i = image_elf(NULL, 0);
	image_section(&i, 2)->sh_offset = 0xffffffff;
	expect_no_sections(&i);
}

/* A section may claim what it likes; `alloc` says whether it is true. */
static void test_sections_that_are_not_loaded(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k;

	(void)state;
	image_section(&i, 1)->sh_offset += 4; /* other bytes than the segment's */
	image_section(&i, 1)->sh_size -= 4;
	image_section(&i, 2)->sh_size = DATA_FILE + 1; /* reaches into the bss */
	image_section(&i, 3)->sh_addr -= 1;            /* begins within file contents */
	k = image_opened(&i);
	assert_int_equal(k.nsections, 4);
	for (size_t n = 0; n < 4; n++)
		assert_false(k.sections[n].alloc);
	kernel_close(&k);

	i = image_elf(NULL, 0);
	image_section(&i, 1)->sh_addr = 0xfffff800;
	image_section(&i, 3)->sh_size += 1;
	k = image_opened(&i);
	assert_false(kernel_section(&k, ".text")->alloc);
	assert_false(kernel_section(&k, ".bss")->alloc);
	assert_true(kernel_section(&k, ".data")->alloc);
	kernel_close(&k);
}

static void test_trailing_relocations_are_ignored(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k;

	(void)state;
	memset(i.bytes + i.size, 0x5a, 0x1234);
	i.size += 0x1234;
	k = image_opened(&i);
	assert_int_equal(k.nsections, 4);
	kernel_close(&k);
}

static void test_version_of_an_elf(void **state)
{
	static const char text[] = "Linux version %s (%s)\0Linux version 2.6.36-x (a@b) #7\nrest";
	struct image i = image_elf(text, sizeof text);
	struct kernel k = image_opened(&i);

	(void)state;
	assert_string_equal(k.version, "2.6.36-x (a@b) #7");
	kernel_close(&k);

	i = image_elf(NULL, 0); /* cut off by the end of the segment */
	memcpy(i.bytes + TEXT_AT + 0x1000 - 17, "Linux version 3.2", 17);
	k = image_opened(&i);
	assert_string_equal(k.version, "3.2");
	kernel_close(&k);

	i = image_elf(NULL, 0); /* longer than there is room for */
	memset(i.bytes + TEXT_AT, '9', 0x800);
	memcpy(i.bytes + TEXT_AT, "Linux version ", 14);
	k = image_opened(&i);
	assert_int_equal(strlen(k.version), sizeof k.version - 1);
	kernel_close(&k);
}

static void test_vmi_is_told(void **state)
{
	static const char text[] = "VMI: Found %s %s, API version %d.%d";
	struct image i = image_elf(text, sizeof text);
	struct kernel k = image_opened(&i);

	(void)state;
	assert_true(k.speaks_vmi);
	kernel_close(&k);
}

static bool pae_with(const uint8_t *text, size_t n, uint32_t pa, uint32_t value)
{
	struct image i = image_elf(text, n);
	struct kernel k;
	bool pae;

	memcpy(i.bytes + DATA_AT + (pa - DATA_PA), &value, 4);
	k = image_opened(&i);
	pae = k.pae;
	kernel_close(&k);
	return pae;
}

static void test_pae_is_told_from_cr4_features(void **state)
{
	static const uint8_t now[] = {0xa1, 0x10, 0x20, 0x10, 0x00, 0x0f, 0x22, 0xe0};
	static const uint8_t then[] = {0x8b, 0x15, 0x10, 0x20, 0x10, 0x00, 0x21, 0xd2, 0x74,
	                               0x08, 0x0f, 0x20, 0xe0, 0x09, 0xd0, 0x0f, 0x22, 0xe0};
	static const uint8_t elsewhere[] = {0xa1, 0x10, 0x20, 0x10, 0xc0, 0x0f, 0x22, 0xe0};

	(void)state;
	assert_true(pae_with(now, sizeof now, DATA_PA + 0x10, 0x20));
	assert_false(pae_with(now, sizeof now, DATA_PA + 0x10, 0x10));
	assert_true(pae_with(then, sizeof then, DATA_PA + 0x10, 0xb0));
	assert_false(pae_with(then, sizeof then, DATA_PA + 0x10, 0));
	/* A virtual address: read with paging on, which says nothing. */
	assert_false(pae_with(elsewhere, sizeof elsewhere, DATA_PA + 0x10, 0x20));
	/* A mov to CR4 with too little in front of it to be looked at. */
	assert_false(pae_with(now + 5, 3, DATA_PA + 0x10, 0x20));
}

static void test_pae_is_told_from_the_oops_text(void **state)
{
	static const char text[] = "*pdpt = %016Lx ";
	struct image i = image_elf(text, sizeof text);
	struct kernel k = image_opened(&i);

	(void)state;
	assert_true(k.pae);
	kernel_close(&k);
}

static void test_bad_notes(void **state)
{
	static const uint32_t sizes[][2] = {
	    {0xffffffff, 3}, {4, 0xffffffff}, {4, 65}, {0xfffffffd, 0xfffffffd}};

	(void)state;
	for (size_t n = 0; n < 4; n++) {
		struct image i = image_elf(NULL, 0);
		struct kernel k;

		memcpy(i.bytes + NOTE_AT, sizes[n], 8);
		image_segment(&i, 2)->p_filesz = SECTIONS_AT - NOTE_AT; /* room for 65 */
		k = image_opened(&i);
		assert_int_equal(k.build_id_size, 0);
		kernel_close(&k);
	}
}

static void test_files_that_are_no_kernels(void **state)
{
	struct image i = image_new(0);

	(void)state;
	image_refused(&i, "empty");
	i = image_new(100);
	image_refused(&i, "neither a bzImage nor an ELF");
	i = image_new(3);
	memcpy(i.bytes,
	       "\x7f"
	       "EL",
	       3);
	image_refused(&i, "neither");
	i = image_new(20);
	memcpy(i.bytes, "\x1f\x8b\x08", 3);
	image_refused(&i, "bare gzip file");
}

/* A fixed generator: a failure can be repeated. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Random damage never crashes (ASan, UBSan), and what is accepted stays in bounds. */
static void test_random_damage(void **state)
{
	uint32_t seed = 20060313;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct image i = round % 4 ? image_elf(NULL, 0) : image_bzimage(with_gzip);
		size_t head = round % 4 ? 64 + 96 : 0x26c;
		struct loader_error e;
		struct kernel k;

		for (int n = 0; n < 4; n++) {
			size_t at = next_random(&seed) % (n ? head : i.size);

			i.bytes[at] = (uint8_t)next_random(&seed);
		}
		if (image_open(&i, &k, &e) == 0) {
			assert_in_range(k.entry_pa, k.low_pa, k.high_pa - 1);
			for (size_t s = 0; s < k.nsegments; s++)
				assert_true((uint64_t)k.segments[s].file_offset +
				                k.segments[s].file_size <=
				            k.elf_size);
			kernel_close(&k);
		} else {
			assert_true(e.text[0] && strlen(e.text) < sizeof e.text);
		}
		free(i.bytes);
	}
}

static void test_random_bytes(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct image i = image_new(0x600);
		struct loader_error e;
		struct kernel k;

		for (size_t at = 0; at < i.size; at++)
			i.bytes[at] = (uint8_t)next_random(&seed);
		if (round % 3 == 1)
			memcpy(i.bytes,
			       "\x7f"
			       "ELF\1\1\1",
			       7);
		if (round % 3 == 2) {
			memcpy(i.bytes + 0x1fe, "\x55\xaa", 2);
			memcpy(i.bytes + 0x202, "HdrS", 4);
		}
		assert_int_equal(image_open(&i, &k, &e), -1);
		free(i.bytes);
	}
}

static void expect_path_refused(const char *path, const char *reason)
{
	struct loader_error e = {0};
	struct kernel k;

	assert_int_equal(kernel_open(path, &k, &e), -1);
	assert_int_equal(e.kind, LOADER_EINPUT);
	if (!strstr(e.text, reason) || !strstr(e.text, path))
		fail_msg("\"%s\" does not say \"%s\"", e.text, reason);
}

static void test_paths(void **state)
{
	(void)state;
	expect_path_refused("/", "is a directory");
	expect_path_refused("/nonexistent/vmlinuz", "No such file");
	expect_path_refused("/dev/null", "empty");
}

static void test_long_path_leaves_room_for_the_reason(void **state)
{
	char path[1000];
	struct loader_error e = {0};
	struct kernel k;

	(void)state;
	memset(path, 'x', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_int_equal(kernel_open(path, &k, &e), -1);
	assert_non_null(strstr(e.text, "File name too long"));
}

/* A pipe gives its bytes in pieces and has no size. */
static void test_pipe(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct loader_error e;
	struct kernel k;
	int ends[2];
	char path[32];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], i.bytes, i.size), (ssize_t)i.size);
	close(ends[1]);
	snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	assert_int_equal(kernel_open(path, &k, &e), 0);
	close(ends[0]);
	assert_int_equal(k.elf_size, i.size);
	assert_memory_equal(k.elf, i.bytes, i.size);
	kernel_close(&k);
	free(i.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_elf_is_described),
	    cmocka_unit_test(test_every_format_gives_the_same_elf),
	    cmocka_unit_test(test_every_truncation_is_refused),
	    cmocka_unit_test(test_every_truncated_stream_is_refused),
	    cmocka_unit_test(test_wrong_size_hints_are_harmless),
	    cmocka_unit_test(test_bomb_is_capped),
	    cmocka_unit_test(test_lzo_is_named),
	    cmocka_unit_test(test_unknown_compression),
	    cmocka_unit_test(test_damaged_data),
	    cmocka_unit_test(test_bzimage_64bit_is_refused_unseen),
	    cmocka_unit_test(test_xloadflags_mean_nothing_before_2_12),
	    cmocka_unit_test(test_payload_outside_of_file),
	    cmocka_unit_test(test_setup_sects_zero_means_four),
	    cmocka_unit_test(test_old_protocol_is_scanned),
	    cmocka_unit_test(test_protocol_limits),
	    cmocka_unit_test(test_payload_without_elf),
	    cmocka_unit_test(test_version_offset_outside_of_setup),
	    cmocka_unit_test(test_elf_of_other_kinds),
	    cmocka_unit_test(test_a_program_is_no_kernel),
	    cmocka_unit_test(test_program_headers),
	    cmocka_unit_test(test_segments_outside_of_file),
	    cmocka_unit_test(test_segments_with_bad_addresses),
	    cmocka_unit_test(test_segments_may_touch),
	    cmocka_unit_test(test_entry),
	    cmocka_unit_test(test_bad_section_headers_are_dropped),
	    cmocka_unit_test(test_sections_that_are_not_loaded),
	    cmocka_unit_test(test_trailing_relocations_are_ignored),
	    cmocka_unit_test(test_version_of_an_elf),
	    cmocka_unit_test(test_vmi_is_told),
	    cmocka_unit_test(test_pae_is_told_from_cr4_features),
	    cmocka_unit_test(test_pae_is_told_from_the_oops_text),
	    cmocka_unit_test(test_bad_notes),
	    cmocka_unit_test(test_files_that_are_no_kernels),
	    cmocka_unit_test(test_random_damage),
	    cmocka_unit_test(test_random_bytes),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_long_path_leaves_room_for_the_reason),
	    cmocka_unit_test(test_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
