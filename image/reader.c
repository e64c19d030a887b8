// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/reader.h"

#include "common/whole_io.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR         512   /* what libblkid counts partitions in */
#define PARTITIONS_MAX 16    /* looked at */
#define NAMES_MAX      10000 /* of /boot, looked at */
#define PIECE          65536 /* bytes read at a time */

static bool refuse(struct reader_answer *a, int kind, const char *reason, ...)
{
	va_list args;

	a->status = kind;
	va_start(args, reason);
	vsnprintf(a->text, sizeof a->text, reason, args);
	va_end(args);
	return false;
}

/* ---- where file systems begin ---- */

struct places {
	uint64_t offset[PARTITIONS_MAX]; /* bytes from the image's begin */
	int partition[PARTITIONS_MAX];   /* its number, as Linux counts them; 0: the whole image */
	unsigned n;
};

static void add_partitions(blkid_probe probe, struct places *p)
{
	blkid_partlist list = blkid_probe_get_partitions(probe);
	int n = list ? blkid_partlist_numof_partitions(list) : 0;

	for (int i = 0; i < n && p->n < PARTITIONS_MAX; i++) {
		blkid_partition partition = blkid_partlist_get_partition(list, i);
		blkid_loff_t start = partition ? blkid_partition_get_start(partition) : -1;

		if (start <= 0 || start >= INT64_MAX / SECTOR)
			continue;
		p->offset[p->n] = (uint64_t)start * SECTOR;
		p->partition[p->n++] = blkid_partition_get_partno(partition);
	}
}

/* The whole image first: a file system may begin with what looks like a partition table. */
static struct places find_places(int image)
{
	struct places p = {.n = 1};
	blkid_probe probe = blkid_new_probe();

	if (probe && !blkid_probe_set_device(probe, image, 0, 0) &&
	    !blkid_probe_enable_partitions(probe, 1))
		add_partitions(probe, &p);
	if (probe)
		blkid_free_probe(probe);
	return p;
}

static ext2_filsys open_at(int image, uint64_t offset)
{
	char name[16], options[40];
	ext2_filsys fs;
	int copy;

	/* This I/O manager takes a descriptor's number for a name, and closes it in the end. */
	copy = dup(image);
	if (copy < 0)
		return NULL;
	snprintf(name, sizeof name, "%d", copy);
	snprintf(options, sizeof options, "offset=%llu", (unsigned long long)offset);
	if (ext2fs_open2(name, options, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
	                 unixfd_io_manager, &fs))
		return NULL;
	return fs;
}

/* ---- names ---- */

/* An inode of a regular file, or 0. Links are followed, a bounded number of them. */
static ext2_ino_t find_file(ext2_filsys fs, const char *path)
{
	struct ext2_inode inode;
	ext2_ino_t ino;

	if (ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) ||
	    ext2fs_read_inode(fs, ino, &inode) || !LINUX_S_ISREG(inode.i_mode))
		return 0;
	return ino;
}

/* By GNU's rule for versions: 6.1.0-9 is older than 6.1.0-10. */
static bool is_newer(const char *version, const char *than)
{
	return strverscmp(version, than) > 0;
}

struct newest {
	ext2_filsys fs;
	char version[BOOT_PATH_MAX]; /* empty: none yet */
	unsigned looked_at;
};

#define KERNEL_PREFIX "vmlinuz-"
#define INITRD_PREFIX "/boot/initrd.img-"
#define VERSION_MAX   (BOOT_PATH_MAX - sizeof INITRD_PREFIX)

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < '!' || *text > '~')
			return false;
	return true;
}

static int look_at_name(struct ext2_dir_entry *entry, int offset, int blocksize, char *buf,
                        void *arg)
{
	struct newest *n = arg;
	size_t length = (size_t)ext2fs_dirent_name_len(entry), prefix = strlen(KERNEL_PREFIX);
	char version[BOOT_PATH_MAX], path[BOOT_PATH_MAX + sizeof "/boot/" KERNEL_PREFIX];

	(void)offset, (void)blocksize, (void)buf;
	if (++n->looked_at > NAMES_MAX)
		return DIRENT_ABORT;
	if (length <= prefix || length - prefix > VERSION_MAX ||
	    memcmp(entry->name, KERNEL_PREFIX, prefix))
		return 0;
	memcpy(version, entry->name + prefix, length - prefix);
	version[length - prefix] = 0;
	snprintf(path, sizeof path, "/boot/" KERNEL_PREFIX "%s", version);
	if (is_printable(version) && is_newer(version, n->version) && find_file(n->fs, path))
		strcpy(n->version, version);
	return 0;
}

/* Where the link `path` leads, if to a vmlinuz-VERSION: that version. */
static bool version_of_link(ext2_filsys fs, const char *path, char version[BOOT_PATH_MAX])
{
	char target[BOOT_PATH_MAX] = "", *name;
	struct ext2_inode inode;
	ext2_ino_t ino;
	ext2_file_t file;
	unsigned got = 0;

	if (ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) ||
	    ext2fs_read_inode(fs, ino, &inode) || !LINUX_S_ISLNK(inode.i_mode) ||
	    inode.i_size >= sizeof target)
		return false;
	if (ext2fs_is_fast_symlink(&inode)) {
		memcpy(target, inode.i_block,
		       inode.i_size < sizeof inode.i_block ? inode.i_size : sizeof inode.i_block);
	} else if (!ext2fs_file_open(fs, ino, 0, &file)) {
		ext2fs_file_read(file, target, sizeof target - 1, &got);
		ext2fs_file_close(file);
	}
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strncmp(name, KERNEL_PREFIX, strlen(KERNEL_PREFIX)))
		return false;
	name += strlen(KERNEL_PREFIX);
	if (!*name || strlen(name) > VERSION_MAX || !is_printable(name))
		return false;
	memmove(version, name, strlen(name) + 1);
	return true;
}

struct found {
	ext2_ino_t kernel, initrd;
};

static void find_initrd(ext2_filsys fs, const char *version, struct found *f,
                        struct reader_answer *a)
{
	static const char *const links[] = {"/initrd.img", "/boot/initrd.img", "/boot/initrd"};

	if (*version) {
		snprintf(a->initrd_path, sizeof a->initrd_path, INITRD_PREFIX "%.*s",
		         (int)VERSION_MAX, version);
		f->initrd = find_file(fs, a->initrd_path);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links && !f->initrd; i++) {
		snprintf(a->initrd_path, sizeof a->initrd_path, "%s", links[i]);
		f->initrd = find_file(fs, links[i]);
	}
	if (!f->initrd)
		a->initrd_path[0] = 0;
}

static struct found find_boot_files(ext2_filsys fs, struct reader_answer *a)
{
	static const char *const links[] = {"/vmlinuz", "/boot/vmlinuz"};
	struct newest n = {.fs = fs};
	struct found f = {0};
	ext2_ino_t boot;

	for (size_t i = 0; i < sizeof links / sizeof *links && !f.kernel; i++) {
		f.kernel = find_file(fs, links[i]);
		snprintf(a->kernel_path, sizeof a->kernel_path, "%s", links[i]);
		if (f.kernel && !version_of_link(fs, links[i], n.version))
			n.version[0] = 0;
	}
	if (!f.kernel && !ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, "/boot", &boot)) {
		ext2fs_dir_iterate(fs, boot, 0, NULL, look_at_name, &n);
		snprintf(a->kernel_path, sizeof a->kernel_path, "/boot/" KERNEL_PREFIX "%.*s",
		         (int)VERSION_MAX, n.version);
		f.kernel = *n.version ? find_file(fs, a->kernel_path) : 0;
	}
	if (f.kernel)
		find_initrd(fs, n.version, &f, a);
	return f;
}

/* ---- contents ---- */

static bool copy_open_file(ext2_file_t file, const char *path, int to, struct reader_answer *a)
{
	static char piece[PIECE];
	uint64_t left;
	__u64 size;
	unsigned got;

	if (ext2fs_file_get_lsize(file, &size) || size > BOOT_FILE_MAX)
		return refuse(a, LOADER_EINPUT, "%s in it is too large", path);
	for (left = size; left; left -= got) {
		errcode_t error =
		    ext2fs_file_read(file, piece, left < PIECE ? (unsigned)left : PIECE, &got);

		if (error || !got)
			return refuse(a, LOADER_EINPUT, "%s in it cannot be read: %s", path,
			              error ? error_message(error) : "it ends early");
		if (!write_all(to, piece, got))
			return refuse(a, LOADER_EHOST, "the host has no memory for %s in it", path);
	}
	return true;
}

static bool copy_file(ext2_filsys fs, ext2_ino_t ino, const char *path, int to,
                      struct reader_answer *a)
{
	ext2_file_t file;
	errcode_t error = ext2fs_file_open(fs, ino, 0, &file);
	bool copied;

	if (error)
		return refuse(a, LOADER_EINPUT, "%s in it cannot be read: %s", path,
		              error_message(error));
	copied = copy_open_file(file, path, to, a);
	ext2fs_file_close(file);
	return copied;
}

void image_read(int image, int kernel, int initrd, struct reader_answer *a)
{
	struct places places = find_places(image);
	bool seen = false;

	add_error_table(&et_ext2_error_table);
	for (unsigned i = 0; i < places.n; i++) {
		ext2_filsys fs = open_at(image, places.offset[i]);
		struct found f;

		if (!fs)
			continue;
		seen = true;
		f = find_boot_files(fs, a);
		a->partition = places.partition[i];
		if (f.kernel && copy_file(fs, f.kernel, a->kernel_path, kernel, a) && f.initrd)
			copy_file(fs, f.initrd, a->initrd_path, initrd, a);
		ext2fs_close_free(&fs);
		if (f.kernel)
			return;
	}
	if (seen)
		refuse(a, LOADER_EINPUT,
		       "no kernel in its file system: neither /vmlinuz nor /boot/vmlinuz-VERSION; "
		       "give one with -k");
	else
		refuse(a, LOADER_EINPUT,
		       "no ext2, ext3 or ext4 file system in it; give a kernel with -k");
}
