/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What main takes from the machine state, which cells write: copied once, bounded, and made
 * harmless. */
#ifndef MAIN_SHARED_STATE_H
#define MAIN_SHARED_STATE_H

#include "ring1/machine.h"

#include <stddef.h>
#include <stdint.h>

/** ring_fill - bytes that wait in a ring, at most RING_BYTES */
uint32_t ring_fill(const struct byte_ring *r);

/** ring_take - up to @max bytes out of it; how many. Positions that are nonsense empty it. */
size_t ring_take(struct byte_ring *r, uint8_t *to, size_t max);

/** ring_give - as many of @n bytes into it as there is room for; how many */
size_t ring_give(struct byte_ring *r, const uint8_t *from, size_t n);

/**
 * shared_copy - @bytes from memory that cells, or another thread, may write to meanwhile: what each
 * aligned uint64_t held at some moment, and no more than that. Both addresses and the length are
 * multiples of 8.
 */
void shared_copy(void *to, const void *from, size_t bytes);

/** stop_copy - a stop as it can be told: a reason that exists, a text of printable characters */
struct stop stop_copy(const struct stop *shared);

#endif
