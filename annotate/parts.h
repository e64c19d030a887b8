/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modules' share of the annotations: where another part's sites, windows, points and stubs
 * go. What is free follows from the parts there are; nothing else is kept, so nothing can leak.
 */
#ifndef ANNOTATE_PARTS_H
#define ANNOTATE_PARTS_H

#include "annotate/annotate.h"

/* Where something of a module starts; indexes count from the beginning of each table. */
struct parts_room {
	uint32_t site, window, point;
	uint32_t stub; /* address in the hole */
};

/**
 * parts_find_room() - the first gap of each kind that is large enough
 * @nparts: parts that are to be added
 * @need: for all of them together
 *
 * Return: false when one of them is not to be had.
 */
bool parts_find_room(const struct annotations *a, uint32_t nparts, const struct annotate_need *need,
                     struct parts_room *room);

/**
 * parts_add() - enter the parts of a module that has just been annotated
 * @from: result of annotate_kernel() for it, placed at @room
 * @stubs: its stub code; @area: the whole stub area of the modules
 *
 * The caller has asked for the room, and removed what overlaps.
 */
void parts_add(struct annotations *a, const struct annotations *from, const struct parts_room *room,
               const uint8_t *stubs, uint8_t *area);

/**
 * parts_remove() - forget the parts that share an address with [va, va + size)
 * @area: the stub area; what they had there becomes INT3
 *
 * Return: how many there were.
 */
uint32_t parts_remove(struct annotations *a, uint32_t va, uint32_t size, uint8_t *area);

/* parts_used() - what all parts together take */
struct annotate_need parts_used(const struct annotations *a);

/**
 * parts_are_sound() - may the indexes and lengths be followed? Of annotations that come from a file
 * (main/restore.h)
 *
 * What they say of the guest is not looked at: that is the guest's affair.
 */
bool parts_are_sound(const struct annotations *a);

#endif
