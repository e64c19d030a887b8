/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_MANAGE_H
#define MAIN_MANAGE_H

#include "main/machine_link.h"

/** manage_power_off - cut a machine's power, and wait until it has ended and its name is free
 *
 * Returns 0 or an exit status, with the reason printed. */
int manage_power_off(struct machine_link *l);

#endif
