// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/backend.h"

#include "backends/confine.h"
#include "common/landlock.h"
#include "common/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- to the virtual CPU ---- */

static void ring_main(struct machine *m)
{
	if (__atomic_fetch_or(&m->doorbell, DOORBELL_DEVICE, __ATOMIC_SEQ_CST) & DOORBELL_DEVICE)
		return; /* main has not taken the last one yet */
	if (__atomic_exchange_n(&m->main_waits, 0, __ATOMIC_SEQ_CST))
		futex_wake(&m->main_waits);
}

/*
 * The same protocol as vm_kick(): first the bit, then the question whether the virtual CPU sleeps.
 * It says that it sleeps before it looks at the inbox for the last time.
 */
void backend_attention(struct backend *b)
{
	struct machine *m = b->machine;

	if (__atomic_fetch_or(&m->inbox, INBOX_DEVICE, __ATOMIC_SEQ_CST) & INBOX_DEVICE)
		return; /* whoever set it has seen to it that the inbox is looked at */
	if (__atomic_load_n(&m->halted, __ATOMIC_SEQ_CST))
		futex_wake(&m->inbox);
	else if (!__atomic_load_n(&m->attentive, __ATOMIC_SEQ_CST))
		ring_main(m);
}

void backend_complete(struct backend *b, uint32_t bits)
{
	__atomic_fetch_or(&b->device->completed, bits, __ATOMIC_SEQ_CST);
}

static void tell(struct backend *b, uint32_t bits)
{
	backend_complete(b, bits);
	backend_attention(b);
}

void backend_interrupt(struct backend *b, unsigned queue)
{
	if (virtqueue_wants_interrupt(&b->queue[queue]))
		tell(b, 1u << queue);
}

void backend_done(struct backend *b)
{
	tell(b, 1);
}

void backend_config_changed(struct backend *b)
{
	tell(b, VIRTIO_CONFIG_CHANGED);
}

void backend_broken(struct backend *b)
{
	if (!__atomic_exchange_n(&b->device->broken, 1, __ATOMIC_SEQ_CST))
		backend_config_changed(b);
}

/* ---- queues ---- */

/* Take up what the driver has enabled, forget what it has taken back. Returns whether any changed.
 */
static bool look_at_queues(struct backend *b)
{
	bool any = false;

	for (unsigned i = 0; i < b->shown.queues; i++) {
		const struct virtio_queue *r = &b->device->queue[i];
		struct virtqueue *q = &b->queue[i];

		if (__atomic_load_n(&r->generation, __ATOMIC_SEQ_CST) == q->generation)
			continue;
		if (!any) {
			/* A reset, or a driver that goes on: features are settled by now. */
			b->features =
			    __atomic_load_n(&b->device->driver_features, __ATOMIC_RELAXED) &
			    b->device->shown.features & b->shown.features;
			any = true;
		}
		virtqueue_open(q, &b->memory, r, b->features);
	}
	return any;
}

static void drain(struct backend *b)
{
	if (b->ops->requested)
		b->ops->requested(b);
	else if (b->ops->drain)
		b->ops->drain(b);
}

/*
 * The driver took queues back and waits: nothing of them may be touched once this is answered.
 * Returns whether any queue is another now.
 */
static bool settle(struct backend *b)
{
	uint32_t asked = __atomic_load_n(&b->device->settle, __ATOMIC_SEQ_CST);
	bool any;

	if (asked == __atomic_load_n(&b->device->settled, __ATOMIC_SEQ_CST))
		return look_at_queues(b);
	drain(b);
	if (b->ops->settle)
		b->ops->settle(b);
	__atomic_store_n(&b->device->broken, 0, __ATOMIC_SEQ_CST);
	any = look_at_queues(b);
	__atomic_store_n(&b->device->settled, asked, __ATOMIC_SEQ_CST);
	futex_wake(&b->device->settled);
	return any;
}

static void serve_queues(struct backend *b, uint32_t bits)
{
	for (unsigned i = 0; i < b->shown.queues; i++) {
		struct virtqueue *q = &b->queue[i];

		if (!(bits >> i & 1) || !q->live || q->broken)
			continue;
		if (b->ops->listens) {
			b->ops->serve(b, i);
		} else {
			virtqueue_hush(q);
			do
				b->ops->serve(b, i);
			while (virtqueue_listen(q) && !q->broken);
		}
		if (q->broken)
			backend_broken(b);
	}
}

/* ---- the bell ---- */

/*
 * Until the bell is not zero; or for no reason. What is slept on is the word that whoever rings
 * clears: a wake that comes when the bell was taken already, but before the sleep, ends the sleep.
 */
static void wait_for_bell(struct virtio_device *d)
{
	__atomic_store_n(&d->sleeping, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&d->bell, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &d->sleeping, FUTEX_WAIT, 1, NULL, NULL, 0);
	__atomic_store_n(&d->sleeping, 0, __ATOMIC_SEQ_CST);
}

static void *bell_main(void *argument)
{
	struct backend *b = argument;
	uint64_t one = 1;

	for (;;) {
		uint32_t bits = __atomic_exchange_n(&b->device->bell, 0, __ATOMIC_SEQ_CST);

		if (!bits) {
			wait_for_bell(b->device);
			continue;
		}
		__atomic_fetch_or(&b->heard, bits, __ATOMIC_SEQ_CST);
		if (write(b->bell_event, &one, sizeof one) < 0)
			_exit(BACKEND_INTERNAL);
	}
	return NULL;
}

int backend_bell_fd(struct backend *b)
{
	pthread_t thread;

	if (b->bell_event < 0) {
		b->bell_event = eventfd(0, EFD_CLOEXEC);
		if (b->bell_event < 0 || thread_start(&thread, bell_main, b))
			_exit(BACKEND_CONFINE);
	}
	return b->bell_event;
}

static uint32_t take_bell(struct backend *b)
{
	uint32_t *bell = b->bell_event < 0 ? &b->device->bell : &b->heard;

	/* Most often there is nothing, and the cell's cache line stays where it is. */
	return __atomic_load_n(bell, __ATOMIC_SEQ_CST)
	           ? __atomic_exchange_n(bell, 0, __ATOMIC_SEQ_CST)
	           : 0;
}

static void sleep_on_bell(struct backend *b)
{
	uint64_t count;

	if (b->bell_event < 0)
		wait_for_bell(b->device);
	else if (read(b->bell_event, &count, sizeof count) < 0 && errno != EINTR && errno != EAGAIN)
		_exit(BACKEND_INTERNAL);
}

void backend_again(struct backend *b, unsigned queue)
{
	uint32_t *bell = b->bell_event < 0 ? &b->device->bell : &b->heard;

	__atomic_fetch_or(bell, 1u << queue, __ATOMIC_SEQ_CST);
}

/* ---- main's word ---- */

static void answer(struct backend *b, uint32_t control)
{
	__atomic_store_n(&b->device->answered, control, __ATOMIC_SEQ_CST);
	futex_wake(&b->device->answered);
}

/* Nothing is in hand: where each queue goes on is all that a snapshot needs. */
static void save_positions(struct backend *b)
{
	for (unsigned i = 0; i < b->shown.queues; i++)
		if (b->queue[i].live)
			__atomic_store_n(&b->device->queue[i].next, b->queue[i].next_available,
			                 __ATOMIC_SEQ_CST);
}

static void save_own(struct backend *b)
{
	size_t n = b->ops->save ? b->ops->save(b, b->saved->data, sizeof b->saved->data) : 0;

	b->saved->bytes = n <= sizeof b->saved->data ? (uint32_t)n : UINT32_MAX;
}

static void load_own(struct backend *b)
{
	if (b->restored && b->ops->load && !b->ops->load(b, b->saved->data, b->saved->bytes))
		_exit(BACKEND_RESTORE);
}

/* After a pause: what was rung for meanwhile, and all queues, which may be others now. */
static uint32_t obey(struct backend *b)
{
	struct virtio_device *d = b->device;
	uint32_t control = __atomic_load_n(&d->control, __ATOMIC_SEQ_CST), rung = 0;

	while (control != VIRTIO_CONTROL_RUN) {
		drain(b);
		save_positions(b);
		save_own(b);
		answer(b, control);
		if (control == VIRTIO_CONTROL_STOP)
			_exit(BACKEND_STOPPED);
		rung |= VIRTIO_BELL_QUEUES;
		while (__atomic_load_n(&d->control, __ATOMIC_SEQ_CST) == control) {
			uint32_t bits = take_bell(b);

			rung |= bits;
			if (!bits)
				sleep_on_bell(b);
		}
		control = __atomic_load_n(&d->control, __ATOMIC_SEQ_CST);
	}
	if (rung)
		answer(b, control);
	return rung;
}

/* ---- the loop ---- */

static _Noreturn void backend_loop(struct backend *b)
{
	for (;;) {
		uint32_t bits = take_bell(b);

		if (!bits) {
			if (b->ops->wait)
				b->ops->wait(b);
			else
				sleep_on_bell(b);
			bits = take_bell(b);
		}
		if (bits & VIRTIO_BELL_STATUS)
			bits |= obey(b);
		/* What was put into a ring before it was enabled may never be notified of. */
		if ((bits & VIRTIO_BELL_STATUS) && settle(b))
			bits |= VIRTIO_BELL_QUEUES | VIRTIO_BELL_CONFIG;
		if ((bits & VIRTIO_BELL_CONFIG) && b->ops->changed)
			b->ops->changed(b);
		if (b->ops->requested)
			b->ops->requested(b);
		else if (bits & VIRTIO_BELL_QUEUES)
			serve_queues(b, bits);
		if (bits && b->ops->rung)
			b->ops->rung(b, bits);
	}
}

/* Every descriptor but those to keep; the standard ones as well. */
static void close_others(const int *fds, unsigned nfds)
{
	unsigned from = 0;

	for (;;) {
		unsigned next = ~0u;

		for (unsigned i = 0; i < nfds; i++)
			if ((unsigned)fds[i] >= from && (unsigned)fds[i] < next)
				next = (unsigned)fds[i];
		if (next > from)
			close_range(from, next - 1, 0);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}

void backend_become(struct backend *b, const int *fds, unsigned nfds)
{
	sigset_t none;

	/* What the terminal or `timeout` sends is for main to decide. */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A limit on the size of files (ulimit -f) is an error of one request, as a full disk is.
	 */
	signal(SIGXFSZ, SIG_IGN);
	close_others(fds, nfds);
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		b->queue[i] = (struct virtqueue){0};
	b->bell_event = -1;
	if (b->ops->confine)
		b->ops->confine(b);
	else
		confine_files(-1);
	if (b->ops->prepare)
		b->ops->prepare(b);
	if (backend_confine(b->ops))
		_exit(BACKEND_CONFINE);
	load_own(b);
	/* What main or the guest did before. */
	__atomic_fetch_or(&b->heard, VIRTIO_BELL_STATUS, __ATOMIC_SEQ_CST);
	if (b->bell_event < 0)
		__atomic_fetch_or(&b->device->bell, VIRTIO_BELL_STATUS, __ATOMIC_SEQ_CST);
	backend_loop(b);
}
