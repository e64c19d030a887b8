/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_CALL_FILTER_H
#define COMMON_CALL_FILTER_H

#include <stddef.h>

/**
 * call_filter_install - leave all threads of this process only some system calls, for good
 * @calls, @ncalls: SCMP_SYS() numbers
 * @more, @nmore: further ones; NULL, 0: none
 *
 * Beside these mmap() and mprotect() stay, without PROT_EXEC. What is not allowed fails with EPERM.
 * Returns 0 or an errno.
 */
int call_filter_install(const int *calls, size_t ncalls, const int *more, size_t nmore);

#endif
