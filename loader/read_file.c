// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole files into memory, bounded. */
#include "loader/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ 65536 /* bytes to expect of a file that does not tell its size */

/* Errors that no other file name would cure. */
static enum loader_error_kind kind_of_errno(int error)
{
	switch (error) {
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EIO:
		return LOADER_EHOST;
	default:
		return LOADER_EINPUT;
	}
}

static int fail_errno(struct loader_error *e, const char *path, const char *what)
{
	int error = errno;

	return loader_fail(e, kind_of_errno(error), path, "cannot %s: %s", what, strerror(error));
}

static int too_large(struct loader_error *e, const char *path, size_t limit)
{
	return loader_fail(e, LOADER_EINPUT, path, "is larger than the %zu bytes allowed here",
	                   limit);
}

/* Refuses what cannot be read as a file; says how much memory to begin with. */
static int examine(int fd, const char *path, size_t limit, size_t *expect, struct loader_error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(e, path, "examine");
	if (S_ISDIR(st.st_mode))
		return loader_fail(e, LOADER_EINPUT, path, "is a directory, not a file");
	*expect = FIRST_READ;
	if (S_ISREG(st.st_mode)) {
		if ((uintmax_t)st.st_size > limit)
			return loader_fail(e, LOADER_EINPUT, path,
			                   "has %ju bytes; at most %zu are allowed here",
			                   (uintmax_t)st.st_size, limit);
		/* Files of /proc and /sys claim to be empty or a page. */
		if ((size_t)st.st_size > *expect)
			*expect = (size_t)st.st_size;
	}
	return 0;
}

/*
 * One byte more than allowed is asked for, so that a file of exactly `limit` bytes is told
 * from a larger one, and one more than expected, so that the end is seen without growing.
 */
static int read_all(int fd, const char *path, size_t limit, size_t expect, struct bytes *b,
                    struct loader_error *e)
{
	size_t capacity = expect + 1;

	b->data = malloc(capacity);
	if (!b->data)
		return loader_no_memory(e, path);
	for (;;) {
		ssize_t got = read(fd, b->data + b->size, capacity - b->size);

		if (got == 0)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(e, path, "read");
		b->size += (size_t)got;
		if (b->size > limit)
			return too_large(e, path, limit);
		if (b->size == capacity) {
			uint8_t *larger = realloc(b->data, capacity * 2);

			if (!larger)
				return loader_no_memory(e, path);
			b->data = larger;
			capacity *= 2;
		}
	}
}

int read_file(const char *path, size_t limit, struct bytes *out, struct loader_error *e)
{
	struct bytes b = {0};
	size_t expect;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int status;

	if (fd < 0)
		return fail_errno(e, path, "open");
	status = examine(fd, path, limit, &expect, e);
	if (status == 0)
		status = read_all(fd, path, limit, expect, &b, e);
	close(fd);
	if (status == 0)
		*out = b;
	else
		free(b.data);
	return status;
}
