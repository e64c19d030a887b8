/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rest of the chipset: ports 0x80, 0x92 and 0xcf9, and PCI configuration mechanism 1 with the
 * i440FX host bridge at 00:00.0.
 *
 * Sources: PCI Local Bus Specification 2.1, section 3.7.4.1 (configuration mechanism 1) and 6.1
 * (header); Intel 82441FX (PMC) data sheet (290549), section 3; Intel 82371SB (PIIX3) data sheet
 * (290550), section 2.5.5 (reset control, port 0xcf9); IBM PS/2 system control port A (0x92).
 */
#ifndef RING1_DEVICES_CHIPSET_H
#define RING1_DEVICES_CHIPSET_H

#include <stdbool.h>
#include <stdint.h>

#define CHIPSET_DELAY          0x80
#define CHIPSET_PORT_A         0x92
#define CHIPSET_CONFIG_ADDRESS 0xcf8
#define CHIPSET_RESET_CONTROL  0xcf9
#define CHIPSET_CONFIG_DATA    0xcfc

/* chipset_write: the guest asked for a reset */
#define CHIPSET_RESET 1u

/* Any content is safe. */
struct chipset {
	uint32_t config_address; /* 0xcf8 */
	uint8_t post;            /* 0x80 */
	uint8_t port_a;          /* 0x92 */
	uint8_t reset_control;   /* 0xcf9 */
};

/* What an access to the configuration data window selects. */
struct chipset_target {
	uint8_t bus;      /* 0..255 */
	uint8_t device;   /* 0..31 */
	uint8_t function; /* 0..7 */
	uint8_t reg;      /* byte offset, 0..255 */
};

/* Power-on state: A20 open, configuration address 0. */
void chipset_reset(struct chipset *chipset);

/*
 * Read size bytes (1, 2 or 4) at 0x80, 0x92 or 0xcf8..0xcff. Unused ports and absent functions
 * read all ones in the low `size` bytes; 0xcf8 answers only a 4-byte read.
 */
uint32_t chipset_read(struct chipset *chipset, uint16_t port, unsigned size);

/*
 * Write size bytes (1, 2 or 4) likewise. Returns CHIPSET_RESET on the 0 to 1 change of 0x92 bit 0
 * or of 0xcf9 bit 2, else 0.
 */
unsigned chipset_write(struct chipset *chipset, uint16_t port, uint32_t value, unsigned size);

/*
 * Decode 0xcf8 for an access to `port`. Returns false unless port is 0xcfc..0xcff and the
 * configuration address has its enable bit. For owners that add devices to the bus: ask this
 * before handing the access to chipset_read or chipset_write.
 */
bool chipset_config_target(const struct chipset *chipset, uint16_t port,
                           struct chipset_target *target);

/* The A20 gate as port 0x92 sets it. */
bool chipset_a20(const struct chipset *chipset);

#endif
