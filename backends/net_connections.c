// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/net_connections.h"

#include "backends/net_frame.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Of the headers: bytes from their beginnings. */
#define ETHERNET_TYPE  12u
#define IP_BYTES       20u /* without options */
#define IP_LENGTH      2u
#define IP_TIME        8u
#define IP_PROTOCOL    9u
#define IP_ADDRESSES   12u
#define IP6_BYTES      40u
#define IP6_NEXT       6u
#define IP6_HOPS       7u
#define IP6_ADDRESSES  8u
#define TCP_BYTES      20u
#define TCP_SEQUENCE   4u
#define TCP_ACK_NUMBER 8u
#define TCP_OFFSET     12u
#define TCP_FLAGS      13u
#define FIN            0x01u
#define RST            0x04u
#define ACK            0x10u
#define HOPS           64u

#define WAYS    8u
#define BUCKETS (NET_CONNECTIONS / WAYS)

struct key {
	uint8_t v6, guest[16], peer[16]; /* of IPv4: 4 bytes, and zeros */
	uint8_t guest_port[2], peer_port[2];
};

struct saved_connection {
	struct key key;
	uint8_t acknowledged[4];
};

/* Behind it: saved_connection for each. */
struct saved {
	uint8_t ethernet[2 * ETH_ALEN]; /* of a frame to the guest */
	uint8_t count[2];               /* the low byte first */
};

_Static_assert(NET_CONNECTIONS <= UINT16_MAX, "count");

struct connection {
	bool used, closing, lost;
	uint32_t looked; /* when: larger is later */
	struct saved_connection c;
};

struct net_connections {
	uint8_t ethernet[2 * ETH_ALEN];
	uint32_t now;
	unsigned nlost;
	struct connection list[BUCKETS][WAYS];
};

struct net_connections *net_connections_new(void)
{
	return calloc(1, sizeof(struct net_connections));
}

void net_connections_free(struct net_connections *c)
{
	free(c);
}

static struct connection *bucket_of(struct net_connections *c, const struct key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < sizeof *key; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return c->list[(hash ^ hash >> 16) % BUCKETS];
}

static bool worse(const struct connection *a, const struct connection *b)
{
	if (a->used != b->used)
		return !a->used;
	if (a->closing != b->closing)
		return a->closing;
	return a->looked < b->looked;
}

static void forget(struct net_connections *c, struct connection *k)
{
	c->nlost -= k->used && k->lost;
	k->used = false;
}

/* Its entry; if it has none and is to have one, the one it takes. NULL: neither. */
static struct connection *find(struct net_connections *c, const struct key *key, bool make)
{
	struct connection *k = bucket_of(c, key), *room = k;

	for (unsigned i = 0; i < WAYS; i++, k++) {
		if (k->used && !memcmp(&k->c.key, key, sizeof *key))
			return k;
		if (worse(k, room))
			room = k;
	}
	if (!make)
		return NULL;
	forget(c, room);
	*room = (struct connection){.used = true, .c = {.key = *key}};
	return room;
}

/* The TCP header of a frame of at least its length; key is filled in. NULL: it has none. */
static const uint8_t *tcp_of(const uint8_t *frame, size_t n, struct key *key)
{
	const uint8_t *ip = frame + NET_ETHERNET_BYTES, *tcp;
	unsigned type, header, address_bytes;

	if (n < NET_ETHERNET_BYTES + IP_BYTES)
		return NULL;
	type = (unsigned)frame[ETHERNET_TYPE] << 8 | frame[ETHERNET_TYPE + 1];
	*key = (struct key){.v6 = type == ETHERTYPE_IPV6};
	header = key->v6 ? IP6_BYTES : 4u * (ip[0] & 15u);
	if ((type != ETHERTYPE_IP && !key->v6) || header < IP_BYTES ||
	    n < NET_ETHERNET_BYTES + header + TCP_BYTES ||
	    ip[key->v6 ? IP6_NEXT : IP_PROTOCOL] != IPPROTO_TCP)
		return NULL;
	tcp = ip + header;
	address_bytes = key->v6 ? 16 : 4;
	ip += key->v6 ? IP6_ADDRESSES : IP_ADDRESSES;
	memcpy(key->guest, ip, address_bytes);
	memcpy(key->peer, ip + address_bytes, address_bytes);
	memcpy(key->guest_port, tcp, 2);
	memcpy(key->peer_port, tcp + 2, 2);
	return tcp;
}

void net_connections_look(struct net_connections *c, const uint8_t *frame, size_t n)
{
	struct key key;
	const uint8_t *tcp = tcp_of(frame, n, &key);
	struct connection *k;

	/* One that begins has nothing to be reset by: the guest will send again. */
	if (!tcp || !(tcp[TCP_FLAGS] & (ACK | RST)))
		return;
	k = find(c, &key, !(tcp[TCP_FLAGS] & RST));
	if (!k)
		return;
	if (tcp[TCP_FLAGS] & RST) {
		forget(c, k);
		return;
	}
	memcpy(c->ethernet, frame + ETH_ALEN, ETH_ALEN);
	memcpy(c->ethernet + ETH_ALEN, frame, ETH_ALEN);
	memcpy(k->c.acknowledged, tcp + TCP_ACK_NUMBER, sizeof k->c.acknowledged);
	k->closing |= (tcp[TCP_FLAGS] & FIN) != 0;
	k->looked = ++c->now;
}

size_t net_connections_save(const struct net_connections *c, void *to, size_t room)
{
	struct saved head = {0};
	uint8_t *at = (uint8_t *)to + sizeof head;
	unsigned count = 0;

	if (room < sizeof head)
		return SIZE_MAX;
	room -= sizeof head;
	for (unsigned i = 0; i < NET_CONNECTIONS; i++) {
		const struct connection *k = &c->list[i / WAYS][i % WAYS];

		if (!k->used)
			continue;
		if (room < sizeof k->c)
			return SIZE_MAX;
		memcpy(at, &k->c, sizeof k->c);
		at += sizeof k->c;
		room -= sizeof k->c;
		count++;
	}
	memcpy(head.ethernet, c->ethernet, sizeof head.ethernet);
	head.count[0] = (uint8_t)count;
	head.count[1] = (uint8_t)(count >> 8);
	memcpy(to, &head, sizeof head);
	return (size_t)(at - (uint8_t *)to);
}

bool net_connections_load(struct net_connections *c, const void *from, size_t n)
{
	const uint8_t *at = (const uint8_t *)from + sizeof(struct saved);
	struct saved_connection s;
	struct connection *k;
	struct saved head;
	unsigned count;

	if (n < sizeof head)
		return false;
	memcpy(&head, from, sizeof head);
	count = head.count[0] | (unsigned)head.count[1] << 8;
	if (count > NET_CONNECTIONS || n != sizeof head + count * sizeof s)
		return false;
	memcpy(c->ethernet, head.ethernet, sizeof c->ethernet);
	for (; count; count--, at += sizeof s) {
		memcpy(&s, at, sizeof s);
		if (s.key.v6 > 1)
			return false;
		k = find(c, &s.key, true);
		k->c = s;
		c->nlost += !k->lost;
		k->lost = true;
	}
	return true;
}

static void reset(const struct net_connections *c, const struct saved_connection *s,
                  void (*send)(void *of, const uint8_t *frame, size_t n), void *of)
{
	unsigned header = s->key.v6 ? IP6_BYTES : IP_BYTES, address_bytes = s->key.v6 ? 16 : 4;
	uint8_t frame[NET_ETHERNET_BYTES + IP6_BYTES + TCP_BYTES] = {0};
	uint8_t *ip = frame + NET_ETHERNET_BYTES, *tcp = ip + header, *addresses;
	const struct virtio_net_hdr_v1 h = {.gso_type = s->key.v6 ? VIRTIO_NET_HDR_GSO_TCPV6
	                                                          : VIRTIO_NET_HDR_GSO_TCPV4};
	unsigned type = s->key.v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	size_t n = NET_ETHERNET_BYTES + header + TCP_BYTES;

	memcpy(frame, c->ethernet, sizeof c->ethernet);
	frame[ETHERNET_TYPE] = (uint8_t)(type >> 8);
	frame[ETHERNET_TYPE + 1] = (uint8_t)type;
	ip[0] = s->key.v6 ? 0x60 : 0x40 | IP_BYTES / 4;
	ip[s->key.v6 ? IP6_HOPS : IP_TIME] = HOPS;
	ip[s->key.v6 ? IP6_NEXT : IP_PROTOCOL] = IPPROTO_TCP;
	addresses = ip + (s->key.v6 ? IP6_ADDRESSES : IP_ADDRESSES);
	memcpy(addresses, s->key.peer, address_bytes);
	memcpy(addresses + address_bytes, s->key.guest, address_bytes);
	memcpy(tcp, s->key.peer_port, 2);
	memcpy(tcp + 2, s->key.guest_port, 2);
	memcpy(tcp + TCP_SEQUENCE, s->acknowledged, sizeof s->acknowledged);
	tcp[TCP_OFFSET] = TCP_BYTES / 4 << 4;
	tcp[TCP_FLAGS] = RST;
	/* Lengths and checksums are put in as into a driver's large segment. */
	if (net_frame_complete(frame, n, &h))
		send(of, frame, n);
}

void net_connections_reset(struct net_connections *c,
                           void (*send)(void *of, const uint8_t *frame, size_t n), void *of)
{
	for (unsigned i = 0; c->nlost && i < NET_CONNECTIONS; i++) {
		struct connection *k = &c->list[i / WAYS][i % WAYS];

		if (!k->used || !k->lost)
			continue;
		reset(c, &k->c, send, of);
		forget(c, k);
	}
}
