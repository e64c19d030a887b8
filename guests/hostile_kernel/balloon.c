// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver of the balloon that is the first device, by virtio's legacy registers, which often is
 * nearly right: lists of page frame numbers and reports of free pages, most of them of the upper
 * half of memory, where nothing of this kernel lies; statistics; and queues, lengths, addresses and
 * numbers at random.
 */
#include "hostile_kernel.h"

#define PORTS       0xc000 /* of the first device, as ring1 places it */
#define FEATURES    4
#define QUEUE_PLACE 8
#define QUEUE_SIZE  12
#define QUEUE       14
#define NOTIFY      16
#define STATUS      18
#define INTERRUPTS  19
#define CONFIG      20 /* num_pages, actual, an unused word, poison_val */

#define QUEUES      4u
#define STATS_QUEUE 2u
#define ENTRIES     128u
#define ROOM        0x4000u /* of a queue's rings */

#define PAGES   (MEMORY_BYTES / 4096)
#define USUALLY (1u | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 28 | 1u << 29)

static uint16_t offered[QUEUES];

static uint32_t ring_of(uint32_t queue)
{
	return RINGS + queue * ROOM;
}

static volatile uint16_t *used(uint32_t queue)
{
	return (volatile uint16_t *)(PAGE_OFFSET + ring_of(queue) + 4096);
}

static void clear(volatile uint8_t *p, uint32_t n)
{
	while (n--)
		*p++ = 0;
}

/* A reset, and a driver that may know what it does. */
static void begin(void)
{
	outb(PORTS + STATUS, 0);
	clear((volatile uint8_t *)(PAGE_OFFSET + RINGS), QUEUES * ROOM);
	outb(PORTS + STATUS, 3);
	outl(PORTS + FEATURES, random32() % 4 ? USUALLY : random32());
	outl(PORTS + CONFIG + 12, random32() % 8 ? 0 : random32());
	for (uint32_t i = 0; i < QUEUES; i++) {
		offered[i] = 0;
		outw(PORTS + QUEUE, (uint16_t)i);
		outl(PORTS + QUEUE_PLACE, ring_of(i) >> 12);
	}
	outb(PORTS + STATUS, 7);
}

static uint32_t any_page(void)
{
	if (!(random32() % 65536))
		return random32() % 2 ? random32() : random32() % PAGES;
	return PAGES / 2 + random32() % (PAGES / 2);
}

static void put_pages(volatile uint32_t *list, uint32_t n)
{
	uint32_t page = any_page(), step = random32() % 4;

	for (uint32_t i = 0; i < n; i++) {
		list[i] = step ? page + i * (step - 2) : any_page();
		if (list[i] < PAGES / 2 && random32() % 65536) /* a step led into the kernel */
			list[i] = PAGES - 1;
	}
}

static void put_statistics(volatile uint32_t *list, uint32_t n)
{
	/* Ten bytes each: most tags end up where none is. */
	for (uint32_t i = 0; i < n; i++)
		list[i] = random32() % 2 ? random32() % 16 : random32();
}

static void describe(uint32_t queue, uint32_t n, uint32_t pa, uint32_t bytes, uint32_t flags)
{
	volatile uint32_t *d =
	    (volatile uint32_t *)(PAGE_OFFSET + ring_of(queue) + 16 * (n % ENTRIES));

	d[0] = pa;
	d[1] = random32() % 256 ? 0 : random32();
	d[2] = bytes;
	d[3] = flags | ((n + 1) % ENTRIES) << 16;
	if (!(random32() % 256))
		d[3] ^= random32();
}

static void offer(uint32_t queue)
{
	volatile uint16_t *available =
	    (volatile uint16_t *)(PAGE_OFFSET + ring_of(queue) + 16 * ENTRIES);
	/* Statistics apart: small numbers in a list that is read askew are this kernel's pages. */
	uint32_t lists = RINGS + QUEUES * ROOM + (queue == STATS_QUEUE ? ROOM : 0);
	uint32_t n = random32() % 512;
	volatile uint32_t *list = (volatile uint32_t *)(PAGE_OFFSET + lists);
	uint32_t head = random32() % ENTRIES, parts = 1 + random32() % 4;

	if (queue == STATS_QUEUE)
		put_statistics(list, n);
	else
		put_pages(list, n);
	for (uint32_t i = 0; i < parts; i++) {
		uint32_t more = i + 1 < parts, pa = lists, bytes = random32() % 8 ? 4 * n : n;

		if (queue > STATS_QUEUE) {
			pa = any_page() << 12 | (random32() % 4 ? 0 : random32() & 0xfff);
			bytes = random32() % 4 ? 4096 * (1 + random32() % 16) : random32() % 65536;
		}
		if (!(random32() % 64))
			bytes = random32();
		describe(queue, head + i, pa, bytes, more | (queue > STATS_QUEUE ? 2 : 0));
	}
	available[2 + offered[queue] % ENTRIES] = (uint16_t)head;
	available[1] = ++offered[queue];
	if (!(random32() % 256))
		available[random32() % 2] = (uint16_t)random32();
}

void try_balloon(void)
{
	uint32_t queue = random32() % QUEUES;

	if (!inb(PORTS + STATUS) || !(random32() % 64))
		begin();
	switch (random32() % 16) {
	case 0: /* its configuration: actual, and what pages are filled with */
		outl((uint16_t)(PORTS + CONFIG + random32() % 20), random32());
		break;
	case 1:
		if (!(random32() % 8))
			outl((uint16_t)(PORTS + random32() % 0x200), random32());
		break;
	case 2:
		outw(PORTS + NOTIFY, (uint16_t)random32());
		break;
	default:
		offer(queue);
		outw(PORTS + NOTIFY, (uint16_t)queue);
		break;
	}
	answers += used(queue)[1] != 0;
	inb(PORTS + INTERRUPTS);
}
