/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket of a running machine: what `ring1 stop`, `stat`, `console` and others talk to
 * (docs/control.md). Served by the event loop; nothing here waits.
 */
#ifndef MAIN_CONTROL_H
#define MAIN_CONTROL_H

#include "main/vm.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTROL_PROTOCOL    1
#define CONTROL_CLIENTS_MAX 16
#define CONTROL_FDS         (CONTROL_CLIENTS_MAX + 2)

/* What the machine is, for whoever asks. */
struct control_facts {
	const char *name;
	pid_t pid;                /* the process that the user started */
	const char *kernel;       /* its file */
	const char *version;      /* what it says of itself; may be empty */
	const char *console;      /* where the first serial port leads: a word */
	int listener;             /* the control socket; -1: none */
	const char *const *again; /* struct run_options */
	unsigned nagain;
	const char *directory;
};

/* What a client may have done to the machine beside what struct vm offers. */
struct control_actions {
	void *of;
	void (*press_power_button)(void *of);
	void (*power_off)(void *of, const char *why);
	size_t (*input_room)(void *of);                         /* bytes */
	void (*type)(void *of, const uint8_t *bytes, size_t n); /* n: at most that many */
};

/** control_start - serve @facts->listener from now on */
void control_start(struct vm *vm, const struct control_facts *facts,
                   const struct control_actions *actions);

/** control_poll - what to wait for; entries without a descriptor have -1 */
void control_poll(struct pollfd fds[CONTROL_FDS]);

/** control_serve - what has become of it; to be called after each wait */
void control_serve(const struct pollfd fds[CONTROL_FDS]);

/** control_output - the guest's first serial port sent these */
void control_output(const uint8_t *bytes, size_t n);

/** control_paused - the virtual CPU stands still, pause_event() says */
void control_paused(void);

/** control_end - the machine has ended: tell who wants to know, and close everything */
void control_end(const char *why);

#endif
