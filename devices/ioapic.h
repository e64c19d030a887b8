/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82093AA I/O APIC: 24 pins, version 0x11, for a machine with one processor, which every message
 * goes to whatever its destination field says.
 *
 * Source: Intel 82093AA data sheet (290566), sections 3.1 (memory mapped registers) and 3.2 (IOAPIC
 * registers).
 *
 * Lines are given as asserted or not: the polarity bit is kept and changes nothing. The messages of
 * one call are one message, because those that one event causes differ in nothing but the pin.
 * Departures: an edge that a disabled local APIC refuses is lost; the chip would try again.
 */
#ifndef RING1_DEVICES_IOAPIC_H
#define RING1_DEVICES_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_PINS 24

/* Memory mapped registers */
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10

/* Values of the select register */
#define IOAPIC_ID          0x00
#define IOAPIC_VERSION     0x01
#define IOAPIC_ARBITRATION 0x02
#define IOAPIC_REDIRECTION 0x10 /* + 2 * pin: low half, + 1: high half */

/* Low half of a redirection table entry */
#define IOAPIC_MODE       0x700u
#define IOAPIC_EXTINT     0x700u
#define IOAPIC_ACTIVE_LOW 0x2000u
#define IOAPIC_REMOTE_IRR 0x4000u
#define IOAPIC_LEVEL      0x8000u
#define IOAPIC_MASKED     0x10000u

/* Delivery modes of a message */
#define IOAPIC_FIXED  0
#define IOAPIC_LOWEST 1
#define IOAPIC_NMI    4

/* Any content is safe. */
struct ioapic {
	uint32_t lines; /* bit per pin: asserted */
	uint32_t low[IOAPIC_PINS];
	uint32_t high[IOAPIC_PINS];
	uint32_t id;
	uint8_t select;
};

/* What a call has for the local APIC. The other fields are 0 if there is nothing to send. */
struct ioapic_message {
	bool send;
	bool level;     /* level triggered: ioapic_eoi is to follow */
	uint8_t vector; /* 0..255 */
	uint8_t mode;   /* 0..7 */
};

/* Power-on state: all pins masked, all lines not asserted. */
void ioapic_reset(struct ioapic *ioapic);

/* Read the memory mapped register at `offset`; any other than the two reads 0. */
uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t offset);

/* Write likewise. May send: a pin that is unmasked, or made level triggered, while asserted. */
struct ioapic_message ioapic_write(struct ioapic *ioapic, uint32_t offset, uint32_t value);

/*
 * Drive a line; pins from 24 up are ignored. A level triggered pin sends whenever it is called with
 * the line asserted and no message of that pin waits for its end of interrupt.
 */
struct ioapic_message ioapic_set_irq(struct ioapic *ioapic, unsigned pin, bool level);

/* The local APIC ended a level triggered interrupt. Pins still asserted send again. */
struct ioapic_message ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

/*
 * The local APIC did not accept a level triggered message with this vector: nobody will end it.
 * The next ioapic_set_irq with the line asserted sends again.
 */
void ioapic_refused(struct ioapic *ioapic, uint8_t vector);

/* Does pin 0, where the 8259A pair's INTR is, pass it on to the processor? */
static inline bool ioapic_extint(const struct ioapic *ioapic)
{
	return (ioapic->low[0] & (IOAPIC_MASKED | IOAPIC_MODE)) == IOAPIC_EXTINT;
}

#endif
