// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against virtqueues and the disk behind one: its memory and the queue's registers
 * are the input's, some bytes of the memory change while requests are taken. No part of a chain may
 * lie outside of guest memory (ASan: a heap block of its size), no request may touch the disk
 * outside of it, and what follows from one number of bytes must end.
 *
 * The input: one byte of flags, the registers, then memory, repeated until it is full; its last
 * bytes are also what is changed.
 */
#include "backends/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY 32768u
#define DISK   16384u
#define ROUNDS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct disk raw = {.fd = -1}, cow;

static void make_disks(void)
{
	if (raw.fd >= 0)
		return;
	raw = (struct disk){.fd = memfd_create("disk", 0), .overlay = -1, .bytes = DISK};
	cow = (struct disk){.fd = memfd_create("base", 0),
	                    .overlay = memfd_create("overlay", 0),
	                    .cow = true,
	                    .bytes = DISK - 512,
	                    .changed = calloc(1, 8)};
	pthread_mutex_init(&cow.copying, NULL);
	if (ftruncate(raw.fd, DISK) || ftruncate(cow.fd, DISK) || ftruncate(cow.overlay, DISK) ||
	    !cow.changed)
		abort();
}

static void check(const struct chain *c, const struct guest_memory *m)
{
	if (c->readable + c->writable > VIRTQUEUE_CHAIN || c->readable_bytes > UINT32_MAX ||
	    c->writable_bytes > UINT32_MAX)
		abort();
	for (unsigned i = 0; i < c->readable + c->writable; i++) {
		const uint8_t *at = c->part[i].iov_base;

		if (at < m->base || c->part[i].iov_len > m->size ||
		    at + c->part[i].iov_len > m->base + m->size)
			abort();
	}
}

static void run(struct virtqueue *q, struct disk *d, const uint8_t *data, size_t size,
                const struct guest_memory *m)
{
	static struct chain chain;

	for (unsigned n = 0; n < ROUNDS; n++) {
		uint32_t written = 0;
		int error;

		virtqueue_hush(q);
		if (virtqueue_pop(q, &chain)) {
			check(&chain, m);
			error = blk_request(d, &chain, n & 1, n & 2 ? DISK_NOWAIT : 0, &written);
			if (error == -EAGAIN)
				error = blk_request(d, &chain, n & 1, 0, &written);
			if (!error && written > chain.writable_bytes)
				abort();
			virtqueue_push(q, chain.head, written);
			(void)virtqueue_wants_interrupt(q);
		} else if (!virtqueue_listen(q) || q->broken) {
			return;
		}
		if (size)
			m->base[(data[n % size] * 131u + n) % MEMORY] ^= data[size - 1];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_queue registers;
	struct guest_memory m = {.base = malloc(MEMORY), .size = MEMORY};
	struct virtqueue q;
	uint8_t flags;
	struct disk *d;

	if (size < 1 + sizeof registers || !m.base) {
		free(m.base);
		return 0;
	}
	make_disks();
	flags = data[0];
	memcpy(&registers, data + 1, sizeof registers);
	data += 1 + sizeof registers;
	size -= 1 + sizeof registers;
	memset(m.base, 0, MEMORY);
	for (size_t at = 0; size && at < MEMORY; at += size)
		memcpy(m.base + at, data, size < MEMORY - at ? size : MEMORY - at);
	/* Most inputs: rings that are where rings can be, so that chains are looked at. */
	if (flags & 1) {
		registers.enabled = 1;
		registers.size = (uint16_t)(8u << (registers.size & 3));
		registers.descriptors = registers.descriptors % MEMORY & ~15ull;
		registers.driver = registers.driver % MEMORY & ~1ull;
		registers.device = registers.device % MEMORY & ~3ull;
	}
	d = flags & 2 ? &cow : &raw;
	d->read_only = flags & 4 && !(flags & 2);
	virtqueue_open(&q, &m, &registers, (uint64_t)(flags >> 3 & 3) << 28);
	run(&q, d, data, size, &m);
	free(m.base);
	return 0;
}
