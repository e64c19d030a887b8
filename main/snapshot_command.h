/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_SNAPSHOT_COMMAND_H
#define MAIN_SNAPSHOT_COMMAND_H

/**
 * snapshot_unnamed - a snapshot of a running machine in a file without a name
 * @fd: receives its descriptor
 *
 * In $TMPDIR, or /var/tmp. Returns 0 or an exit status, with the reason printed.
 */
int snapshot_unnamed(const char *name, int *fd);

#endif
