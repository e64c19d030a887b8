/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --trace: what the core recorded, written as text or for Chrome's trace viewer. */
#ifndef MAIN_TRACE_H
#define MAIN_TRACE_H

#include "main/vm.h"

/**
 * trace_open - make sense of --trace, and open its file
 * @spec: GROUP[,GROUP]...[:FILE], or all[:FILE]. A FILE that ends in .json is written as an array
 * of events in Chrome's format, any other, and standard error, as lines of text
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int trace_open(const char *spec);

/** trace_start - this machine's core records from now on, when trace_open() was called */
void trace_start(struct vm *vm);

/** trace_drain - write what it has recorded */
void trace_drain(struct vm *vm);

/** trace_flush - the machine has ended: nothing may be left in buffers of this process */
void trace_flush(struct vm *vm);

/** trace_close - the last machine has */
void trace_close(void);

#endif
