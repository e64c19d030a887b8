/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One command in a guest, by its agent; standard input and output are this process's. */
#ifndef MAIN_AGENT_SESSION_H
#define MAIN_AGENT_SESSION_H

#include <stdbool.h>

#define EXIT_NOT_RUN    125 /* ring1 could not have it run; the statuses of env(1) and the like */
#define EXIT_NO_EXECUTE 126
#define EXIT_NOT_FOUND  127

struct agent_command {
	char *const *argument;       /* NULL behind the last; at least one */
	const char *const *variable; /* NAME=VALUE, NULL behind the last */
	const char *directory;       /* in the guest; NULL: root's home */
	bool terminal;               /* it has one, joined to this one */
	bool quiet_end;              /* of a machine that ends meanwhile nothing is said */
};

/**
 * agent_connect - a connection to the agent of the machine @name
 * @seconds: how long to wait for the guest to have one
 *
 * Returns a descriptor, or -1 with the reason printed.
 */
int agent_connect(int directory, const char *name, unsigned seconds);

/**
 * agent_try - the same once, without waiting or a word
 * @fd: receives the descriptor
 *
 * Returns 1, or 0: the guest has no agent yet, -1 with errno: the machine has no socket for one.
 */
int agent_try(int directory, const char *name, int *fd);

/** agent_run - run it. Returns its status, 128 and its signal, or one of those above. */
int agent_run(int connection, const struct agent_command *command);

#endif
