// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Libslirp keeps the state of its connections in this process, and does with sockets of the user
 * what the guest's packets ask for. It is made in main, where a port that cannot be had is still an
 * error of the command line, and runs in the back end.
 */
#include "backends/net_user.h"

#include "backends/net_connections.h"
#include "backends/net_reassembly.h"
#include "backends/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMERS  4u
/* Connections at most: each may keep some 256 KiB of this process's memory. */
#define NOFILE  4096u
#define NEVER   INT64_MAX
#define NS_MS   1000000
#define POLLS_0 64u

struct timer {
	SlirpTimerCb call;
	void *of;
	int64_t due_ms; /* NEVER */
	bool used;
};

/* Of this process: the descriptors to wait for, and libslirp's timers. */
static struct {
	struct pollfd *list;
	unsigned n, room;
	bool closed; /* the guest has no room: nothing is taken from the host */
	struct timer timer[TIMERS];
} host;

/* ---- what libslirp asks for ---- */

static int64_t now_ns(void *opaque)
{
	struct timespec t;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static ssize_t to_guest(const void *frame, size_t n, void *opaque)
{
	struct net *net = opaque;

	/* Libslirp has computed what it sends: it forwards no checksum. */
	if (net->backend)
		net_receive(net, frame, n, true);
	return (ssize_t)n;
}

static void guest_is_wrong(const char *text, void *opaque)
{
	(void)text;
	(void)opaque;
}

static void *timer_new(SlirpTimerCb call, void *of, void *opaque)
{
	(void)opaque;
	for (unsigned i = 0; i < TIMERS; i++)
		if (!host.timer[i].used) {
			host.timer[i] = (struct timer){call, of, NEVER, true};
			return &host.timer[i];
		}
	return NULL;
}

static void timer_free(void *timer, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	if (t)
		t->used = false;
}

static void timer_mod(void *timer, int64_t due_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	if (t)
		t->due_ms = due_ms;
}

static void fd_comes_or_goes(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void look_again(void *opaque)
{
	(void)opaque; /* it is looked at whenever the guest has sent something */
}

static const SlirpCb callbacks = {
    .send_packet = to_guest,
    .guest_error = guest_is_wrong,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = fd_comes_or_goes,
    .unregister_poll_fd = fd_comes_or_goes,
    .notify = look_again,
};

/* ---- waiting ---- */

static int add_fd(int fd, short events)
{
	if (host.n == host.room) {
		unsigned room = host.room ? 2 * host.room : POLLS_0;
		struct pollfd *list = realloc(host.list, room * sizeof *list);

		if (!list)
			_exit(BACKEND_INTERNAL);
		host.list = list;
		host.room = room;
	}
	host.list[host.n] = (struct pollfd){fd, events, 0};
	return (int)host.n++;
}

static int add_poll(int fd, int events, void *opaque)
{
	short wanted = 0;

	(void)opaque;
	if (events & SLIRP_POLL_IN)
		wanted |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		wanted |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		wanted |= POLLPRI;
	/* While the guest has no room, only what goes to the host is of interest. */
	if (host.closed && !(wanted &= POLLOUT))
		fd = -1;
	return add_fd(fd, wanted);
}

static int get_events(int index, void *opaque)
{
	short got = index >= 0 && (unsigned)index < host.n ? host.list[index].revents : 0;
	int events = 0;

	(void)opaque;
	if (got & POLLIN)
		events |= SLIRP_POLL_IN;
	if (got & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (got & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (got & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (got & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

static int64_t until_timer_ms(int64_t now_ms)
{
	int64_t least = NEVER;

	for (unsigned i = 0; i < TIMERS; i++)
		if (host.timer[i].used && host.timer[i].due_ms < least)
			least = host.timer[i].due_ms;
	if (least == NEVER)
		return NEVER;
	return least > now_ms ? least - now_ms : 0;
}

static void run_timers(int64_t now_ms)
{
	for (unsigned i = 0; i < TIMERS; i++) {
		struct timer *t = &host.timer[i];

		if (!t->used || t->due_ms > now_ms)
			continue;
		t->due_ms = NEVER;
		t->call(t->of);
	}
}

static void reset_one(void *of, const uint8_t *frame, size_t n)
{
	net_receive(of, frame, n, true);
}

/* A guest that goes on from a snapshot has connections without a peer. */
static void reset_lost(struct net *net)
{
	if (net->plugged && (net->model || net->backend->queue[NET_RECEIVE].live))
		net_connections_reset(net->connections, reset_one, net);
}

static void wait_for_host(struct backend *b)
{
	struct net *net = b->own;
	uint32_t timeout = UINT32_MAX;
	int64_t timer;
	uint64_t count;
	int got;

	reset_lost(net);
	host.n = 0;
	host.closed = !net_has_room(net);
	add_fd(b->bell_event, POLLIN);
	add_fd(net->poke, POLLIN);
	slirp_pollfds_fill(net->slirp, &timeout, add_poll, net);
	timer = until_timer_ms(now_ns(NULL) / NS_MS);
	if (timer < timeout)
		timeout = (uint32_t)timer;
	got = poll(host.list, host.n, timeout > INT_MAX ? -1 : (int)timeout);
	if (got > 0 && host.list[0].revents && read(b->bell_event, &count, sizeof count) < 0 &&
	    errno != EINTR)
		_exit(BACKEND_INTERNAL);
	if (got > 0 && host.list[1].revents && read(net->poke, &count, sizeof count) > 0)
		net_look_at_plug(net);
	slirp_pollfds_poll(net->slirp, got < 0, get_events, net);
	run_timers(now_ns(NULL) / NS_MS);
	net_tell(net);
}

/* ---- from the guest ---- */

void net_user_send(struct net *net, const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t n)
{
	if (!net_frame_complete(frame, n, h))
		return;
	frame = net_reassemble(net->parts, frame, &n, now_ns(NULL) / NS_MS);
	if (!frame)
		return;
	net_connections_look(net->connections, frame, n);
	slirp_input(net->slirp, frame, (int)n);
}

/* ---- snapshots ---- */

static size_t save(struct backend *b, void *to, size_t room)
{
	struct net *net = b->own;

	return net_connections_save(net->connections, to, room);
}

static bool load(struct backend *b, const void *from, size_t n)
{
	struct net *net = b->own;

	return net_connections_load(net->connections, from, n);
}

/* ---- the process ---- */

/* A socket must not get the number of standard error, where a library may say something. */
static void keep_standard_numbers(void)
{
	int fd;

	do {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			_exit(BACKEND_CONFINE);
	} while (fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void limit_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max < NOFILE ? limit.rlim_max : NOFILE;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void prepare(struct backend *b)
{
	struct net *net = b->own;

	keep_standard_numbers();
	limit_connections();
	net->send = net_user_send;
	net_start(net, b);
	resolver_answers_opens();
	backend_bell_fd(b);
}

static const int calls[] = {
    SCMP_SYS(read),          /* read() of the bell */
    SCMP_SYS(write),         /* bell_main() */
    SCMP_SYS(poll),          /* poll() */
    SCMP_SYS(clock_gettime), /* clock_gettime() on hosts whose clock is not in the vDSO */
    SCMP_SYS(rt_sigreturn),  /* resolver_answers_opens(): the end of its handler */
    SCMP_SYS(accept),        /* slirp_pollfds_poll() */
    SCMP_SYS(connect),       /* slirp_input() */
    SCMP_SYS(shutdown),      /* slirp_input() */
    SCMP_SYS(sendto),        /* slirp_input() */
    SCMP_SYS(recvfrom),      /* slirp_pollfds_poll() */
    SCMP_SYS(recvmsg),       /* slirp_pollfds_poll() */
    SCMP_SYS(getsockopt),    /* slirp_pollfds_poll() */
    SCMP_SYS(setsockopt),    /* slirp_input() */
    SCMP_SYS(getpeername),   /* slirp_input() */
    SCMP_SYS(close),         /* slirp_input() */
    SCMP_SYS(lseek), /* slirp_input(): fclose() of a resolv.conf with more than 3 name servers */
    SCMP_SYS(fstat), /* slirp_input() of a C library that has it so */
    SCMP_SYS(newfstatat), /* slirp_input(): fgets() from resolv.conf */
    SCMP_SYS(mmap),       /* slirp_input(): malloc() of 128 KiB when the heap has no room */
    SCMP_SYS(munmap),     /* slirp_pollfds_poll(): the same given back */
    SCMP_SYS(brk),        /* slirp_input(): malloc(), free() */
};

#define SOCKET(domain, type)                                                                       \
	{                                                                                          \
		.call = SCMP_SYS(socket), .nargs = 2,                                              \
		.arg = { {0, SCMP_CMP_EQ, domain, 0},                                              \
			 {1, SCMP_CMP_MASKED_EQ, 0xff, type} }                                     \
	}

/* No sockets but of the Internet: not those in the file system, where a user's session listens. */
static const struct call_rule rules[] = {
    SOCKET(AF_INET, SOCK_STREAM), /* slirp_input() */
    SOCKET(AF_INET, SOCK_DGRAM),
    SOCKET(AF_INET6, SOCK_STREAM),
    SOCKET(AF_INET6, SOCK_DGRAM),
    CALL_WITH(ioctl, 1, FIONREAD), /* slirp_pollfds_poll(): how long is the datagram? */
    CALL_WITH(fcntl, 1, F_GETFL),  /* slirp_input() makes a socket non-blocking */
    CALL_WITH(fcntl, 1, F_SETFL),  /* the same */
    TRAPPED(openat),               /* resolver_answers_opens() */
};

const struct backend_ops net_user_ops = {.prepare = prepare,
                                         .serve = net_serve,
                                         .save = save,
                                         .load = load,
                                         .changed = net_changed,
                                         .rung = net_rung,
                                         .settle = net_settle,
                                         .wait = wait_for_host,
                                         .listens = true,
                                         .calls = calls,
                                         .ncalls = sizeof calls / sizeof *calls,
                                         .rules = rules,
                                         .nrules = sizeof rules / sizeof *rules};

/* ---- in main ---- */

static bool forward(struct net *net, const struct net_user_options *o, const struct net_forward *f,
                    char *why, size_t size)
{
	struct in_addr guest = f->guest.s_addr ? f->guest : o->dhcp;
	char address[INET_ADDRSTRLEN];

	if (slirp_add_hostfwd(net->slirp, f->udp, f->host, f->host_port, guest, f->guest_port) >= 0)
		return true;
	snprintf(why, size, "cannot listen at %s port %u of %s: %s", f->udp ? "UDP" : "TCP",
	         f->host_port, inet_ntop(AF_INET, &f->host, address, sizeof address),
	         strerror(errno));
	return false;
}

int net_user_open(struct net *net, const struct net_user_options *o, int *fds, unsigned max,
                  char *why, size_t size)
{
	/* As in QEMU, whose guests know these addresses: fec0::/64. */
	struct in6_addr prefix = {.s6_addr = {0xfe, 0xc0}}, host6 = prefix, dns6 = prefix;
	SlirpConfig config = {.version = 1,
	                      .restricted = o->restricted,
	                      .in_enabled = true,
	                      .vnetwork = o->network,
	                      .vnetmask = o->mask,
	                      .vhost = o->host,
	                      .in6_enabled = o->ipv6,
	                      .vprefix_addr6 = prefix,
	                      .vprefix_len = 64,
	                      .vhostname = *o->hostname ? o->hostname : NULL,
	                      .vdhcp_start = o->dhcp,
	                      .vnameserver = o->dns,
	                      .if_mtu = net->mtu,
	                      .if_mru = net->mtu,
	                      .disable_host_loopback = !o->loopback};
	uint32_t timeout = UINT32_MAX;
	unsigned n = 0;

	host6.s6_addr[15] = 2;
	dns6.s6_addr[15] = 3;
	config.vhost6 = host6;
	config.vnameserver6 = dns6;
	net->parts = net_reassembly_new();
	net->connections = net_connections_new();
	if (!net->parts || !net->connections) {
		snprintf(why, size, "out of memory");
		net_user_close(net);
		return -1;
	}
	net->slirp = slirp_new(&config, &callbacks, net);
	if (!net->slirp) {
		snprintf(why, size, "libslirp cannot have such a network");
		net_user_close(net);
		return -1;
	}
	for (unsigned i = 0; i < o->nforwards; i++)
		if (!forward(net, o, &o->forward[i], why, size)) {
			net_user_close(net);
			return -1;
		}
	host.n = 0;
	slirp_pollfds_fill(net->slirp, &timeout, add_poll, net);
	for (; n < host.n && n < max; n++)
		fds[n] = host.list[n].fd;
	host.n = 0;
	return (int)n;
}

void net_user_close(struct net *net)
{
	if (net->slirp)
		slirp_cleanup(net->slirp);
	net->slirp = NULL;
	net_reassembly_free(net->parts);
	net->parts = NULL;
	net_connections_free(net->connections);
	net->connections = NULL;
}
