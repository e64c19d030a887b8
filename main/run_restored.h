/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For commands that start machines from snapshots. */
#ifndef MAIN_RUN_RESTORED_H
#define MAIN_RUN_RESTORED_H

#include <stddef.h>

/** quote_path - @path with each comma twice, as options with more words behind it want it */
void quote_path(char *to, size_t size, const char *path);

/**
 * run_restored - run --detach --restore @what [--name @name] @argv...
 * @what: a file and words behind it, as the option has them; is changed
 * @name: NULL: its process id
 *
 * What command_run() returns, or its exit status. Once in a process: it names itself and ends as
 * one.
 */
int run_restored(char *what, const char *name, int argc, char **argv);

#endif
