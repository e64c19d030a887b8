// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/machines.h"

#include "main/local_socket.h"
#include "main/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define SOCKET_KIND "sock"

/* ---- the directory ---- */

/* EPERM: it is not this user's alone. */
static int open_private(const char *path)
{
	struct stat st;
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST) {
		if (errno == EPERM)
			errno = EACCES;
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

int machines_open(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];
	int fd = -1;

	errno = ENOENT;
	if (runtime && *runtime == '/' &&
	    (size_t)snprintf(path, sizeof path, "%s/ring1", runtime) < sizeof path)
		fd = open_private(path);
	/* One that is there and open to others is an error, not a reason to look elsewhere. */
	if (fd < 0 && errno != EPERM) {
		snprintf(path, sizeof path, "/run/user/%u/ring1", (unsigned)geteuid());
		fd = open_private(path);
	}
	if (fd < 0 && errno != EPERM) {
		snprintf(path, sizeof path, "/tmp/ring1-%u", (unsigned)geteuid());
		fd = open_private(path);
	}
	if (fd < 0)
		complain("%s, the directory of control sockets: %s", path,
		         errno == EPERM ? "it is not this user's alone (owner, or mode 0700)"
		                        : strerror(errno));
	return fd;
}

bool machines_path(char *to, size_t size, int directory, const char *name, const char *kind)
{
	char link[40], where[PATH_MAX];
	ssize_t n;
	int length;

	/* By its own name, for people; by the descriptor when that is too long for a socket. */
	snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
	n = readlink(link, where, sizeof where - 1);
	if (n > 0) {
		where[n] = 0;
		length = snprintf(to, size, "%s/%s.%s", where, name, kind);
		if (length > 0 && (size_t)length < size)
			return true;
	}
	length = snprintf(to, size, "%s/%s.%s", link, name, kind);
	return length > 0 && (size_t)length < size;
}

static bool address_of(struct sockaddr_un *address, int directory, const char *name)
{
	char path[LOCAL_PATH_MAX + 1];

	return machines_path(path, sizeof path, directory, name, SOCKET_KIND) &&
	       local_address(address, path);
}

bool machine_name_is_valid(const char *name)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);

	return n >= 1 && n <= MACHINE_NAME_MAX && strspn(name, allowed) == n && *name != '-' &&
	       *name != '.';
}

bool machine_exists(const char *name)
{
	char socket[MACHINE_NAME_MAX + sizeof "." SOCKET_KIND];
	int directory = machine_name_is_valid(name) ? machines_open() : -1;
	bool there;

	if (directory < 0)
		return false;
	snprintf(socket, sizeof socket, "%s.%s", name, SOCKET_KIND);
	there = !faccessat(directory, socket, F_OK, AT_SYMLINK_NOFOLLOW);
	close(directory);
	return there;
}

/* ---- one's own name ---- */

/* Two that begin at once must not each take the other's new socket for one left behind. */
static int listen_alone(int directory, const struct sockaddr_un *address)
{
	int fd, error;

	while (flock(directory, LOCK_EX) && errno == EINTR)
		;
	if (local_is_stale(address))
		unlink(address->sun_path);
	fd = local_listen(address);
	error = errno;
	flock(directory, LOCK_UN);
	errno = error;
	return fd;
}

int machines_claim(struct machine_claim *c, const char *name)
{
	struct sockaddr_un address;
	int error;

	*c = (struct machine_claim){.directory = -1, .listener = -1};
	if (name)
		snprintf(c->name, sizeof c->name, "%s", name);
	else
		snprintf(c->name, sizeof c->name, "%d", (int)getpid());
	c->directory = machines_open();
	if (c->directory < 0)
		return EXIT_HOST;
	if (!address_of(&address, c->directory, c->name))
		errno = ENAMETOOLONG;
	else
		c->listener = listen_alone(c->directory, &address);
	if (c->listener >= 0)
		return 0;
	error = errno;
	if (error == EADDRINUSE)
		complain("a machine called %s is running already; 'ring1 ls' lists them", c->name);
	else
		complain("cannot make the control socket %s: %s", c->name, strerror(error));
	return error == EADDRINUSE ? EXIT_USAGE : EXIT_HOST;
}

void machines_release(struct machine_claim *c)
{
	char file[MACHINE_NAME_MAX + sizeof "." SOCKET_KIND];

	if (c->listener >= 0) {
		snprintf(file, sizeof file, "%s.%s", c->name, SOCKET_KIND);
		unlinkat(c->directory, file, 0);
		close(c->listener);
	}
	if (c->directory >= 0)
		close(c->directory);
	c->listener = c->directory = -1;
}

/* ---- all of them ---- */

static bool remove_if_stale(int directory, const char *name)
{
	struct sockaddr_un address;
	bool stale = false;

	if (!address_of(&address, directory, name) || !local_is_stale(&address))
		return false;
	/* Once more where nobody can have taken the name since. */
	while (flock(directory, LOCK_EX) && errno == EINTR)
		;
	stale = local_is_stale(&address) && !unlink(address.sun_path);
	flock(directory, LOCK_UN);
	return stale;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int machines_list(int directory, char ***names)
{
	int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = again < 0 ? NULL : fdopendir(again);
	char name[MACHINE_NAME_MAX + 1], **grown;
	struct dirent *e;
	size_t length;

	*names = NULL;
	if (!d) {
		complain("cannot read the directory of control sockets: %s", strerror(errno));
		if (again >= 0)
			close(again);
		return -1;
	}
	while ((e = readdir(d))) {
		length = strlen(e->d_name);
		if (length <= sizeof SOCKET_KIND ||
		    length > MACHINE_NAME_MAX + sizeof SOCKET_KIND ||
		    strcmp(e->d_name + length - sizeof SOCKET_KIND, "." SOCKET_KIND))
			continue;
		snprintf(name, sizeof name, "%.*s", (int)(length - sizeof SOCKET_KIND), e->d_name);
		if (!machine_name_is_valid(name) || remove_if_stale(directory, name))
			continue;
		grown = realloc(*names, ((size_t)n + 1) * sizeof **names);
		if (!grown)
			break;
		*names = grown;
		if ((grown[n] = strdup(name)))
			n++;
	}
	closedir(d);
	if (n)
		qsort(*names, (size_t)n, sizeof **names, by_name);
	return n;
}

int machines_connect(int directory, const char *name, unsigned seconds)
{
	struct timeval t = {.tv_sec = seconds};
	struct sockaddr_un address;
	int fd, error;

	if (!machine_name_is_valid(name) || !address_of(&address, directory, name)) {
		errno = ENOENT;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	if (!connect(fd, (const struct sockaddr *)&address, sizeof address))
		return fd;
	error = errno == ECONNREFUSED ? ENOENT : errno;
	close(fd);
	errno = error;
	return -1;
}
