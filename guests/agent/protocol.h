/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What 'ring1 exec' and the agent in the guest say to one another, over a port of a virtio console:
 * frames, each a struct agent_header and `size` bytes. Numbers are little-endian. A session is one
 * command; it ends when the host lets go of the port.
 *
 *   agent: HELLO, when the host has come
 *   host:  EXEC
 *   agent: STARTED or FAILED; then OUTPUT and ERROR, and at last EXITED or SIGNALLED
 *   host:  meanwhile INPUT, as many bytes as it has CREDIT for (at first AGENT_CREDIT), INPUT_END,
 *          SIZE, SIGNAL
 *
 * Each side takes the other for an enemy: no size is believed, and what does not fit ends the
 * session.
 */
#ifndef GUESTS_AGENT_PROTOCOL_H
#define GUESTS_AGENT_PROTOCOL_H

#include <stdint.h>

#define AGENT_VERSION     1u
#define AGENT_PAYLOAD_MAX 65536u /* bytes behind a header */
#define AGENT_CREDIT      65536u
#define AGENT_PORT        "ring1.agent" /* followed by a dot and a number */

struct agent_header {
	uint32_t size;
	uint16_t type;
	uint16_t zero;
};

enum agent_type {
	/* of the agent */
	AGENT_HELLO = 1, /* uint32_t version */
	AGENT_STARTED,   /* nothing */
	AGENT_FAILED,    /* uint32_t errno */
	AGENT_OUTPUT,    /* bytes of its standard output, or terminal */
	AGENT_ERROR,     /* bytes of its standard error */
	AGENT_CREDIT_OF, /* uint32_t: so many more bytes of INPUT are welcome */
	AGENT_EXITED,    /* uint32_t status */
	AGENT_SIGNALLED, /* uint32_t signal */
	/* of the host */
	AGENT_EXEC = 64, /* struct agent_exec and strings, each with a NUL */
	AGENT_INPUT,     /* bytes */
	AGENT_INPUT_END, /* nothing */
	AGENT_SIZE,      /* uint16_t rows, columns */
	AGENT_SIGNAL,    /* uint32_t signal */
};

/* The directory to run in (empty: root's home), the arguments, NAME=VALUE of the environment. */
struct agent_exec {
	uint16_t terminal; /* give it one */
	uint16_t rows, columns;
	uint16_t zero;
	uint32_t arguments, variables;
};

#endif
