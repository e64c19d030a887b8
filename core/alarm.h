/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_ALARM_H
#define CORE_ALARM_H

#include "core/core.h"

/** devices_run - run the devices up to now and mark what is pending; delivers nothing */
void devices_run(void);

/** deadline_moved - main is the alarm clock of a guest that computes: see that it wakes in time */
void deadline_moved(void);

/** look_again - have the guest interrupted at @when (guest ns) for an NMI that could not come now
 */
void look_again(uint64_t when);

/** leave_idle - the guest has left its idle loop: main is its alarm clock again */
void leave_idle(void);

/** halt - HLT with interrupts enabled: sleep until an interrupt is pending, or an NMI */
void halt(void);

/** take_inbox - act on what main asked for */
void take_inbox(void);

#endif
