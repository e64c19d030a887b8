/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ethernet frames between a guest and a network: what a virtio header (virtio 1.2, 5.1.6) leaves to
 * be done to them. Frames are a guest's and hostile; these functions work on copies and believe no
 * length.
 */
#ifndef BACKENDS_NET_FRAME_H
#define BACKENDS_NET_FRAME_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_ETHERNET_BYTES 14u
/* An IP packet of any size, with a VLAN tag. */
#define NET_FRAME_MAX      (65535u + NET_ETHERNET_BYTES + 4)
#define NET_STANDARD_MTU   1500u

/**
 * net_frame_complete - make a packet of what a driver left to the device
 * @frame, @n: changed
 * @h: the header that came with it
 *
 * A checksum is filled in. A large TCP segment (TSO) becomes one IP packet of its whole length, up
 * to 65535 bytes: for a peer that takes such packets. False: the header does not fit the frame.
 */
bool net_frame_complete(uint8_t *frame, size_t n, const struct virtio_net_hdr_v1 *h);

/**
 * net_frame_sum - the Internet checksum (RFC 1071), as net_frame_put_sum() stores it
 *
 * 0: the bytes have their checksum among them, and it is right.
 */
uint16_t net_frame_sum(const uint8_t *bytes, size_t n);
void net_frame_put_sum(uint8_t *at, uint16_t sum);

/** net_frame_checked - is this a whole TCP or UDP packet, whose checksum a device can vouch for? */
bool net_frame_checked(const uint8_t *frame, size_t n);

/**
 * net_frame_fragment - an IPv4 packet in parts that a network of this MTU takes
 * @mtu: bytes of an IP packet, at least 68
 * @send: called with each part, in order; @frame itself is not changed
 *
 * False: nothing was sent, for it is no IPv4 packet that could be parted.
 */
bool net_frame_fragment(const uint8_t *frame, size_t n, unsigned mtu,
                        void (*send)(void *of, const uint8_t *part, size_t n), void *of);

#endif
