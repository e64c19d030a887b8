/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --balloon [SIZE][,...], and what is asked of a running machine's balloon. */
#ifndef MAIN_BALLOON_H
#define MAIN_BALLOON_H

#include "main/devices.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct vm;

/** balloon_add - plug in a balloon; one at most. Returns 0 or an exit status. */
int balloon_add(struct devices *devices, const char *option);

/**
 * balloon_start - a life of the machine begins: before devices_start()
 *
 * Returns 0 or an exit status, with the reason printed: the balloon would be larger than the
 * memory.
 */
int balloon_start(struct vm *vm);

/** balloon_close - of all lives */
void balloon_close(void);

/* The following may be called by a confined main. */

/** balloon_is_there - has the machine a balloon? */
bool balloon_is_there(void);

/**
 * balloon_set - say how large it should be
 * @bytes: rounded down to pages; at most the guest's memory
 *
 * It lasts until it is changed again, over reboots. When the guest does it, and whether, is its
 * business. False, with the reason: there is none, or it would be too large.
 */
bool balloon_set(struct vm *vm, uint64_t bytes, const char **why);

/**
 * balloon_ask - have the guest give new statistics
 *
 * False: nobody is there who would. Else balloon_event() becomes readable when they have come.
 */
bool balloon_ask(struct vm *vm);

/** balloon_answered - have they come? */
bool balloon_answered(void);

/** balloon_event - a descriptor to poll, which balloon_heard() empties; -1: none */
int balloon_event(void);
void balloon_heard(void);

/** balloon_actual - bytes that the guest says it has put into the balloon */
uint64_t balloon_actual(const struct vm *vm);

/** balloon_json - all that is known of it, as docs/control.md has it; for a machine that has one */
json_t *balloon_json(const struct vm *vm);

/** balloon_print - the same, for people */
void balloon_print(FILE *to, const struct vm *vm);

#endif
