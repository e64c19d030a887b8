/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of the host as somebody hostile may use it: everything below it, nothing else.
 *
 * A file is held by a descriptor that only names it (O_PATH), so that it stays what it is whatever
 * is renamed or put in its place meanwhile. Names are single entries of a directory, looked up by
 * openat2() with RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_SYMLINKS: a symbolic link
 * is data for the guest, which follows it itself. What is held is opened, for reading or writing,
 * by its number in /proc/self/fd, and only if it is a regular file or a directory: to open a
 * device, a FIFO or a socket of the host could do something, or wait for ever (CVE-2023-2861).
 * The kernel's own file systems (/proc, /sys, ...), whose regular files are none, are closed.
 *
 * IDS. By default the user who runs ring1 is the guest's root: what belongs to him, or to the
 * host's root, belongs to 0 in the guest, and 0 means him. Other ids are the same on both sides.
 *
 * All functions that return int return a descriptor, a number or 0, or a negative errno.
 */
#ifndef BACKENDS_SHARE_H
#define BACKENDS_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#define SHARE_TAG_BYTES 32u /* at most */
#define SHARE_DEVICES   32u /* file systems mounted below one directory, at most */

struct share_device {
	dev_t device;
	bool closed; /* it is one of the kernel's own */
};

struct share {
	char tag[SHARE_TAG_BYTES + 1];
	char path[512]; /* for messages */
	bool read_only;
	bool same_ids; /* ids are the host's */
	int root;      /* O_PATH */
	int proc;      /* /proc/self/fd of the process that serves; -1: not yet */
	uid_t uid;     /* of that process */
	gid_t gid;
	struct share_device device[SHARE_DEVICES];
	unsigned ndevices;
};

/** share_open - open s->path; the reason is in @why when it cannot be shared */
bool share_open(struct share *s, char *why, size_t size);

/** share_begin - in the process that serves, before its confinement. Returns 0 or -errno. */
int share_begin(struct share *s);

/** share_lookup - hold the entry @name of the directory @dir */
int share_lookup(struct share *s, int dir, const char *name);

/** share_hold_again - another descriptor for what @fd is (held or open) */
int share_hold_again(const struct share *s, int fd);

/** share_stat - what @fd, held or open, is; ids as the guest sees them */
int share_stat(const struct share *s, int fd, struct stat *st);

/** share_is_root - is it the shared directory itself? */
bool share_is_root(const struct share *s, const struct stat *st);

/** share_inode - a number that no other file of the share has */
uint64_t share_inode(const struct share *s, dev_t device, ino_t inode);

/**
 * share_reopen - open what is held
 * @flags: O_RDONLY, O_WRONLY or O_RDWR; O_TRUNC, O_APPEND, O_DSYNC, O_SYNC, O_DIRECTORY; others are
 * left out
 */
int share_reopen(const struct share *s, int fd, int flags);

/**
 * share_create - a new regular file, open with @flags as above; O_EXCL: not one that is there
 * @owner, @group: as the guest has them; of meaning only with same_ids, for root
 */
int share_create(struct share *s, int dir, const char *name, int flags, mode_t mode, uid_t owner,
                 gid_t group);

int share_mkdir(struct share *s, int dir, const char *name, mode_t mode, uid_t owner, gid_t group);
int share_symlink(struct share *s, int dir, const char *name, const char *target, uid_t owner,
                  gid_t group);
int share_link(const struct share *s, int fd, int dir, const char *name);
int share_unlink(int dir, const char *name, bool directory);
int share_rename(int from, const char *name, int to, const char *new_name);

/** share_chmod - permissions; set-user-id and set-group-id bits of files are left out */
int share_chmod(const struct share *s, int fd, mode_t mode);
/** share_chown - (uid_t)-1, (gid_t)-1: leave */
int share_chown(const struct share *s, int fd, uid_t owner, gid_t group);
/** share_times - access and modification time as for utimensat(2) */
int share_times(const struct share *s, int fd, const struct timespec times[2]);
/** share_truncate - a regular file that is held */
int share_truncate(const struct share *s, int fd, uint64_t size);

#endif
