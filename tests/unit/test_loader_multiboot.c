// SPDX-License-Identifier: GPL-2.0-or-later
/* Multiboot kernels: finding the header, loading as it says, and the information handed over. */
#include "tests/unit/test_loader_image.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB         ((uint64_t)1 << 20)
#define MAGIC       0x1badb002u
#define ADDRESSES   0x10000u
#define HEADER_AT   0x40u
#define LOAD_PA     0x200000u
#define FLAT_SIZE   0x1000u
#define ENTRY       (LOAD_PA + 0x80)
#define INFO_FLAGS  (0x1 | 0x4 | 0x8 | 0x40 | 0x200)
#define MAX_MODULES 64

static void put32(struct image *i, size_t at, uint32_t v)
{
	memcpy(i->bytes + at, &v, 4);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static void put_header(struct image *i, size_t at, uint32_t flags)
{
	put32(i, at, MAGIC);
	put32(i, at + 4, flags);
	put32(i, at + 8, 0u - MAGIC - flags);
}

/* A file of FLAT_SIZE bytes, loaded whole at LOAD_PA, with 0x800 bytes of bss. */
static struct image flat_image(void)
{
	struct image i = image_new(FLAT_SIZE);

	memset(i.bytes, 0x90, FLAT_SIZE);
	put_header(&i, HEADER_AT, ADDRESSES);
	put32(&i, HEADER_AT + 12, LOAD_PA + HEADER_AT);
	put32(&i, HEADER_AT + 16, LOAD_PA);
	put32(&i, HEADER_AT + 20, LOAD_PA + FLAT_SIZE);
	put32(&i, HEADER_AT + 24, LOAD_PA + FLAT_SIZE + 0x800);
	put32(&i, HEADER_AT + 28, ENTRY);
	return i;
}

static struct image elf_image(uint32_t flags)
{
	struct image i = image_elf("entry", 5);

	put_header(&i, TEXT_AT + 0x10, flags);
	return i;
}

static uint8_t *load(struct kernel *k, uint64_t size, const char *line, const char *modules,
                     struct boot_result *out, struct loader_error *e)
{
	uint8_t *ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct boot_request r = {ram, size, line, modules, 0, 0};

	assert_ptr_not_equal(ram, MAP_FAILED);
	memset(e, 0, sizeof *e);
	memset(ram + 0x80000, 0xee, 0x90000);
	if (kernel_load(k, &r, out, e) == 0)
		return ram;
	munmap(ram, size);
	return NULL;
}

static void load_refused(struct kernel *k, const char *line, const char *modules,
                         const char *reason)
{
	struct boot_result out;
	struct loader_error e;

	assert_null(load(k, 64 * MIB, line, modules, &out, &e));
	assert_int_equal(e.kind, LOADER_EINPUT);
	if (!strstr(e.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", e.text, reason);
}

static void test_header_is_found_where_it_may_be(void **state)
{
	(void)state;
	for (size_t at = 0; at <= 8192 - 12; at += 4) {
		struct image i = image_elf(NULL, 0);
		struct kernel k;

		if (at < 64 + 3 * sizeof(Elf32_Phdr) || at % 508) /* not on the ELF headers */
			goto next;
		put_header(&i, at, 0);
		k = image_opened(&i);
		assert_int_equal(k.format, KERNEL_MULTIBOOT);
		kernel_close(&k);
		continue;
	next:
		free(i.bytes);
	}
}

static void test_no_header_elsewhere(void **state)
{
	static const size_t places[] = {0x1002, 8192 - 8, 8192, 8196};

	(void)state;
	for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
		struct image i = image_elf(NULL, 0);
		struct kernel k;

		put_header(&i, places[p], 0);
		k = image_opened(&i);
		assert_int_equal(k.format, KERNEL_ELF);
		kernel_close(&k);
	}
}

static void test_last_place_of_a_header(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k;

	(void)state;
	put_header(&i, 8192 - 12, 0);
	k = image_opened(&i);
	assert_int_equal(k.format, KERNEL_MULTIBOOT);
	kernel_close(&k);
}

static void test_elf_is_loaded_by_its_program_headers(void **state)
{
	struct image i = elf_image(3);
	struct kernel k = image_opened(&i);

	(void)state;
	assert_int_equal(k.nsegments, 2);
	assert_int_equal(k.kernel_base, BASE);
	assert_int_equal(k.entry_pa, TEXT_PA);
	assert_int_equal(k.nsections, 4);
	assert_false(k.wants_video);
	kernel_close(&k);
}

static void test_address_fields(void **state)
{
	struct image i = flat_image();
	struct kernel k = image_opened(&i);
	struct boot_result out;
	struct loader_error e;
	uint8_t *ram;

	(void)state;
	assert_int_equal(k.format, KERNEL_MULTIBOOT);
	assert_int_equal(k.nsegments, 1);
	assert_int_equal(k.kernel_base, 0);
	assert_int_equal(k.low_pa, LOAD_PA);
	assert_int_equal(k.high_pa, LOAD_PA + FLAT_SIZE + 0x800);
	assert_int_equal(k.nsections, 0);
	ram = load(&k, 64 * MIB, "", NULL, &out, &e);
	assert_non_null(ram);
	assert_int_equal(out.entry_pa, ENTRY);
	assert_int_equal(get32(ram + LOAD_PA + HEADER_AT), MAGIC);
	assert_int_equal(ram[LOAD_PA + FLAT_SIZE - 1], 0x90);
	assert_int_equal(ram[LOAD_PA + FLAT_SIZE], 0);
	munmap(ram, 64 * MIB);
	kernel_close(&k);
}

/* Loading may start behind the file's beginning, and end before its end. */
static void test_address_fields_take_a_part_of_the_file(void **state)
{
	struct image i = flat_image();
	struct kernel k;

	(void)state;
	put32(&i, HEADER_AT + 12, LOAD_PA + 0x10); /* 0x30 bytes of the file come before */
	put32(&i, HEADER_AT + 20, LOAD_PA + 0x200);
	put32(&i, HEADER_AT + 24, 0);
	k = image_opened(&i);
	assert_int_equal(k.segments[0].file_offset, HEADER_AT - 0x10);
	assert_int_equal(k.segments[0].file_size, 0x200);
	assert_int_equal(k.segments[0].memory_size, 0x200);
	kernel_close(&k);
}

static void test_zero_load_end_means_the_whole_file(void **state)
{
	struct image i = flat_image();
	struct kernel k;

	(void)state;
	put32(&i, HEADER_AT + 20, 0);
	put32(&i, HEADER_AT + 24, 0);
	k = image_opened(&i);
	assert_int_equal(k.segments[0].file_size, FLAT_SIZE);
	assert_int_equal(k.high_pa, LOAD_PA + FLAT_SIZE);
	kernel_close(&k);
}

/* Sections help the annotator, as long as they agree with the addresses. */
static void test_address_fields_of_an_elf_file_win(void **state)
{
	struct image i = elf_image(ADDRESSES);
	struct kernel k;

	(void)state;
	put32(&i, TEXT_AT + 0x1c, LOAD_PA + 0x10);
	put32(&i, TEXT_AT + 0x20, LOAD_PA);
	put32(&i, TEXT_AT + 0x24, LOAD_PA + 0x1000);
	put32(&i, TEXT_AT + 0x28, 0);
	put32(&i, TEXT_AT + 0x2c, LOAD_PA);
	image_section(&i, 1)->sh_addr = LOAD_PA;
	k = image_opened(&i);
	assert_int_equal(k.nsegments, 1);
	assert_int_equal(k.low_pa, LOAD_PA);
	assert_int_equal(k.entry_pa, LOAD_PA);
	assert_true(kernel_section(&k, ".text")->alloc);
	assert_false(kernel_section(&k, ".data")->alloc);
	kernel_close(&k);
}

static void refused_with(size_t at, uint32_t value, const char *reason)
{
	struct image i = flat_image();

	put32(&i, HEADER_AT + at, value);
	image_refused(&i, reason);
}

static void test_bad_address_fields(void **state)
{
	(void)state;
	refused_with(12, LOAD_PA - 4, "claims to be at");          /* before what is loaded */
	refused_with(12, LOAD_PA + HEADER_AT + 4, "claims to be"); /* before the file */
	refused_with(12, 0xffffffff, "claims to be at");
	refused_with(16, 0xffffffff, "claims to be at");
	refused_with(20, LOAD_PA, "loads nothing");
	refused_with(20, LOAD_PA - 1, "loads nothing");
	refused_with(20, LOAD_PA + FLAT_SIZE + 1, "is truncated");
	refused_with(20, 0xffffffff, "is truncated");
	refused_with(24, LOAD_PA + FLAT_SIZE - 1, "bss ends");
	refused_with(28, LOAD_PA - 1, "entry point");
	refused_with(28, LOAD_PA + FLAT_SIZE, "entry point"); /* bss is no code */
	refused_with(28, 0, "entry point");
}

static void test_below_one_mebibyte(void **state)
{
	struct image i = flat_image();

	(void)state;
	for (size_t at = 12; at <= 28; at += 4)
		put32(&i, HEADER_AT + at, get32(i.bytes + HEADER_AT + at) - LOAD_PA + 0x8000);
	image_refused(&i, "at 1 MiB or above");
}

static void test_whole_file_above_4_gib(void **state)
{
	struct image i = flat_image();

	(void)state;
	put32(&i, HEADER_AT + 12, 0xfffff000 + HEADER_AT);
	put32(&i, HEADER_AT + 16, 0xfffff000);
	put32(&i, HEADER_AT + 20, 0);
	put32(&i, HEADER_AT + 28, 0xfffff080);
	image_refused(&i, "4 GiB");
}

static void test_header_cut_off(void **state)
{
	struct image i = flat_image();

	(void)state;
	i.size = HEADER_AT + 31;
	image_refused(&i, "address fields");
	i = image_new(8192 + 64);
	put_header(&i, 8192 - 12, ADDRESSES);
	image_refused(&i, "address fields");
}

static void test_neither_addresses_nor_elf(void **state)
{
	struct image i = image_new(0x200);

	(void)state;
	put_header(&i, 0, 0);
	image_refused(&i, "nor an ELF header");
}

static void test_wrong_checksum_is_named(void **state)
{
	struct image i = flat_image();

	(void)state;
	i.bytes[HEADER_AT + 8] ^= 1;
	image_refused(&i, "at offset 0x40 whose checksum is wrong");
}

static void test_flags_that_must_be_understood(void **state)
{
	(void)state;
	for (int bit = 0; bit < 32; bit++) {
		struct image i = elf_image(1u << bit);
		struct kernel k;

		if (bit == 16) {
			free(i.bytes);
			continue;
		}
		if (bit > 2 && bit < 16) {
			image_refused(&i, "features");
			continue;
		}
		k = image_opened(&i);
		assert_int_equal(k.wants_video, bit == 2);
		kernel_close(&k);
	}
}

static void test_registers_and_information(void **state)
{
	struct image i = elf_image(3);
	struct kernel k = image_opened(&i);
	struct boot_result out;
	struct loader_error e;
	uint8_t *ram = load(&k, 64 * MIB, "one two", NULL, &out, &e);
	const uint8_t *info, *map;
	static const uint64_t regions[3][3] = {
	    {0, 0x9fc00, 1}, {0x9fc00, 0x100000 - 0x9fc00, 2}, {0x100000, 63 * MIB, 1}};

	(void)state;
	assert_non_null(ram);
	assert_int_equal(out.eax, 0x2badb002);
	assert_int_equal(out.ebx, out.boot_params_pa);
	info = ram + out.ebx;
	assert_int_equal(get32(info), INFO_FLAGS);
	assert_int_equal(get32(info + 4), 639);
	assert_int_equal(get32(info + 8), 63 * 1024);
	assert_string_equal((char *)ram + get32(info + 16), "tiny one two");
	assert_int_equal(get32(info + 20), 0);
	assert_int_equal(get32(info + 44), 3 * 24);
	map = ram + get32(info + 48);
	for (int n = 0; n < 3; n++, map += 24) {
		uint64_t base, length;

		memcpy(&base, map + 4, 8);
		memcpy(&length, map + 12, 8);
		assert_int_equal(get32(map), 20);
		assert_int_equal(base, regions[n][0]);
		assert_int_equal(length, regions[n][1]);
		assert_int_equal(get32(map + 20), regions[n][2]);
	}
	assert_string_equal((char *)ram + get32(info + 64), "ring1");
	munmap(ram, 64 * MIB);
	kernel_close(&k);
}

static void module_new(char path[32], char fill, size_t size)
{
	int fd;

	strcpy(path, "/tmp/test_multiboot.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(write(fd, &fill, 1), 1);
	close(fd);
}

static void test_modules(void **state)
{
	struct image i = elf_image(3);
	struct kernel k = image_opened(&i);
	char a[32], b[32], list[200], string[100];
	struct boot_result out;
	struct loader_error e;
	const uint8_t *info, *m;
	uint8_t *ram;

	(void)state;
	module_new(a, 'a', 5000);
	module_new(b, 'b', 10);
	snprintf(list, sizeof list, "%s with words,%s", a, b);
	ram = load(&k, 64 * MIB, NULL, list, &out, &e);
	assert_non_null(ram);
	info = ram + out.ebx;
	assert_string_equal((char *)ram + get32(info + 16), "tiny");
	assert_int_equal(get32(info + 20), 2);
	m = ram + get32(info + 24);
	assert_int_equal(get32(m), 0x104000); /* page aligned, behind the kernel */
	assert_int_equal(get32(m + 4), 0x104000 + 5000);
	snprintf(string, sizeof string, "%s with words", a);
	assert_string_equal((char *)ram + get32(m + 8), string);
	assert_int_equal(get32(m + 12), 0);
	assert_int_equal(ram[0x104000], 'a');
	assert_int_equal(ram[0x104000 + 4999], 'a');
	assert_int_equal(get32(m + 16), 0x106000);
	assert_int_equal(get32(m + 20), 0x106000 + 10);
	assert_string_equal((char *)ram + get32(m + 24), b);
	assert_int_equal(ram[0x106000 + 9], 'b');
	munmap(ram, 64 * MIB);
	unlink(a);
	unlink(b);
	kernel_close(&k);
}

static void test_bad_modules(void **state)
{
	struct image i = elf_image(3);
	struct kernel k = image_opened(&i);
	char path[32], list[MAX_MODULES * 33 + 64] = "";

	(void)state;
	load_refused(&k, NULL, "/nonexistent/module", "No such file");
	load_refused(&k, NULL, "", "No such file");
	module_new(path, 'm', 1);
	for (int n = 0; n <= MAX_MODULES; n++) {
		strcat(list, n ? "," : "");
		strcat(list, path);
	}
	load_refused(&k, NULL, list, "more than 64 modules");
	strcpy(strrchr(list, ','), ",");
	load_refused(&k, NULL, list, "more than 64 modules");
	assert_int_equal(truncate(path, 64 * MIB - 0x104000 + 1), 0); /* sparse */
	load_refused(&k, NULL, path, "does not fit");
	unlink(path);
	kernel_close(&k);
}

static void test_command_lines_have_no_room(void **state)
{
	struct image i = elf_image(3);
	struct kernel k = image_opened(&i);
	char *line = malloc(0x10000);
	size_t room = 0x9fc00 - LOADER_CMDLINE_PA;

	(void)state;
	memset(line, 'c', 0x10000);
	line[room - 1 - 5] = '\0'; /* "tiny " and the terminating zero */
	k.path[0] = 'T';
	{
		struct boot_result out;
		struct loader_error e;
		uint8_t *ram = load(&k, 64 * MIB, line, NULL, &out, &e);

		assert_non_null(ram);
		assert_int_equal(ram[0x9fbfe], 'c');
		assert_int_equal(ram[0x9fbff], 0);
		assert_int_equal(ram[0x9fc00], 0xee);
		munmap(ram, 64 * MIB);
	}
	line[room - 1 - 5] = 'c';
	line[room - 1 - 4] = '\0';
	load_refused(&k, line, NULL, "command lines");
	free(line);
	kernel_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header_is_found_where_it_may_be),
	    cmocka_unit_test(test_no_header_elsewhere),
	    cmocka_unit_test(test_last_place_of_a_header),
	    cmocka_unit_test(test_elf_is_loaded_by_its_program_headers),
	    cmocka_unit_test(test_address_fields),
	    cmocka_unit_test(test_address_fields_take_a_part_of_the_file),
	    cmocka_unit_test(test_zero_load_end_means_the_whole_file),
	    cmocka_unit_test(test_address_fields_of_an_elf_file_win),
	    cmocka_unit_test(test_bad_address_fields),
	    cmocka_unit_test(test_below_one_mebibyte),
	    cmocka_unit_test(test_whole_file_above_4_gib),
	    cmocka_unit_test(test_header_cut_off),
	    cmocka_unit_test(test_neither_addresses_nor_elf),
	    cmocka_unit_test(test_wrong_checksum_is_named),
	    cmocka_unit_test(test_flags_that_must_be_understood),
	    cmocka_unit_test(test_registers_and_information),
	    cmocka_unit_test(test_modules),
	    cmocka_unit_test(test_bad_modules),
	    cmocka_unit_test(test_command_lines_have_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
