/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All of it, or an error: read(2) and write(2) take what they like. */
#ifndef COMMON_WHOLE_IO_H
#define COMMON_WHOLE_IO_H

#include <stdbool.h>
#include <stddef.h>

/**
 * write_all - write @n bytes to @fd, which blocks, however many calls that takes
 *
 * Returns false, with errno, when the file takes no more.
 */
bool write_all(int fd, const void *bytes, size_t n);

/**
 * read_all - read @n bytes from @fd, which blocks, however many calls that takes
 *
 * Returns false when the file ends before, or with errno when it cannot be read.
 */
bool read_all(int fd, void *bytes, size_t n);

#endif
