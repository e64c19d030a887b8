/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/eeprom.h"

enum eeprom_state { IDLE, COMMAND, READ, WRITE, DONE };

#define COMMAND_BITS 8u /* operation and address */
#define WORD_BITS    16u
#define ERASED       0xffffu

/* Operations; the first is told apart further by the two high bits of the address. */
enum { OTHER, OP_WRITE, OP_READ, OP_ERASE };
enum { WRITE_DISABLE, WRITE_ALL, ERASE_ALL, WRITE_ENABLE };

static unsigned address_of(const struct eeprom *e)
{
	return e->command % EEPROM_WORDS;
}

static void enter(struct eeprom *e, enum eeprom_state state)
{
	e->state = (uint8_t)state;
	e->count = 0;
	e->shift = 0;
}

void eeprom_reset(struct eeprom *e)
{
	enter(e, IDLE);
	e->command = e->selected = e->clock = 0;
	e->out = 1;
}

static void put(struct eeprom *e, uint16_t value)
{
	if (e->writable)
		e->word[address_of(e)] = value;
}

static void put_all(struct eeprom *e, uint16_t value)
{
	for (unsigned i = 0; i < EEPROM_WORDS && e->writable; i++)
		e->word[i] = value;
}

static void obey_other(struct eeprom *e)
{
	enter(e, DONE);
	switch (address_of(e) >> 4) {
	case WRITE_DISABLE:
		e->writable = 0;
		break;
	case WRITE_ALL:
		enter(e, WRITE);
		break;
	case ERASE_ALL:
		put_all(e, ERASED);
		break;
	default:
		e->writable = 1;
		break;
	}
}

static void obey(struct eeprom *e)
{
	switch (e->command >> 6) {
	case OP_READ:
		enter(e, READ);
		e->out = 0; /* a dummy bit comes first */
		break;
	case OP_WRITE:
		enter(e, WRITE);
		break;
	case OP_ERASE:
		put(e, ERASED);
		enter(e, DONE);
		break;
	default:
		obey_other(e);
		break;
	}
}

/* Behind the last bit of a word comes the next word, as long as the clock goes on. */
static void read_bit(struct eeprom *e)
{
	if (e->count % WORD_BITS == 0) {
		e->shift = e->word[address_of(e)];
		e->command = (uint8_t)((e->command & ~(EEPROM_WORDS - 1)) |
		                       ((address_of(e) + 1) % EEPROM_WORDS));
		e->count = 0;
	}
	e->out = e->shift >> 15;
	e->shift = (uint16_t)(e->shift << 1);
	e->count++;
}

static void write_bit(struct eeprom *e, bool in)
{
	e->shift = (uint16_t)(e->shift << 1 | in);
	if (++e->count < WORD_BITS)
		return;
	if (e->command >> 6 == OP_WRITE)
		put(e, e->shift);
	else
		put_all(e, e->shift);
	enter(e, DONE);
	e->out = 1; /* ready */
}

static void rise(struct eeprom *e, bool in)
{
	switch (e->state) {
	case IDLE:
		if (in)
			enter(e, COMMAND);
		break;
	case COMMAND:
		e->command = (uint8_t)(e->command << 1 | in);
		if (++e->count >= COMMAND_BITS)
			obey(e);
		break;
	case READ:
		read_bit(e);
		break;
	case WRITE:
		write_bit(e, in);
		break;
	default:
		break;
	}
}

void eeprom_drive(struct eeprom *e, bool selected, bool clock, bool in)
{
	bool rises = clock && !e->clock;

	if (!selected || !e->selected) {
		enter(e, IDLE);
		e->out = 1;
	}
	e->selected = selected;
	e->clock = clock;
	if (selected && rises)
		rise(e, in);
}
