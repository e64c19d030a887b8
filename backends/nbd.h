/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks behind an NBD server, by libnbd: nbd:// and nbd+unix:// URIs, and formats that are left to
 * qemu-nbd, which is started for them.
 *
 * The functions are those of backends/disk.h for such disks.
 */
#ifndef BACKENDS_NBD_H
#define BACKENDS_NBD_H

#include "backends/disk.h"
#include "common/call_filter.h"

/* The system calls of all functions of libnbd that the functions below use. */
extern const struct call_list nbd_calls;

/** nbd_is_uri - does this name say where a server is? */
bool nbd_is_uri(const char *path);

/**
 * nbd_disk_open - connect d->nbd to the server that d->path names, or to one started for that file
 *
 * A qcow2 image that names other files (a backing file, a data file) is refused unless
 * d->allow_backing. Sets the disk's size and block sizes. False, with a reason in @why.
 */
bool nbd_disk_open(struct disk *d, char *why, size_t size);

/** nbd_disk_close - disconnect; a server that was started ends by itself then */
void nbd_disk_close(struct disk *d);

/** nbd_disk_fd - the connection, which the back end has to keep */
int nbd_disk_fd(const struct disk *d);

int nbd_disk_read(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset,
                  unsigned how);
int nbd_disk_write(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset,
                   unsigned how);
int nbd_disk_flush(struct disk *d);
int nbd_disk_zero(struct disk *d, uint64_t offset, uint64_t n, bool unmap);
int nbd_disk_discard(struct disk *d, uint64_t offset, uint64_t n);

#endif
