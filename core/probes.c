// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/probes.h"

#include "core/annotated.h"
#include "core/emulate.h"
#include "core/frames.h"
#include "core/interrupt.h"
#include "core/paging.h"

/* How many IRETs to look at for the one behind POPF: nested interrupts return before it. */
#define RETURNS 64u

#define OF_THE_STEP (EFLAGS_IF | EFLAGS_TF)

/* Probes nest, each deeper in the same stack: the newest of this ESP. */
static struct probe_hit *find(uint32_t state, uint32_t esp)
{
	for (uint32_t i = 1; i <= NESTED_PROBES; i++) {
		struct probe_hit *p = &M->probe[(M->probe_next - i) % NESTED_PROBES];

		if (p->state == state && p->esp == esp)
			return p;
	}
	return NULL;
}

void probe_hit(void)
{
	const struct annot_site *site = replaced_site(V->eip - 1);
	struct probe_hit *p;

	if (!site)
		return;
	p = &M->probe[M->probe_next++ % NESTED_PROBES];
	p->state = PROBE_HIT;
	p->site = site->va;
	p->esp = V->gpr[R_ESP];
	p->eflags = eflags_image();
}

static bool is_trap(uint32_t va, unsigned length)
{
	uint8_t bytes[15], trap[15];

	if (length > sizeof bytes || !guest_peek(va, bytes, length))
		return false;
	trap_bytes(trap, length);
	return !__builtin_memcmp(bytes, trap, length);
}

bool probe_copy(struct insn *in, uint32_t *next)
{
	struct probe_hit *p = find(PROBE_HIT, V->gpr[R_ESP]);
	const struct annot_site *site = p ? replaced_site(p->site) : NULL;

	if (!site || !is_trap(V->eip, site->length))
		return false;
	*next = V->eip + site->length;
	return decode_insn(site->bytes, site->length, in);
}

bool probe_step(const struct insn *in, uint32_t next, struct exception *x)
{
	struct probe_hit *p = find(PROBE_HIT, V->gpr[R_ESP]);
	uint32_t flags = eflags_image() & OF_THE_STEP;

	if (!p)
		return emulate(in, next, x);
	/* What the flags would be without the step. */
	if (in->op == OP_PUSHF) {
		set_eflags((eflags_image() & ~OF_THE_STEP) | (p->eflags & OF_THE_STEP));
		if (!emulate(in, next, x)) {
			set_eflags((eflags_image() & ~OF_THE_STEP) | flags);
			return false;
		}
		set_eflags((eflags_image() & ~OF_THE_STEP) | flags);
	} else if (!emulate(in, next, x)) {
		return false;
	}
	p->state = PROBE_NONE;
	if (in->op != OP_POPF)
		return true;
	p->state = PROBE_POPPED;
	p->esp = V->gpr[R_ESP];
	p->eflags = eflags_image();
	set_eflags((p->eflags & ~OF_THE_STEP) | flags);
	M->probe_returns = RETURNS;
	iret_work_update();
	return true;
}

void probe_return(uint32_t eip)
{
	const struct annot_site *site;
	struct probe_hit *p;

	if (!M->probe_returns)
		return;
	M->probe_returns--;
	p = find(PROBE_POPPED, V->gpr[R_ESP]);
	site = p ? replaced_site(p->site) : NULL;
	if (site && eip == site->va + site->length) {
		set_virtual_if(p->eflags & EFLAGS_IF);
		p->state = PROBE_NONE;
		M->probe_returns = 0;
		for (unsigned i = 0; i < NESTED_PROBES; i++)
			if (M->probe[i].state == PROBE_POPPED)
				M->probe_returns = RETURNS;
	}
	iret_work_update();
}

/* Where control goes by way of a copy's address nobody would find the way back from. */
bool probe_allowed(uint32_t va)
{
	const struct annot_site *site = replaced_site(va);
	struct insn in;

	if (!site)
		return true;
	return decode_insn(site->bytes, site->length, &in) && in.op != OP_IRET &&
	       in.op != OP_JMP_FAR && in.op != OP_CALL_FAR && in.op != OP_RET_FAR;
}
