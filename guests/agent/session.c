// SPDX-License-Identifier: GPL-2.0-or-later
/* One command for the host: guests/agent/protocol.h. */
#include "common/whole_io.h"
#include "guests/agent/agent.h"
#include "guests/agent/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define STRINGS_MAX 4096
#define CHUNK       16384
#define HANGUP_MS   2000

static int port = -1;
static int child_ended[2]; /* SIGCHLD writes to it */

static struct {
	pid_t pid;
	bool terminal, ended;
	int status;
	int in, out, err; /* -1: closed, or there is none */
	uint8_t input[AGENT_CREDIT];
	size_t ninput;
	bool input_ends;
} command;

static uint8_t payload[AGENT_PAYLOAD_MAX + 1];

/* ---- frames ---- */

/* At once, so that no other frame comes in between; waits as long as the host takes nothing. */
static bool send_frame(enum agent_type type, const void *bytes, size_t n)
{
	static uint8_t frame[sizeof(struct agent_header) + CHUNK];
	struct agent_header h = {.size = (uint32_t)n, .type = (uint16_t)type};

	memcpy(frame, &h, sizeof h);
	if (n)
		memcpy(frame + sizeof h, bytes, n);
	return write_all(port, frame, sizeof h + n);
}

static bool send_number(enum agent_type type, uint32_t number)
{
	return send_frame(type, &number, sizeof number);
}

/* False at the end: nobody is there any longer. */
static bool read_frame(struct agent_header *h)
{
	if (!read_all(port, h, sizeof *h) || h->size > AGENT_PAYLOAD_MAX ||
	    !read_all(port, payload, h->size))
		return false;
	payload[h->size] = 0;
	return true;
}

/* ---- starting it ---- */

struct words {
	char *directory;
	char *argument[STRINGS_MAX + 1], *variable[STRINGS_MAX + 1];
};

static bool split(const struct agent_exec *e, size_t size, struct words *w)
{
	char *at = (char *)payload + sizeof *e, *end = (char *)payload + size;
	size_t n = (size_t)e->arguments + e->variables;

	if (!e->arguments || e->arguments > STRINGS_MAX || e->variables > STRINGS_MAX)
		return false;
	w->directory = at;
	for (size_t i = 0; i <= n; i++) {
		char *text = at, *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;

		if (!nul)
			return false;
		at = nul + 1;
		if (i && i <= e->arguments)
			w->argument[i - 1] = text;
		else if (i)
			w->variable[i - 1 - e->arguments] = text;
	}
	w->argument[e->arguments] = w->variable[e->variables] = NULL;
	return at == end;
}

static _Noreturn void become(const struct words *w, int error)
{
	sigset_t none;

	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", "/bin/sh", 1);
	for (char *const *v = w->variable; *v; v++)
		if (strchr(*v, '='))
			putenv(*v);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	if (*w->directory) {
		if (chdir(w->directory))
			goto failed;
	} else if (chdir("/root") && chdir("/")) {
		goto failed;
	}
	execvp(w->argument[0], w->argument);
failed:
	if (write(error, &errno, sizeof errno) < 0)
		_exit(126);
	_exit(127);
}

static void set_size(uint16_t rows, uint16_t columns)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};

	if (command.terminal && command.out >= 0)
		ioctl(command.out, TIOCSWINSZ, &size);
}

/* Both ends of its terminal. Returns 0 or an errno. */
static int open_terminal(int *master, int *slave)
{
	char *name;

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master < 0)
		return errno;
	*slave = -1;
	if (grantpt(*master) || unlockpt(*master) || !(name = ptsname(*master)) ||
	    (*slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		int error = errno;

		close(*master);
		return error;
	}
	return 0;
}

static int make_pipes(int pipes[3][2])
{
	for (unsigned i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC))
			return errno;
	return 0;
}

/* Returns 0 or the errno for which it could not be started. */
static int start(const struct agent_exec *e, const struct words *w)
{
	int pipes[3][2], master = -1, slave = -1, report[2], error;

	error = e->terminal ? open_terminal(&master, &slave) : make_pipes(pipes);
	if (error)
		return error;
	if (pipe2(report, O_CLOEXEC))
		return errno;
	command.pid = fork();
	if (command.pid < 0)
		return errno;
	if (!command.pid) {
		setsid();
		if (e->terminal)
			ioctl(slave, TIOCSCTTY, 0);
		dup2(e->terminal ? slave : pipes[0][0], STDIN_FILENO);
		dup2(e->terminal ? slave : pipes[1][1], STDOUT_FILENO);
		dup2(e->terminal ? slave : pipes[2][1], STDERR_FILENO);
		become(w, report[1]);
	}
	close(report[1]);
	command.terminal = e->terminal;
	if (e->terminal) {
		close(slave);
		command.out = master;
		command.in = dup(master);
		set_size(e->rows, e->columns);
	} else {
		close(pipes[0][0]);
		close(pipes[1][1]);
		close(pipes[2][1]);
		command.in = pipes[0][1];
		command.out = pipes[1][0];
		command.err = pipes[2][0];
	}
	fcntl(command.in, F_SETFD, FD_CLOEXEC);
	fcntl(command.in, F_SETFL, O_NONBLOCK);
	if (read(report[0], &error, sizeof error) != sizeof error)
		error = 0;
	close(report[0]);
	return error;
}

/* ---- while it runs ---- */

static void close_input(void)
{
	if (command.in >= 0)
		close(command.in);
	command.in = -1;
	command.ninput = 0;
}

/* What it takes of its input; the host may send as much again. */
static bool feed(void)
{
	size_t before = command.ninput;
	ssize_t n = 0;

	if (command.ninput && command.in >= 0)
		n = write(command.in, command.input, command.ninput);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		close_input();
	if (command.in < 0)
		command.ninput = 0;
	else if (n > 0) {
		command.ninput -= (size_t)n;
		memmove(command.input, command.input + n, command.ninput);
	}
	/* A terminal's end is a key (Ctrl-D), which is among the input. */
	if (!command.ninput && command.input_ends && !command.terminal)
		close_input();
	before -= command.ninput;
	return !before || send_number(AGENT_CREDIT_OF, (uint32_t)before);
}

/* A frame of the host. False: the session is at its end. */
static bool obey(void)
{
	struct agent_header h;
	uint16_t size[2];
	uint32_t number;

	if (!read_frame(&h))
		return false;
	switch (h.type) {
	case AGENT_INPUT:
		if (h.size > sizeof command.input - command.ninput)
			return false;
		memcpy(command.input + command.ninput, payload, h.size);
		command.ninput += h.size;
		return feed();
	case AGENT_INPUT_END:
		command.input_ends = true;
		return feed();
	case AGENT_SIZE:
		if (h.size != sizeof size)
			return false;
		memcpy(size, payload, sizeof size);
		set_size(size[0], size[1]);
		return true;
	case AGENT_SIGNAL:
		if (h.size != sizeof number)
			return false;
		memcpy(&number, payload, sizeof number);
		if (!command.ended && number < 65)
			kill(-command.pid, (int)number);
		return true;
	default:
		return false;
	}
}

/* Some of its output. False: nobody takes it. */
static bool pass(int *from, enum agent_type type)
{
	uint8_t bytes[CHUNK];
	ssize_t n = read(*from, bytes, sizeof bytes);

	if (n > 0)
		return send_frame(type, bytes, (size_t)n);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	/* A terminal that nobody has open any longer is an error, EIO. */
	close(*from);
	*from = -1;
	return true;
}

static void note_child(int signal)
{
	int error = errno;

	(void)signal;
	if (write(child_ended[1], "", 1) < 0)
		errno = error;
	errno = error;
}

static void look_for_end(void)
{
	char bytes[16];

	while (read(child_ended[0], bytes, sizeof bytes) > 0)
		;
	if (!command.ended && waitpid(command.pid, &command.status, WNOHANG) == command.pid)
		command.ended = true;
}

/* Until it has ended and what it wrote is sent; others may still hold its output open. */
static bool attend(void)
{
	for (;;) {
		struct pollfd fds[5] = {
		    {port, POLLIN, 0},
		    {child_ended[0], POLLIN, 0},
		    {command.out, POLLIN, 0},
		    {command.err, POLLIN, 0},
		    {command.ninput ? command.in : -1, POLLOUT, 0},
		};
		int n = poll(fds, 5, command.ended ? 0 : -1);

		if (n < 0 && errno != EINTR)
			return false;
		if (n <= 0) {
			if (command.ended && n == 0)
				return true;
			continue;
		}
		if (fds[1].revents)
			look_for_end();
		if (fds[2].revents && !pass(&command.out, AGENT_OUTPUT))
			return false;
		if (fds[3].revents && !pass(&command.err, AGENT_ERROR))
			return false;
		if (fds[4].revents && !feed())
			return false;
		if ((fds[0].revents & POLLIN) && !obey())
			return false;
		if ((fds[0].revents & (POLLHUP | POLLERR)) && !(fds[0].revents & POLLIN))
			return false;
		if (command.ended && !fds[2].revents && !fds[3].revents)
			return true;
	}
}

/* Nobody is left who waits for it. */
static void end_command(void)
{
	if (command.ended)
		return;
	kill(-command.pid, SIGHUP);
	for (unsigned ms = 0; ms < HANGUP_MS && !command.ended; ms += 10) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		look_for_end();
	}
	kill(-command.pid, SIGKILL);
}

static int run_command(void)
{
	static struct words w;
	struct agent_header h;
	struct agent_exec e;
	int error;

	if (!read_frame(&h) || h.type != AGENT_EXEC || h.size < sizeof e)
		return 0;
	memcpy(&e, payload, sizeof e);
	if (!split(&e, h.size, &w))
		return 0;
	error = start(&e, &w);
	if (error)
		return send_number(AGENT_FAILED, (uint32_t)error);
	if (!send_frame(AGENT_STARTED, NULL, 0) || !attend()) {
		end_command();
		return 0;
	}
	if (WIFEXITED(command.status))
		return send_number(AGENT_EXITED, (uint32_t)WEXITSTATUS(command.status));
	return send_number(AGENT_SIGNALLED, (uint32_t)WTERMSIG(command.status));
}

int session(const char *device)
{
	uint8_t byte;

	command.in = command.out = command.err = -1;
	port = open(device, O_RDWR | O_CLOEXEC);
	if (port < 0 || pipe2(child_ended, O_CLOEXEC | O_NONBLOCK))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, note_child);
	/* It waits here until the host opens its end. */
	if (!send_number(AGENT_HELLO, AGENT_VERSION))
		return 1;
	if (run_command())
		/* The port is the next one's when the host has let go. */
		while (read_all(port, &byte, 1))
			;
	return 0;
}
