// SPDX-License-Identifier: GPL-2.0-or-later
/* Which VMI calls code asks its ROM for, on hand-assembled kernels. */
#include "tests/unit/test_annotate_image.h"

#include "annotate/vmi_use.h"

#define ROM_WORD "\x00\x00\x20\xc1" /* the pointer to the ROM lies at 0xc1200000 */

/* mov ROM,%eax; sub $-0x80,%eax; call *%eax */
#define INIT      "\xa1" ROM_WORD "\x83\xe8\x80\xff\xd0"
/* mov ROM,%ecx; lea 0x88(%ecx),%edx; call *%edx */
#define GET_RELOC "\x8b\x0d" ROM_WORD "\x8d\x91\x88\x00\x00\x00\xff\xd2"
#define RET       "\xc3"

static struct vmi_use run(const void *text, size_t size)
{
	struct test_kernel *k = test_kernel_new(text, size);
	struct annotate_input in = {
	    .sections = k->sections, .nsections = k->nsections, .kernel_base = KERNEL_BASE};
	struct vmi_use use;

	assert_int_equal(vmi_use_find(&in, &use, k->error), 0);
	test_kernel_free(k);
	return use;
}

#define RUN(text) run(text, sizeof(text) - 1)

/* Exactly these calls, and nothing untold. */
static void expect(const struct vmi_use *use, uint32_t sites, size_t n, const uint8_t *calls)
{
	size_t found = 0;

	assert_int_equal(use->init_calls, 1);
	assert_int_equal(use->sites, sites);
	assert_int_equal(use->unknown, 0);
	for (size_t i = 0; i < VMI_NR_CALLS; i++)
		found += use->asked[i];
	assert_int_equal(found, n);
	for (size_t i = 0; i < n; i++)
		assert_true(use->asked[calls[i]]);
}

#define EXPECT(use, sites, ...)                                                                    \
	expect(use, sites, sizeof((uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__})

static void test_constants(void **state)
{
	struct vmi_use use;

	(void)state;
	use = RUN(INIT "\xb8\x1d\x00\x00\x00" GET_RELOC RET); /* mov $29,%eax */
	EXPECT(&use, 1, 29);
	use = RUN(INIT "\x31\xc0" GET_RELOC RET); /* xor %eax,%eax */
	EXPECT(&use, 1, 0);
	use = RUN(INIT "\x6a\x21\x58" GET_RELOC RET); /* push $33; pop %eax */
	EXPECT(&use, 1, 33);
	use = RUN(INIT "\xbb\x20\x00\x00\x00\x89\xd8\x40" GET_RELOC RET); /* by %ebx, inc */
	EXPECT(&use, 1, 33);
	use = RUN(INIT "\xb8\x01\x00\x00\x00" GET_RELOC "\xb8\x02\x00\x00\x00" GET_RELOC RET);
	EXPECT(&use, 2, 1, 2);
}

static void test_the_last_call_may_be_a_jump(void **state)
{
	struct vmi_use use = RUN(INIT "\xb8\x1d\x00\x00\x00\xa1" ROM_WORD
	                              "\x8d\x90\x88\x00\x00\x00\xb8\x1e\x00\x00\x00\xff\xe2");

	(void)state;
	EXPECT(&use, 1, 30);
}

/* Both ways into a place count: mov $29; jmp 1f; mov $30; 1: ... */
static void test_joins(void **state)
{
	struct vmi_use use =
	    RUN(INIT "\x74\x07\xb8\x1d\x00\x00\x00\xeb\x05\xb8\x1e\x00\x00\x00" GET_RELOC RET);

	(void)state;
	EXPECT(&use, 1, 29, 30);
}

/* A function that is given the number: every caller counts, and what stands before it does not. */
static void test_arguments(void **state)
{
	/* 0: INIT (10); 10: mov $7,%eax; call 32; 20: mov $8,%eax; call 32; 30: ret; 31: int3;
	 * 32: GET_RELOC; ret */
	struct vmi_use use =
	    RUN(INIT "\xb8\x07\x00\x00\x00\xe8\x0c\x00\x00\x00"
	             "\xb8\x08\x00\x00\x00\xe8\x02\x00\x00\x00" RET "\xcc" GET_RELOC RET);

	(void)state;
	EXPECT(&use, 1, 7, 8);
}

/* What is not known is said, and what is known beside it kept. */
static void test_unknown(void **state)
{
	struct vmi_use use;

	(void)state;
	use = RUN(INIT "\xa1\x04\x00\x20\xc1" GET_RELOC RET); /* mov mem,%eax */
	assert_int_equal(use.sites, 1);
	assert_int_equal(use.unknown, 1);
	use = RUN(INIT "\xe8\x0e\x00\x00\x00" GET_RELOC RET "\xc3"); /* what a function returns */
	assert_int_equal(use.sites, 1);
	assert_int_equal(use.unknown, 1);
	/* mov $29,%eax; je 1f; mov mem,%eax; 1: */
	use = RUN(INIT "\xb8\x1d\x00\x00\x00\x74\x05\xa1\x04\x00\x20\xc1" GET_RELOC RET);
	assert_int_equal(use.unknown, 1);
	assert_true(use.asked[29]);
	/* a number this API does not have */
	use = RUN(INIT "\xb8\xff\x00\x00\x00" GET_RELOC RET);
	assert_int_equal(use.unknown, 0);
	assert_int_equal(use.others, 1);
	/* %al alone */
	use = RUN(INIT "\xb0\x1d" GET_RELOC RET);
	assert_int_equal(use.unknown, 1);
}

static void test_others_are_left_out(void **state)
{
	struct vmi_use use;

	(void)state;
	/* nobody calls VMI_Init */
	use = RUN("\xb8\x1d\x00\x00\x00" GET_RELOC RET);
	assert_int_equal(use.init_calls, 0);
	assert_int_equal(use.sites, 0);
	/* another word, another offset */
	use = RUN(INIT "\xb8\x1d\x00\x00\x00\x8b\x0d\x00\x00\x30\xc1"
	               "\x8d\x91\x88\x00\x00\x00\xff\xd2"
	               "\x8b\x0d" ROM_WORD "\x8d\x91\x8c\x00\x00\x00\xff\xd2" RET);
	assert_int_equal(use.init_calls, 1);
	assert_int_equal(use.sites, 0);
}

/* A loop that counts: the search ends, and what else it may be is not told. */
static void test_loops_end(void **state)
{
	struct vmi_use use =
	    RUN(INIT "\xb8\x05\x00\x00\x00\x40\x75\xfd" GET_RELOC RET); /* 1: inc; jne 1b */

	(void)state;
	assert_int_equal(use.sites, 1);
	assert_true(use.asked[6]);
	assert_int_equal(use.unknown, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_constants), cmocka_unit_test(test_the_last_call_may_be_a_jump),
	    cmocka_unit_test(test_joins),     cmocka_unit_test(test_arguments),
	    cmocka_unit_test(test_unknown),   cmocka_unit_test(test_others_are_left_out),
	    cmocka_unit_test(test_loops_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
