// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* Linux 6.3 */
#endif

/*
 * Since Linux 6.3 whether a memfd is executable is a choice, and vm.memfd_noexec says what happens
 * when none is made (1), or that there is none (2: EACCES for MFD_EXEC). It is about execve() only:
 * pages can be mapped executable anyway.
 */
int memory_file(const char *name)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | MFD_EXEC);

	return fd < 0 && (errno == EINVAL || errno == EACCES) ? memfd_create(name, flags) : fd;
}

static int executable_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd;
}

/*
 * What is open for writing cannot be executed, so the file is opened once more. -1: not there, or
 * on a file system that is mounted noexec.
 */
static int unnamed_file(const char *directory, const void *content, size_t size)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0700), again = -1;
	char path[40];

	if (fd < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (write(fd, content, size) == (ssize_t)size)
		again = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	if (again >= 0 && faccessat(again, "", X_OK, AT_EMPTY_PATH | AT_EACCESS)) {
		close(again);
		again = -1;
	}
	return again;
}

int program_file(const char *name, const void *content, size_t size)
{
	const char *const directories[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp",
	                                   "/var/tmp", "/dev/shm"};
	int fd = executable_memfd(name), error;

	if (fd >= 0) {
		if (write(fd, content, size) == (ssize_t)size)
			return fd;
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	error = errno;
	for (size_t i = 0; error == EACCES && i < sizeof directories / sizeof *directories; i++)
		if (directories[i] && (fd = unnamed_file(directories[i], content, size)) >= 0)
			return fd;
	errno = error;
	return -1;
}
