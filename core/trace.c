// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/trace.h"

#include "core/clock.h"
#include "core/console.h"

static void put(const struct trace_event *e)
{
	uint32_t head = M->trace.head;
	uint32_t used = head - __atomic_load_n(&M->trace.tail, __ATOMIC_ACQUIRE);

	if (used >= TRACE_EVENTS) {
		M->trace.lost++;
		return;
	}
	M->trace.event[head % TRACE_EVENTS] = *e;
	__atomic_store_n(&M->trace.head, head + 1, __ATOMIC_RELEASE);
	if (used >= TRACE_EVENTS / 2)
		ring_doorbell(DOORBELL_TRACE);
}

void trace_put(enum trace_group group, uint32_t detail, uint32_t a, uint32_t b)
{
	put(&(struct trace_event){.tsc = rdtsc(),
	                          .group = group,
	                          .detail = detail,
	                          .eip = original_address(V->eip),
	                          .a = a,
	                          .b = b});
}

void trace_exit_began(uint32_t detail)
{
	M->trace.in_exit = 1;
	M->trace.exit_detail = detail;
	M->trace.exit_eip = original_address(V->eip);
	M->trace.exit_tsc = rdtsc();
}

void trace_exit_ended(void)
{
	uint64_t ticks = rdtsc() - M->trace.exit_tsc;

	if (!M->trace.in_exit)
		return;
	M->trace.in_exit = 0;
	put(&(struct trace_event){.tsc = M->trace.exit_tsc,
	                          .group = TRACE_exits,
	                          .detail = M->trace.exit_detail,
	                          .eip = M->trace.exit_eip,
	                          .a = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks});
}
