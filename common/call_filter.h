/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_CALL_FILTER_H
#define COMMON_CALL_FILTER_H

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

/* A call that is allowed when its arguments are so; several rules for one call: any of them. */
struct call_rule {
	int call; /* SCMP_SYS() number */
	unsigned nargs;
	struct scmp_arg_cmp arg[2];
	bool trap; /* not allowed: raises SIGSYS, for whose handler to answer; nargs is 0 */
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

/** call_filter_install_rules - the same, with @rules, @nrules: what is allowed besides */
int call_filter_install_rules(const int *calls, size_t ncalls, const int *more, size_t nmore,
                              const struct call_rule *rules, size_t nrules);

#endif
