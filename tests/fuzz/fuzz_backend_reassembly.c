// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that sends datagrams in parts of its own making. What comes of them is whole: no part
 * itself, as long as it says, its header's checksum right, and each of its bytes one that a part
 * brought to that place. It goes on to libslirp, restricted, which has to survive it.
 *
 * The input: parts of 12 bytes each.
 */
#include "backends/net_reassembly.h"
#include "backends/net_user.h"
#include "main/net_options.h"

#include <stdlib.h>
#include <string.h>

#define IP    NET_ETHERNET_BYTES
#define PARTS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net net;

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void open_slirp(void)
{
	static struct net_options o;
	char why[200];

	net.mtu = 1500;
	if (!net_options_parse("user,restrict=on,loopback=off,ipv6=off", &o, why, sizeof why) ||
	    net_user_open(&net, &o.user, NULL, 0, why, sizeof why) < 0)
		abort();
}

/* Zeros but for what is in the first eight bytes: an ICMP echo, or UDP to TFTP or DHCP. */
static uint8_t byte_at(unsigned protocol, size_t offset)
{
	static const uint8_t echo[8] = {8, 0, 0xf7, 0xff}, udp[8] = {0, 69, 0, 69, 0, 16};

	return offset >= 8 ? 0 : protocol == 1 ? echo[offset] : udp[offset];
}

/* A frame in a block of its size. */
static uint8_t *make(const uint8_t *p, size_t *n)
{
	static const uint8_t protocols[] = {1, 17, 6, 1};
	unsigned header = 20u + 4u * (p[1] & 8 ? p[2] % 11 : 0), field = get16(p + 3) & 0x1fff;
	unsigned bytes = get16(p + 5), protocol = protocols[p[1] & 3];
	uint8_t *frame, *ip;

	if (p[7] & 1)
		field &= 7;
	if (p[7] & 2)
		bytes &= 0x3f;
	if (p[7] & 4)
		bytes &= ~7u;
	if (p[7] & 8) /* near the end of the largest */
		field = 8189 - (field & 7);
	if (bytes > 65535 - header)
		bytes = 65535 - header;
	*n = IP + header + bytes;
	frame = calloc(1, *n);
	if (!frame)
		abort();
	ip = frame + IP;
	frame[12] = 8;
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[2] = (uint8_t)((header + bytes) >> 8);
	ip[3] = (uint8_t)(header + bytes);
	ip[5] = p[0] & 3;
	ip[6] = (uint8_t)((p[7] & 0xe0) | field >> 8);
	ip[7] = (uint8_t)field;
	ip[8] = p[1] & 16 ? p[2] : 64;
	ip[9] = (uint8_t)protocol;
	memcpy(ip + 12, (uint8_t[]){10, 0, 2, 15, 10, 0, 2, p[1] & 4 ? p[2] : 2}, 8);
	for (unsigned i = 20; i < header; i++)
		ip[i] = p[1] & 32 ? 1 : p[8 + i % 4];
	for (unsigned i = 0; i < bytes && i < 64; i++)
		ip[header + i] = byte_at(protocol, 8u * field + i);
	net_frame_put_sum(ip + 10, net_frame_sum(ip, header));
	if (p[1] & 64) { /* sums and lengths that are wrong */
		frame[p[8] % *n] ^= p[9];
		*n -= p[10] % *n;
	}
	return frame;
}

static void check_whole(const uint8_t *frame, size_t n, bool sound)
{
	const uint8_t *ip = frame + IP;
	unsigned header = 4u * (ip[0] & 15u);

	if (n < IP + 20 || n > IP + 65535 || header < 20 || get16(ip + 2) != n - IP ||
	    n < IP + header || get16(ip + 6) || net_frame_sum(ip, header))
		abort();
	for (size_t i = 0; sound && IP + header + i < n; i++)
		if (ip[header + i] != byte_at(ip[9], i))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_net_hdr_v1 plain;
	static struct net_reassembly *r;
	static int64_t now;
	bool sound = true;

	if (!r) {
		r = net_reassembly_new();
		open_slirp();
	}
	now += NET_REASSEMBLE_MS + 1; /* nothing is left of the input before */
	for (unsigned i = 0; r && i < PARTS && size >= 12; i++, data += 12, size -= 12) {
		size_t n, whole_bytes;
		uint8_t *frame = make(data, &n), *whole;

		if (data[1] & 128)
			now += 256 * data[11];
		sound = sound && !(data[1] & 64);
		whole_bytes = n;
		whole = net_reassemble(r, frame, &whole_bytes, now);
		if (whole && whole != frame)
			check_whole(whole, whole_bytes, sound);
		net_user_send(&net, &plain, frame, n);
		free(frame);
	}
	return 0;
}
