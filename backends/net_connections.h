/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connections that a guest has through libslirp, as far as they must be known to end them:
 * a machine that goes on from a snapshot finds none of its peers. Libslirp answers a segment of a
 * connection that it does not know with RST, but a guest that waits for data sends none. So it is
 * told.
 */
#ifndef BACKENDS_NET_CONNECTIONS_H
#define BACKENDS_NET_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of more, those go first that the guest has closed, then those that sent nothing for longest. */
#define NET_CONNECTIONS 4096u

struct net_connections;

/** net_connections_new - some 200 KiB, without a connection; NULL: no memory */
struct net_connections *net_connections_new(void);
void net_connections_free(struct net_connections *c);

/** net_connections_look - at a frame that the guest sends, of any kind; it is hostile */
void net_connections_look(struct net_connections *c, const uint8_t *frame, size_t n);

/**
 * net_connections_save - what net_connections_load() takes
 *
 * Returns its bytes, or SIZE_MAX if there are more than @room.
 */
size_t net_connections_save(const struct net_connections *c, void *to, size_t room);

/**
 * net_connections_load - connections of a snapshot, which are lost
 *
 * False: @from makes no sense.
 */
bool net_connections_load(struct net_connections *c, const void *from, size_t n);

/**
 * net_connections_reset - reset what was loaded, and forget it
 * @send: called with a frame for the guest for each
 *
 * The sequence number is what the guest has acknowledged last. A guest that has received more than
 * that answers with a segment (RFC 5961, 3.2), and libslirp that with the right number.
 */
void net_connections_reset(struct net_connections *c,
                           void (*send)(void *of, const uint8_t *frame, size_t n), void *of);

#endif
