/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection to a running machine's control socket, for the commands that use one. */
#ifndef MAIN_MACHINE_LINK_H
#define MAIN_MACHINE_LINK_H

#include "main/machines.h"

#include <jansson.h>
#include <stddef.h>

#define LINK_TIMEOUT_S 5

struct machine_link {
	int fd;
	char name[MACHINE_NAME_MAX + 1];
	char *line; /* what was read and not used yet */
	size_t n, size;
	int last_id;
	int pass;       /* a descriptor that goes along with the next request, if not 0 */
	int patience_s; /* for its reply; 0: as usual */
};

/**
 * link_open - connect to a machine
 * @name: its name, or the number of its process; NULL: the only one there is
 *
 * Returns 0 or an exit status, with the reason printed. link_close() is due in any case.
 */
int link_open(struct machine_link *l, const char *name);

/** link_open_named - the same by exact name, and silent: the result is an errno */
int link_open_named(struct machine_link *l, int directory, const char *name);
void link_close(struct machine_link *l);

/**
 * link_ask - send a request and wait for its reply
 * @arguments: taken over; NULL: none
 * @reply: receives the whole reply, the caller's
 *
 * Events that come meanwhile are dropped. Returns 0 or an errno: ETIMEDOUT, ECONNRESET (the machine
 * has ended), EPROTO (it answers what is no reply).
 */
int link_ask(struct machine_link *l, const char *command, json_t *arguments, json_t **reply);

/**
 * link_call - link_ask(), and the reply's result
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int link_call(struct machine_link *l, const char *command, json_t *arguments, json_t **result);

/**
 * link_read - the next line, whatever it is
 * @timeout_ms: -1: wait for ever
 *
 * Returns the caller's object, or NULL with errno: ETIMEDOUT, ECONNRESET, EPROTO.
 */
json_t *link_read(struct machine_link *l, int timeout_ms);

/** link_complain - say that asking @l failed with errno @error; returns the exit status */
int link_complain(const struct machine_link *l, int error);

#endif
