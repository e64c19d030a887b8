/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_BOOT_H
#define CORE_BOOT_H

/** core_boot - first activation of the virtual CPU: registers as machine.boot says */
void core_boot(void);

#endif
