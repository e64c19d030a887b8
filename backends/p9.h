/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio's 9P transport (virtio 1.2, 5.14 reserves the number; drivers/net/9p is what is spoken):
 * one queue of messages of 9P2000.L, answered from a shared directory (backends/share.h).
 *
 * One thread answers them in order, so nothing is in hand between two, and a flush finds what it
 * is to cancel done. Data to read and write goes between the host's file and guest memory directly.
 */
#ifndef BACKENDS_P9_H
#define BACKENDS_P9_H

#include "backends/backend.h"
#include "backends/p9_message.h"
#include "backends/share.h"

#define P9_QUEUE_SIZE 128          /* as many parts as Linux' driver puts into one message */
#define P9_MSIZE      (512u << 10) /* bytes of a message, at most */
#define P9_MESSAGE    16384u       /* the same without the data of reads and writes */
#define P9_BUCKETS    1024u        /* of the hash of fids, a power of two */

struct p9_fid;

/* A client's session, from one version message to the next. */
struct p9 {
	struct share *share;
	uint32_t msize; /* as settled; 0: no version was agreed on */
	unsigned fids, fids_max;
	struct p9_fid *bucket[P9_BUCKETS];
	uint8_t request[P9_MESSAGE], reply[P9_MESSAGE];
};

/* backend.own: a struct share that is open; a read-only one takes the second. */
extern const struct backend_ops p9_ops, p9_read_only_ops;

/** p9_describe - the features and configuration that show a guest this share */
void p9_describe(const struct share *s, struct virtio_shown *shown, void *config);

/**
 * p9_message - answer one message, whatever its chain holds
 * @written: receives the number of bytes written to the chain, for virtqueue_push()
 *
 * Returns 0; -EINVAL: the chain has no message, or no place for an answer.
 */
int p9_message(struct p9 *p, const struct chain *chain, uint32_t *written);

/** p9_forget - let go of all fids */
void p9_forget(struct p9 *p);

#endif
