/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's own network: what the guest sends becomes sockets of this user, by libslirp. */
#ifndef BACKENDS_NET_USER_H
#define BACKENDS_NET_USER_H

#include "backends/net.h"

#include <netinet/in.h>

#define NET_FORWARDS     32
#define NET_HOSTNAME_MAX 32

struct net_forward {
	bool udp;
	struct in_addr host, guest; /* guest: 0.0.0.0: the address that DHCP gives first */
	uint16_t host_port, guest_port;
};

struct net_user_options {
	struct in_addr network, mask;
	struct in_addr host, dns, dhcp; /* in it: the host, the name server, the first lease */
	bool restricted;                /* nothing but what is forwarded */
	bool loopback;                  /* the host's own address leads to its loopback device */
	bool ipv6;
	char hostname[NET_HOSTNAME_MAX + 1]; /* for DHCP; empty: none */
	unsigned nforwards;
	struct net_forward forward[NET_FORWARDS];
};

/**
 * net_user_open - make net->slirp, and open the ports that are forwarded
 * @fds, @max: receives the descriptors that the back end has to keep
 * @why: receives the reason of a failure
 *
 * Returns the number of descriptors, or -1.
 */
int net_user_open(struct net *net, const struct net_user_options *o, int *fds, unsigned max,
                  char *why, size_t size);

/** net_user_send - what the guest has sent, to libslirp: the send() of struct net */
void net_user_send(struct net *net, const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t n);

/** net_user_close - free what net_user_open() made, and close its ports */
void net_user_close(struct net *net);

#endif
