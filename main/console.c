// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/console.h"

#include "main/local_socket.h"
#include "main/report.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* ---- file ---- */

static int open_file(struct console *c)
{
	c->out = open(c->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	if (c->out >= 0)
		return 0;
	complain("--console file:%s: cannot write: %s", c->path, strerror(errno));
	return EXIT_USAGE;
}

/* ---- pseudo-terminal ---- */

/*
 * Its other end is raw and closed again: as long as nobody has it open, poll() on this end says
 * POLLHUP without end, so it is not asked. That somebody opens it is seen by inotify.
 */
static int open_pty(struct console *c)
{
	char name[64];
	struct termios raw;
	int slave;

	if (openpty(&c->master, &slave, name, NULL, NULL)) {
		complain("--console pty: the host gives no pseudo-terminal: %s", strerror(errno));
		return EXIT_HOST;
	}
	fcntl(c->master, F_SETFD, FD_CLOEXEC);
	fcntl(c->master, F_SETFL, O_RDWR | O_NONBLOCK);
	if (!tcgetattr(slave, &raw)) {
		cfmakeraw(&raw);
		tcsetattr(slave, TCSANOW, &raw);
	}
	close(slave);
	c->event = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (c->event < 0 || inotify_add_watch(c->event, name, IN_OPEN) < 0) {
		complain("--console pty: cannot watch %s: %s", name, strerror(errno));
		return EXIT_HOST;
	}
	complain("the console is %s", name);
	return 0;
}

/* ---- socket ---- */

static int open_socket(struct console *c)
{
	struct sockaddr_un address;

	if (!local_address(&address, c->path)) {
		complain("--console unix:%s: the name of a socket has at most %zu bytes", c->path,
		         LOCAL_PATH_MAX);
		return EXIT_USAGE;
	}
	if (local_is_stale(&address))
		unlink(c->path);
	c->event = local_listen(&address);
	if (c->event >= 0)
		return 0;
	complain("--console unix:%s: %s", c->path,
	         errno == EADDRINUSE ? "there is something of that name" : strerror(errno));
	return EXIT_USAGE;
}

static void accept_client(struct console *c, const char *name)
{
	int fd = accept4(c->event, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char text[160];
	int n;

	if (fd < 0)
		return;
	if (c->in < 0) {
		c->in = c->out = fd;
		return;
	}
	n = snprintf(text, sizeof text, "ring1: the console of %s has a client already\r\n", name);
	if (send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		complain("a second client of the console could not be told so");
	close(fd);
}

/* ---- all ---- */

int console_open(struct console *c, const char *spec)
{
	*c =
	    (struct console){.in = -1, .out = -1, .event = -1, .master = -1, .kind = CONSOLE_STDIO};
	if (!strcmp(spec, "stdio")) {
		c->in = STDIN_FILENO;
		c->out = STDOUT_FILENO;
		return 0;
	}
	if (!strcmp(spec, "pty")) {
		c->kind = CONSOLE_PTY;
		return open_pty(c);
	}
	if (!strncmp(spec, "file:", 5) && spec[5]) {
		c->kind = CONSOLE_FILE;
		c->path = spec + 5;
		return open_file(c);
	}
	if (!strncmp(spec, "unix:", 5) && spec[5]) {
		c->kind = CONSOLE_UNIX;
		c->path = spec + 5;
		return open_socket(c);
	}
	if (!strcmp(spec, "socket")) {
		c->kind = CONSOLE_SOCKET;
		return 0;
	}
	complain("--console %s: say stdio, pty, file:PATH, unix:PATH or socket", spec);
	return EXIT_USAGE;
}

const char *console_word(const struct console *c)
{
	static const char *const words[] = {[CONSOLE_STDIO] = "stdio",
	                                    [CONSOLE_PTY] = "pty",
	                                    [CONSOLE_FILE] = "file",
	                                    [CONSOLE_UNIX] = "unix",
	                                    [CONSOLE_SOCKET] = "socket"};

	return words[c->kind];
}

void console_event(struct console *c, const char *name)
{
	char events[512];

	if (c->kind == CONSOLE_UNIX) {
		accept_client(c, name);
		return;
	}
	while (read(c->event, events, sizeof events) > 0)
		;
	c->in = c->out = c->master;
}

void console_gone(struct console *c)
{
	if (c->kind == CONSOLE_UNIX && c->in >= 0)
		close(c->in);
	if (c->kind == CONSOLE_UNIX || c->kind == CONSOLE_PTY)
		c->in = c->out = -1;
	else
		c->in = -1;
}

void console_close(struct console *c)
{
	if (c->kind == CONSOLE_UNIX && c->event >= 0)
		unlink(c->path);
	if (c->kind == CONSOLE_UNIX)
		console_gone(c);
	if (c->kind == CONSOLE_FILE && c->out >= 0)
		close(c->out);
	if (c->event >= 0)
		close(c->event);
	if (c->master >= 0)
		close(c->master);
	c->in = c->out = c->event = c->master = -1;
}
