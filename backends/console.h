/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio's console device (virtio 1.2, 5.3) with several ports: each a stream of bytes between the
 * guest and one client at a time of a Unix socket of the host.
 *
 * A port has a name, by which udev makes /dev/virtio-ports/NAME in a Linux guest, or is a console
 * (hvc0). Several ports may share a socket: a client gets the first that is free. Nobody's bytes
 * are kept here: what a client does not take stays in the guest's queue, and what the guest has no
 * buffers for stays in the socket.
 *
 * THE AGENT'S PORTS. A client is told by one byte whether the guest has such a port open,
 * CONSOLE_GREETING or CONSOLE_NOBODY and the end. A port that a client left is used again when the
 * guest has closed and opened it: what was on the way then is nobody's any longer.
 */
#ifndef BACKENDS_CONSOLE_H
#define BACKENDS_CONSOLE_H

#include "backends/backend.h"

#define CONSOLE_PORTS      ((VIRTIO_QUEUES - 4) / 2 + 1)
#define CONSOLE_NAME       64 /* bytes of a port's name, the NUL included */
#define CONSOLE_QUEUE_SIZE 64
#define CONSOLE_GREETING   '+'
#define CONSOLE_NOBODY     '-'

/* Where a port leads, as main sets it up. */
struct console_port {
	char name[CONSOLE_NAME]; /* empty: there is no such port */
	int listener;            /* a listening socket, not blocking */
	bool terminal;           /* a console of the guest; only port 0, which drivers without
	                            several ports know as well */
	bool agent;
};

struct console_ports {
	struct console_port port[CONSOLE_PORTS];
};

/* backend.own: a struct console_ports. */
extern const struct backend_ops console_ops;

/** console_describe - the features and configuration that show a guest such a device */
void console_describe(struct virtio_shown *shown, void *config);

#endif
