// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/whole_io.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

bool write_all(int fd, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

bool read_all(int fd, void *bytes, size_t n)
{
	uint8_t *at = bytes;

	while (n) {
		ssize_t done = read(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}
