// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/vrom.h"

#include <stddef.h>
#include <string.h>

extern const uint8_t option_rom[], option_rom_end[];

#define CHECKSUM_AT 7 /* a byte of the header nobody reads */

void vrom_write(uint8_t *ram)
{
	size_t size = (size_t)(option_rom_end - option_rom);
	uint8_t *rom = ram + VROM_PA, sum = 0;

	memcpy(rom, option_rom, size);
	/* Option ROMs sum to zero; Linux does not check, a BIOS does (VMI Part 4). */
	for (size_t i = 0; i < size; i++)
		sum += rom[i];
	rom[CHECKSUM_AT] = (uint8_t)-sum;
}
