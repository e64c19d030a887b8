// SPDX-License-Identifier: GPL-2.0-or-later
/* The annotator on hand-assembled instructions: what is found, what it becomes, what stays. */
#include "tests/unit/test_annotate_image.h"

#define DEAD "\x31\xc0"     /* xor %eax,%eax: the flags before it are dead */
#define LIVE "\x0f\x92\xc0" /* setc %al: they are not */
#define TAIL "\x90\x90\x90\x90\x90\x90\xc3"

/* A 32-bit word of an expected stub. */
#define W(x)        ((x)&0xff), ((x) >> 8 & 0xff), ((x) >> 16 & 0xff), ((x) >> 24 & 0xff)
/* The displacement of a call or jump whose word is at this offset of the stub area. */
#define REL(at, to) W((uint32_t)(to) - (STUBS_VA + (at) + 4))

static struct test_kernel *run(const void *text, size_t size)
{
	struct test_kernel *k = test_kernel_new(text, size);

	test_kernel_run(k);
	return k;
}

#define RUN(text) run(text, sizeof(text) - 1)

/* The entry that starts at an offset of the text, or NULL. */
static const struct annot_window *window_at(const struct test_kernel *k, uint32_t at)
{
	for (uint32_t i = 0; i < k->a->nwindows; i++)
		if (k->a->windows[i].va == TEXT_VA + at)
			return &k->a->windows[i];
	return NULL;
}

/* The offset in the stub area a window jumps to. */
static uint32_t stub_of(const struct test_kernel *k, uint32_t at)
{
	const struct annot_window *w = window_at(k, at);
	int32_t displacement;

	assert_non_null(w);
	assert_int_equal(w->bytes[0], 0xe9);
	memcpy(&displacement, w->bytes + 1, 4);
	for (int i = 5; i < w->length; i++)
		assert_int_equal(w->bytes[i], 0xcc);
	return TEXT_VA + at + 5 + displacement - STUBS_VA;
}

#define EXPECT_STUB(k, ...)                                                                        \
	do {                                                                                       \
		const uint8_t want_[] = {__VA_ARGS__};                                             \
		assert_memory_equal((k)->stubs, want_, sizeof(want_));                             \
	} while (0)

static void expect_trap(struct test_kernel *k)
{
	assert_int_equal(k->a->nwindows, 0);
	test_kernel_free(k);
}

/* ---- what is found ---- */

static void test_kinds(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t length;
		enum annotate_kind kind;
		bool trap;
	} cases[] = {
	    {"\xfa", 1, ANNOTATE_CLI, false},
	    {"\xfb", 1, ANNOTATE_STI, false},
	    {"\xf4", 1, ANNOTATE_HLT, false},
	    {"\x9c", 1, ANNOTATE_PUSHF, true},
	    {"\x66\x9c", 2, ANNOTATE_PUSHF, true},
	    {"\x9d", 1, ANNOTATE_POPF, true},
	    {"\xcf", 1, ANNOTATE_IRET, true},
	    {"\x0e", 1, ANNOTATE_PUSH_SEGMENT, true},
	    {"\x16", 1, ANNOTATE_PUSH_SEGMENT, true},
	    {"\x0f\xa0", 2, ANNOTATE_PUSH_SEGMENT, true},
	    {"\x1f", 1, ANNOTATE_POP_SEGMENT, true},
	    {"\x0f\xa9", 2, ANNOTATE_POP_SEGMENT, true},
	    {"\x8c\xd0", 2, ANNOTATE_STORE_SEGMENT, true},
	    {"\x8e\xd8", 2, ANNOTATE_LOAD_SEGMENT, true},
	    {"\x0f\xb2\x24\x24", 4, ANNOTATE_LOAD_POINTER, true},
	    {"\xea\x00\x00\x00\xc1\x60\x00", 7, ANNOTATE_FAR_BRANCH, true},
	    {"\xff\x2d\x00\x00\x00\xc1", 6, ANNOTATE_FAR_BRANCH, true},
	    {"\xcb", 1, ANNOTATE_FAR_BRANCH, true},
	    {"\x0f\xa2", 2, ANNOTATE_CPUID, true},
	    {"\x0f\x01\x04\x24", 4, ANNOTATE_STORE_TABLE, true},
	    {"\x0f\x00\xc0", 3, ANNOTATE_STORE_TABLE, true},
	    {"\x0f\x00\xc8", 3, ANNOTATE_STORE_TABLE, true},
	    {"\x0f\x01\xe0", 3, ANNOTATE_STORE_TABLE, true},
	    {"\x0f\x02\xc0", 3, ANNOTATE_QUERY, true},
	    {"\x0f\x03\xc0", 3, ANNOTATE_QUERY, true},
	    {"\x0f\x00\xe8", 3, ANNOTATE_QUERY, true}, /* verw %ax */
	    {"\x0f\x01\x14\x24", 4, ANNOTATE_LOAD_TABLE, false},
	    {"\x0f\x00\xd8", 3, ANNOTATE_LOAD_TABLE, false},
	    {"\x0f\x22\xc0", 3, ANNOTATE_CONTROL, false},
	    {"\x0f\x06", 2, ANNOTATE_CONTROL, false},
	    {"\x0f\x21\xc0", 3, ANNOTATE_DEBUG, false},
	    {"\x0f\x01\x38", 3, ANNOTATE_INVLPG, false},
	    {"\xec", 1, ANNOTATE_IN, false},
	    {"\xf3\x6c", 2, ANNOTATE_IN, false},
	    {"\xe6\x80", 2, ANNOTATE_OUT, false},
	    {"\x0f\x32", 2, ANNOTATE_MSR, false},
	    {"\x0f\x01\xd1", 3, ANNOTATE_MSR, false},
	    {"\x0f\x09", 2, ANNOTATE_CACHE, false},
	    /* not sensitive */
	    {"\x0f\x00\x28", 3, ANNOTATE_NONE, false}, /* verw (%eax) */
	    {"\x0f\x31", 2, ANNOTATE_NONE, false},     /* rdtsc */
	    {"\xcd\x80", 2, ANNOTATE_NONE, false},
	    {"\x89\xd8", 2, ANNOTATE_NONE, false},
	    {"\xff\x30", 2, ANNOTATE_NONE, false},
	    {"\xc3", 1, ANNOTATE_NONE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_kernel *k = test_kernel_new(cases[i].bytes, cases[i].length);

		k->options.traps_only = true;
		test_kernel_run(k);
		if (cases[i].kind == ANNOTATE_NONE) {
			assert_int_equal(k->a->nsites, 0);
		} else {
			assert_int_equal(k->a->nsites, 1);
			assert_int_equal(k->report.kinds[cases[i].kind].found, 1);
			assert_int_equal(k->report.kinds[cases[i].kind].trap, 1);
			assert_int_equal(k->a->sites[0].va, TEXT_VA);
			assert_int_equal(k->a->sites[0].length, cases[i].length);
			assert_memory_equal(k->a->sites[0].bytes, cases[i].bytes, cases[i].length);
			assert_int_equal(k->a->sites[0].flags, cases[i].trap ? ANNOT_SITE_TRAP : 0);
		}
		assert_int_equal(k->a->nwindows, 0);
		test_kernel_free(k);
	}
}

static void test_traps_are_applied(void **state)
{
	struct test_kernel *k = RUN("\x9c\xfa\x0f\xa2" TAIL);
	uint8_t *ram = calloc(1, 0x1000100);

	(void)state;
	assert_non_null(ram);
	memcpy(ram + 0x1000000, k->text, 8);
	annotate_apply_traps(k->a, ram, 0x1000100);
	assert_memory_equal(ram + 0x1000000, "\xf4\xfa\x3e\xf4", 4);
	memcpy(ram + 0x1000000, k->text, 8);
	annotate_apply_traps(k->a, ram, 0x1000002); /* memory ends before the cpuid */
	assert_memory_equal(ram + 0x1000000, "\xf4\xfa\x0f\xa2", 4);
	free(ram);
	test_kernel_free(k);
}

/* ---- renderings ---- */

static void test_cli(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN("\xfa" DEAD TAIL);

	(void)state;
	assert_int_equal(stub_of(k, 0), 0);
	EXPECT_STUB(k, 0x36, 0x81, 0x25, W(0xff000000), W(0xfffffdff), 0x31, 0xc0, 0x90, 0x90, 0xe9,
	            REL(16, TEXT_VA + 5));
	assert_int_equal(k->report.kinds[ANNOTATE_CLI].inlined, 1);
	assert_int_equal(k->a->npoints, 5);
	assert_int_equal(k->a->points[1].stub, STUBS_VA + 11);
	assert_int_equal(k->a->points[1].va, TEXT_VA + 1);
	test_kernel_free(k);

	k = RUN("\xfa" LIVE TAIL);
	EXPECT_STUB(k, 0x36, 0xc6, 0x05, W(0xff000001), 0, 0x0f, 0x92, 0xc0);
	test_kernel_free(k);
}

static void test_sti(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN("\xfb" DEAD TAIL);

	(void)state;
	EXPECT_STUB(k, 0x36, 0x81, 0x0d, W(0xff000000), W(0x200), 0x79, 5, 0xe8,
	            REL(14, 0xff004000), 0x31, 0xc0);
	test_kernel_free(k);
	k = RUN("\xfb" LIVE TAIL);
	EXPECT_STUB(k, 0xe8, REL(1, 0xff004010), 0x0f, 0x92, 0xc0);
	test_kernel_free(k);
}

static struct test_kernel *run_deferred(const char *text, size_t size)
{
	struct test_kernel *k = test_kernel_new(text, size);

	k->options.deferred = true;
	test_kernel_run(k);
	return k;
}
#define RUN_DEFERRED(text) run_deferred(text, sizeof(text) - 1)

/* --delivery=deferred: the look for pending work has moved from STI to CLI. */
static void test_deferred(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN_DEFERRED("\xfb" DEAD TAIL);

	(void)state;
	/* orl $0x200,%ss:word */
	EXPECT_STUB(k, 0x36, 0x81, 0x0d, W(0xff000000), W(0x200), 0x31, 0xc0);
	test_kernel_free(k);
	k = RUN_DEFERRED("\xfb" LIVE TAIL);
	/* movb $2,%ss:word+1 */
	EXPECT_STUB(k, 0x36, 0xc6, 0x05, W(0xff000001), 2, 0x0f, 0x92, 0xc0);
	test_kernel_free(k);
	k = RUN_DEFERRED("\xfa" DEAD TAIL);
	/* cmpl $0x80000200,%ss:word; jb over the call; andl $~0x200,%ss:word */
	EXPECT_STUB(k, 0x36, 0x81, 0x3d, W(0xff000000), W(0x80000200), 0x72, 5, 0xe8,
	            REL(14, 0xff004008), 0x36, 0x81, 0x25, W(0xff000000), W(0xfffffdff), 0x31,
	            0xc0);
	assert_int_equal(k->report.kinds[ANNOTATE_CLI].inlined, 1);
	test_kernel_free(k);
	k = RUN_DEFERRED("\xfa" LIVE TAIL);
	EXPECT_STUB(k, 0xe8, REL(1, 0xff004018), 0x0f, 0x92, 0xc0);
	test_kernel_free(k);
	k = RUN_DEFERRED("\x9d" TAIL);
	EXPECT_STUB(k, 0xe8, REL(1, 0xff004034));
	test_kernel_free(k);
}

#define COUNTED 18 /* bytes in front of a rendered site */

static void test_counting(void **state)
{
	needs_stubs();
	/* pushf; addl $1,%ss:low; adcl $0,%ss:high; popf, for the counter of a kind */
	const uint8_t cli[COUNTED] = {0x9c, 0x36, 0x83, 0x05, W(0xff000500 + 8 * ANNOTATE_CLI),
	                              1,    0x36, 0x83, 0x15, W(0xff000504 + 8 * ANNOTATE_CLI),
	                              0,    0x9d};
	struct test_kernel *k = test_kernel_new("\xfa" DEAD TAIL, 10);

	(void)state;
	k->options.count_sites = true;
	test_kernel_run(k);
	assert_memory_equal(k->stubs, cli, COUNTED);
	assert_memory_equal(k->stubs + COUNTED, "\x36\x81\x25", 3);
	/* Who returns to the site counts again: it stands for the counter, too. */
	assert_int_equal(k->a->points[0].stub, STUBS_VA);
	assert_int_equal(k->a->points[0].va, TEXT_VA);
	assert_int_equal(k->a->points[1].stub, STUBS_VA + COUNTED + 11);
	test_kernel_free(k);

	k = test_kernel_new("\x9d" LIVE TAIL, 11);
	k->options.count_sites = true;
	test_kernel_run(k);
	assert_int_equal(k->stubs[COUNTED], 0xe8); /* its own POPF */
	assert_memory_equal(k->stubs + COUNTED + 1,
	                    ((const uint8_t[]){REL(COUNTED + 1, 0xff004038)}), 4);
	test_kernel_free(k);

	/* The core counts for itself. */
	k = test_kernel_new("\x66\x9c" TAIL, 9);
	k->options.count_sites = true;
	test_kernel_run(k);
	EXPECT_STUB(k, 0x68, W(0), 0x9a, W(0xff002000), 0x33, 0);
	test_kernel_free(k);
}

static void test_sti_hlt_is_one(void **state)
{
	struct test_kernel *k = RUN("\xfb\xf4" TAIL);

	(void)state;
	assert_int_equal(k->a->nsites, 2);
	assert_int_equal(k->a->sites[0].length, 2);
	assert_memory_equal(k->a->sites[0].bytes, "\xfb\xf4", 2);
	assert_int_equal(k->a->sites[0].flags, ANNOT_SITE_CALLED);
	assert_int_equal(k->a->sites[1].va, TEXT_VA + 1);
	assert_int_equal(k->a->sites[1].length, 1);
	EXPECT_STUB(k, 0x68, W(0), 0x9a, W(0xff002000), 0x33, 0, 0x90);
	test_kernel_free(k);
}

static void test_flag_images(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN("\x9c" LIVE TAIL);

	(void)state;
	EXPECT_STUB(k, 0x9c, 0xe8, REL(2, 0xff004020), 0x0f);
	test_kernel_free(k);
	k = RUN("\x9d" LIVE TAIL);
	EXPECT_STUB(k, 0xe8, REL(1, 0xff004030), 0x0f);
	test_kernel_free(k);
	k = RUN("\x66\x9c" TAIL);
	EXPECT_STUB(k, 0x68, W(0), 0x9a, W(0xff002000), 0x33, 0);
	assert_int_equal(k->a->sites[0].flags, ANNOT_SITE_TRAP | ANNOT_SITE_CALLED);
	test_kernel_free(k);
}

static void test_iret(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN("\x83\xc4\x08\x90\xcf\x6a\x00\xc3");

	(void)state;
	/* No room behind it: a window before it. */
	EXPECT_STUB(k, 0x83, 0xc4, 0x08, 0x90, 0x36, 0xc7, 0x05, W(0xff000010), W(TEXT_VA + 4),
	            0xe9, REL(16, 0xff004040));
	assert_int_equal(k->a->stub_bytes, 20);
	assert_int_equal(window_at(k, 0)->length, 5);
	test_kernel_free(k);
	k = RUN("\xcf"); /* padding behind it makes room */
	EXPECT_STUB(k, 0x36, 0xc7, 0x05, W(0xff000010), W(TEXT_VA));
	assert_int_equal(window_at(k, 0)->length, 5);
	test_kernel_free(k);
}

/* Text whose first instruction is a paravirt jump by way of @word to @target. */
static struct test_kernel *jump_by_word(uint32_t word, uint32_t target, bool traps_only)
{
	/* 0: jmp *%cs:word; 16: iret, of one byte and no room behind it; 20: another function.
	 * Around them what is no padding, which would be an island. */
	const uint8_t jump[] = {0x2e, 0xff, 0x25, W(word)}, entry[] = {W(TEXT_VA), 1, 7, 0, 0};
	const uint8_t words[] = {W(target), W(TEXT_VA + 20)};
	uint8_t text[TEXT_SIZE];
	struct test_kernel *k;

	memset(text, 0x40, sizeof(text)); /* inc %eax */
	memcpy(text, jump, sizeof(jump));
	memcpy(text + 14, "\x0f\x0b", 2); /* ud2 */
	memcpy(text + 16, "\xcf\x8d\x76\x00\x89\xc3\xc3", 7);
	memcpy(text + 40, words, sizeof(words));
	k = test_kernel_new(text, sizeof(text));
	k->options.traps_only = traps_only;
	test_kernel_table(k, ".parainstructions", entry, sizeof(entry));
	memcpy(k->data + 0x100, words, sizeof(words));
	k->sections[k->nsections++] = (struct annotate_section){
	    ".data", DATA_VA + 0x100, sizeof(words), k->data + 0x100, false, true, false};
	test_kernel_run(k);
	return k;
}

/* native_iret of paravirtual kernels: the word that names it names its stub. */
static void test_iret_by_word(void **state)
{
	needs_stubs();
	const uint8_t old[] = {W(TEXT_VA + 16)}, new[] = {W(STUBS_VA)};
	struct test_kernel *k = jump_by_word(DATA_VA + 0x100, TEXT_VA + 16, false);
	const struct annot_window *w = &k->a->windows[0];

	(void)state;
	EXPECT_STUB(k, 0x36, 0xc7, 0x05, W(0xff000010), W(TEXT_VA + 16), 0xe9, REL(12, 0xff004040));
	assert_int_equal(k->a->nwindows, 1);
	assert_int_equal(k->report.words, 1);
	assert_int_equal(w->va, DATA_VA + 0x100);
	assert_int_equal(w->length, sizeof(new));
	assert_memory_equal(w->bytes, new, sizeof(new));
	assert_memory_equal(w->old, old, sizeof(old));
	/* Who comes there otherwise meets the trap, and goes on in the stub. */
	assert_true(k->a->sites[0].flags & ANNOT_SITE_TRAP);
	assert_int_equal(k->a->npoints, 1);
	assert_int_equal(k->a->points[0].va, TEXT_VA + 16);
	test_kernel_free(k);
	expect_trap(jump_by_word(DATA_VA + 0x100, TEXT_VA + 20, false)); /* no IRET */
	expect_trap(jump_by_word(DATA_VA + 0x106, TEXT_VA + 16, false)); /* beyond the data */
	expect_trap(jump_by_word(TEXT_VA + 40, TEXT_VA + 16, false));    /* in text */
	expect_trap(jump_by_word(DATA_VA + 0x100, TEXT_VA + 16, true));
}

static void test_segments(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN("\x0e" LIVE TAIL);

	(void)state;
	EXPECT_STUB(k, 0x36, 0xff, 0x35, W(0xff000020), 0x0f);
	test_kernel_free(k);
	k = RUN("\x16" LIVE TAIL);
	EXPECT_STUB(k, 0x36, 0xff, 0x35, W(0xff000024), 0x0f);
	test_kernel_free(k);
	k = RUN("\x1e" DEAD TAIL); /* push %ds */
	EXPECT_STUB(k, 0x8d, 0x64, 0x24, 0xfc, 0xe8, REL(5, 0xff004110), 0x31);
	test_kernel_free(k);
	k = RUN("\x0f\xa8" LIVE TAIL); /* push %gs */
	EXPECT_STUB(k, 0x68, W(0), 0x9a, W(0xff002000), 0x33, 0);
	test_kernel_free(k);
	k = RUN("\x0f\xa1" DEAD TAIL); /* pop %fs */
	EXPECT_STUB(k, 0xe8, REL(1, 0xff004220), 0x31);
	test_kernel_free(k);
	k = RUN("\x17" DEAD TAIL); /* pop %ss */
	EXPECT_STUB(k, 0x68, W(0), 0x9a);
	test_kernel_free(k);
	k = RUN("\x8e\xea" DEAD TAIL); /* mov %edx,%gs */
	EXPECT_STUB(k, 0x52, 0xe8, REL(2, 0xff004230), 0x31);
	test_kernel_free(k);
	k = RUN("\x8e\xd0" DEAD TAIL); /* mov %eax,%ss */
	EXPECT_STUB(k, 0x68, W(0), 0x9a);
	test_kernel_free(k);
	k = RUN("\x8e\x18" DEAD TAIL); /* mov (%eax),%ds */
	EXPECT_STUB(k, 0x68, W(0), 0x9a);
	test_kernel_free(k);
	k = RUN("\x8c\xcb" LIVE TAIL); /* mov %cs,%ebx */
	EXPECT_STUB(k, 0x36, 0x8b, 0x1d, W(0xff000020), 0x0f);
	test_kernel_free(k);
	k = RUN("\x8c\xc1" DEAD TAIL); /* mov %es,%ecx */
	EXPECT_STUB(k, 0x8d, 0x64, 0x24, 0xfc, 0xe8, REL(5, 0xff004100), 0x59, 0x31);
	test_kernel_free(k);
	k = RUN("\x66\x8c\xd9" DEAD TAIL); /* mov %ds,%cx: the upper half stays */
	EXPECT_STUB(k, 0x68, W(0), 0x9a);
	test_kernel_free(k);
}

static void test_called(void **state)
{
	struct test_kernel *k = RUN("\x90\x90\x90\x90\x90\x0f\xa2\x0f\xa2" TAIL);

	(void)state;
	assert_int_equal(stub_of(k, 5), 0);
	EXPECT_STUB(k, 0x68, W(0), 0x9a, W(0xff002000), 0x33, 0, 0x68, W(1), 0x9a, W(0xff002000),
	            0x33, 0, 0x90);
	assert_int_equal(k->report.kinds[ANNOTATE_CPUID].called, 2);
	assert_int_equal(k->a->sites[1].flags, ANNOT_SITE_TRAP | ANNOT_SITE_CALLED);
	test_kernel_free(k);
}

/* ---- displaced branches ---- */

static void test_displaced_call_returns_to_the_image(void **state)
{
	needs_stubs();
	struct test_kernel *k = RUN("\xfa\xe8\x0a\x00\x00\x00" TAIL "\x90\x90\x90" DEAD "\xc3");

	(void)state;
	EXPECT_STUB(k, 0x36, 0x81, 0x25, W(0xff000000), W(0xfffffdff), 0x68, W(TEXT_VA + 6), 0xe9,
	            REL(17, TEXT_VA + 16));
	assert_int_equal(k->a->stub_bytes, 21);
	test_kernel_free(k);
}

static void test_displaced_jumps(void **state)
{
	needs_stubs();
	/* cli; je +4; mov %eax,%ebx */
	struct test_kernel *k = RUN("\xfa\x74\x04\x89\xc3\x90\x90\x90\x90" TAIL);

	(void)state;
	EXPECT_STUB(k, 0x36, 0xc6, 0x05, W(0xff000001), 0, 0x0f, 0x84, REL(10, TEXT_VA + 7), 0x89,
	            0xc3, 0xe9, REL(17, TEXT_VA + 5));
	test_kernel_free(k);
	/* sti; jmp +2; then padding that belongs to nobody */
	k = RUN("\xfb\xeb\x02\xcc\xcc" DEAD TAIL);
	EXPECT_STUB(k, 0x36, 0x81, 0x0d, W(0xff000000), W(0x200), 0x79, 5, 0xe8,
	            REL(14, 0xff004000), 0xe9, REL(19, TEXT_VA + 5));
	test_kernel_free(k);
}

/* call; sti where others jump to the sti: the call gets the window. */
static void test_call_then_sti(void **state)
{
	needs_stubs();
	/* 0: call 16; 5: sti; 6: jne 6; 8: jne 5; 10: ret */
	struct test_kernel *k =
	    RUN("\xe8\x0b\x00\x00\x00\xfb\x75\xfe\x75\xfb\xc3\xcc\xcc\xcc\xcc\xcc" DEAD "\xc3");

	(void)state;
	assert_int_equal(stub_of(k, 0), 0);
	EXPECT_STUB(k, 0xe8, REL(1, TEXT_VA + 16), 0xe8, REL(6, 0xff004010), 0xe9);
	assert_null(window_at(k, 5));
	test_kernel_free(k);
}

/* A far jump into the middle of a window goes to the stub; a short one forbids the window. */
static void test_interior_targets(void **state)
{
	/* 0: cli; 1: mov; 3: mov; 5: nops ret; 16: jmp 1 (rel32) */
	struct test_kernel *k =
	    RUN("\xfa\x89\xc3\x89\xd1" TAIL "\xcc\xcc\xcc\xcc\xe9\xec\xff\xff\xff");
	uint32_t to;

	(void)state;
	assert_int_equal(stub_of(k, 0), 0);
	assert_int_equal(k->report.retargeted, 1);
	assert_int_equal(window_at(k, 17)->length, 4);
	memcpy(&to, window_at(k, 17)->bytes, 4);
	/* The cli with live flags has 8 bytes; the mov stands behind it. */
	assert_int_equal(TEXT_VA + 21 + to, k->a->points[1].stub);
	assert_int_equal(k->a->points[1].va, TEXT_VA + 1);
	test_kernel_free(k);

	k = RUN("\xfa\x89\xc3\x89\xd1" TAIL "\xcc\xcc\xcc\xcc\xeb\xef");
	for (uint32_t i = 0; i < k->a->nwindows; i++)
		assert_true(k->a->windows[i].va != TEXT_VA || k->a->windows[i].length < 5);
	test_kernel_free(k);
}

/* One byte between two targets: nothing but its trap. */
static void test_no_room(void **state)
{
	/* 0: jmp 3; 2: nop; 3: cli; 4: ret(target); 5: je 3; 7: je 4; 9: ret */
	struct test_kernel *k = RUN("\xeb\x01\x90\xfa\xc3\x74\xfc\x74\xfb\xc3");

	(void)state;
	assert_null(window_at(k, 3));
	test_kernel_free(k);
}

static void test_island(void **state)
{
	/* 0: sti; 1: nop; 2: nop, a target; 3: ret; padding; 16: je 2; ret */
	struct test_kernel *k =
	    RUN("\xfb\x90\x90\xc3\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc"
	        "\x74\xf0\xc3");

	(void)state;
	assert_int_equal(k->report.islands, 1);
	assert_int_equal(window_at(k, 0)->length, 2);
	assert_memory_equal(window_at(k, 0)->bytes, "\xeb\x02", 2);
	assert_int_equal(stub_of(k, 4), 0);
	assert_int_equal(k->report.kinds[ANNOTATE_STI].island, 1);
	test_kernel_free(k);
}

/* ---- forbidden neighbours ---- */

/* The text of these tests: cli, a mov that a table names, a ret. */
#define NAMED_AT 1
static const char named_text[] = "\xfa\x89\xc3\x89\xd1\x89\xca\xc3";

static struct test_kernel *with_table(const char *name, const void *table, size_t size)
{
	struct test_kernel *k = test_kernel_new(named_text, sizeof(named_text) - 1);

	test_kernel_table(k, name, table, size);
	test_kernel_run(k);
	return k;
}

#define DISTANCE(field, at) (uint32_t)(TEXT_VA + (at) - (DATA_VA + (field)))

static void test_without_tables_there_is_a_window(void **state)
{
	struct test_kernel *k = with_table(".data", "\0\0\0\0\0\0\0\0", 8);

	(void)state;
	assert_int_equal(k->a->nwindows, 1);
	test_kernel_free(k);
}

static void test_alternatives(void **state)
{
	const uint8_t new_form[12] = {W(DISTANCE(0, NAMED_AT)), W(DISTANCE(4, 0x100)), 1, 0, 2, 2};
	const uint8_t padded_form[13] = {
	    W(DISTANCE(0, NAMED_AT)), W(DISTANCE(4, 0x100)), 1, 0, 2, 2};
	const uint8_t flags_form[14] = {
	    W(DISTANCE(0, NAMED_AT)), W(DISTANCE(4, 0x100)), 1, 0, 0, 0, 2, 2};
	const uint8_t old_form[12] = {W(TEXT_VA + NAMED_AT), W(TEXT_VA + 0x100), 1, 2, 2, 0};
	/* the padding byte behind an entry only comes with a next one */
	const uint8_t last_form[11] = {W(TEXT_VA + NAMED_AT), W(TEXT_VA + 0x100), 1, 2, 2};
	const uint8_t no_form[7] = {W(DISTANCE(0, NAMED_AT)), 1, 2, 3};
	struct test_kernel *k;

	(void)state;
	k = with_table(".altinstructions", new_form, sizeof(new_form));
	assert_int_equal(k->report.alternatives, 1);
	expect_trap(k);
	k = with_table(".altinstructions", padded_form, sizeof(padded_form));
	assert_int_equal(k->report.alternatives, 1);
	expect_trap(k);
	k = with_table(".altinstructions", flags_form, sizeof(flags_form));
	assert_int_equal(k->report.alternatives, 1);
	expect_trap(k);
	k = with_table(".altinstructions", old_form, sizeof(old_form));
	assert_int_equal(k->report.alternatives, 1);
	expect_trap(k);
	k = with_table(".altinstructions", last_form, sizeof(last_form));
	assert_int_equal(k->report.alternatives, 1);
	expect_trap(k);
	k = with_table(".altinstructions", no_form, sizeof(no_form));
	assert_int_equal(k->report.alternatives, 0);
	expect_trap(k);
}

static void test_exceptions(void **state)
{
	const uint8_t form12[12] = {W(DISTANCE(0, NAMED_AT)), W(DISTANCE(4, 7)), 1};
	const uint8_t form8[8] = {W(DISTANCE(0, NAMED_AT)), W(DISTANCE(4, 7))};
	const uint8_t absolute[8] = {W(TEXT_VA + NAMED_AT), W(TEXT_VA + 7)};
	/* the cli itself: a window is fine, faults are reported with its own address */
	const uint8_t site[8] = {W(DISTANCE(0, 0)), W(DISTANCE(4, 7))};
	/* the fixup lies inside */
	const uint8_t fixup[8] = {W(DISTANCE(0, 7)), W(DISTANCE(4, 3))};
	/* no fixup, but how far to go on: one byte, to inside the window */
	const uint8_t skip[8] = {W(TEXT_VA + 0), W(1)};
	/* "try again" */
	const uint8_t again[8] = {W(DISTANCE(0, 0)), W(DISTANCE(4, 0))};
	struct test_kernel *k;

	(void)state;
	expect_trap(with_table("__ex_table", form12, sizeof(form12)));
	expect_trap(with_table("__ex_table", form8, sizeof(form8)));
	expect_trap(with_table("__ex_table", absolute, sizeof(absolute)));
	k = with_table("__ex_table", fixup, sizeof(fixup));
	assert_int_equal(k->report.islands, 1);
	assert_int_equal(window_at(k, 0)->length, 3);
	test_kernel_free(k);
	k = with_table("__ex_table", site, sizeof(site));
	assert_int_equal(k->a->nwindows, 1);
	test_kernel_free(k);
	k = with_table("__ex_table", skip, sizeof(skip));
	assert_int_equal(k->report.exceptions, 1);
	assert_int_equal(k->a->nwindows, 0);
	test_kernel_free(k);
	k = with_table("__ex_table", again, sizeof(again));
	assert_int_equal(k->a->nwindows, 1);
	test_kernel_free(k);
}

static void test_other_tables(void **state)
{
	const uint8_t lock[4] = {W(DISTANCE(0, NAMED_AT))};
	const uint8_t paravirt[8] = {W(TEXT_VA + NAMED_AT), 1, 2};
	const uint8_t word[9] = {0, W(TEXT_VA + NAMED_AT)};
	const uint8_t symbol[4] = {W(DISTANCE(0, NAMED_AT))};

	(void)state;
	expect_trap(with_table(".smp_locks", lock, sizeof(lock)));
	expect_trap(with_table(".parainstructions", paravirt, sizeof(paravirt)));
	expect_trap(with_table(".rodata", word, sizeof(word)));
	expect_trap(with_table("__ksymtab_gpl", symbol, sizeof(symbol)));
}

/* Eight entries in a row are a jump label table. */
static void test_jump_labels(void **state)
{
	/* 0: cli; 1: ret... the label is a nop of two bytes at 1 */
	uint8_t text[64] = "\xfa\x66\x90\x89\xd1\xc3", table[12 * 8];
	struct test_kernel *k;

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		const uint8_t entry[12] = {W(DISTANCE(12 * i, 16 + 2 * i)),
		                           W(DISTANCE(12 * i + 4, 16)), W(0)};
		memcpy(table + 12 * i,
		       i ? entry : (const uint8_t[12]){W(DISTANCE(0, 1)), W(DISTANCE(4, 3))}, 12);
		memcpy(text + 16 + 2 * i, "\x66\x90", 2);
	}
	k = test_kernel_new(text, sizeof(text));
	test_kernel_table(k, ".data", table, sizeof(table));
	test_kernel_run(k);
	assert_int_equal(k->report.jump_labels, 8);
	expect_trap(k);
}

static void test_static_calls(void **state)
{
	/* sti; then the trampoline: jmp rel32 and its signature */
	struct test_kernel *k = RUN("\xfb\xe9\x10\x00\x00\x00\x0f\xb9\xcc\xcc");

	(void)state;
	assert_int_equal(k->report.static_calls, 1);
	expect_trap(k);
}

static void test_bug_is_left_alone(void **state)
{
	(void)state;
	expect_trap(RUN("\xfa\x0f\x0b\x89\xc3\x89\xc1\xc3"));
	expect_trap(RUN("\xfa\xcd\x80\x89\xc3\x89\xc1\xc3"));
	expect_trap(RUN("\xfa\xe2\xfe\x89\xc3\x89\xc1\xc3")); /* loop */
	expect_trap(RUN("\xfa\x0f\x1f\x44\x00\x00\x89\xc1\xc3"));
}

/* The head runs at physical addresses. */
static void test_head(void **state)
{
	struct test_kernel *k =
	    RUN("\xfa\x89\xc3\x89\xc3\x0f\x22\xc0\xea\x0f\x00\x00\xc1\x60\x00\xfa"
	        "\xfa\x89\xc3\x89\xc3\x89\xc3\xc3\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc"
	        "\xfa\x89\xc3\x89\xc3\x89\xc3\xc3");

	(void)state;
	assert_int_equal(k->report.head_end, TEXT_VA + 32);
	assert_int_equal(k->a->nwindows, 1);
	assert_non_null(window_at(k, 32));
	test_kernel_free(k);
}

/* `jmp 1f; verw mem; 1: iret` with the jump an alternative. */
static void test_verw_before_iret(void **state)
{
	needs_stubs();
	const uint8_t alternative[12] = {W(DISTANCE(0, 0)), W(DISTANCE(4, 0x100)), 1, 0, 2, 0};
	struct test_kernel *k;

	(void)state;
	k = test_kernel_new("\xeb\x08\x2e\x0f\x00\x2d\x00\x10\x00\xc1\xcf\x6a\x00\x6a\x00\xc3", 16);
	test_kernel_table(k, ".altinstructions", alternative, sizeof(alternative));
	test_kernel_run(k);
	assert_int_equal(k->a->nwindows, 2);
	assert_int_equal(window_at(k, 0)->length, 2);
	assert_memory_equal(window_at(k, 0)->bytes, "\xeb\x00", 2);
	assert_int_equal(stub_of(k, 2), 0);
	/* cmpb $0xeb, the jump; je over the verw */
	EXPECT_STUB(k, 0x36, 0x80, 0x3d, W(TEXT_VA), 0xeb, 0x74, 8, 0x2e, 0x0f, 0x00, 0x2d,
	            W(0xc1001000), 0x36, 0xc7, 0x05);
	test_kernel_free(k);
}

/* ---- vDSO ---- */

static void test_vdso(void **state)
{
	uint8_t image[0x200] = "\x7f"
	                       "ELF\1\1\1";
	const struct annot_window *w;
	struct test_kernel *k;

	(void)state;
	image[16] = 3;                   /* ET_DYN */
	image[18] = 3;                   /* EM_386 */
	image[32] = 0xc0, image[33] = 1; /* section headers at 0x1c0 */
	image[48] = 1;
	memcpy(image + 0x100, "\x51\x52\x55\x8d\x74\x26\x00\xcd\x80\x5d\x5a\x59\xc3", 13);
	memcpy(image + 0x120, "\xb8\xad\x00\x00\x00\xcd\x80", 7);
	memcpy(image + 0x140, "\x58\xb8\x77\x00\x00\x00\xcd\x80", 8);
	memcpy(image + 0x160, "\x51\x52\x55\x89\xe5\x0f\x34\xcd\x80\x5d\x5a\x59\xc3", 13);
	k = test_kernel_new("\xc3", 1);
	test_kernel_table(k, ".rodata", image, sizeof(image));
	test_kernel_run(k);
	assert_int_equal(k->report.vdso, 3);
	assert_int_equal(k->a->nwindows, 3);
	w = k->a->windows;
	assert_int_equal(w[0].va, DATA_VA + 0x100);
	assert_memory_equal(w[0].bytes, "\x2e\xff\x15\x30\x00\x00\xff", 7);
	assert_int_equal(w[1].va, DATA_VA + 0x120);
	assert_memory_equal(w[1].bytes, "\x2e\xff\x15\x38\x00\x00\xff", 7);
	assert_int_equal(w[2].va, DATA_VA + 0x140);
	assert_memory_equal(w[2].bytes, "\x2e\xff\x15\x34\x00\x00\xff", 7);
	test_kernel_free(k);
}

/* ---- bytes that may be data ---- */

static void mixed_sites(const char *text, size_t size, uint32_t entry, const uint32_t *want,
                        size_t n)
{
	struct test_kernel *k = test_kernel_new(text, size);
	struct annotate_input in = {.sections = k->sections,
	                            .nsections = 1,
	                            .kernel_base = KERNEL_BASE,
	                            .entry = TEXT_VA + entry};

	k->sections[0].mixed = true;
	k->options.traps_only = true;
	assert_int_equal(annotate_kernel(&in, &k->options, k->a, k->stubs, &k->report, k->error),
	                 0);
	assert_int_equal(k->a->nsites, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(k->a->sites[i].va, TEXT_VA + want[i]);
	test_kernel_free(k);
}

#define MIXED(text, entry, ...)                                                                    \
	mixed_sites(text, sizeof(text) - 1, entry, (uint32_t[]){__VA_ARGS__},                      \
	            sizeof((uint32_t[]){__VA_ARGS__}) / 4)

/* What control flow does not reach may be data and stays as it is. */
static void test_mixed_sections(void **state)
{
	(void)state;
	/* pushf; jmp over data that looks like pushf; popf; ret; data */
	MIXED("\x9c\xeb\x02\x9c\x9c\x9d\xc3\x9c\x9d", 0, 0, 5);
	/* the entry lies behind data; je back to popf; hlt jumps on */
	MIXED("\x9c\x9d\xc3\x74\xfc\xeb\xfe", 3, 1);
	/* call of a function behind; what follows the call goes on */
	MIXED("\xe8\x03\x00\x00\x00\x9d\xc3\x9c\x9c\xc3", 0, 5, 8);
	/* a far jump behind LGDT */
	MIXED("\xea\x09\x00\x00\xc1\x10\x00\x9c\x9c\x9d\xc3", 0, 0, 9);
	/* a loop ends, and so do branches out of the section */
	MIXED("\xfa\x9c\x0f\x84\x00\x00\x00\x70\xeb\xf7", 0, 0, 1);
}

/* Before Linux 4.5: `int $0x80; ret` at the entry point, made as long as the newer form. */
static void test_vdso_of_old_kernels(void **state)
{
	static const uint8_t want[13] = "\x2e\xff\x15\x30\x00\x00\xff\xcd\x80\x5d\x5a\x59\xc3";
	uint8_t image[0x200] = "\x7f"
	                       "ELF\1\1\1";
	struct test_kernel *k;

	(void)state;
	image[16] = 3, image[18] = 3;
	image[24] = 0x14, image[25] = 1; /* entry 0x114 */
	image[28] = 0x34;                /* one program header: PT_LOAD, 0x117 bytes */
	image[32] = 0xc0, image[33] = 1; /* section headers at 0x1c0 */
	image[44] = 1;
	image[48] = 1;
	image[0x34] = 1;
	image[0x34 + 16] = 0x17, image[0x34 + 17] = 1;
	/* its frame description: from 0x114, 3 bytes, nothing to do */
	memcpy(image + 0xf0, ((const uint8_t[]){W(0x114 - 0xf0), 3}), 5);
	memcpy(image + 0x114, "\xcd\x80\xc3\0.shstrtab", 13);
	k = test_kernel_new("\xc3", 1);
	test_kernel_table(k, ".rodata", image, sizeof(image));
	test_kernel_run(k);
	assert_int_equal(k->report.vdso, 1);
	assert_int_equal(k->a->nwindows, 2);
	assert_int_equal(k->a->windows[0].va, DATA_VA + 0xf4);
	assert_int_equal(k->a->windows[0].length, 8);
	assert_memory_equal(k->a->windows[0].bytes, "\x0d\0\0\0\0\x0e\x10\0", 8);
	assert_int_equal(k->a->windows[1].va, DATA_VA + 0x114);
	assert_int_equal(k->a->windows[1].length, 13);
	assert_memory_equal(k->a->windows[1].bytes, want, 13);
	test_kernel_free(k);

	/* What follows is shown to programs: it stays, and so does the int. */
	image[0x34 + 16] = 0x18;
	k = test_kernel_new("\xc3", 1);
	test_kernel_table(k, ".rodata", image, sizeof(image));
	test_kernel_run(k);
	assert_int_equal(k->a->nwindows, 0);
	test_kernel_free(k);

	/* Unless it is filling. */
	memset(image + 0x117, 0x90, 10);
	image[0x34 + 16] = 0x21;
	k = test_kernel_new("\xc3", 1);
	test_kernel_table(k, ".rodata", image, sizeof(image));
	test_kernel_run(k);
	assert_int_equal(k->a->nwindows, 2);
	test_kernel_free(k);

	/* An int that is not the entry point is somebody else's. */
	image[24] = 0x10;
	k = test_kernel_new("\xc3", 1);
	test_kernel_table(k, ".rodata", image, sizeof(image));
	test_kernel_run(k);
	assert_int_equal(k->a->nwindows, 0);
	test_kernel_free(k);
}

/* ---- refusals ---- */

static int refused(const struct annotate_section *s, size_t n, char error[ANNOTATE_ERROR_SIZE])
{
	struct annotate_input in = {.sections = s, .nsections = n, .kernel_base = KERNEL_BASE};
	struct annotate_options options = {.traps_only = true};
	struct annotations *a = malloc(sizeof(*a));
	int result;

	assert_non_null(a);
	result = annotate_kernel(&in, &options, a, NULL, NULL, error);
	free(a);
	return result;
}

static void test_refusals(void **state)
{
	static const uint8_t byte[16] = {0xc3};
	struct annotate_section s[2] = {{".text", TEXT_VA, 16, byte, false, false, false}};
	char error[ANNOTATE_ERROR_SIZE];

	(void)state;
	assert_int_equal(refused(s, 1, error), -22);
	assert_string_equal(error, "no executable section");
	s[0].executable = true;
	assert_int_equal(refused(s, 1, error), 0);
	s[0].va = 0xfffffff8;
	assert_int_equal(refused(s, 1, error), -22);
	s[0].va = TEXT_VA;
	s[1] = (struct annotate_section){".far", 0x1000, 16, byte, true, false, false};
	assert_int_equal(refused(s, 2, error), -22);
	assert_non_null(strstr(error, "span"));
}

static void test_stub_area_too_small(void **state)
{
	struct test_kernel *k = test_kernel_new("\xfa" DEAD TAIL, 10);
	struct annotate_input in = {
	    .sections = k->sections, .nsections = 1, .kernel_base = KERNEL_BASE};

	(void)state;
	k->options.stubs_size = 8;
	assert_int_equal(annotate_kernel(&in, &k->options, k->a, k->stubs, &k->report, k->error),
	                 -7);
	assert_non_null(strstr(k->error, "stub bytes"));
	test_kernel_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_mixed_sections),
	    cmocka_unit_test(test_traps_are_applied),
	    cmocka_unit_test(test_cli),
	    cmocka_unit_test(test_sti),
	    cmocka_unit_test(test_deferred),
	    cmocka_unit_test(test_sti_hlt_is_one),
	    cmocka_unit_test(test_counting),
	    cmocka_unit_test(test_flag_images),
	    cmocka_unit_test(test_iret),
	    cmocka_unit_test(test_iret_by_word),
	    cmocka_unit_test(test_segments),
	    cmocka_unit_test(test_called),
	    cmocka_unit_test(test_displaced_call_returns_to_the_image),
	    cmocka_unit_test(test_displaced_jumps),
	    cmocka_unit_test(test_call_then_sti),
	    cmocka_unit_test(test_interior_targets),
	    cmocka_unit_test(test_no_room),
	    cmocka_unit_test(test_island),
	    cmocka_unit_test(test_without_tables_there_is_a_window),
	    cmocka_unit_test(test_alternatives),
	    cmocka_unit_test(test_exceptions),
	    cmocka_unit_test(test_other_tables),
	    cmocka_unit_test(test_jump_labels),
	    cmocka_unit_test(test_static_calls),
	    cmocka_unit_test(test_bug_is_left_alone),
	    cmocka_unit_test(test_head),
	    cmocka_unit_test(test_verw_before_iret),
	    cmocka_unit_test(test_vdso),
	    cmocka_unit_test(test_vdso_of_old_kernels),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_stub_area_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
