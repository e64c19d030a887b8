/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --disk FILE[,ro][,cow][,serial=TEXT] */
#ifndef MAIN_DISKS_H
#define MAIN_DISKS_H

#include "main/devices.h"

/**
 * disks_add - open the disk that an option's text names, and add it to the machine's devices
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int disks_add(struct devices *devices, const char *option);

/** disks_close - close all disks */
void disks_close(void);

#endif
