// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/spaces.h"

#include "cell/host.h"
#include "core/console.h"
#include "core/debug.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/shadow.h"
#include "core/trace.h"

static uint32_t cell_count(void)
{
	uint32_t n = __atomic_load_n(&M->ncells, __ATOMIC_ACQUIRE);

	return n < MACHINE_MAX_CELLS ? n : MACHINE_MAX_CELLS;
}

/*
 * A victim that was used within this many activations for each cell belongs to what the guest
 * works on now: the pool is too small. One that was not holds a space that is gone or asleep,
 * and page directories of dead processes must not make the pool grow for ever.
 */
#define WORKING_SET_ACTIVATIONS 8u

static uint16_t *hint_of(uint32_t tag)
{
	/* Page directories are pages, with PAE 32 bytes: the multiplication spreads either. */
	return &M->cell_hint[tag * 0x9e3779b1u >> 20];
}

/* Entry @k of the page directory (PAE: pointer table) at @pa, without what is set by using it. */
static uint64_t entry_at(uint64_t pa, uint32_t k)
{
	bool pae = V->cr4 & CR4_PAE;
	const volatile void *p = physical(pa + k * (pae ? 8 : 4), pae ? 8 : 4);

	if (!p)
		return 0;
	return (pae ? *(const volatile uint64_t *)p : *(const volatile uint32_t *)p) &
	       ~(uint64_t)(PTE_A | PTE_D);
}

/* What the tables at @tag say of the kernel's first address, at the level below PAE's pointers. */
static uint64_t kernel_entry(uint32_t tag)
{
	uint64_t e;

	if (!(V->cr4 & CR4_PAE))
		return entry_at(tag, M->user_top >> 22);
	e = entry_at(tag, M->user_top >> 30);
	return e & PTE_P ? entry_at(e & PTE_ADDRESS, M->user_top >> 21 & 511) : 0;
}

/*
 * Has the guest given up the address space that @slot holds? Its directory is something else by
 * now: it maps the kernel neither as it did (programs' tables of a kernel with page-table
 * isolation do not map it at all) nor as the tables of now do. Or it still lies there, without
 * user half: Linux clears what points to page tables when it frees them. A wrong answer costs what
 * filling a cell anew does, and nothing else.
 */
static bool space_gone(const struct cell_slot *slot)
{
	uint32_t user_entries = M->user_top >> (V->cr4 & CR4_PAE ? 30 : 22), tag = slot->tag;
	uint64_t entry;

	/* Where the kernel lives in the user half, that is never empty. */
	if (tag == CELL_NO_TAG || M->mixed_half)
		return false;
	entry = kernel_entry(tag);
	if (entry != slot->kernel_entry && entry != kernel_entry(V->cr3 & ~0x1fu))
		return true;
	/* From the end, where a program has its stack: of those that live the first look is the
	 * last. */
	for (uint32_t k = user_entries; k-- > 0;)
		if (entry_at(tag, k) & PTE_P)
			return false;
	return true;
}

/*
 * The cell of an address space that came lately and is gone, the one that ran last; @n: there is
 * none. The first part of a process, from fork() to exec(), leaves one behind each time. Its
 * kernel half, its host page tables and its state are warm, which an unused cell's are not, nor
 * those of the least recently used: and the next process of the guest is no memory of the host's.
 */
static uint32_t cell_of_gone_space(uint32_t n)
{
	uint32_t best = n;

	if (!fast(FAST_GONE_SPACES))
		return n;
	for (uint32_t k = 0; k < YOUNG_CELLS; k++) {
		uint32_t i = M->young[k];

		if (i < n && (best == n || M->cell[i].last_used > M->cell[best].last_used) &&
		    space_gone(&M->cell[i]))
			best = i;
	}
	return best;
}

/* The least recently used cell but this one; empty cells were never used. */
static uint32_t victim(uint32_t n)
{
	uint32_t best = SELF->number;

	for (uint32_t i = 0; i < n; i++)
		if (i != SELF->number &&
		    (best == SELF->number || M->cell[i].last_used < M->cell[best].last_used))
			best = i;
	return best;
}

static uint32_t choose_cell(uint32_t tag)
{
	uint32_t n = cell_count(), chosen = *hint_of(tag);

	if (M->cell[SELF->number].tag == tag)
		return SELF->number;
	if (chosen < n && M->cell[chosen].tag == tag)
		return chosen;
	for (chosen = 0; chosen < n && M->cell[chosen].tag != tag; chosen++)
		;
	if (chosen == n) {
		COUNT(cell_miss);
		chosen = cell_of_gone_space(n);
		if (chosen < n) {
			COUNT(cell_again);
		} else {
			chosen = victim(n);
			if (M->cell[chosen].tag != CELL_NO_TAG && n < MACHINE_MAX_CELLS &&
			    M->use_clock - M->cell[chosen].last_used < WORKING_SET_ACTIVATIONS * n)
				ring_doorbell(DOORBELL_CELLS);
			M->young[M->young_next++ % YOUNG_CELLS] = (uint16_t)chosen;
		}
		M->cell[chosen].tag = tag;
		M->cell[chosen].kernel_entry = kernel_entry(tag);
	}
	*hint_of(tag) = (uint16_t)chosen;
	return chosen;
}

void load_cr3(uint32_t value)
{
	COUNT(cr3_load);
	TRACE(switches, 0, value, 0);
	V->cr3 = value;
	if (!paging_on())
		return;
	read_pdptes();
	M->next_cell = choose_cell(value & ~0x1fu);
	if (M->next_cell == SELF->number) {
		COUNT(cr3_same);
		shadow_flush();
	}
}

void space_wait(void)
{
	uint32_t *go = &M->cell[SELF->number].go;

	while (!__atomic_load_n(go, __ATOMIC_ACQUIRE))
		host_futex_wait(go, 0, UINT64_MAX);
	__atomic_store_n(go, 0, __ATOMIC_RELAXED);
}

void space_activate(void)
{
	struct cell_slot *slot = &M->cell[SELF->number];

	slot->last_used = ++M->use_clock;
	slot->activations++;
	shadow_activate();
	debug_activate();
	segments_ldt_changed();
	V->load_segments |= LOAD_DATA;
}

#define MXCSR_AT     24 /* in an XSAVE area */
#define MXCSR_RESET  0x1f80u
#define XSTATE_BV_AT 512
#define XSTATE_X87   1u
#define XSTATE_SSE   2u
#define CR4_OSFXSR   0x200u

/*
 * The components of the extended state that the guest's kernel saves and loads for its programs.
 * XCR0 and CR4 of the host are in force, so they can use the others all the same: on a processor
 * that obeyed the guest's they would raise #UD.
 */
static uint64_t kept_by_kernel(void)
{
	if (V->cr4 & CR4_OSXSAVE)
		return M->xcr0 | XSTATE_X87;
	return XSTATE_X87 | (V->cr4 & CR4_OSFXSR ? XSTATE_SSE : 0);
}

/* Another address space: what nobody switches is as after a reset there, and not the last
 * program's. */
static void reset_unkept_state(void)
{
	uint64_t kept = kept_by_kernel(), present;

	__builtin_memcpy(&present, M->xsave + XSTATE_BV_AT, sizeof present);
	present &= kept;
	__builtin_memcpy(M->xsave + XSTATE_BV_AT, &present, sizeof present);
	if (!(kept & XSTATE_SSE))
		__builtin_memcpy(M->xsave + MXCSR_AT, &(uint32_t){MXCSR_RESET}, 4);
}

void hand_over(void)
{
	uint32_t next = M->next_cell;

	if (next >= cell_count()) {
		M->next_cell = SELF->number;
		return;
	}
	COUNT(cell_handover);
	fpu_save();
	reset_unkept_state();
	__atomic_store_n(&M->running, next, __ATOMIC_SEQ_CST);
	__atomic_store_n(&M->cell[next].go, 1, __ATOMIC_SEQ_CST);
	host_futex_wake(&M->cell[next].go);
	space_wait();
	fpu_restore();
	space_activate();
}

void apply_windows(void)
{
	if (M->windows_applied)
		return;
	M->windows_applied = 1;
	for (uint32_t i = 0; i < ANNOT->nwindows && i < ANNOT_MAX_WINDOWS; i++) {
		const struct annot_window *w = &ANNOT->windows[i];
		uint8_t *text = physical(w->va - ANNOT->kernel_base, w->length);

		if (text && w->length <= ANNOT_WINDOW_BYTES)
			__builtin_memcpy(text, w->bytes, w->length);
	}
}
