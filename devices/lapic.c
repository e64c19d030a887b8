/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/lapic.h"

#define NEVER        UINT64_MAX
#define NO_VECTOR    (-1)
#define FIRST_VECTOR 16 /* lower ones are illegal (10.5.2) */
#define BITS         32

/* Indexes into lvt[] */
#define TIMER 0
#define LINT0 3
#define LINT1 4
#define ERROR 5

#define MODE        0x700u /* delivery mode, of ICR and of local vectors */
#define MODE_FIXED  0x000u
#define MODE_LOWEST 0x100u
#define MODE_NMI    0x400u

#define ICR_LOGICAL   0x800u
#define ICR_SHORTHAND 0xc0000u
#define ICR_TO_SELF   0x40000u
#define ICR_TO_ALL    0x80000u
#define ICR_TO_OTHERS 0xc0000u
#define ICR_WRITABLE  0xccfffu /* all but the reserved bits and the delivery status */

#define SVR_WRITABLE    0x3ffu
#define TPR_WRITABLE    0xffu
#define TOP_BYTE        0xff000000u /* ID, LDR, ICR destination */
#define DFR_ONES        0x0fffffffu
#define DIVIDE_WRITABLE 0x0bu

/* Figure 10-8; bits 12 (delivery status) and 14 (remote IRR) are read-only and stay 0. */
static const uint32_t lvt_writable[LAPIC_LVTS] = {
    0x700ff, /* timer: mask, mode, vector */
    0x107ff, /* thermal: mask, mode, vector */
    0x107ff, /* performance counter */
    0x1a7ff, /* LINT0: also trigger and polarity */
    0x1a7ff, /* LINT1 */
    0x100ff, /* error */
};

static bool enabled(const struct lapic *lapic)
{
	return !lapic->global_off && (lapic->svr & LAPIC_SVR_ENABLE);
}

/* ---- sets of vectors and priorities (10.8.3, 10.8.4) ---- */

static void set_vector(uint32_t set[LAPIC_WORDS], uint8_t vector, bool to)
{
	uint32_t bit = 1u << vector % BITS;

	if (to)
		set[vector / BITS] |= bit;
	else
		set[vector / BITS] &= ~bit;
}

static bool has_vector(const uint32_t set[LAPIC_WORDS], uint8_t vector)
{
	return set[vector / BITS] >> vector % BITS & 1;
}

static int highest(const uint32_t set[LAPIC_WORDS])
{
	for (int i = LAPIC_WORDS - 1; i >= 0; i--) {
		uint32_t word = set[i];

		if (word)
			return i * BITS + BITS - 1 - __builtin_clz(word);
	}
	return NO_VECTOR;
}

/* Priority class of a vector; nothing has the lowest. */
static uint32_t class_of(int vector)
{
	return vector < 0 ? 0 : (uint32_t)vector & 0xf0;
}

static uint32_t processor_priority(const struct lapic *lapic)
{
	uint32_t in_service = class_of(highest(lapic->isr));
	uint32_t task = lapic->tpr & TPR_WRITABLE;

	return (task & 0xf0) >= in_service ? task : in_service;
}

/* 10.6.2.4 of the manuals that still describe arbitration. */
static uint32_t arbitration_priority(const struct lapic *lapic)
{
	uint32_t requested = class_of(highest(lapic->irr));
	uint32_t in_service = class_of(highest(lapic->isr));
	uint32_t task = lapic->tpr & TPR_WRITABLE;
	uint32_t both = task & in_service;

	if ((task & 0xf0) >= requested && (task & 0xf0) > in_service)
		return task;
	return both > requested ? both : requested;
}

/* The vector that the processor would be given now. */
static int deliverable(const struct lapic *lapic)
{
	int vector = highest(lapic->irr);

	return class_of(vector) > (processor_priority(lapic) & 0xf0) ? vector : NO_VECTOR;
}

static void update_output(struct lapic *lapic)
{
	lapic->output = deliverable(lapic) != NO_VECTOR;
}

/* ---- acceptance and errors ---- */

static void raise_local(struct lapic *lapic, unsigned lvt);

/* One error interrupt for all errors until ESR is written (10.5.3). */
static void note_error(struct lapic *lapic, uint32_t error)
{
	bool first = lapic->errors == 0;

	lapic->errors |= error;
	if (first)
		raise_local(lapic, ERROR);
}

static bool accept(struct lapic *lapic, uint8_t vector, bool level_triggered)
{
	if (!enabled(lapic))
		return false;
	if (vector < FIRST_VECTOR) {
		note_error(lapic, LAPIC_ESR_RECV_VECTOR);
		return true;
	}
	set_vector(lapic->irr, vector, true);
	set_vector(lapic->tmr, vector, level_triggered);
	update_output(lapic);
	return true;
}

/* The timer and the error interrupt: always fixed and edge triggered. */
static void raise_local(struct lapic *lapic, unsigned lvt)
{
	if (!(lapic->lvt[lvt] & LAPIC_LVT_MASKED))
		(void)accept(lapic, (uint8_t)lapic->lvt[lvt], false);
}

bool lapic_receive(struct lapic *lapic, uint8_t vector, bool level_triggered)
{
	return accept(lapic, vector, level_triggered);
}

void lapic_receive_nmi(struct lapic *lapic)
{
	if (!lapic->global_off)
		lapic->nmi = 1;
}

void lapic_drive_lint1(struct lapic *lapic)
{
	uint32_t lint1 = lapic->lvt[LINT1];

	if (lapic->global_off) {
		lapic->nmi = 1;
		return;
	}
	if (lint1 & LAPIC_LVT_MASKED)
		return;
	if ((lint1 & MODE) == MODE_NMI)
		lapic->nmi = 1;
	else if ((lint1 & MODE) == MODE_FIXED)
		(void)accept(lapic, (uint8_t)lint1, false);
}

void lapic_edge_lint0(struct lapic *lapic)
{
	if ((lapic->lvt[LINT0] & (LAPIC_LVT_MASKED | MODE)) == MODE_NMI)
		lapic_receive_nmi(lapic);
}

void lapic_raise_timer(struct lapic *lapic)
{
	raise_local(lapic, TIMER);
}

int lapic_acknowledge(struct lapic *lapic)
{
	int vector = deliverable(lapic);

	if (vector == NO_VECTOR) {
		lapic->output = 0;
		return (int)(lapic->svr & 0xff);
	}
	set_vector(lapic->irr, (uint8_t)vector, false);
	set_vector(lapic->isr, (uint8_t)vector, true);
	update_output(lapic);
	return vector;
}

bool lapic_eoi_may_wait(const struct lapic *lapic)
{
	int vector = highest(lapic->isr);

	if (vector == NO_VECTOR || has_vector(lapic->tmr, (uint8_t)vector) ||
	    highest(lapic->irr) != NO_VECTOR)
		return false;
	for (int i = 0; i < LAPIC_WORDS; i++)
		if (lapic->isr[i] != (i == vector / BITS ? 1u << vector % BITS : 0))
			return false;
	return true;
}

static int end_of_interrupt(struct lapic *lapic)
{
	int vector = highest(lapic->isr);

	if (vector == NO_VECTOR) /* of a spurious interrupt, or an ExtINT */
		return LAPIC_NO_EOI;
	set_vector(lapic->isr, (uint8_t)vector, false);
	update_output(lapic);
	return has_vector(lapic->tmr, (uint8_t)vector) ? vector : LAPIC_NO_EOI;
}

/* ---- the timer (10.5.4): one tick is 1 ns, divided ---- */

/* Divide by 2, 4, ... 128, 1, in bits 3, 1 and 0; as a power of two. */
static unsigned tick_shift(const struct lapic *lapic)
{
	uint32_t code = (lapic->timer_divide >> 1 & 4) | (lapic->timer_divide & 3);

	return (code + 1) & 7;
}

static uint64_t ticks_since_start(const struct lapic *lapic, uint64_t now)
{
	return now > lapic->timer_from ? (now - lapic->timer_from) >> tick_shift(lapic) : 0;
}

/* Both bits are reserved, and one-shot as neither is. */
static uint32_t timer_mode(const struct lapic *lapic)
{
	return lapic->lvt[TIMER] & (LAPIC_LVT_PERIODIC | LAPIC_LVT_DEADLINE);
}

static bool deadline_mode(const struct lapic *lapic)
{
	return timer_mode(lapic) == LAPIC_LVT_DEADLINE;
}

/* What a periodic timer starts over with. */
static uint32_t reload(const struct lapic *lapic)
{
	uint32_t shortest = LAPIC_SHORTEST_PERIOD >> tick_shift(lapic);

	return lapic->timer_initial > shortest ? lapic->timer_initial : shortest;
}

static void update_deadline(struct lapic *lapic, uint64_t now)
{
	if (lapic->deadline_tsc == 0 || now < lapic->deadline_ns)
		return;
	lapic->deadline_tsc = 0;
	raise_local(lapic, TIMER);
}

void lapic_set_tsc_deadline(struct lapic *lapic, uint64_t tsc, uint64_t ns)
{
	if (!deadline_mode(lapic))
		return;
	lapic->deadline_tsc = tsc;
	lapic->deadline_ns = ns;
}

uint64_t lapic_tsc_deadline(const struct lapic *lapic)
{
	return deadline_mode(lapic) ? lapic->deadline_tsc : 0;
}

void lapic_update(struct lapic *lapic, uint64_t now)
{
	uint64_t count = lapic->timer_count;
	uint32_t period = reload(lapic);
	uint64_t ticks, past;

	update_deadline(lapic, now);

	if (count == 0)
		return;
	ticks = ticks_since_start(lapic, now);
	if (ticks < count)
		return;
	if (timer_mode(lapic) == LAPIC_LVT_PERIODIC && lapic->timer_initial) {
		past = (ticks - count) / period * period;
		lapic->timer_from += (count + past) << tick_shift(lapic);
		lapic->timer_count = period;
	} else {
		lapic->timer_count = 0;
	}
	raise_local(lapic, TIMER);
}

uint64_t lapic_next_deadline(const struct lapic *lapic)
{
	uint64_t ns = (uint64_t)lapic->timer_count << tick_shift(lapic);

	if ((lapic->lvt[TIMER] & LAPIC_LVT_MASKED) || !enabled(lapic))
		return NEVER;
	if (deadline_mode(lapic))
		return lapic->deadline_tsc ? lapic->deadline_ns : NEVER;
	if (ns == 0)
		return NEVER;
	return lapic->timer_from < NEVER - ns ? lapic->timer_from + ns : NEVER;
}

/* Of a timer that was carried to `now`. */
static uint32_t current_count(const struct lapic *lapic, uint64_t now)
{
	uint64_t ticks = ticks_since_start(lapic, now);
	uint32_t count = ticks < lapic->timer_count ? lapic->timer_count - (uint32_t)ticks : 0;

	/* a period that was drawn out starts with a wait at the initial count */
	return count < lapic->timer_initial ? count : lapic->timer_initial;
}

static void start_timer(struct lapic *lapic, uint32_t initial, uint64_t now)
{
	if (deadline_mode(lapic))
		return;
	lapic->timer_initial = initial;
	lapic->timer_count = initial;
	lapic->timer_from = now;
}

/* A count in progress goes on from where it is, at the new rate. */
static void write_divide(struct lapic *lapic, uint32_t value, uint64_t now)
{
	lapic->timer_count = current_count(lapic, now);
	lapic->timer_from = now;
	lapic->timer_divide = value & DIVIDE_WRITABLE;
}

/* ---- interprocessor interrupts (10.6), with one processor ---- */

/* Message destination, 10.6.2 */
static bool addresses_us(const struct lapic *lapic)
{
	uint32_t to = lapic->icr_high >> 24;
	uint32_t logical = lapic->ldr >> 24;

	switch (lapic->icr_low & ICR_SHORTHAND) {
	case ICR_TO_SELF:
	case ICR_TO_ALL:
		return true;
	case ICR_TO_OTHERS:
		return false;
	default:
		break;
	}
	if (!(lapic->icr_low & ICR_LOGICAL))
		return to == lapic->id >> 24 || to == 0xff;
	if (lapic->dfr >> 28 == 0xf) /* flat model */
		return (to & logical) != 0;
	return (to >> 4 == 0xf || to >> 4 == logical >> 4) && (to & logical & 0xf);
}

static void write_icr(struct lapic *lapic, uint32_t value)
{
	uint8_t vector = (uint8_t)value;
	uint32_t mode = value & MODE;

	lapic->icr_low = value & ICR_WRITABLE;
	if (mode == MODE_NMI && addresses_us(lapic)) /* whatever the vector is, enabled or not */
		lapic_receive_nmi(lapic);
	if (mode != MODE_FIXED && mode != MODE_LOWEST)
		return;
	if (vector < FIRST_VECTOR)
		note_error(lapic, LAPIC_ESR_SEND_VECTOR);
	if (addresses_us(lapic))
		(void)accept(lapic, vector, false);
}

/* ---- registers ---- */

static uint32_t read_register(struct lapic *lapic, uint32_t offset, uint64_t now)
{
	unsigned word = offset >> 4 & (LAPIC_WORDS - 1);

	switch (offset) {
	case LAPIC_ID:
		return lapic->id;
	case LAPIC_VERSION:
		return LAPIC_VERSION_VALUE;
	case LAPIC_TPR:
		return lapic->tpr;
	case LAPIC_APR:
		return arbitration_priority(lapic);
	case LAPIC_PPR:
		return processor_priority(lapic);
	case LAPIC_EOI: /* read by kernels that write it with XCHG */
	case LAPIC_REMOTE_READ:
		return 0;
	case LAPIC_LDR:
		return lapic->ldr;
	case LAPIC_DFR:
		return lapic->dfr;
	case LAPIC_SVR:
		return lapic->svr;
	case LAPIC_ISR ... LAPIC_TMR - 16:
		return lapic->isr[word];
	case LAPIC_TMR ... LAPIC_IRR - 16:
		return lapic->tmr[word];
	case LAPIC_IRR ... LAPIC_ESR - 16:
		return lapic->irr[word];
	case LAPIC_ESR:
		return lapic->esr;
	case LAPIC_ICR_LOW:
		return lapic->icr_low;
	case LAPIC_ICR_HIGH:
		return lapic->icr_high;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		return lapic->lvt[(offset - LAPIC_LVT_TIMER) >> 4];
	case LAPIC_TIMER_INITIAL:
		return lapic->timer_initial;
	case LAPIC_TIMER_CURRENT:
		return current_count(lapic, now);
	case LAPIC_TIMER_DIVIDE:
		return lapic->timer_divide;
	default:
		note_error(lapic, LAPIC_ESR_REGISTER);
		return 0;
	}
}

/* Disabling masks every local vector, and they cannot be unmasked before enabling (10.4.7.2). */
static void write_svr(struct lapic *lapic, uint32_t value)
{
	bool was = enabled(lapic);

	lapic->svr = value & SVR_WRITABLE;
	if (!was || enabled(lapic))
		return;
	for (unsigned i = 0; i < LAPIC_LVTS; i++)
		lapic->lvt[i] |= LAPIC_LVT_MASKED;
}

static void write_lvt(struct lapic *lapic, unsigned lvt, uint32_t value)
{
	bool was = deadline_mode(lapic);

	lapic->lvt[lvt] = value & lvt_writable[lvt];
	if (was != deadline_mode(lapic)) { /* changing to or from it disarms the timer */
		lapic->deadline_tsc = 0;
		lapic->timer_initial = 0;
		lapic->timer_count = 0;
	}
	if (!enabled(lapic))
		lapic->lvt[lvt] |= LAPIC_LVT_MASKED;
}

static void write_esr(struct lapic *lapic)
{
	lapic->esr = lapic->errors;
	lapic->errors = 0;
}

static void write_register(struct lapic *lapic, uint32_t offset, uint32_t value, uint64_t now)
{
	switch (offset) {
	case LAPIC_ID:
		lapic->id = value & TOP_BYTE;
		break;
	case LAPIC_TPR:
		lapic->tpr = value & TPR_WRITABLE;
		update_output(lapic);
		break;
	case LAPIC_LDR:
		lapic->ldr = value & TOP_BYTE;
		break;
	case LAPIC_DFR:
		lapic->dfr = value | DFR_ONES;
		break;
	case LAPIC_SVR:
		write_svr(lapic, value);
		break;
	case LAPIC_ESR:
		write_esr(lapic);
		break;
	case LAPIC_ICR_LOW:
		write_icr(lapic, value);
		break;
	case LAPIC_ICR_HIGH:
		lapic->icr_high = value & TOP_BYTE;
		break;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		write_lvt(lapic, (offset - LAPIC_LVT_TIMER) >> 4, value);
		break;
	case LAPIC_TIMER_INITIAL:
		start_timer(lapic, value, now);
		break;
	case LAPIC_TIMER_DIVIDE:
		write_divide(lapic, value, now);
		break;
	case LAPIC_VERSION:
	case LAPIC_APR:
	case LAPIC_PPR:
	case LAPIC_REMOTE_READ:
	case LAPIC_ISR ... LAPIC_ESR - 16:
	case LAPIC_TIMER_CURRENT:
		break;
	default:
		note_error(lapic, LAPIC_ESR_REGISTER);
		break;
	}
}

/* Registers are 16 bytes apart and only the first four of them exist. */
static bool is_register(uint32_t offset)
{
	return (offset & 15) == 0;
}

uint32_t lapic_read(struct lapic *lapic, uint32_t offset, uint64_t now)
{
	offset &= 0xfff;
	if (lapic->global_off)
		return UINT32_MAX;
	lapic_update(lapic, now);
	if (is_register(offset))
		return read_register(lapic, offset, now);
	note_error(lapic, LAPIC_ESR_REGISTER);
	return 0;
}

int lapic_write(struct lapic *lapic, uint32_t offset, uint32_t value, uint64_t now)
{
	offset &= 0xfff;
	if (lapic->global_off)
		return LAPIC_NO_EOI;
	lapic_update(lapic, now); /* what was due under the old programming */
	if (offset == LAPIC_EOI)
		return end_of_interrupt(lapic);
	if (is_register(offset))
		write_register(lapic, offset, value, now);
	else
		note_error(lapic, LAPIC_ESR_REGISTER);
	return LAPIC_NO_EOI;
}

void lapic_reset(struct lapic *lapic)
{
	*lapic = (struct lapic){.dfr = UINT32_MAX, .svr = 0xff};
	for (unsigned i = 0; i < LAPIC_LVTS; i++)
		lapic->lvt[i] = LAPIC_LVT_MASKED;
	lapic->lvt[LINT0] = LAPIC_MODE_EXTINT;
	lapic->lvt[LINT1] = MODE_NMI;
}

void lapic_set_global(struct lapic *lapic, bool enabled_now)
{
	uint8_t nmi;

	if (enabled_now == !lapic->global_off)
		return;
	nmi = lapic->nmi;
	lapic_reset(lapic);
	lapic->nmi = nmi;
	lapic->global_off = !enabled_now;
}
