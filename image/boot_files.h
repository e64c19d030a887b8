/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk image boots with: its kernel and its initial RAM disk, read out of the ext2, ext3
 * or ext4 file system in it.
 *
 * An image is untrusted input, and what reads it is a large library. So a process of its own does
 * the reading, that has the image, two empty memory files and a pipe, and no other rights
 * (image/reader.c); its caller believes it nothing but sizes, which it looks at itself.
 */
#ifndef IMAGE_BOOT_FILES_H
#define IMAGE_BOOT_FILES_H

#include "loader/loader.h"

#define BOOT_PATH_MAX 256 /* bytes of a path within an image, the terminating zero included */

struct boot_files {
	int kernel, initrd; /* memory files that nobody else has open; initrd -1: none */
	char kernel_path[BOOT_PATH_MAX]; /* within the image; printable */
	char initrd_path[BOOT_PATH_MAX];
	unsigned
	    partition; /* which they were found in, 1 to 128; 0: the image is the file system */
};

/**
 * boot_files_open - finds and reads what @image boots with
 * @image: path of a raw disk image or block device: a file system, or a partition table whose first
 *         partition with an ext file system that holds a kernel is taken
 * @f: filled on success; boot_files_close() gives it back
 * @e: filled on failure, naming the image and the reason
 *
 * The kernel is what /vmlinuz or /boot/vmlinuz leads to (Debian keeps these links for boot
 * loaders), otherwise the /boot/vmlinuz-VERSION with the highest version. The initial RAM disk is
 * the /boot/initrd.img-VERSION of the same version, or where /initrd.img leads.
 *
 * A file system that was not unmounted is read as it is; its journal is not looked at.
 *
 * Return: 0, or -1 with LOADER_EINPUT (the image cannot be used) or LOADER_EHOST.
 */
int boot_files_open(const char *image, struct boot_files *f, struct loader_error *e);

/** boot_files_close - closes what is open in @f and forgets it; all-zero with -1 is allowed */
void boot_files_close(struct boot_files *f);

#endif
