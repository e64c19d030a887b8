/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Task switches by the processor (SDM volume 3, chapter 8): what task gates and nested IRETs do. */
#ifndef CORE_TASK_H
#define CORE_TASK_H

#include "core/core.h"

/**
 * task_enter - an exception or interrupt leads to a task gate
 * @selector: of the TSS, from the gate
 * @has_error, @error: to be pushed on the new task's stack
 *
 * False: #TS, #NP or #GP in @x, before anything is changed; a fault in the new task's segments
 * is raised in the new task, as on the processor.
 */
bool task_enter(uint16_t selector, bool has_error, uint32_t error, struct exception *x);

/** task_nested - was the task that runs entered so, and has it NT set still? */
bool task_nested(void);

/** task_return - IRET of such a task: back to the one it interrupted */
bool task_return(struct exception *x);

#endif
