// SPDX-License-Identifier: GPL-2.0-or-later
/* netdevice(7), for guests that have no program for it. */
#include "guests/agent/agent.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void put_address(struct sockaddr *to, const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	inet_pton(AF_INET, text, &a.sin_addr);
	memcpy(to, &a, sizeof *to);
}

static int set(int s, const char *device, unsigned long what, const char *address)
{
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	put_address(&r.ifr_addr, address);
	return ioctl(s, what, &r);
}

static int up(int s, const char *device)
{
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	r.ifr_flags = IFF_UP;
	return ioctl(s, SIOCSIFFLAGS, &r);
}

int network_up(const char *device, const char *address, const char *mask, const char *router)
{
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	if (s < 0)
		return -1;
	put_address(&route.rt_dst, "0.0.0.0");
	put_address(&route.rt_genmask, "0.0.0.0");
	put_address(&route.rt_gateway, router);
	result = up(s, "lo") || set(s, device, SIOCSIFADDR, address) ||
	                 set(s, device, SIOCSIFNETMASK, mask) || up(s, device) ||
	                 ioctl(s, SIOCADDRT, &route)
	             ? -1
	             : 0;
	close(s);
	return result;
}
