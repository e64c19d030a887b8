/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as main sees it. What main must know for sure is kept here, in its own memory;
 * vm->machine and vm->vcpu are shared with hostile cells (include/ring1/machine.h).
 */
#ifndef MAIN_VM_H
#define MAIN_VM_H

#include "annotate/annotate.h"
#include "common/guest_clock.h"
#include "common/lazy_memory.h"
#include "main/huge_pages.h"
#include "main/report.h"
#include "ring1/annotations.h"
#include "ring1/machine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define INITIAL_CELLS 16
#define CELLS_STEP(n) ((n) / 2 + 8) /* how many more are forked when @n are too few */

/* What became of the guest's modules. */
struct module_stats {
	uint32_t loaded;               /* annotated */
	uint32_t failed;               /* left as they are */
	struct annotate_report all;    /* over all that were loaded */
	char why[ANNOTATE_ERROR_SIZE]; /* the last failure */
};

struct devices;

struct vm {
	uint64_t ram_size;
	int ram_fd, state_fd, annot_fd;
	uint8_t *ram;
	const uint8_t *base; /* guest memory in the snapshot it was restored from; NULL: none */
	int base_fd;         /* that file, not this structure's */
	uint64_t build;      /* of ring1, in snapshots */
	struct vcpu *vcpu;
	struct machine *machine;
	struct annotations *annotations;
	uint8_t *stubs, *module_stubs;
	struct annotate_options module_options;
	struct module_stats modules;

	int nursery_socket;
	pid_t nursery_pid;
	uint32_t ncells;
	pid_t cell_pid[MACHINE_MAX_CELLS];
	uint32_t cells_asked;
	bool host_refused; /* the last event that ended the machine was the host's doing */
	int cpu;           /* the host CPU of the cells, -1: any */
	bool may_move;     /* the user did not choose it */

	uint32_t pause;        /* enum pause_reason: why the virtual CPU is to stand still */
	uint32_t pause_number; /* of the last time it was asked to */
	bool debugged;         /* a debugger is there: the core may pause by itself */
	bool paused;           /* the core has said that it does; guest time is paused_at */
	uint64_t paused_at;
	struct devices *devices; /* NULL: none was started */
	struct guest_clock clock;
	struct huge_pages huge;
	int doorbell_event;     /* eventfd: the doorbell thread saw machine.doorbell change */
	uint32_t doorbell_bits; /* taken from machine.doorbell by that thread, not yet served */
	pthread_t doorbell_thread;
	bool doorbell_started, doorbell_quit;
	struct timespec started;
};

/**
 * vm_create - shared memory and the nursery, while this process is still small
 * @ram_size: bytes, a multiple of 4096
 * @base: the file of the snapshot that it is restored from, -1: none; stays the caller's
 * @name: what the processes are called in lists, or NULL
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int vm_create(struct vm *vm, uint64_t ram_size, int base, const char *name);

/** vm_build - what snapshots of this ring1 have in common, and none of another */
uint64_t vm_build(void);

/** vm_lazy - by which guest memory is asked for before it is touched */
struct lazy_memory vm_lazy(const struct vm *vm);

/** vm_destroy - kill what is left of the machine and free it; any partly made vm is fine */
void vm_destroy(struct vm *vm);

/**
 * vm_fork_cells - ask for @n cells in all and wait until they are there, or as many as there can be
 * @why: the reason of a failure, of @size bytes
 *
 * Returns 0, with at least one cell, or an exit status.
 */
int vm_fork_cells(struct vm *vm, uint32_t n, char *why, size_t size);

/** vm_want_cells - the core asks for a larger pool: have more forked, without waiting */
void vm_want_cells(struct vm *vm);

/** vm_publish_cells - tell the core how many cells there are now */
void vm_publish_cells(struct vm *vm);

/**
 * vm_nursery_event - read one message of the nursery
 * @why: receives the reason when a cell or the nursery died, or could not be made
 *
 * False: the machine cannot go on; vm->host_refused tells whether the host is why.
 */
bool vm_nursery_event(struct vm *vm, char *why, size_t size);

/** vm_start - let the virtual CPU run: the cells are there, and the kernel is in memory */
void vm_start(struct vm *vm);

/** vm_kick - set bits in the inbox and make the virtual CPU look at it */
void vm_kick(struct vm *vm, uint32_t bits);

/** vm_wake - wake whoever waits on a futex in shared memory */
void vm_wake(uint32_t *word);

/** vm_clock - guest time in ns; it stands while the machine is paused */
uint64_t vm_clock(const struct vm *vm);

/**
 * vm_keep_clock - keep guest time and the host's clocks together; to be called often
 *
 * Once a second the offsets that cells use are brought up to date. When the host slept and its TSC
 * did not count, the clock is moved and the guest told.
 */
void vm_keep_clock(struct vm *vm);

/** vm_hold_clock, vm_release_clock - guest time stands still, and goes on */
void vm_hold_clock(struct vm *vm);
void vm_release_clock(struct vm *vm);

/** vm_start_clock - guest time 0 is now; @tsc_mult: ns = ticks * tsc_mult >> 32 */
void vm_start_clock(struct vm *vm, uint64_t tsc_mult);

/** vm_set_clock - guest time is @ns now, and goes on from there */
void vm_set_clock(struct vm *vm, uint64_t ns);

/** host_has_fsgsbase - may processes use WRFSBASE and WRGSBASE here? */
bool host_has_fsgsbase(void);

/** host_facts_fill - TSC rate, clock offsets, CPUID, XSAVE: what the host gives the machine */
int host_facts_fill(struct vm *vm);

/** cpuid_fill - the CPUID leaves the guest kernel is shown (main/cpuid.c) */
void cpuid_fill(struct machine *m);

#endif
