// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/nets.h"

#include "backends/net_user.h"
#include "backends/resolver.h"
#include "main/net_options.h"
#include "main/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"

/* Devices refer to them. */
static struct net nets[VIRTIO_DEVICES];
static char told[VIRTIO_DEVICES][80]; /* what the user is shown of each */
static unsigned nnets;
static uint32_t *plugs; /* of all lives: shared, and in no cell */

/* ---- tap ---- */

/* A descriptor of a tap device, as somebody else opened it, or by its name. -1: @why. */
static int open_tap(const struct net_options *o, bool *headers, char *why, size_t size)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = o->fd, bytes = sizeof(struct virtio_net_hdr_v1);

	if (fd < 0) {
		fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			snprintf(why, size, "%s: %s", TUN_DEVICE, strerror(errno));
			return -1;
		}
		strcpy(r.ifr_name, o->ifname);
		if (ioctl(fd, TUNSETIFF, &r)) {
			snprintf(why, size, "%s: %s%s", o->ifname, strerror(errno),
			         errno == EPERM ? "; its owner makes it: ip tuntap add NAME mode "
			                          "tap user USER"
			                        : "");
			close(fd);
			return -1;
		}
	} else if (ioctl(fd, TUNGETIFF, &r) || !(r.ifr_flags & IFF_TAP)) {
		snprintf(why, size, "descriptor %d is not that of a tap device", fd);
		return -1;
	}
	*headers = r.ifr_flags & IFF_VNET_HDR;
	/* Whole packets with their checksums, whatever the guest's driver can do. */
	if ((*headers && (ioctl(fd, TUNSETVNETHDRSZ, &bytes) || ioctl(fd, TUNSETOFFLOAD, 0))) ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		snprintf(why, size, "%s: %s", r.ifr_name, strerror(errno));
		if (o->fd < 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* ---- one device ---- */

/*
 * Networks of users do not meet: QEMU's address, counted up. Tap devices may all lead into one
 * network: there the name of device and host make one that stays.
 */
static void choose_mac(struct net *net, const struct net_options *o)
{
	uint8_t mac[NET_MAC_BYTES] = {0x52, 0x54, 0x00, 0x12, 0x34, (uint8_t)(0x56 + nnets)};
	char text[HOST_NAME_MAX + IFNAMSIZ + 32] = "";
	uint32_t hash = 2166136261u; /* FNV-1a */

	if (o->tap) {
		gethostname(text, HOST_NAME_MAX);
		snprintf(text + strlen(text), IFNAMSIZ + 31, "/%s/%d", o->ifname, o->fd);
		for (const char *p = text; *p; p++)
			hash = (hash ^ (uint8_t)*p) * 16777619u;
		memcpy(mac + 3, &hash, 3);
	}
	memcpy(net->mac, o->has_mac ? o->mac : mac, NET_MAC_BYTES);
}

static int no_room(const char *option)
{
	complain("--net %s: %s", option, strerror(errno));
	return EXIT_HOST;
}

static int add(struct devices *devices, const char *option, const struct net_options *o)
{
	struct net *net = &nets[nnets];
	int fds[DEVICE_FDS], n = 0, resolver = -1;
	struct device *device;
	char name[16], why[200];

	*net = (struct net){
	    .plug = &plugs[nnets], .tap = -1, .model = o->rtl8139 ? &net_rtl8139 : NULL};
	net->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (net->poke < 0)
		return no_room(option);
	choose_mac(net, o);
	net->mtu = o->mtu ? o->mtu : o->tap ? 0 : NET_STANDARD_MTU;
	if (o->tap) {
		fds[0] = net->tap = open_tap(o, &net->tap_headers, why, sizeof why);
		n = net->tap < 0 ? -1 : 1;
		net->offloads = net->tap_headers;
	} else {
		n = net_user_open(net, &o->user, fds, DEVICE_FDS - 2, why, sizeof why);
		net->offloads = true;
		if (n >= 0 && (resolver = resolver_start()) < 0) {
			net_user_close(net);
			close(net->poke);
			return no_room(option);
		}
	}
	if (n < 0) {
		complain("--net %s: %s", option, why);
		close(net->poke);
		return EXIT_USAGE;
	}
	*net->plug = 1;
	snprintf(name, sizeof name, "net%u", nnets);
	nnets++;
	device = devices_add(devices, name, o->tap ? "tap" : "user");
	if (!device)
		return EXIT_USAGE;
	snprintf(told[nnets - 1], sizeof told[0], "%s%s%s%s, %02x:%02x:%02x:%02x:%02x:%02x",
	         o->tap ? "tap" : "user", *o->ifname ? " " : "", o->ifname,
	         o->rtl8139 ? ", rtl8139" : "", net->mac[0], net->mac[1], net->mac[2], net->mac[3],
	         net->mac[4], net->mac[5]);
	net_describe(net, &device->shown, device->config);
	device->ops = o->tap ? &net_tap_ops : &net_user_ops;
	device->own = net;
	for (int i = 0; i < n; i++)
		device->fds[device->nfds++] = fds[i];
	device->fds[device->nfds++] = net->poke;
	if (resolver >= 0)
		device->fds[device->nfds++] = resolver;
	return 0;
}

int nets_add(struct devices *devices, const char *option)
{
	static struct net_options o;
	char why[200];

	if (!net_options_parse(option, &o, why, sizeof why)) {
		complain("--net %s: %s", option, why);
		return EXIT_USAGE;
	}
	if (!plugs) {
		plugs = mmap(NULL, sizeof *plugs * VIRTIO_DEVICES, PROT_READ | PROT_WRITE,
		             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (plugs == MAP_FAILED) {
			plugs = NULL;
			return no_room(option);
		}
	}
	if (nnets == VIRTIO_DEVICES)
		return devices_add(devices, "net", option) ? EXIT_INTERNAL : EXIT_USAGE;
	return add(devices, option, &o);
}

void nets_close(void)
{
	for (unsigned i = 0; i < nnets; i++) {
		net_user_close(&nets[i]);
		if (nets[i].tap >= 0)
			close(nets[i].tap);
		close(nets[i].poke);
	}
	nnets = 0;
}

/* ---- cables ---- */

bool nets_plug(const char *name, bool in)
{
	uint64_t one = 1;
	char text[16];

	for (unsigned i = 0; i < nnets; i++) {
		snprintf(text, sizeof text, "net%u", i);
		if (strcmp(text, name))
			continue;
		__atomic_store_n(&plugs[i], in, __ATOMIC_SEQ_CST);
		return write(nets[i].poke, &one, sizeof one) == sizeof one || errno == EAGAIN;
	}
	return false;
}

void nets_print(FILE *to)
{
	for (unsigned i = 0; i < nnets; i++)
		fprintf(to, "net%u: %s, %s\n", i, told[i],
		        __atomic_load_n(&plugs[i], __ATOMIC_SEQ_CST) ? "plugged in" : "unplugged");
	if (!nnets)
		fprintf(to, "no network devices\n");
}
