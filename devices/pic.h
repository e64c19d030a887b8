/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's pair of 8259A interrupt controllers with the edge/level control registers of the PIIX3.
 *
 * Sources: Intel 8259A data sheet (231468), sections "Interrupt Sequence", "Initialization Command
 * Words", "Operation Command Words"; Intel 82371SB (PIIX3) data sheet (290550), sections 2.5.2
 * (interrupt controller) and 2.5.4 (ELCR).
 *
 * State structures hold plain bytes, no pointers and no bool: they live in memory that a hostile
 * guest may overwrite, and no content of theirs leads outside of them.
 */
#ifndef RING1_DEVICES_PIC_H
#define RING1_DEVICES_PIC_H

#include <stdbool.h>
#include <stdint.h>

#define PIC_MASTER_COMMAND 0x20
#define PIC_MASTER_DATA    0x21
#define PIC_SLAVE_COMMAND  0xa0
#define PIC_SLAVE_DATA     0xa1
#define PIC_MASTER_ELCR    0x4d0
#define PIC_SLAVE_ELCR     0x4d1

#define PIC_CASCADE_IRQ 2
#define PIC_IRQS        16

/* One 8259A. Every byte may hold anything; flags count as set when nonzero. */
struct pic_chip {
	uint8_t lines;                /* levels of IR0..IR7 */
	uint8_t edges;                /* edge latches: a rise was seen and not yet acknowledged */
	uint8_t elcr;                 /* bit set: level triggered */
	uint8_t imr;                  /* interrupt mask register */
	uint8_t isr;                  /* in-service register */
	uint8_t vector_base;          /* ICW2, T7..T3 */
	uint8_t lowest;               /* IR with the lowest priority, 0..7 */
	uint8_t init_step;            /* next ICW expected, 2..4; 0: initialized */
	uint8_t icw4_expected;        /* ICW1.IC4 */
	uint8_t single;               /* ICW1.SNGL */
	uint8_t cascade;              /* ICW3 */
	uint8_t auto_eoi;             /* ICW4.AEOI */
	uint8_t special_fully_nested; /* ICW4.SFNM */
	uint8_t rotate_on_auto_eoi;   /* OCW2 R=1 SL=0 EOI=0 */
	uint8_t special_mask;         /* OCW3.SMM */
	uint8_t poll;                 /* OCW3.P: the next read is an acknowledge */
	uint8_t read_isr;             /* OCW3.RIS: command port reads ISR instead of IRR */
	uint8_t output;               /* INT pin, cached */
};

struct pic {
	struct pic_chip master;
	struct pic_chip slave;
};

/*
 * Power-on state: everything clear, all inputs low and edge triggered, vectors at 0 until the guest
 * writes ICW1..ICW4. Cannot fail.
 */
void pic_reset(struct pic *pic);

/*
 * Drive an interrupt line. irq: 0..15; 2 (the cascade) and anything above 15 are ignored. An edge
 * triggered request is made by a rise and withdrawn if the line falls before it is acknowledged
 * (8259A, "Edge and Level Triggered Modes": the input must stay high until the first INTA).
 */
void pic_set_irq(struct pic *pic, unsigned irq, bool level);

/*
 * Read one byte from 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1; other ports give 0xff. In poll mode
 * the read acknowledges the pending request.
 */
uint8_t pic_read(struct pic *pic, uint16_t port);

/* Write one byte to one of the ports that pic_read names; other ports are ignored. */
void pic_write(struct pic *pic, uint16_t port, uint8_t value);

/* INTR to the CPU. A cached byte: cheap enough to ask at every exit. */
static inline bool pic_intr(const struct pic *pic)
{
	return pic->master.output != 0;
}

/*
 * The CPU's INTA cycle. Returns the vector, 0..255. With nothing requested the chip answers IR7 of
 * the controller that was asked (a spurious IRQ 7 or 15) and sets no in-service bit for it.
 */
int pic_acknowledge(struct pic *pic);

#endif
