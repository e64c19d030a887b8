/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recording for --trace. Without it each of these is a test of one word. */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include "core/core.h"

/** trace_put - add an event; one that finds no room is counted */
void trace_put(enum trace_group group, uint32_t detail, uint32_t a, uint32_t b);

/** trace_exit_began, trace_exit_ended - around an exit; the event is made at its end */
void trace_exit_began(uint32_t detail);
void trace_exit_ended(void);

static inline bool tracing(enum trace_group group)
{
	return __builtin_expect(M->trace.mask & 1u << group, 0);
}

#define TRACE(group, ...)                                                                          \
	do {                                                                                       \
		if (tracing(TRACE_##group))                                                        \
			trace_put(TRACE_##group, __VA_ARGS__);                                     \
	} while (0)

/* At the beginning of an exit, when the registers are known. */
static inline void trace_exit(uint32_t detail)
{
	if (tracing(TRACE_exits))
		trace_exit_began(detail);
}

static inline void trace_resume(void)
{
	if (tracing(TRACE_exits))
		trace_exit_ended();
}

#endif
