/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a snapshot of a running machine, in steps of the event loop.
 *
 * The virtual CPU stands still between two guest instructions (PAUSE_SNAPSHOT), the back ends have
 * finished what they had in hand, and what the guest has sent to its console has been taken. Then
 * all there is of the machine is in memory that main has mapped. The file is written by a
 * descriptor that came from elsewhere: a confined main opens none.
 */
#ifndef MAIN_SNAPSHOT_H
#define MAIN_SNAPSHOT_H

#include "main/devices.h"
#include "main/snapshot_file.h"
#include "main/vm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum snapshot_state {
	SNAPSHOT_NONE,
	SNAPSHOT_WAITING, /* for the virtual CPU to stand still */
	SNAPSHOT_SETTLING, /* for the back ends to finish what they have in hand: do not sleep long */
	SNAPSHOT_WRITING, /* do not sleep: there is work */
	SNAPSHOT_DONE,    /* from snapshot_step() only: it is written */
	SNAPSHOT_FAILED,  /* likewise; the reason is in *why */
};

/**
 * snapshot_begin - begin one
 * @fd: where to: a regular file, empty; taken over, in any case
 * @kernel, @version: of the guest's, for people
 * @stay_paused: when it is written, as if somebody had asked for that (PAUSE_USER)
 * @why: receives the reason
 *
 * False: it cannot be; an earlier one is not done (*busy), or a debugger is at work.
 */
bool snapshot_begin(struct vm *vm, int fd, const char *kernel, const char *version,
                    bool stay_paused, bool *busy, const char **why);

/** snapshot_state - where it is now */
enum snapshot_state snapshot_state(void);

/**
 * snapshot_step - go on with it
 * @why: with SNAPSHOT_FAILED receives the reason
 *
 * With SNAPSHOT_DONE and SNAPSHOT_FAILED the machine goes on, unless somebody else has it paused.
 */
enum snapshot_state snapshot_step(struct vm *vm, const char **why);

/** snapshot_describe - what a snapshot says of a device, as it is at this moment */
void snapshot_describe(const struct device *d, struct snapshot_device *s);

/** snapshot_cancel - nobody wants it any more; the machine goes on */
void snapshot_cancel(struct vm *vm);

#endif
