// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each request of 9P2000.L is a function that takes its message apart, does it, and puts the answer
 * together; an errno instead of an answer becomes Rlerror. Linux' numbers of errors, open flags
 * and file types are what the dialect uses, so they go through as they are.
 */
#include "backends/p9.h"

#include "common/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_9p.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WALK_MOST 16u /* names in a walk: MAXWELEM of walk(5) */
#define NAME_ROOM (NAME_MAX + 1)
#define NO_ID     ((uint32_t)-1)

/* Bytes in front of the data */
#define READ_REPLY    (P9_HEADER + 4)
#define WRITE_REQUEST (P9_HEADER + 16)
#define MSIZE_LEAST   4096u

/* Descriptors for a fid that is open, and for what is not a fid's. */
#define DESCRIPTORS_PER_FID 2u
#define DESCRIPTORS_OTHER   64u
#define FIDS_MOST           (1u << 20)

/* Tgetattr: what Linux calls basic; Tsetattr */
#define GETATTR_BASIC    0x7ffu
#define SET_MODE         0x001u
#define SET_UID          0x002u
#define SET_GID          0x004u
#define SET_SIZE         0x008u
#define SET_ATIME        0x010u
#define SET_MTIME        0x020u
#define SET_ATIME_TO     0x080u
#define SET_MTIME_TO     0x100u
#define UNLINK_DIRECTORY 0x200u

/* Tlock */
#define P9_LOCK_READ    0u
#define P9_LOCK_WRITE   1u
#define P9_LOCK_UNLOCK  2u
#define P9_LOCK_GRANTED 0u
#define P9_LOCK_BLOCKED 1u
#define P9_LOCK_REFUSED 2u

/* What the kernel's getdents64() writes. */
struct host_entry {
	uint64_t inode;
	int64_t next; /* where to go on behind it */
	uint16_t bytes;
	uint8_t type;
	char name[];
};

struct p9_fid {
	struct p9_fid *next;
	uint32_t number;
	uint32_t user;   /* of the guest, as it attached */
	int held;        /* O_PATH */
	int file;        /* open for reading or writing; -1: not */
	bool directory;  /* what is open is one */
	uint64_t listed; /* directory: where its descriptor stands */
};

struct request {
	struct p9 *p;
	struct share *share;
	struct p9_reader in;
	struct p9_writer out;
	const struct chain *chain;
	uint32_t room;   /* bytes of the whole answer, at most */
	uint32_t direct; /* bytes that lie behind the answer in the chain already */
};

/* ---- fids ---- */

static struct p9_fid **place_of(struct p9 *p, uint32_t number)
{
	struct p9_fid **at = &p->bucket[number % P9_BUCKETS];

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static struct p9_fid *find(struct request *r, uint32_t number)
{
	return *place_of(r->p, number);
}

static void drop(struct p9 *p, struct p9_fid **at)
{
	struct p9_fid *f = *at;

	*at = f->next;
	p->fids--;
	close(f->held);
	if (f->file >= 0)
		close(f->file);
	free(f);
}

/* A new one, which takes @held over; NULL, with it closed: too many. The number is free. */
static struct p9_fid *add(struct p9 *p, uint32_t number, uint32_t user, int held)
{
	struct p9_fid *f = p->fids < p->fids_max ? malloc(sizeof *f) : NULL;

	if (!f) {
		close(held);
		return NULL;
	}
	*f = (struct p9_fid){.next = p->bucket[number % P9_BUCKETS],
	                     .number = number,
	                     .user = user,
	                     .held = held,
	                     .file = -1};
	p->bucket[number % P9_BUCKETS] = f;
	p->fids++;
	return f;
}

void p9_forget(struct p9 *p)
{
	for (unsigned i = 0; i < P9_BUCKETS; i++)
		while (p->bucket[i])
			drop(p, &p->bucket[i]);
}

/* ---- parts of messages ---- */

static struct p9_qid qid_of(const struct share *s, const struct stat *st)
{
	uint64_t changed =
	    (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;

	return (struct p9_qid){.type = S_ISDIR(st->st_mode)   ? P9_QID_DIRECTORY
	                               : S_ISLNK(st->st_mode) ? P9_QID_SYMLINK
	                                                      : P9_QID_FILE,
	                       .version =
	                           (uint32_t)(changed ^ changed >> 32 ^ (uint64_t)st->st_size << 8),
	                       .path = share_inode(s, st->st_dev, st->st_ino)};
}

static int put_qid_of(struct request *r, int fd)
{
	struct stat st;
	struct p9_qid qid;
	int error = share_stat(r->share, fd, &st);

	if (error)
		return error;
	qid = qid_of(r->share, &st);
	p9_put_qid(&r->out, &qid);
	return 0;
}

/* The name of an entry to make, change or look for. */
static int get_name(struct request *r, char name[NAME_ROOM])
{
	if (!p9_get_string(&r->in, name, NAME_ROOM))
		return r->in.bad ? -EINVAL : -ENAMETOOLONG;
	return p9_is_name(name) ? 0 : -EINVAL;
}

/* A fid and the name of an entry of the directory that it holds, which come together often. */
static int get_place(struct request *r, struct p9_fid **dir, char name[NAME_ROOM])
{
	int error;

	*dir = find(r, p9_get32(&r->in));
	error = get_name(r, name);
	return error ? error : *dir ? 0 : -EBADF;
}

/* ---- sessions ---- */

static int do_version(struct request *r)
{
	static const char ours[] = "9P2000.L";
	uint32_t msize = p9_get32(&r->in);
	char theirs[32];
	bool same = p9_get_string(&r->in, theirs, sizeof theirs) && !strcmp(theirs, ours);

	if (r->in.bad || msize < MSIZE_LEAST)
		return -EINVAL;
	p9_forget(r->p);
	r->p->msize = same ? (msize < P9_MSIZE ? msize : P9_MSIZE) : 0;
	p9_put32(&r->out, msize < P9_MSIZE ? msize : P9_MSIZE);
	if (same)
		p9_put_string(&r->out, ours, sizeof ours - 1);
	else
		p9_put_string(&r->out, "unknown", 7);
	return 0;
}

/* fid[4] afid[4] uname[s] aname[s] n_uname[4] */
static int do_attach(struct request *r)
{
	uint32_t number = p9_get32(&r->in), auth = p9_get32(&r->in), user;
	char name[NAME_ROOM], what[NAME_ROOM];
	struct p9_fid *f;
	int held;

	p9_get_string(&r->in, name, sizeof name);
	if (!p9_get_string(&r->in, what, sizeof what))
		*what = '?';
	user = p9_get32(&r->in);
	if (r->in.bad || auth != NO_ID)
		return -EINVAL;
	/* There is one tree. */
	if (*what && strcmp(what, "/"))
		return -ENOENT;
	if (find(r, number))
		return -EBADF;
	held = share_hold_again(r->share, r->share->root);
	if (held < 0)
		return held;
	f = add(r->p, number, user, held);
	return f ? put_qid_of(r, f->held) : -ENFILE;
}

static int do_flush(struct request *r)
{
	(void)r;
	return 0;
}

static int do_clunk(struct request *r)
{
	struct p9_fid **at = place_of(r->p, p9_get32(&r->in));

	if (!*at || r->in.bad)
		return -EBADF;
	drop(r->p, at);
	return 0;
}

/* Linux unlinks by directory and name; here only the fid goes, as it does when this fails. */
static int do_remove(struct request *r)
{
	int error = do_clunk(r);

	return error ? error : -EOPNOTSUPP;
}

/* ---- walking ---- */

/* One step from @from, which stays open. */
static int step(struct request *r, int from, const char *name)
{
	struct stat st;
	int error = share_stat(r->share, from, &st);

	if (error)
		return error;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	/* Above the root is the root (walk(5)). Linux never asks for what is above something else.
	 */
	if (!strcmp(name, ".."))
		return share_is_root(r->share, &st) ? share_hold_again(r->share, from) : -EACCES;
	if (!p9_is_name(name))
		return -ENOENT;
	return share_lookup(r->share, from, name);
}

/* The names, as far as they lead; *held: the last, or none: a name was not found. */
static int walk_names(struct request *r, int *held, unsigned names)
{
	uint8_t *count = r->out.at;
	unsigned done;

	p9_put16(&r->out, 0);
	for (done = 0; done < names; done++) {
		char name[NAME_ROOM];
		int next;

		if (p9_get_string(&r->in, name, sizeof name))
			next = step(r, *held, name);
		else
			next = r->in.bad ? -EINVAL : -ENAMETOOLONG;
		close(*held);
		*held = next;
		if (next >= 0 && put_qid_of(r, next)) {
			close(next);
			*held = next = -EIO;
		}
		/* An error only if it is the first: else the answer says how far it went. */
		if (next < 0 && !done)
			return next;
		if (next < 0)
			break;
	}
	*count = (uint8_t)done;
	return 0;
}

/* fid[4] newfid[4] nwname[2] nwname*(wname[s]) */
static int do_walk(struct request *r)
{
	struct p9_fid *from = find(r, p9_get32(&r->in));
	uint32_t number = p9_get32(&r->in);
	unsigned names = p9_get16(&r->in);
	int held, error;
	uint32_t user;

	if (r->in.bad || names > WALK_MOST)
		return -EINVAL;
	if (!from || (number != from->number && find(r, number)))
		return -EBADF;
	if (number == from->number && from->file >= 0)
		return -EINVAL;
	user = from->user;
	held = share_hold_again(r->share, from->held);
	if (held < 0)
		return held;
	error = walk_names(r, &held, names);
	if (error || held < 0)
		return error;
	if (number == from->number)
		drop(r->p, place_of(r->p, number));
	return add(r->p, number, user, held) ? 0 : -ENFILE;
}

/* ---- opening and making ---- */

static bool is_writing(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* qid[13] iounit[4]: 0 leaves it to the client's msize. */
static int put_opened(struct request *r, int fd)
{
	int error = put_qid_of(r, fd);

	p9_put32(&r->out, 0);
	return error;
}

/* fid[4] flags[4] */
static int do_open(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint32_t flags = p9_get32(&r->in);
	struct stat st;
	int file;

	if (r->in.bad || !f || f->file >= 0)
		return -EBADF;
	if (r->share->read_only && is_writing(flags))
		return -EROFS;
	file = share_reopen(r->share, f->held, (int)flags);
	if (file < 0)
		return file;
	if (share_stat(r->share, file, &st)) {
		close(file);
		return -EIO;
	}
	f->file = file;
	f->directory = S_ISDIR(st.st_mode);
	f->listed = 0;
	return put_opened(r, file);
}

/* fid[4] name[s] flags[4] mode[4] gid[4]: the directory's fid becomes the file's. */
static int do_create(struct request *r)
{
	struct p9_fid *f;
	char name[NAME_ROOM];
	int error = get_place(r, &f, name), file, held;
	uint32_t flags = p9_get32(&r->in), mode = p9_get32(&r->in), group = p9_get32(&r->in);

	if (r->in.bad)
		return -EINVAL;
	if (error || f->file >= 0)
		return error ? error : -EBADF;
	file = share_create(r->share, f->held, name, (int)flags, mode, f->user, group);
	if (file < 0)
		return file;
	held = share_hold_again(r->share, file);
	if (held < 0) {
		close(file);
		return held;
	}
	close(f->held);
	f->held = held;
	f->file = file;
	f->directory = false;
	return put_opened(r, file);
}

/* A directory or symbolic link that was made is shown and let go. */
static int put_made(struct request *r, int fd)
{
	int error;

	if (fd < 0)
		return fd;
	error = put_qid_of(r, fd);
	close(fd);
	return error;
}

/* dfid[4] name[s] mode[4] gid[4] */
static int do_mkdir(struct request *r)
{
	struct p9_fid *dir;
	char name[NAME_ROOM];
	int error = get_place(r, &dir, name);
	uint32_t mode = p9_get32(&r->in), group = p9_get32(&r->in);

	if (error || r->in.bad)
		return error ? error : -EINVAL;
	return put_made(r, share_mkdir(r->share, dir->held, name, mode, dir->user, group));
}

/* fid[4] name[s] symtgt[s] gid[4] */
static int do_symlink(struct request *r)
{
	struct p9_fid *dir;
	char name[NAME_ROOM], target[PATH_MAX];
	int error = get_place(r, &dir, name);
	bool fits = p9_get_string(&r->in, target, sizeof target);
	uint32_t group = p9_get32(&r->in);

	if (error || r->in.bad)
		return error ? error : -EINVAL;
	if (!fits)
		return -ENAMETOOLONG;
	return put_made(r, share_symlink(r->share, dir->held, name, target, dir->user, group));
}

/* dfid[4] name[s] mode[4] major[4] minor[4] gid[4]: of special files the host gets none. */
static int do_mknod(struct request *r)
{
	struct p9_fid *dir;
	char name[NAME_ROOM];
	int error = get_place(r, &dir, name);
	uint32_t mode = p9_get32(&r->in), group;

	p9_get64(&r->in);
	group = p9_get32(&r->in);
	if (error || r->in.bad)
		return error ? error : -EINVAL;
	if ((mode & S_IFMT) != S_IFREG)
		return -EPERM;
	return put_made(
	    r, share_create(r->share, dir->held, name, O_WRONLY | O_EXCL, mode, dir->user, group));
}

/* dfid[4] fid[4] name[s] */
static int do_link(struct request *r)
{
	struct p9_fid *dir = find(r, p9_get32(&r->in)), *f = find(r, p9_get32(&r->in));
	char name[NAME_ROOM];
	int error = get_name(r, name);

	if (error || !dir || !f)
		return error ? error : -EBADF;
	return share_link(r->share, f->held, dir->held, name);
}

/* ---- names that go ---- */

/* dirfid[4] name[s] flags[4] */
static int do_unlink(struct request *r)
{
	struct p9_fid *dir;
	char name[NAME_ROOM];
	int error = get_place(r, &dir, name);
	uint32_t flags = p9_get32(&r->in);

	if (error || r->in.bad)
		return error ? error : -EINVAL;
	return share_unlink(dir->held, name, flags & UNLINK_DIRECTORY);
}

/* olddirfid[4] oldname[s] newdirfid[4] newname[s] */
static int do_rename(struct request *r)
{
	struct p9_fid *from, *to;
	char name[NAME_ROOM], new_name[NAME_ROOM];
	int error = get_place(r, &from, name), error_to = get_place(r, &to, new_name);

	if (error || error_to)
		return error ? error : error_to;
	return share_rename(from->held, name, to->held, new_name);
}

/* ---- attributes ---- */

static void put_time(struct request *r, const struct timespec *t)
{
	p9_put64(&r->out, (uint64_t)t->tv_sec);
	p9_put64(&r->out, (uint64_t)t->tv_nsec);
}

/* fid[4] request_mask[8]; what is answered is the same whatever was asked for. */
static int do_getattr(struct request *r)
{
	static const struct timespec never;
	struct p9_fid *f = find(r, p9_get32(&r->in));
	struct p9_qid qid;
	struct stat st;
	int error;

	p9_get64(&r->in);
	if (r->in.bad || !f)
		return -EBADF;
	error = share_stat(r->share, f->held, &st);
	if (error)
		return error;
	qid = qid_of(r->share, &st);
	p9_put64(&r->out, GETATTR_BASIC);
	p9_put_qid(&r->out, &qid);
	p9_put32(&r->out, st.st_mode);
	p9_put32(&r->out, st.st_uid);
	p9_put32(&r->out, st.st_gid);
	p9_put64(&r->out, st.st_nlink);
	p9_put64(&r->out, st.st_rdev);
	p9_put64(&r->out, (uint64_t)st.st_size);
	p9_put64(&r->out, (uint64_t)st.st_blksize);
	p9_put64(&r->out, (uint64_t)st.st_blocks);
	put_time(r, &st.st_atim);
	put_time(r, &st.st_mtim);
	put_time(r, &st.st_ctim);
	put_time(r, &never); /* btime, gen, data_version: not among the basic ones */
	p9_put64(&r->out, 0);
	p9_put64(&r->out, 0);
	return 0;
}

/* atime and mtime are each left, set to now, or set. */
static struct timespec get_time(struct request *r, bool set, bool to)
{
	struct timespec t;

	t.tv_sec = (time_t)p9_get64(&r->in);
	t.tv_nsec = (long)p9_get64(&r->in);
	if (!set)
		t.tv_nsec = UTIME_OMIT;
	else if (!to)
		t.tv_nsec = UTIME_NOW;
	else if (t.tv_nsec < 0 || t.tv_nsec > 999999999)
		t.tv_nsec = 0;
	return t;
}

/* fid[4] valid[4] mode[4] uid[4] gid[4] size[8] atime[16] mtime[16] */
static int do_setattr(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint32_t valid = p9_get32(&r->in), mode = p9_get32(&r->in), uid = p9_get32(&r->in),
	         gid = p9_get32(&r->in);
	uint64_t size = p9_get64(&r->in);
	struct timespec times[2];
	int error = 0;

	times[0] = get_time(r, valid & SET_ATIME, valid & SET_ATIME_TO);
	times[1] = get_time(r, valid & SET_MTIME, valid & SET_MTIME_TO);
	if (r->in.bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (valid & SET_MODE)
		error = share_chmod(r->share, f->held, mode);
	if (!error && (valid & (SET_UID | SET_GID)))
		error = share_chown(r->share, f->held, valid & SET_UID ? uid : NO_ID,
		                    valid & SET_GID ? gid : NO_ID);
	if (!error && (valid & SET_SIZE)) {
		/* As open as it is: the file may have lost the permission since. */
		bool writes = f->file >= 0 && !f->directory &&
		              (fcntl(f->file, F_GETFL) & O_ACCMODE) != O_RDONLY &&
		              size <= INT64_MAX;

		if (writes)
			error = ftruncate(f->file, (off_t)size) ? -errno : 0;
		else
			error = share_truncate(r->share, f->held, size);
	}
	if (!error && (valid & (SET_ATIME | SET_MTIME)))
		error = share_times(r->share, f->held, times);
	return error;
}

static int do_statfs(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	struct statfs fs;
	uint64_t id;

	if (r->in.bad || !f)
		return -EBADF;
	if (fstatfs(f->held, &fs))
		return -errno;
	memcpy(&id, &fs.f_fsid, sizeof id);
	p9_put32(&r->out, (uint32_t)fs.f_type);
	p9_put32(&r->out, (uint32_t)fs.f_bsize);
	p9_put64(&r->out, fs.f_blocks);
	p9_put64(&r->out, fs.f_bfree);
	p9_put64(&r->out, fs.f_bavail);
	p9_put64(&r->out, fs.f_files);
	p9_put64(&r->out, fs.f_ffree);
	p9_put64(&r->out, id);
	p9_put32(&r->out, (uint32_t)fs.f_namelen);
	return 0;
}

static int do_readlink(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	char target[PATH_MAX];
	ssize_t n;

	if (r->in.bad || !f)
		return -EBADF;
	n = readlinkat(f->held, "", target, sizeof target);
	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno; /* of what is no symbolic link */
	p9_put_string(&r->out, target, (size_t)n);
	return 0;
}

static int do_xattr(struct request *r)
{
	(void)r;
	return -EOPNOTSUPP;
}

/* ---- data ---- */

static uint32_t smaller(uint32_t a, uint64_t b)
{
	return b < a ? (uint32_t)b : a;
}

/* fid[4] offset[8] count[4] */
static int do_read(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint64_t offset = p9_get64(&r->in);
	uint32_t count = smaller(p9_get32(&r->in), r->room - READ_REPLY);
	struct iovec part[VIRTQUEUE_CHAIN];
	ssize_t n = 0;

	if (r->in.bad || !f || f->file < 0)
		return -EBADF;
	if (f->directory)
		return -EISDIR;
	/* -1 would be where the file stands. */
	if (offset > INT64_MAX)
		return -EINVAL;
	if (count)
		n = preadv2(f->file, part,
		            (int)chain_slice(r->chain, true, READ_REPLY, count, part),
		            (off_t)offset, 0);
	if (n < 0)
		return -errno;
	p9_put32(&r->out, (uint32_t)n);
	r->direct = (uint32_t)n;
	return 0;
}

/* fid[4] offset[8] count[4] data[count]: old drivers leave the data out of the message's size. */
static int do_write(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint64_t offset = p9_get64(&r->in);
	uint32_t count = p9_get32(&r->in);
	struct iovec part[VIRTQUEUE_CHAIN];
	ssize_t n = 0;

	if (r->in.bad || !f || f->file < 0)
		return -EBADF;
	if (count > r->chain->readable_bytes - WRITE_REQUEST || count > r->p->msize ||
	    offset > INT64_MAX)
		return -EINVAL;
	if (f->directory)
		return -EISDIR;
	if (count)
		n = pwritev2(f->file, part,
		             (int)chain_slice(r->chain, false, WRITE_REQUEST, count, part),
		             (off_t)offset, 0);
	if (n < 0)
		return -errno;
	p9_put32(&r->out, (uint32_t)n);
	return 0;
}

/* fid[4] datasync[4]; the second is newer than the first */
static int do_fsync(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	bool data = r->in.at != r->in.end && p9_get32(&r->in);

	if (r->in.bad || !f || f->file < 0)
		return -EBADF;
	return (data ? fdatasync(f->file) : fsync(f->file)) ? -errno : 0;
}

/* ---- directories ---- */

static struct p9_qid entry_qid(struct request *r, const struct p9_fid *f, const struct stat *dir,
                               const struct host_entry *e)
{
	struct stat st = *dir;
	int fd;

	/* What is above the shared directory is nobody's business. */
	if (!strcmp(e->name, "..") && share_is_root(r->share, dir))
		return qid_of(r->share, dir);
	if (e->type == DT_UNKNOWN && p9_is_name(e->name) &&
	    (fd = share_lookup(r->share, f->held, e->name)) >= 0) {
		if (share_stat(r->share, fd, &st))
			st = *dir;
		close(fd);
		return qid_of(r->share, &st);
	}
	return (struct p9_qid){.type = e->type == DT_DIR   ? P9_QID_DIRECTORY
	                               : e->type == DT_LNK ? P9_QID_SYMLINK
	                                                   : P9_QID_FILE,
	                       .path = share_inode(r->share, dir->st_dev, e->inode)};
}

/* qid[13] offset[8] type[1] name[s]; false: it has no room. */
static bool put_entry(struct request *r, const struct p9_fid *f, const struct stat *dir,
                      const struct host_entry *e, const uint8_t *end)
{
	struct p9_qid qid = entry_qid(r, f, dir, e);
	size_t n = strlen(e->name);

	if ((size_t)(end - r->out.at) < 13 + 8 + 1 + 2 + n)
		return false;
	p9_put_qid(&r->out, &qid);
	p9_put64(&r->out, (uint64_t)e->next);
	p9_put8(&r->out, e->type);
	p9_put_string(&r->out, e->name, n);
	return true;
}

/* Entries up to @end. Returns 0 or -errno. */
static int list(struct request *r, struct p9_fid *f, const uint8_t *end)
{
	static _Alignas(8) uint8_t buffer[P9_MESSAGE];
	bool any = false;
	struct stat dir;
	int error = share_stat(r->share, f->file, &dir);

	if (error)
		return error;
	for (;;) {
		long n = syscall(SYS_getdents64, f->file, buffer, sizeof buffer);

		if (n < 0)
			return any ? 0 : -errno;
		if (n == 0)
			return 0;
		for (long at = 0; at < n;) {
			const struct host_entry *e = (const void *)(buffer + at);

			if (!put_entry(r, f, &dir, e, end)) {
				/* From here the next time. */
				lseek(f->file, (off_t)f->listed, SEEK_SET);
				return any ? 0 : -EINVAL;
			}
			f->listed = (uint64_t)e->next;
			any = true;
			at += e->bytes;
		}
	}
}

/* fid[4] offset[8] count[4] */
static int do_readdir(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint64_t offset = p9_get64(&r->in);
	uint32_t count = p9_get32(&r->in);
	uint8_t *head = r->out.at;
	struct p9_writer size = {head, head + 4, false};
	const uint8_t *end;
	int error;

	if (r->in.bad || !f || f->file < 0)
		return -EBADF;
	if (!f->directory)
		return -ENOTDIR;
	if (offset != f->listed) {
		if (lseek(f->file, (off_t)offset, SEEK_SET) < 0)
			return -errno;
		f->listed = offset;
	}
	p9_put32(&r->out, 0);
	end = r->out.at + smaller(count, (uint64_t)(r->out.end - r->out.at));
	error = list(r, f, end);
	p9_put32(&size, (uint32_t)(r->out.at - head - 4));
	return error;
}

/* ---- locks ---- */

/*
 * On the open file: two fids lock each other out, and so do the host's programs. The guest's own
 * kernel has sorted its programs' locks out before it asks.
 */
static int set_lock(int file, short type, uint64_t start, uint64_t length)
{
	struct flock l = {
	    .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)length};

	if (start > INT64_MAX || length > INT64_MAX)
		return -EINVAL;
	return fcntl(file, F_OFD_SETLK, &l) ? -errno : 0;
}

/* flock() takes either kind whatever a file is open for, fcntl() does not. */
static int lock_whole(int file, uint8_t type)
{
	static const int operation[] = {LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN};

	return flock(file, operation[type]) ? -errno : 0;
}

/* fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s] */
static int do_lock(struct request *r)
{
	static const short host_type[] = {F_RDLCK, F_WRLCK, F_UNLCK};
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint8_t type = p9_get8(&r->in);
	uint64_t start, length;
	int error;

	p9_get32(&r->in); /* to wait is the client's business: it asks again */
	start = p9_get64(&r->in);
	length = p9_get64(&r->in);
	if (r->in.bad || !f || f->file < 0 || f->directory)
		return -EBADF;
	if (type > P9_LOCK_UNLOCK)
		return -EINVAL;
	error = set_lock(f->file, host_type[type], start, length);
	if (!start && !length && (error == -EBADF || type == P9_LOCK_UNLOCK))
		error = lock_whole(f->file, type);
	if (error == -EAGAIN || error == -EACCES || error == -EWOULDBLOCK)
		p9_put8(&r->out, P9_LOCK_BLOCKED);
	else if (error == -ENOLCK)
		p9_put8(&r->out, P9_LOCK_REFUSED);
	else if (error)
		return error;
	else
		p9_put8(&r->out, P9_LOCK_GRANTED);
	return 0;
}

/* fid[4] type[1] start[8] length[8] proc_id[4] client_id[s]: what would stand in the way? */
static int do_getlock(struct request *r)
{
	struct p9_fid *f = find(r, p9_get32(&r->in));
	uint8_t type = p9_get8(&r->in);
	uint64_t start = p9_get64(&r->in), length = p9_get64(&r->in);
	uint32_t process = p9_get32(&r->in);
	char client[NAME_ROOM];
	struct flock l = {.l_type = type == P9_LOCK_READ ? F_RDLCK : F_WRLCK,
	                  .l_whence = SEEK_SET,
	                  .l_start = (off_t)start,
	                  .l_len = (off_t)length};

	p9_get_string(&r->in, client, sizeof client);
	if (r->in.bad || !f || f->file < 0 || f->directory)
		return -EBADF;
	if (type > P9_LOCK_WRITE || start > INT64_MAX || length > INT64_MAX)
		return -EINVAL;
	if (fcntl(f->file, F_OFD_GETLK, &l))
		return -errno;
	if (l.l_type == F_UNLCK) {
		type = P9_LOCK_UNLOCK;
	} else {
		/* Somebody else's: who, is the host's business. */
		type = l.l_type == F_RDLCK ? P9_LOCK_READ : P9_LOCK_WRITE;
		start = (uint64_t)l.l_start;
		length = (uint64_t)l.l_len;
		process = 0;
		*client = 0;
	}
	p9_put8(&r->out, type);
	p9_put64(&r->out, start);
	p9_put64(&r->out, length);
	p9_put32(&r->out, process);
	p9_put_string(&r->out, client, strlen(client));
	return 0;
}

/* ---- one message ---- */

static const struct {
	uint8_t type;
	bool changes; /* something of the host's: not with a read-only share */
	int (*answer)(struct request *r);
} requests[] = {
    {P9_TSTATFS, false, do_statfs},   {P9_TLOPEN, false, do_open},
    {P9_TLCREATE, true, do_create},   {P9_TSYMLINK, true, do_symlink},
    {P9_TMKNOD, true, do_mknod},      {P9_TREADLINK, false, do_readlink},
    {P9_TGETATTR, false, do_getattr}, {P9_TSETATTR, true, do_setattr},
    {P9_TXATTRWALK, false, do_xattr}, {P9_TXATTRCREATE, true, do_xattr},
    {P9_TREADDIR, false, do_readdir}, {P9_TFSYNC, false, do_fsync},
    {P9_TLOCK, false, do_lock},       {P9_TGETLOCK, false, do_getlock},
    {P9_TLINK, true, do_link},        {P9_TMKDIR, true, do_mkdir},
    {P9_TRENAMEAT, true, do_rename},  {P9_TUNLINKAT, true, do_unlink},
    {P9_TVERSION, false, do_version}, {P9_TATTACH, false, do_attach},
    {P9_TFLUSH, false, do_flush},     {P9_TWALK, false, do_walk},
    {P9_TREAD, false, do_read},       {P9_TWRITE, true, do_write},
    {P9_TCLUNK, false, do_clunk},     {P9_TREMOVE, true, do_remove},
};

static int answer(struct request *r, uint8_t type)
{
	if (!r->p->msize && type != P9_TVERSION)
		return -EPROTO;
	for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
		if (requests[i].type == type)
			return requests[i].changes && r->share->read_only ? -EROFS
			                                                  : requests[i].answer(r);
	return -EOPNOTSUPP;
}

/* The answer, or the error in its place, and the header before it. Returns bytes. */
static uint32_t finish(struct request *r, uint8_t type, uint16_t tag, int error)
{
	struct p9_writer header = {r->p->reply, r->p->reply + P9_HEADER, false};
	uint32_t n;

	if (!error && r->out.full)
		error = -EMSGSIZE;
	if (error) {
		type = P9_RLERROR - 1;
		r->direct = 0;
		r->out =
		    (struct p9_writer){r->p->reply + P9_HEADER, r->p->reply + P9_MESSAGE, false};
		p9_put32(&r->out, (uint32_t)-error);
	}
	n = (uint32_t)(r->out.at - r->p->reply);
	p9_put32(&header, n + r->direct);
	p9_put8(&header, (uint8_t)(type + 1));
	p9_put16(&header, tag);
	chain_write(r->chain, 0, r->p->reply, n);
	return n + r->direct;
}

int p9_message(struct p9 *p, const struct chain *chain, uint32_t *written)
{
	size_t n = chain_read(chain, 0, p->request, sizeof p->request);
	struct p9_reader in = {p->request, p->request + n, false};
	uint32_t size = p9_get32(&in), most = p->msize ? p->msize : P9_MESSAGE;
	uint8_t type = p9_get8(&in);
	uint16_t tag = p9_get16(&in);
	struct request r = {.p = p, .share = p->share, .in = in, .chain = chain};
	int error = 0;

	if (in.bad || chain->writable_bytes < READ_REPLY)
		return -EINVAL;
	r.room = smaller(most < READ_REPLY ? READ_REPLY : most, chain->writable_bytes);
	r.out =
	    (struct p9_writer){p->reply + P9_HEADER, p->reply + smaller(P9_MESSAGE, r.room), false};
	/* A message that says it is longer than what came; data that is written stays there. */
	if (size < P9_HEADER || size > chain->readable_bytes)
		error = -EINVAL;
	else if (size < n)
		r.in.end = p->request + size;
	else if (size > n && type != P9_TWRITE)
		error = -EMSGSIZE;
	if (!error)
		error = answer(&r, type);
	*written = finish(&r, type, tag, error);
	return 0;
}

/* ---- the process ---- */

static void serve(struct backend *b, unsigned queue)
{
	static struct chain chain;
	struct virtqueue *q = &b->queue[queue];

	while (virtqueue_pop(q, &chain)) {
		uint32_t written = 0;

		if (p9_message(b->own, &chain, &written)) {
			q->broken = true;
			return;
		}
		virtqueue_push(q, chain.head, written);
		backend_interrupt(b, queue);
	}
}

/*
 * A snapshot knows no files of the host: with a share mounted there is none. Else the size of
 * messages is all there is to know.
 */
static size_t save(struct backend *b, void *to, size_t room)
{
	const struct p9 *p = b->own;

	if (p->fids || room < sizeof p->msize)
		return SIZE_MAX;
	memcpy(to, &p->msize, sizeof p->msize);
	return sizeof p->msize;
}

static bool load(struct backend *b, const void *from, size_t n)
{
	struct p9 *p = b->own;

	if (n != sizeof p->msize)
		return false;
	memcpy(&p->msize, from, n);
	return p->msize <= P9_MSIZE;
}

/* As many descriptors as the user may have. */
static unsigned fids_allowed(void)
{
	struct rlimit limit;
	rlim_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	most = limit.rlim_cur > DESCRIPTORS_OTHER
	           ? (limit.rlim_cur - DESCRIPTORS_OTHER) / DESCRIPTORS_PER_FID
	           : 0;
	return most < FIDS_MOST ? (unsigned)most : FIDS_MOST;
}

static void confine(struct backend *b)
{
	static struct p9 p;
	struct share *s = b->own;

	p = (struct p9){.share = s, .fids_max = fids_allowed()};
	if (share_begin(s))
		_exit(BACKEND_CONFINE);
	confine_files_below(s->root, s->read_only ? FILES_READ : FILES_CHANGE);
	b->own = &p;
}

static const int reading_calls[] = {
    SCMP_SYS(openat2),    /* syscall() of share_open() */
    SCMP_SYS(openat),     /* openat() */
    SCMP_SYS(close),      /* close() */
    SCMP_SYS(newfstatat), /* fstatat() */
    SCMP_SYS(fstat),      /* fstat() of a C library that has it so */
    SCMP_SYS(fstatfs),    /* fstatfs() */
    SCMP_SYS(readlinkat), /* readlinkat() */
    SCMP_SYS(getdents64), /* syscall() */
    SCMP_SYS(lseek),      /* lseek() */
    SCMP_SYS(preadv2),    /* preadv2() */
    SCMP_SYS(fsync),      /* fsync() */
    SCMP_SYS(fdatasync),  /* fdatasync() */
    SCMP_SYS(fcntl),      /* fcntl(): locks */
    SCMP_SYS(flock),      /* flock() */
    SCMP_SYS(mmap),       /* calloc(), without PROT_EXEC */
    SCMP_SYS(munmap),     /* free() */
    SCMP_SYS(brk),        /* calloc(), free() */
};

static const struct call_list reading = {reading_calls,
                                         sizeof reading_calls / sizeof *reading_calls};

/* Beside those. */
static const int changing_calls[] = {
    SCMP_SYS(pwritev2),  /* pwritev2() */
    SCMP_SYS(ftruncate), /* ftruncate() */
    SCMP_SYS(mkdirat),   /* mkdirat() */
    SCMP_SYS(symlinkat), /* symlinkat() */
    SCMP_SYS(linkat),    /* linkat() */
    SCMP_SYS(unlinkat),  /* unlinkat() */
    SCMP_SYS(renameat),  /* renameat() */
    SCMP_SYS(fchmodat),  /* fchmodat() */
    SCMP_SYS(fchownat),  /* fchownat() */
    SCMP_SYS(utimensat), /* utimensat() */
};

const struct backend_ops p9_ops = {.confine = confine,
                                   .serve = serve,
                                   .save = save,
                                   .load = load,
                                   .calls = changing_calls,
                                   .ncalls = sizeof changing_calls / sizeof *changing_calls,
                                   .also = &reading};

const struct backend_ops p9_read_only_ops = {
    .confine = confine, .serve = serve, .save = save, .load = load, .also = &reading};

void p9_describe(const struct share *s, struct virtio_shown *shown, void *config)
{
	struct virtio_9p_config *c = config;
	uint16_t n = (uint16_t)strlen(s->tag);

	c->tag_len = n;
	memcpy(c->tag, s->tag, n);
	*shown = (struct virtio_shown){
	    .id = VIRTIO_ID_9P,
	    .queues = 1,
	    .queue_size = P9_QUEUE_SIZE,
	    .config_bytes = (uint16_t)(sizeof *c + n),
	    .features = 1ull << VIRTIO_9P_MOUNT_TAG | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
	                1ull << VIRTIO_RING_F_EVENT_IDX,
	};
}
