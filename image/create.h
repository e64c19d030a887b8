/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a bootable i386 Debian of the packages a mirror has, without root.
 *
 * debootstrap unpacks them on the host, under fakeroot, and a file system is made of that
 * (create.sh). Configuring them means running their i386 programs as root: that is done by a
 * machine of ring1's own, which boots the kernel among the packages with that file system as its
 * root (second_stage.sh).
 */
#ifndef IMAGE_CREATE_H
#define IMAGE_CREATE_H

#include <stdbool.h>
#include <stdint.h>

struct image_request {
	const char *path;      /* of the image; nothing may be there, unless replace */
	const char *suite;     /* "bookworm" */
	const char *packages;  /* more packages, separated by commas; may be empty */
	const char *kernel;    /* package with the kernel */
	const char *mirror;    /* NULL: what this machine's apt uses, or debootstrap's own */
	const char *host_name; /* of the guest */
	uint64_t size;         /* bytes */
	bool replace;
};

/** image_create - makes the image; Return: an enum exit_status. What fails is said, and leaves
 * nothing. */
int image_create(const struct image_request *r);

#endif
