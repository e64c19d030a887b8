// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/rng.h"

#include "backends/rng.h"
#include "main/report.h"

#include <linux/virtio_ids.h>

int rng_add(struct devices *devices, const char *text)
{
	struct device *d = devices_add(devices, "rng", text);

	if (!d)
		return EXIT_USAGE;
	d->shown =
	    (struct virtio_shown){.id = VIRTIO_ID_RNG, .queues = 1, .queue_size = RNG_QUEUE_SIZE};
	d->ops = &rng_ops;
	return 0;
}
