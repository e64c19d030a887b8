// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against a network device and the user's network behind it: rings, buffers,
 * headers and frames are the input's. Frames that come are written to guest memory only (ASan: a
 * heap block of its size), what libslirp is given is as long as is said, and all of it ends.
 * Libslirp itself runs, but restricted: no packet leaves.
 *
 * The input: a byte of flags, registers of both queues, then memory, repeated until it is full.
 */
#include "backends/net_user.h"
#include "main/net_options.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY 65536u
#define ROUNDS 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;
static struct net net;
static uint32_t plug = 1;
static bool with_slirp;

static void send_frame(struct net *n, const struct virtio_net_hdr_v1 *h, uint8_t *frame,
                       size_t bytes)
{
	if (with_slirp)
		net_user_send(n, h, frame, bytes);
	else if (net_frame_complete(frame, bytes, h))
		net_receive(n, frame, bytes, true); /* a mirror: frames of any kind and size */
}

static void open_slirp(void)
{
	static struct net_options o;
	char why[200];

	net.plug = &plug;
	net.mtu = 9000;
	machine = aligned_alloc(_Alignof(struct machine), sizeof *machine);
	if (!machine || !net_options_parse("user,restrict=on,loopback=off", &o, why, sizeof why) ||
	    net_user_open(&net, &o.user, NULL, 0, why, sizeof why) < 0)
		abort();
	memset(machine, 0, sizeof *machine);
}

static void place(struct virtio_queue *r, unsigned at)
{
	r->enabled = 1;
	r->size = (uint16_t)(8u << (r->size & 3));
	r->descriptors = at + (r->descriptors & 0x30);
	r->driver = at + 0x480 + (r->driver & 0x1e);
	r->device = at + 0x580 + (r->device & 0x3c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend b = {
	    .memory = {.base = malloc(MEMORY), .size = MEMORY}, .own = &net, .bell_event = 1};
	struct virtio_queue registers[2];
	uint8_t flags;

	if (size < 1 + sizeof registers || !b.memory.base) {
		free(b.memory.base);
		return 0;
	}
	if (!machine)
		open_slirp();
	b.machine = machine;
	b.device = &machine->platform.virtio.device[0];
	flags = data[0];
	memcpy(registers, data + 1, sizeof registers);
	data += 1 + sizeof registers;
	size -= 1 + sizeof registers;
	memset(b.memory.base, 0, MEMORY);
	for (size_t at = 0; size && at < MEMORY; at += size)
		memcpy(b.memory.base + at, data, size < MEMORY - at ? size : MEMORY - at);
	if (flags & 1)
		for (unsigned i = 0; i < 2; i++)
			place(&registers[i], 0x800 * i);
	with_slirp = flags & 2;
	b.features = (uint64_t)(flags >> 2 & 3) << 28 | (uint64_t)(flags >> 4 & 1) << 15 |
	             (uint64_t)(flags >> 5 & 1) << 32 | (uint64_t)(flags >> 6 & 1) << 3 |
	             (uint64_t)(flags >> 7) << 1;
	net_start(&net, &b);
	net.send = send_frame;
	for (unsigned i = 0; i < 2; i++)
		virtqueue_open(&b.queue[i], &b.memory, &registers[i], b.features);
	net_changed(&b);
	for (unsigned n = 0; n < ROUNDS; n++) {
		for (unsigned i = 0; i < 2; i++)
			if (b.queue[i].live && !b.queue[i].broken)
				net_serve(&b, i);
		if (size)
			b.memory.base[(data[n % size] * 257u + n) % MEMORY] ^= data[size - 1];
	}
	net_changed(&b); /* frees what waits */
	net.backend = NULL;
	free(b.memory.base);
	return 0;
}
