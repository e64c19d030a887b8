/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMI timer of one virtual CPU: three cycle counters and two alarms.
 *
 * Source: "Paravirtualization API Version 2.0" (Amsden, LKML, 2006-03-13), part 3 and the timer
 * calls of part 5; the numbers are those of ROM API 3.0, as in Linux 2.6.21 to 2.6.36.
 *
 * Time is passed in as cycles of the TSC, not as ns: the guest gives absolute expiries in cycles,
 * computed from a counter it has read or from RDTSC itself (Linux scales both with
 * GetCycleFrequency), and ns would round them. So REAL is what the caller passes as `now`.
 * STOLEN is what the caller adds; AVAILABLE is REAL minus STOLEN.
 */
#ifndef RING1_DEVICES_VMITIMER_H
#define RING1_DEVICES_VMITIMER_H

#include <stdbool.h>
#include <stdint.h>

/* Counters */
#define VMITIMER_REAL      0
#define VMITIMER_AVAILABLE 1
#define VMITIMER_STOLEN    2

/* Flags of an alarm; the others mean nothing */
#define VMITIMER_COUNTER  0x000ffu
#define VMITIMER_PERIODIC 0x00100u /* else one-shot */
#define VMITIMER_LVTT     0x10000u /* wired to the local APIC's timer vector, else to IRQ 0 */

/* vmitimer_expired: what to raise */
#define VMITIMER_RAISE_IRQ0 1u
#define VMITIMER_RAISE_LVTT 2u

#define VMITIMER_ALARMS 2 /* one of REAL, one of AVAILABLE */

/* Any content is safe. */
struct vmitimer {
	uint64_t stolen;
	struct {
		uint64_t expiry; /* in cycles of its counter */
		uint64_t period; /* 0: one-shot */
		uint8_t armed;
		uint8_t lvtt;
	} alarm[VMITIMER_ALARMS];
};

/* Nothing stolen, no alarm armed. */
void vmitimer_reset(struct vmitimer *timer);

/* The virtual CPU was ready and did not run for so many cycles. Saturates. */
void vmitimer_add_stolen(struct vmitimer *timer, uint64_t cycles);

/* Value of a counter at `now`; 0 for a number that is none. AVAILABLE is never negative. */
uint64_t vmitimer_counter(const struct vmitimer *timer, uint32_t counter, uint64_t now);

/*
 * VMI_SetAlarm. expiry: absolute, in cycles of the counter in `flags`; period 0 makes it one-shot.
 * Replaces an alarm of that counter that is armed. STOLEN and undefined counters: no effect.
 */
void vmitimer_set(struct vmitimer *timer, uint32_t flags, uint64_t expiry, uint64_t period);

/* VMI_CancelAlarm. Returns 1 if that counter's alarm was armed, else 0. */
unsigned vmitimer_cancel(struct vmitimer *timer, uint32_t flags);

/*
 * Earliest cycle of REAL at which vmitimer_expired can have something, in the past if it has
 * already; UINT64_MAX: none. Time that is stolen meanwhile delays the AVAILABLE alarm, so ask again
 * after waking up.
 */
uint64_t vmitimer_next_deadline(const struct vmitimer *timer);

/*
 * Fire the alarms that are due at `now`. Returns VMITIMER_RAISE_ bits. A periodic alarm that missed
 * periods fires once and goes on with the first expiry after now; a one-shot disarms. Call it only
 * while the virtual CPU runs or to find out whether it may wake up.
 */
unsigned vmitimer_expired(struct vmitimer *timer, uint64_t now);

#endif
