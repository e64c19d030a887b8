/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory in huge pages of the host, of 2 MiB.
 *
 * Each cell has page tables of its own for the guest's kernel half, which all of them use. With
 * huge pages a cell that begins to run takes one fault for 2 MiB of it instead of 512, its
 * translations fit into the TLB, and it needs no page tables for them.
 */
#ifndef MAIN_HUGE_PAGES_H
#define MAIN_HUGE_PAGES_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HUGE_PAGE_SIZE  (2ull << 20)
#define HUGE_EXTENTS    2048 /* of 2 MiB: 4 GiB */
#define HUGE_NAME_BYTES 80

struct huge_pages {
	uint8_t *ram; /* guest memory, where main has mapped it, at a multiple of 2 MiB */
	uint64_t size;
	int fd;
	bool on, started;
	bool quit;       /* atomic */
	uint64_t looked; /* CLOCK_MONOTONIC, ns: when the size of the file was last looked at */
	uint64_t known;  /* bytes the file had when its contents were last looked through */
	pthread_t thread;
	sem_t work;
	uint32_t made, failed;       /* atomic: extents */
	uint8_t tried[HUGE_EXTENTS]; /* times; HUGE_DONE: it is one */
	/*
	 * A bit for each page of 4 KiB that the guest has given back: a huge page would fill the
	 * hole. Written by others meanwhile; NULL: none.
	 */
	const uint64_t *left_out;
};

/**
 * huge_pages_init - for guest memory of @size bytes of file @fd, mapped at @ram
 * @on: false leaves everything in small pages
 */
void huge_pages_init(struct huge_pages *h, uint8_t *ram, uint64_t size, int fd, bool on);

/** huge_page_make - put the 2 MiB of shared memory at @p, none of it in use, into a huge page */
bool huge_page_make(uint8_t *p);

/** huge_pages_expect - [from, to) of guest memory is about to be filled, and nobody has it mapped
 */
void huge_pages_expect(struct huge_pages *h, uint64_t from, uint64_t to);

/** huge_pages_start - start the thread that looks after what is used later; before confine_calls()
 */
void huge_pages_start(struct huge_pages *h);

/** huge_pages_look - have new contents looked through, when there are; cheap, to be called often */
void huge_pages_look(struct huge_pages *h);

/** huge_pages_stop - end the thread; fine if it was not started */
void huge_pages_stop(struct huge_pages *h);

/** huge_pages_describe - what became of it, for --stats */
void huge_pages_describe(const struct huge_pages *h, char text[HUGE_NAME_BYTES]);

#endif
