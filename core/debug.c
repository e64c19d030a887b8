// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/debug.h"

#include "core/emulate.h"
#include "core/frames.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/shadow.h"
#include "core/userhalf.h"

enum { ON_EXECUTE, ON_WRITE, ON_PORT, ON_ACCESS };

#define DR7_ENABLED 0xffu

/* SELF->debug_page: bit 0 tells a page from none. */
#define VALID 1u

/* Slots 0 to 3 are the guest's debug registers, those behind are the debugger's (--gdb). */
#define GUEST_SLOTS 4u

static bool enabled(unsigned n)
{
	if (n >= GUEST_SLOTS)
		return M->debugger.watch[n - GUEST_SLOTS].length;
	return M->dr[7] >> (2 * n) & 3 && (M->dr[7] >> (16 + 4 * n) & 3) != ON_PORT;
}

static unsigned type_of(unsigned n)
{
	if (n >= GUEST_SLOTS)
		return M->debugger.watch[n - GUEST_SLOTS].type & 3;
	return M->dr[7] >> (16 + 4 * n) & 3;
}

/* Bytes watched: LEN 0, 1, 3 are 1, 2, 4; 2 is 8 on the processors that have it. */
static uint32_t length_of(unsigned n)
{
	static const uint8_t length[4] = {1, 2, 8, 4};

	if (n >= GUEST_SLOTS)
		return M->debugger.watch[n - GUEST_SLOTS].length;
	return length[M->dr[7] >> (18 + 4 * n) & 3];
}

/* Breakpoints are aligned to their length, whatever the low bits say. */
static uint32_t address_of(unsigned n)
{
	if (n >= GUEST_SLOTS)
		return M->debugger.watch[n - GUEST_SLOTS].va;
	return M->dr[n] & ~(length_of(n) - 1);
}

static uint32_t page_of(unsigned n)
{
	return address_of(n) & ~0xfffu;
}

static void drop_pages(void)
{
	for (unsigned n = 0; n < WATCH_SLOTS; n++)
		if (SELF->debug_page[n] & VALID)
			shadow_drop_page(SELF->debug_page[n] & ~0xfffu);
}

static void apply(void)
{
	drop_pages();
	for (unsigned n = 0; n < WATCH_SLOTS; n++)
		SELF->debug_page[n] = enabled(n) ? page_of(n) | VALID : 0;
	drop_pages();
	SELF->debug_seen = M->debug.generation;
}

#define DR6_HITS 0xfu

void debug_status(uint32_t bits)
{
	if (bits)
		M->dr[6] = (M->dr[6] & ~DR6_HITS) | bits;
}

void debug_registers_changed(void)
{
	bool any = false;

	for (unsigned n = 0; n < WATCH_SLOTS; n++)
		any |= enabled(n);
	if (!any && !M->debug.active)
		return;
	M->debug.active = any;
	iret_work_update(); /* EFLAGS.RF means something now */
	M->debug.generation++;
	apply();
}

void debug_activate(void)
{
	if (SELF->debug_seen != M->debug.generation)
		apply();
}

bool debug_restrict(uint32_t va, struct host_rights *rights)
{
	if (!M->debug.active || M->debug.open)
		return true;
	for (unsigned n = 0; n < WATCH_SLOTS; n++) {
		if (!enabled(n) || page_of(n) != (va & ~0xfffu))
			continue;
		if (type_of(n) == ON_ACCESS)
			return false;
		if (type_of(n) == ON_WRITE)
			rights->write = false;
		else
			rights->execute = false;
	}
	return true;
}

bool debug_region(uint32_t va, uint64_t n)
{
	if (M->debug.active)
		for (unsigned i = 0; i < WATCH_SLOTS; i++)
			if (enabled(i) && page_of(i) - va < n)
				return true;
	return false;
}

static bool overlaps(uint32_t va, uint32_t n, unsigned breakpoint)
{
	uint32_t from = address_of(breakpoint);

	return va - from < length_of(breakpoint) || from - va < n;
}

static uint32_t hits_of(uint32_t va, uint32_t size, bool write)
{
	uint32_t hits = 0;

	for (unsigned n = 0; n < WATCH_SLOTS; n++)
		if (enabled(n) && (type_of(n) == ON_ACCESS || (write && type_of(n) == ON_WRITE)) &&
		    overlaps(va, size, n))
			hits |= 1u << n;
	return hits;
}

void debug_port(uint16_t port, unsigned size)
{
	if (!(V->cr4 & CR4_DE) || !(M->dr[7] & DR7_ENABLED))
		return;
	for (unsigned n = 0; n < 4; n++)
		if (M->dr[7] >> (2 * n) & 3 && type_of(n) == ON_PORT && overlaps(port, size, n))
			M->debug.ports |= 1u << n;
}

uint32_t debug_port_hits(void)
{
	uint32_t hits = M->debug.ports & DR6_HITS;

	M->debug.ports = 0;
	return hits;
}

/* The opcode behind the prefixes; 0 when there is none. */
static uint8_t opcode_of(const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (bytes[i] != 0x66 && bytes[i] != 0x67)
			return bytes[i];
	return 0;
}

/* What the instruction at EIP will access, as far as it can be told. */
static void look_ahead(void)
{
	struct operand operands[MAX_OPERANDS];
	uint8_t bytes[15];
	bool code16;
	unsigned n;

	n = fetch_bytes(bytes, &code16);
	M->debug.opcode = opcode_of(bytes, n);
	n = decode_operands(bytes, n, code16, operands);
	for (unsigned i = 0; i < n; i++) {
		const struct operand *o = &operands[i];
		uint32_t va = operand_offset(o) + segment_base(o->address.segment);

		M->debug.hits |= hits_of(va, o->size, o->write);
	}
}

/* An instruction breakpoint at the linear address @eip that has not been resumed from. */
static uint32_t instruction_hits(uint32_t eip)
{
	uint32_t hits = 0;

	if (debug_resuming())
		return 0;
	for (unsigned n = 0; n < WATCH_SLOTS; n++)
		if (enabled(n) && type_of(n) == ON_EXECUTE && address_of(n) == eip)
			hits |= 1u << n;
	return hits;
}

void debug_step(void)
{
	if (M->debug.open)
		return;
	M->debug.open = 1;
	M->debug.tf = V->eflags & EFLAGS_TF ? 1 : 0;
	M->debug.hits = 0;
	look_ahead();
	V->eflags |= EFLAGS_TF;
}

bool debug_access(uint32_t va, uint32_t error, struct exception *x)
{
	struct host_rights rights = {.write = true, .execute = true};
	bool fetch = error & PF_FETCH;
	uint32_t hits;

	if (!M->debug.active || M->debug.open)
		return true;
	if (debug_restrict(va, &rights) && (rights.write || !(error & PF_WRITE)) &&
	    (rights.execute || !fetch))
		return true;
	hits = fetch ? instruction_hits(linear_eip()) : 0;
	/* The one it goes on from does not stop it again. */
	if (hits >> GUEST_SLOTS && (M->debugger.moved || M->debugger.from != V->eip)) {
		M->debugger.hits |= hits >> GUEST_SLOTS;
		return true; /* core/debugger.c stops before the instruction */
	}
	hits &= DR6_HITS;
	if (hits) {
		debug_status(hits);
		return raise(x, VECTOR_DB);
	}
	debug_step();
	if (!fetch)
		M->debug.hits |= hits_of(va, 1, error & PF_WRITE);
	return true;
}

static void close_pages(void)
{
	M->debug.open = 0;
	drop_pages();
}

/* PUSHF has stored our trap flag. */
static void mend_pushed_flags(void)
{
	uint32_t at = V->gpr[R_ESP], image;
	struct exception x;

	at = (segment_is_big(SEG_SS) ? at : at & 0xffff) + segment_base(SEG_SS);
	if (guest_read(at, &image, 2, user_mode(), &x)) {
		image &= ~EFLAGS_TF;
		guest_write(at, &image, 2, user_mode(), &x);
	}
}

#define OPCODE_PUSHF 0x9c
#define OPCODE_POPF  0x9d
#define OPCODE_IRET  0xcf

uint32_t debug_trap(void)
{
	uint32_t bits;

	M->debugger.moved = 1;
	if (!M->debug.open)
		return DR6_BS;
	M->debugger.hits |= M->debug.hits >> GUEST_SLOTS;
	bits = (M->debug.hits & DR6_HITS) | (M->debug.tf ? DR6_BS : 0);
	close_pages();
	M->debug.resume = 0;
	if (M->debug.opcode == OPCODE_POPF || M->debug.opcode == OPCODE_IRET)
		return bits; /* the flag is what it loaded */
	if (M->debug.tf)
		return bits;
	V->eflags &= ~EFLAGS_TF;
	if (M->debug.opcode == OPCODE_PUSHF)
		mend_pushed_flags();
	return bits;
}

void debug_abandon(void)
{
	if (!M->debug.open)
		return;
	if (!M->debug.tf)
		V->eflags &= ~EFLAGS_TF;
	close_pages();
}

void debug_resume(void)
{
	if (!M->debug.active)
		return;
	M->debug.resume = 1;
	M->debug.resume_eip = V->eip;
}

bool debug_resuming(void)
{
	return M->debug.resume && M->debug.resume_eip == V->eip;
}
