/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual CPU stands still between two guest instructions, and guest time with it. Several may
 * want that at a time; it goes on when none does.
 */
#ifndef MAIN_PAUSE_H
#define MAIN_PAUSE_H

#include "main/vm.h"

enum pause_reason {
	PAUSE_USER = 1,     /* ring1 pause, --paused */
	PAUSE_DEBUGGER = 2, /* --gdb */
	PAUSE_SNAPSHOT = 4, /* one is being written */
};

/**
 * pause_begin - ask the virtual CPU to stand still; pause_event() says when it does
 *
 * A guest that runs 64-bit code of its own may never do it: it is asked, not forced.
 */
void pause_begin(struct vm *vm, enum pause_reason reason);

/** pause_end - @reason is none any more: without another the guest goes on, and its back ends */
void pause_end(struct vm *vm, enum pause_reason reason);

/** pause_event - the core rang DOORBELL_PAUSED; returns true when the machine is paused now, and
 * was not before */
bool pause_event(struct vm *vm);

/**
 * pause_again - have the core look once more at what is asked of it, while it stands still
 *
 * Waits until it has, a second at most; false: it has not.
 */
bool pause_again(struct vm *vm);

#endif
