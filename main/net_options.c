// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/net_options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX     256u
#define MTU_LEAST    576u   /* what every host must take (RFC 791), and libslirp's least */
#define MTU_MOST     65520u /* of an IP packet that fits a frame with its headers */
#define PREFIX_LEAST 8u
#define PREFIX_MOST  27u /* room for what libslirp leases, and the addresses below */

/* Host parts of a network's addresses, as in QEMU. */
#define HOST_PART 0x0202u
#define DNS_PART  0x0203u
#define DHCP_PART 0x020fu

static bool fail(char *why, size_t size, const char *what, const char *word)
{
	snprintf(why, size, "'%s' %s", word, what);
	return false;
}

/* Decimal, nothing around it. */
static bool number(const char *text, size_t n, unsigned long most, unsigned long *value)
{
	*value = 0;
	if (!n || n > 9)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (unsigned long)(text[i] - '0');
	}
	return *value <= most;
}

static bool on_or_off(const char *text, bool *on)
{
	*on = !strcmp(text, "on");
	return *on || !strcmp(text, "off");
}

/* Text of n bytes, empty: 0.0.0.0. */
static bool address(const char *text, size_t n, struct in_addr *a)
{
	char copy[INET_ADDRSTRLEN];

	a->s_addr = 0;
	if (n >= sizeof copy)
		return false;
	memcpy(copy, text, n);
	copy[n] = 0;
	return !n || inet_pton(AF_INET, copy, a) == 1;
}

static bool mac(const char *text, uint8_t *to)
{
	for (unsigned i = 0; i < NET_MAC_BYTES; i++, text += 3) {
		char *end, digits[3] = {0};

		memcpy(digits, text, strnlen(text, 2));
		if (strspn(digits, "0123456789abcdefABCDEF") != 2 ||
		    text[2] != (i + 1 < NET_MAC_BYTES ? ':' : 0))
			return false;
		to[i] = (uint8_t)strtoul(digits, &end, 16);
	}
	/* Not that of a group, and not none at all. */
	return !(to[0] & 1) && memcmp(to, (uint8_t[NET_MAC_BYTES]){0}, NET_MAC_BYTES);
}

/* ADDRESS/PREFIX. What lies in it by default is filled in. */
static bool network(const char *text, struct net_user_options *u)
{
	const char *slash = strchr(text, '/');
	unsigned long prefix = 24;
	uint32_t mask, base;

	if (!address(text, slash ? (size_t)(slash - text) : strlen(text), &u->network) ||
	    (slash && !number(slash + 1, strlen(slash + 1), PREFIX_MOST, &prefix)) ||
	    prefix < PREFIX_LEAST)
		return false;
	mask = ~0u << (32 - prefix);
	base = ntohl(u->network.s_addr);
	u->mask.s_addr = htonl(mask);
	u->host.s_addr = htonl(base | (HOST_PART & ~mask));
	u->dns.s_addr = htonl(base | (DNS_PART & ~mask));
	u->dhcp.s_addr = htonl(base | (DHCP_PART & ~mask));
	/* Neither 0 nor multicast and above; no bits for hosts. */
	return !(base & ~mask) && base >> 24 && base >> 24 < 224;
}

static bool is_hostname(const char *text)
{
	size_t n = strlen(text);

	return n && n <= NET_HOSTNAME_MAX && text[0] != '-' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
	           n;
}

/* [ADDRESS]:PORT of n bytes. */
static bool endpoint(const char *text, size_t n, struct in_addr *a, uint16_t *port)
{
	const char *colon = memchr(text, ':', n);
	unsigned long value;

	if (!colon || !address(text, (size_t)(colon - text), a) ||
	    !number(colon + 1, n - (size_t)(colon + 1 - text), UINT16_MAX, &value) || !value)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* tcp|udp:[ADDRESS]:PORT-[GUEST]:PORT */
static bool forward(const char *text, struct net_forward *f)
{
	const char *dash = strchr(text, '-');

	f->udp = !strncmp(text, "udp:", 4);
	/* QEMU takes none for TCP. */
	if (f->udp || !strncmp(text, "tcp:", 4))
		text += 4;
	else if (*text == ':')
		text++;
	else
		return false;
	return dash && dash > text &&
	       endpoint(text, (size_t)(dash - text), &f->host, &f->host_port) &&
	       endpoint(dash + 1, strlen(dash + 1), &f->guest, &f->guest_port);
}

/* The value of a word NAME=VALUE; NULL: it is another. */
static const char *value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) || word[n] != '=' ? NULL : word + n + 1;
}

static bool take_common(const char *word, struct net_options *o, bool *taken, char *why,
                        size_t size)
{
	const char *value;
	unsigned long n;

	*taken = true;
	if ((value = value_of(word, "mac"))) {
		o->has_mac = true;
		return mac(value, o->mac) ||
		       fail(why, size, "is no address of one network device", word);
	}
	if ((value = value_of(word, "mtu"))) {
		if (!number(value, strlen(value), MTU_MOST, &n) || n < MTU_LEAST)
			return fail(why, size, "is not from 576 to 65520", word);
		o->mtu = (uint16_t)n;
		return true;
	}
	if ((value = value_of(word, "model"))) {
		o->rtl8139 = !strcmp(value, "rtl8139");
		return o->rtl8139 || !strcmp(value, "virtio") ||
		       fail(why, size, "is none of model=virtio, model=rtl8139", word);
	}
	*taken = false;
	return true;
}

static bool take_user(const char *word, struct net_options *o, const char **dns, char *why,
                      size_t size)
{
	struct net_user_options *u = &o->user;
	const char *value;

	if ((value = value_of(word, "hostfwd"))) {
		if (u->nforwards == NET_FORWARDS)
			return fail(why, size, "is one more than 32 ports", word);
		return forward(value, &u->forward[u->nforwards++]) ||
		       fail(why, size, "is not hostfwd=tcp|udp:[ADDRESS]:PORT-[GUEST]:PORT", word);
	}
	if ((value = value_of(word, "restrict")))
		return on_or_off(value, &u->restricted) ||
		       fail(why, size, "is neither on nor off", word);
	if ((value = value_of(word, "loopback")))
		return on_or_off(value, &u->loopback) ||
		       fail(why, size, "is neither on nor off", word);
	if ((value = value_of(word, "ipv6")))
		return on_or_off(value, &u->ipv6) || fail(why, size, "is neither on nor off", word);
	if ((value = value_of(word, "net")))
		return network(value, u) ||
		       fail(why, size, "is not net=ADDRESS/PREFIX, with 8 to 27 bits", word);
	if ((value = value_of(word, "dns"))) {
		*dns = word;
		return address(value, strlen(value), &u->dns) ||
		       fail(why, size, "is no address", word);
	}
	if ((value = value_of(word, "hostname"))) {
		if (!is_hostname(value))
			return fail(why, size, "is no host name of up to 32 characters", word);
		strcpy(u->hostname, value);
		return true;
	}
	return fail(why, size,
	            "is none of hostfwd=, restrict=, net=, dns=, hostname=, loopback=, ipv6=, "
	            "model=, mac=, mtu=",
	            word);
}

static bool take_tap(const char *word, struct net_options *o, char *why, size_t size)
{
	const char *value;
	unsigned long n;

	if ((value = value_of(word, "ifname"))) {
		if (!*value || strlen(value) >= sizeof o->ifname || strchr(value, '/'))
			return fail(why, size, "is no name of a network device", word);
		strcpy(o->ifname, value);
		return true;
	}
	if ((value = value_of(word, "fd"))) {
		if (!number(value, strlen(value), 1 << 20, &n) || n < 3)
			return fail(why, size, "is no descriptor that ring1 could be given", word);
		o->fd = (int)n;
		return true;
	}
	return fail(why, size, "is none of ifname=, fd=, model=, mac=, mtu=", word);
}

static bool in_network(const struct net_user_options *u, struct in_addr a)
{
	return (a.s_addr & u->mask.s_addr) == u->network.s_addr;
}

static bool check_user(const struct net_user_options *u, const char *dns, char *why, size_t size)
{
	if (!in_network(u, u->dns) || u->dns.s_addr == u->host.s_addr ||
	    u->dns.s_addr == u->network.s_addr)
		return fail(why, size, "is not in the guest's network, or taken", dns);
	for (unsigned i = 0; i < u->nforwards; i++)
		if (u->forward[i].guest.s_addr && !in_network(u, u->forward[i].guest)) {
			char text[INET_ADDRSTRLEN] = "";

			inet_ntop(AF_INET, &u->forward[i].guest, text, sizeof text);
			return fail(why, size, "(hostfwd) is not in the guest's network", text);
		}
	return true;
}

bool net_options_parse(const char *text, struct net_options *o, char *why, size_t size)
{
	static char copy[4096], dns_word[WORD_MAX];
	char *word, *rest = copy;
	const char *dns = NULL;

	*o = (struct net_options){.fd = -1, .user = {.loopback = true, .ipv6 = true}};
	network("10.0.2.0/24", &o->user);
	if (strlen(text) >= sizeof copy) {
		snprintf(why, size, "it is too long");
		return false;
	}
	strcpy(copy, text);
	word = strsep(&rest, ",");
	o->tap = !strcmp(word, "tap");
	if (!o->tap && strcmp(word, "user"))
		return fail(why, size, "is none of user, tap, none", word);
	/* net= first, whatever the order: it says where dns= lies by default. */
	for (char *w = rest; w && !o->tap; w = strchr(w, ',') ? strchr(w, ',') + 1 : NULL)
		if (!strncmp(w, "net=", 4)) {
			char value[WORD_MAX];

			snprintf(value, sizeof value, "%.*s", (int)strcspn(w, ","), w);
			if (!take_user(value, o, &dns, why, size))
				return false;
		}
	while ((word = strsep(&rest, ","))) {
		bool taken;

		if (!take_common(word, o, &taken, why, size))
			return false;
		if (taken || (!o->tap && !strncmp(word, "net=", 4)))
			continue;
		if (!(o->tap ? take_tap(word, o, why, size) : take_user(word, o, &dns, why, size)))
			return false;
	}
	if (o->rtl8139 && o->mtu) {
		snprintf(why, size, "mtu= is of model=virtio: no other can tell the guest");
		return false;
	}
	snprintf(dns_word, sizeof dns_word, "%s", dns ? dns : "dns");
	if (o->tap && !*o->ifname == (o->fd < 0)) {
		snprintf(why, size, "say either ifname=NAME or fd=NUMBER");
		return false;
	}
	return o->tap || check_user(&o->user, dns_word, why, size);
}
