// SPDX-License-Identifier: GPL-2.0-or-later
/* Port I/O, and who may do it (VMI Part 4, rule 7: IOPL grants ports, never the flag). */
#include "core/alarm.h"
#include "core/backends.h"
#include "core/clock.h"
#include "core/console.h"
#include "core/debug.h"
#include "core/emulate.h"
#include "core/interrupt.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/trace.h"

/* Let the consequences of a port access be seen before the guest's next instruction. */
static void after_access(void)
{
	if (M->platform.virtio.rung)
		backends_serve();
	if (M->platform.events)
		devices_run();
	else
		interrupt_pending_update();
}

uint32_t port_in(uint16_t port, unsigned size)
{
	uint32_t value;

	COUNT(port_io);
	debug_port(port, size);
	value = platform_in(&M->platform, port, size, clock_now());
	TRACE(io, size, port, value);
	after_access();
	return value;
}

void port_out(uint16_t port, unsigned size, uint32_t value)
{
	COUNT(port_io);
	debug_port(port, size);
	TRACE(io, size | TRACE_IO_OUT, port, value);
	platform_out(&M->platform, port, size, value, clock_now());
	after_access();
}

/* TSS I/O permission bitmap, SDM volume 1, 19.5.2: two bytes are read whatever the port. */
bool ports_allowed(uint16_t port, unsigned size)
{
	uint16_t map, bits;
	struct exception x;

	if (V->iopl == EFLAGS_IOPL)
		return true;
	if (M->tr_limit < 103 || !guest_read(M->tr_base + 102, &map, 2, false, &x))
		return false;
	if ((uint32_t)map + port / 8 + 1 > M->tr_limit)
		return false;
	if (!guest_read(M->tr_base + map + port / 8, &bits, 2, false, &x))
		return false;
	return !(bits >> (port & 7) & ((1u << size) - 1));
}

static bool string_step(const struct insn *in, uint32_t mask, struct exception *x)
{
	bool user = user_mode();
	uint16_t port = V->gpr[R_EDX];
	uint32_t step = V->eflags & EFLAGS_DF ? -(uint32_t)in->size : in->size;
	unsigned index = in->op == OP_INS ? R_EDI : R_ESI;
	enum seg seg = in->op == OP_INS ? SEG_ES : in->segment;
	uint32_t va = segment_base(seg) + (V->gpr[index] & mask), value = 0;

	if (user && !segment_access(seg, V->gpr[index] & mask, in->size, in->op == OP_INS, x))
		return false;
	if (in->op == OP_INS) {
		/* A fault must come before the device is asked: reading a port has effects. */
		if (!guest_writable(va, in->size, user, x))
			return false;
		value = port_in(port, in->size);
		if (!guest_write(va, &value, in->size, user, x))
			return false;
	} else {
		if (!guest_read(va, &value, in->size, user, x))
			return false;
		port_out(port, in->size, value);
	}
	V->gpr[index] = (V->gpr[index] & ~mask) | ((V->gpr[index] + step) & mask);
	return true;
}

bool string_io(const struct insn *in, struct exception *x)
{
	uint32_t mask = in->addr16 ? 0xffff : 0xffffffff;

	if (!in->rep)
		return string_step(in, mask, x);
	while (V->gpr[R_ECX] & mask) {
		if (!string_step(in, mask, x))
			return false;
		V->gpr[R_ECX] = (V->gpr[R_ECX] & ~mask) | ((V->gpr[R_ECX] - 1) & mask);
		/* A breakpoint is taken behind each iteration (SDM volume 3, 17.3.1.2). */
		if (M->debug.ports)
			break;
	}
	return true;
}
