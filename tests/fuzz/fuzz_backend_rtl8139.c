// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against what does the work of an RTL8139: registers, ring, descriptors and frames
 * are the input's, and change under its hands. What is written and what is fetched is guest memory
 * (ASan: a heap block of its size), and all of it ends.
 *
 * The input: registers, then steps of four bytes; memory is made of all of it.
 */
#include "backends/net.h"
#include "devices/rtl8139.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY (256u << 10)
#define SHARED offsetof(struct rtl8139, timer_zero) /* what both sides use comes first */
#define STEPS  200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;
static struct net net;
static uint32_t plug;

/* A peer that sends back what it gets, and a shorter one. */
static void mirror(struct net *n, const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t bytes)
{
	(void)h;
	net_receive(n, frame, bytes, true);
	net_receive(n, frame, bytes / 2, true);
}

static void step(struct backend *b, struct rtl8139 *r, const uint8_t *s)
{
	static uint8_t frame[2048];
	uint32_t value;

	memcpy(&value, s, 4);
	switch (s[0] & 7) {
	case 0:
		memset(frame, s[1] & 1 ? 0xff : s[2], sizeof frame);
		net_receive(&net, frame, value >> 8 & 2047, s[3] & 1);
		break;
	case 1:
		r->read_at = value >> 8;
		net_rung(b, RTL8139_BELL_ROOM);
		break;
	case 2:
		r->transmit_status[s[1] & 3] = value >> 16;
		net_rung(b, RTL8139_BELL_TRANSMIT);
		break;
	case 3:
		r->command = s[1] & 0x0c;
		r->receive_epoch += s[2] & 1;
		r->transmit_epoch += s[2] >> 1 & 1;
		if (s[2] & 4)
			net_settle(b);
		break;
	case 4:
		((uint8_t *)r)[(value >> 8 & 0xffff) % SHARED] = s[3];
		break;
	case 5:
		plug = s[1] & 1;
		net_look_at_plug(&net);
		break;
	case 6:
		r->ring = value >> 6;
		break;
	default:
		r->receive_config = value >> 8;
		break;
	}
	net_tell(&net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend b = {
	    .memory = {.base = malloc(MEMORY), .size = MEMORY}, .own = &net, .bell_event = 1};
	struct rtl8139 *r;

	if (!machine) {
		machine = aligned_alloc(_Alignof(struct machine), sizeof *machine);
		if (!machine)
			abort();
		memset(machine, 0, sizeof *machine);
	}
	if (size < SHARED || !b.memory.base) {
		free(b.memory.base);
		return 0;
	}
	for (size_t at = 0; at < MEMORY; at += size)
		memcpy(b.memory.base + at, data, size < MEMORY - at ? size : MEMORY - at);
	b.machine = machine;
	b.device = &machine->platform.virtio.device[0];
	r = &machine->platform.rtl8139[0];
	memset(r, 0, sizeof *r);
	memcpy(r, data, SHARED);
	plug = 1;
	memset(&net, 0, sizeof net);
	net.plug = &plug;
	net.model = &net_rtl8139;
	net.send = mirror;
	net_start(&net, &b);
	data += SHARED;
	size -= SHARED;
	for (unsigned n = 0; n < STEPS && size >= 4; n++, data += 4, size -= 4)
		step(&b, r, data);
	if (net.rtl8139.next >= RTL8139_DESCRIPTORS)
		abort();
	net_drop_waiting(&net);
	free(b.memory.base);
	return 0;
}
