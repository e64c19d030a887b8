// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an RTL8139 does with frames (devices/rtl8139.h): those of the guest are fetched by its four
 * descriptors, in turn; those for it go through its filter and into the ring, behind a header.
 * Registers and addresses are the guest's, and hostile: each word is copied once, a position is
 * taken modulo the ring's size, and all memory is asked for by guest_range().
 *
 * Source: Realtek RTL8139C(L) data sheet 1.4: 5.3 (TSD), 5.9 (CAPR), 5.13 (RCR), 7 (functional
 * description, the ring); RTL8139(A/B) programming guide 0.1, "Packet Reception".
 */
#include "backends/net.h"
#include "devices/rtl8139.h"

#include <string.h>
#include <zlib.h>

#define TRANSMIT_AT_ONCE 16u
#define RING_HEADER      4u /* status, and bytes with checksum */
#define CHECKSUM         4u
#define SHORTEST         60u /* of a frame without it: the wire has none that are shorter */
#define LONGEST          (NET_ETHERNET_BYTES + 4 + NET_STANDARD_MTU)
#define IN_RING(n)       ((RING_HEADER + (n) + CHECKSUM + 3u) & ~3u)

/* Status of a frame in the ring */
#define STATUS_OK        0x0001u
#define STATUS_BROADCAST 0x2000u
#define STATUS_MINE      0x4000u
#define STATUS_MULTICAST 0x8000u

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void put(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* ---- starting ---- */

static void describe(const struct net *net, struct virtio_shown *shown, void *config)
{
	*shown = (struct virtio_shown){.id = RTL8139_ID};
	memcpy(config, net->mac, NET_MAC_BYTES);
}

/* A machine that was restored goes on where its registers say. */
static void start(struct net *net)
{
	struct backend *b = net->backend;
	size_t number = (size_t)(b->device - b->machine->platform.virtio.device);
	struct rtl8139 *r = &b->machine->platform.rtl8139[number];

	net->rtl8139.registers = r;
	net->rtl8139.receive_epoch = get(&r->receive_epoch);
	net->rtl8139.transmit_epoch = get(&r->transmit_epoch);
	net->rtl8139.at = get(&r->written_to) & 0xffff;
	net->rtl8139.next = get(&r->transmit_next) % RTL8139_DESCRIPTORS;
	net->rtl8139.settled = net->rtl8139.receive_epoch;
	net->rtl8139.done = 0;
}

static void publish(struct net *net)
{
	put(&net->rtl8139.registers->written_to,
	    net->rtl8139.receive_epoch << 16 | (net->rtl8139.at & 0xffff));
}

static void forget(struct net *net, uint32_t causes)
{
	net->rtl8139.done &= ~causes;
	__atomic_fetch_and(&net->backend->device->completed, ~causes, __ATOMIC_SEQ_CST);
}

/* The driver has started the receiver or the transmitter afresh. */
static void look_at_epochs(struct net *net)
{
	struct rtl8139 *r = net->rtl8139.registers;
	uint32_t receive = get(&r->receive_epoch), transmit = get(&r->transmit_epoch);

	if (receive != net->rtl8139.receive_epoch) {
		net->rtl8139.receive_epoch = receive;
		net->rtl8139.at = 0;
		publish(net);
		put(&r->wants_room, 0);
		forget(net, RTL8139_INT_RECEIVED | RTL8139_INT_OVERFLOW);
	}
	if (transmit != net->rtl8139.transmit_epoch) {
		net->rtl8139.transmit_epoch = transmit;
		net->rtl8139.next = 0;
		put(&r->transmit_next, 0);
		for (unsigned i = 0; i < RTL8139_DESCRIPTORS; i++)
			put(&r->transmit_status[i], RTL8139_TSD_OWN);
		forget(net, RTL8139_INT_TRANSMITTED | RTL8139_INT_NOT_SENT);
	}
}

/* ---- to the guest ---- */

/* As the card's hash has it: the six high bits of the checksum, most significant bit first. */
static bool in_group(const struct rtl8139 *r, const uint8_t *address)
{
	uint32_t crc = (uint32_t)crc32(0, address, NET_MAC_BYTES) ^ UINT32_MAX;
	unsigned bit = 0;

	for (unsigned i = 0; i < 6; i++)
		bit = bit << 1 | (crc >> i & 1);
	return get(&r->group[bit / 32]) >> bit % 32 & 1;
}

/* The status that a frame to this address has in the ring; 0: the driver does not want it. */
static uint32_t accept(const struct rtl8139 *r, uint32_t config, const uint8_t *address)
{
	static const uint8_t everybody[NET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint32_t own[2] = {get(&r->address[0]), get(&r->address[1])};

	if (!memcmp(address, everybody, sizeof everybody))
		return config & RTL8139_RCR_BROADCAST ? STATUS_OK | STATUS_BROADCAST : 0;
	if (address[0] & 1)
		return (config & RTL8139_RCR_MULTICAST) && in_group(r, address)
		           ? STATUS_OK | STATUS_MULTICAST
		           : 0;
	if (!memcmp(address, own, NET_MAC_BYTES))
		return config & (RTL8139_RCR_MINE | RTL8139_RCR_ALL) ? STATUS_OK | STATUS_MINE : 0;
	return config & RTL8139_RCR_ALL ? STATUS_OK : 0;
}

static bool write_ring(const struct net *net, uint64_t pa, const uint8_t *from, uint32_t n)
{
	uint8_t *to = guest_range(&net->backend->memory, pa, n);

	if (to)
		memcpy(to, from, n);
	return to;
}

static bool put_in_ring(struct net *net, uint32_t config, uint32_t size, const uint8_t *bytes,
                        uint32_t n)
{
	uint64_t base = get(&net->rtl8139.registers->ring);
	uint32_t at = net->rtl8139.at & (size - 1);
	bool wraps = !(config & RTL8139_RCR_NO_WRAP) || size == 65536;
	uint32_t first = wraps && n > size - at ? size - at : n;

	return write_ring(net, base + at, bytes, first) &&
	       (first == n || write_ring(net, base, bytes + first, n - first));
}

/* Is there room for @n bytes in the ring? The last are never taken: full would look like empty. */
static bool has_room(const struct net *net, uint32_t size, uint32_t n)
{
	uint32_t read = get(&net->rtl8139.registers->read_at) + 16;
	uint32_t room = (read - net->rtl8139.at) & (size - 1);

	return n < (room ? room : size);
}

static bool deliver(struct net *net, const uint8_t *frame, size_t n)
{
	uint8_t bytes[IN_RING(LONGEST)] = {0};
	struct rtl8139 *r = net->rtl8139.registers;
	uint32_t length = (uint32_t)(n < SHORTEST ? SHORTEST : n), command, config, size, status;
	uint32_t crc, header;

	command = get(&r->command);
	look_at_epochs(net);
	config = get(&r->receive_config);
	size = RTL8139_RING_LEAST << (config >> RTL8139_RCR_SIZE_SHIFT & 3);
	if (!(command & RTL8139_CR_RECEIVE) || n < NET_ETHERNET_BYTES || n > LONGEST)
		return true;
	status = accept(r, config, frame);
	if (!status)
		return true;
	if (!has_room(net, size, IN_RING(length))) {
		put(&r->wants_room, 1);
		/* The driver may have made some before it could see that. */
		if (!has_room(net, size, IN_RING(length)))
			return false;
	}
	memcpy(bytes + RING_HEADER, frame, n);
	crc = (uint32_t)crc32(0, bytes + RING_HEADER, length);
	header = status | (length + CHECKSUM) << 16;
	memcpy(bytes, &header, sizeof header);
	memcpy(bytes + RING_HEADER + length, &crc, sizeof crc);
	if (!put_in_ring(net, config, size, bytes, IN_RING(length))) {
		net->rtl8139.done |= RTL8139_INT_SYSTEM_ERROR;
		return true;
	}
	net->rtl8139.at = (net->rtl8139.at + IN_RING(length)) & (size - 1);
	publish(net);
	net->rtl8139.done |= RTL8139_INT_RECEIVED;
	return true;
}

static void overflow(struct net *net)
{
	__atomic_fetch_add(&net->rtl8139.registers->missed, 1, __ATOMIC_SEQ_CST);
	net->rtl8139.done |= RTL8139_INT_OVERFLOW;
}

/* ---- from the guest ---- */

/* What TSD says of the descriptor behind it. */
static uint32_t transmit(struct net *net, uint64_t pa, uint32_t n)
{
	static const struct virtio_net_hdr_v1 complete;
	const uint8_t *from = guest_range(&net->backend->memory, pa, n);

	if (!from || n > RTL8139_FRAME_MOST) {
		net->rtl8139.done |= RTL8139_INT_NOT_SENT | (from ? 0 : RTL8139_INT_SYSTEM_ERROR);
		return RTL8139_TSD_OWN | RTL8139_TSD_ABORTED;
	}
	memcpy(net->frame, from, n);
	if ((get(&net->rtl8139.registers->transmit_config) & RTL8139_TCR_LOOPBACK) ==
	    RTL8139_TCR_LOOPBACK)
		net_receive(net, net->frame, n, false);
	else if (net->plugged && n >= NET_ETHERNET_BYTES)
		net->send(net, &complete, net->frame, n);
	net->rtl8139.done |= RTL8139_INT_TRANSMITTED;
	return RTL8139_TSD_OWN | RTL8139_TSD_OK;
}

static void transmit_all(struct net *net)
{
	struct rtl8139 *r = net->rtl8139.registers;

	for (unsigned n = 0; get(&r->command) & RTL8139_CR_TRANSMIT; n++) {
		uint32_t status;
		unsigned i;

		look_at_epochs(net);
		i = net->rtl8139.next;
		status = get(&r->transmit_status[i]);
		if (status & RTL8139_TSD_OWN)
			return;
		if (n == TRANSMIT_AT_ONCE) {
			backend_again(net->backend, NET_TRANSMIT);
			return;
		}
		status = transmit(net, get(&r->transmit_address[i]), status & RTL8139_TSD_SIZE);
		__atomic_fetch_or(&r->transmit_status[i], status, __ATOMIC_SEQ_CST);
		net->rtl8139.next = (i + 1) % RTL8139_DESCRIPTORS;
		put(&r->transmit_next, net->rtl8139.next);
	}
}

/* ---- the card ---- */

/* The guest looks by itself at what it was told of already, or wants no interrupt for. */
static void tell(struct net *net)
{
	const struct rtl8139 *r = net->rtl8139.registers;
	uint32_t done = net->rtl8139.done;

	if (!done)
		return;
	net->rtl8139.done = 0;
	backend_complete(net->backend, done & ~RTL8139_INT_RECEIVED); /* that shows by itself */
	if (done & get(&r->mask) & ~get(&r->status))
		backend_attention(net->backend);
}

static void rung(struct net *net, uint32_t bits)
{
	(void)bits;
	look_at_epochs(net);
	transmit_all(net);
	net_give_waiting(net);
	tell(net);
}

/* What waited for room in a ring that is no more is lost. */
static void settle(struct net *net)
{
	uint32_t epoch = get(&net->rtl8139.registers->receive_epoch);
	bool receives = get(&net->rtl8139.registers->command) & RTL8139_CR_RECEIVE;

	look_at_epochs(net);
	if (!receives || epoch != net->rtl8139.settled)
		net_drop_waiting(net);
	net->rtl8139.settled = epoch;
}

static void show_cable(struct net *net, bool in)
{
	if (__atomic_exchange_n(&net->rtl8139.registers->link, in, __ATOMIC_SEQ_CST) == in)
		return;
	net->rtl8139.done |= RTL8139_INT_LINK;
	tell(net);
}

const struct net_model net_rtl8139 = {.describe = describe,
                                      .start = start,
                                      .deliver = deliver,
                                      .overflow = overflow,
                                      .tell = tell,
                                      .show_cable = show_cable,
                                      .rung = rung,
                                      .settle = settle};
