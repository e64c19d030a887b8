/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small kernels for the annotator's tests: a few bytes of text, a few tables. */
#ifndef TEST_ANNOTATE_IMAGE_H
#define TEST_ANNOTATE_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "annotate/annotate.h"

#define TEXT_VA     0xc1000000u
#define DATA_VA     0xc1001000u
#define KERNEL_BASE 0xc0000000u
#define STUBS_VA    0xff010000u
#define STUBS_SIZE  0x10000u
#define TEXT_SIZE   0x400u
#define DATA_SIZE   0x1000u

/* Made-up addresses; the stub area starts at STUBS_VA, so displacements are predictable. */
static const struct annotate_rom test_rom = {
    .gate_site = 0xff002000,
    .deliver = 0xff004000,
    .keep_promise = 0xff004008,
    .enable_keep = 0xff004010,
    .disable_keep_deferred = 0xff004018,
    .pushf_image = 0xff004020,
    .popf = 0xff004030,
    .popf_deferred = 0xff004034,
    .popf_counted = 0xff004038,
    .vcpu_count_site = 0xff000500,
    .iret = 0xff004040,
    .store = {0xff004100, 0xff004110, 0xff004120, 0xff004130},
    .load = {0xff004200, 0xff004210, 0xff004220, 0xff004230},
    .vcpu_if = 0xff000000,
    .vcpu_iret_site = 0xff000010,
    .vcpu_vsel_cs = 0xff000020,
    .vcpu_vsel_ss = 0xff000024,
    .vcpu_syscall_slot = 0xff000030,
    .vcpu_sigreturn_slot = 0xff000034,
    .vcpu_rt_sigreturn_slot = 0xff000038,
};

struct test_kernel {
	uint8_t text[TEXT_SIZE]; /* filled with INT3 behind what a test puts there */
	uint8_t data[DATA_SIZE];
	struct annotate_section sections[4];
	size_t nsections;
	struct annotate_options options;
	struct annotations *a;
	uint8_t stubs[STUBS_SIZE];
	struct annotate_report report;
	char error[ANNOTATE_ERROR_SIZE];
};

/* First of a test of what is rendered in stubs, which a build may be without
 * (include/ring1/fast.h). */
static inline void needs_stubs(void)
{
	if (!fast(FAST_STUBS))
		skip();
}

static inline struct test_kernel *test_kernel_new(const void *text, size_t size)
{
	struct test_kernel *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	assert_true(size <= TEXT_SIZE);
	k->a = calloc(1, sizeof(*k->a));
	assert_non_null(k->a);
	memset(k->text, 0xcc, TEXT_SIZE);
	memcpy(k->text, text, size);
	k->sections[0] =
	    (struct annotate_section){".text", TEXT_VA, TEXT_SIZE, k->text, true, false, false};
	k->nsections = 1;
	k->options = (struct annotate_options){
	    .stubs_va = STUBS_VA, .stubs_size = STUBS_SIZE, .rom = test_rom};
	return k;
}

/* A section with a table; its first @size bytes are the caller's. */
static inline void test_kernel_table(struct test_kernel *k, const char *name, const void *table,
                                     size_t size)
{
	assert_true(size <= DATA_SIZE && k->nsections < 4);
	memcpy(k->data, table, size);
	k->sections[k->nsections++] =
	    (struct annotate_section){name, DATA_VA, size, k->data, false, false, false};
}

static inline void test_kernel_run(struct test_kernel *k)
{
	struct annotate_input in = {
	    .sections = k->sections, .nsections = k->nsections, .kernel_base = KERNEL_BASE};

	assert_int_equal(annotate_kernel(&in, &k->options, k->a, k->stubs, &k->report, k->error),
	                 0);
	assert_string_equal(k->error, "");
}

static inline void test_kernel_free(struct test_kernel *k)
{
	free(k->a);
	free(k);
}

#endif
