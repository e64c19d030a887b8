/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio's entropy device (virtio 1.2, 5.4): one queue of buffers, filled by the host's getrandom.
 */
#ifndef BACKENDS_RNG_H
#define BACKENDS_RNG_H

#include "backends/backend.h"

extern const struct backend_ops rng_ops;

#define RNG_QUEUE_SIZE 8

#endif
