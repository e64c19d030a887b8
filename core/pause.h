/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual CPU stands still between two instructions of the guest, because main asks for it. */
#ifndef CORE_PAUSE_H
#define CORE_PAUSE_H

#include "core/core.h"

/**
 * stand_still - until machine.pause is 0
 *
 * All the guest's registers are in the shared state meanwhile. Guest time does not pass: main has
 * moved it when it lets go. What a debugger asks for is done here (core/debugger.h).
 */
void stand_still(void);

#endif
