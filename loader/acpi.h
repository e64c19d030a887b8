/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables of the machine that devices/ports.c is. */
#ifndef LOADER_ACPI_H
#define LOADER_ACPI_H

#include <stdbool.h>
#include <stdint.h>

/* The first place of the BIOS area where kernels look for the root pointer (ACPI 5.2.5.1). */
#define ACPI_PA    0xe0000u
#define ACPI_BYTES 0x1000u

/*
 * Writes root pointer (at ACPI_PA), RSDT, XSDT, FADT, FACS, DSDT, an SSDT and, with `apic`, MADT
 * into guest RAM, all below ACPI_PA + ACPI_BYTES. Without `apic` the interrupts are the 8259A pair's.
 */
void acpi_write(uint8_t *ram, bool apic);

#endif
