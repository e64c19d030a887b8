// SPDX-License-Identifier: GPL-2.0-or-later
/* Archives as Linux unpacks them, and what is said of files that cannot be put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/cpio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER 110 /* bytes, of hexadecimal digits behind "070701" */

struct archive {
	char *bytes;
	size_t size, at;
	FILE *file;
	struct cpio cpio;
};

static int setup(void **state)
{
	struct archive *a = calloc(1, sizeof *a);

	if (!a)
		return -1;
	a->file = open_memstream(&a->bytes, &a->size);
	cpio_begin(&a->cpio, a->file);
	*state = a;
	return a->file ? 0 : -1;
}

static int teardown(void **state)
{
	struct archive *a = *state;

	fclose(a->file);
	free(a->bytes);
	free(a);
	return 0;
}

/* Field @n of the entry at a->at: 0 the inode, 1 the mode, 6 the size, 11 the size of the name. */
static unsigned field(const struct archive *a, unsigned n)
{
	char digits[9] = "";

	memcpy(digits, a->bytes + a->at + 6 + 8 * n, 8);
	return (unsigned)strtoul(digits, NULL, 16);
}

/* The next entry is @name, with @mode and these bytes. */
static void expect_entry(struct archive *a, const char *name, unsigned mode, const char *bytes)
{
	size_t size = strlen(bytes);

	assert_true(a->at + HEADER <= a->size);
	assert_memory_equal(a->bytes + a->at, "070701", 6);
	assert_int_equal(field(a, 1), mode);
	assert_int_equal(field(a, 6), size);
	assert_int_equal(field(a, 11), strlen(name) + 1);
	assert_string_equal(a->bytes + a->at + HEADER, name);
	a->at = (a->at + HEADER + strlen(name) + 1 + 3) & ~(size_t)3;
	assert_true(a->at + size <= a->size);
	assert_memory_equal(a->bytes + a->at, bytes, size);
	a->at = (a->at + size + 3) & ~(size_t)3;
}

static void entries_stand_one_behind_the_other(void **state)
{
	struct archive *a = *state;

	cpio_directory(&a->cpio, "dev");
	cpio_device(&a->cpio, "dev/console", 0600, 5, 1);
	cpio_bytes(&a->cpio, "orders", 0644, "serve\n", 6);
	cpio_bytes(&a->cpio, "empty", 0600, NULL, 0);
	assert_true(cpio_end(&a->cpio));
	expect_entry(a, "dev", 040755, "");
	assert_int_equal(field(a, 1), 020600);
	assert_int_equal(field(a, 9), 5);
	assert_int_equal(field(a, 10), 1);
	expect_entry(a, "dev/console", 020600, "");
	expect_entry(a, "orders", 0100644, "serve\n");
	expect_entry(a, "empty", 0100600, "");
	expect_entry(a, "TRAILER!!!", 0, "");
	assert_int_equal(a->at, a->size);
}

static void a_file_of_the_host(void **state)
{
	char path[] = "/tmp/ring1-cpio-XXXXXX";
	struct archive *a = *state;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	cpio_file(&a->cpio, "nothing", 0644, path);
	assert_int_equal(write(fd, "a module", 8), 8);
	close(fd);
	cpio_file(&a->cpio, "modules/a.ko", 0644, path);
	unlink(path);
	assert_true(cpio_end(&a->cpio));
	expect_entry(a, "nothing", 0100644, "");
	expect_entry(a, "modules/a.ko", 0100644, "a module");
}

/* The first reason is kept, and the file it is about. */
static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct archive *a = *state;

	cpio_file(&a->cpio, "modules/a.ko", 0644, "/nowhere/a.ko");
	cpio_file(&a->cpio, "modules/b.ko", 0644, "/tmp");
	assert_false(cpio_end(&a->cpio));
	assert_int_equal(a->cpio.error, ENOENT);
	assert_string_equal(a->cpio.source, "/nowhere/a.ko");
}

static void only_regular_files(void **state)
{
	struct archive *a = *state;

	cpio_file(&a->cpio, "modules/b.ko", 0644, "/dev/null");
	assert_false(cpio_end(&a->cpio));
	assert_int_equal(a->cpio.error, EINVAL);
	assert_string_equal(a->cpio.source, "/dev/null");
}

static void a_write_that_fails(void **state)
{
	FILE *full = fopen("/dev/full", "we");
	struct cpio c;

	(void)state;
	assert_non_null(full);
	cpio_begin(&c, full);
	cpio_directory(&c, "dev");
	assert_false(cpio_end(&c));
	assert_int_equal(c.error, ENOSPC);
	assert_string_equal(c.source, "");
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(entries_stand_one_behind_the_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_file_of_the_host, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(only_regular_files, setup, teardown),
	    cmocka_unit_test(a_write_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
