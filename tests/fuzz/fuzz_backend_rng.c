// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against the source of random numbers: its memory and the queue's registers are
 * the input's, and what the host's generator gives is written wherever the guest says, the rings
 * among it. Nothing but guest memory may be touched (ASan: what lies around it is not mapped), of
 * one buffer no more is asked than a driver may have, and each step must end.
 */
#include "backends/rng.h"

#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE   4096u
#define MEMORY (32 * PAGE)
#define AROUND (4 * PAGE)
#define MOST   65536u /* of one buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;
static uint8_t *memory;
static struct backend b;
static const uint8_t *input;
static size_t input_size, given;

/* The host's: what it gives is the input's as well, and sometimes less than was asked for, or none. */
ssize_t getrandom(void *to, size_t n, unsigned flags)
{
	uint8_t how;

	/* The fuzzer's own question, when it starts. */
	if (!input_size)
		return syscall(SYS_getrandom, to, n, flags);
	how = input[given++ % input_size];
	if (n > MOST || flags)
		abort();
	if (how == 0xfe)
		return -1;
	if (how & 1 && n > 256)
		n = 256;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = input[(given + i) % input_size];
	return (ssize_t)n;
}

static void begin(void)
{
	uint8_t *all;

	if (machine)
		return;
	machine =
	    mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	all = mmap(NULL, AROUND + MEMORY + AROUND, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine == MAP_FAILED || all == MAP_FAILED ||
	    mprotect(all + AROUND, MEMORY, PROT_READ | PROT_WRITE))
		abort();
	memory = all + AROUND;
}

/* A descriptor of what is in memory, for the device to write to: at times of more than it gives at once. */
static void tame(uint8_t *descriptor)
{
	struct vring_desc d;

	memcpy(&d, descriptor, sizeof d);
	d.len %= MEMORY;
	d.addr %= MEMORY - d.len;
	d.flags = (uint16_t)(VRING_DESC_F_WRITE | (d.flags & VRING_DESC_F_NEXT));
	d.next %= 8;
	memcpy(descriptor, &d, sizeof d);
}

static void open_queue(const uint8_t *data, size_t size, uint64_t features)
{
	struct virtio_queue *r = &b.device->queue[0];

	b.features = features;
	for (size_t n = 0; n < sizeof *r; n++)
		((uint8_t *)r)[n] = data[n % size];
	r->generation = b.queue[0].generation + 1;
	r->enabled = 1;
	r->size = (uint16_t)(8u << (r->size & 1));
	r->descriptors = r->descriptors % 64 * 16;
	r->driver = r->descriptors + 256;
	r->device = r->descriptors + 512;
	r->next = 0;
	for (unsigned i = 0; i < r->size; i++)
		if (data[i % size] & 3)
			tame(memory + r->descriptors + i * 16);
	memory[r->driver + 2] %= (uint8_t)(r->size + 1);
	memory[r->driver + 3] = 0;
	virtqueue_open(&b.queue[0], &b.memory, r, features);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t features;

	if (size < 16)
		return 0;
	begin();
	input = data;
	input_size = size;
	given = 0;
	b = (struct backend){.ops = &rng_ops,
	                     .machine = machine,
	                     .device = &machine->platform.virtio.device[0],
	                     .memory = {.base = memory, .size = MEMORY},
	                     .bell_event = -1};
	for (size_t at = 0; at < MEMORY; at += size)
		memcpy(memory + at, data, size < MEMORY - at ? size : MEMORY - at);
	features = (uint64_t)(data[0] & 3) << 28;
	open_queue(data, size, features);
	for (size_t i = 1; i < size; i++) {
		memory[(data[i] * 131u + i) % MEMORY] ^= data[size - i];
		if (data[i] == 0xff)
			open_queue(data + i, size - i, features);
		if (b.queue[0].live && !b.queue[0].broken)
			rng_ops.serve(&b, 0);
		if (b.queue[0].outstanding)
			abort();
	}
	input_size = 0;
	return 0;
}
