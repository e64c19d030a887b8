/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A back end: a process of its own that does what a virtio device does, for one resource of the
 * host (a disk, a network, a folder).
 *
 * Main forks it before it confines itself, and before the machine runs. It keeps the descriptors it
 * was given and no other, and gives up everything else: no new privileges, no files (Landlock), and
 * of the system calls only those of the loop below and of its own list. It is killed when main
 * dies, and main ends the machine when it dies.
 *
 * To write a new one: fill in a struct backend_ops, and have main plug the device in and start it
 * (main/devices.h). The loop calls serve() when the driver notified a queue, or may have. A device
 * that also waits for something of the host polls in wait() instead of on the bell.
 *
 *   guest:  fills a ring, writes the notification port
 *   cell:   sets the queue's bit in the bell, wakes this process if it sleeps (core/backends.c)
 *   here:   backend_loop() calls serve(); virtqueue_pop(), the work, virtqueue_push(),
 *           backend_interrupt(): sets the queue's bit in `completed`, and makes the virtual CPU
 *           look: by its futex if it sleeps in HLT, else by main's doorbell, whose thread kicks
 *           the cell; it looks by itself if it is yet waking this process
 *   cell:   takes the bits: ISR and INTx, or MSI-X messages (devices/virtio_pci.c)
 *
 * TRUST. Guest memory and struct machine are the guest's to write. Nothing that is read from them
 * may lead anywhere unchecked; see backends/virtqueue.h.
 */
#ifndef BACKENDS_BACKEND_H
#define BACKENDS_BACKEND_H

#include "backends/virtqueue.h"
#include "common/call_filter.h"
#include "ring1/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of a back end; main/devices.c says what they mean. */
#define BACKEND_STOPPED  0 /* main asked for it */
#define BACKEND_CONFINE  3 /* the host refused a part of the confinement */
#define BACKEND_INTERNAL 4
#define BACKEND_RESTORE  5 /* load() refused what a snapshot held */

/*
 * What a snapshot keeps for a back end, in memory that main and it alone share: no cell has it.
 * Main copies it once and checks its length.
 */
#define BACKEND_SAVED_BYTES 262144u
struct backend_saved {
	uint32_t bytes; /* of data[]; written by save(), by main before load() */
	uint8_t data[BACKEND_SAVED_BYTES];
};

struct backend;

struct backend_ops {
	/* Instead of confine_files(-1), which is for those that open no file. May be NULL. */
	void (*confine)(struct backend *b);
	/* Before the confinement: threads that the back end needs. May be NULL. */
	void (*prepare)(struct backend *b);
	/*
	 * Chains may wait in this queue: take them until virtqueue_pop() finds none. What cannot be
	 * done yet may be kept in hand; when it is done, push and interrupt from anywhere, under
	 * one lock. The queue is live.
	 */
	void (*serve)(struct backend *b, unsigned queue);
	/*
	 * Of a device without virtqueues, instead of serve() and drain(): the bell rang, or the
	 * machine is to stand still. Carry out what was asked for, then backend_done().
	 */
	void (*requested)(struct backend *b);
	/* Finish what is in hand: no chain is outstanding on return. May be NULL: never any is. */
	void (*drain)(struct backend *b);
	/*
	 * Snapshots (main/snapshot.h). What every device has is kept for it: its registers, its
	 * configuration (b->device->config), and where each queue goes on. These two are for what
	 * the back end knows beside that: files that the guest has open, bytes under way. Both may
	 * be NULL: there is nothing.
	 *
	 * save(): behind drain(), each time the machine is paused; nothing may change by it. Write
	 * at most @room bytes to @to; returns how many, or SIZE_MAX: it cannot be saved.
	 *
	 * load(): once, before the first queue is live, and confined: @from is from a file that
	 * anybody may have made. False: it makes no sense, or what it names is not there.
	 */
	size_t (*save)(struct backend *b, void *to, size_t room);
	bool (*load)(struct backend *b, const void *from, size_t n);
	/*
	 * Of a card that is no virtio device and has no queues: look at its registers. rung(): the
	 * driver rang for these bits of the bell, or something was settled or resumed
	 * (VIRTIO_BELL_STATUS). settle(): behind drain(), before the guest goes on, which has
	 * started or stopped something. Both may be NULL.
	 */
	void (*rung)(struct backend *b, uint32_t bits);
	void (*settle)(struct backend *b);
	/* Features were settled, or the driver wrote the device's configuration. May be NULL. */
	void (*changed)(struct backend *b);
	/*
	 * Sleep until the bell rings or the host has something, and do what that needs. NULL: the
	 * bell alone. backend_bell_fd() has the bell as a descriptor to poll; do not call serve(),
	 * ask for it by backend_again().
	 */
	void (*wait)(struct backend *b);
	/*
	 * Chains stay in the queues until the host has something: serve() is called once for each
	 * notification, and hushes and listens (virtqueue_hush(), virtqueue_listen()) by itself.
	 */
	bool listens;
	/* System calls beside those of the loop: SCMP_SYS() numbers. */
	const int *calls;
	size_t ncalls;
	/* And those of what several kinds have in common; may be NULL. */
	const struct call_list *also;
	/* And those that are allowed with certain arguments only. */
	const struct call_rule *rules;
	size_t nrules;
};

struct backend {
	const struct backend_ops *ops;
	void *own;               /* the back end's */
	struct machine *machine; /* shared, hostile */
	struct virtio_device *device;
	struct guest_memory memory;
	struct virtio_shown shown; /* as main has it: private */
	struct backend_saved *saved;
	bool restored;     /* the device goes on where a snapshot was taken */
	uint64_t features; /* what the driver accepted of them */
	struct virtqueue queue[VIRTIO_QUEUES];
	int bell_event; /* eventfd, -1: nobody asked for it */
	uint32_t heard; /* with it: what its thread took from the bell */
};

/**
 * backend_become - this process, just forked, becomes a back end; does not return
 * @fds, @nfds: the descriptors to keep; standard error is not among them
 */
_Noreturn void backend_become(struct backend *b, const int *fds, unsigned nfds);

/** backend_interrupt - chains of @queue were pushed: tell the driver if it wants to be told */
void backend_interrupt(struct backend *b, unsigned queue);

/** backend_done - what was asked for is done: have the virtual CPU look. From requested(). */
void backend_done(struct backend *b);

/**
 * backend_complete, backend_attention - of a card that is no virtio device: set bits in
 * `completed`; have the virtual CPU look at it now
 *
 * Ask behind the first whether the second is wanted: the cell changes what interrupts, and looks at
 * `completed` behind that.
 */
void backend_complete(struct backend *b, uint32_t bits);
void backend_attention(struct backend *b);

/**
 * backend_again - call serve() for @queue as if its driver had notified; rung() likewise
 *
 * From wait(), serve() or rung().
 */
void backend_again(struct backend *b, unsigned queue);

/** backend_config_changed - the device's configuration, in b->device->config, is another now */
void backend_config_changed(struct backend *b);

/** backend_broken - the driver's queues are nonsense: it must reset the device (2.1.2) */
void backend_broken(struct backend *b);

/**
 * backend_bell_fd - an eventfd that becomes readable when the bell rings
 *
 * Call it in prepare(): a thread stands behind it. wait() polls it among others, reads it (8 bytes)
 * when it is readable, and returns.
 */
int backend_bell_fd(struct backend *b);

#endif
