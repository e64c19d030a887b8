/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOADER_CHECKSUM_H
#define LOADER_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/**
 * table_checksum - the byte that makes the sum of a firmware table's bytes 0 modulo 256
 * @bytes, @n: the table, with 0 where the checksum goes
 *
 * ACPI 6.5, 5.2.5.3 and 5.2.6; MP 1.4, 4.1 and 4.2.
 */
static inline uint8_t table_checksum(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return (uint8_t)-sum;
}

#endif
