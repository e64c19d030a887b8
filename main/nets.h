/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --net user[,...] | tap,... and the cables of the devices. */
#ifndef MAIN_NETS_H
#define MAIN_NETS_H

#include "main/devices.h"

#include <stdbool.h>
#include <stdio.h>

/**
 * nets_add - open the network that an option's text names, and add it to the machine's devices
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int nets_add(struct devices *devices, const char *option);

/** nets_close - close all networks, and the ports that were forwarded */
void nets_close(void);

/**
 * nets_plug - take a device's cable out, or put it in
 * @name: "net0" is the first
 *
 * The guest is told. It lasts until it is changed again, over reboots. May be called by a confined
 * main. False: there is no such device.
 */
bool nets_plug(const char *name, bool in);

/** nets_print - what there is, a line each */
void nets_print(FILE *to);

#endif
