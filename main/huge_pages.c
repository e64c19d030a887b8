// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/huge_pages.h"

#include "common/thread.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/*
 * Shared memory is put into huge pages by hand, which asks for no setting of the host's
 * (madvise(2), MADV_COLLAPSE). What is missing of the 2 MiB is filled with zeros, so this waits
 * until a quarter of them is used. A guest fills its memory from one end, nearly: 21 extents of
 * 24 were full, and one used at all, after a boot.
 */
#define WORTHWHILE (HUGE_PAGE_SIZE / 4)

/* An empty extent costs 0.1 ms; one that cells have mapped page by page, 0.7 ms. */
#define LOOK_INTERVAL_NS 20000000u

#define MOST_TRIES 3 /* the host may lack 2 MiB in a piece, or have a page in use */
#define HUGE_DONE  255

void huge_pages_init(struct huge_pages *h, uint8_t *ram, uint64_t size, int fd, bool on)
{
	h->ram = ram;
	h->size = size;
	h->fd = fd;
	h->on = on;
}

static uint64_t extents(const struct huge_pages *h)
{
	uint64_t n = h->size / HUGE_PAGE_SIZE;

	return n < HUGE_EXTENTS ? n : HUGE_EXTENTS;
}

bool huge_page_make(uint8_t *p)
{
	/* There must be something to put together (EINVAL). */
	*(volatile uint8_t *)p = 0;
	return !madvise(p, HUGE_PAGE_SIZE, MADV_COLLAPSE);
}

static void note(struct huge_pages *h, uint64_t extent, bool made)
{
	if (made) {
		h->tried[extent] = HUGE_DONE;
		__atomic_fetch_add(&h->made, 1, __ATOMIC_RELAXED);
	} else if (++h->tried[extent] == MOST_TRIES) {
		__atomic_fetch_add(&h->failed, 1, __ATOMIC_RELAXED);
	}
}

void huge_pages_expect(struct huge_pages *h, uint64_t from, uint64_t to)
{
	uint64_t last = to / HUGE_PAGE_SIZE;

	if (!h->on)
		return;
	for (uint64_t i = (from + HUGE_PAGE_SIZE - 1) / HUGE_PAGE_SIZE; i < last && i < extents(h);
	     i++)
		note(h, i, huge_page_make(h->ram + i * HUGE_PAGE_SIZE));
}

/* Has the guest given back a part of it? */
static bool has_holes(const struct huge_pages *h, uint64_t extent)
{
	const uint64_t *words = h->left_out + extent * (HUGE_PAGE_SIZE / 4096 / 64);

	for (unsigned i = 0; h->left_out && i < HUGE_PAGE_SIZE / 4096 / 64; i++)
		if (__atomic_load_n(&words[i], __ATOMIC_RELAXED))
			return true;
	return false;
}

/* It is none any more, and may become one again. */
static void forget(struct huge_pages *h, uint64_t extent)
{
	if (h->tried[extent] == HUGE_DONE)
		__atomic_fetch_sub(&h->made, 1, __ATOMIC_RELAXED);
	h->tried[extent] = 0;
}

/* How many bytes of each extent the file has, and with it the guest. */
static void look_through(struct huge_pages *h)
{
	static uint32_t used[HUGE_EXTENTS];
	off_t from = 0, to;

	for (uint64_t i = 0; i < extents(h); i++)
		used[i] = 0;
	while ((from = lseek(h->fd, from, SEEK_DATA)) >= 0 &&
	       (to = lseek(h->fd, from, SEEK_HOLE)) > from)
		while (from < to) {
			uint64_t i = (uint64_t)from / HUGE_PAGE_SIZE;
			off_t end = (off_t)((i + 1) * HUGE_PAGE_SIZE);

			if (i >= extents(h))
				return;
			if (end > to)
				end = to;
			used[i] += (uint32_t)(end - from);
			from = end;
		}
	for (uint64_t i = 0; i < extents(h) && !__atomic_load_n(&h->quit, __ATOMIC_SEQ_CST); i++)
		if (!used[i] || has_holes(h, i))
			forget(h, i);
		else if (used[i] >= WORTHWHILE && h->tried[i] < MOST_TRIES)
			note(h, i,
			     !madvise(h->ram + i * HUGE_PAGE_SIZE, HUGE_PAGE_SIZE, MADV_COLLAPSE));
}

/* A thread of its own: the host may have to move other memory before it has 2 MiB in a piece. */
static void *huge_pages_main(void *arg)
{
	struct huge_pages *h = arg;

	for (;;) {
		while (sem_wait(&h->work))
			;
		if (__atomic_load_n(&h->quit, __ATOMIC_SEQ_CST))
			return NULL;
		look_through(h);
	}
}

void huge_pages_start(struct huge_pages *h)
{
	if (!h->on || sem_init(&h->work, 0, 0))
		return;
	h->started = !thread_start(&h->thread, huge_pages_main, h);
}

void huge_pages_look(struct huge_pages *h)
{
	struct timespec t;
	struct stat s;
	uint64_t now, bytes, change;
	int pending;

	if (!h->started || clock_gettime(CLOCK_MONOTONIC, &t))
		return;
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (now - h->looked < LOOK_INTERVAL_NS || fstat(h->fd, &s))
		return;
	h->looked = now;
	bytes = (uint64_t)s.st_blocks * 512;
	change = bytes > h->known ? bytes - h->known : h->known - bytes;
	if (change < WORTHWHILE || sem_getvalue(&h->work, &pending) || pending)
		return;
	h->known = bytes;
	sem_post(&h->work);
}

void huge_pages_stop(struct huge_pages *h)
{
	if (!h->started)
		return;
	__atomic_store_n(&h->quit, true, __ATOMIC_SEQ_CST);
	sem_post(&h->work);
	pthread_join(h->thread, NULL);
	sem_destroy(&h->work);
	h->started = false;
}

void huge_pages_describe(const struct huge_pages *h, char text[HUGE_NAME_BYTES])
{
	uint32_t made = __atomic_load_n(&h->made, __ATOMIC_RELAXED);
	uint32_t failed = __atomic_load_n(&h->failed, __ATOMIC_RELAXED);

	if (!h->on)
		snprintf(text, HUGE_NAME_BYTES, "off");
	else if (!made)
		snprintf(text, HUGE_NAME_BYTES, "refused by the host");
	else
		snprintf(text, HUGE_NAME_BYTES, "%u (%llu MiB), %u refused", made,
		         made * HUGE_PAGE_SIZE >> 20, failed);
}
