/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_VROM_H
#define MAIN_VROM_H

#include <stdint.h>

#define VROM_PA 0xc0000 /* where VMI kernels look first */

/** vrom_write - put the VMI option ROM (rom/option) into guest RAM, with its checksum */
void vrom_write(uint8_t *ram);

#endif
