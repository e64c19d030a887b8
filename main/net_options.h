/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --net TEXT taken apart: no more than that, so that tests can have it. */
#ifndef MAIN_NET_OPTIONS_H
#define MAIN_NET_OPTIONS_H

#include "backends/net_user.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_options {
	bool tap; /* else: user */
	bool has_mac;
	uint8_t mac[NET_MAC_BYTES];
	uint16_t mtu; /* 0: not said */
	bool rtl8139; /* the card that the guest is shown; else: virtio's */
	struct net_user_options user;
	char ifname[IFNAMSIZ]; /* tap: of the device, or... */
	int fd;                /* ...one that is open; -1 */
};

/**
 * net_options_parse - what @text asks for
 * @why: receives the reason if it makes no sense
 */
bool net_options_parse(const char *text, struct net_options *o, char *why, size_t size);

#endif
