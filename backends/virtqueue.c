// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/virtqueue.h"

#include <linux/virtio_ring.h>
#include <string.h>

/* Alignment of the three parts, 2.7 */
#define DESCRIPTORS_ALIGN 16u
#define AVAILABLE_ALIGN   2u
#define USED_ALIGN        4u

void *guest_place(const struct guest_memory *memory, uint64_t pa, uint64_t n)
{
	return n > memory->size || pa > memory->size - n ? NULL : memory->base + pa;
}

void *guest_range(const struct guest_memory *memory, uint64_t pa, uint64_t n)
{
	void *at = guest_place(memory, pa, n);

	return at && lazy_memory_need(&memory->lazy, pa, n) ? at : NULL;
}

static void *aligned_range(const struct guest_memory *memory, uint64_t pa, uint64_t n,
                           unsigned align)
{
	return pa % align ? NULL : guest_range(memory, pa, n);
}

/* The words behind the rings: where each side says at which index it wants to be told. */
static volatile uint16_t *used_event(const struct virtqueue *q)
{
	return &q->available->ring[q->size];
}

static volatile uint16_t *available_event(const struct virtqueue *q)
{
	return (volatile uint16_t *)&q->used->ring[q->size];
}

void virtqueue_open(struct virtqueue *q, const struct guest_memory *memory,
                    const struct virtio_queue *registers, uint64_t features)
{
	struct virtio_queue r;

	r.generation = __atomic_load_n(&registers->generation, __ATOMIC_SEQ_CST);
	r.enabled = __atomic_load_n(&registers->enabled, __ATOMIC_SEQ_CST);
	r.size = __atomic_load_n(&registers->size, __ATOMIC_RELAXED);
	r.next = __atomic_load_n(&registers->next, __ATOMIC_RELAXED);
	r.descriptors = __atomic_load_n(&registers->descriptors, __ATOMIC_RELAXED);
	r.driver = __atomic_load_n(&registers->driver, __ATOMIC_RELAXED);
	r.device = __atomic_load_n(&registers->device, __ATOMIC_RELAXED);
	*q = (struct virtqueue){.memory = *memory,
	                        .generation = r.generation,
	                        .size = r.size,
	                        .next_available = r.next,
	                        .events = features >> VIRTIO_RING_F_EVENT_IDX & 1,
	                        .indirect_allowed = features >> VIRTIO_RING_F_INDIRECT_DESC & 1};
	if (!r.enabled)
		return;
	q->broken = true;
	if (!r.size || r.size > VIRTIO_QUEUE_SIZE || (r.size & (r.size - 1)))
		return;
	q->descriptors = aligned_range(
	    memory, r.descriptors, (uint64_t)r.size * sizeof(struct vring_desc), DESCRIPTORS_ALIGN);
	q->available = aligned_range(memory, r.driver, 4 + 2ull * r.size + 2, AVAILABLE_ALIGN);
	q->used =
	    aligned_range(memory, r.device,
	                  4 + (uint64_t)r.size * sizeof(struct vring_used_elem) + 2, USED_ALIGN);
	if (!q->descriptors || !q->available || !q->used)
		return;
	/* A queue that is taken up again goes on where its used ring ends. */
	q->next_used = __atomic_load_n(&q->used->idx, __ATOMIC_RELAXED);
	q->broken = false;
	q->live = true;
}

/* How many chains wait; nonsense breaks the queue. */
static uint16_t waiting(struct virtqueue *q)
{
	uint16_t n =
	    (uint16_t)(__atomic_load_n(&q->available->idx, __ATOMIC_ACQUIRE) - q->next_available);

	/* More than there are descriptors for, beside those that this side has. */
	if (n > q->size - __atomic_load_n(&q->outstanding, __ATOMIC_SEQ_CST)) {
		q->broken = true;
		return 0;
	}
	return n;
}

/* One descriptor, copied: word by word, because the guest may be writing. */
static struct vring_desc copy_descriptor(volatile const struct vring_desc *from)
{
	return (struct vring_desc){
	    .addr = from->addr, .len = from->len, .flags = from->flags, .next = from->next};
}

static bool add_part(const struct virtqueue *q, struct chain *chain, const struct vring_desc *d)
{
	unsigned n = chain->readable + chain->writable;
	void *at = q->untouched ? guest_place(&q->memory, d->addr, d->len)
	                        : guest_range(&q->memory, d->addr, d->len);
	uint64_t *bytes;

	if (n == VIRTQUEUE_CHAIN || !at || !d->len)
		return false;
	if (d->flags & VRING_DESC_F_WRITE) {
		chain->writable++;
		bytes = &chain->writable_bytes;
	} else {
		/* 2.7.4.2: those to write come last */
		if (chain->writable)
			return false;
		chain->readable++;
		bytes = &chain->readable_bytes;
	}
	chain->part[n] = (struct iovec){.iov_base = at, .iov_len = d->len};
	*bytes += d->len;
	return *bytes <= UINT32_MAX;
}

/*
 * Follow a table of `size` descriptors from `index`. An indirect descriptor ends it; at most `size`
 * are followed, so a loop comes to an end.
 */
static bool follow(const struct virtqueue *q, struct chain *chain,
                   volatile const struct vring_desc *table, unsigned size, unsigned index,
                   bool indirect)
{
	for (unsigned left = size; left; left--) {
		struct vring_desc d;

		if (index >= size)
			return false;
		d = copy_descriptor(&table[index]);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			unsigned n = d.len / sizeof d;

			/* 2.7.5.3.1: not in one another, nothing behind */
			if (indirect || !q->indirect_allowed || !n || d.len % sizeof d ||
			    n > VIRTQUEUE_CHAIN || (d.flags & VRING_DESC_F_NEXT))
				return false;
			table = aligned_range(&q->memory, d.addr, d.len, 1);
			return table && follow(q, chain, table, n, 0, true);
		}
		if (!add_part(q, chain, &d))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		index = d.next;
	}
	return false;
}

bool virtqueue_pop(struct virtqueue *q, struct chain *chain)
{
	if (!q->live || q->broken || !waiting(q))
		return false;
	chain->head = q->available->ring[q->next_available % q->size];
	chain->readable = chain->writable = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	if (!follow(q, chain, q->descriptors, q->size, chain->head, false)) {
		q->broken = true;
		return false;
	}
	q->next_available++;
	__atomic_fetch_add(&q->outstanding, 1, __ATOMIC_SEQ_CST);
	return true;
}

void virtqueue_unpop(struct virtqueue *q)
{
	q->next_available--;
	__atomic_fetch_sub(&q->outstanding, 1, __ATOMIC_SEQ_CST);
}

void virtqueue_push_all(struct virtqueue *q, const struct virtqueue_used *used, unsigned n)
{
	if (!q->live)
		return;
	for (unsigned i = 0; i < n; i++) {
		volatile struct vring_used_elem *element = &q->used->ring[q->next_used % q->size];

		element->id = used[i].head;
		element->len = used[i].written;
		q->next_used++;
	}
	/* First: the driver may use the descriptors again before the next line is done. */
	__atomic_fetch_sub(&q->outstanding, n, __ATOMIC_SEQ_CST);
	__atomic_store_n(&q->used->idx, q->next_used, __ATOMIC_RELEASE);
}

void virtqueue_push(struct virtqueue *q, uint16_t head, uint32_t written)
{
	virtqueue_push_all(q, &(struct virtqueue_used){head, written}, 1);
}

bool virtqueue_wants_interrupt(struct virtqueue *q)
{
	uint16_t before = q->signalled, now = q->next_used;
	bool first = !q->signalled_valid;

	if (!q->live)
		return false;
	/* The driver writes what it wants, then looks at the used index once more (2.7.7.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->events)
		return !(__atomic_load_n(&q->available->flags, __ATOMIC_RELAXED) &
		         VRING_AVAIL_F_NO_INTERRUPT);
	q->signalled = now;
	q->signalled_valid = true;
	return first || vring_need_event(*used_event(q), now, before);
}

void virtqueue_hush(struct virtqueue *q)
{
	if (q->live && !q->events)
		q->used->flags = VRING_USED_F_NO_NOTIFY;
}

bool virtqueue_listen_beyond(struct virtqueue *q, uint16_t n)
{
	if (!q->live || q->broken)
		return false;
	if (q->events)
		*available_event(q) = (uint16_t)(q->next_available + n);
	else
		q->used->flags = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return waiting(q) > n || q->broken;
}

bool virtqueue_listen(struct virtqueue *q)
{
	return virtqueue_listen_beyond(q, 0);
}

unsigned chain_slice(const struct chain *chain, bool writable, uint64_t offset, uint64_t n,
                     struct iovec *to)
{
	const struct iovec *part = chain->part + (writable ? chain->readable : 0);
	unsigned left = writable ? chain->writable : chain->readable, count = 0;

	for (; left && n; part++, left--) {
		size_t take;

		if (offset >= part->iov_len) {
			offset -= part->iov_len;
			continue;
		}
		take = part->iov_len - offset;
		if (take > n)
			take = n;
		to[count++] = (struct iovec){(uint8_t *)part->iov_base + offset, take};
		n -= take;
		offset = 0;
	}
	return n ? 0 : count;
}

static size_t copy(const struct chain *chain, bool writable, uint64_t offset, uint8_t *bytes,
                   size_t n)
{
	const struct iovec *part = chain->part + (writable ? chain->readable : 0);
	unsigned left = writable ? chain->writable : chain->readable;
	size_t done = 0;

	for (; left && done < n; part++, left--) {
		uint8_t *at = part->iov_base;
		size_t take;

		if (offset >= part->iov_len) {
			offset -= part->iov_len;
			continue;
		}
		take = part->iov_len - offset;
		if (take > n - done)
			take = n - done;
		if (writable)
			memcpy(at + offset, bytes + done, take);
		else
			memcpy(bytes + done, at + offset, take);
		done += take;
		offset = 0;
	}
	return done;
}

size_t chain_read(const struct chain *chain, uint64_t offset, void *to, size_t n)
{
	return copy(chain, false, offset, to, n);
}

size_t chain_write(const struct chain *chain, uint64_t offset, const void *from, size_t n)
{
	/* Only read, in this direction. */
	return copy(chain, true, offset, (uint8_t *)(uintptr_t)from, n);
}
