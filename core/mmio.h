/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers in memory: the local APIC, the IO-APIC, MSI-X tables. */
#ifndef CORE_MMIO_H
#define CORE_MMIO_H

#include "core/core.h"

/**
 * mmio_access - carry out the instruction at EIP, which accesses device memory
 * @pa: guest-physical address it accesses, platform_is_mmio() says yes
 *
 * Understands the moves that drivers use: MOV, MOVZX, XCHG of 1, 2 and 4 bytes. False for any
 * other instruction; nothing has happened then.
 */
bool mmio_access(uint64_t pa);

#endif
