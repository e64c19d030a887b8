/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files without a name: the machine's memory, and the program that cells run. */
#ifndef MAIN_SHARED_FILE_H
#define MAIN_SHARED_FILE_H

#include <stddef.h>
#include <stdint.h>

/**
 * memory_file - a memfd whose pages may be mapped executable; close-on-exec, may be sealed
 * @name: for /proc/PID/maps
 *
 * Returns a descriptor, or -1 with errno set.
 */
int memory_file(const char *name);

/**
 * program_file - a file that can be executed by descriptor, with this content; close-on-exec
 *
 * In memory, or where the host forbids to execute that (vm.memfd_noexec=2), in $XDG_RUNTIME_DIR,
 * $TMPDIR, /tmp, /var/tmp or /dev/shm, whichever first lets an unnamed file be executed. Returns a
 * descriptor, or -1 with errno set: that of memfd_create where none did.
 */
int program_file(const char *name, const void *content, size_t size);

#endif
