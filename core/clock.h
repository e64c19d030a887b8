/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest time: nanoseconds of the host's TSC since the machine was started. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/core.h"

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* 0 before the start; a base in the upper half stands for one below 0 (common/guest_clock.h). */
static inline uint64_t clock_ticks(uint64_t tsc)
{
	uint64_t base = __atomic_load_n(&M->tsc_base, __ATOMIC_RELAXED);

	return tsc < base && !(base >> 63) ? 0 : tsc - base;
}

/** clock_now - guest monotonic time in ns */
static inline uint64_t clock_now(void)
{
	return (unsigned __int128)clock_ticks(rdtsc()) * M->tsc_mult >> 32;
}

/** clock_of_tsc - the guest ns at which the TSC reads @tsc; UINT64_MAX stays that */
static inline uint64_t clock_of_tsc(uint64_t tsc)
{
	unsigned __int128 ns = (unsigned __int128)clock_ticks(tsc) * M->tsc_mult >> 32;

	return tsc == UINT64_MAX || ns >> 64 ? UINT64_MAX : (uint64_t)ns;
}

/**
 * kvmclock_write - WRMSR to one of the paravirtual clock's registers
 * @msr: MSR_KVM_SYSTEM_TIME_NEW or MSR_KVM_WALL_CLOCK_NEW, or their old numbers
 * @value: guest-physical address of the structure, bit 0: enable
 *
 * Linux Documentation/virt/kvm/x86/msr.rst. False for any other MSR.
 */
bool kvmclock_write(uint32_t msr, uint64_t value);
bool kvmclock_read(uint32_t msr, uint64_t *value);

/** kvmclock_update - the machine stood still, and the clock may have moved: tell a kvmclock guest
 */
void kvmclock_update(void);

#endif
