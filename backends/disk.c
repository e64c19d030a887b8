// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/disk.h"

#include "backends/nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZEROS 65536u /* bytes written at once where the host cannot zero a range */

/* ---- locks: one byte of the file stands for each right, as QEMU has them ---- */

#define LOCK_HELD     100 /* + right: somebody uses it */
#define LOCK_EXCLUDED 200 /* + right: somebody wants nobody else to use it */
enum { RIGHT_READ = 0, RIGHT_WRITE = 1, RIGHT_RESIZE = 3 };

static bool lock_byte(int fd, int at)
{
	struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

/* Does anybody else hold it? Asks for a write lock, and takes none. */
static bool is_locked(int fd, int at)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* False: in use. A file system without locks (errno says so) is as good as nobody else. */
static bool lock_image(const struct disk *d)
{
	bool writes = !d->read_only && !d->cow;
	int fd = d->fd;

	lock_byte(fd, LOCK_HELD + RIGHT_READ);
	if (writes)
		lock_byte(fd, LOCK_HELD + RIGHT_WRITE);
	lock_byte(fd, LOCK_EXCLUDED + RIGHT_WRITE);
	lock_byte(fd, LOCK_EXCLUDED + RIGHT_RESIZE);
	return !is_locked(fd, LOCK_EXCLUDED + RIGHT_READ) &&
	       !is_locked(fd, LOCK_HELD + RIGHT_WRITE) &&
	       !is_locked(fd, LOCK_HELD + RIGHT_RESIZE) &&
	       !(writes && is_locked(fd, LOCK_EXCLUDED + RIGHT_WRITE));
}

/* ---- opening ---- */

static bool no(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return false;
}

static bool measure(struct disk *d, char *why, size_t size)
{
	struct stat s;
	int logical = DISK_SECTOR;
	unsigned physical = DISK_CLUSTER;

	if (fstat(d->fd, &s))
		return no(why, size, strerror(errno));
	if (S_ISBLK(s.st_mode)) {
		if (ioctl(d->fd, BLKGETSIZE64, &d->bytes) || ioctl(d->fd, BLKSSZGET, &logical) ||
		    ioctl(d->fd, BLKPBSZGET, &physical))
			return no(why, size, strerror(errno));
	} else if (S_ISREG(s.st_mode)) {
		d->bytes = (uint64_t)s.st_size;
	} else {
		return no(why, size, "neither a file nor a block device");
	}
	d->logical = (uint32_t)logical;
	d->physical = physical;
	if (!d->bytes)
		return no(why, size, "is empty: a disk has at least one sector of 512 bytes");
	if (d->bytes % DISK_SECTOR) {
		snprintf(why, size,
		         "its size, %llu bytes, is not a multiple of 512: not a raw disk image",
		         (unsigned long long)d->bytes);
		return false;
	}
	return true;
}

/* Where there is room for what a guest writes: $TMPDIR, else /var/tmp, which is rarely memory. */
static int anonymous_file(void)
{
	const char *directory = getenv("TMPDIR");
	char name[512];
	int fd;

	if (!directory || !*directory)
		directory = "/var/tmp";
	fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	snprintf(name, sizeof name, "%s/ring1-cow.XXXXXX", directory);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

bool disk_can_overlay(char *why, size_t size)
{
	int fd = anonymous_file();

	if (fd < 0)
		return no(why, size, strerror(errno));
	close(fd);
	return true;
}

static uint64_t clusters(const struct disk *d)
{
	return (d->bytes + DISK_CLUSTER - 1) / DISK_CLUSTER;
}

static size_t bitmap_bytes(const struct disk *d)
{
	return (clusters(d) + 63) / 64 * 8;
}

static bool open_overlay(struct disk *d, char *why, size_t size)
{
	d->overlay = anonymous_file();
	if (d->overlay < 0 || ftruncate(d->overlay, (off_t)(clusters(d) * DISK_CLUSTER))) {
		snprintf(why, size, "no temporary file for what is changed (TMPDIR, /var/tmp): %s",
		         strerror(errno));
		return false;
	}
	d->changed = mmap(NULL, bitmap_bytes(d), PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->changed == MAP_FAILED) {
		d->changed = NULL;
		return no(why, size, strerror(errno));
	}
	return true;
}

static bool open_image(struct disk *d, char *why, size_t size)
{
	bool reads_only = d->read_only || d->cow;

	d->fd = open(d->path, (reads_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0)
		return no(why, size, strerror(errno));
	if (!measure(d, why, size))
		return false;
	return lock_image(d) ||
	       no(why, size,
	          reads_only ? "another machine writes it"
	                     : "another machine uses it; several can with ro or cow");
}

bool disk_open(struct disk *d, char *why, size_t size)
{
	d->overlay = d->fd = -1;
	d->changed = NULL;
	d->nbd = NULL;
	pthread_mutex_init(&d->copying, NULL);
	if ((d->served ? nbd_disk_open(d, why, size) : open_image(d, why, size)) &&
	    (!d->cow || open_overlay(d, why, size)))
		return true;
	disk_close(d);
	return false;
}

void disk_close(struct disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	if (d->nbd)
		nbd_disk_close(d);
	if (d->overlay >= 0)
		close(d->overlay);
	if (d->changed)
		munmap(d->changed, bitmap_bytes(d));
	d->fd = d->overlay = -1;
	d->changed = NULL;
}

/* ---- whole transfers ---- */

/* Take n bytes off the front of the parts. */
static void advance(struct iovec **part, unsigned *parts, size_t n)
{
	while (*parts && n >= (*part)->iov_len) {
		n -= (*part)->iov_len;
		++*part;
		--*parts;
	}
	if (n) {
		(*part)->iov_base = (uint8_t *)(*part)->iov_base + n;
		(*part)->iov_len -= n;
	}
}

static int transfer(int fd, bool writing, struct iovec *part, unsigned parts, uint64_t offset,
                    unsigned how)
{
	int flags =
	    writing ? (how & DISK_SYNC ? RWF_DSYNC : 0) : (how & DISK_NOWAIT ? RWF_NOWAIT : 0);

	while (parts) {
		ssize_t n = writing ? pwritev2(fd, part, (int)parts, (off_t)offset, flags)
		                    : preadv2(fd, part, (int)parts, (off_t)offset, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && flags == RWF_NOWAIT && errno == EOPNOTSUPP)
			return -EAGAIN;
		if (n < 0)
			return -errno;
		/* Nothing at all: the end of a file that had more, or a full disk. */
		if (n == 0)
			return -EIO;
		offset += (uint64_t)n;
		advance(&part, &parts, (size_t)n);
	}
	return 0;
}

/* Reading the image itself. */
static int read_image(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset,
                      unsigned how)
{
	return d->nbd ? nbd_disk_read(d, part, parts, offset, how)
	              : transfer(d->fd, false, part, parts, offset, how);
}

/* ---- copy on write ---- */

static bool is_changed(const struct disk *d, uint64_t cluster)
{
	return __atomic_load_n(&d->changed[cluster / 64], __ATOMIC_ACQUIRE) >> cluster % 64 & 1;
}

static void mark_changed(struct disk *d, uint64_t from, uint64_t to)
{
	for (uint64_t c = from; c < to; c++)
		if (!is_changed(d, c))
			__atomic_fetch_or(&d->changed[c / 64], 1ull << c % 64, __ATOMIC_RELEASE);
}

/* How many bytes from `offset`, at most n, are all in the same file; *overlay: in that one. */
static uint64_t run_length(const struct disk *d, uint64_t offset, uint64_t n, bool *overlay)
{
	uint64_t cluster = offset / DISK_CLUSTER, end = offset + n;

	*overlay = is_changed(d, cluster);
	do
		cluster++;
	while (cluster * DISK_CLUSTER < end && is_changed(d, cluster) == *overlay);
	return (cluster * DISK_CLUSTER < end ? cluster * DISK_CLUSTER : end) - offset;
}

/* The first `n` bytes of the parts, in `to`; the parts then begin behind them. */
static unsigned split(struct iovec **part, unsigned *parts, uint64_t n, struct iovec *to)
{
	unsigned count = 0;
	uint64_t left = n;

	for (unsigned i = 0; i < *parts && left; i++) {
		to[count] = (*part)[i];
		if (to[count].iov_len > left)
			to[count].iov_len = left;
		left -= to[count++].iov_len;
	}
	advance(part, parts, n);
	return count;
}

static int read_runs(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset,
                     uint64_t n, unsigned how)
{
	struct iovec run[1024];

	while (n) {
		bool overlay;
		uint64_t length = run_length(d, offset, n, &overlay);
		unsigned count = split(&part, &parts, length, run);
		int error = overlay ? transfer(d->overlay, false, run, count, offset, how)
		                    : read_image(d, run, count, offset, how);

		if (error)
			return error;
		offset += length;
		n -= length;
	}
	return 0;
}

/* A cluster that is about to be written in part: first, all of it as it is. */
static int copy_up(struct disk *d, uint64_t cluster)
{
	uint8_t bytes[DISK_CLUSTER];
	uint64_t offset = cluster * DISK_CLUSTER;
	size_t n = d->bytes - offset < DISK_CLUSTER ? (size_t)(d->bytes - offset) : DISK_CLUSTER;
	struct iovec in = {bytes, n}, out = {bytes, n};
	int error = 0;

	pthread_mutex_lock(&d->copying);
	if (!is_changed(d, cluster)) {
		error = read_image(d, &in, 1, offset, 0);
		if (!error)
			error = transfer(d->overlay, true, &out, 1, offset, 0);
		if (!error)
			mark_changed(d, cluster, cluster + 1);
	}
	pthread_mutex_unlock(&d->copying);
	return error;
}

/* The clusters at the ends of [offset, offset + n) that are only touched in part. */
static int copy_ends(struct disk *d, uint64_t offset, uint64_t n)
{
	uint64_t end = offset + n;
	int error = 0;

	if (offset % DISK_CLUSTER)
		error = copy_up(d, offset / DISK_CLUSTER);
	if (!error && end % DISK_CLUSTER && end != d->bytes)
		error = copy_up(d, end / DISK_CLUSTER);
	return error;
}

static uint64_t end_cluster(uint64_t end)
{
	return (end + DISK_CLUSTER - 1) / DISK_CLUSTER;
}

/* ---- the disk ---- */

int disk_read(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset, uint64_t n,
              unsigned how)
{
	return d->cow ? read_runs(d, part, parts, offset, n, how)
	              : read_image(d, part, parts, offset, how);
}

int disk_write(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset, uint64_t n,
               unsigned how)
{
	int error;

	if (!d->cow && d->nbd)
		return nbd_disk_write(d, part, parts, offset, how);
	if (!d->cow)
		return transfer(d->fd, true, part, parts, offset, how);
	error = copy_ends(d, offset, n);
	if (!error)
		error = transfer(d->overlay, true, part, parts, offset, 0);
	if (!error)
		mark_changed(d, offset / DISK_CLUSTER, end_cluster(offset + n));
	return error;
}

/* What is in the overlay goes with the machine: nobody will read it after a crash. */
int disk_flush(struct disk *d)
{
	if (d->nbd && !d->cow)
		return nbd_disk_flush(d);
	if (d->cow || !fdatasync(d->fd))
		return 0;
	return -errno;
}

static int write_zeros(int fd, uint64_t offset, uint64_t n)
{
	static const uint8_t zeros[ZEROS];

	while (n) {
		struct iovec part = {(void *)(uintptr_t)zeros, n < ZEROS ? n : ZEROS};
		uint64_t length = part.iov_len;
		int error = transfer(fd, true, &part, 1, offset, 0);

		if (error)
			return error;
		offset += length;
		n -= length;
	}
	return 0;
}

static bool fallocated(int fd, int mode, uint64_t offset, uint64_t n)
{
	int r;

	do
		r = fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n);
	while (r && errno == EINTR);
	return !r;
}

static int zero_range(int fd, uint64_t offset, uint64_t n, bool unmap)
{
	if (unmap && fallocated(fd, FALLOC_FL_PUNCH_HOLE, offset, n))
		return 0;
	if (fallocated(fd, FALLOC_FL_ZERO_RANGE, offset, n))
		return 0;
	return write_zeros(fd, offset, n);
}

int disk_zero(struct disk *d, uint64_t offset, uint64_t n, bool unmap)
{
	int error;

	if (!d->cow && d->nbd)
		return nbd_disk_zero(d, offset, n, unmap);
	if (!d->cow)
		return zero_range(d->fd, offset, n, unmap);
	error = copy_ends(d, offset, n);
	if (!error)
		error = zero_range(d->overlay, offset, n, true);
	if (!error)
		mark_changed(d, offset / DISK_CLUSTER, end_cluster(offset + n));
	return error;
}

int disk_discard(struct disk *d, uint64_t offset, uint64_t n)
{
	/* The overlay only grows: a base that shows through again would not be the zeros that
	 * punched holes read as elsewhere. */
	if (d->cow)
		return disk_zero(d, offset, n, true);
	if (d->nbd)
		return nbd_disk_discard(d, offset, n);
	if (fallocated(d->fd, FALLOC_FL_PUNCH_HOLE, offset, n))
		return 0;
	return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? 0 : -errno;
}
