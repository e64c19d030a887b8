// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joins standard input and output to a machine's console: a socket or a terminal device.
 *
 * usage: connect [--shut] PATH
 *
 * --shut: the end of standard input is told to the other side, which may still answer.
 * Ends with 0 when the other side closes, with 1 when PATH cannot be opened within 10 s: a socket
 * may still be that of a machine that was killed. A side that hears no more may have said why: that is
 * shown, though writing to it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int open_it(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	if (stat(path, &st))
		return -1;
	if (!S_ISSOCK(st.st_mode))
		return open(path, O_RDWR | O_NOCTTY);
	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) ? -1 : fd;
}

/* False: nothing more will come. */
static bool copy(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof bytes);

	return n > 0 && write(to, bytes, (size_t)n) == n;
}

int main(int argc, char **argv)
{
	bool shut = argc == 3 && !strcmp(argv[1], "--shut");
	const char *path = argc == 2 + shut ? argv[1 + shut] : NULL;
	int fd = path ? open_it(path) : -1;

	signal(SIGPIPE, SIG_IGN);
	for (int tries = 0; fd < 0 && path && tries < 100; tries++) {
		usleep(100000);
		fd = open_it(path);
	}

	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

	if (fd < 0) {
		perror(path ? path : "usage: connect [--shut] PATH");
		return 1;
	}
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && !copy(fd, STDOUT_FILENO))
			return 0;
		if (p[1].revents && !copy(STDIN_FILENO, fd)) {
			p[1].fd = -1;
			if (shut)
				shutdown(fd, SHUT_WR);
		}
	}
}
