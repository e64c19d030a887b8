// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both ends of a network that is tested: on the host, and as an i386 program in a guest.
 *
 *   peer serve ADDRESS [PORT]     a TCP and a UDP server at one port (0 or none: a free one, which
 *                                 is printed), until whoever started it ends
 *   peer free                     print a port that is free now
 *   peer get ADDRESS PORT BYTES [REQUEST]   fetch a pattern and look at each byte
 *   peer put ADDRESS PORT BYTES   send one, and have the server look at it
 *   peer many ADDRESS PORT COUNT  so many connections at a time, with an echo on each
 *   peer udp ADDRESS PORT BYTES   a datagram and its echo
 *   peer parts ADDRESS PORT BYTES the same; its parts leave in an order of our own, the last first
 *   peer hold ADDRESS PORT        a connection that waits for bytes, and how it ends
 *   peer count ADDRESS PORT       how often this server was asked so
 *   peer dns ADDRESS              a name server: every name has the address 192.0.2.N, N the last
 *                                 byte of its own
 *   peer tap NAME COMMAND...      with a tap device, without virtio headers, at descriptor 7
 *
 * The server's requests are lines: "get N", "drip N" (the same, slowly), "put N", "echo", "count".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BLOCK    65536u
#define TRIES    20
#define STACK    65536u /* of a thread: there may be a thousand */
#define DRIP     16384u
#define DRIP_NS  10000000
#define UDP_MOST 65507u

static _Noreturn void fail(const char *what)
{
	printf("peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The byte at an offset: not the same at any two near ones, nor in any two blocks. */
static uint8_t pattern(uint64_t at)
{
	uint64_t x = (at / 8 + 1) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	return (uint8_t)(x >> 8 * (at % 8));
}

static void fill(uint8_t *to, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = pattern(at + i);
}

static bool same(const uint8_t *bytes, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != pattern(at + i))
			return false;
	return true;
}

static struct sockaddr_in place(const char *address, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		fail(address);
	return a;
}

static bool send_all(int fd, const void *bytes, size_t n)
{
	for (const uint8_t *p = bytes; n;) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

/* A line without its end; false: none came. */
static bool receive_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && recv(fd, line + n, 1, 0) == 1)
		if (line[n++] == '\n') {
			line[n - 1] = 0;
			return true;
		}
	return false;
}

/* How many bytes of the pattern came before something else, or the end. */
static uint64_t receive_pattern(int fd)
{
	uint8_t *block = malloc(BLOCK);
	uint64_t at = 0;
	ssize_t n;

	while (block && (n = recv(fd, block, BLOCK, 0)) > 0) {
		if (!same(block, at, (size_t)n))
			break;
		at += (uint64_t)n;
	}
	free(block);
	return at;
}

static bool send_pattern(int fd, uint64_t bytes, size_t step, long pause_ns)
{
	uint8_t *block = malloc(step);
	bool good = block;

	for (uint64_t at = 0; good && at < bytes;) {
		size_t n = bytes - at < step ? (size_t)(bytes - at) : step;

		fill(block, at, n);
		good = send_all(fd, block, n);
		at += n;
		if (pause_ns)
			nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
	}
	free(block);
	return good;
}

/* ---- the server ---- */

static unsigned counted;

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char line[64];
	unsigned long long n = 0;

	while (receive_line(fd, line, sizeof line)) {
		if (sscanf(line, "get %llu", &n) == 1) {
			send_pattern(fd, n, BLOCK, 0);
			break;
		} else if (sscanf(line, "drip %llu", &n) == 1) {
			send_pattern(fd, n, DRIP, DRIP_NS);
			break;
		} else if (sscanf(line, "put %llu", &n) == 1) {
			n = receive_pattern(fd);
			snprintf(line, sizeof line, "%llu\n", n);
			send_all(fd, line, strlen(line));
			break;
		} else if (!strcmp(line, "count")) {
			snprintf(line, sizeof line, "%u\n",
			         __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST));
			send_all(fd, line, strlen(line));
		} else {
			strcat(line, "\n");
			if (!send_all(fd, line, strlen(line)))
				break;
		}
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, line, sizeof line, 0) > 0)
		;
	close(fd);
	return NULL;
}

static void *serve_datagrams(void *argument)
{
	int fd = (int)(intptr_t)argument;
	static uint8_t bytes[UDP_MOST];
	struct sockaddr_in from;

	for (;;) {
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);

		if (n >= 0)
			sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
	return NULL;
}

static void start(void *(*what)(void *), int fd)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, what, (void *)(intptr_t)fd))
		close(fd);
	pthread_attr_destroy(&attributes);
}

static int serve(const char *address, const char *port)
{
	struct sockaddr_in a = place(address, port);
	socklen_t size = sizeof a;
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(tcp, (struct sockaddr *)&a, sizeof a) || listen(tcp, 1024) ||
	    getsockname(tcp, (struct sockaddr *)&a, &size) ||
	    bind(udp, (struct sockaddr *)&a, sizeof a))
		fail("serve");
	printf("%u\n", ntohs(a.sin_port));
	fflush(stdout);
	start(serve_datagrams, udp);
	for (;;) {
		int fd = accept(tcp, NULL, NULL);

		if (fd >= 0)
			start(serve_one, fd);
	}
}

static int print_free(void)
{
	struct sockaddr_in a = place("127.0.0.1", "0");
	socklen_t size = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof a) ||
	    getsockname(fd, (struct sockaddr *)&a, &size))
		fail("free");
	printf("%u\n", ntohs(a.sin_port));
	return 0;
}

/* ---- a name server: of a question as resolvers ask it, and no more ---- */

static int serve_names(const char *address)
{
	static uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 0};
	struct sockaddr_in a = place(address, "53"), from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t m[512 + sizeof record];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	record[15] = (uint8_t)(ntohl(a.sin_addr.s_addr) & 255);
	if (bind(fd, (struct sockaddr *)&a, sizeof a))
		fail("dns");
	printf("names\n");
	fflush(stdout);
	for (;;) {
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(fd, m, 512, 0, (struct sockaddr *)&from, &size);
		ssize_t end = 12;

		if (n < 17)
			continue;
		while (end < n && m[end])
			end += m[end] + 1;
		end += 5;
		if (end > n)
			continue;
		m[2] = 0x84; /* an answer, with authority */
		m[3] = 0;
		m[7] = m[end - 3] == 1; /* an address for those who ask for one (A) */
		m[9] = m[11] = 0;
		memcpy(m + end, record, sizeof record);
		sendto(fd, m, (size_t)end + (m[7] ? sizeof record : 0), 0, (struct sockaddr *)&from,
		       size);
	}
}

/* ---- clients ---- */

static int connected(const char *address, const char *port)
{
	struct sockaddr_in a = place(address, port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
		fail("connect");
	return fd;
}

static int get(const char *address, const char *port, const char *bytes, const char *request)
{
	int fd = connected(address, port);
	char line[64];
	uint64_t n;

	snprintf(line, sizeof line, "%s %s\n", request, bytes);
	if (!send_all(fd, line, strlen(line)))
		fail("get");
	n = receive_pattern(fd);
	printf("got %llu\n", (unsigned long long)n);
	return n != strtoull(bytes, NULL, 10);
}

static int put(const char *address, const char *port, const char *bytes)
{
	int fd = connected(address, port);
	char line[64];

	snprintf(line, sizeof line, "put %s\n", bytes);
	if (!send_all(fd, line, strlen(line)) ||
	    !send_pattern(fd, strtoull(bytes, NULL, 10), BLOCK, 0))
		fail("put");
	shutdown(fd, SHUT_WR);
	if (!receive_line(fd, line, sizeof line))
		fail("put");
	printf("put %s\n", line);
	return strcmp(line, bytes) != 0;
}

static int count(const char *address, const char *port)
{
	int fd = connected(address, port);
	char line[64];

	if (!send_all(fd, "count\n", 6) || !receive_line(fd, line, sizeof line))
		fail("count");
	printf("count %s\n", line);
	return 0;
}

static int hold(const char *address, const char *port)
{
	int fd = connected(address, port);
	char line[64];

	if (!send_all(fd, "echo\n", 5) || !receive_line(fd, line, sizeof line))
		fail("hold");
	printf("held\n");
	if (recv(fd, line, sizeof line, 0) >= 0)
		printf("closed\n");
	else
		printf("ended: %s\n", strerror(errno));
	return 0;
}

static int many(const char *address, const char *port, unsigned n)
{
	struct rlimit limit = {n + 64, n + 64};
	int *fd = calloc(n, sizeof *fd);
	unsigned good = 0;
	char line[64], back[64];

	setrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned i = 0; i < n; i++)
		fd[i] = connected(address, port);
	for (unsigned i = 0; i < n; i++) {
		snprintf(line, sizeof line, "echo %u\n", i);
		send_all(fd[i], line, strlen(line));
	}
	for (unsigned i = 0; i < n; i++) {
		snprintf(line, sizeof line, "echo %u", i);
		good += receive_line(fd[i], back, sizeof back) && !strcmp(line, back);
	}
	for (unsigned i = 0; i < n; i++)
		close(fd[i]);
	printf("%u echoed\n", good);
	return good != n;
}

/* A connected socket's datagram, in parts of a network with an MTU of 1500, the last first. */
static bool send_parts(int fd, const uint8_t *bytes, size_t n)
{
	static uint8_t whole[sizeof(struct udphdr) + UDP_MOST];
	static uint16_t id = 1;
	const size_t step = 1480, total = sizeof(struct udphdr) + n;
	struct sockaddr_in from, to;
	socklen_t size = sizeof from;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	bool good = raw >= 0;

	getsockname(fd, (struct sockaddr *)&from, &size);
	getpeername(fd, (struct sockaddr *)&to, &size);
	memcpy(whole,
	       &(struct udphdr){
	           .source = from.sin_port, .dest = to.sin_port, .len = htons((uint16_t)total)},
	       sizeof(struct udphdr));
	memcpy(whole + sizeof(struct udphdr), bytes, n);
	id++;
	for (size_t at = (total - 1) / step * step; good; at -= step) {
		size_t take = total - at < step ? total - at : step;
		struct iphdr ip = {.version = 4,
		                   .ihl = 5,
		                   .id = htons(id),
		                   .frag_off =
		                       htons((uint16_t)(at / 8 | (at + take < total ? IP_MF : 0))),
		                   .ttl = 64,
		                   .protocol = IPPROTO_UDP,
		                   .saddr = from.sin_addr.s_addr,
		                   .daddr = to.sin_addr.s_addr};
		uint8_t packet[sizeof ip + 1480];

		memcpy(packet, &ip, sizeof ip);
		memcpy(packet + sizeof ip, whole + at, take);
		good =
		    sendto(raw, packet, sizeof ip + take, 0, (struct sockaddr *)&to, sizeof to) > 0;
		if (!at)
			break;
	}
	close(raw);
	return good;
}

/* Datagrams may be lost. */
static int udp(const char *address, const char *port, size_t n, bool parts)
{
	static uint8_t bytes[UDP_MOST], back[UDP_MOST];
	struct sockaddr_in a = place(address, port);
	struct timeval wait = {.tv_sec = 1};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	connect(fd, (struct sockaddr *)&a, sizeof a);
	fill(bytes, 0, n);
	for (int i = 0; i < TRIES; i++) {
		/* Nobody there is told by the next call. */
		if (parts ? !send_parts(fd, bytes, n) : send(fd, bytes, n, 0) != (ssize_t)n)
			continue;
		if (recv(fd, back, sizeof back, 0) == (ssize_t)n && same(back, 0, n)) {
			printf("%s of %zu\n", parts ? "parts" : "datagram", n);
			return 0;
		}
	}
	fail("udp");
}

static int with_tap(char **argv)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR);

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", argv[0]);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) || dup2(fd, 7) < 0)
		fail("tap");
	close(fd);
	execvp(argv[1], argv + 1);
	fail(argv[1]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "serve") && argc >= 3)
		return serve(argv[2], argc > 3 ? argv[3] : "0");
	if (!strcmp(what, "free"))
		return print_free();
	if (!strcmp(what, "dns") && argc == 3)
		return serve_names(argv[2]);
	if (!strcmp(what, "count") && argc == 4)
		return count(argv[2], argv[3]);
	if (!strcmp(what, "hold") && argc == 4)
		return hold(argv[2], argv[3]);
	if (!strcmp(what, "tap") && argc >= 4)
		return with_tap(argv + 2);
	if (argc < 5) {
		printf("peer: see its source\n");
		return 2;
	}
	if (!strcmp(what, "get"))
		return get(argv[2], argv[3], argv[4], argc > 5 ? argv[5] : "get");
	if (!strcmp(what, "put"))
		return put(argv[2], argv[3], argv[4]);
	if (!strcmp(what, "many"))
		return many(argv[2], argv[3], (unsigned)atoi(argv[4]));
	if (!strcmp(what, "udp"))
		return udp(argv[2], argv[3], (size_t)atoi(argv[4]), false);
	if (!strcmp(what, "parts"))
		return udp(argv[2], argv[3], (size_t)atoi(argv[4]), true);
	return 2;
}
