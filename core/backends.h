/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cell's side of the processes that do what virtio devices do (backends/). */
#ifndef CORE_BACKENDS_H
#define CORE_BACKENDS_H

#include "core/core.h"

/**
 * backends_serve - after a port access: wake the back ends that were rung for, and wait for those
 * that must let go of a queue (devices/virtio_pci.h, "Settling")
 */
void backends_serve(void);

#endif
