// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/rng.h"

#include <seccomp.h>
#include <sys/random.h>

/* Of one buffer at most, so that no request takes long; a driver asks again. */
#define MOST_BYTES 65536u

/* Returns the bytes written: up to 256 always, of more what the host gives at once. */
static uint32_t fill(const struct chain *chain)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < chain->writable && done < MOST_BYTES; i++) {
		const struct iovec *part = &chain->part[chain->readable + i];
		size_t left = MOST_BYTES - done, n = part->iov_len < left ? part->iov_len : left;
		ssize_t got = getrandom(part->iov_base, n, 0);

		if (got < 0)
			break;
		done += (uint32_t)got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

static void serve(struct backend *b, unsigned queue)
{
	static struct chain chain;

	while (virtqueue_pop(&b->queue[queue], &chain)) {
		virtqueue_push(&b->queue[queue], chain.head, fill(&chain));
		backend_interrupt(b, queue);
	}
}

static const int calls[] = {
    SCMP_SYS(getrandom), /* getrandom() */
};

const struct backend_ops rng_ops = {
    .serve = serve, .calls = calls, .ncalls = sizeof calls / sizeof *calls};
