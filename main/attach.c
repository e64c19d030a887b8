// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 console: somebody else's terminal joined to a machine's first serial port. */
#include "common/whole_io.h"
#include "main/command.h"
#include "main/machine_link.h"
#include "main/report.h"
#include "main/terminal.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct session {
	struct machine_link link;
	bool typing, keys, escape, detached;
};

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

/* By a connection of its own: this one carries the console. */
static void ask_beside(const struct session *s, const char *command)
{
	struct machine_link other;
	json_t *result;

	if (!link_open(&other, s->link.name) && !link_call(&other, command, NULL, &result))
		json_decref(result);
	link_close(&other);
}

static void print_help(void)
{
	say("\r\nring1 console keys:  Ctrl-A d  leave; the machine goes on\r\n"
	    "                     Ctrl-A b  send a serial break\r\n"
	    "                     Ctrl-A p  press the power button\r\n"
	    "                     Ctrl-A h  this help\r\n"
	    "                     Ctrl-A Ctrl-A  send Ctrl-A\r\n");
}

/* A byte typed at the terminal; true: it is the guest's. */
static bool take_key(struct session *s, uint8_t byte)
{
	switch (terminal_key(&s->escape, byte)) {
	case KEY_BYTE:
		return true;
	case KEY_DETACH:
		s->detached = true;
		break;
	case KEY_HELP:
		print_help();
		break;
	case KEY_BREAK:
		ask_beside(s, "break");
		break;
	case KEY_POWER:
		ask_beside(s, "stop");
		break;
	case KEY_QUIT:
		say("\r\n[Ctrl-A d leaves; 'ring1 stop' ends the machine]\r\n");
		break;
	case KEY_MONITOR:
		say("\r\n['ring1 monitor' answers questions]\r\n");
		break;
	case KEY_NOTHING:
		break;
	}
	return false;
}

/* False: nothing more will be typed. */
static bool take_typed(struct session *s)
{
	char typed[1024], bytes[1024];
	ssize_t n = read(STDIN_FILENO, typed, sizeof typed);
	size_t kept = 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	for (ssize_t i = 0; i < n && !s->detached; i++)
		if (!s->keys || take_key(s, (uint8_t)typed[i]))
			bytes[kept++] = typed[i];
	for (size_t done = 0; s->typing && done < kept;) {
		ssize_t w = send(s->link.fd, bytes + done, kept - done, MSG_NOSIGNAL);

		if (w <= 0 && errno != EINTR && errno != EAGAIN)
			return false;
		done += w > 0 ? (size_t)w : 0;
	}
	return n > 0;
}

static int talk(struct session *s)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
	                       {.fd = s->link.fd, .events = POLLIN}};
	char bytes[16384];
	ssize_t n;

	/* The first of the console may have come with the reply. */
	if (!write_all(STDOUT_FILENO, s->link.line, s->link.n))
		return EXIT_USAGE;
	while (!s->detached) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents) {
			n = recv(s->link.fd, bytes, sizeof bytes, 0);
			if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
				return EXIT_OK;
			if (n > 0 && !write_all(STDOUT_FILENO, bytes, (size_t)n))
				return EXIT_USAGE;
		}
		if (fds[0].revents && !take_typed(s))
			fds[0].fd = -1;
	}
	say("\r\n[left; the machine goes on]\r\n");
	return EXIT_OK;
}

static int attach(const char *name, bool watch, bool force, bool history)
{
	struct session s = {.keys = isatty(STDIN_FILENO)};
	int status = link_open(&s.link, name);
	json_t *result;

	if (!status)
		status = link_call(
		    &s.link, "console",
		    json_pack("{s:b,s:b,s:b}", "watch", watch, "force", force, "history", history),
		    &result);
	if (!status) {
		s.typing = json_is_true(json_object_get(result, "typing"));
		json_decref(result);
		if (!watch && !s.typing)
			complain("somebody else types at %s; you watch (--force: you type)",
			         s.link.name);
		else if (s.keys)
			complain("the console of %s; Ctrl-A d leaves it, Ctrl-A h lists the keys",
			         s.link.name);
		terminal_raw();
		status = talk(&s);
		terminal_restore();
	}
	link_close(&s.link);
	return status;
}

static void usage(FILE *to)
{
	fprintf(to,
	        "usage: ring1 console [--watch | --force] [--no-history] [NAME]\n\n"
	        "Join this terminal to a machine's first serial port, wherever that leads\n"
	        "besides. The last 64 KiB of it are shown first. Several may watch; one types.\n"
	        "Ctrl-A d leaves, Ctrl-A h lists the keys. Without a name: the only machine.\n\n"
	        "  -w, --watch       only watch\n"
	        "  -f, --force       type, and make whoever typed until now watch\n"
	        "      --no-history  show only what comes from now on\n");
}

int command_console(int argc, char **argv)
{
	static const struct option options[] = {{"watch", no_argument, NULL, 'w'},
	                                        {"force", no_argument, NULL, 'f'},
	                                        {"no-history", no_argument, NULL, 'n'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	bool watch = false, force = false, history = true;
	int c;

	while ((c = getopt_long(argc, argv, "wfh", options, NULL)) != -1) {
		switch (c) {
		case 'w':
			watch = true;
			break;
		case 'f':
			force = true;
			break;
		case 'n':
			history = false;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			return usage_error("console", NULL);
		}
	}
	if (argc - optind > 1 || (watch && force)) {
		complain(watch && force ? "--watch and --force exclude each other"
		                        : "console joins one machine");
		return EXIT_USAGE;
	}
	return attach(argv[optind], watch, force, history);
}
