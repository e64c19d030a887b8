/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --share TAG=DIR[,ro][,map=root|none] */
#ifndef MAIN_SHARES_H
#define MAIN_SHARES_H

#include "main/devices.h"

/**
 * shares_add - open the directory that an option's text names, and add it to the machine's devices
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int shares_add(struct devices *devices, const char *option);

/** shares_close - close all of them */
void shares_close(void);

#endif
