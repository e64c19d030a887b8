/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root file system of a sandbox, looked at before a guest is. */
#ifndef MAIN_SANDBOX_ROOT_H
#define MAIN_SANDBOX_ROOT_H

#include <stdbool.h>
#include <stddef.h>

struct sandbox_root {
	const char *path;
	int fd;
};

/** sandbox_root_open - open the directory @r->path; false, with the reason printed: it is none */
bool sandbox_root_open(struct sandbox_root *r);

/** sandbox_root_has_directory, sandbox_root_has_file - what @path is, seen from in there */
bool sandbox_root_has_directory(const struct sandbox_root *r, const char *path);
bool sandbox_root_has_file(const struct sandbox_root *r, const char *path);

/**
 * sandbox_root_can_run - could an i386 kernel run this command?
 * @command: a path in there, from @directory on, or a name for the usual directories
 *
 * False, with the reason printed: it is for another processor, most often a 64-bit one. What is not
 * found, or cannot be told, is left to the guest.
 */
bool sandbox_root_can_run(const struct sandbox_root *r, const char *command, const char *directory);

/** sandbox_root_option - the text of --share for it, read-only, its commas written twice */
void sandbox_root_option(const struct sandbox_root *r, const char *tag, char *to, size_t size);

#endif
