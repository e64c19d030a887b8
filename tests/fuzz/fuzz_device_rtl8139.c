// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against the registers of network cards with an RTL8139: accesses of all sizes to
 * ports, memory and configuration space, leaps of time, what a back end does, and bytes of its
 * choice anywhere in the structures, which it shares. Nothing may leave struct platform (ASan: a
 * heap block of its size), be undefined (UBSan), or fail to end; rung and settling name devices
 * that exist only; and the interrupt's line is what mask and status say.
 */
#include "devices/ports.h"

#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BYTES 8
#define CARDS      2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct platform *machine(void)
{
	static const struct virtio_shown card = {.id = RTL8139_ID},
	                                 rng = {.id = VIRTIO_ID_RNG, .queues = 1, .queue_size = 8};
	static const uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
	struct platform *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	for (unsigned i = 0; i < CARDS; i++)
		rtl8139_plug(&p->virtio, &p->pci, &p->rtl8139[i], i, &card, mac);
	virtio_plug(&p->virtio, &p->pci, CARDS, &rng, NULL);
	platform_reset(p, 0, 64u << 20, 0);
	return p;
}

/* True while nothing but its registers was written. */
static bool sound = true;

static uint64_t step(struct platform *p, const uint8_t *s, uint64_t now)
{
	static const uint8_t sizes[] = {1, 2, 4, 3};
	unsigned size = sizes[s[0] >> 6], card = s[1] % 4u;
	uint16_t port = (uint16_t)(VIRTIO_IO_BASE + 2 * card * VIRTIO_BAR_PORTS + s[2]);
	uint32_t pa = VIRTIO_MEMORY_BASE + card * VIRTIO_MEMORY_BYTES + s[2], value;

	memcpy(&value, s + 4, 4);
	switch (s[0] & 15) {
	case 0:
		platform_out(p, 0xcf8, 4, 0x80000000u | (1 + card) << 11 | (s[2] & 0xfc), now);
		platform_out(p, 0xcfc + s[3] % 4, size, value, now);
		break;
	case 1:
		(void)platform_in(p, (uint16_t)(0xcfc + s[2] % 4), size, now);
		break;
	case 2:
	case 3:
		(void)platform_in(p, port, size, now);
		break;
	case 4:
		(void)platform_mmio_read(p, pa, size, now);
		break;
	case 5:
		platform_mmio_write(p, pa, size, value, now);
		break;
	case 6:
		p->virtio.device[card].completed |= value;
		platform_update_irqs(p, now);
		break;
	case 7:
		now += (uint64_t)value << (s[1] & 7);
		break;
	case 8:
		sound = false;
		((uint8_t *)p->rtl8139)[value % (CARDS * sizeof *p->rtl8139)] = s[1];
		break;
	case 9:
		sound = false;
		((uint8_t *)&p->virtio.device[s[1] % CARDS])[value % sizeof *p->virtio.device] =
		    s[2];
		break;
	case 10: /* the EEPROM's wires */
		for (unsigned i = 0; i < 16; i++) {
			platform_out(p, (uint16_t)(port - s[2] + RTL8139_9346CR), 1,
			             0x88u | (value >> i & 1) << 1, now);
			platform_out(p, (uint16_t)(port - s[2] + RTL8139_9346CR), 1,
			             0x8cu | (value >> i & 1) << 1, now);
		}
		break;
	default:
		platform_out(p, port, size, value, now);
		break;
	}
	return now + s[3];
}

static void check(struct platform *p, uint64_t now)
{
	if ((p->virtio.rung | p->virtio.settling) >> VIRTIO_DEVICES)
		abort();
	(void)platform_next_deadline(p, now);
	for (unsigned i = 0; i < CARDS && sound; i++)
		if (p->pci.function[i].asserted != !!(p->rtl8139[i].mask & p->rtl8139[i].status))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platform *p = machine();
	uint64_t now = 0;

	if (!p)
		return 0;
	sound = true;
	for (; size >= STEP_BYTES; data += STEP_BYTES, size -= STEP_BYTES) {
		p->virtio.rung = p->virtio.settling = 0;
		now = step(p, data, now);
		check(p, now);
	}
	platform_update_irqs(p, now);
	free(p);
	return 0;
}
