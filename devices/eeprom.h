/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A serial EEPROM 93C46: 64 words of 16 bits behind four wires.
 *
 * Source: Microchip 93C46 data sheet, "Instruction Set" and "Functional Description". An
 * instruction is a start bit, two bits of operation and six of address, each taken at a rise of the
 * clock while the chip is selected. What is written is there at once: it is never seen busy.
 */
#ifndef RING1_DEVICES_EEPROM_H
#define RING1_DEVICES_EEPROM_H

#include <stdbool.h>
#include <stdint.h>

#define EEPROM_WORDS 64u

/* Any content is safe. */
struct eeprom {
	uint16_t word[EEPROM_WORDS];
	uint16_t shift;   /* what comes in, or what is still to go out */
	uint8_t state;    /* enum eeprom_state */
	uint8_t count;    /* bits of it so far */
	uint8_t command;  /* the instruction: operation and address */
	uint8_t writable; /* it was told EWEN */
	uint8_t selected, clock, out;
	uint8_t pad;
};

/* Deselect it and forget an instruction that is under way; the contents stay. */
void eeprom_reset(struct eeprom *e);

/* The levels of its chip select, clock and data input are these now. */
void eeprom_drive(struct eeprom *e, bool selected, bool clock, bool in);

/* The level of its data output; high while it is not selected. */
static inline bool eeprom_out(const struct eeprom *e)
{
	return e->out || !e->selected;
}

#endif
