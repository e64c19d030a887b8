/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_LOOP_H
#define MAIN_LOOP_H

#include "main/vm.h"

/** What a finished guest left behind, copied out of shared memory and checked. */
struct outcome {
	enum stop_reason reason;
	struct stop stop;
	char text[256];
	bool asked; /* the user left, or a signal ended it */
};

/**
 * run_loop - serve the guest until it stops: console, timers, cells
 * @stop_signals: read these by signalfd: SIGINT, SIGTERM, SIGHUP end the guest
 *
 * The virtual CPU must have been started (machine.cell[0].go).
 */
void run_loop(struct vm *vm, struct outcome *outcome);

#endif
