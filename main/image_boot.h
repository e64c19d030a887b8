/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --image FILE[,ro][,cow][,...]: a disk to boot from. */
#ifndef MAIN_IMAGE_BOOT_H
#define MAIN_IMAGE_BOOT_H

#include "image/boot_files.h"

#define IMAGE_BOOT_PATH 32

struct image_boot {
	char kernel[IMAGE_BOOT_PATH]; /* paths by which this process can open them */
	char initrd[IMAGE_BOOT_PATH]; /* empty: the image has none */
	char arguments[64];           /* where the kernel finds its root */
	struct boot_files files;
};

/**
 * image_boot_open - finds out how to boot from the image that an option's text names
 * @option: FILE, and behind commas what --disk takes
 *
 * The copies it takes stay open until image_boot_close().
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int image_boot_open(const char *option, struct image_boot *b);

/** image_boot_close - of one that was opened: its files */
void image_boot_close(struct image_boot *b);

#endif
