/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_LIVES_H
#define MAIN_LIVES_H

#include <stdbool.h>

/**
 * lives_run - run a machine in a process of its own, and anew as often as it asks for it
 * @life: one life, the first of which is number 0; sets *again when the guest rebooted and is to be
 *        started once more
 * @argument: for @life
 *
 * A running machine gives away the right to start processes and to touch files
 * (main/confine.h), which starting anew and cleaning up need: this process keeps it, and does
 * nothing else meanwhile. Signals for the machine are passed on to it; it dies with this process.
 * Returns the exit status of the last life.
 */
int lives_run(int (*life)(void *argument, unsigned number, bool *again), void *argument);

#endif
