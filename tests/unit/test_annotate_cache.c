// SPDX-License-Identifier: GPL-2.0-or-later
/* The annotator's cache: what is kept, and what is refused. */
#include "tests/unit/test_annotate_image.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "annotate/cache.h"

static const char text[] = "\xfa\x31\xc0\x90\x90\x90\x90\x0f\xa2\x9c\x58\x90\x90\x90\xc3";
static const uint8_t build_id[4] = {0xde, 0xad, 0xbe, 0xef};
static char directory[64];

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/ring1-test-cache-XXXXXX");
	assert_non_null(mkdtemp(directory));
	return setenv("XDG_CACHE_HOME", directory, 1);
}

/* The one file in the cache; false when there is none. */
static bool cache_file(char path[512])
{
	char ring1[128];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(ring1, sizeof(ring1), "%s/ring1", directory);
	d = opendir(ring1);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.') {
			assert_false(found);
			found = true;
			snprintf(path, 512, "%s/%s", ring1, e->d_name);
		}
	if (d)
		closedir(d);
	return found;
}

static int teardown(void **state)
{
	char path[512];

	(void)state;
	if (cache_file(path))
		unlink(path);
	snprintf(path, sizeof(path), "%s/ring1", directory);
	rmdir(path);
	return rmdir(directory);
}

static struct test_kernel *run_cached(size_t id_size)
{
	struct test_kernel *k = test_kernel_new(text, sizeof(text) - 1);
	struct annotate_input in = {
	    .sections = k->sections, .nsections = k->nsections, .kernel_base = KERNEL_BASE};

	assert_int_equal(annotate_kernel_cached(&in, &k->options, build_id, id_size, k->a, k->stubs,
	                                        &k->report, k->error),
	                 0);
	return k;
}

static void expect_same(const struct test_kernel *a, const struct test_kernel *b)
{
	assert_memory_equal(a->a, b->a, sizeof(*a->a));
	assert_memory_equal(a->stubs, b->stubs, a->a->stub_bytes);
	assert_memory_equal(a->report.kinds, b->report.kinds, sizeof(a->report.kinds));
	assert_int_equal(a->report.windows, b->report.windows);
}

static void test_second_run_reads(void **state)
{
	struct test_kernel *first = run_cached(4), *second = run_cached(4);
	char path[512];

	(void)state;
	assert_true(cache_file(path));
	assert_non_null(strstr(path, "/annotations-deadbeef-"));
	assert_false(first->report.cached);
	assert_true(second->report.cached);
	expect_same(first, second);
	test_kernel_free(first);
	test_kernel_free(second);
}

static void test_nothing_without_build_id(void **state)
{
	char path[512];

	(void)state;
	test_kernel_free(run_cached(0));
	assert_false(cache_file(path));
}

static void expect_refused(const struct test_kernel *good)
{
	struct test_kernel *k = run_cached(4);

	assert_false(k->report.cached);
	expect_same(good, k);
	test_kernel_free(k);
}

static void test_damage_is_refused(void **state)
{
	struct test_kernel *good = run_cached(4);
	uint8_t *bytes = malloc(65536);
	char path[512];
	size_t size;
	FILE *f;

	(void)state;
	assert_non_null(bytes);
	assert_true(cache_file(path));
	f = fopen(path, "rb");
	assert_non_null(f);
	size = fread(bytes, 1, 65536, f);
	fclose(f);
	assert_in_range(size, 100, 65535);
	for (size_t at = 0; at < size; at += 7) {
		f = fopen(path, "r+b");
		assert_non_null(f);
		fseek(f, at, SEEK_SET);
		fputc(bytes[at] ^ 0x10, f);
		fclose(f);
		expect_refused(good);
	}
	for (size_t cut = 0; cut < size; cut += 97) {
		assert_int_equal(truncate(path, cut), 0);
		expect_refused(good);
	}
	assert_int_equal(chmod(path, 0660), 0);
	expect_refused(good);
	free(bytes);
	test_kernel_free(good);
}

static void test_version_follows_options_and_contents(void **state)
{
	struct test_kernel *k = run_cached(4), *other = test_kernel_new(text, sizeof(text) - 1);
	struct annotate_input in = {
	    .sections = other->sections, .nsections = 1, .kernel_base = KERNEL_BASE};
	char path[512], now[512];

	(void)state;
	assert_true(cache_file(path));
	unlink(path);
	other->options.rom.popf += 4;
	annotate_kernel_cached(&in, &other->options, build_id, 4, other->a, other->stubs,
	                       &other->report, other->error);
	assert_false(other->report.cached);
	assert_true(cache_file(now));
	assert_string_not_equal(path, now);
	unlink(now);
	other->options.rom.popf -= 4;
	other->options.deferred = true;
	annotate_kernel_cached(&in, &other->options, build_id, 4, other->a, other->stubs,
	                       &other->report, other->error);
	assert_false(other->report.cached);
	assert_true(cache_file(now));
	assert_string_not_equal(path, now);
	unlink(now);
	other->options.deferred = false;
	other->text[0x200] = 0x90;
	annotate_kernel_cached(&in, &other->options, build_id, 4, other->a, other->stubs,
	                       &other->report, other->error);
	assert_true(cache_file(now));
	assert_string_not_equal(path, now);
	test_kernel_free(k);
	test_kernel_free(other);
}

static void test_no_place(void **state)
{
	struct test_kernel *k;

	(void)state;
	setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
	k = run_cached(4);
	assert_false(k->report.cached);
	test_kernel_free(k);
	setenv("XDG_CACHE_HOME", directory, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_second_run_reads, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_without_build_id, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_version_follows_options_and_contents, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
