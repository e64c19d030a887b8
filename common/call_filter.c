// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/call_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>

static int allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
	int error = 0;

	for (size_t i = 0; i < n && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return error;
}

static int add_rules(scmp_filter_ctx filter, const struct call_rule *rules, size_t n)
{
	int error = 0;

	for (size_t i = 0; i < n && !error; i++)
		error =
		    seccomp_rule_add_array(filter, rules[i].trap ? SCMP_ACT_TRAP : SCMP_ACT_ALLOW,
		                           rules[i].call, rules[i].nargs, rules[i].arg);
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
#ifdef __SANITIZE_ADDRESS__ /* its runtime asks where the stacks are before whatever does not      \
                               return */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0);
#endif
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return -error;
}
