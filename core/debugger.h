/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What main's gdb stub (main/gdb.c) needs of the core: breakpoints, watched memory, single steps,
 * registers. machine.debugger is how they talk; main writes it while the virtual CPU stands still.
 *
 * A BREAKPOINT is INT3 in the guest's text. The function around it is given its own instructions
 * back first, as for a kprobe (restore_function()): in the stubs the annotator made of it nothing
 * could be placed, and nothing stepped. Sensitive instructions then trap one by one.
 *
 * A WATCH is a debug register of the debugger's own: core/debug.c looks for both.
 *
 * A STEP is the trap flag, which core/debug.c hides from the guest. Interrupts wait meanwhile.
 */
#ifndef CORE_DEBUGGER_H
#define CORE_DEBUGGER_H

#include "core/core.h"

/** debugger_serve - do what main asked for, and tell it the registers */
void debugger_serve(void);

/** debugger_resumed - main lets the virtual CPU go: a step begins here */
void debugger_resumed(void);

/** debugger_break - INT3 was executed, EIP is behind it: stop if it is a breakpoint of ours */
bool debugger_break(void);

/** debugger_leave - on the way back to the guest: stop if a step is done, or begin it */
void debugger_leave(void);

/** debugger_steps - no interrupt is to come between */
static inline bool debugger_steps(void)
{
	return M->debugger.stepping;
}

#endif
