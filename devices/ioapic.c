/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/ioapic.h"

#define VERSION_VALUE (0x11u | (IOAPIC_PINS - 1u) << 16)
#define LOW_WRITABLE  0x1afffu /* all but delivery status (always idle) and remote IRR */
#define HIGH_WRITABLE 0xff000000u
#define ID_WRITABLE   0x0f000000u

static const struct ioapic_message nothing;

static unsigned mode_of(uint32_t low)
{
	return (low & IOAPIC_MODE) >> 8;
}

/* SMI, NMI, INIT and ExtINT are edge triggered whatever the entry says (3.2.4, DELMOD). */
static bool level_triggered(uint32_t low)
{
	return (low & IOAPIC_LEVEL) && mode_of(low) <= IOAPIC_LOWEST;
}

static struct ioapic_message message(uint32_t low)
{
	return (struct ioapic_message){
	    .send = true,
	    .level = level_triggered(low),
	    .vector = (uint8_t)low,
	    .mode = (uint8_t)mode_of(low),
	};
}

/* What an asserted level triggered pin has to send. */
static struct ioapic_message offer(struct ioapic *ioapic, unsigned pin)
{
	uint32_t low = ioapic->low[pin];

	if (!(ioapic->lines >> pin & 1) || !level_triggered(low))
		return nothing;
	if (low & (IOAPIC_MASKED | IOAPIC_REMOTE_IRR))
		return nothing;
	ioapic->low[pin] |= IOAPIC_REMOTE_IRR;
	return message(low);
}

struct ioapic_message ioapic_set_irq(struct ioapic *ioapic, unsigned pin, bool level)
{
	uint32_t was, bit;

	if (pin >= IOAPIC_PINS)
		return nothing;
	was = ioapic->lines;
	bit = 1u << pin;
	ioapic->lines = level ? was | bit : was & ~bit;
	if (!level || (ioapic->low[pin] & IOAPIC_MASKED))
		return nothing;
	if (level_triggered(ioapic->low[pin]))
		return offer(ioapic, pin);
	return was & bit ? nothing : message(ioapic->low[pin]);
}

static bool waits_for(const struct ioapic *ioapic, unsigned pin, uint8_t vector)
{
	uint32_t low = ioapic->low[pin];

	return level_triggered(low) && (low & IOAPIC_REMOTE_IRR) && (uint8_t)low == vector;
}

void ioapic_refused(struct ioapic *ioapic, uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		if (waits_for(ioapic, pin, vector))
			ioapic->low[pin] &= ~IOAPIC_REMOTE_IRR;
	}
}

struct ioapic_message ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	struct ioapic_message all = nothing;

	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		struct ioapic_message one;

		if (!waits_for(ioapic, pin, vector))
			continue;
		ioapic->low[pin] &= ~IOAPIC_REMOTE_IRR;
		one = offer(ioapic, pin);
		if (one.send)
			all = one;
	}
	return all;
}

/*
 * Remote IRR means something for level triggered entries only: making one edge triggered clears
 * it, by which Linux frees a pin whose end of interrupt got lost.
 */
static struct ioapic_message write_low(struct ioapic *ioapic, unsigned pin, uint32_t value)
{
	uint32_t remote_irr = ioapic->low[pin] & IOAPIC_REMOTE_IRR;

	value &= LOW_WRITABLE;
	ioapic->low[pin] = level_triggered(value) ? value | remote_irr : value;
	return offer(ioapic, pin);
}

static struct ioapic_message write_window(struct ioapic *ioapic, uint32_t value)
{
	unsigned pin = (ioapic->select - (unsigned)IOAPIC_REDIRECTION) / 2;

	if (ioapic->select == IOAPIC_ID)
		ioapic->id = value & ID_WRITABLE;
	if (ioapic->select < IOAPIC_REDIRECTION || pin >= IOAPIC_PINS)
		return nothing;
	if (!(ioapic->select & 1))
		return write_low(ioapic, pin, value);
	ioapic->high[pin] = value & HIGH_WRITABLE;
	return nothing;
}

/* The arbitration ID is loaded with the ID, and there is nobody to arbitrate with. */
static uint32_t read_window(const struct ioapic *ioapic)
{
	unsigned pin = (ioapic->select - (unsigned)IOAPIC_REDIRECTION) / 2;

	switch (ioapic->select) {
	case IOAPIC_ID:
	case IOAPIC_ARBITRATION:
		return ioapic->id;
	case IOAPIC_VERSION:
		return VERSION_VALUE;
	default:
		break;
	}
	if (ioapic->select < IOAPIC_REDIRECTION || pin >= IOAPIC_PINS)
		return 0;
	return ioapic->select & 1 ? ioapic->high[pin] : ioapic->low[pin];
}

uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t offset)
{
	switch (offset) {
	case IOAPIC_SELECT:
		return ioapic->select;
	case IOAPIC_WINDOW:
		return read_window(ioapic);
	default:
		return 0;
	}
}

struct ioapic_message ioapic_write(struct ioapic *ioapic, uint32_t offset, uint32_t value)
{
	if (offset == IOAPIC_SELECT)
		ioapic->select = (uint8_t)value;
	if (offset == IOAPIC_WINDOW)
		return write_window(ioapic, value);
	return nothing;
}

void ioapic_reset(struct ioapic *ioapic)
{
	*ioapic = (struct ioapic){0};
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->low[pin] = IOAPIC_MASKED;
}
