// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/confine.h"

#include "common/call_filter.h"

#include <seccomp.h>

/*
 * Waiting, waking, the end. What else a back end does is in its own list. Each call names a caller
 * (tests/README.md, "System calls"); those of threads that start are not among them
 * (common/thread.h).
 */
static const int allowed[] = {
    SCMP_SYS(futex),           /* wait_for_bell(), backend_interrupt() */
    SCMP_SYS(restart_syscall), /* poll(), lazy_memory_need(), of a process that stood still */
    SCMP_SYS(exit_group),      /* _exit() */
};

#define OWN_MOST 64u

static size_t add(int *to, size_t n, const int *calls, size_t ncalls)
{
	for (size_t i = 0; i < ncalls && n < OWN_MOST; i++)
		to[n++] = calls[i];
	return n;
}

int backend_confine(const struct backend_ops *ops)
{
	int own[OWN_MOST];
	size_t n = add(own, 0, ops->calls, ops->ncalls);

	if (ops->also)
		n = add(own, n, ops->also->call, ops->also->n);
	return call_filter_install_rules(allowed, sizeof allowed / sizeof *allowed, own, n,
	                                 ops->rules, ops->nrules);
}
