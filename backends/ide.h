/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is behind a drive of the IDE controller (devices/ide.h): it carries out one request at a
 * time on a struct disk.
 */
#ifndef BACKENDS_IDE_H
#define BACKENDS_IDE_H

#include "backends/backend.h"
#include "backends/disk.h"
#include "devices/ide.h"

struct ide_drive {
	struct disk *disk; /* open */
	unsigned unit;     /* 0..IDE_UNITS - 1 */
};

/* backend.own: a struct ide_drive; one whose disk is behind an NBD server takes the second. */
extern const struct backend_ops ide_ops, ide_nbd_ops;

/**
 * ide_describe - what the guest is shown of the drive
 * @cdrom: a CD-ROM, else a disk
 */
void ide_describe(const struct disk *d, bool cdrom, struct ide_shown *shown);

/**
 * ide_request - carry out one request
 * @r: a private copy, of any contents
 * @buffer: the channel's, IDE_BUFFER bytes, shared
 * @done: receives the number of sectors that were moved, in front of an error
 *
 * The table of regions is copied once and checked; no byte outside of guest memory is touched, and
 * none of the disk that the request does not name.
 */
enum ide_outcome ide_request(struct disk *d, const struct guest_memory *memory,
                             const struct ide_request *r, uint8_t *buffer, uint32_t *done);

#endif
