// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/fast_call.h"

#include "core/paging.h"
#include "core/shadow.h"

/* The second byte: of the one that this host's processor accepts in 32-bit code. */
#define FIRST    0x0f
#define SYSCALL  0x05
#define SYSENTER 0x34

/* Words of the stack that may be addresses of code nearby. */
#define STACK_WORDS 16u

#define MAX_HINTS (R_COUNT + STACK_WORDS)

/* What is further behind a hint than this has nothing to do with it. */
#define NEAR PAGE_SIZE

struct search {
	uint8_t second;
	uint32_t hint[MAX_HINTS];
	unsigned nhints;
	uint32_t last;
	uint32_t best;
	uint64_t distance;
	bool found;
};

static bool intel(void)
{
	return M->ncpuid && M->cpuid[0].leaf == 0 && M->cpuid[0].ebx == 0x756e6547; /* "Genu" */
}

static void add_hint(struct search *s, uint32_t va)
{
	if (va < M->user_top && s->nhints < MAX_HINTS)
		s->hint[s->nhints++] = va;
}

static void consider(struct search *s, uint32_t va)
{
	uint64_t distance = NEAR;

	for (unsigned i = 0; i < s->nhints; i++)
		if (va - s->hint[i] < distance)
			distance = va - s->hint[i];
	/* Near no hint: it may have been long ago. */
	if (distance == NEAR)
		distance += va - s->last;
	if (s->found && distance >= s->distance)
		return;
	s->found = true;
	s->best = va;
	s->distance = distance;
}

static void look_at_page(struct search *s, uint32_t va, uint64_t pa)
{
	const uint8_t *page = physical(pa, PAGE_SIZE);
	uint8_t next;

	if (!page)
		return;
	for (unsigned i = 0; i < PAGE_SIZE - 1; i++)
		if (page[i] == FIRST && page[i + 1] == s->second)
			consider(s, va + i);
	if (page[PAGE_SIZE - 1] == FIRST && guest_peek(va + PAGE_SIZE, &next, 1) &&
	    next == s->second)
		consider(s, va + PAGE_SIZE - 1);
}

bool fast_call_find(uint32_t last, uint32_t *found)
{
	struct search s = {.second = intel() ? SYSENTER : SYSCALL, .last = last};
	uint32_t word;

	/* ECX is lost. */
	for (unsigned i = 0; i < R_COUNT; i++)
		if (i != R_ECX)
			add_hint(&s, V->gpr[i]);
	for (unsigned i = 0; i < STACK_WORDS; i++)
		if (guest_peek(V->gpr[R_ESP] + i * 4, &word, 4))
			add_hint(&s, word);
	for (uint32_t va = 0; shadow_next_page(&va) && va < M->user_top; va += PAGE_SIZE) {
		struct translation t;
		struct exception x;

		if (walk(va, false, true, &t, &x) && !t.no_execute)
			look_at_page(&s, va, t.pa & ~0xfffull);
	}
	*found = s.best;
	return s.found;
}
