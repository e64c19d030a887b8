/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio's block device (virtio 1.2, 5.2): one queue of requests, carried out on a struct disk. */
#ifndef BACKENDS_BLK_H
#define BACKENDS_BLK_H

#include "backends/backend.h"
#include "backends/disk.h"

/* backend.own: a struct disk that is open; one behind an NBD server takes the second. */
extern const struct backend_ops blk_ops, blk_nbd_ops;

/*
 * A chain must fit into the queue (2.7.5.3.1), and a guest without pages in a row needs a part for
 * each 4 KiB: with this Linux' largest request, 1280 KiB (BLK_DEF_MAX_SECTORS), is one chain.
 */
#define BLK_QUEUE_SIZE 512

/** blk_describe - the features and configuration that show a guest this disk */
void blk_describe(const struct disk *d, struct virtio_shown *shown, void *config);

/**
 * blk_request - carry out one request, whatever its chain holds
 * @write_through: what is written is on the host's disk when this returns
 * @how: DISK_NOWAIT: leave what may have to wait for the host
 * @written: receives the number of bytes written to the chain, for virtqueue_push()
 *
 * Returns 0; -EAGAIN: left, with nothing of the chain changed; -EINVAL: the chain has no header, or
 * no place for a status.
 */
int blk_request(struct disk *d, const struct chain *chain, bool write_through, unsigned how,
                uint32_t *written);

#endif
