/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOADER_MPTABLE_H
#define LOADER_MPTABLE_H

#include <stdbool.h>
#include <stdint.h>

#define MPTABLE_PA 0x10 /* behind the null vector of the real-mode table nobody uses here */

/*
 * Writes floating pointer and table into the first KiB of guest RAM. With `apic` they tell of the
 * IO-APIC and how the ISA interrupts reach it.
 */
void mptable_write(uint8_t *ram, bool apic);

#endif
