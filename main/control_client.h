/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection to the control socket: lines in, lines or console bytes out, all of it bounded. */
#ifndef MAIN_CONTROL_CLIENT_H
#define MAIN_CONTROL_CLIENT_H

#include "main/control_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that wait for a reader; one that lets more come is left. */
#define CLIENT_OUTPUT_MAX 262144

enum client_kind {
	CLIENT_NONE,
	CLIENT_COMMANDS,
	CLIENT_WATCHER, /* of the console: bytes instead of lines */
	CLIENT_TYPIST,  /* the same, and what it sends is typed */
};

struct control_client {
	enum client_kind kind;
	int fd;
	bool events;         /* wants to be told of them */
	bool ended;          /* will send nothing more: what waits goes out, then it is closed */
	json_t *pause_id;    /* of a request to pause that is not answered yet */
	bool pausing;        /* there is one; it may have no id */
	uint64_t pause_due;  /* CLOCK_MONOTONIC ns at which it has failed */
	int passed;          /* a descriptor that came with what was read last; -1: none */
	json_t *snapshot_id; /* of a request for a snapshot; it may have no id */
	bool snapshotting;   /* there is one */
	json_t *balloon_id;  /* of a question about the balloon, whose answer is on its way */
	bool ballooning;
	uint64_t balloon_due; /* CLOCK_MONOTONIC ns at which it is answered in any case */
	uint64_t lost;        /* console bytes it was too slow for, not told yet */
	size_t in_n, out_at, out_n;
	char in[CONTROL_LINE_MAX];
	char out[CLIENT_OUTPUT_MAX];
};

/** client_open - a connection that was accepted; client_close() is due */
void client_open(struct control_client *c, int fd);
void client_close(struct control_client *c);

/**
 * client_send - add to what goes out, and send what goes without waiting
 *
 * All of it, or the connection is closed: whoever does not read must not make main wait or grow.
 */
void client_send(struct control_client *c, const char *text, size_t n);

/** client_show - console bytes: what does not fit is left out, and the reader told how much */
void client_show(struct control_client *c, const uint8_t *bytes, size_t n);

/** client_flush - send what goes without waiting; closes a connection that is done or broken */
void client_flush(struct control_client *c);

/** client_fill - read what is there; false: nothing came */
bool client_fill(struct control_client *c);

/**
 * client_line - take the next whole line out of what was read
 * @line: receives up to CONTROL_LINE_MAX bytes, without the line feed
 *
 * Returns its length, or -1: there is none. *too_long: and there will be none.
 */
long client_line(struct control_client *c, char *line, bool *too_long);

#endif
