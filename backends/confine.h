/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BACKENDS_CONFINE_H
#define BACKENDS_CONFINE_H

#include "backends/backend.h"

/**
 * backend_confine - give up all that a back end does not need
 * @ops: has the system calls it may make beside those of every back end
 *
 * All threads of this process: no file or socket is opened, no process started, no memory made
 * executable; what is not allowed fails with EPERM. (confine_files() came before the threads.)
 * Returns 0 or an errno.
 */
int backend_confine(const struct backend_ops *ops);

#endif
