// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/agent_frames.h"

#include <string.h>

static void drop_used(struct agent_frames *f)
{
	f->n -= f->used;
	memmove(f->bytes, f->bytes + f->used, f->n);
	f->used = 0;
}

uint8_t *agent_frames_room(struct agent_frames *f, size_t *room)
{
	drop_used(f);
	*room = sizeof f->bytes - f->n;
	return f->bytes + f->n;
}

void agent_frames_put(struct agent_frames *f, size_t n)
{
	f->n += n;
}

static bool is_well_formed(const struct agent_header *h)
{
	switch (h->type) {
	case AGENT_HELLO:
	case AGENT_FAILED:
	case AGENT_CREDIT_OF:
	case AGENT_EXITED:
	case AGENT_SIGNALLED:
		return h->size == sizeof(uint32_t);
	case AGENT_STARTED:
		return h->size == 0;
	case AGENT_OUTPUT:
	case AGENT_ERROR:
		return h->size <= AGENT_PAYLOAD_MAX;
	default:
		return false;
	}
}

bool agent_frames_take(struct agent_frames *f, struct agent_frame *frame)
{
	struct agent_header h;

	drop_used(f);
	if (f->broken || f->n < sizeof h)
		return false;
	memcpy(&h, f->bytes, sizeof h);
	if (!is_well_formed(&h)) {
		f->broken = true;
		return false;
	}
	if (f->n < sizeof h + h.size)
		return false;
	f->used = sizeof h + h.size;
	*frame = (struct agent_frame){.type = h.type, .data = f->bytes + sizeof h, .size = h.size};
	if (h.size == sizeof frame->number)
		memcpy(&frame->number, frame->data, sizeof frame->number);
	return true;
}
