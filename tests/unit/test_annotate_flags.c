// SPDX-License-Identifier: GPL-2.0-or-later
/* When the arithmetic flags are dead: seen through the two renderings of cli. */
#include "tests/unit/test_annotate_image.h"

/* The cli at the start of a text is rendered by andl when the flags behind it are dead. */
static bool dead(const char *text, size_t size)
{
	struct test_kernel *k = test_kernel_new(text, size);
	bool result;

	test_kernel_run(k);
	assert_int_equal(k->report.kinds[ANNOTATE_CLI].inlined, 1);
	assert_int_equal(k->stubs[0], 0x36);
	assert_true(k->stubs[1] == 0x81 || k->stubs[1] == 0xc6);
	result = k->stubs[1] == 0x81;
	test_kernel_free(k);
	return result;
}

#define DEAD(text) assert_true(dead(text, sizeof(text) - 1))
#define LIVE(text) assert_false(dead(text, sizeof(text) - 1))

#define NOPS "\x90\x90\x90\x90"

static void test_overwritten(void **state)
{
	needs_stubs();
	(void)state;
	DEAD("\xfa" NOPS "\x31\xc0\xc3");             /* xor */
	DEAD("\xfa" NOPS "\x85\xc0\xc3");             /* test */
	DEAD("\xfa" NOPS "\x0f\xaf\xc3\xc3");         /* imul leaves some undefined */
	DEAD("\xfa" NOPS "\x40\x39\xd8\x74\xfd\xc3"); /* inc spares CF, cmp does not */
	DEAD("\xfa" NOPS "\x9d\xc3");                 /* popf */
}

static void test_read(void **state)
{
	needs_stubs();
	(void)state;
	LIVE("\xfa" NOPS "\x0f\x94\xc0\xc3"); /* setz */
	LIVE("\xfa" NOPS "\x83\xd0\x00\xc3"); /* adc */
	LIVE("\xfa" NOPS "\x9c\x58\xc3");     /* pushf */
	LIVE("\xfa" NOPS "\x9f\xc3");         /* lahf */
	LIVE("\xfa" NOPS "\x74\x02\x31\xc0\xc3");
	LIVE("\xfa" NOPS "\x40\x72\x01\x90\xc3"); /* inc; jc */
	LIVE("\xfa" NOPS "\x0f\x42\xc1\xc3");     /* cmovc */
}

static void test_not_surely_overwritten(void **state)
{
	needs_stubs();
	(void)state;
	LIVE("\xfa" NOPS "\xd3\xe0\x0f\x92\xc0\xc3"); /* shl %cl; setc: %cl may be 0 */
	LIVE("\xfa" NOPS "\xf3\xa6\x0f\x92\xc0\xc3"); /* repe cmpsb; setc: %ecx may be 0 */
	DEAD("\xfa" NOPS "\xa6\xc3");                 /* cmpsb */
}

static void test_calls_and_returns(void **state)
{
	needs_stubs();
	(void)state;
	DEAD("\xfa" NOPS "\xc3");
	DEAD("\xfa" NOPS "\xe8\x10\x00\x00\x00\xc3");
	DEAD("\xfa" NOPS "\xff\xd0\xc3");
	LIVE("\xfa" NOPS "\xff\xe0"); /* jmp *%eax: who knows */
	LIVE("\xfa" NOPS "\xcd\x80\x31\xc0\xc3");
}

static void test_paths(void **state)
{
	needs_stubs();
	static const char jump[] = "\xfa" NOPS "\xeb\x03\x0f\x92\xc0\x31\xc0\xc3";
	const uint32_t site = TEXT_VA + 5 - DATA_VA, replacement = TEXT_VA + 256 - (DATA_VA + 4);
	uint8_t alternative[12] = {[8] = 1, [10] = 2};
	struct test_kernel *k;

	(void)state;
	/* along a jump */
	DEAD("\xfa" NOPS "\xeb\x02\xcc\xcc\x31\xc0\xc3");
	LIVE("\xfa" NOPS "\xeb\x02\xcc\xcc\x0f\x92\xc0\xc3");
	/* an endless loop ends the search */
	LIVE("\xfa" NOPS "\xeb\xfe");
	/* jecxz reads none, but has two ends */
	DEAD("\xfa" NOPS "\xe3\x02\x31\xc0\x31\xdb\xc3");
	LIVE("\xfa" NOPS "\xe3\x02\x31\xc0\x0f\x92\xc0\xc3");
	/* a jump the kernel may take out: both ways */
	memcpy(alternative, &site, sizeof(site));
	memcpy(alternative + 4, &replacement, sizeof(replacement));
	DEAD(jump);
	k = test_kernel_new(jump, sizeof(jump) - 1);
	test_kernel_table(k, ".altinstructions", alternative, sizeof(alternative));
	test_kernel_run(k);
	assert_int_equal(k->report.alternatives, 1);
	assert_int_equal(k->stubs[1], 0xc6);
	test_kernel_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_overwritten),
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_not_surely_overwritten),
	    cmocka_unit_test(test_calls_and_returns),
	    cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
