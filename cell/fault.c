// SPDX-License-Identifier: GPL-2.0-or-later
/* The core's own faults. */
#include "cell/cell.h"

#include "core/core.h"
#include "core/recover.h"

#include <asm/signal.h>

extern const struct recovery recover_table[], recover_table_end[];

bool core_recover(uint64_t *rip)
{
	for (const struct recovery *r = recover_table; r < recover_table_end; r++)
		if (*rip == (uint64_t)((intptr_t)&r->at + r->at)) {
			*rip = (uint64_t)((intptr_t)&r->to + r->to);
			return true;
		}
	return false;
}

static char *put_text(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

static char *put_hex(char *p, uint64_t v)
{
	int shift = 60;

	while (shift && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[v >> shift & 15];
	return p;
}

void core_fault_inside(uint32_t signal, uint64_t vector, uint64_t error, uint64_t rip, uint64_t cr2)
{
	char text[STOP_TEXT], *p = text;

	if (signal == SIGBUS && (vector & 0xff) == VECTOR_PF)
		stop_guest(STOP_MEMORY, OUT_OF_MEMORY);
	p = put_text(p, "the core faulted: signal ");
	p = put_hex(p, signal);
	p = put_text(p, ", exception ");
	p = put_hex(p, vector & 0xff);
	p = put_text(p, ", error ");
	p = put_hex(p, error & 0xffff);
	p = put_text(p, ", at ");
	p = put_hex(p, rip);
	p = put_text(p, ", address ");
	p = put_hex(p, cr2);
	*p = 0;
	stop_guest(STOP_INTERNAL, text);
}
