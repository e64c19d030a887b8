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
	c->pause_id = NULL;
	c->pause_due = c->lost = 0;
	c->in_n = c->out_at = c->out_n = 0;
}

void client_close(struct control_client *c)
{
	if (c->kind == CLIENT_NONE)
		return;
	close(c->fd);
	json_decref(c->pause_id);
	c->pause_id = NULL;
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
	if (c->ended && !c->pausing)
		client_close(c);
}

bool client_fill(struct control_client *c)
{
	size_t free_bytes = sizeof c->in - c->in_n;
	ssize_t n = free_bytes ? recv(c->fd, c->in + c->in_n, free_bytes, MSG_DONTWAIT) : -1;

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
