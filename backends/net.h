/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network device, and what it is plugged into: the user's own network by libslirp
 * (backends/net_user.c), or a tap device (backends/net_tap.c). The guest is shown virtio's (virtio
 * 1.2, 5.1), with one pair of queues, or for guests without a driver for that another card: a
 * struct net_model (backends/net_rtl8139.c).
 *
 * One thread does all of it, in the back end's process: no lock is needed.
 */
#ifndef BACKENDS_NET_H
#define BACKENDS_NET_H

#include "backends/backend.h"
#include "backends/net_frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_QUEUE_SIZE 256
#define NET_RECEIVE    0u /* queues */
#define NET_TRANSMIT   1u
#define NET_MAC_BYTES  6u

struct Slirp;
struct net_reassembly;
struct net_connections;
struct waiting_frame;
struct net;
struct rtl8139;

/* What is different with cards that are not virtio's. */
struct net_model {
	void (*describe)(const struct net *net, struct virtio_shown *shown, void *config);
	void (*start)(struct net *net);
	/* Give the guest a frame; it is lost if nobody wants it. False: no room; the driver will
	 * ring. */
	bool (*deliver)(struct net *net, const uint8_t *frame, size_t n);
	/* A frame was lost because too many waited for room. */
	void (*overflow)(struct net *net);
	/* Tell the guest of what it was given, and what of its frames was sent. */
	void (*tell)(struct net *net);
	void (*show_cable)(struct net *net, bool in);
	/* The members of struct backend_ops. */
	void (*rung)(struct net *net, uint32_t bits);
	void (*settle)(struct net *net);
};

extern const struct net_model net_rtl8139;

struct net {
	/* Filled in before it is described. */
	const struct net_model *model; /* NULL: virtio's */
	uint8_t mac[NET_MAC_BYTES];
	uint16_t mtu;   /* told to the guest; 0: not */
	bool offloads;  /* the peer takes packets without checksum, and large segments */
	uint32_t *plug; /* 1: the cable is in; main's, in memory that no guest has */
	int poke;       /* eventfd: look at the plug */
	struct Slirp *slirp;
	struct net_reassembly *parts;        /* what libslirp is not given */
	struct net_connections *connections; /* what a snapshot ends */
	int tap;
	bool tap_headers; /* the tap device takes and gives virtio headers */
	/* To the peer. @frame has room for NET_FRAME_MAX bytes and may be changed. */
	void (*send)(struct net *net, const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t n);

	/* The back end's. */
	struct backend *backend;
	bool plugged;
	bool merges;           /* a frame may take several chains (MRG_RXBUF) */
	bool vouches;          /* the driver believes DATA_VALID (GUEST_CSUM) */
	unsigned header_bytes; /* in front of each frame */
	unsigned guest_mtu;    /* of the largest IP packet that the guest is sent */
	uint16_t too_few;      /* chains that the last frame found, and were no room for it */
	bool received;         /* frames were given to the guest, and it was not told */
	struct waiting_frame *first, **last;
	size_t waiting_bytes;
	struct chain chain, head;
	uint8_t frame[NET_FRAME_MAX];
	struct {
		struct rtl8139 *registers; /* shared, hostile */
		uint32_t receive_epoch, transmit_epoch, settled, at, next, done;
	} rtl8139;
};

extern const struct backend_ops net_user_ops, net_tap_ops;

/** net_describe - the features and configuration that show a guest this device */
void net_describe(const struct net *net, struct virtio_shown *shown, void *config);

/** net_transmit - send what a chain of the driver holds; nonsense is dropped */
void net_transmit(struct net *net, const struct chain *chain);

/**
 * net_receive - a frame for the guest
 * @checked: the checksums in it are right
 *
 * It waits if the guest has no room for it now, unless too much does. Ask net_has_room() before
 * more is fetched from the host; call net_tell() when all that came at once has been given.
 */
void net_receive(struct net *net, const uint8_t *frame, size_t n, bool checked);
bool net_has_room(const struct net *net);
void net_tell(struct net *net);

/** net_give_waiting - the guest may have room again; net_drop_waiting - it starts afresh */
void net_give_waiting(struct net *net);
void net_drop_waiting(struct net *net);

/** net_look_at_plug - the cable may have been taken out or put in: tell the guest */
void net_look_at_plug(struct net *net);

/* What the two back ends have in common: members of their struct backend_ops. */
void net_start(struct net *net, struct backend *b);
void net_serve(struct backend *b, unsigned queue);
void net_changed(struct backend *b);
void net_rung(struct backend *b, uint32_t bits);
void net_settle(struct backend *b);

#endif
