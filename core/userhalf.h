/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of the user half, as user code meets it: on hardware the page tables' U bits, here the
 * limits of segments (docs/architecture.md, "Segments").
 */
#ifndef CORE_USERHALF_H
#define CORE_USERHALF_H

#include "core/core.h"

/**
 * fetch_bytes - the instruction at CS:EIP as the guest sees it
 * @bytes: 15 bytes of room
 * @code16: the code segment has D clear
 *
 * Returns how many were read: fewer than 15 at the end of what is mapped, 0 when nothing is.
 */
unsigned fetch_bytes(uint8_t bytes[15], bool *code16);

/** linear_eip - CS:EIP as a linear address */
uint32_t linear_eip(void);

/**
 * access_beyond - the page fault of a user access that a segment limit stopped
 *
 * User segments end at the user half (design.md, section 2); the guest's own do not. An access
 * behind the end is therefore #GP or #SS here, and a page fault on the guest's hardware. False:
 * the guest's own segment ends there, or the fault has another reason.
 */
bool access_beyond(struct exception *x);

/**
 * user_astray - the page fault of user code that was found running outside of its half
 *
 * User code shares a flat code segment with the kernel and can jump anywhere. What the guest's
 * tables deny to user mode was a page fault at the jump's target: EIP, if it faults at once, else
 * what it has got to by now. False: EIP is where user code may run.
 */
bool user_astray(struct exception *x);

#endif
