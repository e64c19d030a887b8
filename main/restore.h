/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine that goes on where a snapshot of it was taken.
 *
 * What the file says is anybody's to write. Machine state is memory that a guest can write anyway,
 * so what is in it is believed as little here as later; what main alone may say of a machine is put
 * in its place. Files and other resources of the host are named by the user, never by the file.
 */
#ifndef MAIN_RESTORE_H
#define MAIN_RESTORE_H

#include "main/devices.h"
#include "main/snapshot_file.h"
#include "main/vm.h"

#include <stdbool.h>

struct restore {
	struct snapshot file;
	struct snapshot_config config; /* checked */
	const char *path;
};

/**
 * restore_open - open a snapshot and see whether this ring1 can use it
 * @verify: compare guest memory with its checksums as well
 *
 * Returns 0, or an exit status with the reason printed. restore_close() is due in any case.
 */
int restore_open(struct restore *r, const char *path, bool verify);
void restore_close(struct restore *r);

/**
 * restore_verify - compare all but guest memory with its checksums
 *
 * Who restores a machine does so of each part as it comes to it; this is for those who must know
 * before they begin. Returns 0, or an exit status with the reason printed.
 */
int restore_verify(const struct restore *r);

/**
 * restore_fits - could the machine that is in @now be put back to where @r was taken?
 * @changed: it does not matter whether something has written to a disk since
 *
 * Has it as much memory, and the same devices? Returns 0, or an exit status with the reason printed.
 */
int restore_fits(const struct restore *r, const struct restore *now, bool changed);

/**
 * restore_devices - are these the devices of the snapshot? They take over what it has of them
 * @changed: it does not matter whether something has written to a disk since
 *
 * Once, before the first back end. Returns 0, or an exit status with the reason printed.
 */
int restore_devices(const struct restore *r, struct devices *devices, bool changed);

/** restore_show - say on standard output what is in it. Returns 0 or an exit status. */
int restore_show(const struct restore *r);

/**
 * restore_machine - fill a fresh machine with what the snapshot has
 *
 * Before back ends and cells are forked. Returns 0, or an exit status with the reason printed.
 */
int restore_machine(const struct restore *r, struct vm *vm);

#endif
