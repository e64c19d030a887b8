// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/backends.h"

#include "cell/host.h"
#include "core/alarm.h"

/*
 * On a processor that both share, the back end often runs before the host's call returns, and is
 * done by then. It need not have the virtual CPU kicked: here it looks by itself.
 */
static void wake(struct virtio_device *d)
{
	if (!__atomic_exchange_n(&d->sleeping, 0, __ATOMIC_SEQ_CST))
		return;
	__atomic_store_n(&M->attentive, 1, __ATOMIC_SEQ_CST);
	host_futex_wake(&d->sleeping);
	__atomic_store_n(&M->attentive, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&M->inbox, __ATOMIC_SEQ_CST) & INBOX_DEVICE) {
		__atomic_fetch_and(&M->inbox, ~INBOX_DEVICE, __ATOMIC_SEQ_CST);
		devices_run();
	}
}

/* Main ends the machine when a back end dies, so this does not last. */
static void wait_settled(struct virtio_device *d)
{
	uint32_t done;

	while ((done = __atomic_load_n(&d->settled, __ATOMIC_SEQ_CST)) != d->settle)
		host_futex_wait(&d->settled, done, UINT64_MAX);
}

void backends_serve(void)
{
	struct virtio_bus *bus = &M->platform.virtio;
	uint32_t rung = bus->rung & ((1u << VIRTIO_DEVICES) - 1);
	uint32_t settling = bus->settling & ((1u << VIRTIO_DEVICES) - 1);

	bus->rung = 0;
	bus->settling = 0;
	for (; rung; rung &= rung - 1)
		wake(&bus->device[__builtin_ctz(rung)]);
	for (; settling; settling &= settling - 1)
		wait_settled(&bus->device[__builtin_ctz(settling)]);
}
