/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_LOOP_H
#define MAIN_LOOP_H

#include "main/console.h"
#include "main/control.h"
#include "main/gdb.h"
#include "main/vm.h"

/** What a finished guest left behind, copied out of shared memory and checked. */
struct outcome {
	enum stop_reason reason;
	struct stop stop;
	char text[256];
	bool asked; /* the user left, or a signal ended it */
};

/* Open files that main may have to have, of RLIMIT_NOFILE; disks and network come on top. */
#define DESCRIPTORS_NEEDED 32

/** What a machine is started with, beside its memory. */
struct start {
	struct console *console;           /* where the guest's serial port leads */
	const char *name;                  /* of the machine, for whoever is told of it */
	const struct control_facts *facts; /* for the control socket */
	int directory;       /* with that socket, which is removed at the end; -1: none */
	int gdb;             /* where a debugger connects; -1: nowhere */
	bool paused;         /* before its first instruction */
	void (*ready)(void); /* called when nothing can fail any more; NULL: nobody asks */
};

/**
 * run_loop - confine this process, fork cells, start the guest, and serve it until it stops
 *
 * SIGINT, SIGTERM and SIGHUP end the guest.
 * The kernel is in memory, and annotated.
 */
void run_loop(struct vm *vm, const struct start *start, struct outcome *outcome);

#endif
