/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user asks of 'ring1 run'. */
#ifndef MAIN_RUN_OPTIONS_H
#define MAIN_RUN_OPTIONS_H

#include "main/devices.h"
#include "main/image_boot.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A device that was asked for; they are plugged in as they stand on the command line. */
struct device_option {
	int (*add)(struct devices *devices, const char *text);
	const char *text; /* what stands behind the option; "" for one that has nothing */
};

#define AGAIN_MAX 64

struct run_options {
	FILE *stats_file;
	struct image_boot boot; /* with image */
	const char *kernel, *initrd, *arguments, *stats_path, *console, *name, *image, *gdb, *trace,
	    *restore;
	struct device_option device[VIRTIO_DEVICES];
	unsigned ndevices;
	uint64_t memory; /* bytes; with restore 0: what the snapshot has */
	bool stats, count_calls, bare, traps_only, no_vmi, deferred, low_moved, no_userfaultfd,
	    no_huge_pages, apic, no_acpi, kaslr, restart, detach, paused, no_control, agent,
	    disks_changed, unverified;
	int cpu; /* of the host, for the guest; -1: any */
	/*
	 * What of this must be said again when the machine is restored from a snapshot: words of a
	 * command line, and where it was given.
	 */
	const char *again[AGAIN_MAX];
	unsigned nagain;
	const char *directory; /* NULL: it has no name */
};

/**
 * run_options_parse - the command line behind 'ring1 run'
 *
 * Returns 0, or an exit status with the reason printed. --help prints and exits.
 */
int run_options_parse(int argc, char **argv, struct run_options *o);

/**
 * run_options_restore - what stands behind --restore: FILE[,WORD]...; a comma in a name twice
 * @file: receives the name, cut at @size bytes
 * @changed, @unverified: whether disks=changed, verify=off are among the words
 *
 * Returns 0, or an exit status with the reason printed.
 */
int run_options_restore(const char *text, char *file, size_t size, bool *changed, bool *unverified);

#endif
