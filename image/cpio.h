/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a cpio archive in the format "newc", which Linux unpacks as its initial RAM disk
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Everything in it belongs to root.
 */
#ifndef IMAGE_CPIO_H
#define IMAGE_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cpio {
	FILE *to;
	unsigned entries;
	bool failed; /* a write failed, or a file could not be read */
	int error;   /* errno of that */
	char source
	    [512]; /* the file that could not be read, cut if need be; empty: it was a write */
};

/** cpio_begin - an archive that is written to @to */
void cpio_begin(struct cpio *c, FILE *to);

/** cpio_directory - a directory, mode 0755; the ones above it must be in the archive before it */
void cpio_directory(struct cpio *c, const char *path);

/** cpio_bytes - a file of @size bytes with permissions @mode (octal, without the type) */
void cpio_bytes(struct cpio *c, const char *path, unsigned mode, const void *bytes, size_t size);

/** cpio_file - a file with the contents of the host's regular file @source, at most 1 GiB */
void cpio_file(struct cpio *c, const char *path, unsigned mode, const char *source);

/** cpio_device - a character device */
void cpio_device(struct cpio *c, const char *path, unsigned mode, unsigned major, unsigned minor);

/** cpio_end - the trailer; Return: whether all of the archive was written */
bool cpio_end(struct cpio *c);

#endif
