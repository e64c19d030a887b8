// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network: TCP between this program and one of the host (--serve), which a guest reaches through
 * its user network, and the host's own program by the loopback device.
 */
#include "workload.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_IN = 'i', STREAM_OUT = 'o', ECHO = 'e' };

#define BLOCK 65536u

const char *net_place;

static int peer = -1;
static uint8_t *block;

static struct sockaddr_in place_of(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char address[INET_ADDRSTRLEN + 8];
	char *colon;

	snprintf(address, sizeof address, "%s", text);
	colon = strchr(address, ':');
	need(colon, "ADDRESS:PORT");
	*colon = 0;
	need(inet_pton(AF_INET, address, &a.sin_addr) == 1, address);
	a.sin_port = htons((uint16_t)atoi(colon + 1));
	return a;
}

static bool move_all(int fd, uint8_t *at, size_t n, bool out)
{
	while (n) {
		ssize_t done = out ? send(fd, at, n, MSG_NOSIGNAL) : recv(fd, at, n, MSG_WAITALL);

		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

/* ---- the server ---- */

/* Until the other side closes. */
static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument, one = 1;
	uint8_t *bytes = malloc(BLOCK), kind;
	ssize_t n;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bytes && recv(fd, &kind, 1, 0) == 1) {
		memset(bytes, 7, BLOCK);
		if (kind == STREAM_IN)
			while (move_all(fd, bytes, BLOCK, true))
				;
		else
			while ((n = recv(fd, bytes, BLOCK, 0)) > 0)
				if (kind == ECHO && !move_all(fd, bytes, (size_t)n, true))
					break;
	}
	free(bytes);
	close(fd);
	return NULL;
}

int serve_net(const char *place)
{
	struct sockaddr_in a = place_of(place);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	socklen_t size = sizeof a;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	need(!bind(listener, (struct sockaddr *)&a, sizeof a) && !listen(listener, 64) &&
	         !getsockname(listener, (struct sockaddr *)&a, &size),
	     place);
	printf("%u\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			continue;
		if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
			close(fd);
		else
			pthread_detach(thread);
	}
}

/* ---- the items ---- */

static int connect_to_peer(uint8_t kind)
{
	struct sockaddr_in a = place_of(net_place);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	need(send(fd, &kind, 1, MSG_NOSIGNAL) == 1, "send");
	return fd;
}

static bool open_stream(uint8_t kind)
{
	block = map_private(MIB);
	touch(block, MIB / PAGE);
	peer = connect_to_peer(kind);
	return true;
}

static bool open_out(void)
{
	return open_stream(STREAM_OUT);
}

static bool open_in(void)
{
	return open_stream(STREAM_IN);
}

static bool open_echo(void)
{
	return open_stream(ECHO);
}

static void net_send_1m(unsigned n)
{
	while (n--)
		need(move_all(peer, block, MIB, true), "send");
}

static void net_receive_1m(unsigned n)
{
	while (n--)
		need(move_all(peer, block, MIB, false), "recv");
}

/* One byte there and back. */
static void net_round_trip(unsigned n)
{
	while (n--)
		need(move_all(peer, block, 1, true) && move_all(peer, block, 1, false), "echo");
}

/* A connection, one byte there and back, and its end. */
static void net_connect(unsigned n)
{
	uint8_t byte = 1;

	while (n--) {
		int fd = connect_to_peer(ECHO);

		need(move_all(fd, &byte, 1, true) && move_all(fd, &byte, 1, false), "echo");
		close(fd);
	}
}

const struct item net_items[] = {
    {"net_send_1m", .prepare = open_out, .run = net_send_1m},
    {"net_receive_1m", .prepare = open_in, .run = net_receive_1m},
    {"net_round_trip", .prepare = open_echo, .run = net_round_trip},
    {"net_connect", .run = net_connect, .fixed = 50},
    {0},
};
