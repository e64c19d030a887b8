// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading into guest RAM: segments, zero page, command line, GDT, initrd placement. */
#include "tests/unit/test_loader_image.h"

#include <asm/bootparam.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static uint8_t *ram_new(uint64_t size)
{
	uint8_t *ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(ram, MAP_FAILED);
	return ram;
}

static struct kernel elf_kernel(void)
{
	struct image i = image_elf("entry", 5);

	return image_opened(&i);
}

static struct kernel bzimage_kernel(void)
{
	struct image i = image_bzimage(with_gzip);

	return image_opened(&i);
}

/* Loads into `size` bytes of new RAM and returns it; NULL with e filled if refused. */
static uint8_t *load(struct kernel *k, uint64_t size, const char *line, const char *initrd,
                     struct boot_result *out, struct loader_error *e)
{
	struct boot_request r = {ram_new(size), size, line, initrd, 0, 0};

	memset(e, 0, sizeof *e);
	/* What an earlier life of the memory left where the loader writes. */
	memset(r.ram + 0x80000, 0xee, 0x90000);
	if (kernel_load(k, &r, out, e) == 0)
		return r.ram;
	munmap(r.ram, size);
	return NULL;
}

static uint8_t *load_or_fail(struct kernel *k, uint64_t size, const char *line, const char *initrd,
                             struct boot_result *out)
{
	struct loader_error e;
	uint8_t *ram = load(k, size, line, initrd, out, &e);

	if (!ram)
		fail_msg("refused: %s", e.text);
	return ram;
}

static void expect_refused(struct kernel *k, uint64_t size, const char *line, const char *initrd,
                           const char *reason)
{
	struct boot_result out;
	struct loader_error e;

	assert_null(load(k, size, line, initrd, &out, &e));
	assert_int_equal(e.kind, LOADER_EINPUT);
	if (!strstr(e.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", e.text, reason);
}

/* A temporary file of `size` bytes, the first and last of which are marked. */
static void initrd_new(char path[32], uint64_t size)
{
	int fd;

	strcpy(path, "/tmp/test_loader.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (size > 0) {
		assert_int_equal(pwrite(fd, "Z", 1, (off_t)size - 1), 1);
		assert_int_equal(pwrite(fd, "A", 1, 0), 1);
	}
	close(fd);
}

static void test_segments_and_bss(void **state)
{
	struct kernel k = elf_kernel();
	struct boot_result out;
	uint8_t *ram = load_or_fail(&k, 64 * MIB, "", NULL, &out);

	(void)state;
	assert_memory_equal(ram + TEXT_PA, "entry\xcc", 6);
	assert_int_equal(ram[TEXT_PA + 0xfff], 0xcc);
	assert_int_equal(ram[TEXT_PA + 0x1000], 0xee); /* between the segments */
	assert_int_equal(ram[DATA_PA], 0xda);
	assert_int_equal(ram[DATA_PA + DATA_FILE - 1], 0xda);
	assert_int_equal(ram[DATA_PA + DATA_FILE], 0);
	assert_int_equal(ram[DATA_PA + DATA_MEMORY - 1], 0);
	assert_int_equal(ram[DATA_PA + DATA_MEMORY], 0xee);
	assert_int_equal(out.entry_pa, TEXT_PA);
	munmap(ram, 64 * MIB);
	kernel_close(&k);
}

static void test_gdt(void **state)
{
	static const uint64_t gdt[] = {0, 0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
	struct kernel k = elf_kernel();
	struct boot_result out;
	uint8_t *ram = load_or_fail(&k, 64 * MIB, "", NULL, &out);

	(void)state;
	assert_int_equal(out.gdt_limit, sizeof gdt - 1);
	assert_memory_equal(ram + out.gdt_pa, gdt, sizeof gdt);
	assert_true(out.stack_pa > out.gdt_pa + sizeof gdt && out.stack_pa < LOADER_PARAMS_PA);
	munmap(ram, 64 * MIB);
	kernel_close(&k);
}

static void check_e820(const struct boot_params *b, uint64_t ram_size)
{
	assert_int_equal(b->e820_entries, 3);
	assert_int_equal(b->e820_table[0].addr, 0);
	assert_int_equal(b->e820_table[0].size, 0x9fc00);
	assert_int_equal(b->e820_table[0].type, 1);
	assert_int_equal(b->e820_table[1].addr, 0x9fc00);
	assert_int_equal(b->e820_table[1].size, 0x100000 - 0x9fc00);
	assert_int_equal(b->e820_table[1].type, 2);
	assert_int_equal(b->e820_table[2].addr, 0x100000);
	assert_int_equal(b->e820_table[2].size, ram_size - 0x100000);
	assert_int_equal(b->e820_table[2].type, 1);
}

static void check_loader_fields(const struct boot_params *b, const uint8_t *ram)
{
	static const uint8_t zeros[0x1f1];

	assert_memory_equal(&b->screen_info, zeros, sizeof b->screen_info);
	assert_int_equal(b->sentinel, 0);
	assert_int_equal(b->hdr.boot_flag, 0xaa55);
	assert_memory_equal(&b->hdr.header, "HdrS", 4);
	assert_int_equal(b->hdr.type_of_loader, 0xff);
	assert_int_equal(b->hdr.loadflags & (LOADED_HIGH | KEEP_SEGMENTS), LOADED_HIGH);
	assert_int_equal(b->hdr.code32_start, TEXT_PA);
	assert_int_equal(b->hdr.setup_data, 0);
	assert_string_equal((char *)ram + b->hdr.cmd_line_ptr, "console=ttyS0 quiet");
	/* Linux copies 2048 bytes from there whatever the length. */
	assert_memory_equal(ram + b->hdr.cmd_line_ptr + 19, zeros, sizeof zeros);
	assert_int_equal(ram[b->hdr.cmd_line_ptr + 2047], 0);
}

static void test_zero_page_of_a_bzimage(void **state)
{
	struct image i = image_bzimage(with_gzip);
	struct kernel k;
	struct boot_result out;
	const struct boot_params *b;
	uint8_t *ram;

	(void)state;
	i.bytes[0x211] |= KEEP_SEGMENTS;                /* the loader's to say */
	memset(i.bytes + 0x250, 0x77, 8);               /* setup_data */
	memcpy(i.bytes + 0x1fa, &(uint16_t){0x317}, 2); /* vid_mode: the image's to say */
	memset(i.bytes + 0x26c, 0x99, 0x24);            /* behind the header: code */
	k = image_opened(&i);
	ram = load_or_fail(&k, 64 * MIB, "console=ttyS0 quiet", NULL, &out);
	b = (struct boot_params *)(ram + out.boot_params_pa);
	check_loader_fields(b, ram);
	check_e820(b, 64 * MIB);
	assert_int_equal(b->hdr.version, 0x20f);
	assert_int_equal(b->hdr.vid_mode, 0x317);
	assert_int_equal(b->hdr.ramdisk_image, 0);
	assert_int_equal(b->hdr.ramdisk_size, 0);
	assert_int_equal(ram[out.boot_params_pa + 0x26c], 0);
	assert_int_equal(b->acpi_rsdp_addr, 0);
	assert_int_equal(out.initrd_pa, 0);
	assert_int_equal(out.initrd_size, 0);
	munmap(ram, 64 * MIB);
	kernel_close(&k);
}

static void test_root_pointer_of_acpi(void **state)
{
	struct kernel k = elf_kernel();
	struct boot_request r = {ram_new(64 * MIB), 64 * MIB, "", NULL, 0xe0000, 0};
	struct boot_result out;
	struct loader_error e;

	(void)state;
	assert_int_equal(kernel_load(&k, &r, &out, &e), 0);
	assert_int_equal(*(uint64_t *)(r.ram + out.boot_params_pa + 0x70), 0xe0000);
	munmap(r.ram, 64 * MIB);
	kernel_close(&k);
}

static void test_zero_page_of_an_elf(void **state)
{
	struct kernel k = elf_kernel();
	struct boot_result out;
	uint8_t *ram = load_or_fail(&k, 64 * MIB, "console=ttyS0 quiet", NULL, &out);
	const struct boot_params *b = (struct boot_params *)(ram + out.boot_params_pa);

	(void)state;
	check_loader_fields(b, ram);
	check_e820(b, 64 * MIB);
	assert_true(b->hdr.version >= 0x207); /* head_32.S looks at hardware_subarch then */
	assert_int_equal(b->hdr.hardware_subarch, 0);
	munmap(ram, 64 * MIB);
	kernel_close(&k);
}

static void test_memory_sizes(void **state)
{
	static const uint64_t good[] = {LOADER_RAM_MIN, 3072 * MIB, LOADER_RAM_MAX};
	struct kernel k = elf_kernel();

	(void)state;
	for (size_t n = 0; n < 3; n++) {
		struct boot_result out;
		uint8_t *ram = load_or_fail(&k, good[n], NULL, NULL, &out);

		check_e820((struct boot_params *)(ram + out.boot_params_pa), good[n]);
		munmap(ram, good[n]);
	}
	kernel_close(&k);
}

static void test_absurd_memory_sizes(void **state)
{
	static const uint64_t bad[] = {0,
	                               1,
	                               4096,
	                               LOADER_RAM_MIN - 4096,
	                               64 * MIB + 1,
	                               64 * MIB + 512,
	                               LOADER_RAM_MAX + 4096ull,
	                               1ull << 32,
	                               1ull << 40,
	                               UINT64_MAX};
	struct kernel k = elf_kernel();

	(void)state;
	for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
		struct boot_request r = {NULL, bad[n], "", NULL, 0, 0}; /* never touched */
		struct loader_error e = {0};
		struct boot_result out;

		assert_int_equal(kernel_load(&k, &r, &out, &e), -1);
		assert_int_equal(e.kind, LOADER_EINPUT);
		assert_non_null(strstr(e.text, "guest memory of"));
	}
	kernel_close(&k);
}

static void test_kernel_larger_than_memory(void **state)
{
	struct image i = image_elf(NULL, 0);
	struct kernel k;
	struct boot_result out;

	(void)state;
	image_segment(&i, 1)->p_memsz = LOADER_RAM_MIN - DATA_PA;
	k = image_opened(&i);
	munmap(load_or_fail(&k, LOADER_RAM_MIN, "", NULL, &out), LOADER_RAM_MIN);
	kernel_close(&k);

	i = image_elf(NULL, 0);
	image_segment(&i, 1)->p_memsz = LOADER_RAM_MIN - DATA_PA + 1;
	k = image_opened(&i);
	expect_refused(&k, LOADER_RAM_MIN, "", NULL, "needs memory up to 0x1000001");
	kernel_close(&k);
}

static void test_command_line_length(void **state)
{
	struct kernel k = bzimage_kernel();
	struct boot_result out;
	char line[3000];
	uint8_t *ram;

	(void)state;
	memset(line, 'c', sizeof line);
	line[2047] = '\0';
	ram = load_or_fail(&k, 64 * MIB, line, NULL, &out);
	assert_string_equal((char *)ram + LOADER_CMDLINE_PA, line);
	munmap(ram, 64 * MIB);
	line[2047] = 'c';
	line[2048] = '\0';
	expect_refused(&k, 64 * MIB, line, NULL, "has 2048 characters; this kernel takes 2047");
	kernel_close(&k);
}

/* A kernel that claims to take anything still gets no more than there is room for. */
static void test_command_line_stays_below_the_bios(void **state)
{
	size_t room = LOADER_LOWMEM_END - LOADER_CMDLINE_PA;
	struct image i = image_bzimage(with_gzip);
	char *line = malloc(room + 1);
	struct boot_result out;
	struct kernel k;
	uint8_t *ram;

	(void)state;
	memset(i.bytes + 0x238, 0xff, 4);
	k = image_opened(&i);
	memset(line, 'c', room);
	line[room - 1] = '\0';
	ram = load_or_fail(&k, 64 * MIB, line, NULL, &out);
	assert_int_equal(ram[LOADER_LOWMEM_END - 1], 0);
	assert_int_equal(ram[LOADER_LOWMEM_END], 0xee);
	munmap(ram, 64 * MIB);
	line[room - 1] = 'c';
	line[room] = '\0';
	expect_refused(&k, 64 * MIB, line, NULL, "command line");
	free(line);
	kernel_close(&k);
}

static void check_initrd(struct kernel *k, uint64_t ram_size, uint64_t size, uint64_t expected_pa)
{
	const struct boot_params *b;
	struct boot_result out;
	char path[32];
	uint8_t *ram;

	initrd_new(path, size);
	ram = load_or_fail(k, ram_size, "", path, &out);
	b = (struct boot_params *)(ram + out.boot_params_pa);
	assert_int_equal(out.initrd_pa, expected_pa);
	assert_int_equal(out.initrd_size, size);
	assert_int_equal(b->hdr.ramdisk_image, expected_pa);
	assert_int_equal(b->hdr.ramdisk_size, size);
	assert_int_equal(ram[expected_pa], 'A');
	assert_int_equal(ram[expected_pa + size - 1], 'Z');
	munmap(ram, ram_size);
	unlink(path);
}

static void test_initrd_goes_to_the_top(void **state)
{
	struct kernel k = bzimage_kernel();

	(void)state;
	check_initrd(&k, 64 * MIB, 5000, 64 * MIB - 8192);
	check_initrd(&k, 64 * MIB, 8192, 64 * MIB - 8192);
	/* 1 GiB of kernel addresses less 256 MiB: directly mapped memory. */
	check_initrd(&k, 3072 * MIB, 5000, 768 * MIB - 8192);
	kernel_close(&k);
}

static void test_initrd_heeds_initrd_addr_max(void **state)
{
	struct kernel k = bzimage_kernel();

	(void)state;
	k.initrd_addr_max = 0x1ffffff;
	check_initrd(&k, 512 * MIB, 4096, 0x2000000 - 4096);
	k.initrd_addr_max = 0x1fffffe; /* one byte less costs a page */
	check_initrd(&k, 512 * MIB, 4096, 0x2000000 - 8192);
	k.initrd_addr_max = 0xffffffff;
	check_initrd(&k, 64 * MIB, 4096, 64 * MIB - 4096);
	kernel_close(&k);
}

/* A kernel with only little directly mapped memory: better high than not at all. */
static void test_initrd_above_directly_mapped_memory(void **state)
{
	struct kernel k = bzimage_kernel();

	(void)state;
	k.kernel_base = 0xef000000; /* 16 MiB of it are left below NOT_DIRECTLY_MAPPED */
	check_initrd(&k, 64 * MIB, 4096, 16 * MIB - 4096);
	check_initrd(&k, 64 * MIB, 20 * MIB, 44 * MIB);
	kernel_close(&k);
}

static void test_initrd_does_not_touch_the_kernel(void **state)
{
	struct kernel k = bzimage_kernel();
	uint64_t lowest = 0x204000; /* the kernel's end, 1 MiB for its tables, page aligned */
	uint64_t most = 64 * MIB - lowest;
	char path[32];

	(void)state;
	assert_int_equal(k.high_pa, 0x103800);
	check_initrd(&k, 64 * MIB, most, lowest);
	initrd_new(path, most + 1);
	expect_refused(&k, 64 * MIB, "", path, "does not fit");
	unlink(path);
	kernel_close(&k);
}

static void test_bad_initrds(void **state)
{
	struct kernel k = bzimage_kernel();
	char path[32];

	(void)state;
	expect_refused(&k, 64 * MIB, "", "/nonexistent/initrd", "No such file");
	expect_refused(&k, 64 * MIB, "", "/", "is a directory");
	initrd_new(path, 0);
	expect_refused(&k, 64 * MIB, "", path, "is empty");
	unlink(path);
	initrd_new(path, 1ull << 40); /* sparse */
	expect_refused(&k, 64 * MIB, "", path, "has 1099511627776 bytes");
	unlink(path);
	expect_refused(&k, 64 * MIB, "", "/dev/zero", "larger than");
	kernel_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_segments_and_bss),
	    cmocka_unit_test(test_gdt),
	    cmocka_unit_test(test_zero_page_of_a_bzimage),
	    cmocka_unit_test(test_zero_page_of_an_elf),
	    cmocka_unit_test(test_root_pointer_of_acpi),
	    cmocka_unit_test(test_memory_sizes),
	    cmocka_unit_test(test_absurd_memory_sizes),
	    cmocka_unit_test(test_kernel_larger_than_memory),
	    cmocka_unit_test(test_command_line_length),
	    cmocka_unit_test(test_command_line_stays_below_the_bios),
	    cmocka_unit_test(test_initrd_goes_to_the_top),
	    cmocka_unit_test(test_initrd_heeds_initrd_addr_max),
	    cmocka_unit_test(test_initrd_above_directly_mapped_memory),
	    cmocka_unit_test(test_initrd_does_not_touch_the_kernel),
	    cmocka_unit_test(test_bad_initrds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
