// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/virtio_pci.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#define VENDOR               0x1af4u
#define TRANSITIONAL_DEVICE  0x1000u /* + the offset that VIRTIO_ID_* has in the table below */
#define MODERN_DEVICE        0x1040u /* + VIRTIO_ID_* */
#define TRANSITIONAL_LAST_ID 9u

enum { BAR_LEGACY, BAR_MSIX, BAR_MODERN };

/* BAR 2 */
#define COMMON_AT    0x00u
#define COMMON_BYTES 0x38u
#define ISR_AT       0x40u
#define ISR_BYTES    4u
#define NOTIFY_AT    0x44u
#define NOTIFY_BYTES 4u
#define DEVICE_AT    0x60u

/* BAR 1 */
#define TABLE_AT   0x000u
#define PENDING_AT 0x800u

#define LEGACY_PAGE_SHIFT VIRTIO_PCI_QUEUE_ADDR_SHIFT
#define LEGACY_ALIGN      VIRTIO_PCI_VRING_ALIGN

#define CAPABILITY_MSIX   0x11
#define CAPABILITY_VENDOR 0x09
#define MSIX_BYTES        12u
#define MSIX_ENABLE       0x80000000u /* in the word with the ID */
#define MSIX_MASK         0x40000000u
#define VECTOR_MASKED     1u

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

/* Of the transport, whatever the device. */
#define TRANSPORT_FEATURES (1ull << VIRTIO_F_VERSION_1)

_Static_assert(DEVICE_AT + VIRTIO_CONFIG_BYTES <= VIRTIO_BAR_PORTS, "BAR 2 is too small");
_Static_assert(VIRTIO_PCI_CONFIG_OFF(1) + VIRTIO_CONFIG_BYTES <= VIRTIO_BAR_PORTS,
               "BAR 0 is too small");

/* ---- plugging in ---- */

/* PCI device IDs of transitional devices (virtio 1.2, 4.1.2.1), and classes as QEMU has them. */
static const struct {
	uint16_t id, device;
	uint32_t class_code;
} identities[] = {
    {VIRTIO_ID_NET, 0x1000, 0x020000},     {VIRTIO_ID_BLOCK, 0x1001, 0x010000},
    {VIRTIO_ID_BALLOON, 0x1002, 0x00ff00}, {VIRTIO_ID_CONSOLE, 0x1003, 0x078000},
    {VIRTIO_ID_RNG, 0x1005, 0x00ff00},     {VIRTIO_ID_9P, 0x1009, 0x000200},
};

static struct pci_identity identity_of(uint16_t id)
{
	struct pci_identity identity = {.vendor = VENDOR,
	                                .device = (uint16_t)(MODERN_DEVICE + id),
	                                .subsystem_vendor = VENDOR,
	                                .subsystem = id,
	                                .class_revision = 0x00ff0001};

	for (unsigned i = 0; i < sizeof identities / sizeof *identities; i++)
		if (identities[i].id == id) {
			identity.device = identities[i].device;
			/* revision 0: transitional, virtio ABI version 0 */
			identity.class_revision = identities[i].class_code << 8;
		}
	return identity;
}

/* struct virtio_pci_cap, 4.1.4; the header's length byte is behind ID and next pointer. */
static unsigned add_capability(struct pci_function *f, uint8_t type, uint8_t bar, uint32_t offset,
                               uint32_t length, unsigned extra)
{
	unsigned at = pci_add_capability(f, CAPABILITY_VENDOR, 16 + extra);

	f->config[at / 4] |= (16 + extra) << 16 | (uint32_t)type << 24;
	f->config[at / 4 + 1] = bar;
	f->config[at / 4 + 2] = offset;
	f->config[at / 4 + 3] = length;
	return at;
}

static void add_msix(struct virtio_device *d, struct pci_function *f, unsigned number)
{
	uint32_t last = d->shown.queues; /* one vector a queue, one for configuration changes */

	pci_set_bar(f, BAR_MSIX, false, VIRTIO_MEMORY_BYTES,
	            VIRTIO_MEMORY_BASE + number * VIRTIO_MEMORY_BYTES);
	d->msix_at = (uint8_t)pci_add_capability(f, CAPABILITY_MSIX, MSIX_BYTES);
	f->config[d->msix_at / 4] |= last << 16;
	f->writable[d->msix_at / 4] = MSIX_ENABLE | MSIX_MASK;
	f->config[d->msix_at / 4 + 1] = TABLE_AT | BAR_MSIX;
	f->config[d->msix_at / 4 + 2] = PENDING_AT | BAR_MSIX;
}

static unsigned queues_of(const struct virtio_device *d)
{
	return d->shown.queues <= VIRTIO_QUEUES ? d->shown.queues : VIRTIO_QUEUES;
}

static unsigned config_bytes(const struct virtio_device *d)
{
	return d->shown.config_bytes <= VIRTIO_CONFIG_BYTES ? d->shown.config_bytes
	                                                    : VIRTIO_CONFIG_BYTES;
}

static void reset_registers(struct virtio_device *d)
{
	d->driver_features = 0;
	d->device_select = d->driver_select = 0;
	d->status = 0;
	d->isr = 0;
	d->queue_select = 0;
	d->config_vector = VIRTIO_NO_VECTOR;
	d->pending = 0;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		struct virtio_queue *q = &d->queue[i];

		*q = (struct virtio_queue){.size = d->shown.queue_size,
		                           .vector = VIRTIO_NO_VECTOR,
		                           .generation = q->generation + 1};
	}
}

void virtio_plug(struct virtio_bus *bus, struct pci *pci, unsigned number,
                 const struct virtio_shown *shown, const void *config)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];
	struct pci_function *f = &pci->function[number % VIRTIO_DEVICES];
	struct pci_identity identity = identity_of(shown->id);
	uint32_t ports = VIRTIO_IO_BASE + 2 * number * VIRTIO_BAR_PORTS;
	const uint8_t *bytes = config;
	unsigned at;

	*d = (struct virtio_device){.shown = *shown};
	d->shown.features |= TRANSPORT_FEATURES;
	for (unsigned i = 0; i < config_bytes(d); i++)
		d->config[i] = bytes[i];
	for (unsigned i = 0; i < VIRTIO_VECTORS; i++)
		d->vector[i][3] = VECTOR_MASKED;
	reset_registers(d);
	pci_plug(pci, number, (uint8_t)((number + 1) << 3), &identity);
	pci_set_bar(f, BAR_LEGACY, true, VIRTIO_BAR_PORTS, ports);
	pci_set_bar(f, BAR_MODERN, true, VIRTIO_BAR_PORTS, ports + VIRTIO_BAR_PORTS);
	if (shown->msix)
		add_msix(d, f, number);
	/* The window into the BARs: bar, offset, length and data are the driver's to write. */
	at = add_capability(f, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, 4);
	d->window_at = (uint8_t)at;
	f->writable[at / 4 + 1] = 0xff;
	for (unsigned i = 2; i < 5; i++)
		f->writable[at / 4 + i] = UINT32_MAX;
	if (shown->config_bytes)
		add_capability(f, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_MODERN, DEVICE_AT,
		               shown->config_bytes, 0);
	add_capability(f, VIRTIO_PCI_CAP_ISR_CFG, BAR_MODERN, ISR_AT, ISR_BYTES, 0);
	/* multiplier 0: all queues are notified at one port, by their numbers */
	add_capability(f, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_MODERN, NOTIFY_AT, NOTIFY_BYTES, 4);
	add_capability(f, VIRTIO_PCI_CAP_COMMON_CFG, BAR_MODERN, COMMON_AT, COMMON_BYTES, 0);
}

/* ---- what both interfaces do ---- */

static bool msix_enabled(const struct virtio_device *d, const struct pci_function *f)
{
	return d->msix_at && (f->config[d->msix_at / 4] & MSIX_ENABLE);
}

void virtio_ring(struct virtio_bus *bus, unsigned number, uint32_t bits)
{
	__atomic_fetch_or(&bus->device[number].bell, bits, __ATOMIC_SEQ_CST);
	bus->rung |= 1u << number;
}

/* The back end lets go of what it must not use any longer, before the guest goes on. */
void virtio_settle(struct virtio_bus *bus, unsigned number)
{
	struct virtio_device *d = &bus->device[number];

	__atomic_store_n(&d->settle, d->settle + 1, __ATOMIC_SEQ_CST);
	bus->settling |= 1u << number;
	virtio_ring(bus, number, VIRTIO_BELL_STATUS);
}

static void notify(struct virtio_bus *bus, unsigned number, uint32_t queue)
{
	if (queue < queues_of(&bus->device[number]))
		virtio_ring(bus, number, 1u << queue);
}

static struct virtio_queue *selected(struct virtio_device *d)
{
	return d->queue_select < queues_of(d) ? &d->queue[d->queue_select] : 0;
}

static void enable(struct virtio_bus *bus, unsigned number, struct virtio_queue *q)
{
	q->next = 0;
	q->generation++;
	__atomic_store_n(&q->enabled, 1, __ATOMIC_SEQ_CST);
	virtio_ring(bus, number, VIRTIO_BELL_STATUS);
}

static void disable(struct virtio_bus *bus, unsigned number, struct virtio_queue *q)
{
	__atomic_store_n(&q->enabled, 0, __ATOMIC_SEQ_CST);
	q->next = 0;
	q->generation++;
	virtio_settle(bus, number);
}

static uint8_t status_of(const struct virtio_device *d)
{
	bool needs_reset = d->status && __atomic_load_n(&d->broken, __ATOMIC_RELAXED);

	return d->status | (needs_reset ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

static void write_status(struct virtio_bus *bus, unsigned number, uint8_t value)
{
	struct virtio_device *d = &bus->device[number];

	if (!value) {
		reset_registers(d);
		virtio_settle(bus, number);
		return;
	}
	/* 2.2.2: what was not offered, or legacy features through the modern interface */
	if ((value & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((d->driver_features & ~d->shown.features) ||
	     !(d->driver_features & 1ull << VIRTIO_F_VERSION_1)))
		value &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	d->status = value & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_ring(bus, number, VIRTIO_BELL_STATUS);
}

static uint8_t read_isr(struct virtio_device *d)
{
	uint8_t isr = d->isr;

	d->isr = 0;
	return isr;
}

/* A vector that does not exist is not taken: the driver reads back that it was not. */
static uint16_t valid_vector(const struct virtio_device *d, uint32_t vector)
{
	return d->shown.msix && vector <= queues_of(d) ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

static uint32_t read_config(const struct virtio_device *d, uint32_t offset, unsigned size)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		if (offset + i < config_bytes(d))
			value |= (uint32_t)__atomic_load_n(&d->config[offset + i], __ATOMIC_RELAXED)
			         << 8 * i;
	return value;
}

static void write_config(struct virtio_bus *bus, unsigned number, uint32_t offset, unsigned size,
                         uint32_t value)
{
	struct virtio_device *d = &bus->device[number];
	uint32_t from = d->shown.writable_from, end = from + d->shown.writable_bytes;
	bool any = false;

	for (unsigned i = 0; i < size; i++) {
		uint32_t at = offset + i;

		if (at < from || at >= end || at >= config_bytes(d))
			continue;
		d->config[at] = (uint8_t)(value >> 8 * i);
		any = true;
	}
	if (any)
		virtio_ring(bus, number, VIRTIO_BELL_CONFIG);
}

/* ---- legacy: BAR 0 (4.1.4.10) ---- */

/* "Legacy Interfaces: A Note on Virtqueue Layout", 2.7.2 */
static void place_legacy_queue(struct virtio_queue *q, uint32_t pfn)
{
	uint64_t at = (uint64_t)pfn << LEGACY_PAGE_SHIFT;

	q->descriptors = at;
	q->driver = at + 16u * q->size;
	q->device = (q->driver + 6u + 2u * q->size + LEGACY_ALIGN - 1) & ~(LEGACY_ALIGN - 1ull);
}

static void write_pfn(struct virtio_bus *bus, unsigned number, uint32_t pfn)
{
	struct virtio_queue *q = selected(&bus->device[number]);

	if (!q)
		return;
	if (q->enabled)
		disable(bus, number, q);
	place_legacy_queue(q, pfn);
	if (pfn)
		enable(bus, number, q);
}

static uint32_t read_legacy(struct virtio_device *d, uint32_t offset, unsigned size, bool msix)
{
	const struct virtio_queue *q = selected(d);
	uint32_t config = VIRTIO_PCI_CONFIG_OFF(msix);

	if (offset >= config)
		return read_config(d, offset - config, size);
	switch (offset) {
	case VIRTIO_PCI_HOST_FEATURES:
		return (uint32_t)d->shown.features;
	case VIRTIO_PCI_GUEST_FEATURES:
		return (uint32_t)d->driver_features;
	case VIRTIO_PCI_QUEUE_PFN:
		return q && q->enabled ? (uint32_t)(q->descriptors >> LEGACY_PAGE_SHIFT) : 0;
	case VIRTIO_PCI_QUEUE_NUM:
		return q ? q->size : 0;
	case VIRTIO_PCI_QUEUE_SEL:
		return d->queue_select;
	case VIRTIO_PCI_STATUS:
		return status_of(d);
	case VIRTIO_PCI_ISR:
		return read_isr(d);
	case VIRTIO_MSI_CONFIG_VECTOR:
		return d->config_vector;
	case VIRTIO_MSI_QUEUE_VECTOR:
		return q ? q->vector : VIRTIO_NO_VECTOR;
	default:
		return 0;
	}
}

static void write_legacy(struct virtio_bus *bus, unsigned number, uint32_t offset, unsigned size,
                         uint32_t value, bool msix)
{
	struct virtio_device *d = &bus->device[number];
	struct virtio_queue *q = selected(d);
	uint32_t config = VIRTIO_PCI_CONFIG_OFF(msix);

	if (offset >= config) {
		write_config(bus, number, offset - config, size, value);
		return;
	}
	switch (offset) {
	case VIRTIO_PCI_GUEST_FEATURES:
		d->driver_features = value & (uint32_t)d->shown.features;
		break;
	case VIRTIO_PCI_QUEUE_PFN:
		write_pfn(bus, number, value);
		break;
	case VIRTIO_PCI_QUEUE_SEL:
		d->queue_select = (uint16_t)value;
		break;
	case VIRTIO_PCI_QUEUE_NOTIFY:
		notify(bus, number, value & 0xffff);
		break;
	case VIRTIO_PCI_STATUS:
		write_status(bus, number, (uint8_t)value);
		break;
	case VIRTIO_MSI_CONFIG_VECTOR:
		d->config_vector = valid_vector(d, value & 0xffff);
		break;
	case VIRTIO_MSI_QUEUE_VECTOR:
		if (q)
			q->vector = valid_vector(d, value & 0xffff);
		break;
	default:
		break;
	}
}

/* ---- virtio 1: BAR 2 ---- */

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

/* A word of the common configuration structure, 4.1.4.3. */
static uint32_t common_word(struct virtio_device *d, uint32_t offset)
{
	static const struct virtio_queue none = {.vector = VIRTIO_NO_VECTOR};
	const struct virtio_queue *q = selected(d);

	if (!q)
		q = &none;
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return d->device_select;
	case VIRTIO_PCI_COMMON_DF:
		return feature_word(d->shown.features, d->device_select);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return d->driver_select;
	case VIRTIO_PCI_COMMON_GF:
		return feature_word(d->driver_features, d->driver_select);
	case VIRTIO_PCI_COMMON_MSIX: /* and the number of queues */
		return d->config_vector | (uint32_t)queues_of(d) << 16;
	case VIRTIO_PCI_COMMON_STATUS: /* generation, selected queue */
		return status_of(d) | (uint32_t)d->config_generation << 8 |
		       (uint32_t)d->queue_select << 16;
	case VIRTIO_PCI_COMMON_Q_SIZE: /* and vector */
		return q->size | (uint32_t)q->vector << 16;
	case VIRTIO_PCI_COMMON_Q_ENABLE: /* and the notification offset, 0 */
		return q->enabled;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return (uint32_t)q->descriptors;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return (uint32_t)(q->descriptors >> 32);
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return (uint32_t)q->driver;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return (uint32_t)(q->driver >> 32);
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return (uint32_t)q->device;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return (uint32_t)(q->device >> 32);
	default:
		return 0;
	}
}

static void put_half(uint64_t *field, unsigned half, uint32_t value)
{
	*field = half ? (*field & UINT32_MAX) | (uint64_t)value << 32
	              : (*field & ~(uint64_t)UINT32_MAX) | value;
}

/* Features are settled once FEATURES_OK stands (2.2.1). */
static void write_features(struct virtio_device *d, uint32_t value)
{
	if (d->driver_select < 2 && !(d->status & VIRTIO_CONFIG_S_FEATURES_OK))
		put_half(&d->driver_features, d->driver_select, value);
}

/* Registers of the queue; all but the vector are fixed while it is enabled (4.1.4.3.2). */
static void write_queue_register(struct virtio_bus *bus, unsigned number, struct virtio_queue *q,
                                 uint32_t offset, uint32_t value)
{
	struct virtio_device *d = &bus->device[number];

	if (offset == VIRTIO_PCI_COMMON_Q_MSIX)
		q->vector = valid_vector(d, value & 0xffff);
	if (q->enabled)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		value &= 0xffff;
		if (value && !(value & (value - 1)) && value <= d->shown.queue_size)
			q->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value & 1)
			enable(bus, number, q);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		put_half(&q->descriptors, 0, value);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		put_half(&q->descriptors, 1, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		put_half(&q->driver, 0, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		put_half(&q->driver, 1, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		put_half(&q->device, 0, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		put_half(&q->device, 1, value);
		break;
	default:
		break;
	}
}

static void write_common(struct virtio_bus *bus, unsigned number, uint32_t offset, uint32_t value)
{
	struct virtio_device *d = &bus->device[number];
	struct virtio_queue *q = selected(d);

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		d->device_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		d->driver_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		write_features(d, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		d->config_vector = valid_vector(d, value & 0xffff);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		write_status(bus, number, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		d->queue_select = (uint16_t)value;
		break;
	default:
		if (q)
			write_queue_register(bus, number, q, offset, value);
	}
}

static uint32_t read_modern(struct virtio_device *d, uint32_t offset, unsigned size)
{
	if (offset >= DEVICE_AT)
		return read_config(d, offset - DEVICE_AT, size);
	if (offset == ISR_AT)
		return read_isr(d);
	if (offset >= COMMON_BYTES || (offset & 3) + size > 4)
		return 0;
	return common_word(d, offset & ~3u) >> 8 * (offset & 3);
}

static void write_modern(struct virtio_bus *bus, unsigned number, uint32_t offset, unsigned size,
                         uint32_t value)
{
	if (offset >= DEVICE_AT)
		write_config(bus, number, offset - DEVICE_AT, size, value);
	else if (offset == NOTIFY_AT)
		notify(bus, number, value & 0xffff);
	else if (offset < COMMON_BYTES)
		write_common(bus, number, offset, value);
}

/* ---- ports ---- */

static uint32_t low_bytes(uint32_t value, unsigned size)
{
	return size >= 4 ? value : value & ((1u << 8 * size) - 1);
}

static uint32_t read_port(struct virtio_device *d, unsigned bar, uint32_t offset, unsigned size,
                          bool msix)
{
	switch (bar) {
	case BAR_LEGACY:
		return low_bytes(read_legacy(d, offset, size, msix), size);
	case BAR_MODERN:
		return low_bytes(read_modern(d, offset, size), size);
	default:
		return low_bytes(UINT32_MAX, size);
	}
}

static void write_port(struct virtio_bus *bus, unsigned number, unsigned bar, uint32_t offset,
                       unsigned size, uint32_t value, bool msix)
{
	value = low_bytes(value, size);
	if (bar == BAR_LEGACY)
		write_legacy(bus, number, offset, size, value, msix);
	else if (bar == BAR_MODERN)
		write_modern(bus, number, offset, size, value);
}

uint32_t virtio_in(struct virtio_bus *bus, const struct pci *pci, unsigned number, unsigned bar,
                   uint32_t offset, unsigned size)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];

	return read_port(d, bar, offset, size,
	                 msix_enabled(d, &pci->function[number % VIRTIO_DEVICES]));
}

void virtio_out(struct virtio_bus *bus, const struct pci *pci, unsigned number, unsigned bar,
                uint32_t offset, unsigned size, uint32_t value)
{
	number %= VIRTIO_DEVICES;
	write_port(bus, number, bar, offset, size, value,
	           msix_enabled(&bus->device[number], &pci->function[number]));
}

/* ---- the window in configuration space ---- */

/* What the window shows: false if bar, offset and length are not those of an access. */
static bool window(const struct virtio_device *d, const struct pci_function *f, unsigned *bar,
                   uint32_t *offset, unsigned *size)
{
	unsigned word = d->window_at / 4;

	*bar = f->config[word + 1] & 0xff;
	*offset = f->config[word + 2];
	*size = f->config[word + 3];
	return (*size == 1 || *size == 2 || *size == 4) && !(*offset % *size) &&
	       *offset < VIRTIO_BAR_PORTS;
}

static bool is_window_data(const struct virtio_device *d, unsigned reg)
{
	return d->window_at && d->window_at <= 256 - 20 && (reg & 0xfc) == d->window_at + 16u;
}

void virtio_config_before_read(struct virtio_bus *bus, struct pci *pci, unsigned number,
                               unsigned reg)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];
	struct pci_function *f = &pci->function[number % VIRTIO_DEVICES];
	uint32_t offset;
	unsigned bar, size;

	if (is_window_data(d, reg) && window(d, f, &bar, &offset, &size))
		f->config[d->window_at / 4 + 4] =
		    read_port(d, bar, offset, size, msix_enabled(d, f));
}

void virtio_config_written(struct virtio_bus *bus, struct pci *pci, unsigned number, unsigned reg)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];
	struct pci_function *f = &pci->function[number % VIRTIO_DEVICES];
	uint32_t offset;
	unsigned bar, size;

	if (is_window_data(d, reg) && window(d, f, &bar, &offset, &size))
		write_port(bus, number % VIRTIO_DEVICES, bar, offset, size,
		           f->config[d->window_at / 4 + 4], msix_enabled(d, f));
}

/* ---- interrupts ---- */

uint32_t virtio_memory_read(const struct virtio_bus *bus, unsigned number, uint32_t offset)
{
	const struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];

	if (offset / 16 <= queues_of(d))
		return d->vector[offset / 16][offset / 4 & 3];
	return offset == PENDING_AT ? d->pending : 0;
}

void virtio_memory_write(struct virtio_bus *bus, unsigned number, uint32_t offset, uint32_t value)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];

	if (offset / 16 <= queues_of(d))
		d->vector[offset / 16][offset / 4 & 3] = value;
}

static void pend(struct virtio_device *d, uint16_t vector)
{
	if (vector <= queues_of(d))
		d->pending |= 1u << vector;
}

/* Messages, one for each queue's vector; without MSI-X one bit in ISR for all of them. */
static void complete(struct virtio_device *d, uint32_t bits, bool msix)
{
	if (!msix) {
		if (bits & VIRTIO_BELL_QUEUES)
			d->isr |= ISR_QUEUE;
		if (bits & VIRTIO_CONFIG_CHANGED)
			d->isr |= ISR_QUEUE | ISR_CONFIG;
		return;
	}
	for (unsigned i = 0; i < queues_of(d); i++)
		if (bits >> i & 1)
			pend(d, d->queue[i].vector);
	if (bits & VIRTIO_CONFIG_CHANGED)
		pend(d, d->config_vector);
}

void virtio_collect(struct virtio_bus *bus, struct pci *pci, unsigned number)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];
	struct pci_function *f = &pci->function[number % VIRTIO_DEVICES];
	bool msix = msix_enabled(d, f);

	if (__atomic_load_n(&d->completed, __ATOMIC_RELAXED)) {
		uint32_t bits = __atomic_exchange_n(&d->completed, 0, __ATOMIC_SEQ_CST);

		if (bits & VIRTIO_CONFIG_CHANGED)
			d->config_generation++;
		complete(d, bits, msix);
	}
	pci_set_intx(f, d->isr && !msix);
}

bool virtio_next_message(struct virtio_bus *bus, const struct pci *pci, unsigned number,
                         struct virtio_message *message)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];
	const struct pci_function *f = &pci->function[number % VIRTIO_DEVICES];

	if (!d->pending || !msix_enabled(d, f) || (f->config[d->msix_at / 4] & MSIX_MASK))
		return false;
	for (unsigned i = 0; i < VIRTIO_VECTORS; i++) {
		if (!(d->pending >> i & 1) || (d->vector[i][3] & VECTOR_MASKED))
			continue;
		d->pending &= ~(1u << i);
		*message = (struct virtio_message){d->vector[i][0], d->vector[i][2]};
		return true;
	}
	return false;
}
