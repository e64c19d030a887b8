// SPDX-License-Identifier: GPL-2.0-or-later
/* A network device behind which is a tap device of the host: whatever that is connected to. */
#include "backends/net.h"

#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Frames taken before the guest's queue is looked at again. */
#define READ_AT_ONCE 64u

static void send_frame(struct net *net, const struct virtio_net_hdr_v1 *h, uint8_t *frame, size_t n)
{
	struct virtio_net_hdr_v1 header = *h;
	struct iovec part[2] = {{&header, sizeof header}, {frame, n}};

	/* A full queue of the host, or a header that it does not believe: the frame is lost. */
	if (net->tap_headers) {
		header.num_buffers = 0;
		if (writev(net->tap, part, 2) < 0)
			return;
	} else if (write(net->tap, frame, n) < 0) {
		return;
	}
}

static void take_frames(struct net *net)
{
	static uint8_t frame[NET_FRAME_MAX];

	for (unsigned i = 0; i < READ_AT_ONCE && net_has_room(net); i++) {
		struct virtio_net_hdr_v1 h = {0};
		struct iovec part[2] = {{&h, sizeof h}, {frame, sizeof frame}};
		unsigned header = net->tap_headers ? sizeof h : 0;
		ssize_t n = readv(net->tap, part + !header, header ? 2 : 1);

		if (n < (ssize_t)header)
			break;
		net_receive(net, frame, (size_t)n - header, h.flags & VIRTIO_NET_HDR_F_DATA_VALID);
	}
	net_tell(net);
}

static void wait_for_host(struct backend *b)
{
	struct net *net = b->own;
	struct pollfd fds[] = {{b->bell_event, POLLIN, 0},
	                       {net->poke, POLLIN, 0},
	                       {net_has_room(net) ? net->tap : -1, POLLIN, 0}};
	uint64_t count;

	if (poll(fds, 3, -1) < 0)
		return;
	if (fds[0].revents && read(b->bell_event, &count, sizeof count) < 0 && errno != EINTR)
		_exit(BACKEND_INTERNAL);
	if (fds[1].revents && read(net->poke, &count, sizeof count) > 0)
		net_look_at_plug(net);
	if (fds[2].revents & POLLIN)
		take_frames(net);
	else if (fds[2].revents)
		_exit(BACKEND_INTERNAL); /* the host took the device away */
}

static void prepare(struct backend *b)
{
	struct net *net = b->own;

	net->send = send_frame;
	net_start(net, b);
	backend_bell_fd(b);
}

static const int calls[] = {
    SCMP_SYS(read),   /* read() of the bell */
    SCMP_SYS(write),  /* bell_main() */
    SCMP_SYS(poll),   /* poll() */
    SCMP_SYS(readv),  /* readv() */
    SCMP_SYS(writev), /* writev() */
    SCMP_SYS(mmap),   /* malloc() of frames that wait (net.c), without PROT_EXEC */
    SCMP_SYS(munmap), /* free() */
    SCMP_SYS(brk),    /* malloc(), free() */
};

const struct backend_ops net_tap_ops = {.prepare = prepare,
                                        .serve = net_serve,
                                        .changed = net_changed,
                                        .rung = net_rung,
                                        .settle = net_settle,
                                        .wait = wait_for_host,
                                        .listens = true,
                                        .calls = calls,
                                        .ncalls = sizeof calls / sizeof *calls};
