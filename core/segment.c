// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/segment.h"

#include "cell/host.h"
#include "core/emulate.h"
#include "core/low.h"
#include "core/paging.h"

#define TLS_FIRST 6u
#define TLS_LAST  8u

/* Flat 4 GiB, DPL 3: code, and data for selectors whose base is set by WRFSBASE/WRGSBASE. */
#define FLAT_CODE_LO 0x0000ffffu
#define FLAT_CODE_HI 0x00cffb00u
#define FLAT_DATA_LO 0x0000ffffu
#define FLAT_DATA_HI 0x00cff300u

static unsigned index_of(uint32_t selector)
{
	return selector >> 3;
}

static bool is_null(uint32_t selector)
{
	return !(selector & 0xfffc);
}

static bool is_tls(uint32_t selector)
{
	return !(selector & 4) && index_of(selector) >= TLS_FIRST && index_of(selector) <= TLS_LAST;
}

static bool in_bank(uint32_t real, unsigned bank)
{
	return real & 4 && index_of(real) >= bank && index_of(real) < bank + GDT_ENTRIES;
}

static uint32_t descriptor_address(uint16_t selector)
{
	return (selector & 4 ? M->ldt_base : M->gdt_base) + (selector & ~7u);
}

bool read_descriptor(uint16_t selector, struct descriptor *d)
{
	uint32_t limit = selector & 4 ? M->ldt_limit : M->gdt_limit;
	struct exception x;

	if ((selector | 7u) > limit)
		return false;
	return guest_read(descriptor_address(selector), d, 8, false, &x);
}

static bool is_flat_code(struct descriptor d)
{
	return d.hi & DESC_CODE && !descriptor_base(d) && descriptor_limit(d) == 0xffffffff &&
	       d.hi & 0x400000;
}

/* Has the guest put something of its own into LDT entry @index? */
static bool guest_ldt_has(unsigned index)
{
	struct descriptor d;

	return M->ldt_base && read_descriptor(index << 3 | 4, &d) && (d.lo | d.hi);
}

/*
 * The host slot of TLS entry @index (GDT entries 6, 7, 8). Programs compute the entry's number
 * from %gs, so it is the slot of the same number, unless the guest's own LDT uses that.
 */
static unsigned tls_slot(unsigned index)
{
	return guest_ldt_has(index) ? LDT_TLS_ALTERNATIVE + index - TLS_FIRST : index;
}

static bool is_tls_alternative(unsigned slot)
{
	return slot >= LDT_TLS_ALTERNATIVE && slot <= LDT_TLS_ALTERNATIVE + TLS_LAST - TLS_FIRST;
}

/* Without WRFSBASE/WRGSBASE the base must be in the descriptor. */
static bool tls_content(unsigned index, struct descriptor *d)
{
	if (!M->have_fsgsbase)
		return read_descriptor(index << 3 | 3, d);
	*d = (struct descriptor){FLAT_DATA_LO, FLAT_DATA_HI};
	return true;
}

/* The user half's end, for a data segment that would reach beyond it (design.md, 2). */
static struct descriptor confine(struct descriptor d)
{
	uint32_t base = descriptor_base(d), limit = descriptor_limit(d), pages;

	if (d.hi & (DESC_CODE | DESC_EXPAND_DOWN))
		return d;
	if ((uint64_t)base + limit < M->user_top)
		return d;
	/* Thread-local storage reaches below its base by wrapping around: leave it whole. */
	if (base && limit == 0xffffffff)
		return d;
	if (base >= M->user_top) {
		d.lo &= 0xffff0000u;
		d.hi &= ~0x8f0000u;
		return d;
	}
	pages = (M->user_top - base - 1) >> 12;
	d.lo = (d.lo & 0xffff0000u) | (pages & 0xffff);
	d.hi = (d.hi & ~0x0f0000u) | (pages & 0xf0000) | 0x800000;
	return d;
}

/* The host accepts no conforming code; nothing distinguishes it at a single privilege level. */
static struct descriptor acceptable(struct descriptor d)
{
	if (d.hi & DESC_CODE)
		d.hi &= ~DESC_CONFORMING;
	return d;
}

/* What the host LDT must hold in @slot. False: the guest has nothing there. */
static bool slot_content(unsigned slot, struct descriptor *d)
{
	if (low_descriptor(slot, &d->lo, &d->hi))
		return true;
	if (slot == LDT_FLAT_CODE) {
		*d = (struct descriptor){FLAT_CODE_LO, FLAT_CODE_HI};
		return true;
	}
	if (slot >= LDT_USER_BANK && slot < LDT_USER_BANK + GDT_ENTRIES) {
		*d = confine((struct descriptor){V->ksel[slot - LDT_USER_BANK].lo,
		                                 V->ksel[slot - LDT_USER_BANK].hi});
	} else if (slot >= LDT_KERNEL_BANK && slot < LDT_KERNEL_BANK + GDT_ENTRIES) {
		*d = (struct descriptor){V->ksel[slot - LDT_KERNEL_BANK].lo,
		                         V->ksel[slot - LDT_KERNEL_BANK].hi};
	} else if (is_tls_alternative(slot)) {
		if (!tls_content(slot - LDT_TLS_ALTERNATIVE + TLS_FIRST, d))
			return false;
	} else if (slot >= TLS_FIRST && slot <= TLS_LAST && !guest_ldt_has(slot)) {
		if (!tls_content(slot, d))
			return false;
	} else if (slot < LDT_TLS_ALTERNATIVE) {
		if (!M->ldt_base || !read_descriptor(slot * 8 | 7, d))
			return false;
		*d = confine(*d);
	} else {
		return false;
	}
	*d = acceptable(*d);
	/* LAR and LSL know of a segment that is not present; loading it is #NP. */
	return d->hi & DESC_S && (d->hi & DESC_PRESENT || slot < LDT_TLS_ALTERNATIVE);
}

/* Bring one slot of this cell's LDT up to date. Returns whether it had to be written. */
static bool refresh_slot(unsigned slot)
{
	struct descriptor d;

	if (slot >= LDT_SLOTS || !slot_content(slot, &d))
		return false;
	if (SELF->ldt[slot].lo == d.lo && SELF->ldt[slot].hi == d.hi)
		return false;
	if (!host_write_ldt(slot, d.lo, d.hi))
		return false;
	SELF->ldt[slot].lo = d.lo;
	SELF->ldt[slot].hi = d.hi;
	return true;
}

static void remember_descriptor(unsigned index, struct descriptor d)
{
	struct selector_cache *c = &V->ksel[index];

	if (c->lo == d.lo && c->hi == d.hi)
		return;
	c->lo = d.lo;
	c->hi = d.hi;
	c->real = SELECTOR_UNKNOWN;
	M->ldt_generation++;
}

/* The host selector for a guest selector that passed the checks. */
static uint32_t real_selector(enum seg seg, uint16_t selector, struct descriptor d, unsigned cpl)
{
	unsigned index = index_of(selector);

	if (is_null(selector))
		return selector & 3;
	if (seg == SEG_CS && is_flat_code(d))
		return REAL_CS;
	if (selector & 4) {
		if (cpl || seg != SEG_SS)
			return selector | 7;
		/* User mode is told by SS, and the ROM needs a flat one: as entry 0, which no GDT
		 * has. */
		index = 0;
		d = (struct descriptor){FLAT_DATA_LO, FLAT_DATA_HI};
	}
	if (is_tls(selector) && (seg == SEG_FS || seg == SEG_GS))
		return LDT_SELECTOR(tls_slot(index));
	remember_descriptor(index, d);
	if (cpl)
		return LDT_SELECTOR(LDT_USER_BANK + index);
	if (!is_tls(selector))
		V->ksel[index].real = LDT_SELECTOR(LDT_KERNEL_BANK + index);
	return LDT_SELECTOR(LDT_KERNEL_BANK + index);
}

/* May user mode not have it, so that IRET there takes it away (SDM volume 2, IRET)? */
static bool is_private(struct descriptor d)
{
	return d.hi & DESC_PRESENT && descriptor_dpl(d) < 3 &&
	       !(d.hi & DESC_CODE && d.hi & DESC_CONFORMING);
}

/*
 * The ROM's IRET tells the kernel's data segments from user mode's by the slot they are in. One
 * of the LDT, or of a thread area, is in the same slot for both: while FS or GS may hold such a
 * one of the kernel's own, the core looks at each return. (DS and ES are the ROM's flat ones, or
 * the core returns.)
 */
static void note_private(enum seg seg, struct descriptor d)
{
	if ((seg != SEG_FS && seg != SEG_GS) || is_null(V->vsel[seg]) ||
	    in_bank(V->rsel[seg], LDT_KERNEL_BANK) || !is_private(d))
		return;
	M->private_segment = 1;
	update_user_work();
}

static void set_segment(enum seg seg, uint16_t selector, struct descriptor d, unsigned cpl)
{
	V->vsel[seg] = selector;
	if (!cpl && (seg == SEG_CS || seg == SEG_SS)) {
		V->vsel[seg] = (selector & ~3u) | M->kernel_rpl;
		M->kernel_selector[seg == SEG_SS] = V->vsel[seg];
	}
	V->rsel[seg] = real_selector(seg, selector, d, cpl);
	M->hidden[seg].base = is_null(selector) ? 0 : descriptor_base(d);
	M->hidden[seg].limit = is_null(selector) ? 0 : descriptor_limit(d);
	M->hidden[seg].rights = is_null(selector) ? 0 : d.hi;
	V->load_segments |= seg == SEG_CS || seg == SEG_SS ? LOAD_BY_IRET : LOAD_DATA;
	if (!cpl)
		note_private(seg, d);
}

/* The processor sets the accessed bit of what it loads (SDM volume 3, 3.4.5.1). */
static void mark_accessed(uint16_t selector, struct descriptor *d)
{
	struct exception x;

	if (d->hi & DESC_ACCESSED)
		return;
	d->hi |= DESC_ACCESSED;
	guest_write(descriptor_address(selector) + 4, &d->hi, 4, false, &x);
}

static bool check_stack(uint16_t selector, struct descriptor d, unsigned cpl, struct exception *x)
{
	/* A VMI kernel's selectors name ring 0 or its own ring, as it likes. */
	bool kernel_ring = !cpl && (selector & 3u) == M->kernel_rpl;

	if (((selector & 3u) != cpl && !kernel_ring) || descriptor_dpl(d) != cpl ||
	    !(d.hi & DESC_S) || d.hi & DESC_CODE || !(d.hi & DESC_RW))
		return raise_error(x, VECTOR_GP, selector & ~3u);
	if (!(d.hi & DESC_PRESENT))
		return raise_error(x, VECTOR_SS, selector & ~3u);
	return true;
}

static bool check_data(uint16_t selector, struct descriptor d, unsigned cpl, struct exception *x)
{
	bool conforming = d.hi & DESC_CODE && d.hi & DESC_CONFORMING;
	unsigned privilege = (selector & 3u) > cpl ? selector & 3u : cpl;

	if (!(d.hi & DESC_S) || (d.hi & DESC_CODE && !(d.hi & DESC_RW)) ||
	    (!conforming && privilege > descriptor_dpl(d)))
		return raise_error(x, VECTOR_GP, selector & ~3u);
	if (!(d.hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, selector & ~3u);
	return true;
}

bool load_segment(enum seg seg, uint16_t selector, unsigned cpl, struct exception *x)
{
	struct descriptor d = {0};

	if (is_null(selector)) {
		if (seg == SEG_SS)
			return raise_error(x, VECTOR_GP, 0);
		set_segment(seg, selector, d, cpl);
		return true;
	}
	if (!read_descriptor(selector, &d) ||
	    index_of(selector) >= (selector & 4 ? LDT_TLS_ALTERNATIVE : GDT_ENTRIES))
		return raise_error(x, VECTOR_GP, selector & ~3u);
	if (!(seg == SEG_SS ? check_stack(selector, d, cpl, x) : check_data(selector, d, cpl, x)))
		return false;
	mark_accessed(selector, &d);
	set_segment(seg, selector, d, cpl);
	return true;
}

void clear_segment(enum seg seg)
{
	set_segment(seg, 0, (struct descriptor){0}, 3);
}

bool check_code_segment(uint16_t selector, uint32_t eip, unsigned cpl, struct descriptor *d,
                        struct exception *x)
{
	if (is_null(selector) || !read_descriptor(selector, d) ||
	    index_of(selector) >= (selector & 4 ? LDT_TLS_ALTERNATIVE : GDT_ENTRIES))
		return raise_error(x, VECTOR_GP, selector & ~3u);
	if ((d->hi & (DESC_S | DESC_CODE)) != (DESC_S | DESC_CODE) ||
	    (d->hi & DESC_CONFORMING ? descriptor_dpl(*d) > cpl : descriptor_dpl(*d) != cpl))
		return raise_error(x, VECTOR_GP, selector & ~3u);
	if (!(d->hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, selector & ~3u);
	return eip <= descriptor_limit(*d) || raise_error(x, VECTOR_GP, 0);
}

bool load_code_segment(uint16_t selector, uint32_t eip, unsigned cpl, struct exception *x)
{
	struct descriptor d;

	if (!check_code_segment(selector, eip, cpl, &d, x))
		return false;
	mark_accessed(selector, &d);
	set_segment(SEG_CS, cpl ? selector | cpl : selector, d, cpl);
	return true;
}

static void user_data_segment(enum seg seg)
{
	uint32_t real = V->rsel[seg], selector = V->vsel[seg];
	unsigned index = index_of(real) - LDT_KERNEL_BANK;
	bool kernel_bank = in_bank(real, LDT_KERNEL_BANK);
	struct descriptor d = {0, M->hidden[seg].rights};

	if (kernel_bank)
		d = (struct descriptor){V->ksel[index].lo, V->ksel[index].hi};
	else if (is_null(selector) || !(selector & 4 || is_tls(selector)))
		return;
	if (is_private(d)) {
		V->vsel[seg] = V->rsel[seg] = 0;
		M->hidden[seg].base = 0;
	} else if (kernel_bank) {
		V->rsel[seg] = LDT_SELECTOR(LDT_USER_BANK + index);
	} else if (is_tls(selector)) {
		return;
	}
	V->load_segments |= LOAD_DATA;
}

void segments_enter_user(void)
{
	user_data_segment(SEG_DS);
	user_data_segment(SEG_ES);
	user_data_segment(SEG_FS);
	user_data_segment(SEG_GS);
	if (M->private_segment) {
		M->private_segment = 0;
		update_user_work();
	}
}

uint16_t selector_of_real(uint32_t real)
{
	unsigned slot = index_of(real);

	if (!(real & 4))
		return is_null(real) ? real : real | 3; /* a literal of the guest's GDT */
	if (in_bank(real, LDT_USER_BANK))
		return (slot - LDT_USER_BANK) << 3 | 3;
	if (in_bank(real, LDT_KERNEL_BANK)) {
		unsigned index = slot - LDT_KERNEL_BANK;

		return index << 3 | (V->ksel[index].hi >> 13 & 3);
	}
	if (is_tls_alternative(slot))
		return (slot - LDT_TLS_ALTERNATIVE + TLS_FIRST) << 3 | 3;
	if (slot >= TLS_FIRST && slot <= TLS_LAST && !guest_ldt_has(slot))
		return slot << 3 | 3;
	return real;
}

/* User code loaded @real natively. True: it was a host selector, and has been replaced. */
static bool adopt(enum seg seg, uint32_t real)
{
	uint16_t selector = selector_of_real(real);
	struct exception x;

	if (real == 0) {
		set_segment(seg, 0, (struct descriptor){0}, 3);
		return false;
	}
	if (!load_segment(seg, selector, virtual_cpl(), &x)) {
		/* Hardware would have refused the load; the value that was there is gone. */
		set_segment(seg, 0, (struct descriptor){0}, 3);
		COUNT(foreign_segment);
		return true;
	}
	if (V->rsel[seg] == real && !is_tls(selector))
		return false;
	COUNT(foreign_segment);
	return true;
}

/* User code is in @real, natively: remember what the guest calls it and what it means. */
static void note_user_segment(enum seg seg, uint32_t real, uint16_t selector)
{
	struct descriptor d = {0};

	V->rsel[seg] = real;
	V->vsel[seg] = selector;
	read_descriptor(selector, &d);
	M->hidden[seg].base = descriptor_base(d);
	M->hidden[seg].limit = descriptor_limit(d);
	M->hidden[seg].rights = d.hi;
}

void segments_note_mode(void)
{
	uint32_t ss = V->hw[SEG_SS], cs = V->hw[SEG_CS];

	if (ss != V->rsel[SEG_SS]) {
		V->rsel[SEG_SS] = ss;
		if (!real_ss_is_kernel(ss))
			note_user_segment(SEG_SS, ss, ss & 4 ? selector_of_real(ss) : V->user_ss);
	}
	if (cs != V->rsel[SEG_CS]) {
		V->rsel[SEG_CS] = cs & 4 ? cs : REAL_CS;
		if (user_mode())
			note_user_segment(SEG_CS, V->rsel[SEG_CS],
			                  cs & 4 && cs != REAL_CS ? selector_of_real(cs)
			                                          : V->user_cs);
	}
}

/*
 * User code that loads a thread area's selector again, as it does to restore the register, gets the
 * slot's base of 0.
 */
static bool lost_base(enum seg seg, uint64_t base)
{
	unsigned slot = index_of(V->rsel[seg]);

	if (!is_tls(V->vsel[seg]) || !(V->rsel[seg] & 4) ||
	    slot != tls_slot(index_of(V->vsel[seg])) || base == segment_base(seg))
		return false;
	V->load_segments |= LOAD_DATA;
	return true;
}

bool segments_sync(void)
{
	static const uint8_t data[4] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
	bool repaired = false;

	for (unsigned i = 0; i < 4; i++)
		if (V->hw[data[i]] != V->rsel[data[i]])
			repaired |= adopt(data[i], V->hw[data[i]]);
	if (M->have_fsgsbase) {
		repaired |= lost_base(SEG_FS, read_fs_base());
		repaired |= lost_base(SEG_GS, read_gs_base());
	}
	return repaired;
}

bool segment_fault_is_ours(uint32_t error)
{
	return error & 4 && refresh_slot(error >> 3 & 0x1fff);
}

/* May DS, ES, FS and GS be loaded from the slot as it is now? All run at the lowest privilege. */
static bool loadable(unsigned slot)
{
	struct descriptor d = {SELF->ldt[slot].lo, SELF->ldt[slot].hi};

	return (d.hi & (DESC_S | DESC_PRESENT)) == (DESC_S | DESC_PRESENT) &&
	       (!(d.hi & DESC_CODE) || d.hi & DESC_RW);
}

/* What a segment register holds, as a descriptor. */
static struct descriptor hidden_descriptor(enum seg seg)
{
	uint32_t base = M->hidden[seg].base, rights = M->hidden[seg].rights;
	uint32_t limit = M->hidden[seg].limit >> (rights & DESC_PAGES ? 12 : 0);

	return (struct descriptor){base << 16 | (limit & 0xffff),
	                           (base & 0xff000000u) | (base >> 16 & 0xff) |
	                               (rights & 0xf0ff00u) | (limit & 0xf0000u)};
}

/* What the descriptor of CS or SS must be for IRETQ to load it. */
static uint32_t type_in_force(enum seg seg)
{
	return DESC_S | DESC_PRESENT | (seg == SEG_CS ? DESC_CODE : DESC_RW);
}

/* Can IRETQ load CS or SS as the LDT is? */
static bool in_order(enum seg seg)
{
	unsigned slot = index_of(V->rsel[seg]);
	uint32_t type = type_in_force(seg);

	return !(V->rsel[seg] & 4) || slot >= LDT_SLOTS ||
	       (SELF->ldt[slot].hi & (type | DESC_CODE)) == type;
}

/*
 * CS and SS cannot be NULL: where the table has something else now, put back what is in force.
 * Another register that shares the slot sees it too, which no guest has been seen to mind.
 */
static void keep_loaded(enum seg seg)
{
	unsigned slot = index_of(V->rsel[seg]);
	struct ldt_slot *have = &SELF->ldt[slot];
	uint32_t type = type_in_force(seg);
	struct descriptor d;

	if (in_order(seg))
		return;
	d = hidden_descriptor(seg);
	d.hi = (d.hi & ~DESC_CODE) | type;
	d = acceptable(in_bank(V->rsel[seg], LDT_KERNEL_BANK) ? d : confine(d));
	if (!host_write_ldt(slot, d.lo, d.hi))
		stop_guest(STOP_INTERNAL, "the host refuses the descriptor of CS or SS");
	have->lo = d.lo;
	have->hi = d.hi;
}

/* GS is about to be loaded: see vcpu.gs_area. */
static void note_thread_area(void)
{
	uint16_t selector = V->vsel[SEG_GS];
	struct descriptor d = hidden_descriptor(SEG_GS);

	V->gs_area = SELECTOR_UNKNOWN;
	if (!fast(FAST_SAME_AREA) || !(V->load_segments & LOAD_DATA) || user_mode() ||
	    is_null(selector) || !is_tls(selector) ||
	    V->rsel[SEG_GS] != LDT_SELECTOR(tls_slot(index_of(selector))))
		return;
	V->gs_area_lo = d.lo;
	V->gs_area_hi = d.hi;
	V->gs_area = selector;
}

/*
 * A change of mode alone, as exceptions and their returns are: the data segments stay as they are.
 * False: the LDT had to be written, at which the host loads them again, with bases of the LDT's.
 */
static bool prepare_for_iret(void)
{
	if (V->load_segments != LOAD_BY_IRET || SELF->ldt_seen != M->ldt_generation)
		return false;
	for (enum seg seg = SEG_CS; seg <= SEG_SS; seg++)
		if ((V->rsel[seg] & 4 && refresh_slot(index_of(V->rsel[seg]))) || !in_order(seg))
			V->load_segments |= LOAD_DATA;
	if (V->load_segments & LOAD_DATA)
		return false;
	V->load_segments = 0;
	return true;
}

void segments_prepare(void)
{
	static const uint8_t data[4] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

	if (prepare_for_iret())
		return;
	for (unsigned i = 0; i < SEG_COUNT; i++)
		if (V->rsel[i] & 4 && refresh_slot(index_of(V->rsel[i])))
			V->load_segments |= LOAD_DATA;
	/*
	 * A processor keeps what was loaded when the table changes. Here it is loaded again: what
	 * cannot be is NULL then, as VMI has it (Part 2.1).
	 */
	for (unsigned i = 0; i < sizeof data; i++)
		if (V->rsel[data[i]] & 4 && !loadable(index_of(V->rsel[data[i]]))) {
			V->rsel[data[i]] = 0;
			V->load_segments |= LOAD_DATA;
		}
	keep_loaded(SEG_CS);
	keep_loaded(SEG_SS);
	SELF->ldt_seen = M->ldt_generation;
	V->fs_base = segment_base(SEG_FS);
	V->gs_base = segment_base(SEG_GS);
	note_thread_area();
	V->load_segments &= LOAD_DATA;
}

/* Fill a slot, or empty it: user code must not go on loading what is no longer there. */
static void bring_slot(unsigned slot)
{
	struct ldt_slot *have = &SELF->ldt[slot];
	struct descriptor d;

	if (slot_content(slot, &d))
		refresh_slot(slot);
	else if ((have->lo | have->hi) && host_write_ldt(slot, 0, 0))
		have->lo = have->hi = 0;
}

/* The part of the guest's LDT that has slots; what is beyond its limit, or unreadable, is 0. */
static void read_guest_ldt(struct ldt_slot *entries)
{
	uint32_t size = LDT_TLS_ALTERNATIVE * sizeof *entries;

	__builtin_memset(entries, 0, size);
	if (!M->ldt_base)
		return;
	if (M->ldt_limit < size - 1)
		size = (M->ldt_limit + 1) & ~7u;
	if (!guest_peek(M->ldt_base, entries, size))
		__builtin_memset(entries, 0, size);
}

/*
 * Bring the slots made from the guest's LDT up to date with it, also those that nothing was
 * loaded from yet: LAR and LSL do not fault. Returns whether the table has changed.
 */
static bool follow_guest_ldt(void)
{
	struct ldt_slot now[LDT_TLS_ALTERNATIVE];
	bool changed = false;

	read_guest_ldt(now);
	for (unsigned slot = 0; slot < LDT_TLS_ALTERNATIVE; slot++) {
		struct ldt_slot *seen = &SELF->guest_ldt[slot];

		if (seen->lo == now[slot].lo && seen->hi == now[slot].hi)
			continue;
		*seen = now[slot];
		bring_slot(slot);
		changed = true;
	}
	if (!changed)
		return false;
	for (enum seg seg = SEG_FS; seg <= SEG_GS; seg++)
		if (is_tls(V->vsel[seg]) && !is_null(V->rsel[seg]))
			V->rsel[seg] = LDT_SELECTOR(tls_slot(index_of(V->vsel[seg])));
	V->load_segments |= LOAD_DATA;
	return true;
}

void segments_ldt_changed(void)
{
	if (!SELF->ldt_guest_base && !M->ldt_base)
		return;
	follow_guest_ldt();
	/* A thread area may have changed while another cell ran. */
	for (unsigned slot = TLS_FIRST; slot <= TLS_LAST; slot++)
		if (SELF->ldt[slot].lo | SELF->ldt[slot].hi)
			bring_slot(slot);
	SELF->ldt_guest_base = M->ldt_base;
	V->load_segments |= LOAD_DATA;
}

void segments_ldt_loaded(void)
{
	segments_ldt_changed();
	M->ldt_unproven = M->ldt_base != 0;
	update_user_work();
}

void segments_ldt_look(void)
{
	if (!M->ldt_base || !(M->ldt_unproven || M->ldt_in_place))
		return;
	M->ldt_unproven = 0;
	if (follow_guest_ldt())
		M->ldt_in_place = 1;
	update_user_work();
}

void segments_table_changed(void)
{
	for (unsigned i = 0; i < GDT_ENTRIES; i++)
		V->ksel[i].real = SELECTOR_UNKNOWN;
	V->gdt_base = M->gdt_base;
	V->gdt_limit = M->gdt_limit;
}

/*
 * The descriptor of a segment in use that the hidden part is no good for: the ROM loads GDT
 * segments from the cache, and the flat code segment, without telling the core.
 */
static bool bank_descriptor(enum seg seg, struct descriptor *d)
{
	uint32_t real = V->rsel[seg];
	unsigned index = (index_of(real) - LDT_KERNEL_BANK) % GDT_ENTRIES;

	if (real == REAL_CS) {
		*d = (struct descriptor){FLAT_CODE_LO, FLAT_CODE_HI};
		return true;
	}
	if (!in_bank(real, LDT_KERNEL_BANK) && !in_bank(real, LDT_USER_BANK))
		return false;
	*d = (struct descriptor){V->ksel[index].lo, V->ksel[index].hi};
	return true;
}

uint32_t segment_base(enum seg seg)
{
	uint32_t base;
	struct descriptor d;

	if (low_base(V->rsel[seg], &base))
		return base;
	if (bank_descriptor(seg, &d))
		return descriptor_base(d);
	return is_null(V->vsel[seg]) ? 0 : M->hidden[seg].base;
}

bool segment_is_big(enum seg seg)
{
	struct descriptor d;

	if (bank_descriptor(seg, &d))
		return d.hi & DESC_BIG;
	return M->hidden[seg].rights & DESC_BIG;
}

bool segment_allows(enum seg seg, uint32_t offset, uint32_t n)
{
	uint32_t limit = M->hidden[seg].limit, rights = M->hidden[seg].rights;
	uint32_t last = offset + n - 1;
	struct descriptor d;

	if (bank_descriptor(seg, &d)) {
		limit = descriptor_limit(d);
		rights = d.hi;
	} else if (is_null(V->vsel[seg])) {
		return false;
	}
	if ((rights & (DESC_CODE | DESC_EXPAND_DOWN)) == DESC_EXPAND_DOWN)
		return offset > limit && last >= offset &&
		       last <= (rights & DESC_BIG ? 0xffffffffu : 0xffffu);
	return last <= limit && (last >= offset || limit == 0xffffffff);
}

bool segment_access(enum seg seg, uint32_t offset, uint32_t n, bool write, struct exception *x)
{
	uint32_t rights = M->hidden[seg].rights;
	struct descriptor d;

	if (bank_descriptor(seg, &d))
		rights = d.hi;
	if (segment_allows(seg, offset, n) &&
	    (rights & DESC_CODE ? !write && rights & DESC_RW : !write || rights & DESC_RW))
		return true;
	return raise_error(x, seg == SEG_SS ? VECTOR_SS : VECTOR_GP, 0);
}

void segments_reset(void)
{
	static const uint8_t data[5] = {SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS};
	struct exception x;

	segments_table_changed();
	V->user_cs = SELECTOR_UNKNOWN; /* of which no IRET is the ROM's */
	V->gs_area = SELECTOR_UNKNOWN;
	load_code_segment(0x10, 0, 0, &x);
	for (unsigned i = 0; i < 5; i++)
		load_segment(data[i], 0x18, 0, &x);
}
