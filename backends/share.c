// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/share.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570 /* fs/configfs/mount.c */
#endif
#ifndef FUSECTL_SUPER_MAGIC
#define FUSECTL_SUPER_MAGIC 0x65735543 /* fs/fuse/control.c */
#endif
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#endif
#ifndef RPC_PIPEFS_MAGIC
#define RPC_PIPEFS_MAGIC 0x67596969 /* net/sunrpc/rpc_pipe.c */
#endif

#define NAMED_BY_FD 16u /* room for a descriptor's number as text */

/* Of a guest's O_*: what may be asked of the host. */
#define FLAGS_TAKEN (O_ACCMODE | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC | O_DIRECTORY)

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

/* A last component that is a symbolic link is not followed but held, with O_PATH and O_NOFOLLOW. */
static int open_below(int dir, const char *name, uint64_t flags, mode_t mode)
{
	struct open_how how = {.flags = flags | O_CLOEXEC | O_NOFOLLOW,
	                       .mode = mode,
	                       .resolve =
	                           RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};

	return result(syscall(SYS_openat2, dir, name, &how, sizeof how));
}

/* The descriptor's name in s->proc. */
static const char *name_of(int fd, char name[NAMED_BY_FD])
{
	snprintf(name, NAMED_BY_FD, "%d", fd);
	return name;
}

/* ---- ids ---- */

static uid_t shown_uid(const struct share *s, uid_t id)
{
	return !s->same_ids && id == s->uid ? 0 : id;
}

static gid_t shown_gid(const struct share *s, gid_t id)
{
	return !s->same_ids && id == s->gid ? 0 : id;
}

static uid_t meant_uid(const struct share *s, uid_t id)
{
	return !s->same_ids && id == 0 ? s->uid : id;
}

static gid_t meant_gid(const struct share *s, gid_t id)
{
	return !s->same_ids && id == 0 ? s->gid : id;
}

/* What was made belongs to the user, but where ids are the same and he may give it away. */
static int give_to(const struct share *s, int fd, uid_t owner, gid_t group)
{
	if (!s->same_ids || s->uid != 0)
		return 0;
	return result(fchownat(fd, "", owner, group, AT_EMPTY_PATH));
}

/* ---- file systems ---- */

static bool is_kernels_own(int fd)
{
	static const uint32_t own[] = {
	    PROC_SUPER_MAGIC, SYSFS_MAGIC,         DEBUGFS_MAGIC,       TRACEFS_MAGIC,
	    SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC,  CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
	    EFIVARFS_MAGIC,   PSTOREFS_MAGIC,      SELINUX_MAGIC,       SMACK_MAGIC,
	    CONFIGFS_MAGIC,   FUSECTL_SUPER_MAGIC, MQUEUE_MAGIC,        RPC_PIPEFS_MAGIC,
	    NSFS_MAGIC,       AUTOFS_SUPER_MAGIC,  BINFMTFS_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return true;
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		if ((uint32_t)fs.f_type == own[i])
			return true;
	return false;
}

static unsigned device_index(const struct share *s, dev_t device)
{
	unsigned i = 0;

	while (i < s->ndevices && s->device[i].device != device)
		i++;
	return i;
}

/* May files of the file system that @fd is on be used? */
static bool is_open_to_guests(struct share *s, int fd, dev_t device)
{
	unsigned i = device_index(s, device);

	if (i == s->ndevices) {
		if (i == SHARE_DEVICES)
			return false;
		s->device[i] = (struct share_device){device, is_kernels_own(fd)};
		s->ndevices++;
	}
	return !s->device[i].closed;
}

uint64_t share_inode(const struct share *s, dev_t device, ino_t inode)
{
	return (uint64_t)inode ^ (uint64_t)device_index(s, device) << 56;
}

/* ---- beginning ---- */

bool share_open(struct share *s, char *why, size_t size)
{
	struct stat st;

	s->proc = -1;
	s->root = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0) {
		snprintf(why, size, "%s", strerror(errno));
		return false;
	}
	if (faccessat(s->root, ".", R_OK | X_OK, AT_EACCESS)) {
		snprintf(why, size, "%s", strerror(errno));
	} else if (fstat(s->root, &st) || !is_open_to_guests(s, s->root, st.st_dev)) {
		snprintf(why, size, "is the kernel's, not a file system with files");
	} else {
		return true;
	}
	close(s->root);
	s->root = -1;
	return false;
}

int share_begin(struct share *s)
{
	s->uid = geteuid();
	s->gid = getegid();
	umask(0);
	s->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->proc < 0 ? -errno : 0;
}

/* ---- what is held ---- */

int share_lookup(struct share *s, int dir, const char *name)
{
	int fd = open_below(dir, name, O_PATH, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) || !is_open_to_guests(s, fd, st.st_dev)) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

int share_hold_again(const struct share *s, int fd)
{
	char name[NAMED_BY_FD];

	return result(openat(s->proc, name_of(fd, name), O_PATH | O_CLOEXEC));
}

int share_stat(const struct share *s, int fd, struct stat *st)
{
	if (fstatat(fd, "", st, AT_EMPTY_PATH))
		return -errno;
	st->st_uid = shown_uid(s, st->st_uid);
	st->st_gid = shown_gid(s, st->st_gid);
	return 0;
}

bool share_is_root(const struct share *s, const struct stat *st)
{
	struct stat root;

	return !fstatat(s->root, "", &root, AT_EMPTY_PATH) && root.st_dev == st->st_dev &&
	       root.st_ino == st->st_ino;
}

/* ---- opening ---- */

int share_reopen(const struct share *s, int fd, int flags)
{
	char name[NAMED_BY_FD];
	struct stat st;

	/* A descriptor of O_PATH is always of the same file, so this stays true. */
	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EPERM;
	flags = (flags & FLAGS_TAKEN) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	return result(openat(s->proc, name_of(fd, name), flags));
}

/* No file of the guest's making has more rights on the host than its user. */
static mode_t file_mode(mode_t mode)
{
	return mode & 01777;
}

int share_create(struct share *s, int dir, const char *name, int flags, mode_t mode, uid_t owner,
                 gid_t group)
{
	/* Always a new one first: what is there already may be a FIFO. */
	uint64_t how = (uint64_t)(flags & FLAGS_TAKEN & ~O_DIRECTORY) | O_CREAT | O_EXCL;
	int fd = open_below(dir, name, how, file_mode(mode)), held, error;

	if (fd >= 0) {
		error = give_to(s, fd, owner, group);
		if (!error)
			return fd;
		close(fd);
		return error;
	}
	if (fd != -EEXIST || (flags & O_EXCL))
		return fd;
	held = share_lookup(s, dir, name);
	if (held < 0)
		return held;
	fd = share_reopen(s, held, flags);
	close(held);
	return fd;
}

/* ---- changes ---- */

int share_mkdir(struct share *s, int dir, const char *name, mode_t mode, uid_t owner, gid_t group)
{
	int fd, error;

	if (mkdirat(dir, name, mode & 03777))
		return -errno;
	fd = share_lookup(s, dir, name);
	if (fd < 0)
		return fd;
	error = give_to(s, fd, owner, group);
	if (!error)
		return fd;
	close(fd);
	return error;
}

int share_symlink(struct share *s, int dir, const char *name, const char *target, uid_t owner,
                  gid_t group)
{
	int fd, error;

	if (symlinkat(target, dir, name))
		return -errno;
	fd = share_lookup(s, dir, name);
	if (fd < 0)
		return fd;
	error = give_to(s, fd, owner, group);
	if (!error)
		return fd;
	close(fd);
	return error;
}

int share_link(const struct share *s, int fd, int dir, const char *name)
{
	char held[NAMED_BY_FD];
	struct stat st;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -EPERM;
	return result(linkat(s->proc, name_of(fd, held), dir, name, AT_SYMLINK_FOLLOW));
}

int share_unlink(int dir, const char *name, bool directory)
{
	return result(unlinkat(dir, name, directory ? AT_REMOVEDIR : 0));
}

int share_rename(int from, const char *name, int to, const char *new_name)
{
	return result(renameat(from, name, to, new_name));
}

int share_chmod(const struct share *s, int fd, mode_t mode)
{
	char name[NAMED_BY_FD];
	struct stat st;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -EOPNOTSUPP;
	mode = S_ISDIR(st.st_mode) ? mode & 03777 : file_mode(mode);
	return result(fchmodat(s->proc, name_of(fd, name), mode, 0));
}

int share_chown(const struct share *s, int fd, uid_t owner, gid_t group)
{
	if (owner != (uid_t)-1)
		owner = meant_uid(s, owner);
	if (group != (gid_t)-1)
		group = meant_gid(s, group);
	return result(fchownat(fd, "", owner, group, AT_EMPTY_PATH));
}

int share_times(const struct share *s, int fd, const struct timespec times[2])
{
	char name[NAMED_BY_FD];

	return result(utimensat(s->proc, name_of(fd, name), times, 0));
}

int share_truncate(const struct share *s, int fd, uint64_t size)
{
	struct stat st;
	int file, error;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (size > INT64_MAX)
		return -EFBIG;
	file = share_reopen(s, fd, O_WRONLY);
	if (file < 0)
		return file;
	error = result(ftruncate(file, (off_t)size));
	close(file);
	return error;
}
