/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's virtio devices and IDE drives as main sees them: what the guest is shown, and the
 * process behind each (backends/).
 *
 * What belongs to all lives of a machine (open files, locks) is opened once, before the first;
 * devices_start() forks the back ends of one life. A new kind of device fills in a struct device by
 * devices_add() and is otherwise like the others.
 */
#ifndef MAIN_DEVICES_H
#define MAIN_DEVICES_H

#include "backends/backend.h"
#include "devices/ide.h"
#include "devices/virtio_pci.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_FDS 40

struct vm;
struct disk;

struct device {
	char name[80]; /* in messages: "disk debian.img" */
	struct virtio_shown shown;
	struct ide_shown ide; /* of an IDE drive: shown.drive is not 0 */
	uint8_t config[VIRTIO_CONFIG_BYTES];
	const struct backend_ops *ops;
	void *own;               /* struct backend.own */
	const struct disk *disk; /* of a disk or CD-ROM */
	int fds[DEVICE_FDS];     /* what the back end keeps */
	unsigned nfds;
	/*
	 * For snapshots. What of the host is behind it at this moment, as a text: a machine can be
	 * restored with what has the same. NULL: anything will do. May be called by a confined
	 * main.
	 */
	void (*identify)(const struct device *d, char *text, size_t size);
	/* A disk that is thrown away at the end goes into the snapshot: a bit for each cluster. */
	uint64_t *contents_map; /* shared; NULL: nothing does */
	int contents;           /* a file */
	uint64_t clusters;
	struct backend_saved *saved; /* shared with the back end of this life */
	pid_t pid;                   /* of this life; 0: not running */
};

struct devices {
	struct device list[VIRTIO_DEVICES];
	unsigned count;
	bool restored;  /* they are plugged in already, as a snapshot has them */
	uint32_t pause; /* the last VIRTIO_CONTROL_PAUSE and above */
};

/** devices_add - one more, zeroed but for its name; NULL, with the reason printed: too many */
struct device *devices_add(struct devices *devices, const char *kind, const char *what);

/** device_make_saved - d->saved, zeroed when it is new; false, with the reason printed: no memory
 */
bool device_make_saved(struct device *d);

/**
 * devices_start - plug them in and start their back ends
 * @msix: offer MSI-X: the guest has a local APIC
 *
 * Before main confines itself, and before the machine runs. Returns 0 or an exit status, with the
 * reason printed.
 */
int devices_start(struct devices *devices, struct vm *vm, bool msix);

/**
 * devices_check - did a back end end?
 * @why: receives the reason
 * @host: set if the host refused something
 *
 * True: one did, and the machine cannot go on.
 */
bool devices_check(struct devices *devices, char *why, size_t size, bool *host);

/**
 * devices_pause, devices_resume - have all back ends finish what they have in hand, and wait
 *
 * The virtual CPU must have been stopped before: it waits for back ends when a guest resets a
 * device. Requests stay in the guest's rings, and `next` of each queue in the shared state says
 * where it goes on. devices_pause() only asks. May be called by a confined main.
 */
void devices_pause(struct devices *devices, struct vm *vm);
void devices_resume(struct devices *devices, struct vm *vm);

/**
 * devices_paused - have all of them, since the last devices_pause()?
 *
 * As long as a flush of a host's disk takes: main has other things to do meanwhile.
 */
bool devices_paused(const struct devices *devices, const struct vm *vm);

/**
 * device_ring - have the back end of device @number look, as if the guest had rung
 * @bits: VIRTIO_BELL_*
 */
void device_ring(struct vm *vm, unsigned number, uint32_t bits);

/** devices_stop - end the back ends: what is in hand is finished, unless that takes seconds */
void devices_stop(struct devices *devices, struct vm *vm);

#endif
