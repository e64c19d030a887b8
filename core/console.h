/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cell's ends of the byte rings, and the doorbell that wakes main. */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include "core/core.h"

/** ring_doorbell - tell main to look; @bits: DOORBELL_* */
void ring_doorbell(uint32_t bits);

/** console_service - move bytes between the serial port and the rings; @now: guest ns */
void console_service(uint64_t now);

/** log_text - a line on main's standard error; cut when main does not keep up */
void log_text(const char *text);

#endif
