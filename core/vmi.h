/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_VMI_H
#define CORE_VMI_H

#include "core/core.h"

/** vmi_init - the guest called VMI_Init: from now on its kernel is in virtual ring 1 */
void vmi_init(void);

/**
 * vmi_call - a VMI call the ROM does not finish by itself
 * @number: VMI_CALL_*
 * @next: where it returns to inside the ROM, a RET
 *
 * The far pointer of the gate has been taken off the stack: the caller's return address is on
 * top of it, stack arguments behind that.
 */
void vmi_call(unsigned number, uint32_t next);

#endif
