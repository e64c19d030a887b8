// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/cpio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST_FILE (1u << 30) /* bytes */

/* Keeps the first reason: errno, and @source if it is a file of the host that cannot be read. */
static void fail(struct cpio *c, const char *source)
{
	if (c->failed)
		return;
	c->error = errno ? errno : EIO;
	snprintf(c->source, sizeof c->source, "%s", source);
	c->failed = true;
}

static void put(struct cpio *c, const void *bytes, size_t n)
{
	errno = 0;
	if (!c->failed && fwrite(bytes, 1, n, c->to) != n)
		fail(c, "");
}

static void pad(struct cpio *c, size_t written)
{
	put(c, "\0\0\0", -written & 3);
}

/* The header's fields are eight hexadecimal digits each. */
static void entry(struct cpio *c, const char *path, unsigned mode, unsigned major, unsigned minor,
                  const void *bytes, size_t size)
{
	size_t name = strlen(path) + 1;
	char header[111];

	snprintf(header, sizeof header,
	         "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ++c->entries, mode,
	         0u, 0u, 1u, 0u, (unsigned)size, 0u, 0u, major, minor, (unsigned)name, 0u);
	put(c, header, sizeof header - 1);
	put(c, path, name);
	pad(c, sizeof header - 1 + name);
	if (size)
		put(c, bytes, size);
	pad(c, size);
}

void cpio_begin(struct cpio *c, FILE *to)
{
	*c = (struct cpio){.to = to};
}

void cpio_directory(struct cpio *c, const char *path)
{
	entry(c, path, S_IFDIR | 0755, 0, 0, NULL, 0);
}

void cpio_bytes(struct cpio *c, const char *path, unsigned mode, const void *bytes, size_t size)
{
	entry(c, path, S_IFREG | mode, 0, 0, bytes, size);
}

void cpio_file(struct cpio *c, const char *path, unsigned mode, const char *source)
{
	int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	void *bytes = MAP_FAILED;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(c, source);
	} else if (!S_ISREG(st.st_mode) || st.st_size > LARGEST_FILE) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		fail(c, source);
	} else if (!st.st_size) {
		cpio_bytes(c, path, mode, NULL, 0);
	} else {
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (bytes == MAP_FAILED)
			fail(c, source);
		else
			cpio_bytes(c, path, mode, bytes, (size_t)st.st_size);
	}
	if (bytes != MAP_FAILED)
		munmap(bytes, (size_t)st.st_size);
	if (fd >= 0)
		close(fd);
}

void cpio_device(struct cpio *c, const char *path, unsigned mode, unsigned major, unsigned minor)
{
	entry(c, path, S_IFCHR | mode, major, minor, NULL, 0);
}

bool cpio_end(struct cpio *c)
{
	entry(c, "TRAILER!!!", 0, 0, 0, NULL, 0);
	errno = 0;
	if (!c->failed && fflush(c->to))
		fail(c, "");
	return !c->failed;
}
