/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices on the PCI bus: registers only. What a device does is a back end's business, a
 * process of its own (backends/), which reads the queues' registers here and answers.
 *
 * Sources: Virtual I/O Device (VIRTIO) 1.2, chapters 2 (device status, features, notifications),
 * 4.1 (PCI transport) and the legacy sections of both (virtio 0.9.5); PCI 3.0, 6.8.2 (MSI-X).
 *
 * Each device is transitional. BAR 0, ports: the legacy registers. BAR 2, ports: the structures of
 * virtio 1, which the specification allows in ports and Linux maps; here an access to a port is a
 * far call and one to device memory a host signal. BAR 1, memory: MSI-X table and pending bits.
 *
 * WHO WRITES WHAT. `shown` is main's, before the machine starts. The registers are the cell's
 * (these functions). A back end writes `completed`, `broken`, `settled`, `config` and `next` of a
 * queue. Nobody may believe a word of it: a guest can overwrite all of this structure, and any
 * content is safe here; a back end copies once and checks (backends/virtqueue.c).
 *
 * A RING OF THE BELL. A notification sets bits in `bell`, and the device's bit in
 * virtio_bus.rung, which asks the caller to wake the back end (core/backends.c).
 *
 * SETTLING. When a guest takes a queue back (device reset, legacy PFN 0), the back end
 * must have stopped using it before the register write returns. The registers change, `settle`
 * counts up, the bit in virtio_bus.settling asks the caller to wait until `settled` has followed.
 */
#ifndef RING1_DEVICES_VIRTIO_PCI_H
#define RING1_DEVICES_VIRTIO_PCI_H

#include "devices/pci.h"

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_DEVICES      16
#define VIRTIO_QUEUES       24 /* at most, of one device */
#define VIRTIO_VECTORS      (VIRTIO_QUEUES + 1)
#define VIRTIO_CONFIG_BYTES 160  /* the device's own configuration, at most */
#define VIRTIO_QUEUE_SIZE   1024 /* entries, at most */
#define VIRTIO_NO_VECTOR    0xffffu

/* Where a BIOS would put them: ports and device memory of device 0; the next ones follow. */
#define VIRTIO_IO_BASE      0xc000u
#define VIRTIO_BAR_PORTS    256u
#define VIRTIO_MEMORY_BASE  0xfea00000u
#define VIRTIO_MEMORY_BYTES 4096u

/* Bits of `bell` above the queues' */
#define VIRTIO_BELL_QUEUES ((1u << VIRTIO_QUEUES) - 1)
#define VIRTIO_BELL_CONFIG (1u << 29) /* the driver wrote the device's configuration */
#define VIRTIO_BELL_STATUS (1u << 30) /* status or a queue's registers changed; or main calls */

/* Bit of `completed` above the queues': the device's configuration changed. */
#define VIRTIO_CONFIG_CHANGED (1u << 31)

/* What main says of a device before the machine starts. */
struct virtio_shown {
	uint16_t id;             /* VIRTIO_ID_*, RTL8139_ID; 0: no such device */
	uint16_t queues;         /* 1..VIRTIO_QUEUES */
	uint16_t queue_size;     /* entries of each, a power of two up to VIRTIO_QUEUE_SIZE */
	uint16_t config_bytes;   /* 0..VIRTIO_CONFIG_BYTES */
	uint16_t writable_from;  /* bytes of it that the driver may write... */
	uint16_t writable_bytes; /* ...0: none */
	uint16_t msix;           /* offer MSI-X */
	uint16_t drive;    /* no virtio device but an IDE drive's mailbox: 1 + unit, 5 + unit */
	uint64_t features; /* of the device and its rings; the transport's own are added */
};

struct virtio_queue {
	uint64_t descriptors, driver, device; /* guest-physical: table, available and used ring */
	uint16_t size;                        /* entries */
	uint16_t vector;
	uint16_t next;       /* index in the available ring at which the back end takes it up */
	uint16_t enabled;    /* the back end may use it */
	uint32_t generation; /* counts up whenever it is enabled or disabled */
	uint32_t pad;
};

struct virtio_device {
	struct virtio_shown shown;

	/* Between the cell, main and the back end. */
	uint32_t bell;      /* set by the cell (and main), taken by the back end */
	uint32_t sleeping;  /* futex: the back end waits for the bell; whoever clears it wakes */
	uint32_t completed; /* queues with used buffers; set by the back end, taken by the cell */
	uint32_t broken;    /* the driver's queues are nonsense; cleared when the device is reset */
	uint32_t settle;    /* asked for by the cell */
	uint32_t settled;   /* futex: the last one that the back end has done */
	uint32_t control;   /* VIRTIO_CONTROL_*: what main wants of the back end */
	uint32_t answered;  /* futex: the last of these that the back end has carried out */

	/* Registers. */
	uint64_t driver_features;
	uint32_t device_select, driver_select;
	uint8_t status, isr, config_generation, pad[5];
	uint16_t queue_select, config_vector;
	struct virtio_queue queue[VIRTIO_QUEUES];
	uint8_t config[VIRTIO_CONFIG_BYTES] __attribute__((aligned(8)));

	/* MSI-X */
	uint32_t vector[VIRTIO_VECTORS][4]; /* address, its high half, data, control */
	uint32_t pending;                   /* a bit for each vector */
	uint8_t msix_at, window_at;         /* configuration space: their capabilities */
	uint8_t pad2[2];
};

/* main to back end */
#define VIRTIO_CONTROL_RUN   0u
#define VIRTIO_CONTROL_STOP  1u /* finish what is in hand, write `next` of each queue, end */
#define VIRTIO_CONTROL_PAUSE 2u /* and above: the same, but wait; each pause has another number */

struct virtio_bus {
	struct virtio_device device[VIRTIO_DEVICES]; /* device n is PCI function n */
	uint32_t rung;     /* devices whose back end is to be woken; the caller takes it */
	uint32_t settling; /* devices that must settle before the guest goes on; likewise */
};

/* A message to the local APIC, as the processor sees it: a write of data to an address. */
struct virtio_message {
	uint32_t address, data;
};

/*
 * Plug device `number` (0..VIRTIO_DEVICES-1) into slot number + 1. `config`: the device's
 * configuration, shown->config_bytes of it; copied.
 */
void virtio_plug(struct virtio_bus *bus, struct pci *pci, unsigned number,
                 const struct virtio_shown *shown, const void *config);

/* IN from an I/O BAR of device `number`; size is 1, 2 or 4. Reading ISR clears it. */
uint32_t virtio_in(struct virtio_bus *bus, const struct pci *pci, unsigned number, unsigned bar,
                   uint32_t offset, unsigned size);

/* OUT likewise. Ask bus->rung and bus->settling afterwards. */
void virtio_out(struct virtio_bus *bus, const struct pci *pci, unsigned number, unsigned bar,
                uint32_t offset, unsigned size, uint32_t value);

/* A word of the MSI-X BAR. */
uint32_t virtio_memory_read(const struct virtio_bus *bus, unsigned number, uint32_t offset);
void virtio_memory_write(struct virtio_bus *bus, unsigned number, uint32_t offset, uint32_t value);

/*
 * A byte range of configuration space is about to be read, or was written: the window that the
 * configuration access capability opens into the BARs (virtio 1.2, 4.1.4.9).
 */
void virtio_config_before_read(struct virtio_bus *bus, struct pci *pci, unsigned number,
                               unsigned reg);
void virtio_config_written(struct virtio_bus *bus, struct pci *pci, unsigned number, unsigned reg);

/*
 * Ring the bell of device `number` (bits: VIRTIO_BELL_*, queues); have its back end let go of what
 * it has in hand before the guest goes on. For devices of another kind that have their back end
 * here (devices/ide.h, devices/rtl8139.h).
 */
void virtio_ring(struct virtio_bus *bus, unsigned number, uint32_t bits);
void virtio_settle(struct virtio_bus *bus, unsigned number);

/*
 * Take what the back end of device `number` has completed: to its INTx pin, or to its messages'
 * pending bits. Cheap when there is nothing.
 */
void virtio_collect(struct virtio_bus *bus, struct pci *pci, unsigned number);

/* The next message that device `number` sends; false: none. */
bool virtio_next_message(struct virtio_bus *bus, const struct pci *pci, unsigned number,
                         struct virtio_message *message);

#endif
