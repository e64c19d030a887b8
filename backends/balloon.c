// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE        4096u
#define PFNS_MOST   256u /* copied at a time; as many as Linux sends */
#define QUEUES      5u
#define QUEUE_STATS 2u

enum kind { INFLATE, DEFLATE, STATISTICS, REPORT };

static bool has(const struct backend *b, unsigned feature)
{
	return b->features >> feature & 1;
}

static enum kind kind_of(const struct backend *b, unsigned queue)
{
	if (queue < QUEUE_STATS)
		return queue ? DEFLATE : INFLATE;
	return queue == QUEUE_STATS && has(b, VIRTIO_BALLOON_F_STATS_VQ) ? STATISTICS : REPORT;
}

/* ---- pages ---- */

/* Whole pages within guest memory. */
static void give_back(struct backend *b, uint64_t pa, uint64_t n)
{
	if (!lazy_memory_forget(&b->memory.lazy, pa, n))
		return;
	/* A host that refuses, or a device of huge pages in the way: the guest loses nothing. */
	(void)madvise(b->memory.base + pa, n, MADV_REMOVE);
}

/* Pages @from to @to, both of them in guest memory. */
static void move_pages(struct backend *b, uint32_t from, uint32_t to, bool inflate)
{
	struct balloon *balloon = b->own;

	for (uint32_t pfn = from; pfn <= to; pfn++) {
		uint64_t *word = &balloon->shared->map[pfn / 64], bit = 1ull << pfn % 64;

		if (inflate)
			__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
		else
			__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
	}
	if (inflate)
		give_back(b, (uint64_t)from * PAGE, (uint64_t)(to - from + 1) * PAGE);
}

/*
 * A list of page numbers. Drivers take their pages one by one, but often in order, up or down: what
 * adjoins is one hole. More numbers than there are pages can only name some twice.
 */
static void take_list(struct backend *b, const struct chain *chain, bool inflate)
{
	uint64_t pages = b->memory.size / PAGE, left = pages, at = 0;
	uint32_t pfn[PFNS_MOST], from = 1, to = 0; /* none */

	if (pages > BALLOON_PAGES)
		pages = BALLOON_PAGES;
	while (left) {
		size_t n = left < PFNS_MOST ? left : PFNS_MOST;

		n = chain_read(chain, at, pfn, n * sizeof *pfn) / sizeof *pfn;
		if (!n)
			break;
		for (size_t i = 0; i < n; i++) {
			if (pfn[i] >= pages)
				continue;
			if (from <= to && pfn[i] == to + 1) {
				to++;
			} else if (from <= to && pfn[i] + 1 == from) {
				from--;
			} else {
				if (from <= to)
					move_pages(b, from, to, inflate);
				from = to = pfn[i];
			}
		}
		at += n * sizeof *pfn;
		left -= n;
	}
	if (from <= to)
		move_pages(b, from, to, inflate);
}

/* What the driver wants its free pages to hold: it has written it before it reports any. */
static bool zeros_will_do(const struct backend *b)
{
	uint32_t value;

	if (!has(b, VIRTIO_BALLOON_F_PAGE_POISON))
		return true;
	memcpy(&value, b->device->config + offsetof(struct virtio_balloon_config, poison_val),
	       sizeof value);
	return !value;
}

/* Of a part whose ends are no pages', the pages between them. No byte of it is looked at. */
static void take_report(struct backend *b, const struct chain *chain)
{
	struct balloon *balloon = b->own;
	uint64_t left = b->memory.size;

	if (!has(b, VIRTIO_BALLOON_F_REPORTING) || !zeros_will_do(b))
		return;
	for (unsigned i = 0; i < chain->writable; i++) {
		const struct iovec *part = &chain->part[chain->readable + i];
		uint64_t from = (uint64_t)((uint8_t *)part->iov_base - b->memory.base);
		uint64_t to = (from + part->iov_len) & ~(uint64_t)(PAGE - 1);

		from = (from + PAGE - 1) & ~(uint64_t)(PAGE - 1);
		if (from >= to || to - from > left)
			continue;
		left -= to - from;
		give_back(b, from, to - from);
		balloon->shared->reported += to - from;
	}
}

static void serve_pages(struct backend *b, unsigned queue, enum kind kind)
{
	static struct chain chain;
	struct virtqueue *q = &b->queue[queue];

	q->untouched = kind == REPORT;
	virtqueue_hush(q);
	do
		while (virtqueue_pop(q, &chain)) {
			if (kind == REPORT)
				take_report(b, &chain);
			else
				take_list(b, &chain, kind == INFLATE);
			virtqueue_push(q, chain.head, 0);
			backend_interrupt(b, queue);
		}
	while (virtqueue_listen(q) && !q->broken);
}

/* ---- statistics ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_statistics(struct balloon_shared *s, const struct chain *chain)
{
	struct virtio_balloon_stat stat[2 * BALLOON_STATS];
	size_t n = chain_read(chain, 0, stat, sizeof stat) / sizeof *stat;
	uint32_t known = 0;

	for (size_t i = 0; i < n; i++) {
		if (stat[i].tag >= BALLOON_STATS)
			continue;
		__atomic_store_n(&s->stat[stat[i].tag], stat[i].val, __ATOMIC_RELAXED);
		known |= 1u << stat[i].tag;
	}
	__atomic_store_n(&s->known, known, __ATOMIC_RELAXED);
	__atomic_store_n(&s->at, now_ns(), __ATOMIC_RELAXED);
}

/*
 * The driver always leaves one buffer here, and fills it anew when it gets it back (5.5.6.3). So it
 * stays in the ring, read, until main asks.
 */
static void serve_statistics(struct backend *b)
{
	static struct chain chain;
	struct balloon *balloon = b->own;
	struct balloon_shared *s = balloon->shared;
	struct virtqueue *q = &b->queue[QUEUE_STATS];
	uint64_t one = 1;

	while (!virtqueue_pop(q, &chain))
		if (!virtqueue_listen(q) || q->broken)
			return;
	read_statistics(s, &chain);
	virtqueue_unpop(q);
	virtqueue_listen_beyond(q, 1);
	balloon->sent = __atomic_load_n(&s->asked, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&s->answered, balloon->sent, __ATOMIC_SEQ_CST) != balloon->sent &&
	    balloon->told >= 0 && write(balloon->told, &one, sizeof one) < 0)
		return; /* it cannot count so far: main has enough to read */
}

static void ask_for_statistics(struct backend *b)
{
	static struct chain chain;
	struct balloon *balloon = b->own;
	struct virtqueue *q = &b->queue[QUEUE_STATS];
	uint32_t asked = __atomic_load_n(&balloon->shared->asked, __ATOMIC_SEQ_CST);

	if (asked == balloon->sent || kind_of(b, QUEUE_STATS) != STATISTICS ||
	    !virtqueue_pop(q, &chain))
		return; /* what comes next is the answer */
	balloon->sent = asked;
	virtqueue_push(q, chain.head, 0);
	backend_interrupt(b, QUEUE_STATS);
	if (virtqueue_listen(q))
		backend_again(b, QUEUE_STATS);
}

/* ---- the device ---- */

static void serve(struct backend *b, unsigned queue)
{
	enum kind kind = kind_of(b, queue);

	if (kind == STATISTICS)
		serve_statistics(b);
	else
		serve_pages(b, queue, kind);
}

/* The target, byte by byte as the configuration is read; a driver that runs is told. */
static void show_target(struct backend *b)
{
	const struct balloon *balloon = b->own;
	struct virtio_device *d = b->device;
	uint32_t target = __atomic_load_n(&balloon->shared->target, __ATOMIC_SEQ_CST);
	bool changed = false;

	for (unsigned i = 0; i < sizeof target; i++) {
		uint8_t byte = (uint8_t)(target >> 8 * i);

		if (__atomic_exchange_n(&d->config[i], byte, __ATOMIC_SEQ_CST) != byte)
			changed = true;
	}
	/* Who is not there yet looks when it comes. */
	if (changed && (__atomic_load_n(&d->status, __ATOMIC_SEQ_CST) & VIRTIO_CONFIG_S_DRIVER_OK))
		backend_config_changed(b);
}

/* Main calls here as well, for the target and for statistics. */
static void changed(struct backend *b)
{
	struct balloon *balloon = b->own;

	/* A driver that begins anew has nothing in its balloon. */
	if (balloon->generation != b->queue[INFLATE].generation)
		memset(balloon->shared->map, 0, sizeof balloon->shared->map);
	balloon->generation = b->queue[INFLATE].generation;
	show_target(b);
	ask_for_statistics(b);
}

/* The target that the guest was told; what is in the balloon the guest knows. */
static size_t save(struct backend *b, void *to, size_t room)
{
	const struct balloon *balloon = b->own;

	if (room < sizeof balloon->shared->target)
		return SIZE_MAX;
	memcpy(to, &balloon->shared->target, sizeof balloon->shared->target);
	return sizeof balloon->shared->target;
}

static bool load(struct backend *b, const void *from, size_t n)
{
	struct balloon *balloon = b->own;
	uint32_t target;

	if (n != sizeof target)
		return false;
	memcpy(&target, from, sizeof target);
	if (target > b->memory.size / PAGE)
		return false;
	balloon->shared->target = target;
	return true;
}

static const int calls[] = {
    SCMP_SYS(madvise),       /* madvise(): memory goes back */
    SCMP_SYS(write),         /* write(): main is told */
    SCMP_SYS(clock_gettime), /* clock_gettime() on hosts whose clock is not in the vDSO */
};

const struct backend_ops balloon_ops = {.serve = serve,
                                        .changed = changed,
                                        .listens = true,
                                        .save = save,
                                        .load = load,
                                        .calls = calls,
                                        .ncalls = sizeof calls / sizeof *calls};

void balloon_describe(const struct balloon *balloon, struct virtio_shown *shown, void *config)
{
	struct virtio_balloon_config c = {.num_pages = balloon->shared->target};
	uint64_t f = 1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_RING_F_EVENT_IDX;

	if (balloon->deflates_on_oom)
		f |= 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	/* Linux reports nothing that it keeps filled, unless it can say what with. */
	if (balloon->reporting)
		f |= 1ull << VIRTIO_BALLOON_F_REPORTING | 1ull << VIRTIO_BALLOON_F_PAGE_POISON;
	*shown = (struct virtio_shown){
	    .id = VIRTIO_ID_BALLOON,
	    .queues = QUEUES,
	    .queue_size = BALLOON_QUEUE_SIZE,
	    .config_bytes = sizeof c,
	    .writable_from = offsetof(struct virtio_balloon_config, actual),
	    .writable_bytes = sizeof c - offsetof(struct virtio_balloon_config, actual),
	    .features = f,
	};
	memcpy(config, &c, sizeof c);
}
