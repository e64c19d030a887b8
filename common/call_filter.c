// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/call_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

/* New memory is never code. */
static bool makes_memory(int call)
{
	return call == SCMP_SYS(mmap) || call == SCMP_SYS(mprotect);
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
	int error = 0;

	for (size_t i = 0; i < n && !error; i++)
		error = makes_memory(calls[i])
		            ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1,
		                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0))
		            : seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return error;
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
/* What the sanitizers' runtimes do anywhere: their own memory, stacks, locks and reports. */
static const int of_sanitizers[] = {
    SCMP_SYS(read),          SCMP_SYS(write),
    SCMP_SYS(mmap),          SCMP_SYS(mprotect),
    SCMP_SYS(munmap),        SCMP_SYS(madvise),
    SCMP_SYS(brk),           SCMP_SYS(mremap),
    SCMP_SYS(sched_yield),   SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),   SCMP_SYS(getpid),
    SCMP_SYS(gettid),        SCMP_SYS(tgkill),
    SCMP_SYS(rseq),          SCMP_SYS(set_robust_list),
    SCMP_SYS(clock_gettime), SCMP_SYS(poll),
    SCMP_SYS(exit),          SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),     SCMP_SYS(gettimeofday),
};

static int allow_sanitizers(scmp_filter_ctx filter)
{
	return allow(filter, of_sanitizers, sizeof of_sanitizers / sizeof *of_sanitizers);
}
#else
static int allow_sanitizers(scmp_filter_ctx filter)
{
	(void)filter;
	return 0;
}
#endif

static int add_rules(scmp_filter_ctx filter, const struct call_rule *rules, size_t n)
{
	static const uint32_t action[] = {[CALL_MADE] = SCMP_ACT_ALLOW,
	                                  [CALL_TRAPPED] = SCMP_ACT_TRAP,
	                                  [CALL_ABSENT] = SCMP_ACT_ERRNO(ENOSYS)};
	int error = 0;

	for (size_t i = 0; i < n && !error; i++)
		error = seccomp_rule_add_array(filter, action[rules[i].answer], rules[i].call,
		                               rules[i].nargs, rules[i].arg);
	return error;
}

int call_filter_install(const int *calls, size_t ncalls, const int *more, size_t nmore)
{
	return call_filter_install_rules(calls, ncalls, more, nmore, NULL, 0);
}

int call_filter_install_rules(const int *calls, size_t ncalls, const int *more, size_t nmore,
                              const struct call_rule *rules, size_t nrules)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? allow(filter, calls, ncalls) : -ENOMEM;

	if (!error)
		error = allow(filter, more, nmore);
	if (!error)
		error = add_rules(filter, rules, nrules);
	if (!error)
		error = allow_sanitizers(filter);
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return -error;
}
