// SPDX-License-Identifier: GPL-2.0-or-later
/* The jail of a cell: from here on only the calls tagged in cell/host.h exist. */
#include "cell/cell.h"
#include "cell/syscall.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#define EPERM_RESULT (SECCOMP_RET_ERRNO | 1)

static const struct sock_filter filter[] = {
	{0x20, 0, 0, 4}, /* architecture */
	{0x15, 1, 0, AUDIT_ARCH_X86_64},
	/* Every i386 call is the guest's: a signal, never a host call. */
	{0x06, 0, 0, SECCOMP_RET_TRAP},
#include "cell_filter.h"
	{0x06, 0, 0, EPERM_RESULT},
};

int jail(void)
{
	struct sock_fprog program = {.len = sizeof filter / sizeof *filter,
				     .filter = (struct sock_filter *)filter};
	long r = host_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);

	if (r)
		return (int)r;
	return (int)host_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0);
}
