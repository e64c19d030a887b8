/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The non-maskable interrupt (SDM volume 3, 6.7). */
#ifndef CORE_NMI_H
#define CORE_NMI_H

#include "core/core.h"

/** nmi_waits - is one on its way, and not kept out by the one before? */
static inline bool nmi_waits(void)
{
	return platform_nmi(&M->platform) && !M->nmi.blocked;
}

/**
 * nmi_deliver - on the way back to the guest: enter the handler if one waits
 *
 * Where the ROM is in the middle of something it waits until somebody looks again: main, within
 * 100 us.
 */
void nmi_deliver(void);

/** nmi_unblock - an IRET is executed, be it to fault: the next one is let in (6.7.1) */
void nmi_unblock(void);

#endif
