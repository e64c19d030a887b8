// SPDX-License-Identifier: GPL-2.0-or-later
/* Symbol tables built in memory, in the layouts kernels have had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "annotate/kallsyms.h"

#define LOW   0xc1000000u
#define HIGH  0xc2000000u
#define COUNT 600u /* symbols: three markers */
#define ROOM  65536u

enum layout { OFFSETS_FIRST, ABSOLUTE, OFFSETS_LAST };

struct table {
	uint8_t data[ROOM];
	size_t size;
};

static void put8(struct table *t, uint8_t b)
{
	assert_true(t->size < ROOM);
	t->data[t->size++] = b;
}

static void put16(struct table *t, uint32_t w)
{
	put8(t, w);
	put8(t, w >> 8);
}

static void put32(struct table *t, uint32_t w)
{
	put16(t, w);
	put16(t, w >> 16);
}

static void align(struct table *t)
{
	while (t->size & 3)
		put8(t, 0);
}

static void name_of(uint32_t i, char name[32])
{
	if (i == 5)
		snprintf(name, 32, "Tpanic");
	else if (i == 7)
		snprintf(name, 32, "tdo_init_module.isra.0");
	else if (i == 300)
		snprintf(name, 32, "tdo_init_modules");
	else
		snprintf(name, 32, "tsymbol_%u", i);
}

static void put_addresses(struct table *t, uint32_t base)
{
	for (uint32_t i = 0; i < COUNT; i++)
		put32(t, LOW + 16 * i - base);
}

/* Every character is its own token, but for 'X', which stands for "symbol_". */
static void build(struct table *t, enum layout layout)
{
	uint32_t markers[4], nmarkers = 0, starts[256];
	size_t names, table;

	memset(t, 0, sizeof(*t));
	for (int i = 0; i < 40; i++)
		put32(t, 0x12345678);
	if (layout == OFFSETS_FIRST) {
		put_addresses(t, LOW);
		put32(t, LOW);
	} else if (layout == ABSOLUTE) {
		put_addresses(t, 0);
	}
	put32(t, COUNT);
	names = t->size;
	for (uint32_t i = 0; i < COUNT; i++) {
		char name[32], packed[32];
		size_t n;

		name_of(i, name);
		if (!strncmp(name + 1, "symbol_", 7))
			snprintf(packed, sizeof(packed), "%cX%.20s", name[0], name + 8);
		else
			memcpy(packed, name, sizeof(packed));
		if (i % 256 == 0)
			markers[nmarkers++] = t->size - names;
		n = strlen(packed);
		put8(t, n);
		for (size_t k = 0; k < n; k++)
			put8(t, packed[k]);
	}
	align(t);
	for (uint32_t i = 0; i < nmarkers; i++)
		put32(t, markers[i]);
	table = t->size;
	for (int i = 0; i < 256; i++) {
		starts[i] = t->size - table;
		if (i == 'X')
			for (const char *p = "symbol_"; *p; p++)
				put8(t, *p);
		else
			put8(t, i ? i : 1);
		put8(t, 0);
	}
	align(t);
	for (int i = 0; i < 256; i++)
		put16(t, starts[i]);
	if (layout == OFFSETS_LAST) {
		put_addresses(t, LOW);
		put32(t, LOW);
	}
	for (int i = 0; i < 40; i++)
		put32(t, 0x9abcdef0);
}

static void test_layouts(void **state)
{
	static struct table t;

	(void)state;
	for (enum layout layout = OFFSETS_FIRST; layout <= OFFSETS_LAST; layout++) {
		char name[KALLSYMS_NAME_MAX];
		struct kallsyms k;
		uint32_t va, offset;

		build(&t, layout);
		assert_int_equal(kallsyms_find(&k, t.data, t.size, LOW, HIGH), 0);
		assert_int_equal(k.n, COUNT);
		assert_int_equal(kallsyms_address(&k, 0), LOW);
		assert_int_equal(kallsyms_address(&k, COUNT - 1), LOW + 16 * (COUNT - 1));
		assert_int_equal(kallsyms_lookup(&k, "panic", &va), 0);
		assert_int_equal(va, LOW + 80);
		assert_int_equal(kallsyms_lookup(&k, "symbol_599", &va), 0);
		assert_int_equal(va, LOW + 16 * 599);
		/* a compiler's suffix, but no longer name */
		assert_int_equal(kallsyms_lookup(&k, "do_init_module", &va), 0);
		assert_int_equal(va, LOW + 112);
		assert_int_equal(kallsyms_lookup(&k, "symbol_", &va), -2);
		assert_int_equal(kallsyms_lookup(&k, "symbol_59", &va), 0);
		assert_int_equal(va, LOW + 16 * 59);
		assert_int_equal(kallsyms_reverse(&k, LOW + 83, name, &offset), 0);
		assert_string_equal(name, "panic");
		assert_int_equal(offset, 3);
		assert_int_equal(kallsyms_reverse(&k, LOW + 16 * 299, name, &offset), 0);
		assert_string_equal(name, "symbol_299");
		assert_int_equal(offset, 0);
		assert_int_equal(kallsyms_reverse(&k, LOW - 1, name, &offset), -2);
		assert_int_equal(kallsyms_next(&k, LOW), LOW + 16);
		assert_int_equal(kallsyms_next(&k, LOW + 17), LOW + 32);
		assert_int_equal(kallsyms_next(&k, HIGH), HIGH);
	}
}

static void test_outside_the_image(void **state)
{
	static struct table t;
	struct kallsyms k;

	(void)state;
	build(&t, OFFSETS_FIRST);
	assert_int_equal(kallsyms_find(&k, t.data, t.size, 0xd0000000, 0xd1000000), -2);
}

/* Cut anywhere, and with any one byte damaged, it is found right or not at all. */
static void test_damage(void **state)
{
	static struct table t;
	struct kallsyms k;

	(void)state;
	build(&t, OFFSETS_FIRST);
	for (size_t size = 0; size < t.size - 160; size += 97) {
		uint8_t *cut = malloc(size ? size : 1);

		assert_non_null(cut);
		memcpy(cut, t.data, size);
		assert_int_equal(kallsyms_find(&k, cut, size, LOW, HIGH), -2);
		free(cut);
	}
	for (size_t at = 0; at < t.size; at += 13) {
		uint32_t va, offset;
		char name[KALLSYMS_NAME_MAX];

		t.data[at] ^= 0x55;
		if (!kallsyms_find(&k, t.data, t.size, LOW, HIGH)) {
			kallsyms_lookup(&k, "panic", &va);
			kallsyms_reverse(&k, LOW + 5000, name, &offset);
		}
		t.data[at] ^= 0x55;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_layouts),
	    cmocka_unit_test(test_outside_the_image),
	    cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
