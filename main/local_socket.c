// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/local_socket.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 16

bool local_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) > LOCAL_PATH_MAX)
		return false;
	strcpy(address->sun_path, path);
	return true;
}

/* Who listened at the other end is gone; a process it started may still be dying with it. */
static bool listener_is_gone(int fd)
{
	struct ucred who;
	socklen_t size = sizeof who;

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) && who.pid > 0 &&
	       kill(who.pid, 0) && errno == ESRCH;
}

bool local_is_stale(const struct sockaddr_un *address)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	/* Not waiting: a backlog that is full is one that somebody has. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address))
		stale = errno == ECONNREFUSED;
	else
		stale = fd >= 0 && listener_is_gone(fd);
	if (fd >= 0)
		close(fd);
	return stale;
}

int local_listen(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;
	mode_t mask;

	if (fd < 0)
		return -1;
	mask = umask(0177);
	error = bind(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
	umask(mask);
	if (!error && listen(fd, BACKLOG)) {
		error = errno;
		unlink(address->sun_path);
	}
	if (!error)
		return fd;
	close(fd);
	errno = error;
	return -1;
}
