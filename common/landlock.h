/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_LANDLOCK_H
#define COMMON_LANDLOCK_H

#include <stdbool.h>

/**
 * confine_files - from now on this thread, and threads it starts, open no file
 * @directory: in which files may be removed, all the same; -1: nowhere
 *
 * By Landlock, where the host has it; open descriptors stay usable. Call it before threads are
 * started: Landlock confines one thread and its descendants. Returns whether it is so.
 */
bool confine_files(int directory);

enum files_right {
	FILES_READ,  /* regular files and directories are read */
	FILES_CHANGE /* ... made, written and removed; no device, FIFO or socket is made */
};

/** confine_files_below - the same, but files below @directory can be used so far as @right says */
bool confine_files_below(int directory, enum files_right right);

#endif
