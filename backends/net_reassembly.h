/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv4 datagrams that a guest sends in parts (RFC 791, 3.2), put together before libslirp sees
 * them. It can do so itself, but not with parts that a hostile guest made: in 4.7.0, as Debian
 * builds it, a last part that comes first is followed to nowhere, and parts whose headers differ in
 * length have it send what lies behind them in memory.
 *
 * Parts that overlap others, or say different things of where the datagram ends, take the whole of
 * it with them, as in Linux: nobody means well by them.
 */
#ifndef BACKENDS_NET_REASSEMBLY_H
#define BACKENDS_NET_REASSEMBLY_H

#include <stddef.h>
#include <stdint.h>

/* Datagrams at a time; the oldest makes room for one more. */
#define NET_DATAGRAMS     16u
/* A datagram has to be whole by then (Linux: ipfrag_time). */
#define NET_REASSEMBLE_MS 30000

struct net_reassembly;

/** net_reassembly_new - some 1 MiB, used when it is needed; NULL: no memory */
struct net_reassembly *net_reassembly_new(void);
void net_reassembly_free(struct net_reassembly *r);

/**
 * net_reassemble - a frame, or the datagram that it completes
 * @frame, @n: a frame of the guest, which is hostile; n becomes the bytes of what is returned
 * @now_ms: of any clock that does not go back
 *
 * Returns @frame, if it is no part of an IPv4 datagram; a frame with the whole of one, valid until
 * the next call; or NULL: the part is kept until then, or it fits nothing and was dropped.
 */
uint8_t *net_reassemble(struct net_reassembly *r, uint8_t *frame, size_t *n, int64_t now_ms);

#endif
