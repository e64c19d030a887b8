/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_CALL_FILTER_H
#define COMMON_CALL_FILTER_H

#include <seccomp.h>
#include <stddef.h>

enum call_answer {
	CALL_MADE,    /* the host makes it */
	CALL_TRAPPED, /* raises SIGSYS, for whose handler to answer; nargs is 0 */
	CALL_ABSENT   /* fails with ENOSYS: a library tries it, and does without; nargs is 0 */
};

/* What becomes of a call when its arguments are so; several rules for one call: any of them. */
struct call_rule {
	int call; /* SCMP_SYS() number */
	unsigned nargs;
	struct scmp_arg_cmp arg[2];
	enum call_answer answer;
};

/* Rules for the call named @name: when its argument @n, from 0, is @value it is made ... */
#define CALL_WITH(name, n, value)                                                                  \
	{                                                                                          \
		.call = SCMP_SYS(name), .nargs = 1, .arg = { {n, SCMP_CMP_EQ, value, 0} }          \
	}
/* ... whatever the arguments it is trapped, it is absent */
#define TRAPPED(name)                                                                              \
	{                                                                                          \
		.call = SCMP_SYS(name), .answer = CALL_TRAPPED                                     \
	}
#define ABSENT(name)                                                                               \
	{                                                                                          \
		.call = SCMP_SYS(name), .answer = CALL_ABSENT                                      \
	}

/* A list of SCMP_SYS() numbers. */
struct call_list {
	const int *call;
	size_t n;
};

/**
 * call_filter_install - leave all threads of this process only some system calls, for good
 * @calls, @ncalls: SCMP_SYS() numbers
 * @more, @nmore: further ones; NULL, 0: none
 *
 * mmap() and mprotect() are allowed without PROT_EXEC only. What is not allowed fails with EPERM.
 * Returns 0 or an errno.
 */
int call_filter_install(const int *calls, size_t ncalls, const int *more, size_t nmore);

/** call_filter_install_rules - the same, with @rules, @nrules: those with an answer of their own */
int call_filter_install_rules(const int *calls, size_t ncalls, const int *more, size_t nmore,
                              const struct call_rule *rules, size_t nrules);

#endif
