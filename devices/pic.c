/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/pic.h"

/* ICW1 and the OCWs share the command port; bits 4 and 3 tell them apart (8259A, figures 7, 8). */
#define ICW1            0x10
#define ICW1_IC4        0x01
#define ICW1_SNGL       0x02
#define ICW4_AEOI       0x02
#define ICW4_SFNM       0x10
#define OCW3            0x08
#define OCW3_RIS        0x01
#define OCW3_RR         0x02
#define OCW3_POLL       0x04
#define OCW3_SMM        0x20
#define OCW3_ESMM       0x40
#define POLL_INTERRUPT  0x80
#define SPURIOUS_IR     7
#define NO_PRIORITY     8
#define ELCR_MASTER_MAY 0xf8 /* IRQ 0, 1 and the cascade are edge triggered for good */
#define ELCR_SLAVE_MAY  0xde /* so are IRQ 8 and IRQ 13 */

static unsigned bit(unsigned ir)
{
	return 1u << (ir & 7);
}

/* Priority of the most urgent IR in `irs`: 0 (highest) to 7, NO_PRIORITY if there is none. */
static unsigned top_priority(const struct pic_chip *chip, unsigned irs)
{
	unsigned first = (chip->lowest + 1u) & 7;

	irs &= 0xff;
	if (irs == 0)
		return NO_PRIORITY;
	return (unsigned)__builtin_ctz(((irs >> first) | (irs << (8 - first))) & 0xff);
}

static unsigned ir_of_priority(const struct pic_chip *chip, unsigned priority)
{
	return (priority + chip->lowest + 1u) & 7;
}

static unsigned requests(const struct pic_chip *chip)
{
	return (chip->lines & chip->elcr) | (chip->edges & (unsigned)~chip->elcr);
}

/*
 * Priority of the request that the chip would answer INTA with, or NO_PRIORITY. slave_inputs: the
 * IRs with a slave behind them.
 */
static unsigned pending_priority(const struct pic_chip *chip, unsigned slave_inputs)
{
	unsigned request = top_priority(chip, requests(chip) & (unsigned)~chip->imr);
	unsigned in_service = chip->isr;

	if (request >= NO_PRIORITY)
		return NO_PRIORITY;
	if (chip->special_mask)
		in_service &= (unsigned)~chip->imr;
	/* special fully nested: a slave in service does not lock itself out */
	if (chip->special_fully_nested)
		in_service &= ~(slave_inputs & bit(ir_of_priority(chip, request)));
	return request < top_priority(chip, in_service) ? request : NO_PRIORITY;
}

static unsigned slave_inputs(const struct pic_chip *master)
{
	return master->single ? 0 : master->cascade & bit(PIC_CASCADE_IRQ);
}

static void set_line(struct pic_chip *chip, unsigned ir, bool level)
{
	unsigned mask = bit(ir);

	if (!level) {
		chip->lines &= (uint8_t)~mask;
		chip->edges &= (uint8_t)~mask;
	} else if (!(chip->lines & mask)) {
		chip->lines |= (uint8_t)mask;
		chip->edges |= (uint8_t)mask;
	}
}

static void update_master(struct pic *pic)
{
	pic->master.output =
	    pending_priority(&pic->master, slave_inputs(&pic->master)) < NO_PRIORITY;
}

static void update(struct pic *pic)
{
	pic->slave.output = pending_priority(&pic->slave, 0) < NO_PRIORITY;
	set_line(&pic->master, PIC_CASCADE_IRQ, pic->slave.output);
	update_master(pic);
}

void pic_reset(struct pic *pic)
{
	*pic = (struct pic){.master.lowest = 7, .slave.lowest = 7};
}

void pic_set_irq(struct pic *pic, unsigned irq, bool level)
{
	struct pic_chip *chip = irq < 8 ? &pic->master : &pic->slave;

	if (irq == PIC_CASCADE_IRQ || irq >= PIC_IRQS)
		return;
	if (((chip->lines & bit(irq)) != 0) == level)
		return;
	set_line(chip, irq, level);
	if (irq < 8)
		update_master(pic);
	else
		update(pic);
}

/* What one chip does at INTA: returns the IR it answers for, *spurious if nothing requested. */
static unsigned acknowledge_chip(struct pic_chip *chip, unsigned inputs, bool *spurious)
{
	unsigned priority = pending_priority(chip, inputs);
	unsigned ir = ir_of_priority(chip, priority);

	*spurious = priority >= NO_PRIORITY;
	if (*spurious)
		return SPURIOUS_IR;
	chip->edges &= (uint8_t)~bit(ir);
	if (!chip->auto_eoi)
		chip->isr |= (uint8_t)bit(ir);
	else if (chip->rotate_on_auto_eoi)
		chip->lowest = (uint8_t)ir;
	return ir;
}

/* INT falls at INTA even if the slave has more to say: the master must see another edge. */
static unsigned acknowledge_slave(struct pic *pic, bool *spurious)
{
	unsigned ir = acknowledge_chip(&pic->slave, 0, spurious);

	set_line(&pic->master, PIC_CASCADE_IRQ, false);
	return ir;
}

int pic_acknowledge(struct pic *pic)
{
	unsigned inputs = slave_inputs(&pic->master);
	struct pic_chip *answering = &pic->master;
	bool spurious;
	unsigned ir = acknowledge_chip(&pic->master, inputs, &spurious);

	if (!spurious && (inputs & bit(ir))) {
		answering = &pic->slave;
		ir = acknowledge_slave(pic, &spurious);
	}
	update(pic);
	return (answering->vector_base & 0xf8) | (int)ir;
}

static uint8_t read_poll(struct pic *pic, struct pic_chip *chip)
{
	bool spurious;
	unsigned ir;

	chip->poll = 0;
	if (chip == &pic->slave)
		ir = acknowledge_slave(pic, &spurious);
	else
		ir = acknowledge_chip(chip, slave_inputs(chip), &spurious);
	update(pic);
	return spurious ? 0 : (uint8_t)(POLL_INTERRUPT | ir);
}

static uint8_t read_chip(struct pic *pic, struct pic_chip *chip, bool data_port)
{
	if (chip->poll)
		return read_poll(pic, chip);
	if (data_port)
		return chip->imr;
	return chip->read_isr ? chip->isr : (uint8_t)requests(chip);
}

uint8_t pic_read(struct pic *pic, uint16_t port)
{
	switch (port) {
	case PIC_MASTER_COMMAND:
		return read_chip(pic, &pic->master, false);
	case PIC_MASTER_DATA:
		return read_chip(pic, &pic->master, true);
	case PIC_SLAVE_COMMAND:
		return read_chip(pic, &pic->slave, false);
	case PIC_SLAVE_DATA:
		return read_chip(pic, &pic->slave, true);
	case PIC_MASTER_ELCR:
		return pic->master.elcr;
	case PIC_SLAVE_ELCR:
		return pic->slave.elcr;
	default:
		return 0xff;
	}
}

/* "Initialization Command Words 1 and 2": what ICW1 clears; ELCR replaces its LTIM bit on PIIX3. */
static void write_icw1(struct pic_chip *chip, uint8_t value)
{
	*chip = (struct pic_chip){
	    .lines = chip->lines,
	    .elcr = chip->elcr,
	    .vector_base = chip->vector_base,
	    .lowest = 7,
	    .init_step = 2,
	    .icw4_expected = value & ICW1_IC4,
	    .single = value & ICW1_SNGL,
	};
}

static void write_icw234(struct pic_chip *chip, uint8_t value)
{
	switch (chip->init_step) {
	case 2:
		chip->vector_base = value & 0xf8;
		if (!chip->single)
			chip->init_step = 3;
		else
			chip->init_step = chip->icw4_expected ? 4 : 0;
		break;
	case 3:
		chip->cascade = value;
		chip->init_step = chip->icw4_expected ? 4 : 0;
		break;
	default:
		chip->auto_eoi = value & ICW4_AEOI;
		chip->special_fully_nested = value & ICW4_SFNM;
		chip->init_step = 0;
		break;
	}
}

/* Returns the IR that a non-specific EOI ends, or NO_PRIORITY (8 is no IR). */
static unsigned nonspecific_eoi(struct pic_chip *chip)
{
	unsigned isr = chip->special_mask ? chip->isr & (unsigned)~chip->imr : chip->isr;
	unsigned priority = top_priority(chip, isr);
	unsigned ir;

	if (priority >= NO_PRIORITY)
		return NO_PRIORITY;
	ir = ir_of_priority(chip, priority);
	chip->isr &= (uint8_t)~bit(ir);
	return ir;
}

static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
	unsigned ir = value & 7;

	switch (value >> 5) {
	case 0: /* clear rotate in automatic EOI mode */
		chip->rotate_on_auto_eoi = 0;
		break;
	case 1:
		nonspecific_eoi(chip);
		break;
	case 3: /* specific EOI */
		chip->isr &= (uint8_t)~bit(ir);
		break;
	case 4: /* set rotate in automatic EOI mode */
		chip->rotate_on_auto_eoi = 1;
		break;
	case 5: /* rotate on non-specific EOI */
		ir = nonspecific_eoi(chip);
		if (ir < NO_PRIORITY)
			chip->lowest = (uint8_t)ir;
		break;
	case 6: /* set priority */
		chip->lowest = (uint8_t)ir;
		break;
	case 7: /* rotate on specific EOI */
		chip->isr &= (uint8_t)~bit(ir);
		chip->lowest = (uint8_t)ir;
		break;
	default: /* 2: no operation */
		break;
	}
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
	if (value & OCW3_ESMM)
		chip->special_mask = value & OCW3_SMM;
	chip->poll = value & OCW3_POLL;
	/* the poll command overrides a register read in the same word */
	if ((value & OCW3_RR) && !chip->poll)
		chip->read_isr = value & OCW3_RIS;
}

static void write_command(struct pic *pic, struct pic_chip *chip, uint8_t value)
{
	if (value & ICW1)
		write_icw1(chip, value);
	else if (value & OCW3)
		write_ocw3(chip, value);
	else
		write_ocw2(chip, value);
	update(pic);
}

static void write_data(struct pic *pic, struct pic_chip *chip, uint8_t value)
{
	if (chip->init_step)
		write_icw234(chip, value);
	else
		chip->imr = value;
	update(pic);
}

void pic_write(struct pic *pic, uint16_t port, uint8_t value)
{
	switch (port) {
	case PIC_MASTER_COMMAND:
		write_command(pic, &pic->master, value);
		break;
	case PIC_MASTER_DATA:
		write_data(pic, &pic->master, value);
		break;
	case PIC_SLAVE_COMMAND:
		write_command(pic, &pic->slave, value);
		break;
	case PIC_SLAVE_DATA:
		write_data(pic, &pic->slave, value);
		break;
	case PIC_MASTER_ELCR:
		pic->master.elcr = value & ELCR_MASTER_MAY;
		update(pic);
		break;
	case PIC_SLAVE_ELCR:
		pic->slave.elcr = value & ELCR_SLAVE_MAY;
		update(pic);
		break;
	default:
		break;
	}
}
