// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/task.h"

#include "core/emulate.h"
#include "core/interrupt.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/spaces.h"

/* The 32-bit TSS from CR3 on: what a switch saves, but for CR3 and LDT, and loads. */
struct task_state {
	uint32_t cr3, eip, eflags, gpr[R_COUNT];
	uint32_t es, cs, ss, ds, fs, gs, ldt;
};
#define STATE_AT 28 /* offset in the TSS */
#define SAVED_AT 32
#define TSS_SIZE 104

#define IRET_LENGTH 1

#define TYPE_AVAILABLE 0x089u /* present, type 9; in the descriptor's high word, from bit 8 */
#define TYPE_BUSY      0x08bu
#define BUSY           0x200u

static void fill_state(struct task_state *s)
{
	s->eip = V->eip;
	s->eflags = eflags_image();
	for (unsigned i = 0; i < R_COUNT; i++)
		s->gpr[i] = V->gpr[i];
	s->es = V->vsel[SEG_ES];
	s->cs = V->vsel[SEG_CS];
	s->ss = V->vsel[SEG_SS];
	s->ds = V->vsel[SEG_DS];
	s->fs = V->vsel[SEG_FS];
	s->gs = V->vsel[SEG_GS];
}

/* EIP to GS; the processor leaves CR3 and the LDT's selector alone. */
static bool save_state(const struct task_state *s, struct exception *x)
{
	return guest_write(M->tr_base + SAVED_AT, &s->eip,
	                   offsetof(struct task_state, ldt) - offsetof(struct task_state, eip),
	                   false, x);
}

static bool set_busy(uint16_t selector, bool busy, struct exception *x)
{
	uint32_t at = M->gdt_base + (selector & ~7u) + 4, word;

	if (!guest_read(at, &word, 4, false, x))
		return false;
	word = busy ? word | BUSY : word & ~BUSY;
	return guest_write(at, &word, 4, false, x);
}

/* Descriptor and contents of the task to be run. */
static bool find_task(uint16_t selector, uint32_t type, uint8_t vector, struct descriptor *d,
                      struct task_state *s, struct exception *x)
{
	uint32_t error = selector & ~3u;

	if (selector & 4 || !read_descriptor(selector, d) || (d->hi >> 8 & 0x1f) != (type & 0x1f))
		return raise_error(x, vector, error);
	if (!(d->hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, error);
	if (descriptor_limit(*d) < TSS_SIZE - 1)
		return raise_error(x, VECTOR_TS, error);
	return guest_read(descriptor_base(*d) + STATE_AT, s, sizeof *s, false, x);
}

static void load_ldt(uint32_t selector)
{
	struct descriptor d;

	M->ldt_selector = selector;
	M->ldt_base = M->ldt_limit = 0;
	if (selector & 0xfffc && !(selector & 4) && read_descriptor(selector, &d)) {
		M->ldt_base = descriptor_base(d);
		M->ldt_limit = descriptor_limit(d);
	}
	segments_ldt_loaded();
}

/* A fault here is the new task's: reported as #TS with the selector (SDM volume 3, table 8-1). */
static bool as_task_fault(struct exception *x)
{
	if (x->vector == VECTOR_GP)
		x->vector = VECTOR_TS;
	return false;
}

static bool load_segments(const struct task_state *s, struct exception *x)
{
	if ((s->cs & 3) == 3)
		return enter_user(s->cs, s->eip, s->ss, s->gpr[R_ESP], s->eflags, x);
	if (!load_segment(SEG_SS, s->ss, 0, x) || !load_code_segment(s->cs, s->eip, 0, x))
		return as_task_fault(x);
	V->real_kss = V->rsel[SEG_SS];
	return load_segment(SEG_DS, s->ds, 0, x) && load_segment(SEG_ES, s->es, 0, x) &&
	       load_segment(SEG_FS, s->fs, 0, x) && load_segment(SEG_GS, s->gs, 0, x);
}

static bool load_state(uint16_t selector, struct descriptor d, const struct task_state *s,
                       struct exception *x)
{
	M->tr_selector = selector;
	M->tr_base = descriptor_base(d);
	M->tr_limit = descriptor_limit(d);
	V->tss = M->tr_base;
	V->cr0 |= CR0_TS;
	update_user_work();
	if (paging_on() && V->cr3 != s->cr3)
		load_cr3(s->cr3);
	for (unsigned i = 0; i < R_COUNT; i++)
		V->gpr[i] = s->gpr[i];
	V->eip = s->eip;
	set_eflags(s->eflags);
	load_ldt(s->ldt);
	if (!load_segments(s, x))
		return as_task_fault(x);
	/* With the segments of a user task: enter_user() loads SS and CS alone. */
	if ((s->cs & 3) == 3 &&
	    !(load_segment(SEG_DS, s->ds, 3, x) && load_segment(SEG_ES, s->es, 3, x) &&
	      load_segment(SEG_FS, s->fs, 3, x) && load_segment(SEG_GS, s->gs, 3, x)))
		return as_task_fault(x);
	syscall_gate_changed();
	return true;
}

bool task_enter(uint16_t selector, bool has_error, uint32_t error, struct exception *x)
{
	struct task_state old, new;
	uint32_t link = M->tr_selector;
	struct descriptor d;

	fill_state(&old);
	if (!find_task(selector, TYPE_AVAILABLE, VECTOR_GP, &d, &new, x) || !save_state(&old, x) ||
	    !guest_write(descriptor_base(d), &link, 4, false, x) || !set_busy(selector, true, x))
		return false;
	new.eflags |= EFLAGS_NT;
	M->nested_tasks++;
	V->iflag |= IF_IRET_WORK;
	if (!load_state(selector, d, &new, x))
		return false;
	if (!has_error)
		return true;
	V->gpr[R_ESP] -= 4;
	return guest_write(V->gpr[R_ESP], &error, 4, user_mode(), x);
}

bool task_nested(void)
{
	return M->nested_tasks && V->eflags & EFLAGS_NT;
}

bool task_return(struct exception *x)
{
	struct task_state old, new;
	struct descriptor d;
	uint32_t link;

	fill_state(&old);
	old.eip += IRET_LENGTH; /* the task's next activation goes on behind it */
	old.eflags &= ~EFLAGS_NT;
	if (!guest_read(M->tr_base, &link, 4, false, x) ||
	    !find_task(link, TYPE_BUSY, VECTOR_TS, &d, &new, x) || !save_state(&old, x) ||
	    !set_busy(M->tr_selector, false, x))
		return false;
	M->nested_tasks--;
	return load_state(link, d, &new, x);
}
