/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core's side of rom/syscall.S and rom/iret.S: slow ends and repairs by address. */
#ifndef CORE_SYSCALL_H
#define CORE_SYSCALL_H

#include "core/core.h"

/** syscall_finish - the ROM built the frame but the IDT entry is not what it knew */
void syscall_finish(uint32_t eip);

/** rom_user_fixup - interrupted with the user's stack loaded and one jump to go */
void rom_user_fixup(void);

/** rom_iret_rewind - interrupted between the ROM's last look for work and the user's stack */
void rom_iret_rewind(void);

/** rom_single_step - a trap by TF inside the ROM's kernel part; true: it is not the guest's */
bool rom_single_step(void);

#endif
