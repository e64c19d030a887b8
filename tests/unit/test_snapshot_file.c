/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A snapshot's file: what is written is read again, and what is not sound is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "annotate/parts.h"
#include "common/lazy_memory.h"
#include "main/snapshot_file.h"

#include <sys/mman.h>
#include <unistd.h>

#define BUILD  42u
#define MEMORY (SNAPSHOT_RAM_MIN + PAGE_SIZE) /* the last chunk has one page */
#define CHUNKS ((uint32_t)((MEMORY + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK))

static uint16_t pages[CHUNKS];
static uint64_t hashes[CHUNKS];
static uint8_t chunk[SNAPSHOT_CHUNK];
static char why[200];
static struct snapshot s;

static int write_one(void)
{
	struct snapshot_writer w;
	int fd = memfd_create("snapshot", 0);

	assert_true(snapshot_write_begin(&w, fd, BUILD, MEMORY));
	memset(pages, 0, sizeof pages);
	memset(chunk, 0, sizeof chunk);
	chunk[0] = 1;
	chunk[5 * PAGE_SIZE + 7] = 2;
	chunk[6 * PAGE_SIZE] = 3;
	snapshot_write_chunk(&w, 3, chunk, SNAPSHOT_CHUNK_PAGES, &pages[3], &hashes[3]);
	snapshot_write_chunk(&w, CHUNKS - 1, chunk, 1, &pages[CHUNKS - 1], &hashes[CHUNKS - 1]);
	memset(chunk, 9, sizeof chunk);
	snapshot_write_chunk(&w, 4, chunk, SNAPSHOT_CHUNK_PAGES, &pages[4], &hashes[4]);
	snapshot_write(&w, SNAPSHOT_PAGES, 0, pages, sizeof pages);
	snapshot_write(&w, SNAPSHOT_HASHES, 0, hashes, sizeof hashes);
	snapshot_section_begin(&w, SNAPSHOT_DEVICE_STATE, 5);
	snapshot_section_add(&w, "first, ", 7);
	snapshot_section_add(&w, "second", 7);
	snapshot_section_end(&w);
	assert_int_equal(snapshot_write_end(&w), 0);
	snapshot_write_free(&w);
	return fd;
}

static void what_is_written_is_read(void **state)
{
	uint8_t byte;
	size_t n;
	char *text;

	(void)state;
	assert_true(snapshot_open(&s, write_one(), BUILD, why, sizeof why));
	assert_int_equal(s.chunks, CHUNKS);
	assert_int_equal(s.pages[3], 1 | 1 << 5 | 1 << 6);
	assert_int_equal(s.pages[4], 0xffff);
	assert_int_equal(s.pages[CHUNKS - 1], 1);
	assert_true(snapshot_verify(&s, why, sizeof why));
	assert_true(snapshot_verify_sections(&s, why, sizeof why));
	text = snapshot_read(&s, SNAPSHOT_DEVICE_STATE, 5, 0, 100, &n, why, sizeof why);
	assert_non_null(text);
	assert_int_equal(n, 14);
	assert_string_equal(text, "first, second");
	free(text);
	assert_null(snapshot_read(&s, SNAPSHOT_DEVICE_STATE, 5, 0, 13, &n, why, sizeof why));
	assert_null(snapshot_read(&s, SNAPSHOT_DEVICE_STATE, 5, 15, 20, &n, why, sizeof why));
	assert_null(snapshot_read(&s, SNAPSHOT_DEVICE_STATE, 4, 0, 100, &n, why, sizeof why));
	/* Page for page where it can be mapped. */
	assert_int_equal(
	    pread(s.fd, &byte, 1, (off_t)(LAZY_FILE_AT + 3 * SNAPSHOT_CHUNK + 5 * PAGE_SIZE + 7)),
	    1);
	assert_int_equal(byte, 2);
	snapshot_close(&s);
}

static void each_damaged_byte_is_found(void **state)
{
	static const uint64_t places[] = {0,
	                                  17,
	                                  30,
	                                  200,
	                                  LAZY_FILE_AT + 4 * SNAPSHOT_CHUNK + 77,
	                                  LAZY_FILE_AT + 3 * SNAPSHOT_CHUNK + 5 * PAGE_SIZE,
	                                  LAZY_FILE_AT + MEMORY + 3,
	                                  LAZY_FILE_AT + MEMORY + sizeof pages + 30};

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		int fd = write_one();
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, (off_t)places[i]), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)places[i]), 1);
		*why = 0;
		if (snapshot_open(&s, fd, BUILD, why, sizeof why)) {
			assert_false(snapshot_verify(&s, why, sizeof why));
			snapshot_close(&s);
		}
		assert_true(*why);
	}
}

static void a_damaged_section_is_found(void **state)
{
	const struct snapshot_section *section;
	uint8_t byte;

	(void)state;
	assert_true(snapshot_open(&s, write_one(), BUILD, why, sizeof why));
	section = snapshot_find(&s, SNAPSHOT_DEVICE_STATE, 5);
	assert_non_null(section);
	assert_int_equal(pread(s.fd, &byte, 1, (off_t)section->at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(s.fd, &byte, 1, (off_t)section->at), 1);
	assert_true(snapshot_verify(&s, why, sizeof why));
	assert_false(snapshot_verify_sections(&s, why, sizeof why));
	assert_non_null(strstr(why, "is damaged"));
	snapshot_close(&s);
}

static void one_that_is_cut_off_is_refused(void **state)
{
	(void)state;
	for (off_t cut = 1; cut < LAZY_FILE_AT + (off_t)MEMORY + 8000; cut = cut * 3 + 1) {
		int fd = write_one();

		assert_int_equal(ftruncate(fd, cut), 0);
		assert_false(snapshot_open(&s, fd, BUILD, why, sizeof why));
	}
	assert_false(snapshot_open(&s, write_one(), BUILD + 1, why, sizeof why));
	assert_non_null(strstr(why, "another build"));
}

/* Guest memory comes out of the file when it is asked for, and not a second time. */
static void memory_comes_when_it_is_needed(void **state)
{
	static uint8_t ram[2 * LAZY_CHUNK], base[2 * LAZY_CHUNK], view[2 * LAZY_CHUNK];
	static uint32_t words[2];
	const struct lazy_memory m = {ram, sizeof ram, base, words};
	const struct lazy_memory none = {.ram = ram, .size = sizeof ram};

	(void)state;
	memset(base, 7, sizeof base);
	memset(ram, 1, sizeof ram);
	words[0] = 1 << 2 | 1 << 15;
	words[1] = 1;
	lazy_memory_view(&m, 0, sizeof ram, view);
	assert_int_equal(view[2 * PAGE_SIZE], 7);
	assert_int_equal(view[3 * PAGE_SIZE], 1);
	assert_int_equal(ram[2 * PAGE_SIZE], 1);
	assert_true(lazy_memory_need(&m, 0, 1));
	assert_int_equal(words[0], 0);
	assert_int_equal(words[1], 1);
	assert_int_equal(ram[2 * PAGE_SIZE], 7);
	assert_int_equal(ram[15 * PAGE_SIZE + 4095], 7);
	assert_int_equal(ram[0], 1);
	ram[2 * PAGE_SIZE] = 5;
	assert_true(lazy_memory_need(&m, LAZY_CHUNK - 1, 2));
	assert_int_equal(ram[2 * PAGE_SIZE], 5);
	assert_int_equal(ram[LAZY_CHUNK], 7);
	assert_int_equal(ram[LAZY_CHUNK + PAGE_SIZE], 1);
	/* One who began and does not finish is not waited for for ever. */
	words[1] = LAZY_FILLING | 1;
	assert_false(lazy_memory_need(&m, LAZY_CHUNK, 1));
	assert_true(lazy_memory_need(&none, 0, sizeof ram));
}

static void annotations_that_reach_outside_are_refused(void **state)
{
	struct annotations *a = calloc(1, sizeof *a);

	(void)state;
	assert_true(parts_are_sound(a));
	a->nsites = ANNOT_MAX_SITES + 1;
	assert_false(parts_are_sound(a));
	a->nsites = 10;
	a->nparts = 1;
	a->parts[0] = (struct annot_part){.va = 0xf8000000,
	                                  .size = 100,
	                                  .first_site = ANNOT_MAX_SITES - 5,
	                                  .nsites = 5,
	                                  .stub = HOLE_MODULES,
	                                  .stub_bytes = 64};
	assert_true(parts_are_sound(a));
	a->parts[0].nsites = 6;
	assert_false(parts_are_sound(a));
	a->parts[0].nsites = 5;
	a->parts[0].stub = HOLE_MODULES - 1;
	assert_false(parts_are_sound(a));
	a->parts[0].stub = HOLE_MODULES + HOLE_MODULES_SIZE - 63;
	assert_false(parts_are_sound(a));
	a->parts[0].stub--;
	assert_true(parts_are_sound(a));
	a->parts[0].npoints = UINT32_MAX;
	assert_false(parts_are_sound(a));
	a->parts[0].npoints = 0;
	a->nparts = ANNOT_MAX_PARTS + 1;
	assert_false(parts_are_sound(a));
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(each_damaged_byte_is_found),
	    cmocka_unit_test(a_damaged_section_is_found),
	    cmocka_unit_test(one_that_is_cut_off_is_refused),
	    cmocka_unit_test(memory_comes_when_it_is_needed),
	    cmocka_unit_test(annotations_that_reach_outside_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
