/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Main gives away what it no longer needs. Cells are hostile and write the memory that main
 * reads: should they ever make main do something, it must not be able to do much. (Cells have a
 * jail of their own, cell/jail.c; this one is main's.)
 */
#ifndef MAIN_CONFINE_H
#define MAIN_CONFINE_H

#include "common/landlock.h"

/**
 * confine_calls - all threads keep the system calls of a running machine, and lose the others
 * @may_remove: unlinkat() is kept; Landlock must be there to say where
 *
 * No program can be started and no process, no file or socket opened, no memory made executable.
 * What is not allowed fails with EPERM. Returns 0 or an errno.
 */
int confine_calls(bool may_remove);

#endif
