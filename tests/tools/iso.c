// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * iso FILE [BYTES] < CONTENTS: an ISO 9660 image with one file, HELLO.TXT, which has what is on
 * standard input; filled up to BYTES with numbers that tell each sector from the others.
 *
 * Source: ECMA-119, 8.4 (primary volume descriptor), 9.1 (directory records). Path tables are left
 * empty: Linux asks for none.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR     2048u
#define DESCRIPTOR 16u
#define ROOT       18u
#define CONTENTS   19u

static uint8_t image[32u << 20];

/* Numbers stand there twice, in either byte order. */
static void put16(uint8_t *p, unsigned value)
{
	p[0] = p[3] = (uint8_t)value;
	p[1] = p[2] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = p[7 - i] = (uint8_t)(value >> 8 * i);
}

static unsigned put_record(uint8_t *p, uint32_t sector, uint32_t bytes, unsigned flags,
                           const char *name, unsigned length)
{
	unsigned n = 33 + length + !(length & 1);

	p[0] = (uint8_t)n;
	put32(p + 2, sector);
	put32(p + 10, bytes);
	memcpy(p + 18, (uint8_t[]){126, 1, 1}, 3); /* a day of 2026 */
	p[25] = (uint8_t)flags;
	put16(p + 28, 1);
	p[32] = (uint8_t)length;
	memcpy(p + 33, name, length);
	return n;
}

int main(int argc, char **argv)
{
	uint8_t *d = image + DESCRIPTOR * SECTOR, *root = image + ROOT * SECTOR;
	size_t all = argc > 2 ? strtoul(argv[2], NULL, 0) : 64 * SECTOR, n;
	FILE *to = argc > 1 ? fopen(argv[1], "w") : NULL;

	if (!to || all > sizeof image || all < (CONTENTS + 1) * SECTOR || all % SECTOR)
		return 2;
	for (size_t s = CONTENTS + 1; s < all / SECTOR; s++)
		for (size_t i = 0; i < SECTOR; i += 4)
			memcpy(image + s * SECTOR + i, &(uint32_t){(uint32_t)(s * 2654435761u + i)},
			       4);
	n = fread(image + CONTENTS * SECTOR, 1, SECTOR, stdin);
	memcpy(d, "\1CD001\1", 7);
	memset(d + 8, ' ', 64);
	memcpy(d + 40, "RING1", 5);
	put32(d + 80, (uint32_t)(all / SECTOR));
	put16(d + 120, 1);
	put16(d + 124, 1);
	put16(d + 128, SECTOR);
	put_record(d + 156, ROOT, SECTOR, 2, "", 1);
	d[881] = 1;
	memcpy(d + SECTOR, "\377CD001\1", 7);
	root += put_record(root, ROOT, SECTOR, 2, "", 1);
	root += put_record(root, ROOT, SECTOR, 2, "\1", 1);
	put_record(root, CONTENTS, (uint32_t)n, 0, "HELLO.TXT;1", 11);
	return fwrite(image, 1, all, to) != all || fclose(to);
}
