/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio's memory balloon (virtio 1.2, 5.5): what the guest puts into it, and what it reports as
 * free, goes back to the host.
 *
 * Guest memory is one file in memory that main, the cells and the back ends have mapped, so a hole
 * in it (MADV_REMOVE) gives a page back wherever it is mapped: who touches it next finds zeros, as
 * at the start. Nobody has to be told, because nobody keeps anything that the guest could not
 * overwrite as well. So pages that a guest should not have given away, or touches again, are its
 * own affair.
 *
 * FREE PAGES. The driver hands over what lies free for a while, in pieces of 2 MiB and more, and
 * uses none of it before it has the chain back. It does not ask what is in these pages then unless
 * it offers a value to fill them with (VIRTIO_BALLOON_F_PAGE_POISON): zero is what they hold, and
 * with any other they are left as they are (5.5.6.5).
 *
 * QUEUES. The driver's numbers depend on the features (5.5.2), but drivers and devices have long
 * left no gaps where queues are missing. There is no free page hinting here, so the reporting queue
 * is 4 by the text, and 3 for Linux, or 2 without statistics: all of these are one.
 */
#ifndef BACKENDS_BALLOON_H
#define BACKENDS_BALLOON_H

#include "backends/backend.h"

#include <stdbool.h>
#include <stdint.h>

#define BALLOON_QUEUE_SIZE 128        /* Linux wants 32 for its reports */
#define BALLOON_PAGES      (1u << 20) /* of 4 KiB; no guest has more memory */
#define BALLOON_STATS      16         /* VIRTIO_BALLOON_S_*, with those of later kernels */

/* Between main and the back end, in memory that no cell has. Main believes no number of it. */
struct balloon_shared {
	/* main's */
	uint32_t target; /* pages that the balloon should have */
	uint32_t asked;  /* counts up: main would like new statistics */
	/* the back end's */
	uint32_t answered; /* `asked`, as of the statistics that came last */
	uint32_t known;    /* a bit for each statistic that the driver gives */
	uint64_t at;       /* CLOCK_MONOTONIC ns when they came; 0: never */
	uint64_t stat[BALLOON_STATS];
	uint64_t reported; /* bytes that were given back because they were free */
	/* Pages in the balloon. */
	uint64_t map[BALLOON_PAGES / 64];
};

struct balloon {
	struct balloon_shared *shared;
	int told;             /* eventfd, main's: statistics have come */
	bool deflates_on_oom; /* the guest takes back what it needs before it kills a process */
	bool reporting;       /* the guest may report free pages */

	/* The back end's. */
	uint32_t generation; /* of its queues */
	uint32_t sent;       /* `asked`, as far as the driver was asked */
};

extern const struct backend_ops balloon_ops;

/** balloon_describe - the features and configuration that show a guest this device */
void balloon_describe(const struct balloon *balloon, struct virtio_shown *shown, void *config);

#endif
