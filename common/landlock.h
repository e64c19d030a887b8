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

#endif
