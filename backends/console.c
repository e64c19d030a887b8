// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One thread moves bytes directly between sockets and guest memory. A chain is only taken when it
 * is used at once, wholly or in part; the rest of one that the client did not take is sent when he
 * does (`sent`), so that nothing is in hand between two calls.
 */
#include "backends/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONTROL_IN  2u /* queues; "in" is to the guest */
#define CONTROL_OUT 3u
#define DEVICE_ALL  (CONSOLE_PORTS)

/* What the guest is to be told of a port, in this order */
#define TELL_ADD  1u
#define TELL_KIND 2u /* that it is a console, or its name */
#define TELL_OPEN 4u

#define MOVED_AT_ONCE (256u << 10) /* bytes of one port before the others have their turn */

struct port {
	const struct console_port *shown;
	int client; /* -1: none */
	bool guest_open;
	bool stale;        /* the agent's: the guest has not closed it since the last client */
	bool ended;        /* the client says no more */
	bool wants_buffer; /* the client's bytes wait for the guest */
	bool wants_client; /* the guest's bytes wait for the client */
	uint32_t sent;     /* of the next chain to it, bytes that he has */
	unsigned tell;
};

struct console {
	struct backend *backend;
	const struct console_ports *shown;
	struct port port[CONSOLE_PORTS];
	bool several;        /* the driver knows of ports */
	bool loaded;         /* from a snapshot: the queues that come are those it knows */
	uint32_t generation; /* of its queues */
	int bell;
};

static struct chain chain, control; /* the second to tell the guest something meanwhile */

static unsigned queue_in(unsigned port)
{
	return port ? 2 * port + 2 : 0;
}

static unsigned queue_out(unsigned port)
{
	return queue_in(port) + 1;
}

static unsigned port_of(unsigned queue)
{
	return queue < CONTROL_IN ? 0 : queue / 2 - 1;
}

static bool is_there(const struct port *p)
{
	return *p->shown->name;
}

/* ---- to the guest: control ---- */

/* The next thing to say of a port. Returns the message's length. */
static size_t next_word(struct console *c, unsigned number, uint8_t message[8 + CONSOLE_NAME])
{
	struct port *p = &c->port[number];
	struct virtio_console_control m = {.id = number, .value = 1};
	size_t n = 0;

	if (p->tell & TELL_ADD) {
		p->tell &= ~TELL_ADD;
		m.event = VIRTIO_CONSOLE_PORT_ADD;
	} else if (p->tell & TELL_KIND) {
		p->tell &= ~TELL_KIND;
		m.event =
		    p->shown->terminal ? VIRTIO_CONSOLE_CONSOLE_PORT : VIRTIO_CONSOLE_PORT_NAME;
		n = p->shown->terminal ? 0 : strlen(p->shown->name);
	} else {
		p->tell &= ~TELL_OPEN;
		m.event = VIRTIO_CONSOLE_PORT_OPEN;
		/* A console is written to whether somebody looks or not. */
		m.value = p->client >= 0 || p->shown->terminal;
	}
	memcpy(message, &m, sizeof m);
	memcpy(message + sizeof m, p->shown->name, n);
	return sizeof m + n;
}

static void tell(struct console *c)
{
	struct virtqueue *q = &c->backend->queue[CONTROL_IN];
	uint8_t message[8 + CONSOLE_NAME];
	bool any = false;

	for (unsigned i = 0; i < CONSOLE_PORTS; i++)
		while (c->port[i].tell) {
			size_t n;

			if (!virtqueue_pop(q, &control)) {
				/* It notifies when there is another buffer. */
				if (!virtqueue_listen(q) || q->broken)
					goto out;
				continue;
			}
			n = next_word(c, i, message);
			n = chain_write(&control, 0, message, n);
			virtqueue_push(q, control.head, (uint32_t)n);
			any = true;
		}
	virtqueue_hush(q);
out:
	if (any)
		backend_interrupt(c->backend, CONTROL_IN);
}

/* ---- clients ---- */

static void let_go(struct console *c, struct port *p)
{
	close(p->client);
	p->client = -1;
	p->wants_buffer = p->wants_client = p->ended = false;
	p->stale = p->shown->agent;
	p->tell |= c->several ? TELL_OPEN : 0;
	tell(c);
}

/* True: all went. False: the rest waits for the client. */
static bool move_chains_out(struct console *c, unsigned number, bool *any)
{
	struct port *p = &c->port[number];
	struct virtqueue *q = &c->backend->queue[queue_out(number)];
	struct iovec part[VIRTQUEUE_CHAIN];
	uint64_t moved = 0;

	while (virtqueue_pop(q, &chain)) {
		uint64_t left = chain.readable_bytes > p->sent ? chain.readable_bytes - p->sent : 0;
		struct msghdr m = {.msg_iov = part};
		ssize_t n = 0;

		if (p->client >= 0 && !p->stale && left) {
			m.msg_iovlen = chain_slice(&chain, false, p->sent, left, part);
			n = sendmsg(p->client, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN && errno != EINTR) {
				let_go(c, p);
				left = 0;
			} else if (n < (ssize_t)left) {
				p->sent += n > 0 ? (uint32_t)n : 0;
				p->wants_client = true;
				virtqueue_unpop(q);
				return false;
			}
		}
		p->sent = 0;
		virtqueue_push(q, chain.head, 0);
		*any = true;
		moved += n > 0 ? (uint64_t)n : 0;
		if (moved > MOVED_AT_ONCE && p->client >= 0) {
			p->wants_client = true;
			return false;
		}
	}
	return true;
}

/* The guest's bytes, as far as the client takes them. Without one they are nobody's. */
static void move_out(struct console *c, unsigned number)
{
	struct virtqueue *q = &c->backend->queue[queue_out(number)];
	bool any = false;

	if (!q->live || q->broken)
		return;
	virtqueue_hush(q);
	while (move_chains_out(c, number, &any) && virtqueue_listen(q) && !q->broken)
		;
	if (any)
		backend_interrupt(c->backend, queue_out(number));
	if (q->broken)
		backend_broken(c->backend);
}

static void leave(struct console *c, unsigned number)
{
	let_go(c, &c->port[number]);
	/* What waited for him is nobody's. */
	move_out(c, number);
}

/* The client's bytes, as far as the guest has buffers. */
static void move_in(struct console *c, unsigned number)
{
	struct port *p = &c->port[number];
	struct virtqueue *q = &c->backend->queue[queue_in(number)];
	uint64_t moved = 0;
	bool any = false;

	/* Until it is, the client is not looked at: what he sent cannot be taken. */
	p->wants_buffer = !q->live || q->broken;
	if (p->wants_buffer)
		return;
	virtqueue_hush(q);
	/* Linux throws away what comes to a port that no program has open. */
	p->wants_buffer = c->several && !p->shown->terminal && !p->guest_open;
	if (p->wants_buffer)
		return;
	while (p->client >= 0 && !p->ended && moved < MOVED_AT_ONCE) {
		struct msghdr m = {.msg_iov = chain.part};
		ssize_t n;

		if (!virtqueue_pop(q, &chain)) {
			if (virtqueue_listen(q) && !q->broken)
				continue;
			p->wants_buffer = true;
			break;
		}
		if (!chain.writable) {
			virtqueue_push(q, chain.head, 0);
			any = true;
			continue;
		}
		m.msg_iov = chain.part + chain.readable;
		m.msg_iovlen = chain.writable;
		n = recvmsg(p->client, &m, MSG_DONTWAIT);
		if (n <= 0) {
			/* One that only ceased to send may still listen: see the poll. */
			p->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
			virtqueue_unpop(q);
			break;
		}
		virtqueue_push(q, chain.head, (uint32_t)n);
		moved += (uint64_t)n;
		any = true;
	}
	if (any)
		backend_interrupt(c->backend, queue_in(number));
	if (q->broken)
		backend_broken(c->backend);
}

/* Is a client for a port of this socket welcome now? *anybody: the guest has one open at all. */
static struct port *free_port(struct console *c, int listener, bool *anybody)
{
	struct port *found = NULL;

	*anybody = false;
	for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
		struct port *p = &c->port[i];

		if (!is_there(p) || p->shown->listener != listener)
			continue;
		*anybody |= !p->shown->agent || p->guest_open || p->stale || p->client >= 0;
		if (!found && p->client < 0 && !p->stale && (p->guest_open || !p->shown->agent))
			found = p;
	}
	return found;
}

static void welcome(struct console *c, const struct console_port *shown)
{
	static const char nobody = CONSOLE_NOBODY, greeting = CONSOLE_GREETING;
	bool anybody;
	struct port *p = free_port(c, shown->listener, &anybody);
	int client;

	/* All are taken: it waits in the socket's queue. */
	if (!p && anybody)
		return;
	client = accept4(shown->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return;
	if (!p) {
		send(client, &nobody, 1, MSG_NOSIGNAL);
		close(client);
		return;
	}
	if (shown->agent)
		send(client, &greeting, 1, MSG_NOSIGNAL);
	p->client = client;
	p->tell |= c->several ? TELL_OPEN : 0;
	tell(c);
}

/* ---- from the guest: control ---- */

static void hear(struct console *c, const struct virtio_console_control *m)
{
	struct port *p;

	if (m->event == VIRTIO_CONSOLE_DEVICE_READY) {
		c->several = m->value;
		for (unsigned i = 0; i < CONSOLE_PORTS; i++)
			c->port[i].tell = m->value && is_there(&c->port[i]) ? TELL_ADD : 0;
		return;
	}
	if (m->id >= CONSOLE_PORTS || !is_there(&c->port[m->id]))
		return;
	p = &c->port[m->id];
	if (m->event == VIRTIO_CONSOLE_PORT_READY && m->value) {
		p->tell |= TELL_KIND;
		if (p->client >= 0 || p->shown->terminal)
			p->tell |= TELL_OPEN;
	} else if (m->event == VIRTIO_CONSOLE_PORT_OPEN) {
		/* What it wrote before is the last client's. */
		if (p->shown->agent && m->value)
			move_out(c, m->id);
		p->guest_open = m->value;
		if (!m->value && p->shown->agent && p->client >= 0)
			leave(c, m->id);
		if (!m->value)
			p->stale = false;
		else
			move_in(c, m->id);
	}
}

static void serve_control(struct console *c)
{
	struct virtqueue *q = &c->backend->queue[CONTROL_OUT];

	virtqueue_hush(q);
	do
		while (virtqueue_pop(q, &chain)) {
			struct virtio_console_control m;
			bool whole = chain_read(&chain, 0, &m, sizeof m) == sizeof m;

			virtqueue_push(q, chain.head, 0);
			backend_interrupt(c->backend, CONTROL_OUT);
			if (whole)
				hear(c, &m);
		}
	while (virtqueue_listen(q) && !q->broken);
	tell(c);
}

/* ---- the process ---- */

static void serve(struct backend *b, unsigned queue)
{
	struct console *c = b->own;

	if (queue == CONTROL_OUT)
		serve_control(c);
	else if (queue == CONTROL_IN)
		tell(c);
	else if (queue % 2)
		move_out(c, port_of(queue));
	else
		move_in(c, port_of(queue));
}

/* A driver that began anew knows of nothing. */
static void changed(struct backend *b)
{
	struct console *c = b->own;

	if (c->generation == b->queue[CONTROL_OUT].generation)
		return;
	c->generation = b->queue[CONTROL_OUT].generation;
	if (c->loaded) {
		c->loaded = false;
		tell(c);
		return;
	}
	c->several = false;
	for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
		struct port *p = &c->port[i];

		if (p->client >= 0 && p->shown->agent)
			let_go(c, p);
		p->guest_open = p->stale = p->wants_buffer = p->wants_client = false;
		p->sent = 0;
		p->tell = 0;
	}
}

/* Both ends of a port are looked at only when there is something that can be done about them. */
static unsigned what_to_poll(struct console *c, struct pollfd *fds, unsigned *number)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
		const struct port *p = &c->port[i];
		short events = (short)((p->ended || p->wants_buffer ? 0 : POLLIN) |
		                       (p->wants_client ? POLLOUT : 0));
		bool anybody;

		if (!is_there(p))
			continue;
		number[n] = i;
		/* That he is gone is looked at when the guest has taken all he said. */
		if (p->client >= 0 && (events || !p->wants_buffer))
			fds[n++] = (struct pollfd){p->client, events, 0};
		number[n] = DEVICE_ALL + i;
		if (free_port(c, p->shown->listener, &anybody) || !anybody)
			fds[n++] = (struct pollfd){p->shown->listener, POLLIN, 0};
	}
	return n;
}

static void wait_for_anything(struct backend *b)
{
	struct console *c = b->own;
	struct pollfd fds[2 * CONSOLE_PORTS + 1];
	unsigned number[2 * CONSOLE_PORTS + 1], n = what_to_poll(c, fds, number);
	uint64_t count;

	fds[n] = (struct pollfd){c->bell, POLLIN, 0};
	if (poll(fds, n + 1, -1) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		unsigned k = number[i];

		if (!fds[i].revents)
			continue;
		if (k >= DEVICE_ALL) {
			welcome(c, c->port[k - DEVICE_ALL].shown);
			continue;
		}
		if (c->port[k].client != fds[i].fd)
			continue;
		if (c->port[k].wants_client && (fds[i].revents & (POLLOUT | POLLHUP | POLLERR))) {
			c->port[k].wants_client = false;
			move_out(c, k);
		}
		if (c->port[k].client != fds[i].fd)
			continue;
		if (!c->port[k].ended)
			move_in(c, k);
		if (c->port[k].ended && (fds[i].revents & (POLLHUP | POLLERR)))
			leave(c, k);
	}
	if ((fds[n].revents & POLLIN) && read(c->bell, &count, sizeof count) < 0 &&
	    errno != EINTR && errno != EAGAIN)
		_exit(BACKEND_INTERNAL);
}

/* What a snapshot keeps: clients are gone afterwards, as if they had left. */
struct saved {
	uint32_t several, guest_open, had_client;
};

static size_t save(struct backend *b, void *to, size_t room)
{
	const struct console *c = b->own;
	struct saved s = {.several = c->several};

	for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
		s.guest_open |= (uint32_t)c->port[i].guest_open << i;
		s.had_client |= (uint32_t)(c->port[i].client >= 0 || c->port[i].stale) << i;
	}
	if (room < sizeof s)
		return SIZE_MAX;
	memcpy(to, &s, sizeof s);
	return sizeof s;
}

static bool load(struct backend *b, const void *from, size_t n)
{
	struct console *c = b->own;
	struct saved s;

	if (n != sizeof s)
		return false;
	memcpy(&s, from, sizeof s);
	c->several = s.several;
	c->loaded = true;
	for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
		struct port *p = &c->port[i];

		p->guest_open = s.guest_open >> i & 1;
		if (is_there(p) && (s.had_client >> i & 1)) {
			p->stale = p->shown->agent;
			p->tell = c->several ? TELL_OPEN : 0;
		}
	}
	return true;
}

static void prepare(struct backend *b)
{
	static struct console c;

	c = (struct console){.backend = b, .shown = b->own};
	for (unsigned i = 0; i < CONSOLE_PORTS; i++)
		c.port[i] = (struct port){.shown = &c.shown->port[i], .client = -1};
	b->own = &c;
	c.bell = backend_bell_fd(b);
}

static const int calls[] = {
    SCMP_SYS(read),    /* read() of the bell */
    SCMP_SYS(write),   /* bell_main() */
    SCMP_SYS(poll),    /* poll() */
    SCMP_SYS(accept4), /* accept4() */
    SCMP_SYS(sendmsg), /* sendmsg() */
    SCMP_SYS(sendto),  /* send() */
    SCMP_SYS(recvmsg), /* recvmsg() */
    SCMP_SYS(close),   /* close() */
};

const struct backend_ops console_ops = {.prepare = prepare,
                                        .serve = serve,
                                        .changed = changed,
                                        .wait = wait_for_anything,
                                        .listens = true,
                                        .save = save,
                                        .load = load,
                                        .calls = calls,
                                        .ncalls = sizeof calls / sizeof *calls};

void console_describe(struct virtio_shown *shown, void *config)
{
	struct virtio_console_config c = {.max_nr_ports = CONSOLE_PORTS};

	*shown = (struct virtio_shown){
	    .id = VIRTIO_ID_CONSOLE,
	    .queues = 2 * CONSOLE_PORTS + 2,
	    .queue_size = CONSOLE_QUEUE_SIZE,
	    .config_bytes = sizeof c,
	    .features = 1ull << VIRTIO_CONSOLE_F_MULTIPORT | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
	                1ull << VIRTIO_RING_F_EVENT_IDX,
	};
	memcpy(config, &c, sizeof c);
}
