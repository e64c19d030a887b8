// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver of the RTL8139 that is the first device (devices/rtl8139.h), which often is nearly
 * right: frames that come back to its own ring or go to the user network, and registers, rings,
 * lengths and addresses at random.
 */
#include "hostile_kernel.h"

#define PORTS 0xc000 /* of the first device, as ring1 places it */
#define SLOT  0x80000800u

#define TSD0    0x10
#define TSAD0   0x20
#define RBSTART 0x30
#define CR      0x37
#define CAPR    0x38
#define CBR     0x3a
#define IMR     0x3c
#define ISR     0x3e
#define TCR     0x40
#define RCR     0x44

#define CR_EMPTY   0x01
#define CR_BOTH    0x0c /* receives, transmits */
#define CR_RESET   0x10
#define TSD_OK     0x8000u
#define LOOPBACK   0x60000u
#define FRAMES     (RINGS + 0x80000)
#define FRAME_MOST 2048u

/* Of its ring, or anywhere: the card may write wherever it is told to, this kernel included. */
static uint32_t some_ring(void)
{
	if (random32() % 16)
		return RINGS + (random32() & 0x3ffff);
	return random32() % 2 ? MEMORY_BYTES - random32() % 0x20000 : random32() | MEMORY_BYTES;
}

static void start(void)
{
	outl(0xcf8, SLOT + 0x10);
	outl(0xcfc, PORTS);
	outl(0xcf8, SLOT + 0x04);
	outl(0xcfc, 7);
	if (random32() % 2)
		outb(PORTS + CR, CR_RESET);
	outl(PORTS + RBSTART, some_ring());
	outb(PORTS + CR, random32() % 8 ? CR_BOTH : (uint8_t)random32());
	outl(PORTS + RCR, random32() % 4 ? 0x0f | (random32() & 0x1880) : random32());
	outl(PORTS + TCR, random32() % 4 ? LOOPBACK : random32() & ~LOOPBACK);
	outw(PORTS + IMR, (uint16_t)random32());
}

/* To everybody, to the card itself, to a group, or to whom it may concern. */
static void put_frame(volatile uint8_t *p)
{
	uint32_t whom = random32() % 4;

	for (uint32_t i = 0; i < 64; i++)
		p[i] = (uint8_t)random32();
	for (uint32_t i = 0; i < 6 && whom; i++)
		p[i] = whom == 1 ? 0xff : whom == 2 ? inb((uint16_t)(PORTS + i)) : p[i] | 1;
	/* Kinds that somebody looks into: IPv4, ARP, IPv6. */
	p[12] = random32() % 4 ? 0x08 : 0x86;
	p[13] = p[12] == 0x86 ? 0xdd : random32() % 2 ? 0x06 : 0x00;
	p[14] = random32() % 4 ? 0x45 : p[14];
}

static void transmit(void)
{
	uint32_t i = random32() % 4, pa = FRAMES + i * FRAME_MOST;
	uint32_t size = random32() % 8 ? 60 + random32() % 1455 : random32() & 0x1fff;

	answers += (uint32_t)inb((uint16_t)(PORTS + TSD0 + 4 * i + 1)) >> 7; /* TSD_OK */
	put_frame((volatile uint8_t *)(PAGE_OFFSET + pa));
	if (!(random32() % 16))
		pa = random32() % 2 ? MEMORY_BYTES - random32() % FRAME_MOST : random32();
	outl((uint16_t)(PORTS + TSAD0 + 4 * i), pa);
	outl((uint16_t)(PORTS + TSD0 + 4 * i), random32() % 16 ? size : random32());
}

/* Where it has read to: most often all, so that more can come. */
static void take(void)
{
	uint16_t at = inw(PORTS + CBR);

	outw(PORTS + CAPR, (uint16_t)(random32() % 8 ? at - 16u : random32()));
	outw(PORTS + ISR, (uint16_t)(random32() % 4 ? 0xffff : random32()));
}

void try_nic(void)
{
	uint16_t at = (uint16_t)(PORTS + random32() % 0x100);

	switch (random32() % 32) {
	case 0:
		start();
		break;
	case 1:
		outb(at, (uint8_t)random32());
		break;
	case 2:
		outw(at, (uint16_t)random32());
		break;
	case 3:
		outl(at, random32());
		break;
	case 4: /* in memory, where nobody has mapped it: by configuration space it may go anywhere */
		outl(0xcf8, SLOT + (random32() & 0xfc));
		outl(0xcfc, random32());
		start();
		break;
	case 5:
	case 6:
		inb(at);
		inw(at);
		break;
	case 7:
	case 8:
	case 9:
	case 10:
		take();
		break;
	default:
		transmit();
		break;
	}
}
