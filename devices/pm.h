/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI fixed hardware: the PM1a event and control blocks and the power management timer, in the
 * places where the FADT (loader/acpi.c) says they are.
 *
 * Source: ACPI specification 2.0c (and 6.5, where this has not changed): 4.8.3.1 (PM1 event
 * grouping), 4.8.3.2 (PM1 control), 4.8.3.3 (timer), 4.8.2.2.1.1 (power button as fixed hardware).
 *
 * The machine is in ACPI mode from the start (the FADT has no SMI command port), so SCI_EN is
 * always 1. It has the power button, the timer and sleeping state S5. There is no global lock of a
 * BIOS, no sleep button, no RTC alarm that wakes, no bus master status: those bits stay 0. A sleep
 * type other than S5's is ignored.
 */
#ifndef RING1_DEVICES_PM_H
#define RING1_DEVICES_PM_H

#include <stdbool.h>
#include <stdint.h>

#define PM_PORTS 16 /* bytes of I/O space the blocks are in */

/* Offsets */
#define PM1_STATUS  0 /* 2 bytes; a 1 that is written clears the bit */
#define PM1_ENABLE  2 /* 2 bytes */
#define PM1_CONTROL 4 /* 2 bytes */
#define PM_TIMER    8 /* 4 bytes, read only */

#define PM_TIMER_HZ 3579545u

/* Bits of status and enable */
#define PM1_TIMER        0x0001u /* bit 31 of the timer changed */
#define PM1_GLOBAL       0x0020u /* a BIOS released the global lock: never; enabling it is kept */
#define PM1_POWER_BUTTON 0x0100u
#define PM1_RTC          0x0400u /* likewise */
/* Bits of control */
#define PM1_SCI_ENABLE   0x0001u
#define PM1_SLEEP_TYPE   0x1c00u
#define PM1_SLEEP_ENABLE 0x2000u

/* SLP_TYPx of soft off, as the \_S5 object of the DSDT has it. */
#define PM_S5_TYPE 5u

/* Any content is safe. */
struct pm {
	uint64_t timer_seen; /* ns up to which PM1_TIMER is accounted for */
	uint16_t status;
	uint16_t enable;
	uint16_t control;
};

/* Power-on state at `now` (guest monotonic ns): nothing enabled, nothing pending. */
void pm_reset(struct pm *pm, uint64_t now);

/* Read one byte of the block, at offset 0..15; reserved ones read 0. */
uint8_t pm_read(struct pm *pm, unsigned offset, uint64_t now);

/* Write one byte likewise. Returns true when this switches the machine off (S5). */
bool pm_write(struct pm *pm, unsigned offset, uint8_t value, uint64_t now);

/* The user presses the power button. */
void pm_press_power_button(struct pm *pm);

/* Does the guest listen to the power button? */
static inline bool pm_heeds_power_button(const struct pm *pm)
{
	return pm->enable & PM1_POWER_BUTTON;
}

/* Account for everything up to `now` and return the level of the SCI. */
bool pm_sci(struct pm *pm, uint64_t now);

/* Absolute ns at which the SCI rises next by itself; UINT64_MAX if it will not. */
uint64_t pm_next_deadline(const struct pm *pm);

#endif
