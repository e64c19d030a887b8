// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtio block. The process's first thread takes requests. What the host's page cache can answer is
 * answered there; all else is handed to workers, so that several requests are on their way to the
 * host's disk at once. A chain is given back by whoever has carried it out.
 */
#include "backends/blk.h"

#include "backends/nbd.h"
#include "common/thread.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <seccomp.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#define WORKERS 4u

/* Parts of one request at most: what a chain of the queue's size holds beside header and status. */
#define SEGMENTS_MAX        (BLK_QUEUE_SIZE - 2)
/* Sectors of one discard or zeroing, at most: 2 GiB, so that none takes for ever. */
#define DISCARD_SECTORS_MAX (1u << 22)
#define DISCARD_ALIGNMENT   (DISK_CLUSTER / DISK_SECTOR)

struct request {
	struct request *next;
	struct chain chain;
};

struct blk {
	struct disk *disk;
	struct backend *backend;
	bool write_through; /* every write is on the host's disk when it is acknowledged */

	pthread_mutex_t lock; /* of all below, and of the virtqueue */
	pthread_cond_t idle;
	unsigned unposted; /* handed out, and no worker was told yet */
	struct request *free, *first, **last;
	unsigned in_hand; /* queued or being carried out */
	unsigned touched; /* of these: the others were never used, and have no memory yet */
	struct request request[BLK_QUEUE_SIZE];

	sem_t work; /* as many as there are requests handed out */
};

/* ---- one request ---- */

static bool within(const struct disk *d, uint64_t sector, uint64_t sectors)
{
	uint64_t all = d->bytes / DISK_SECTOR;

	return sectors <= all && sector <= all - sectors;
}

static uint8_t status_of(int error)
{
	return error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

/* IN and OUT of n bytes. */
static int move_data(struct disk *d, const struct chain *chain, bool out, uint64_t sector,
                     uint64_t n, unsigned how)
{
	struct iovec part[VIRTQUEUE_CHAIN];
	uint64_t offset = sector * DISK_SECTOR;
	unsigned parts;

	if (n % DISK_SECTOR || !within(d, sector, n / DISK_SECTOR) || (out && d->read_only))
		return -EIO;
	if (!n)
		return 0;
	parts = chain_slice(chain, !out, out ? sizeof(struct virtio_blk_outhdr) : 0, n, part);
	return out ? disk_write(d, part, parts, offset, n, how)
	           : disk_read(d, part, parts, offset, n, how);
}

/* DISCARD and WRITE_ZEROES, 5.2.6.2. Returns a status. */
static uint8_t clear(struct disk *d, const struct chain *chain, bool discard, bool write_through)
{
	struct virtio_blk_discard_write_zeroes range;
	bool unmap;
	int error;

	if (chain_read(chain, sizeof(struct virtio_blk_outhdr), &range, sizeof range) !=
	        sizeof range ||
	    chain->readable_bytes != sizeof(struct virtio_blk_outhdr) + sizeof range)
		return VIRTIO_BLK_S_IOERR;
	unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if ((range.flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) || (discard && unmap))
		return VIRTIO_BLK_S_UNSUPP;
	if (d->read_only || range.num_sectors > DISCARD_SECTORS_MAX ||
	    !within(d, range.sector, range.num_sectors))
		return VIRTIO_BLK_S_IOERR;
	if (!range.num_sectors)
		return VIRTIO_BLK_S_OK;
	if (discard)
		error = disk_discard(d, range.sector * DISK_SECTOR,
		                     (uint64_t)range.num_sectors * DISK_SECTOR);
	else
		error = disk_zero(d, range.sector * DISK_SECTOR,
		                  (uint64_t)range.num_sectors * DISK_SECTOR, unmap);
	if (!error && !discard && write_through)
		error = disk_flush(d);
	return status_of(error);
}

static uint32_t tell_serial(const struct disk *d, const struct chain *chain, uint64_t room)
{
	char id[VIRTIO_BLK_ID_BYTES] = {0};

	memcpy(id, d->serial, strnlen(d->serial, sizeof id));
	return (uint32_t)chain_write(chain, 0, id, room < sizeof id ? room : sizeof id);
}

int blk_request(struct disk *d, const struct chain *chain, bool write_through, unsigned how,
                uint32_t *written)
{
	struct virtio_blk_outhdr header;
	uint64_t room = chain->writable_bytes - 1, data = 0;
	uint8_t status;
	int error = 0;

	if (!chain->writable_bytes || chain_read(chain, 0, &header, sizeof header) != sizeof header)
		return -EINVAL;
	if ((how & DISK_NOWAIT) && header.type != VIRTIO_BLK_T_IN)
		return -EAGAIN;
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		error = move_data(d, chain, false, header.sector, room, how);
		if (error == -EAGAIN)
			return error;
		data = room;
		status = status_of(error);
		break;
	case VIRTIO_BLK_T_OUT:
		status = status_of(move_data(d, chain, true, header.sector,
		                             chain->readable_bytes - sizeof header,
		                             write_through ? DISK_SYNC : 0));
		break;
	case VIRTIO_BLK_T_FLUSH:
		status = status_of(disk_flush(d));
		break;
	case VIRTIO_BLK_T_DISCARD:
		status = clear(d, chain, true, write_through);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		status = clear(d, chain, false, write_through);
		break;
	case VIRTIO_BLK_T_GET_ID:
		data = tell_serial(d, chain, room);
		status = VIRTIO_BLK_S_OK;
		break;
	default:
		status = VIRTIO_BLK_S_UNSUPP;
	}
	/* The status is the last byte, whatever comes before it (5.2.6). */
	chain_write(chain, room, &status, 1);
	*written = (uint32_t)(data == room ? room + 1 : 1);
	return 0;
}

/* ---- who does it ---- */

static void set_free(struct blk *blk, struct request *r)
{
	r->next = blk->free;
	blk->free = r;
}

static struct request *get_free(struct blk *blk)
{
	struct request *r = blk->free;

	if (!r)
		return blk->touched < BLK_QUEUE_SIZE ? &blk->request[blk->touched++] : NULL;
	blk->free = r->next;
	return r;
}

/* A chain that is no request: it is not given back, and the driver is told to start over. */
static void give_up(struct blk *blk, struct request *r)
{
	blk->backend->queue[0].broken = true;
	backend_broken(blk->backend);
	set_free(blk, r);
}

static void finish(struct blk *blk, struct request *r, uint32_t written)
{
	virtqueue_push(&blk->backend->queue[0], r->chain.head, written);
	backend_interrupt(blk->backend, 0);
	set_free(blk, r);
}

static _Noreturn void *work(void *argument)
{
	struct blk *blk = argument;

	for (;;) {
		struct request *r;
		uint32_t written = 0;
		int error;

		while (sem_wait(&blk->work))
			;
		pthread_mutex_lock(&blk->lock);
		r = blk->first;
		blk->first = r->next;
		if (!blk->first)
			blk->last = &blk->first;
		pthread_mutex_unlock(&blk->lock);
		error = blk_request(blk->disk, &r->chain, blk->write_through, 0, &written);
		pthread_mutex_lock(&blk->lock);
		if (error)
			give_up(blk, r);
		else
			finish(blk, r, written);
		if (!--blk->in_hand)
			pthread_cond_signal(&blk->idle);
		pthread_mutex_unlock(&blk->lock);
	}
}

static void hand_out(struct blk *blk, struct request *r)
{
	r->next = NULL;
	*blk->last = r;
	blk->last = &r->next;
	blk->in_hand++;
	blk->unposted++;
}

/* Workers are told when they can have the lock, which is the first that they ask for. */
static void unlock(struct blk *blk)
{
	unsigned n = blk->unposted;

	blk->unposted = 0;
	pthread_mutex_unlock(&blk->lock);
	for (; n; n--)
		sem_post(&blk->work);
}

/* One request; false: there is none. Called, and left, with the lock. */
static bool take(struct blk *blk, struct virtqueue *q)
{
	struct request *r = get_free(blk);
	uint32_t written = 0;
	int error;

	/* There are as many as the queue has entries, so one is free if there is a chain. */
	if (!r)
		return false;
	if (!virtqueue_pop(q, &r->chain)) {
		set_free(blk, r);
		return false;
	}
	unlock(blk);
	error = blk_request(blk->disk, &r->chain, blk->write_through, DISK_NOWAIT, &written);
	pthread_mutex_lock(&blk->lock);
	if (error == -EAGAIN) {
		hand_out(blk, r);
	} else if (error) {
		give_up(blk, r);
	} else {
		finish(blk, r, written);
	}
	return true;
}

static void serve(struct backend *b, unsigned queue)
{
	struct blk *blk = b->own;

	pthread_mutex_lock(&blk->lock);
	while (take(blk, &b->queue[queue]))
		;
	unlock(blk);
}

static void drain(struct backend *b)
{
	struct blk *blk = b->own;

	pthread_mutex_lock(&blk->lock);
	while (blk->in_hand)
		pthread_cond_wait(&blk->idle, &blk->lock);
	pthread_mutex_unlock(&blk->lock);
}

/*
 * A driver that does not know about flushing expects what was written to be safe (5.2.6.2); one
 * that does may switch the host's cache off in the configuration.
 */
static void changed(struct backend *b)
{
	struct blk *blk = b->own;
	const uint8_t *wce = b->device->config + offsetof(struct virtio_blk_config, wce);
	uint64_t f = b->features;

	blk->write_through = !(f & 1ull << VIRTIO_BLK_F_FLUSH);
	if (f & 1ull << VIRTIO_BLK_F_CONFIG_WCE)
		blk->write_through = !__atomic_load_n(wce, __ATOMIC_RELAXED);
}

static void prepare(struct backend *b)
{
	static struct blk all;
	struct blk *blk = &all;

	blk->disk = b->own;
	blk->backend = b;
	blk->last = &blk->first;
	pthread_mutex_init(&blk->lock, NULL);
	sem_init(&blk->work, 0, 0);
	pthread_cond_init(&blk->idle, NULL);
	b->own = blk;
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_t thread;

		if (thread_start(&thread, work, blk))
			_exit(BACKEND_CONFINE);
	}
}

static const int calls[] = {
    SCMP_SYS(preadv2),   /* disk_read() */
    SCMP_SYS(pwritev2),  /* disk_write() */
    SCMP_SYS(fdatasync), /* disk_flush() */
    SCMP_SYS(fallocate), /* disk_zero() */
};

const struct backend_ops blk_ops = {.prepare = prepare,
                                    .serve = serve,
                                    .drain = drain,
                                    .changed = changed,
                                    .calls = calls,
                                    .ncalls = sizeof calls / sizeof *calls};

/* With an overlay of its own, perhaps. */
static const int overlay_calls[] = {
    SCMP_SYS(preadv2),   /* preadv2() of an overlay */
    SCMP_SYS(pwritev2),  /* pwritev2() of an overlay */
    SCMP_SYS(fallocate), /* fallocate() of an overlay */
};

const struct backend_ops blk_nbd_ops = {.prepare = prepare,
                                        .serve = serve,
                                        .drain = drain,
                                        .changed = changed,
                                        .calls = overlay_calls,
                                        .ncalls = sizeof overlay_calls / sizeof *overlay_calls,
                                        .also = &nbd_calls};

/* ---- what the guest is shown ---- */

static uint64_t features_of(const struct disk *d)
{
	uint64_t f = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
	             1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_FLUSH |
	             1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX;

	if (d->read_only)
		return f | 1ull << VIRTIO_BLK_F_RO;
	return f | 1ull << VIRTIO_BLK_F_CONFIG_WCE | 1ull << VIRTIO_BLK_F_DISCARD |
	       1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

void blk_describe(const struct disk *d, struct virtio_shown *shown, void *config)
{
	uint32_t exponent =
	    d->physical > d->logical ? (uint32_t)__builtin_ctz(d->physical / d->logical) : 0;
	struct virtio_blk_config c = {
	    .capacity = d->bytes / DISK_SECTOR,
	    .seg_max = SEGMENTS_MAX,
	    .blk_size = d->logical,
	    .physical_block_exp = (uint8_t)exponent,
	    .min_io_size = (uint16_t)(1u << exponent),
	    .wce = 1,
	    .num_queues = 1,
	    .max_discard_sectors = DISCARD_SECTORS_MAX,
	    .max_discard_seg = 1,
	    .discard_sector_alignment = DISCARD_ALIGNMENT,
	    .max_write_zeroes_sectors = DISCARD_SECTORS_MAX,
	    .max_write_zeroes_seg = 1,
	    .write_zeroes_may_unmap = 1,
	};

	*shown = (struct virtio_shown){
	    .id = VIRTIO_ID_BLOCK,
	    .queues = 1,
	    .queue_size = BLK_QUEUE_SIZE,
	    .config_bytes = offsetof(struct virtio_blk_config, unused1),
	    .writable_from = offsetof(struct virtio_blk_config, wce),
	    .writable_bytes = d->read_only ? 0 : sizeof c.wce,
	    .features = features_of(d),
	};
	memcpy(config, &c, shown->config_bytes);
}
