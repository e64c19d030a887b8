/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core's side of rom/syscall.S and rom/iret.S: slow ends and repairs by address. */
#ifndef CORE_SYSCALL_H
#define CORE_SYSCALL_H

#include "core/core.h"

/**
 * syscall_finish - the ROM built the frame but the IDT entry is not what it knew
 * @eip, @cs, @eflags, @ss: that frame's
 */
void syscall_finish(uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t ss);

/**
 * rom_user_fixup - user code was interrupted in the ROM, of which it must not know
 *
 * With the user's stack loaded and one jump to go, go there. In the user part of a system call
 * nothing has happened yet: back to the call in the vDSO.
 */
void rom_user_fixup(void);

/**
 * rom_signal_return - was this INT 0x80 the ROM's, in place of the vDSO's own? (After the trap.)
 *
 * Then EIP is behind the vDSO's, whose code the program believes to run.
 */
bool rom_signal_return(void);

/** rom_resume_small - let the ROM load SS:ESP and CS:EIP of user code on a 16-bit stack */
void rom_resume_small(void);

/**
 * rom_user_step - a single-stepped program has made the call in the vDSO
 * @x: the page fault of ROM_STEP_FAULT
 *
 * Carries out what the call replaced, up to INT 0x80, as one step; of a signal return, whose INT
 * was replaced too, that as well.
 */
enum rom_step {
	ROM_STEP_NONE,  /* it is somewhere else */
	ROM_STEP_DONE,  /* EIP is at the INT: report the step */
	ROM_STEP_CALL,  /* the call is made: report nothing */
	ROM_STEP_FAULT, /* the user's stack is not there: report @x */
};
enum rom_step rom_user_step(struct exception *x);

/** rom_iret_rewind - interrupted between the ROM's last look for work and the user's stack */
void rom_iret_rewind(void);

/** rom_single_step - a trap by TF in kernel mode inside the ROM: the flag may be a program's */
void rom_single_step(void);

#endif
