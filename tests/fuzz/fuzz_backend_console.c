// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against the ports of a virtio console: its memory and the registers of all queues
 * are the input's, some bytes of the memory change between two steps, and each step serves a queue,
 * has clients come, go or send, or settles the queues anew. Parts lie in guest memory (ASan: a heap
 * block of its size), and what follows from one step must end.
 */
#include "backends/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MEMORY  32768u
#define QUEUES  (2 * CONSOLE_PORTS + 2)
#define CLIENTS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;
static struct console_ports ports;
static struct backend b;
static int listener[3], client[CLIENTS];
static struct sockaddr_un address[3];

static void begin(void)
{
	if (machine)
		return;
	machine =
	    mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine == MAP_FAILED)
		abort();
	for (unsigned i = 0; i < 3; i++) {
		/* A name in no file system. */
		address[i].sun_family = AF_UNIX;
		snprintf(address[i].sun_path + 1, 60, "ring1-fuzz-%d-%u", (int)getpid(), i);
		listener[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (listener[i] < 0 || bind(listener[i], (void *)&address[i], sizeof address[i]) ||
		    listen(listener[i], 8))
			abort();
	}
	ports.port[0] = (struct console_port){"hvc", listener[0], true, false};
	ports.port[1] = (struct console_port){"named", listener[1], false, false};
	for (unsigned i = 2; i < 5; i++)
		ports.port[i] = (struct console_port){"agent", listener[2], false, true};
	b = (struct backend){
	    .ops = &console_ops, .machine = machine, .device = &machine->platform.virtio.device[0]};
	b.bell_event = -1;
}

static void open_queues(const uint8_t *data, size_t size, uint64_t features)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtio_queue *r = &b.device->queue[i];

		memset(r, 0, sizeof *r);
		for (size_t n = 0; n < sizeof *r && size; n++)
			((uint8_t *)r)[n] = data[(i * 7 + n) % size];
		r->generation = b.queue[i].generation + 1;
		r->enabled = 1;
		r->size = (uint16_t)(8u << (r->size & 1));
		/* Most of them apart from each other. */
		r->descriptors = (i * 1024 + r->descriptors % 2 * 16) % (MEMORY - 1024);
		r->driver = r->descriptors + 256;
		r->device = r->descriptors + 512;
		r->next = 0;
		virtqueue_open(&b.queue[i], &b.memory, r, features);
	}
	console_ops.changed(&b);
}

static void call(unsigned which, unsigned where)
{
	if (client[which] >= 0)
		return;
	client[which] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (client[which] < 0 ||
	    connect(client[which], (void *)&address[where % 3], sizeof address[0])) {
		close(client[which]);
		client[which] = -1;
	}
}

static void leave(unsigned which)
{
	if (client[which] >= 0)
		close(client[which]);
	client[which] = -1;
}

static void step(uint8_t what)
{
	unsigned which = what >> 2 & 3;
	char bytes[300];

	switch (what & 3) {
	case 0:
		if (b.queue[(what >> 2 & 31) % QUEUES].live &&
		    !b.queue[(what >> 2 & 31) % QUEUES].broken)
			console_ops.serve(&b, (what >> 2 & 31) % QUEUES);
		break;
	case 1:
		call(which, what >> 4);
		break;
	case 2:
		if (client[which] >= 0 && what & 0x40)
			(void)!send(client[which], memset(bytes, what, sizeof bytes), what,
			            MSG_NOSIGNAL | MSG_DONTWAIT);
		else if (client[which] >= 0)
			(void)!recv(client[which], bytes, sizeof bytes, MSG_DONTWAIT);
		break;
	default:
		if (what & 0x40)
			leave(which);
	}
	/* The bell is readable always, so that this does not wait. */
	console_ops.wait(&b);
}

/* The first descriptor that is free. */
static int first_free(void)
{
	int fd = open("/", O_PATH);

	close(fd);
	return fd;
}

static void drop_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		leave(i);
	for (unsigned i = 0; i < 3; i++) {
		int fd;

		while ((fd = accept(listener[i], NULL, NULL)) >= 0)
			close(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t features;
	int before;

	if (size < 16)
		return 0;
	begin();
	b.memory = (struct guest_memory){.base = malloc(MEMORY), .size = MEMORY};
	b.own = &ports;
	memset(b.queue, 0, sizeof b.queue);
	for (unsigned i = 0; i < CLIENTS; i++)
		client[i] = -1;
	for (size_t at = 0; at < MEMORY; at += size)
		memcpy(b.memory.base + at, data, size < MEMORY - at ? size : MEMORY - at);
	features = (uint64_t)(data[0] & 3) << 28;
	if (b.bell_event < 0)
		b.bell_event = open("/dev/zero", O_RDONLY);
	b.shown.queues = QUEUES;
	before = first_free();
	console_ops.prepare(&b);
	open_queues(data, size, features);
	for (size_t i = 1; i < size; i++) {
		b.memory.base[(data[i] * 131u + i) % MEMORY] ^= data[size - i];
		step(data[i]);
		if (data[i] == 0xff)
			open_queues(data + i, size - i, features);
	}
	drop_clients();
	/* The back end's ends of those. */
	close_range((unsigned)before, ~0u, 0);
	free(b.memory.base);
	return 0;
}
