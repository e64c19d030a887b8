/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --disk FILE[,bus=virtio|ide][,ro][,cow][,serial=TEXT], --cdrom FILE[,serial=TEXT] */
#ifndef MAIN_DISKS_H
#define MAIN_DISKS_H

#include "main/devices.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * disks_add - open the disk that an option's text names, and add it to the machine's devices
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int disks_add(struct devices *devices, const char *option);

/** disks_add_cdrom - likewise, a CD-ROM of the IDE controller */
int disks_add_cdrom(struct devices *devices, const char *option);

/** disks_add_image - likewise, the disk that the machine boots from */
int disks_add_image(struct devices *devices, const char *option);

/**
 * disks_path - what such a text says of the file, without opening it
 * @path: its name, cut at @size bytes
 * @read_only: whether it is asked for read-only
 */
void disks_path(const char *option, char *path, size_t size, bool *read_only);

/** disks_close - close all disks */
void disks_close(void);

#endif
