// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/net_reassembly.h"

#include "backends/net_frame.h"

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of the IPv4 header: bytes from its beginning (RFC 791, 3.1). */
#define LENGTH         2u
#define IDENTIFICATION 4u
#define FRAGMENT       6u
#define PROTOCOL       9u
#define CHECKSUM       10u
#define ADDRESSES      12u
#define MORE           0x2000u
#define OFFSET         0x1fffu
#define ETHERNET_TYPE  12u

#define IP_LEAST  20u
#define IP_MOST   60u /* with options */
#define ALL_MOST  65535u
#define DATA_MOST (ALL_MOST - IP_LEAST)
#define BLOCK     8u /* what offsets count */
#define BLOCKS    ((DATA_MOST + BLOCK - 1) / BLOCK)

/* What its parts have in common. */
struct key {
	uint8_t addresses[8], identification[2], protocol;
};

struct datagram {
	bool used;
	int64_t since_ms;
	struct key key;
	unsigned header; /* bytes of the first part's; 0: it is not here */
	unsigned total;  /* bytes of data; 0: the last part is not here */
	unsigned end;    /* of the part that reaches farthest */
	unsigned blocks; /* that are here */
	bool here[BLOCKS];
	uint8_t first[NET_ETHERNET_BYTES + IP_MOST];
	/* The headers come in front of the data once their length is known. */
	uint8_t bytes[NET_ETHERNET_BYTES + IP_MOST + DATA_MOST];
};

struct net_reassembly {
	struct datagram datagram[NET_DATAGRAMS];
};

struct part {
	const uint8_t *frame, *data;
	struct key key;
	unsigned header, offset, bytes;
	bool last;
};

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

struct net_reassembly *net_reassembly_new(void)
{
	return calloc(1, sizeof(struct net_reassembly));
}

void net_reassembly_free(struct net_reassembly *r)
{
	free(r);
}

static bool is_part(const uint8_t *frame, size_t n)
{
	return n >= NET_ETHERNET_BYTES + IP_LEAST && get16(frame + ETHERNET_TYPE) == ETHERTYPE_IP &&
	       (get16(frame + NET_ETHERNET_BYTES + FRAGMENT) & (MORE | OFFSET));
}

/* False: no host would send such. */
static bool look_at(const uint8_t *frame, size_t n, struct part *p)
{
	const uint8_t *ip = frame + NET_ETHERNET_BYTES;
	unsigned all = get16(ip + LENGTH), field = get16(ip + FRAGMENT);

	p->header = 4u * (ip[0] & 15u);
	if (ip[0] >> 4 != 4 || p->header < IP_LEAST || all <= p->header ||
	    all > n - NET_ETHERNET_BYTES || net_frame_sum(ip, p->header))
		return false;
	p->frame = frame;
	p->data = ip + p->header;
	p->bytes = all - p->header;
	p->offset = (field & OFFSET) * BLOCK;
	p->last = !(field & MORE);
	if (p->offset + p->bytes > DATA_MOST || (!p->last && p->bytes % BLOCK))
		return false;
	memcpy(p->key.addresses, ip + ADDRESSES, sizeof p->key.addresses);
	memcpy(p->key.identification, ip + IDENTIFICATION, sizeof p->key.identification);
	p->key.protocol = ip[PROTOCOL];
	return true;
}

static bool expired(const struct datagram *d, int64_t now_ms)
{
	return now_ms - d->since_ms > NET_REASSEMBLE_MS;
}

static struct datagram *datagram_of(struct net_reassembly *r, const struct part *p, int64_t now_ms)
{
	struct datagram *room = &r->datagram[0];

	for (unsigned i = 0; i < NET_DATAGRAMS; i++) {
		struct datagram *d = &r->datagram[i];

		if (d->used && !expired(d, now_ms) && !memcmp(&d->key, &p->key, sizeof p->key))
			return d;
		if (room->used && (!d->used || d->since_ms < room->since_ms))
			room = d;
	}
	room->used = true;
	room->since_ms = now_ms;
	room->key = p->key;
	room->header = room->total = room->end = room->blocks = 0;
	memset(room->here, 0, sizeof room->here);
	return room;
}

static void keep(struct datagram *d, const struct part *p)
{
	unsigned first = p->offset / BLOCK, n = (p->bytes + BLOCK - 1) / BLOCK, known = 0;
	unsigned end = p->offset + p->bytes;

	for (unsigned i = first; i < first + n; i++)
		known += d->here[i];
	if (known == n)
		return; /* once more */
	if (known || (p->last && (d->total || end < d->end)) || (d->total && end > d->total)) {
		d->used = false;
		return;
	}
	memset(d->here + first, true, n * sizeof *d->here);
	d->blocks += n;
	if (end > d->end)
		d->end = end;
	if (p->last)
		d->total = end;
	memcpy(d->bytes + NET_ETHERNET_BYTES + IP_MOST + p->offset, p->data, p->bytes);
	if (!p->offset) {
		d->header = p->header;
		memcpy(d->first, p->frame, NET_ETHERNET_BYTES + p->header);
	}
}

static uint8_t *whole(struct datagram *d, size_t *n)
{
	uint8_t *frame = d->bytes + IP_MOST - d->header, *ip = frame + NET_ETHERNET_BYTES;

	d->used = false;
	if (d->header + d->total > ALL_MOST)
		return NULL;
	memcpy(frame, d->first, NET_ETHERNET_BYTES + d->header);
	put16(ip + LENGTH, d->header + d->total);
	put16(ip + FRAGMENT, 0);
	put16(ip + CHECKSUM, 0);
	net_frame_put_sum(ip + CHECKSUM, net_frame_sum(ip, d->header));
	*n = NET_ETHERNET_BYTES + d->header + d->total;
	return frame;
}

uint8_t *net_reassemble(struct net_reassembly *r, uint8_t *frame, size_t *n, int64_t now_ms)
{
	struct datagram *d;
	struct part p;

	if (!is_part(frame, *n))
		return frame;
	if (!look_at(frame, *n, &p))
		return NULL;
	d = datagram_of(r, &p, now_ms);
	keep(d, &p);
	/* The first block is only here with the first part. */
	if (!d->used || !d->total || d->blocks != (d->total + BLOCK - 1) / BLOCK)
		return NULL;
	return whole(d, n);
}
