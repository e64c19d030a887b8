/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of boot_files.c that reads: run in a process that can do nothing else. */
#ifndef IMAGE_READER_H
#define IMAGE_READER_H

#include "image/boot_files.h"

#include <stdint.h>

#define BOOT_FILE_MAX (1ull << 30) /* bytes of a kernel or an initial RAM disk */

/* What the reader says of its work, through a pipe. Its caller distrusts every byte of it. */
struct reader_answer {
	int32_t status; /* 0, or an enum loader_error_kind */
	int32_t partition;
	char text[256];                                              /* the reason, if not 0 */
	char kernel_path[BOOT_PATH_MAX], initrd_path[BOOT_PATH_MAX]; /* initrd_path may be empty */
};

/**
 * image_read - reads kernel and initial RAM disk out of an image
 * @image: descriptor of the image, open for reading
 * @kernel, @initrd: descriptors of empty files
 * @answer: filled
 *
 * Opens no file.
 */
void image_read(int image, int kernel, int initrd, struct reader_answer *answer);

#endif
