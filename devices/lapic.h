/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One local APIC, of the only processor of its machine: version 0x14, six local vectors, a timer
 * whose bus clock is 1 GHz.
 *
 * Sources: Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller" (8 in 2006, 10
 * or 11 since): the register map (table 10-1), 10.4.7 (states), 10.5.1 (local vector table),
 * 10.5.3 (errors), 10.5.4 (timer), 10.6 (IPIs), 10.8 (priorities, acceptance, EOI), 10.9 (spurious
 * interrupt).
 *
 * Departures:
 * - Reset leaves what a PC's BIOS leaves: LINT0 is ExtINT and not masked, LINT1 is NMI. While the
 *   APIC is disabled, by the spurious vector register or by the MSR, LINT0 is the processor's INTR
 *   pin, so that a kernel that never heard of an APIC gets its 8259A interrupts.
 * - LINT0 serves ExtINT, from the 8259A pair, and NMI, once for each tick of the PIT that the pair
 * lets through (the watchdog of Linux before 2.6.37, nmi_watchdog=1); other modes of it deliver
 * nothing. There is no SMI, INIT or start-up: such messages vanish, whoever sends them and to whom.
 * - NMI to oneself is taken by any destination that means this processor; the manual allows it with
 * the shorthands for others only (table 10-3).
 * - A periodic timer comes at most every LAPIC_SHORTEST_PERIOD ns, whatever its initial count: one
 *   of a few ns would leave the processor no time for anything else.
 * - The performance counter and the thermal sensor never interrupt.
 */
#ifndef RING1_DEVICES_LAPIC_H
#define RING1_DEVICES_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_VERSION_VALUE 0x00050014u

/* Register offsets */
#define LAPIC_ID            0x020
#define LAPIC_VERSION       0x030
#define LAPIC_TPR           0x080
#define LAPIC_APR           0x090
#define LAPIC_PPR           0x0a0
#define LAPIC_EOI           0x0b0
#define LAPIC_REMOTE_READ   0x0c0
#define LAPIC_LDR           0x0d0
#define LAPIC_DFR           0x0e0
#define LAPIC_SVR           0x0f0
#define LAPIC_ISR           0x100 /* eight registers of 32 vectors each; so are TMR and IRR */
#define LAPIC_TMR           0x180
#define LAPIC_IRR           0x200
#define LAPIC_ESR           0x280
#define LAPIC_ICR_LOW       0x300
#define LAPIC_ICR_HIGH      0x310
#define LAPIC_LVT_TIMER     0x320
#define LAPIC_LVT_THERMAL   0x330
#define LAPIC_LVT_PERF      0x340
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_LVT_ERROR     0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3e0

#define LAPIC_SVR_ENABLE      0x100u
#define LAPIC_LVT_MASKED      0x10000u
#define LAPIC_LVT_PERIODIC    0x20000u
#define LAPIC_LVT_DEADLINE    0x40000u
#define LAPIC_MODE_EXTINT     0x700u
#define LAPIC_ESR_SEND_VECTOR 0x20u
#define LAPIC_ESR_RECV_VECTOR 0x40u
#define LAPIC_ESR_REGISTER    0x80u

#define LAPIC_LVTS  6
#define LAPIC_WORDS 8 /* 256 vectors */

#define LAPIC_SHORTEST_PERIOD 200000u /* ns */

/* lapic_write: nothing to tell the IO-APIC */
#define LAPIC_NO_EOI (-1)

/* Any content is safe. */
struct lapic {
	uint64_t timer_from;    /* ns at which timer_count was the current count */
	uint32_t timer_count;   /* 0: the timer stands */
	uint32_t timer_initial; /* what a periodic timer starts over with */
	uint32_t timer_divide;  /* divide configuration register */
	uint64_t deadline_tsc;  /* TSC-deadline mode: what the register holds, 0: not armed */
	uint64_t deadline_ns;   /* the same as ns */
	uint32_t isr[LAPIC_WORDS];
	uint32_t tmr[LAPIC_WORDS];
	uint32_t irr[LAPIC_WORDS];
	uint32_t lvt[LAPIC_LVTS]; /* by (offset - LAPIC_LVT_TIMER) / 16 */
	uint32_t id;
	uint32_t tpr;
	uint32_t ldr;
	uint32_t dfr;
	uint32_t svr;
	uint32_t icr_low;
	uint32_t icr_high;
	uint32_t esr;       /* as read: the errors up to the last write */
	uint32_t errors;    /* the errors since */
	uint8_t global_off; /* IA32_APIC_BASE bit 11 is clear */
	uint8_t output;     /* a fixed interrupt can be taken, cached */
	uint8_t nmi;        /* one is on its way to the processor; not lost with the rest */
};

/* The state a BIOS leaves (see above), globally enabled, software-disabled, the timer stopped. */
void lapic_reset(struct lapic *lapic);

/*
 * IA32_APIC_BASE bit 11. Clearing it loses the state: then registers read all ones and writes do
 * nothing, until it is set again.
 */
void lapic_set_global(struct lapic *lapic, bool enabled);

/*
 * Read the register at `offset` & 0xfff at `now` (guest ns). Write-only registers read 0; reserved
 * ones too, and note an illegal register access in ESR.
 */
uint32_t lapic_read(struct lapic *lapic, uint32_t offset, uint64_t now);

/*
 * Write likewise. Returns the vector (0..255) whose end of interrupt the IO-APIC must be told of,
 * because a level triggered interrupt was ended, else LAPIC_NO_EOI.
 */
int lapic_write(struct lapic *lapic, uint32_t offset, uint32_t value, uint64_t now);

/*
 * A fixed or lowest priority message of the IO-APIC. Returns false if it was not accepted because
 * the APIC is disabled: the sender keeps a level triggered interrupt then. An illegal vector (below
 * 16) is accepted and noted in ESR.
 */
bool lapic_receive(struct lapic *lapic, uint8_t vector, bool level_triggered);

/* A non-maskable one: taken unless the APIC is globally disabled. */
void lapic_receive_nmi(struct lapic *lapic);

/*
 * The processor's NMI pin, LINT1, is driven: what its local vector says. It is the processor's own
 * pin while the APIC is globally disabled (10.4.3).
 */
void lapic_drive_lint1(struct lapic *lapic);

/* An edge of the 8259A pair's INTR at LINT0: an NMI, if that is the mode of its local vector. */
void lapic_edge_lint0(struct lapic *lapic);

/*
 * The timer in TSC-deadline mode (10.5.4.1): an interrupt when the TSC reaches `tsc`, which is at
 * `ns`, and 0 for none. Without effect in any other mode; reads as 0 then, and when it has expired.
 */
void lapic_set_tsc_deadline(struct lapic *lapic, uint64_t tsc, uint64_t ns);
uint64_t lapic_tsc_deadline(const struct lapic *lapic);

/*
 * Deliver what the timer's local vector says, if it is not masked: for a timer outside of the APIC
 * that is wired to LVTT, as the VMI timer can be.
 */
void lapic_raise_timer(struct lapic *lapic);

/*
 * Carry the timer to `now` (ns): an interrupt if it has expired, one for any number of periods. The
 * reads and writes above do this by themselves.
 */
void lapic_update(struct lapic *lapic, uint64_t now);

/*
 * Absolute ns of the timer's next interrupt: in the past if lapic_update has not been called since,
 * UINT64_MAX if none will come.
 */
uint64_t lapic_next_deadline(const struct lapic *lapic);

/* Does INTR of the 8259A pair reach the processor? */
static inline bool lapic_accepts_extint(const struct lapic *lapic)
{
	uint32_t lint0 = lapic->lvt[(LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER) / 16];

	if (lapic->global_off || !(lapic->svr & LAPIC_SVR_ENABLE))
		return true;
	return (lint0 & (LAPIC_LVT_MASKED | LAPIC_MODE_EXTINT)) == LAPIC_MODE_EXTINT;
}

/* A fixed interrupt above the processor priority waits. A cached byte: ask at every exit. */
static inline bool lapic_intr(const struct lapic *lapic)
{
	return lapic->output != 0;
}

/*
 * May the end of the interrupt in service be told late? Yes if it is the only one, is edge
 * triggered and nothing is requested: then nobody waits for it.
 */
bool lapic_eoi_may_wait(const struct lapic *lapic);

/*
 * The processor takes the interrupt: returns its vector, 16..255, and puts it in service. With
 * nothing to take it is the spurious vector (0..255), and nothing is in service for it.
 */
int lapic_acknowledge(struct lapic *lapic);

#endif
