// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against the balloon: its memory and the registers of all queues are the input's,
 * bytes of the memory change between two steps, and each step serves a queue, asks for statistics,
 * changes the target or settles the queues anew. Nothing but guest memory may be touched (ASan:
 * what lies around it is not mapped), nothing outside of it given back (what the memory is a part
 * of stays as it was), and what follows from one step must end.
 */
#include "backends/balloon.h"

#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE    4096u
#define MEMORY  (8 * PAGE)
#define AROUND  (4 * PAGE) /* of the same file, on either side */
#define QUEUES  5u
#define WITNESS 0x77

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;
static struct balloon balloon = {.told = -1, .reporting = true};
static struct backend b;
static uint8_t *file, *base;
static int ram;

static void begin(void)
{
	if (machine)
		return;
	machine =
	    mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	balloon.shared = calloc(1, sizeof *balloon.shared);
	base = calloc(1, MEMORY);
	ram = memfd_create("ram", 0);
	if (machine == MAP_FAILED || !balloon.shared || !base || ram < 0 ||
	    ftruncate(ram, AROUND + MEMORY + AROUND))
		abort();
	file = mmap(NULL, AROUND + MEMORY + AROUND, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	if (file == MAP_FAILED)
		abort();
	memset(file, WITNESS, AROUND);
	memset(file + AROUND + MEMORY, WITNESS, AROUND);
}

static void open_queues(const uint8_t *data, size_t size, uint64_t features)
{
	b.features = features;
	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtio_queue *r = &b.device->queue[i];

		for (size_t n = 0; n < sizeof *r; n++)
			((uint8_t *)r)[n] = data[(i * 7 + n) % size];
		r->generation = b.queue[i].generation + 1;
		r->enabled = 1;
		r->size = (uint16_t)(8u << (r->size & 1));
		/* Most of them apart from each other, and in pages of their own. */
		r->descriptors = (i * 1024 + r->descriptors % 2 * 16) % (MEMORY - 1024);
		r->driver = r->descriptors + 256;
		r->device = r->descriptors + 512;
		r->next = 0;
		virtqueue_open(&b.queue[i], &b.memory, r, features);
	}
	balloon_ops.changed(&b);
}

static void step(uint8_t what)
{
	unsigned queue = (what >> 3) % QUEUES;
	uint8_t saved[16];
	size_t n;

	switch (what & 7) {
	case 6:
		balloon.shared->asked++;
		balloon_ops.changed(&b);
		break;
	case 7:
		balloon.shared->target = what;
		balloon_ops.changed(&b);
		n = balloon_ops.save(&b, saved, sizeof saved);
		if (n > sizeof saved)
			abort();
		(void)balloon_ops.load(&b, saved, n);
		break;
	default:
		if (b.queue[queue].live && !b.queue[queue].broken)
			balloon_ops.serve(&b, queue);
	}
	for (unsigned i = 0; i < QUEUES; i++)
		if (b.queue[i].outstanding)
			abort();
}

static void check_witnesses(void)
{
	for (unsigned i = 0; i < AROUND; i++)
		if (file[i] != WITNESS || file[AROUND + MEMORY + i] != WITNESS)
			abort();
	for (unsigned i = MEMORY / PAGE; i < BALLOON_PAGES; i += 64 - i % 64)
		if (balloon.shared->map[i / 64] >> i % 64)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t features;

	if (size < 16)
		return 0;
	begin();
	b = (struct backend){.ops = &balloon_ops,
	                     .own = &balloon,
	                     .machine = machine,
	                     .device = &machine->platform.virtio.device[0],
	                     .memory = {.base = file + AROUND, .size = MEMORY},
	                     .bell_event = -1};
	balloon.generation = balloon.sent = balloon.shared->asked = balloon.shared->answered = 0;
	for (size_t at = 0; at < MEMORY; at += size)
		memcpy(b.memory.base + at, data, size < MEMORY - at ? size : MEMORY - at);
	features = (uint64_t)(data[0] & 3) << 28 | (data[0] >> 2 & 0x3f);
	/* A machine that was restored: some of its memory is elsewhere yet. */
	memcpy(base, b.memory.base, MEMORY);
	machine->lazy_chunk[0] = data[1];
	if (data[0] & 1)
		b.memory.lazy =
		    (struct lazy_memory){b.memory.base, MEMORY, base, machine->lazy_chunk};
	memcpy(b.device->config, data, sizeof(struct virtio_balloon_config));
	open_queues(data, size, features);
	for (size_t i = 2; i < size; i++) {
		b.memory.base[(data[i] * 131u + i) % MEMORY] ^= data[size - i];
		step(data[i]);
		if (data[i] == 0xff)
			open_queues(data + i, size - i, features);
	}
	check_witnesses();
	return 0;
}
