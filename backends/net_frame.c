// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/net_frame.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

/* Of the headers: bytes from their beginnings. */
#define ETHERNET_TYPE 12u
#define IP_BYTES      20u /* without options */
#define IP_LENGTH     2u
#define IP_FRAGMENT   6u
#define IP_PROTOCOL   9u
#define IPV4_CHECKSUM 10u
#define IP_ADDRESSES  12u
#define IP_MORE       0x2000u
#define IP_OFFSET     0x1fffu
#define IP6_BYTES     40u
#define IP6_LENGTH    4u
#define IP6_NEXT      6u
#define IP6_ADDRESSES 8u
#define TCP_BYTES     20u
#define TCP_CHECKSUM  16u
#define UDP_CHECKSUM  6u

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* ---- the Internet checksum, RFC 1071 ---- */

/* In the order of bytes that memory has: the sum is the same, turned (RFC 1071, 2 (B)). */
static uint64_t add(uint64_t sum, const uint8_t *bytes, size_t n)
{
	for (; n >= 4; bytes += 4, n -= 4) {
		uint32_t word;

		memcpy(&word, bytes, sizeof word);
		sum += word;
	}
	if (n) {
		uint32_t word = 0;

		memcpy(&word, bytes, n);
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void net_frame_put_sum(uint8_t *at, uint16_t sum)
{
	memcpy(at, &sum, sizeof sum);
}

uint16_t net_frame_sum(const uint8_t *bytes, size_t n)
{
	return fold(add(0, bytes, n));
}

static void sum_ip_header(uint8_t *ip, unsigned bytes)
{
	put16(ip + IPV4_CHECKSUM, 0);
	net_frame_put_sum(ip + IPV4_CHECKSUM, net_frame_sum(ip, bytes));
}

/* TCP with its pseudo header: addresses, protocol, length. */
static void sum_tcp(uint8_t *tcp, size_t n, const uint8_t *addresses, size_t address_bytes)
{
	uint8_t pseudo[4] = {0, IPPROTO_TCP, (uint8_t)(n >> 8), (uint8_t)n};
	uint64_t sum = add(add(0, addresses, address_bytes), pseudo, sizeof pseudo);

	put16(tcp + TCP_CHECKSUM, 0);
	net_frame_put_sum(tcp + TCP_CHECKSUM, fold(add(sum, tcp, n)));
}

/* ---- what a driver leaves ---- */

/* csum_offset bytes behind csum_start stands the pseudo header's sum (5.1.6.2). */
static bool fill_checksum(uint8_t *frame, size_t n, const struct virtio_net_hdr_v1 *h)
{
	size_t start = h->csum_start, at = start + h->csum_offset;
	uint16_t sum;

	if (start < NET_ETHERNET_BYTES || start > n || at + 2 > n)
		return false;
	sum = fold(add(0, frame + start, n - start));
	/* To UDP no checksum and zero are the same. */
	net_frame_put_sum(frame + at, !sum && h->csum_offset == UDP_CHECKSUM ? 0xffff : sum);
	return true;
}

/* Drivers differ in what a large segment's own lengths and sums say: all are put in anew. */
static bool complete_large4(uint8_t *frame, size_t n)
{
	uint8_t *ip = frame + NET_ETHERNET_BYTES;
	size_t total = n - NET_ETHERNET_BYTES, header;

	if (n < NET_ETHERNET_BYTES + IP_BYTES + TCP_BYTES || total > UINT16_MAX ||
	    get16(frame + ETHERNET_TYPE) != ETHERTYPE_IP || ip[0] >> 4 != 4)
		return false;
	header = 4u * (ip[0] & 15u);
	if (header < IP_BYTES || total < header + TCP_BYTES || ip[IP_PROTOCOL] != IPPROTO_TCP)
		return false;
	put16(ip + IP_LENGTH, (unsigned)total);
	sum_ip_header(ip, (unsigned)header);
	sum_tcp(ip + header, total - header, ip + IP_ADDRESSES, 8);
	return true;
}

static bool complete_large6(uint8_t *frame, size_t n)
{
	uint8_t *ip = frame + NET_ETHERNET_BYTES;
	size_t total = n - NET_ETHERNET_BYTES;

	if (n < NET_ETHERNET_BYTES + IP6_BYTES + TCP_BYTES || total > IP6_BYTES + UINT16_MAX ||
	    get16(frame + ETHERNET_TYPE) != ETHERTYPE_IPV6 || ip[0] >> 4 != 6 ||
	    ip[IP6_NEXT] != IPPROTO_TCP)
		return false;
	put16(ip + IP6_LENGTH, (unsigned)(total - IP6_BYTES));
	sum_tcp(ip + IP6_BYTES, total - IP6_BYTES, ip + IP6_ADDRESSES, 32);
	return true;
}

bool net_frame_complete(uint8_t *frame, size_t n, const struct virtio_net_hdr_v1 *h)
{
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || fill_checksum(frame, n, h);
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return complete_large4(frame, n);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return complete_large6(frame, n);
	default:
		return false;
	}
}

/* ---- to the guest ---- */

static bool has_checksum(unsigned protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

bool net_frame_checked(const uint8_t *frame, size_t n)
{
	const uint8_t *ip = frame + NET_ETHERNET_BYTES;

	if (n >= NET_ETHERNET_BYTES + IP_BYTES && get16(frame + ETHERNET_TYPE) == ETHERTYPE_IP)
		return !(get16(ip + IP_FRAGMENT) & (IP_MORE | IP_OFFSET)) &&
		       has_checksum(ip[IP_PROTOCOL]);
	return n >= NET_ETHERNET_BYTES + IP6_BYTES &&
	       get16(frame + ETHERNET_TYPE) == ETHERTYPE_IPV6 && has_checksum(ip[IP6_NEXT]);
}

bool net_frame_fragment(const uint8_t *frame, size_t n, unsigned mtu,
                        void (*send)(void *of, const uint8_t *part, size_t n), void *of)
{
	static uint8_t part[NET_FRAME_MAX];
	const uint8_t *ip = frame + NET_ETHERNET_BYTES;
	size_t total, at, step;
	unsigned first;

	if (n < NET_ETHERNET_BYTES + IP_BYTES || get16(frame + ETHERNET_TYPE) != ETHERTYPE_IP)
		return false;
	total = get16(ip + IP_LENGTH);
	/* One with options would have to repeat some of them: nobody sends such here. */
	if (ip[0] != 0x45 || total < IP_BYTES || total > n - NET_ETHERNET_BYTES ||
	    mtu < IP_BYTES + 48)
		return false;
	step = (mtu - IP_BYTES) & ~(size_t)7;
	first = get16(ip + IP_FRAGMENT);
	memcpy(part, frame, NET_ETHERNET_BYTES + IP_BYTES);
	for (at = IP_BYTES; at < total; at += step) {
		size_t left = total - at, take = left < step ? left : step;
		unsigned offset = (first & IP_OFFSET) + (unsigned)(at - IP_BYTES) / 8;
		bool more = (first & IP_MORE) || take < left;
		uint8_t *to = part + NET_ETHERNET_BYTES;

		memcpy(to + IP_BYTES, ip + at, take);
		put16(to + IP_LENGTH, (unsigned)(IP_BYTES + take));
		put16(to + IP_FRAGMENT, (offset & IP_OFFSET) | (more ? IP_MORE : 0));
		sum_ip_header(to, IP_BYTES);
		send(of, part, NET_ETHERNET_BYTES + IP_BYTES + take);
	}
	return true;
}
