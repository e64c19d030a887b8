// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest's agent: its bytes, in pieces of sizes that the first byte decides. Frames lie
 * wholly in what came, have sizes that fit their types, and are the same whatever the pieces are.
 */
#include "main/agent_frames.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum of all frames, and whether it ended in nonsense. */
static uint64_t take_all(struct agent_frames *f, const uint8_t *data, size_t size, size_t piece)
{
	struct agent_frame frame;
	uint64_t sum = 0;

	memset(f, 0, sizeof *f);
	while (size) {
		size_t room, n;
		uint8_t *to = agent_frames_room(f, &room);

		if (to < f->bytes || to + room > f->bytes + sizeof f->bytes)
			abort();
		/* A whole frame fits always, so there is room when none is there. */
		if (!room && !f->broken)
			abort();
		n = piece < size ? piece : size;
		n = n < room ? n : room;
		memcpy(to, data, n);
		agent_frames_put(f, n);
		data += n;
		size -= n;
		while (agent_frames_take(f, &frame)) {
			if (frame.data < f->bytes || frame.size > AGENT_PAYLOAD_MAX ||
			    frame.data + frame.size > f->bytes + f->n)
				abort();
			sum = sum * 31 + frame.type + frame.number;
			for (uint32_t i = 0; i < frame.size; i++)
				sum = sum * 31 + frame.data[i];
		}
		if (f->broken)
			return sum * 2 + 1;
	}
	return sum * 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct agent_frames frames;

	if (size < 1)
		return 0;
	if (take_all(&frames, data + 1, size - 1, data[0] % 16 + 1u) !=
	    take_all(&frames, data + 1, size - 1, 100000))
		abort();
	return 0;
}
