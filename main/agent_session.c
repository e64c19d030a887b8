// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/agent_session.h"

#include "backends/console.h"
#include "common/whole_io.h"
#include "main/agent_frames.h"
#include "main/channels.h"
#include "main/local_socket.h"
#include "main/report.h"
#include "main/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 50

struct session {
	int fd;
	const struct agent_command *command;
	struct agent_frames in;
	/* Of it, what is sent and what waits to be. */
	uint8_t out[2 * (sizeof(struct agent_header) + AGENT_PAYLOAD_MAX)];
	size_t nout;
	uint32_t credit;
	bool input_ended, started;
	int status; /* -1: not known yet */
};

static volatile sig_atomic_t resized, signalled;

/* ---- connecting ---- */

/* As agent_try(). */
static int try_connect(const struct sockaddr_un *address, int *fd)
{
	char greeting = 0;

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -1;
	if (connect(*fd, (const struct sockaddr *)address, sizeof *address)) {
		close(*fd);
		return -1;
	}
	/* It waits here while others use all of the agent's ports. */
	while (recv(*fd, &greeting, 1, 0) < 0 && errno == EINTR)
		;
	if (greeting == CONSOLE_GREETING)
		return 1;
	close(*fd);
	return 0;
}

static bool find_socket(int directory, const char *name, struct sockaddr_un *address)
{
	char path[LOCAL_PATH_MAX + 1];

	errno = ENAMETOOLONG;
	return machines_path(path, sizeof path, directory, name, AGENT_KIND) &&
	       local_address(address, path);
}

int agent_try(int directory, const char *name, int *fd)
{
	struct sockaddr_un address;

	return find_socket(directory, name, &address) ? try_connect(&address, fd) : -1;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int agent_connect(int directory, const char *name, unsigned seconds)
{
	uint64_t until = now_ms() + seconds * 1000ull;
	int fd, r;

	while ((r = agent_try(directory, name, &fd)) == 0 && now_ms() < until)
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
	if (r > 0)
		return fd;
	if (r == 0)
		complain("%s: no agent answers in the guest. It is up yet? It needs the "
		         "virtio_console driver and 'ring1-agent serve' running, which images of "
		         "'ring1 image create' have; 'ring1 exec --print-agent' prints the "
		         "program for others",
		         name);
	else if (errno == ENOENT || errno == ECONNREFUSED)
		complain("%s: has no ports for an agent; start it with --agent=on (with --image it "
		         "has them)",
		         name);
	else
		complain("%s: its agent's socket: %s", name, strerror(errno));
	return -1;
}

/* ---- frames to the agent ---- */

static bool put_frame(struct session *s, enum agent_type type, const void *bytes, size_t n)
{
	struct agent_header h = {.size = (uint32_t)n, .type = (uint16_t)type};

	if (n > AGENT_PAYLOAD_MAX || sizeof s->out - s->nout < sizeof h + n)
		return false;
	memcpy(s->out + s->nout, &h, sizeof h);
	if (n)
		memcpy(s->out + s->nout + sizeof h, bytes, n);
	s->nout += sizeof h + n;
	return true;
}

static bool add(uint8_t *to, size_t *n, const void *bytes, size_t size)
{
	if (size > AGENT_PAYLOAD_MAX - *n)
		return false;
	memcpy(to + *n, bytes, size);
	*n += size;
	return true;
}

static void window_size(uint16_t size[2])
{
	struct winsize w = {0};

	if (!ioctl(STDIN_FILENO, TIOCGWINSZ, &w) || !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w)) {
		size[0] = w.ws_row;
		size[1] = w.ws_col;
	}
}

static bool put_command(struct session *s)
{
	static uint8_t bytes[AGENT_PAYLOAD_MAX];
	const struct agent_command *c = s->command;
	const char *directory = c->directory ? c->directory : "";
	struct agent_exec e = {.terminal = c->terminal};
	uint16_t size[2] = {24, 80};
	size_t n = sizeof e;
	bool fits = add(bytes, &n, directory, strlen(directory) + 1);

	if (c->terminal)
		window_size(size);
	e.rows = size[0];
	e.columns = size[1];
	for (char *const *a = c->argument; *a && fits; a++, e.arguments++)
		fits = add(bytes, &n, *a, strlen(*a) + 1);
	for (const char *const *v = c->variable; *v && fits; v++, e.variables++)
		fits = add(bytes, &n, *v, strlen(*v) + 1);
	memcpy(bytes, &e, sizeof e);
	return fits && put_frame(s, AGENT_EXEC, bytes, n);
}

/* ---- its answers ---- */

static void say_failed(struct session *s, uint32_t error)
{
	const char *in = s->command->directory;

	/* Of the two it may be either that is not there. */
	complain("%s%s%s: %s", s->command->argument[0], in ? ", in " : "", in ? in : "",
	         error < 4096 ? strerror((int)error) : "could not be run");
	s->status = error == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXECUTE;
}

/* False: it says what an agent does not. */
static bool take(struct session *s, const struct agent_frame *f)
{
	switch (f->type) {
	case AGENT_HELLO:
		return f->number == AGENT_VERSION && !s->started;
	case AGENT_STARTED:
		s->started = true;
		if (s->command->terminal)
			terminal_raw();
		return true;
	case AGENT_FAILED:
		say_failed(s, f->number);
		return true;
	case AGENT_OUTPUT:
		/* A reader that has gone is nobody's fault but its own. */
		if (!write_all(STDOUT_FILENO, f->data, f->size))
			s->status = 128 + SIGPIPE;
		return true;
	case AGENT_ERROR:
		write_all(STDERR_FILENO, f->data, f->size);
		return true;
	case AGENT_CREDIT_OF:
		if (f->number > AGENT_CREDIT - s->credit)
			return false;
		s->credit += f->number;
		return true;
	case AGENT_EXITED:
		s->status = (int)(f->number & 0xff);
		return true;
	case AGENT_SIGNALLED:
		s->status = 128 + (int)(f->number & 0x7f);
		return true;
	default:
		return false;
	}
}

/* False: it is over, and s->status says how. */
static bool receive(struct session *s)
{
	struct agent_frame frame;
	size_t room;
	uint8_t *to = agent_frames_room(&s->in, &room);
	ssize_t n = recv(s->fd, to, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		s->status = EXIT_NOT_RUN;
		if (!s->command->quiet_end)
			complain("the machine, or its agent, ended before the command did");
		return false;
	}
	agent_frames_put(&s->in, (size_t)n);
	while (s->status < 0 && agent_frames_take(&s->in, &frame))
		s->in.broken |= !take(s, &frame);
	if (s->in.broken) {
		complain("the guest's agent says what no agent of version %u says", AGENT_VERSION);
		s->status = EXIT_NOT_RUN;
	}
	return s->status < 0;
}

/* ---- what goes there ---- */

static bool send_out(struct session *s)
{
	ssize_t n = send(s->fd, s->out, s->nout, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->nout -= (size_t)n;
	memmove(s->out, s->out + n, s->nout);
	return true;
}

static void read_input(struct session *s)
{
	uint8_t bytes[16384];
	ssize_t n = read(STDIN_FILENO, bytes, s->credit < sizeof bytes ? s->credit : sizeof bytes);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		put_frame(s, AGENT_INPUT, bytes, (size_t)n);
		s->credit -= (uint32_t)n;
	} else {
		put_frame(s, AGENT_INPUT_END, NULL, 0);
		s->input_ended = true;
	}
}

static void pass_signals(struct session *s)
{
	uint16_t size[2] = {24, 80};
	uint32_t signal = (uint32_t)signalled;

	if (resized && s->command->terminal) {
		resized = 0;
		window_size(size);
		put_frame(s, AGENT_SIZE, size, sizeof size);
	}
	/* A guest that stands still answers nobody; what has not begun does not when this one goes.
	 */
	if (signal && !s->started) {
		s->status = 128 + (int)signal;
		return;
	}
	if (signal) {
		signalled = 0;
		put_frame(s, AGENT_SIGNAL, &signal, sizeof signal);
	}
}

/* Room for a frame of input, and for one of each other kind behind it. */
static bool may_read(const struct session *s)
{
	return !s->input_ended && s->credit && s->started && s->nout < sizeof s->out / 2;
}

static void talk(struct session *s)
{
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		struct pollfd fds[2] = {
		    {s->fd, (short)(POLLIN | (s->nout ? POLLOUT : 0)), 0},
		    {may_read(s) ? STDIN_FILENO : -1, POLLIN, 0},
		};

		if (ppoll(fds, 2, NULL, &none) < 0 && errno != EINTR)
			return;
		pass_signals(s);
		if (s->status >= 0)
			return;
		if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) && !receive(s))
			return;
		if (fds[1].revents)
			read_input(s);
		/* That it is gone is found when reading: it may have said why. */
		if (s->nout && !send_out(s))
			s->nout = 0;
	}
}

static void note_signal(int signal)
{
	if (signal == SIGWINCH)
		resized = 1;
	else
		signalled = signal;
}

/* Only taken while talk() waits. */
static void catch_signals(sigset_t *before)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
	struct sigaction action = {.sa_handler = note_signal};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
		sigaction(caught[i], &action, NULL);
		sigaddset(&set, caught[i]);
	}
	sigprocmask(SIG_BLOCK, &set, before);
	signal(SIGPIPE, SIG_IGN);
}

int agent_run(int connection, const struct agent_command *command)
{
	static struct session s;
	sigset_t before;

	s = (struct session){
	    .fd = connection, .command = command, .credit = AGENT_CREDIT, .status = -1};
	if (!put_command(&s)) {
		complain("the command and its environment are longer than %u bytes",
		         AGENT_PAYLOAD_MAX);
		return EXIT_NOT_RUN;
	}
	catch_signals(&before);
	talk(&s);
	terminal_restore();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return s.status;
}
