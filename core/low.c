// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/low.h"

#include "cell/host.h"
#include "core/debug.h"
#include "core/emulate.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/userhalf.h"

/* Slots from LDT_LOW: two data segments, and the code segment with and without its limit. */
enum { SLOT_DATA, SLOT_DATA2, SLOT_CODE, SLOT_CODE_WIDE };

#define DATA_RIGHTS 0x0000f300u /* present, DPL 3, writable, accessed */
#define CODE_RIGHTS 0x0000fb00u

static uint32_t selector(unsigned n)
{
	return LDT_SELECTOR(LDT_LOW + n);
}

static bool is_moved(uint32_t real)
{
	return real >= selector(0) && real <= selector(SLOT_CODE_WIDE);
}

static void set_descriptor(unsigned n, uint32_t base, uint32_t limit, uint32_t rights)
{
	if (limit > 0xfffff) {
		limit >>= 12;
		rights |= 0x800000;
	}
	M->low.base[n] = base;
	M->low.lo[n] = (limit & 0xffff) | base << 16;
	M->low.hi[n] = base >> 24 << 24 | (base >> 16 & 0xff) | (limit & 0xf0000) | rights;
}

bool low_descriptor(unsigned slot, uint32_t *lo, uint32_t *hi)
{
	if (slot < LDT_LOW || slot > LDT_LOW + SLOT_CODE_WIDE)
		return false;
	*lo = M->low.lo[slot - LDT_LOW];
	*hi = M->low.hi[slot - LDT_LOW];
	return true;
}

bool low_base(uint32_t real, uint32_t *base)
{
	if (!is_moved(real))
		return false;
	*base = M->low.base[(real - selector(0)) >> 3];
	return true;
}

static void move_segment(enum seg seg, unsigned n)
{
	M->low.saved[seg] = V->rsel[seg];
	M->low.moved |= 1u << seg;
	V->rsel[seg] = selector(n);
	V->load_segments |= LOAD_DATA;
}

static void move_code(bool wide)
{
	uint32_t base = segment_base(SEG_CS);
	uint32_t rights = CODE_RIGHTS | (segment_is_big(SEG_CS) ? DESC_BIG : 0);

	set_descriptor(SLOT_CODE, base + HOLE_LOW, M->low.end - 1 - base, rights);
	set_descriptor(SLOT_CODE_WIDE, base + HOLE_LOW, 0xffffffff, rights);
	move_segment(SEG_CS, wide ? SLOT_CODE_WIDE : SLOT_CODE);
}

/* A segment that reaches down there from a base above would not end where it should. */
static bool code_is_low(void)
{
	return is_low(linear_eip()) && segment_base(SEG_CS) <= linear_eip();
}

void low_enter_code(void)
{
	if (code_is_low() && !(M->low.moved >> SEG_CS & 1))
		move_code(false);
}

void low_leave_code(void)
{
	move_code(true);
	debug_step();
}

static bool operand_is_low(const struct operand *o)
{
	uint32_t va = operand_offset(o) + segment_base(o->address.segment);

	return is_low(va) || is_low(va + o->size - 1);
}

static unsigned operands_of(struct operand operands[MAX_OPERANDS])
{
	uint8_t bytes[15];
	bool code16 = false;
	unsigned n;

	if (V->eip >= HOLE_BASE) /* an instruction of the kernel that was moved into a stub */
		return in_stubs(V->eip) && in_stubs(V->eip + 15)
		           ? decode_operands((const uint8_t *)(uintptr_t)V->eip, 15, false,
		                             operands)
		           : 0;
	n = fetch_bytes(bytes, &code16);
	return n ? decode_operands(bytes, n, code16, operands) : 0;
}

bool low_access(uint32_t va, bool fetch)
{
	struct operand operands[MAX_OPERANDS];
	unsigned n, moved = 0, low = 0, high = 0;

	if (fetch)
		return code_is_low();
	n = operands_of(operands);
	for (unsigned i = 0; i < n; i++) {
		unsigned bit = 1u << operands[i].address.segment;

		if (operand_is_low(&operands[i]))
			low |= bit;
		else
			high |= bit;
	}
	/* The kernel is told from its programs by SS, so that must stay what it is. */
	if (!low || low & high || low & 1u << SEG_CS || (low & 1u << SEG_SS && !user_mode()))
		return false;
	for (enum seg seg = SEG_ES; seg < SEG_COUNT; seg++) {
		uint32_t base;

		if (!(low >> seg & 1) || moved > SLOT_DATA2)
			continue;
		base = segment_base(seg);
		set_descriptor(moved, base + HOLE_LOW,
		               base <= va ? M->low.end + PAGE_SIZE - 1 - base : 0xffffffff,
		               DATA_RIGHTS | DESC_BIG);
		move_segment(seg, moved++);
	}
	COUNT(low_access);
	debug_step();
	return true;
}

bool low_spill(uint32_t pa, bool write)
{
	struct host_rights rights = {.write = write, .execute = true};

	M->low.spilled = 1;
	if (M->lazy)
		lazy_need(pa, PAGE_SIZE);
	return host_map_ram(HOLE_LOW + M->low.end, PAGE_SIZE, pa, rights);
}

uint32_t low_address(uint32_t va)
{
	return va - HOLE_LOW < M->low.end + PAGE_SIZE ? va - HOLE_LOW : va;
}

uint32_t low_close(void)
{
	uint32_t what = 0;

	for (enum seg seg = SEG_ES; M->low.moved && seg < SEG_COUNT; seg++) {
		if (!(M->low.moved >> seg & 1))
			continue;
		if (seg != SEG_CS)
			what |= LOW_DATA;
		else if (V->rsel[seg] == selector(SLOT_CODE))
			what |= LOW_CODE;
		else
			what |= LOW_CODE_WIDE;
		/* The instruction may have loaded the register, or the ROM another mode's. */
		if (is_moved(V->rsel[seg]))
			V->rsel[seg] = M->low.saved[seg];
		V->load_segments |= LOAD_DATA;
	}
	M->low.moved = 0;
	if (M->low.spilled)
		host_unmap(HOLE_LOW + M->low.end, PAGE_SIZE);
	M->low.spilled = 0;
	return what;
}
