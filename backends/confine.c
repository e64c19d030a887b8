// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/confine.h"

#include "common/call_filter.h"

#include <seccomp.h>

/* Waiting, waking, the C library's memory and threads that end; read and write for eventfds. */
static const int allowed[] = {
    SCMP_SYS(futex),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(munmap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
};

int backend_confine(const struct backend_ops *ops)
{
	return call_filter_install_rules(allowed, sizeof allowed / sizeof *allowed, ops->calls,
	                                 ops->ncalls, ops->rules, ops->nrules);
}
