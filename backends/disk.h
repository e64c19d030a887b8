/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk of the host: a raw image, a block device, or what an NBD server has (backends/nbd.h); with
 * `cow` a base that stays as it is and an anonymous file for what is changed.
 *
 * Offsets and lengths are in bytes, multiples of DISK_SECTOR, within the disk: the caller has
 * checked. Calls may be made from several threads at once; what overlapping ones do to each other
 * is undefined, as on a real disk.
 */
#ifndef BACKENDS_DISK_H
#define BACKENDS_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISK_SECTOR       512u
#define DISK_CLUSTER      4096u /* bytes that the overlay has or has not */
#define DISK_SERIAL_BYTES 20u

struct disk {
	char path[512];
	char serial[DISK_SERIAL_BYTES + 1];
	bool read_only, cow;
	bool served;            /* by an NBD server: a URI, or a format that is qemu-nbd's */
	bool allow_backing;     /* an image may name other files */
	struct nbd_handle *nbd; /* the connection, if it is open */
	int fd;                 /* the image; -1: not open */
	int overlay;            /* cow: what was changed; else -1 */
	uint64_t bytes;
	uint32_t logical, physical; /* block sizes of the host's disk */
	uint64_t *changed;          /* cow: a bit for each cluster; shared with later lives */
	pthread_mutex_t copying;    /* cow: a cluster is being copied up */
};

/* disk_io: what of it may wait */
#define DISK_NOWAIT 1u /* reading: only what the host has in memory, else -EAGAIN */
#define DISK_SYNC   2u /* writing: on the host's disk when it returns */

/**
 * disk_open - open what d->path, read_only and cow say, and lock it
 * @why: receives the reason
 *
 * A disk that is written is locked against every other use, one that is only read against writers,
 * in the way of QEMU (file-posix.c), so that both notice one another. Returns false, with nothing
 * open, when it cannot be used.
 */
bool disk_open(struct disk *d, char *why, size_t size);

/** disk_can_overlay - is there a place for what is written to a disk with cow? @why: if not */
bool disk_can_overlay(char *why, size_t size);

/** disk_close - close what is open */
void disk_close(struct disk *d);

/**
 * disk_read, disk_write - @n bytes at @offset, from or to parts of memory
 * @part: changed
 *
 * 0, or a negative errno: then any of it may have been done. An image that has become shorter than
 * it was is -EIO.
 */
int disk_read(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset, uint64_t n,
              unsigned how);
int disk_write(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset, uint64_t n,
               unsigned how);

/** disk_flush - what was written is on the host's disk; 0 or a negative errno */
int disk_flush(struct disk *d);

/** disk_zero - make it read as zeros; @unmap: giving the space back is fine. 0 or -errno */
int disk_zero(struct disk *d, uint64_t offset, uint64_t n, bool unmap);

/** disk_discard - its contents are not needed any more; a host that cannot use that is no error */
int disk_discard(struct disk *d, uint64_t offset, uint64_t n);

#endif
