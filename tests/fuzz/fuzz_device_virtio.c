// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against PCI and virtio's registers: accesses to configuration space, to ports and
 * memory of base addresses that it moves, and bytes of its choice anywhere in the structures, which
 * it shares. Nothing may leave struct platform (ASan: a heap block of its size), be undefined
 * (UBSan), or fail to end; and rung and settling name devices that exist only.
 */
#include "devices/ports.h"

#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BYTES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t types[] = {VIRTIO_ID_BLOCK, VIRTIO_ID_NET, VIRTIO_ID_CONSOLE, 30};

static struct platform *machine(void)
{
	struct platform *p = calloc(1, sizeof *p);
	static const uint8_t config[VIRTIO_CONFIG_BYTES];

	if (!p)
		return NULL;
	for (unsigned i = 0; i < 4; i++) {
		const struct virtio_shown shown = {.id = types[i],
		                                   .queues =
		                                       (uint16_t)(i == 2 ? VIRTIO_QUEUES : i + 1),
		                                   .queue_size = 256,
		                                   .config_bytes = (uint16_t)(40 * (i + 1)),
		                                   .writable_from = (uint16_t)(i * 10),
		                                   .writable_bytes = (uint16_t)(i * 40),
		                                   .msix = i != 1,
		                                   .features = 0xf0f0f0f0f0ull};

		virtio_plug(&p->virtio, &p->pci, i == 3 ? VIRTIO_DEVICES - 1 : i, &shown, config);
	}
	platform_reset(p, 0, 64u << 20, 0);
	return p;
}

static uint64_t step(struct platform *p, const uint8_t *s, uint64_t now)
{
	static const uint8_t sizes[] = {1, 2, 4, 3};
	unsigned size = sizes[s[0] >> 6];
	uint16_t port = (uint16_t)(0xc000 + (s[1] % 8 << 8) + s[2]);
	uint32_t pa = VIRTIO_MEMORY_BASE + (s[1] % 4u << 12) + s[2] * 8u, value;

	memcpy(&value, s + 4, 4);
	switch (s[0] & 7) {
	case 0:
		platform_out(p, 0xcf8, 4, 0x80000000u | (uint32_t)s[1] << 8 | s[2], now);
		break;
	case 1:
		platform_out(p, 0xcfc + s[3] % 4, size, value, now);
		break;
	case 2:
		(void)platform_in(p, s[3] & 1 ? (uint16_t)(0xcfc + s[2] % 4) : port, size, now);
		break;
	case 3:
		platform_out(p, port, size, value, now);
		break;
	case 4:
		if (platform_is_mmio(p, pa))
			platform_mmio_write(p, pa, 4, value, now);
		(void)platform_mmio_read(p, pa, size, now);
		break;
	case 5:
		p->virtio.device[s[1] % VIRTIO_DEVICES].completed |= value;
		platform_update_irqs(p, now);
		break;
	case 6:
		((uint8_t *)&p->virtio)[value % sizeof p->virtio] = s[1];
		break;
	default:
		((uint8_t *)&p->pci)[value % sizeof p->pci] = s[1];
		break;
	}
	return now + s[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platform *p = machine();
	uint64_t now = 0;

	if (!p)
		return 0;
	for (; size >= STEP_BYTES; data += STEP_BYTES, size -= STEP_BYTES) {
		p->virtio.rung = p->virtio.settling = 0;
		now = step(p, data, now);
		if ((data[0] & 7) < 6 && ((p->virtio.rung | p->virtio.settling) >> VIRTIO_DEVICES))
			abort();
	}
	platform_update_irqs(p, now);
	free(p);
	return 0;
}
