/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_RNG_H
#define MAIN_RNG_H

#include "main/devices.h"

/** rng_add - plug in a source of random numbers (--rng). Returns 0 or an exit status. */
int rng_add(struct devices *devices, const char *text);

#endif
