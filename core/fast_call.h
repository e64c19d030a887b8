/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_FAST_CALL_H
#define CORE_FAST_CALL_H

#include "core/core.h"

/**
 * fast_call_find - where is the SYSCALL (SYSENTER) that user code has just executed?
 * @last: an EIP of not long ago
 * @found: its address
 *
 * SYSCALL puts EIP into RCX, and do_fast_syscall_32() of the host overwrites that before it tells
 * anybody. The instruction itself is still there, in a page that is mapped now. Of several the one
 * is taken that the registers or the top of the stack point to, or closest before; or else @last.
 *
 * False: there is none to be found.
 */
bool fast_call_find(uint32_t last, uint32_t *found);

#endif
