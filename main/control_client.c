// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/control_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void client_open(struct control_client *c, int fd)
{
	/* Not the buffers: pages of them that nobody used are to stay unused. */
	c->kind = CLIENT_COMMANDS;
	c->fd = fd;
	c->events = c->ended = c->pausing = false;
	c->snapshotting = c->ballooning = false;
	c->passed = -1;
	c->pause_id = c->snapshot_id = c->balloon_id = NULL;
	c->pause_due = c->lost = 0;
	c->in_n = c->out_at = c->out_n = 0;
}

void client_close(struct control_client *c)
{
	if (c->kind == CLIENT_NONE)
		return;
	close(c->fd);
	if (c->passed >= 0)
		close(c->passed);
	c->passed = -1;
	c->snapshotting = c->ballooning = false;
	json_decref(c->pause_id);
	json_decref(c->snapshot_id);
	json_decref(c->balloon_id);
	c->pause_id = c->snapshot_id = c->balloon_id = NULL;
	c->kind = CLIENT_NONE;
	c->fd = -1;
}

static size_t room(struct control_client *c)
{
	if (c->out_at) {
		memmove(c->out, c->out + c->out_at, c->out_n);
		c->out_at = 0;
	}
	return sizeof c->out - c->out_n;
}

static void add(struct control_client *c, const char *text, size_t n)
{
	memcpy(c->out + c->out_at + c->out_n, text, n);
	c->out_n += n;
}

/* What was left out is said before anything else is shown. */
static void tell_lost(struct control_client *c)
{
	char text[80];
	int n;

	if (!c->lost)
		return;
	n = snprintf(text, sizeof text, "\r\n[%" PRIu64 " bytes not shown: not read in time]\r\n",
	             c->lost);
	if (room(c) < sizeof c->out / 2)
		return;
	c->lost = 0;
	add(c, text, (size_t)n);
}

void client_send(struct control_client *c, const char *text, size_t n)
{
	if (c->kind == CLIENT_NONE)
		return;
	if (room(c) < n) {
		client_close(c);
		return;
	}
	add(c, text, n);
	client_flush(c);
}

void client_show(struct control_client *c, const uint8_t *bytes, size_t n)
{
	size_t fits;

	tell_lost(c);
	fits = c->lost ? 0 : room(c);
	if (fits > n)
		fits = n;
	add(c, (const char *)bytes, fits);
	c->lost += n - fits;
	client_flush(c);
}

void client_flush(struct control_client *c)
{
	while (c->kind != CLIENT_NONE && c->out_n) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			client_close(c);
			return;
		}
		c->out_at += (size_t)n;
		c->out_n -= (size_t)n;
		if (!c->out_n)
			tell_lost(c);
	}
	if (c->ended && !c->pausing && !c->snapshotting && !c->ballooning)
		client_close(c);
}

/* Of the descriptors that came, at most one is kept. */
static void take_descriptors(struct control_client *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n =
		    h->cmsg_len > CMSG_LEN(0) ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (c->passed >= 0)
				close(c->passed);
			c->passed = fd;
		}
	}
}

static ssize_t receive(struct control_client *c, void *to, size_t size)
{
	union {
		struct cmsghdr h;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = to, .iov_len = size};
	struct msghdr m = {.msg_iov = &part,
	                   .msg_iovlen = 1,
	                   .msg_control = control.bytes,
	                   .msg_controllen = sizeof control.bytes};
	ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0)
		take_descriptors(c, &m);
	return n;
}

bool client_fill(struct control_client *c)
{
	size_t free_bytes = sizeof c->in - c->in_n;
	ssize_t n = free_bytes ? receive(c, c->in + c->in_n, free_bytes) : -1;

	if (!free_bytes)
		return false;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n < 0) {
		client_close(c);
		return false;
	}
	if (n == 0) {
		c->ended = true;
		return false;
	}
	c->in_n += (size_t)n;
	return true;
}

long client_line(struct control_client *c, char *line, bool *too_long)
{
	char *end = memchr(c->in, '\n', c->in_n);
	size_t n;

	*too_long = !end && c->in_n == sizeof c->in;
	if (!end)
		return -1;
	n = (size_t)(end - c->in);
	memcpy(line, c->in, n);
	c->in_n -= n + 1;
	memmove(c->in, end + 1, c->in_n);
	return (long)n;
}
