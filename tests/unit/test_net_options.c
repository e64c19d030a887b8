// SPDX-License-Identifier: GPL-2.0-or-later
/* What --net may say. */
#include "main/net_options.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct net_options o;
static char why[200];

static bool parses(const char *text)
{
	why[0] = 0;
	return net_options_parse(text, &o, why, sizeof why);
}

#define assert_address(a, text) assert_int_equal((a).s_addr, inet_addr(text))

static void a_user_network_is_as_in_qemu(void **state)
{
	(void)state;
	assert_true(parses("user"));
	assert_false(o.tap || o.has_mac || o.mtu || o.user.restricted || o.user.nforwards);
	assert_true(o.user.loopback && o.user.ipv6);
	assert_address(o.user.network, "10.0.2.0");
	assert_address(o.user.mask, "255.255.255.0");
	assert_address(o.user.host, "10.0.2.2");
	assert_address(o.user.dns, "10.0.2.3");
	assert_address(o.user.dhcp, "10.0.2.15");
}

static void every_word_is_taken(void **state)
{
	static const uint8_t mac[] = {0x02, 0xab, 0xCD, 0, 0x10, 0xff};

	(void)state;
	assert_true(parses("user,restrict=on,loopback=off,ipv6=off,hostname=a-guest.home,mtu=9000,"
	                   "mac=02:ab:CD:00:10:ff,dns=172.16.0.53,net=172.16.0.0/12"));
	assert_true(o.user.restricted && !o.user.loopback && !o.user.ipv6 && o.has_mac);
	assert_string_equal(o.user.hostname, "a-guest.home");
	assert_int_equal(o.mtu, 9000);
	assert_memory_equal(o.mac, mac, sizeof mac);
	assert_address(o.user.dns, "172.16.0.53");
	assert_address(o.user.mask, "255.240.0.0");
	assert_address(o.user.host, "172.16.2.2");
	assert_address(o.user.dhcp, "172.16.2.15");
	assert_true(parses("user,net=192.168.9.32/27"));
	assert_address(o.user.host, "192.168.9.34");
	assert_address(o.user.dhcp, "192.168.9.47");
}

static void the_guest_is_shown_the_card_that_was_asked_for(void **state)
{
	(void)state;
	assert_true(parses("user") && !o.rtl8139);
	assert_true(parses("user,model=virtio,mtu=9000") && !o.rtl8139);
	assert_true(parses("user,model=rtl8139") && o.rtl8139);
	assert_true(parses("tap,ifname=tap0,model=rtl8139") && o.rtl8139);
	assert_true(parses("user,model=rtl8139,model=virtio,mtu=9000") && !o.rtl8139);
	assert_false(parses("user,mtu=1400,model=rtl8139"));
	assert_non_null(strstr(why, "mtu="));
}

static void ports_are_forwarded(void **state)
{
	(void)state;
	assert_true(parses("user,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-10.0.2.20:5353,"
	                   "hostfwd=::65535-:1"));
	assert_int_equal(o.user.nforwards, 3);
	assert_false(o.user.forward[0].udp);
	assert_address(o.user.forward[0].host, "127.0.0.1");
	assert_int_equal(o.user.forward[0].host_port, 2222);
	assert_int_equal(o.user.forward[0].guest.s_addr, 0);
	assert_int_equal(o.user.forward[0].guest_port, 22);
	assert_true(o.user.forward[1].udp);
	assert_address(o.user.forward[1].guest, "10.0.2.20");
	assert_false(o.user.forward[2].udp);
	assert_int_equal(o.user.forward[2].host_port, 65535);
}

static void a_tap_device_has_a_name_or_a_descriptor(void **state)
{
	(void)state;
	assert_true(parses("tap,ifname=tap0"));
	assert_true(o.tap);
	assert_string_equal(o.ifname, "tap0");
	assert_int_equal(o.fd, -1);
	assert_true(parses("tap,fd=7,mac=02:00:00:00:00:01"));
	assert_int_equal(o.fd, 7);
	assert_false(parses("tap"));
	assert_false(parses("tap,ifname=tap0,fd=7"));
	assert_false(parses("tap,fd=2"));
	assert_false(parses("tap,fd=-3"));
	assert_false(parses("tap,ifname=a/b"));
	assert_false(parses("tap,ifname=sixteen-letters-"
	                    "x"));
	assert_false(parses("tap,ifname=tap0,hostfwd=tcp::1-:1"));
}

static void nonsense_is_refused_with_its_word(void **state)
{
	static const char *const words[] = {
	    "restrict=yes",
	    "restrict",
	    "mtu=575",
	    "mtu=65521",
	    "mtu=1e3",
	    "model=ne2k",
	    "model=",
	    "mac=01:00:00:00:00:00",
	    "mac=0:0:0:0:0:1",
	    "mac=02:00:00",
	    "mac=00:00:00:00:00:00",
	    "mac=02:00:00:00:00:01:02",
	    "hostfwd=tcp:22-:22",
	    "hostfwd=tcp::0-:22",
	    "hostfwd=tcp::22-:65536",
	    "hostfwd=tcp::22",
	    "hostfwd=sctp::1-:1",
	    "hostfwd=tcp:localhost:1-:1",
	    "hostfwd=tcp::1-10.0.3.4:1",
	    "hostfwd=",
	    "net=10.0.2.1/24",
	    "net=10.0.2.0/28",
	    "net=10.0.0.0/7",
	    "net=0.0.0.0/8",
	    "net=224.0.0.0/8",
	    "net=10.0.2.0/",
	    "net=",
	    "dns=10.0.3.3",
	    "dns=10.0.2.2",
	    "dns=10.0.2.0",
	    "dns=name",
	    "hostname=",
	    "hostname=a_b",
	    "hostname=-a",
	    "hostname=abcdefghijklmnopqrstuvwxyz0123456",
	    "",
	    "ifname=tap0",
	    "fd=5",
	};
	char text[80];

	(void)state;
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		snprintf(text, sizeof text, "user,%s", words[i]);
		if (parses(text))
			fail_msg("taken: %s", text);
		assert_int_not_equal(strlen(why), 0);
	}
	assert_false(parses("bridge"));
	assert_false(parses(""));
	assert_false(parses("none"));
}

static void no_more_than_there_is_room_for(void **state)
{
	char text[4200] = "user";

	(void)state;
	for (unsigned i = 0; i < NET_FORWARDS; i++)
		strcat(text, ",hostfwd=tcp::1-:1");
	assert_true(parses(text));
	strcat(text, ",hostfwd=tcp::1-:1");
	assert_false(parses(text));
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	assert_false(parses(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_user_network_is_as_in_qemu),
	    cmocka_unit_test(every_word_is_taken),
	    cmocka_unit_test(the_guest_is_shown_the_card_that_was_asked_for),
	    cmocka_unit_test(ports_are_forwarded),
	    cmocka_unit_test(a_tap_device_has_a_name_or_a_descriptor),
	    cmocka_unit_test(nonsense_is_refused_with_its_word),
	    cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
