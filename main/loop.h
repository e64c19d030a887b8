/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_LOOP_H
#define MAIN_LOOP_H

#include "main/console.h"
#include "main/vm.h"

/** What a finished guest left behind, copied out of shared memory and checked. */
struct outcome {
	enum stop_reason reason;
	struct stop stop;
	char text[256];
	bool asked; /* the user left, or a signal ended it */
};

/**
 * run_loop - confine this process, start the guest, and serve it until it stops
 * @console: where the guest's serial port leads
 * @name: of the machine, for whoever is told of it
 *
 * SIGINT, SIGTERM and SIGHUP end the guest.
 * The kernel is in memory, and the first cells are there.
 */
void run_loop(struct vm *vm, struct console *console, const char *name, struct outcome *outcome);

#endif
