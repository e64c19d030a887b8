// SPDX-License-Identifier: GPL-2.0-or-later
/* The jail of a cell: from here on only the calls tagged in cell/host.h exist. */
#include "cell/cell.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
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

/* For cell/jail_entry.S, which makes the call without a stack. */
const struct sock_fprog jail_program = {.len = sizeof filter / sizeof *filter,
                                        .filter = (struct sock_filter *)filter};
