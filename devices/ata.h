/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of the drives at an IDE channel: disks (devices/ata.c) and CD-ROMs (devices/atapi.c),
 * and what both have of the channel (devices/ide.c).
 *
 * Sources: ATA/ATAPI-6 (T13/1410D); for packets INF-8020i, SPC-2 and MMC-4.
 */
#ifndef RING1_DEVICES_ATA_H
#define RING1_DEVICES_ATA_H

#include "devices/ide.h"

#define ATA_WORDS 256u

/* ---- of the channel ---- */

/* The buffer of a unit's channel: IDE_BUFFER bytes. */
uint8_t *ide_buffer(struct ide *ide, const struct ide_unit *u);

/* The unit's number on its channel, 0 or 1. */
unsigned ide_device(const struct ide *ide, const struct ide_unit *u);

/*
 * Let the guest move bytes [from, to) of the buffer: it reads (IDE_IN), or writes a block (IDE_OUT)
 * or a packet (IDE_PACKET). Sets DRQ; the command goes on when the last byte is through.
 */
void ide_data(struct ide_unit *u, uint8_t phase, uint32_t from, uint32_t to);

/* Have the back end do u->operation, with u->block sectors from u->lba on; busy until then. */
void ide_ask(struct ide *ide, struct ide_unit *u);

/* The command ends, with this error (0: none); INTRQ is asked for. */
void ide_end(struct ide_unit *u, uint8_t status, uint8_t error);

/* Words of IDENTIFY: text with bytes swapped, padded with spaces (ATA/ATAPI-6, 8.15.8). */
void ata_text(uint16_t *words, unsigned n, const char *text);

/* Words 62, 63 and 88: what modes there are, and which of them is in force. */
void ata_put_modes(const struct ide_unit *u, uint16_t *words);

/* Words, as they go through the data register. */
void ata_put_words(uint8_t *buffer, const uint16_t *words);

/* SET FEATURES 03h: false, if there is no such transfer mode. */
bool ata_set_transfer_mode(struct ide_unit *u, uint8_t mode);

/* ---- of a kind of drive ---- */

/* A command was written, the unit is neither busy nor has it DRQ set. */
void ata_command(struct ide *ide, struct ide_unit *u);
void atapi_command(struct ide *ide, struct ide_unit *u);

/* The guest has moved the last byte of ide_data(). */
void ata_moved(struct ide *ide, struct ide_unit *u);
void atapi_moved(struct ide *ide, struct ide_unit *u);

/*
 * The back end has answered: done sectors were moved, and then it failed or not. What the bus
 * master saw is dealt with already.
 */
void ata_answered(struct ide *ide, struct ide_unit *u, bool failed, uint32_t done);
void atapi_answered(struct ide *ide, struct ide_unit *u, bool failed, uint32_t done);

#endif
