// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/userhalf.h"

#include "core/emulate.h"
#include "core/paging.h"
#include "core/segment.h"

uint32_t linear_eip(void)
{
	return V->eip + segment_base(SEG_CS);
}

unsigned fetch_bytes(uint8_t bytes[15], bool *code16)
{
	uint32_t eip = linear_eip(), n = PAGE_SIZE - eip % PAGE_SIZE;
	struct exception x;

	*code16 = !segment_is_big(SEG_CS);
	if (n >= 15 || guest_peek(eip + 14, bytes, 1))
		n = 15;
	return guest_read(eip, bytes, n, user_mode(), &x) ? n : 0;
}

/* Would the guest's hardware raise #PF for an access to @n bytes at @va, and not allow it? */
static bool page_fault_at(uint32_t va, uint32_t n, bool write, struct exception *x)
{
	uint32_t last = va + n - 1;
	struct translation t;

	if (last < va || last < M->user_top)
		return false;
	if (va < M->user_top && !walk(va, write, true, &t, x))
		return true;
	return !walk(va < M->user_top ? M->user_top : va, write, true, &t, x);
}

static bool page_fault_of(uint32_t va, const struct operand *o, struct exception *x)
{
	uint32_t n = o->down ? o->down : o->size;

	for (uint32_t at = o->size - n;; at -= n) {
		if (page_fault_at(va + at, n, o->write, x))
			return true;
		if (!at)
			return false;
	}
}

bool access_beyond(struct exception *x)
{
	struct operand operands[MAX_OPERANDS];
	uint8_t bytes[15];
	bool code16;
	unsigned n = fetch_bytes(bytes, &code16);

	n = decode_operands(bytes, n, code16, operands);
	for (unsigned i = 0; i < n; i++) {
		const struct operand *o = &operands[i];

		if (!segment_allows(o->address.segment, operand_offset(o), o->size))
			return false;
		if (page_fault_of(operand_offset(o) + segment_base(o->address.segment), o, x))
			return true;
	}
	return false;
}

bool user_astray(struct exception *x)
{
	uint32_t eip = linear_eip();
	struct translation t;

	if (!user_mode() || eip < M->user_top)
		return false;
	if (eip >= HOLE_BASE) {
		raise_page_fault(x, eip, PF_USER);
		V->eip = original_address(eip);
		if (V->eip != eip)
			walk(V->eip, false, true, &t, x);
	} else if (walk(eip, false, true, &t, x)) {
		return false; /* a kernel may let programs run there: the vsyscall page of 2.6 */
	}
	if (M->efer & EFER_NX && V->cr4 & CR4_PAE)
		x->error |= PF_FETCH;
	return true;
}
