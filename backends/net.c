// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/net.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Chains taken before the host is looked at again. */
#define TRANSMIT_AT_ONCE  64u
/* Chains that one frame may take: each has room for a small frame, or is nonsense. */
#define MERGED_MAX        64u
/* Bytes of frames that wait for a guest at most; what comes then is lost, as on any network. */
#define WAITING_BYTES_MAX (4u << 20)
#define LEGACY_HEADER     10u /* without num_buffers */
#define STATUS_AT         offsetof(struct virtio_net_config, status)

_Static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "virtio 1.2, 5.1.6");

struct waiting_frame {
	struct waiting_frame *next;
	size_t n;
	bool checked;
	uint8_t bytes[];
};

/* ---- to the guest ---- */

enum delivery { DELIVERED, LOST, NO_ROOM };

static void put_back(struct virtqueue *q, unsigned chains)
{
	while (chains--)
		virtqueue_unpop(q);
}

static enum delivery broken(struct net *net)
{
	net->backend->queue[NET_RECEIVE].broken = true;
	backend_broken(net->backend);
	return LOST;
}

/*
 * Header and frame into as many chains as they take, which the driver is given at once. The header,
 * which has their number, is in the first.
 */
static enum delivery deliver(struct net *net, const uint8_t *frame, size_t n, bool checked)
{
	struct virtqueue *q = &net->backend->queue[NET_RECEIVE];
	struct virtio_net_hdr_v1 h = {.flags = checked && net->vouches ? VIRTIO_NET_HDR_F_DATA_VALID
	                                                               : 0};
	struct virtqueue_used used[MERGED_MAX];
	size_t done = 0;
	unsigned chains = 0;

	while (done < n || !chains) {
		struct chain *chain = chains ? &net->chain : &net->head;
		size_t skip = chains ? 0 : net->header_bytes, written;

		if (chains == MERGED_MAX || (chains && !net->merges)) {
			put_back(q, chains);
			return LOST;
		}
		if (!virtqueue_pop(q, chain)) {
			put_back(q, chains);
			net->too_few = (uint16_t)chains;
			return q->broken ? broken(net) : NO_ROOM;
		}
		if (chain->writable_bytes < skip) {
			put_back(q, chains + 1);
			return broken(net);
		}
		written = chain_write(chain, skip, frame + done, n - done);
		done += written;
		used[chains++] = (struct virtqueue_used){chain->head, (uint32_t)(skip + written)};
	}
	h.num_buffers = (uint16_t)chains;
	chain_write(&net->head, 0, &h, net->header_bytes);
	virtqueue_push_all(q, used, chains);
	net->received = true;
	return DELIVERED;
}

/* As deliver(); when there is no room the driver will notify of the next chain. */
static bool deliver_or_listen(struct net *net, const uint8_t *frame, size_t n, bool checked)
{
	struct virtqueue *q = &net->backend->queue[NET_RECEIVE];

	if (net->model)
		return net->model->deliver(net, frame, n);
	if (!q->live || q->broken)
		return true; /* lost: there is no driver */
	while (deliver(net, frame, n, checked) == NO_ROOM)
		/* The chains that are there are too few for this frame. */
		if (!virtqueue_listen_beyond(q, net->too_few) || q->broken)
			return q->broken;
	return true;
}

void net_drop_waiting(struct net *net)
{
	while (net->first) {
		struct waiting_frame *f = net->first;

		net->first = f->next;
		free(f);
	}
	net->last = &net->first;
	net->waiting_bytes = 0;
}

static void wait_for_room(struct net *net, const uint8_t *frame, size_t n, bool checked)
{
	struct waiting_frame *f;

	f = net->waiting_bytes + sizeof *f + n > WAITING_BYTES_MAX ? NULL : malloc(sizeof *f + n);
	if (!f) {
		if (net->model)
			net->model->overflow(net);
		return;
	}
	f->next = NULL;
	f->n = n;
	f->checked = checked;
	memcpy(f->bytes, frame, n);
	*net->last = f;
	net->last = &f->next;
	net->waiting_bytes += sizeof *f + n;
}

static void give(struct net *net, const uint8_t *frame, size_t n, bool checked)
{
	if (net->first || !deliver_or_listen(net, frame, n, checked))
		wait_for_room(net, frame, n, checked);
}

static void give_part(void *of, const uint8_t *part, size_t n)
{
	give(of, part, n, false);
}

void net_receive(struct net *net, const uint8_t *frame, size_t n, bool checked)
{
	if (!net->plugged || n > NET_FRAME_MAX)
		return;
	if (n <= NET_ETHERNET_BYTES + 4 + net->guest_mtu)
		give(net, frame, n, checked && net_frame_checked(frame, n));
	else
		net_frame_fragment(frame, n, net->guest_mtu, give_part, net);
}

bool net_has_room(const struct net *net)
{
	return !net->first;
}

void net_tell(struct net *net)
{
	if (net->model) {
		net->model->tell(net);
		return;
	}
	if (!net->received)
		return;
	net->received = false;
	backend_interrupt(net->backend, NET_RECEIVE);
}

void net_give_waiting(struct net *net)
{
	while (net->first) {
		struct waiting_frame *f = net->first;

		if (!deliver_or_listen(net, f->bytes, f->n, f->checked))
			return;
		net->first = f->next;
		if (!net->first)
			net->last = &net->first;
		net->waiting_bytes -= sizeof *f + f->n;
		free(f);
	}
}

/* ---- from the guest ---- */

void net_transmit(struct net *net, const struct chain *chain)
{
	struct virtio_net_hdr_v1 h = {0};
	uint64_t n = chain->readable_bytes;

	if (chain_read(chain, 0, &h, net->header_bytes) != net->header_bytes)
		return;
	n -= net->header_bytes;
	if (n < NET_ETHERNET_BYTES || n > NET_FRAME_MAX || !net->plugged)
		return;
	chain_read(chain, net->header_bytes, net->frame, (size_t)n);
	net->send(net, &h, net->frame, (size_t)n);
}

static void take_all(struct net *net, struct virtqueue *q)
{
	unsigned n = 0;

	virtqueue_hush(q);
	while (n < TRANSMIT_AT_ONCE && virtqueue_pop(q, &net->chain)) {
		uint16_t head = net->chain.head;

		/* What the peer answers at once may need the memory of the chain. */
		net_transmit(net, &net->chain);
		virtqueue_push(q, head, 0);
		n++;
	}
	if (n == TRANSMIT_AT_ONCE || virtqueue_listen(q))
		backend_again(net->backend, NET_TRANSMIT);
	if (n)
		backend_interrupt(net->backend, NET_TRANSMIT);
}

void net_serve(struct backend *b, unsigned queue)
{
	struct net *net = b->own;

	if (queue == NET_RECEIVE) {
		virtqueue_hush(&b->queue[queue]);
		net_give_waiting(net);
	} else {
		take_all(net, &b->queue[queue]);
	}
	net_tell(net);
}

/* ---- other cards ---- */

void net_rung(struct backend *b, uint32_t bits)
{
	struct net *net = b->own;

	if (net->model)
		net->model->rung(net, bits);
}

void net_settle(struct backend *b)
{
	struct net *net = b->own;

	if (net->model)
		net->model->settle(net);
}

/* ---- the device ---- */

void net_changed(struct backend *b)
{
	struct net *net = b->own;
	uint64_t f = b->features;

	net->merges = f >> VIRTIO_NET_F_MRG_RXBUF & 1;
	net->vouches = f >> VIRTIO_NET_F_GUEST_CSUM & 1;
	net->header_bytes = net->merges || (f >> VIRTIO_F_VERSION_1 & 1)
	                        ? sizeof(struct virtio_net_hdr_v1)
	                        : LEGACY_HEADER;
	net->guest_mtu = f >> VIRTIO_NET_F_MTU & 1 ? net->mtu : NET_STANDARD_MTU;
	net_drop_waiting(net);
	virtqueue_hush(&b->queue[NET_RECEIVE]);
}

void net_look_at_plug(struct net *net)
{
	uint8_t *status = net->backend->device->config + STATUS_AT;
	bool plugged = __atomic_load_n(net->plug, __ATOMIC_SEQ_CST);
	uint8_t is = plugged ? VIRTIO_NET_S_LINK_UP : 0;

	if (plugged != net->plugged)
		net_drop_waiting(net);
	net->plugged = plugged;
	if (net->model) {
		net->model->show_cable(net, plugged);
		return;
	}
	/* A machine that starts anew, or from a snapshot, may have been told something else. */
	if (__atomic_exchange_n(status, is, __ATOMIC_SEQ_CST) != is)
		backend_config_changed(net->backend);
}

void net_start(struct net *net, struct backend *b)
{
	net->backend = b;
	net->plugged = true;
	net->last = &net->first;
	net->header_bytes = LEGACY_HEADER;
	net->guest_mtu = NET_STANDARD_MTU;
	if (net->model)
		net->model->start(net);
	net_look_at_plug(net);
}

void net_describe(const struct net *net, struct virtio_shown *shown, void *config)
{
	struct virtio_net_config c = {
	    .status = VIRTIO_NET_S_LINK_UP, .max_virtqueue_pairs = 1, .mtu = net->mtu};
	uint64_t f = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS |
	             1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_GUEST_CSUM |
	             1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX;

	if (net->model) {
		net->model->describe(net, shown, config);
		return;
	}
	if (net->offloads)
		f |= 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |
		     1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_HOST_ECN;
	if (net->mtu)
		f |= 1ull << VIRTIO_NET_F_MTU;
	memcpy(c.mac, net->mac, NET_MAC_BYTES);
	*shown = (struct virtio_shown){.id = VIRTIO_ID_NET,
	                               .queues = 2,
	                               .queue_size = NET_QUEUE_SIZE,
	                               .config_bytes = offsetof(struct virtio_net_config, speed),
	                               .features = f};
	memcpy(config, &c, shown->config_bytes);
}
