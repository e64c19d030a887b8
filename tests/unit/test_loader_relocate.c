// SPDX-License-Identifier: GPL-2.0-or-later
/* Kernels that choose where they lie: when they are moved, where to, and what changes with that. */
#include "tests/unit/test_loader_image.h"

#include <asm/bootparam.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB       ((uint64_t)1 << 20)
#define ALIGNMENT 0x200000u
#define TEXT_VA   (TEXT_PA + BASE)
#define DATA_VA   (DATA_PA + BASE)

/* What the decompressor of a kernel that chooses a place has among its texts. */
#define CHOOSES "KASLR disabled: 'nokaslr' on cmdline."

/* A bzImage of @elf, which it frees, and behind that the words of a table of relocations. */
static struct image with_table(struct image elf, const uint32_t *table, size_t n)
{
	uint8_t *payload = malloc(ROOM);
	struct image i;
	size_t size;

	assert_non_null(payload);
	memcpy(elf.bytes + elf.size, table, n * sizeof *table);
	elf.size += n * sizeof *table;
	size = with_gzip(&elf, payload);
	i = image_wrap(payload, size, (uint32_t)elf.size);
	free(payload);
	free(elf.bytes);
	memcpy(i.bytes + 0x230, &(uint32_t){ALIGNMENT}, 4);
	i.bytes[0x234] = 1; /* relocatable_kernel */
	memcpy(i.bytes + 0x260, &(uint32_t){0}, 4);
	memcpy(i.bytes + SETUP_END + 0x20, CHOOSES, sizeof CHOOSES);
	return i;
}

/* Three words of the text and one of the data are addresses of these. */
static const uint32_t usual[] = {0, TEXT_VA + 5, TEXT_VA + 0x101, TEXT_VA + 0xffc, DATA_VA + 8};
#define USUAL (sizeof usual / sizeof *usual)

static struct image elf_with_addresses(void)
{
	struct image elf = image_elf(NULL, 0);

	memcpy(elf.bytes + TEXT_AT + 5, &(uint32_t){DATA_VA}, 4);
	memcpy(elf.bytes + TEXT_AT + 0x101, &(uint32_t){TEXT_PA}, 4); /* as head_32.S has them */
	memcpy(elf.bytes + TEXT_AT + 0xffc, &(uint32_t){0xfffffff0}, 4);
	memcpy(elf.bytes + DATA_AT + 8, &(uint32_t){TEXT_VA + 0x123}, 4);
	return elf;
}

static struct kernel usual_kernel(void)
{
	struct image i = with_table(elf_with_addresses(), usual, USUAL);

	return image_opened(&i);
}

static uint8_t *ram;
static uint64_t ram_size;

static struct boot_params *load(struct kernel *k, const char *line, const char *initrd,
                                uint64_t random, struct boot_result *out)
{
	struct boot_request r = {ram, ram_size, line, initrd, 0, random};
	struct loader_error e;

	memset(ram + 0x100000, 0xee, 64 * MIB - 0x100000);
	if (kernel_load(k, &r, out, &e))
		fail_msg("refused: %s", e.text);
	return (struct boot_params *)(ram + out->boot_params_pa);
}

static uint32_t word_at(uint32_t pa)
{
	uint32_t word;

	memcpy(&word, ram + pa, 4);
	return word;
}

/* The kernel of usual_kernel() lies @delta from where it was linked. */
static void expect_at(const struct kernel *k, const struct boot_result *out, uint32_t delta)
{
	const struct kernel_section *data = kernel_section(k, ".data");

	assert_int_equal(k->moved_by, delta);
	assert_int_equal(out->entry_pa, TEXT_PA + delta);
	assert_int_equal(k->low_pa, TEXT_PA + delta);
	assert_int_equal(k->high_pa, DATA_PA + DATA_MEMORY + delta);
	assert_int_equal(k->kernel_base, BASE);
	assert_int_equal(k->segments[1].va, DATA_VA + delta);
	assert_int_equal(data->va, DATA_VA + delta);
	assert_int_equal(kernel_section(k, ".shstrtab")->va, 0);
	assert_int_equal(word_at(TEXT_PA + delta + 5), DATA_VA + delta);
	assert_int_equal(word_at(TEXT_PA + delta + 0x101), TEXT_PA + delta);
	assert_int_equal(word_at(TEXT_PA + delta + 0xffc), 0xfffffff0 + delta);
	assert_int_equal(word_at(DATA_PA + delta + 8), TEXT_VA + 0x123 + delta);
	assert_memory_equal(data->data + 8, &(uint32_t){TEXT_VA + 0x123 + delta}, 4);
	/* What is no address stays. */
	assert_int_equal(word_at(TEXT_PA + delta), 0xcccccccc);
	assert_int_equal(word_at(TEXT_PA + delta + 9), 0xcccccccc);
	assert_int_equal(word_at(DATA_PA + delta + 4), 0xdadadada);
	assert_int_equal(word_at(DATA_PA + delta + DATA_FILE), 0);
}

static void test_a_kernel_is_moved(void **state)
{
	struct boot_result out;
	struct boot_params *b;

	(void)state;
	for (uint64_t random = 0; random < 9; random++) {
		struct kernel k = usual_kernel();

		assert_true(k.randomizes && !k.randomized);
		assert_int_equal(k.nrelocations, USUAL - 1);
		b = load(&k, "quiet", NULL, random, &out);
		assert_true(k.randomized);
		assert_true(b->hdr.loadflags & KASLR_FLAG);
		assert_int_equal(b->hdr.code32_start, out.entry_pa);
		expect_at(&k, &out, (uint32_t)random * ALIGNMENT);
		kernel_close(&k);
	}
}

static void test_every_place_is_one(void **state)
{
	struct boot_result out;
	struct kernel k = usual_kernel();
	uint32_t highest = 0;

	(void)state;
	for (uint64_t random = 0; random < 200; random++) {
		load(&k, "", NULL, random, &out);
		expect_at(&k, &out, k.moved_by);
		assert_int_equal(k.moved_by % ALIGNMENT, 0);
		assert_true(k.high_pa <= ram_size);
		if (k.high_pa > highest)
			highest = k.high_pa;
	}
	/* Linked at 1 MiB it can end 3 MiB - what it takes below the end, and no higher. */
	assert_int_equal(highest, TEXT_PA + 62 * MIB - ALIGNMENT + 0x3800);
	load(&k, "", NULL, UINT64_MAX, &out);
	assert_true(k.high_pa <= ram_size);
	kernel_close(&k);
}

static void test_init_size_is_left_free(void **state)
{
	struct image i = with_table(elf_with_addresses(), usual, USUAL);
	struct boot_result out;
	struct kernel k;

	(void)state;
	memcpy(i.bytes + 0x260, &(uint32_t){60 * MIB}, 4);
	k = image_opened(&i);
	for (uint64_t random = 0; random < 5; random++) {
		load(&k, "", NULL, random, &out);
		assert_true(k.low_pa + 60 * MIB <= ram_size);
	}
	assert_int_equal(k.init_size, 60 * MIB);
	kernel_close(&k);
}

static void test_the_initrd_has_room(void **state)
{
	char path[] = "/tmp/test_loader.XXXXXX";
	int fd = mkstemp(path);
	struct kernel k = usual_kernel();
	struct boot_result out;

	(void)state;
	assert_true(fd >= 0);
	for (uint64_t size = MIB; size < 62 * MIB; size += 10 * MIB) {
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		for (uint64_t random = 0; random < 40; random++) {
			load(&k, "", path, random, &out);
			expect_at(&k, &out, k.moved_by);
			assert_true(out.initrd_pa >= k.high_pa);
			assert_true(out.initrd_pa + size <= ram_size);
		}
	}
	close(fd);
	unlink(path);
	kernel_close(&k);
}

static void test_the_command_line_can_forbid_it(void **state)
{
	static const struct {
		const char *line;
		bool moves;
	} lines[] = {
	    {"nokaslr", false},         {"quiet nokaslr", false}, {"nokaslr quiet", false},
	    {"a nokaslr b", false},     {"mem=64M", false},       {"a memmap=1M@2M", false},
	    {"xnokaslr", true},         {"nokaslrx", true},       {"quiet", true},
	    {"xmem=1 nokaslr=1", true},
	};
	struct boot_result out;

	(void)state;
	for (size_t n = 0; n < sizeof lines / sizeof *lines; n++) {
		struct kernel k = usual_kernel();
		struct boot_params *b = load(&k, lines[n].line, NULL, 3, &out);

		assert_int_equal(k.randomized, lines[n].moves);
		assert_int_equal(!!(b->hdr.loadflags & KASLR_FLAG), lines[n].moves);
		expect_at(&k, &out, lines[n].moves ? 3 * ALIGNMENT : 0);
		kernel_close(&k);
	}
}

static void expect_stays(struct image i)
{
	struct kernel k = image_opened(&i);
	struct boot_result out;

	load(&k, "", NULL, 3, &out);
	assert_false(k.randomized);
	assert_int_equal(out.entry_pa, TEXT_PA);
	kernel_close(&k);
}

static void test_kernels_that_do_not_choose(void **state)
{
	struct image i = with_table(elf_with_addresses(), usual, USUAL);

	(void)state;
	i.bytes[0x234] = 0; /* relocatable_kernel */
	expect_stays(i);
	i = with_table(elf_with_addresses(), usual, USUAL);
	memset(i.bytes + SETUP_END + 0x20, 0, sizeof CHOOSES);
	expect_stays(i);
	i = with_table(elf_with_addresses(), usual, USUAL);
	memcpy(i.bytes + 0x230, &(uint32_t){0x300000}, 4);
	expect_stays(i);
	i = with_table(elf_with_addresses(), usual, USUAL);
	memcpy(i.bytes + 0x206, &(uint16_t){0x0209}, 2);
	expect_stays(i);
}

static void test_what_is_no_table(void **state)
{
	static const uint32_t none[] = {0}, unordered[] = {0, TEXT_VA + 8, TEXT_VA + 4},
	                      twice[] = {0, TEXT_VA, TEXT_VA}, outside[] = {0, TEXT_VA + 0xffd},
	                      bss[] = {0, DATA_VA + DATA_FILE}, physical[] = {0, TEXT_PA};

	(void)state;
	expect_stays(with_table(elf_with_addresses(), none, 0));
	expect_stays(with_table(elf_with_addresses(), none, 1));
	expect_stays(with_table(elf_with_addresses(), unordered, 3));
	expect_stays(with_table(elf_with_addresses(), twice, 3));
	expect_stays(with_table(elf_with_addresses(), outside, 2));
	expect_stays(with_table(elf_with_addresses(), bss, 2));
	expect_stays(with_table(elf_with_addresses(), physical, 2));
}

/* A table, or names, that the kernel's own segments would change. */
static void test_a_table_in_a_segment(void **state)
{
	struct image elf = elf_with_addresses();

	(void)state;
	image_segment(&elf, 1)->p_filesz = ELF_SIZE + sizeof usual - DATA_AT;
	expect_stays(with_table(elf, usual, USUAL));
	elf = elf_with_addresses();
	image_segment(&elf, 1)->p_filesz = NAMES_AT + 8 - DATA_AT;
	expect_stays(with_table(elf, usual, USUAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_kernel_is_moved),
	    cmocka_unit_test(test_every_place_is_one),
	    cmocka_unit_test(test_init_size_is_left_free),
	    cmocka_unit_test(test_the_initrd_has_room),
	    cmocka_unit_test(test_the_command_line_can_forbid_it),
	    cmocka_unit_test(test_kernels_that_do_not_choose),
	    cmocka_unit_test(test_what_is_no_table),
	    cmocka_unit_test(test_a_table_in_a_segment),
	};

	ram_size = 64 * MIB;
	ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return ram == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
