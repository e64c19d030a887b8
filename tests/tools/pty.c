// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a program on a terminal of its own and plays the user.
 *
 * usage: pty STEP... -- PROGRAM [ARGUMENT]...
 *
 *   expect=TEXT   wait until TEXT appears in the output (behind what earlier steps matched)
 *   send=TEXT     type TEXT; \r, \n, \\ and \ooo (octal) are understood
 *   signal=N      send signal N to the program
 *   sleep=MS      let the output run for that long
 *   seconds=N     the limit of all steps together: at least 120, times RING1_PATIENCE, so that a
 *                 busy host does not end what is merely slow
 *
 * After the last step the program is waited for (within the limit; then it is killed). All it
 * wrote goes to standard output, then the verdict, one "pty: ..." line each:
 *   pty: missing TEXT               an expectation was not met in time
 *   pty: terminal restored|changed  its settings, compared with those before the start
 *   pty: exit N | pty: signal N | pty: killed
 * The exit status is 0 when every expectation was met and the program ended by itself.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define OUTPUT_MAX (4u << 20)
#define LEAST      120 /* s */

static char output[OUTPUT_MAX + 1];
static size_t length, matched;
static int master;
static pid_t child;
static long long deadline;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static long long limit_of(int seconds)
{
	const char *patience = getenv("RING1_PATIENCE");

	return now_ms() + (seconds < LEAST ? LEAST : seconds) * 1000ll *
	                      (patience && atoi(patience) > 0 ? atoi(patience) : 1);
}

/* Take what the program writes until @until, or until it has closed the terminal: then false. */
static bool read_some(long long until)
{
	struct pollfd p = {.fd = master, .events = POLLIN};
	long long left = until - now_ms();
	ssize_t n;

	if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0)
		return true;
	if (length == OUTPUT_MAX)
		return false;
	n = read(master, output + length, OUTPUT_MAX - length);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	length += (size_t)n;
	return true;
}

static bool expect(const char *text)
{
	bool open = true;

	for (;;) {
		char *at = memmem(output + matched, length - matched, text, strlen(text));

		if (at) {
			matched = (size_t)(at - output) + strlen(text);
			return true;
		}
		if (!open || now_ms() >= deadline)
			return false;
		open = read_some(deadline);
	}
}

static void type(const char *text)
{
	char bytes[4096];
	size_t n = 0;

	while (*text && n < sizeof bytes) {
		if (*text != '\\') {
			bytes[n++] = *text++;
			continue;
		}
		text++;
		if (*text >= '0' && *text <= '7') {
			bytes[n] = 0;
			for (int i = 0; i < 3 && *text >= '0' && *text <= '7'; i++)
				bytes[n] = (char)(bytes[n] * 8 + *text++ - '0');
			n++;
		} else {
			bytes[n++] = *text == 'r' ? '\r' : *text == 'n' ? '\n' : *text;
			text += !!*text;
		}
	}
	if (write(master, bytes, n) != (ssize_t)n)
		perror("pty: write");
}

static bool step(const char *s)
{
	const char *value = strchr(s, '=') + 1;

	if (!strncmp(s, "expect=", 7)) {
		if (expect(value))
			return true;
		printf("\npty: missing %s\n", value);
		return false;
	}
	if (!strncmp(s, "send=", 5)) {
		type(value);
	} else if (!strncmp(s, "signal=", 7)) {
		kill(child, atoi(value));
	} else if (!strncmp(s, "seconds=", 8)) {
		deadline = limit_of(atoi(value));
	} else if (!strncmp(s, "sleep=", 6)) {
		long long until = now_ms() + atoi(value);

		while (now_ms() < until && read_some(until))
			;
	} else {
		fprintf(stderr, "pty: what is %s?\n", s);
		exit(2);
	}
	return true;
}

/* Wait for the end while the output goes on. Returns whether it came by itself. */
static bool wait_for_end(int *status)
{
	bool open = true;

	while (now_ms() < deadline) {
		if (waitpid(child, status, WNOHANG) == child) {
			while (open &&
			       poll(&(struct pollfd){.fd = master, .events = POLLIN}, 1, 0) > 0)
				open = read_some(0);
			return true;
		}
		if (open)
			open = read_some(now_ms() + 20);
		else
			usleep(20000);
	}
	kill(child, SIGKILL);
	waitpid(child, status, 0);
	return false;
}

static bool same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && !memcmp(a->c_cc, b->c_cc, sizeof a->c_cc);
}

int main(int argc, char **argv)
{
	struct termios before, after;
	bool good = true, ended;
	int steps = 1, status = 0, slave;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (steps < argc && strcmp(argv[steps], "--")) {
		if (!strchr(argv[steps], '='))
			return 2;
		steps++;
	}
	if (steps + 1 >= argc)
		return 2;
	deadline = limit_of(LEAST);
	if (openpty(&master, &slave, NULL, NULL, NULL) || tcgetattr(slave, &before)) {
		perror("pty: openpty");
		return 2;
	}
	child = fork();
	if (child == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		login_tty(slave);
		close(master);
		execvp(argv[steps + 1], argv + steps + 1);
		perror(argv[steps + 1]);
		_exit(127);
	}
	/* The slave stays open here: its settings are read after the program's end. */
	for (int i = 1; i < steps && good; i++)
		good = step(argv[i]);
	if (!good)
		kill(child, SIGTERM);
	ended = wait_for_end(&status);
	fwrite(output, 1, length, stdout);
	tcgetattr(slave, &after);
	printf("\npty: terminal %s\n", same(&before, &after) ? "restored" : "changed");
	if (!ended)
		printf("pty: killed\n");
	else if (WIFSIGNALED(status))
		printf("pty: signal %d\n", WTERMSIG(status));
	else
		printf("pty: exit %d\n", WEXITSTATUS(status));
	return good && ended ? 0 : 1;
}
