/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What calls_made.so writes into the file that CALLS_MADE names, and calls_made prints. */
#ifndef TESTS_CALLS_MADE_H
#define TESTS_CALLS_MADE_H

#include <stdint.h>

#define CALLS_NUMBERS 512  /* system calls have numbers below */
#define CALLS_LISTS   1024 /* lists that differ in a call */

struct calls_list {
	uint32_t used;
	char name[16]; /* of the first process with it: /proc/PID/comm */
	uint8_t listed[CALLS_NUMBERS];
	uint64_t made[CALLS_NUMBERS];
	uint64_t refused[CALLS_NUMBERS]; /* of those that are not listed */
};

struct calls_file {
	uint32_t lock;
	struct calls_list list[CALLS_LISTS];
};

#endif
