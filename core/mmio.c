// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/mmio.h"

#include "core/alarm.h"
#include "core/backends.h"
#include "core/clock.h"
#include "core/emulate.h"
#include "core/insn.h"
#include "core/interrupt.h"
#include "core/late_eoi.h"
#include "core/paging.h"
#include "core/segment.h"

static uint32_t device_read(uint64_t pa, unsigned size)
{
	uint32_t value = platform_mmio_read(&M->platform, (uint32_t)pa, size, clock_now());

	interrupt_pending_update();
	return value;
}

static void device_write(uint64_t pa, unsigned size, uint32_t value)
{
	platform_mmio_write(&M->platform, (uint32_t)pa, size, value, clock_now());
	if (M->platform.virtio.rung)
		backends_serve();
	devices_run();
}

/* Displaced instructions run in the hole, which no guest table maps. */
static bool fetch_move(struct move *move)
{
	uint8_t bytes[15];
	unsigned n = 15;

	if (V->eip >= HOLE_BASE)
		return in_stubs(V->eip) && in_stubs(V->eip + 15) &&
		       decode_move((const uint8_t *)(uintptr_t)V->eip, 15, move);
	if ((V->eip & 0xfff) > 0xff1)
		n = PAGE_SIZE - (V->eip & 0xfff);
	return guest_peek(V->eip, bytes, n) && decode_move(bytes, n, move);
}

bool mmio_access(uint64_t pa)
{
	struct move move;
	uint32_t value;

	if (!fetch_move(&move))
		return false;
	late_eoi_collect();
	switch (move.kind) {
	case MOVE_LOAD:
		set_gpr(move.reg, move.extended ? 4 : move.size, device_read(pa, move.size));
		break;
	case MOVE_STORE:
		device_write(pa, move.size, get_gpr(move.reg, move.size));
		break;
	case MOVE_STORE_IMMEDIATE:
		device_write(pa, move.size, move.imm);
		break;
	case MOVE_EXCHANGE:
		value = device_read(pa, move.size);
		device_write(pa, move.size, get_gpr(move.reg, move.size));
		set_gpr(move.reg, move.size, value);
		break;
	}
	V->eip += move.length;
	return true;
}
