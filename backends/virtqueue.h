/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues (virtio 1.2, 2.7), the device's side, with indirect descriptors and event index.
 *
 * HOSTILE. The rings, the descriptors and the registers that say where they are belong to the
 * guest, which may write anything into them at any moment. So each word is read once, into memory
 * of this process, and checked there; a chain has at most VIRTQUEUE_CHAIN descriptors, and its
 * parts are ranges of guest memory that lie wholly inside of it. What is read through them is the
 * guest's as well: copy a request's header before looking at it (chain_read()). A queue whose
 * driver breaks the rules of 2.7 is broken: it gives no more chains, and the device is to say so.
 *
 * Nothing here waits, allocates or calls the host. One thread takes chains, hushes and listens; any
 * may give back, one at a time.
 */
#ifndef BACKENDS_VIRTQUEUE_H
#define BACKENDS_VIRTQUEUE_H

#include "common/lazy_memory.h"
#include "devices/virtio_pci.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define VIRTQUEUE_CHAIN 1024u /* parts of a chain at most, of an indirect table as well */

/* Guest-physical memory, as this process has it mapped. */
struct guest_memory {
	uint8_t *base;
	uint64_t size;           /* bytes */
	struct lazy_memory lazy; /* of a machine that was restored */
};

struct virtqueue {
	struct guest_memory memory;
	bool live;   /* its rings are where they should be; may be taken from */
	bool broken; /* the driver wrote nonsense */
	bool events; /* VIRTIO_RING_F_EVENT_IDX was negotiated */
	bool indirect_allowed;
	bool untouched; /* the device looks into no part of a chain: none need be in memory */
	uint16_t size;
	uint32_t generation;
	uint16_t next_available; /* where the next chain is taken from */
	uint16_t next_used;      /* where the next one is given back */
	uint16_t signalled;      /* next_used when the driver was last interrupted */
	bool signalled_valid;
	uint16_t outstanding; /* taken and not given back */
	volatile struct vring_desc *descriptors;
	volatile struct vring_avail *available;
	volatile struct vring_used *used;
};

/* What a driver made available at once: first the parts to read, then those to write. */
struct chain {
	uint16_t head;
	unsigned readable, writable;             /* number of parts */
	uint64_t readable_bytes, writable_bytes; /* at most 2^32 - 1 each */
	struct iovec part[VIRTQUEUE_CHAIN];      /* readable ones first */
};

/**
 * guest_place - where @n bytes at guest-physical @pa would be in this process, NULL: not all in
 * memory
 *
 * Of a machine that was restored they may be in its file yet: see guest_range().
 */
void *guest_place(const struct guest_memory *memory, uint64_t pa, uint64_t n);

/** guest_range - the same, and they are there */
void *guest_range(const struct guest_memory *memory, uint64_t pa, uint64_t n);

/**
 * virtqueue_open - take a queue up as its registers say
 * @registers: shared and hostile; read once
 * @features: as negotiated (VIRTIO_RING_F_INDIRECT_DESC and VIRTIO_RING_F_EVENT_IDX are looked at)
 *
 * The queue is not live if the driver has not enabled it; broken if its rings are not aligned, not
 * in memory, or of a size that is no power of two up to VIRTIO_QUEUE_SIZE.
 */
void virtqueue_open(struct virtqueue *q, const struct guest_memory *memory,
                    const struct virtio_queue *registers, uint64_t features);

/**
 * virtqueue_pop - take the next chain
 *
 * False: there is none, or the queue is broken (see q->broken) or not live.
 */
bool virtqueue_pop(struct virtqueue *q, struct chain *chain);

/** virtqueue_unpop - put the chain taken last back: it will be the next again */
void virtqueue_unpop(struct virtqueue *q);

/**
 * virtqueue_push - give a chain back
 * @head: chain.head
 * @written: bytes written to its writable parts, from the first on
 *
 * The driver sees it at once. Ask virtqueue_wants_interrupt() behind one or several.
 */
void virtqueue_push(struct virtqueue *q, uint16_t head, uint32_t written);

/* A chain to give back, as virtqueue_push() has it. */
struct virtqueue_used {
	uint16_t head;
	uint32_t written;
};

/**
 * virtqueue_push_all - give several chains back at once
 *
 * The driver sees all of them or none: a packet in several chains needs that (virtio 1.2, 5.1.6.4).
 */
void virtqueue_push_all(struct virtqueue *q, const struct virtqueue_used *used, unsigned n);

/** virtqueue_wants_interrupt - is the driver to be told of what was pushed since the last call? */
bool virtqueue_wants_interrupt(struct virtqueue *q);

/** virtqueue_hush - the driver need not notify: this side looks by itself */
void virtqueue_hush(struct virtqueue *q);

/**
 * virtqueue_listen - ask the driver to notify of the next chain
 *
 * True: there is one already, which was perhaps not notified of: look again before sleeping.
 */
bool virtqueue_listen(struct virtqueue *q);

/** virtqueue_listen_beyond - the same for the chain behind the next @n, which are there already */
bool virtqueue_listen_beyond(struct virtqueue *q, uint16_t n);

/**
 * chain_read - copy @n bytes from the readable parts, beginning @offset bytes into them
 *
 * Returns how many there were. Copy once, then check: the guest may change them meanwhile.
 */
size_t chain_read(const struct chain *chain, uint64_t offset, void *to, size_t n);

/** chain_write - copy to the writable parts likewise; returns how many bytes had room */
size_t chain_write(const struct chain *chain, uint64_t offset, const void *from, size_t n);

/**
 * chain_slice - the parts that cover [@offset, @offset + @n) of the readable or writable bytes
 * @to: receives them; room for VIRTQUEUE_CHAIN
 *
 * Returns their number, 0 if there are not so many bytes.
 */
unsigned chain_slice(const struct chain *chain, bool writable, uint64_t offset, uint64_t n,
                     struct iovec *to);

#endif
