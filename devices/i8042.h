/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 8042 keyboard controller (ports 0x60 and 0x64) with nothing plugged in.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device
 * Controller"; the answers that make Linux's drivers/input/serio/i8042.c finish without waiting
 * for a timeout: bytes sent to the absent keyboard come back as 0xfe with the status timeout bit,
 * the AUX loopback (0xd3) answers without the AUX bit and the AUX test (0xa9) says "clock stuck".
 */
#ifndef RING1_DEVICES_I8042_H
#define RING1_DEVICES_I8042_H

#include <stdbool.h>
#include <stdint.h>

#define I8042_DATA    0x60
#define I8042_COMMAND 0x64

#define I8042_RAM_BYTES 32

/* i8042_write: the guest pulled the CPU's reset line */
#define I8042_RESET 1u

#define I8042_STATUS_OBF     0x01
#define I8042_STATUS_SYSTEM  0x04
#define I8042_STATUS_COMMAND 0x08
#define I8042_STATUS_KEYLOCK 0x10
#define I8042_STATUS_AUX     0x20
#define I8042_STATUS_TIMEOUT 0x40

/* Any content is safe. */
struct i8042 {
	uint8_t status;
	uint8_t output;               /* output buffer, valid while status has OBF */
	uint8_t command;              /* command that waits for its parameter; 0: none */
	uint8_t output_port;          /* bit 0 reset (low active), bit 1 A20 */
	uint8_t ram[I8042_RAM_BYTES]; /* byte 0 is the command byte (CTR) */
};

/* Power-on state: both interfaces disabled, interrupts off, A20 open. */
void i8042_reset(struct i8042 *kbc);

/* Read 0x60 (data, empties the output buffer) or 0x64 (status); other ports give 0xff. */
uint8_t i8042_read(struct i8042 *kbc, uint16_t port);

/*
 * Write 0x60 (parameter, or a byte to the keyboard) or 0x64 (command). Returns I8042_RESET if that
 * resets the machine (0xf0..0xfe with bit 0 low, or 0xd1 with bit 0 low), else 0.
 */
unsigned i8042_write(struct i8042 *kbc, uint16_t port, uint8_t value);

/* Levels of IRQ 1 (keyboard data waits) and IRQ 12 (AUX data waits), if CTR enables them. */
bool i8042_irq1(const struct i8042 *kbc);
bool i8042_irq12(const struct i8042 *kbc);

/* The A20 gate as the controller's output port sets it. */
bool i8042_a20(const struct i8042 *kbc);

#endif
