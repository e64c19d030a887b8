/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes from a guest's agent, taken apart (guests/agent/protocol.h). The guest is hostile: a
 * frame that is too long, of a type that is not the agent's, or of a size that is not the type's,
 * is the end.
 */
#ifndef MAIN_AGENT_FRAMES_H
#define MAIN_AGENT_FRAMES_H

#include "guests/agent/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_frame {
	enum agent_type type;
	uint32_t number;     /* of the types that have one */
	const uint8_t *data; /* of AGENT_OUTPUT and AGENT_ERROR, until the next call */
	uint32_t size;
};

struct agent_frames {
	uint8_t bytes[sizeof(struct agent_header) + AGENT_PAYLOAD_MAX];
	size_t n;    /* bytes that came */
	size_t used; /* of them by the frame taken last */
	bool broken;
};

/** agent_frames_room - where the next bytes are to be put, and how many; 0: take frames first */
uint8_t *agent_frames_room(struct agent_frames *f, size_t *room);

/** agent_frames_put - @n bytes were put there */
void agent_frames_put(struct agent_frames *f, size_t n);

/** agent_frames_take - the next frame; false: it is not there yet, or f->broken */
bool agent_frames_take(struct agent_frames *f, struct agent_frame *frame);

#endif
