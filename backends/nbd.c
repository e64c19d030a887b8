// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOUNCE      (1u << 20) /* bytes of one request to the server, at most */
#define SOCKET_FD   3          /* where systemd's socket activation puts the first socket */
#define NOT_THERE   127        /* exit status when there is no such program, as a shell has it */
#define CLEARED     (1u << 30) /* bytes of one zeroing or trimming, at most */
#define QCOW2_MAGIC 0x514649fbu
#define DATA_FILE   4u /* incompatible feature bit 2 (docs/interop/qcow2.txt of QEMU) */

static bool no(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return false;
}

bool nbd_is_uri(const char *path)
{
	return !strncmp(path, "nbd://", 6) || !strncmp(path, "nbd+unix://", 11);
}

/* ---- qcow2: what its header says of other files ---- */

static uint64_t big_endian(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static bool look_at_header(const struct disk *d, char *why, size_t size)
{
	uint8_t h[80] = {0};
	int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return no(why, size, strerror(errno));
	n = pread(fd, h, sizeof h, 0);
	close(fd);
	if (n < 72 || big_endian(h, 4) != QCOW2_MAGIC)
		return no(why, size, "is named .qcow2 and is not a qcow2 image");
	if (d->allow_backing)
		return true;
	if (big_endian(h + 8, 8))
		return no(why, size,
		          "has a backing file, which ring1 would open: say backing=allow if you "
		          "trust who made it");
	if (big_endian(h + 4, 4) >= 3 && (big_endian(h + 72, 8) & DATA_FILE))
		return no(why, size,
		          "keeps its data in another file, which ring1 would open: say "
		          "backing=allow if you trust who made it");
	return true;
}

/* ---- a server of our own: it gets the socket that it is to listen on, and we are the first ----
 */

/* The name is there for a moment, in a directory of its own; the connection then waits for
 * accept(). */
static bool make_pair(int *server, int *client)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char directory[] = "/tmp/ring1-nbd.XXXXXX";
	bool made;

	if (!mkdtemp(directory))
		return false;
	snprintf(a.sun_path, sizeof a.sun_path, "%s/s", directory);
	*server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	made = *server >= 0 && *client >= 0 && !bind(*server, (struct sockaddr *)&a, sizeof a) &&
	       !listen(*server, 1) && !connect(*client, (struct sockaddr *)&a, sizeof a);
	unlink(a.sun_path);
	rmdir(directory);
	return made;
}

static _Noreturn void become_server(const struct disk *d, int socket)
{
	char pid[16];
	int null = open("/dev/null", O_RDWR);

	setsid();
	dup2(null, 0);
	dup2(null, 1);
	if (socket == SOCKET_FD)
		fcntl(socket, F_SETFD, 0);
	else if (dup2(socket, SOCKET_FD) < 0)
		_exit(NOT_THERE);
	close_range(SOCKET_FD + 1, ~0u, 0);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (d->read_only || d->cow)
		execlp("qemu-nbd", "qemu-nbd", "--read-only", "--format=qcow2", "--", d->path,
		       NULL);
	else
		execlp("qemu-nbd", "qemu-nbd", "--discard=unmap", "--cache=writeback",
		       "--format=qcow2", "--", d->path, NULL);
	_exit(NOT_THERE);
}

static bool start_server(struct disk *d, char *why, size_t size)
{
	int server = -1, client = -1, status = 0;
	bool connected = make_pair(&server, &client);
	pid_t pid = -1;

	if (connected) {
		fflush(NULL);
		pid = fork();
		if (!pid)
			become_server(d, server);
	}
	if (server >= 0)
		close(server);
	if (pid < 0) {
		if (client >= 0)
			close(client);
		return no(why, size, strerror(errno));
	}
	/* libnbd has the socket from here on, whether it succeeds or not. */
	if (nbd_connect_socket(d->nbd, client) == 0)
		return true;
	/* It says itself, on standard error, what is wrong with an image. */
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == NOT_THERE)
		return no(why, size, "needs the program qemu-nbd (Debian: qemu-utils)");
	return no(why, size, "qemu-nbd cannot open it");
}

/* ---- opening ---- */

static bool take_facts(struct disk *d, char *why, size_t size)
{
	int64_t bytes = nbd_get_size(d->nbd);
	int64_t block = nbd_get_block_size(d->nbd, LIBNBD_SIZE_MINIMUM);

	if (bytes <= 0 || bytes % DISK_SECTOR)
		return no(why, size, "the server's size is not one or more sectors of 512 bytes");
	if (nbd_is_read_only(d->nbd) > 0 && !d->read_only && !d->cow)
		return no(why, size, "the server does not let it be written: say ro or cow");
	d->bytes = (uint64_t)bytes;
	d->logical = DISK_SECTOR;
	while (d->logical < block && d->logical < DISK_CLUSTER)
		d->logical *= 2;
	d->physical = DISK_CLUSTER;
	return true;
}

bool nbd_disk_open(struct disk *d, char *why, size_t size)
{
	bool uri = nbd_is_uri(d->path);

	if (!uri && !look_at_header(d, why, size))
		return false;
	d->nbd = nbd_create();
	if (!d->nbd)
		return no(why, size, nbd_get_error());
	if (uri && nbd_connect_uri(d->nbd, d->path))
		no(why, size, nbd_get_error());
	else if ((uri || start_server(d, why, size)) && take_facts(d, why, size))
		return true;
	nbd_disk_close(d);
	return false;
}

void nbd_disk_close(struct disk *d)
{
	nbd_close(d->nbd);
	d->nbd = NULL;
}

int nbd_disk_fd(const struct disk *d)
{
	return nbd_aio_get_fd(d->nbd);
}

/* ---- requests: libnbd lets one of our threads after the other in ---- */

static _Thread_local uint8_t bounce[BOUNCE];

static int result(int r)
{
	int error = nbd_get_errno();

	return !r ? 0 : error == ENOSPC ? -ENOSPC : -EIO;
}

/* Between the parts, from `skip` bytes into the first on, and the bounce buffer; returns the bytes.
 */
static size_t carry(struct iovec **part, unsigned *parts, bool gather, size_t n)
{
	size_t done = 0;

	while (*parts && done < n) {
		struct iovec *p = *part;
		size_t take = p->iov_len < n - done ? p->iov_len : n - done;

		if (gather)
			memcpy(bounce + done, p->iov_base, take);
		else
			memcpy(p->iov_base, bounce + done, take);
		done += take;
		p->iov_base = (uint8_t *)p->iov_base + take;
		p->iov_len -= take;
		if (!p->iov_len) {
			++*part;
			--*parts;
		}
	}
	return done;
}

static size_t bytes_of(const struct iovec *part, unsigned parts)
{
	size_t n = 0;

	while (parts--)
		n += part++->iov_len;
	return n;
}

int nbd_disk_read(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset, unsigned how)
{
	size_t left = bytes_of(part, parts);

	if (how & DISK_NOWAIT)
		return -EAGAIN;
	while (left) {
		size_t n = left < BOUNCE ? left : BOUNCE;
		int error = result(nbd_pread(d->nbd, bounce, n, offset, 0));

		if (error)
			return error;
		carry(&part, &parts, false, n);
		offset += n;
		left -= n;
	}
	return 0;
}

int nbd_disk_write(struct disk *d, struct iovec *part, unsigned parts, uint64_t offset,
                   unsigned how)
{
	size_t left = bytes_of(part, parts);

	while (left) {
		size_t n = carry(&part, &parts, true, left < BOUNCE ? left : BOUNCE);
		int error = result(nbd_pwrite(d->nbd, bounce, n, offset, 0));

		if (error)
			return error;
		offset += n;
		left -= n;
	}
	return how & DISK_SYNC ? nbd_disk_flush(d) : 0;
}

int nbd_disk_flush(struct disk *d)
{
	/* A server that cannot flush has nothing to flush. */
	return nbd_can_flush(d->nbd) > 0 ? result(nbd_flush(d->nbd, 0)) : 0;
}

static int write_zeros(struct disk *d, uint64_t offset, uint64_t n)
{
	memset(bounce, 0, BOUNCE);
	while (n) {
		size_t now = n < BOUNCE ? (size_t)n : BOUNCE;
		int error = result(nbd_pwrite(d->nbd, bounce, now, offset, 0));

		if (error)
			return error;
		offset += now;
		n -= now;
	}
	return 0;
}

int nbd_disk_zero(struct disk *d, uint64_t offset, uint64_t n, bool unmap)
{
	if (nbd_can_zero(d->nbd) <= 0)
		return write_zeros(d, offset, n);
	while (n) {
		uint64_t now = n < CLEARED ? n : CLEARED;
		int error =
		    result(nbd_zero(d->nbd, now, offset, unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));

		if (error)
			return error;
		offset += now;
		n -= now;
	}
	return 0;
}

int nbd_disk_discard(struct disk *d, uint64_t offset, uint64_t n)
{
	while (n && nbd_can_trim(d->nbd) > 0) {
		uint64_t now = n < CLEARED ? n : CLEARED;
		int error = result(nbd_trim(d->nbd, now, offset, 0));

		if (error)
			return error;
		offset += now;
		n -= now;
	}
	return 0;
}

static const int calls[] = {
    SCMP_SYS(recvfrom), /* nbd_pread() */
    SCMP_SYS(sendto),   /* nbd_pwrite() */
    SCMP_SYS(close),    /* nbd_pread(): the server has gone */
    SCMP_SYS(poll),     /* nbd_pread() */
    SCMP_SYS(mmap),     /* nbd_pread(): malloc of the library, without PROT_EXEC */
    SCMP_SYS(mprotect), /* the same */
    SCMP_SYS(munmap),   /* the same */
    SCMP_SYS(mremap),   /* the same */
    SCMP_SYS(madvise),  /* the same */
    SCMP_SYS(brk),      /* the same */
};

const struct call_list nbd_calls = {calls, sizeof calls / sizeof *calls};
