// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/shared_state.h"

#include <string.h>

uint32_t ring_fill(const struct byte_ring *r)
{
	uint32_t used = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) -
	                __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);

	/* The other side may have written anything there. */
	return used > RING_BYTES ? RING_BYTES : used;
}

size_t ring_take(struct byte_ring *r, uint8_t *to, size_t max)
{
	uint32_t head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE), tail = r->tail;
	uint32_t used = head - tail;
	size_t n = used < max ? used : max;

	/* Nonsense: to take it all at RING_BYTES a time would mean gigabytes. */
	if (used > RING_BYTES) {
		__atomic_store_n(&r->tail, head, __ATOMIC_RELEASE);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = r->data[(tail + i) % RING_BYTES];
	__atomic_store_n(&r->tail, tail + (uint32_t)n, __ATOMIC_RELEASE);
	return n;
}

size_t ring_give(struct byte_ring *r, const uint8_t *from, size_t n)
{
	uint32_t room = RING_BYTES - ring_fill(r), head = r->head;

	if (n > room)
		n = room;
	for (size_t i = 0; i < n; i++)
		r->data[(head + i) % RING_BYTES] = from[i];
	__atomic_store_n(&r->head, head + (uint32_t)n, __ATOMIC_RELEASE);
	return n;
}

void shared_copy(void *to, const void *from, size_t bytes)
{
	const uint64_t *shared = from;
	uint64_t *own = to;

	for (size_t i = 0; i < bytes / sizeof *own; i++)
		own[i] = __atomic_load_n(&shared[i], __ATOMIC_RELAXED);
}

struct stop stop_copy(const struct stop *shared)
{
	struct stop stop;

	memcpy(&stop, shared, sizeof stop);
	stop.text[STOP_TEXT - 1] = 0;
	for (char *p = stop.text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	if (stop.reason == STOP_NONE || stop.reason > STOP_INTERNAL)
		stop.reason = STOP_INTERNAL;
	return stop;
}
