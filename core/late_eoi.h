/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending an interrupt of the local APIC in memory: MSR_KVM_PV_EOI_EN of Linux's
 * Documentation/virt/kvm/x86/msr.rst, which stock kernels use when CPUID offers it.
 *
 * A write to the APIC's EOI register is an access to a page that is not there: a host signal,
 * several microseconds. When nothing depends on it the core sets a bit in a word the guest has
 * named, and the guest, instead of writing, clears the bit. The core sees that at the next exit.
 */
#ifndef CORE_LATE_EOI_H
#define CORE_LATE_EOI_H

#include "core/core.h"

#define MSR_LATE_EOI 0x4b564d04u

/**
 * late_eoi_enable - WRMSR: name the word
 * @value: bit 0: enable, bits 63 to 2: guest-physical address of 4 bytes
 *
 * False (#GP) when bit 1 is set.
 */
bool late_eoi_enable(uint64_t value);

/** late_eoi_offer - interrupts were delivered: let the guest end the last one in memory */
void late_eoi_offer(void);

/**
 * late_eoi_collect - end the interrupt if the guest has done so in memory
 *
 * To be called before anything that looks at the local APIC's state. If something waits for the
 * end by now, the guest is made to write to the register.
 */
void late_eoi_collect(void);

#endif
