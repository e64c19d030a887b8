// SPDX-License-Identifier: GPL-2.0-or-later
/* kvmclock: the paravirtual clock that stock kernels find through CPUID leaf 0x40000001. */
#include "core/clock.h"

#include "core/paging.h"

#define MSR_WALL_CLOCK_OLD  0x11u
#define MSR_SYSTEM_TIME_OLD 0x12u
#define MSR_WALL_CLOCK      0x4b564d00u
#define MSR_SYSTEM_TIME     0x4b564d01u

/* struct pvclock_vcpu_time_info, struct pvclock_wall_clock: the ABI of Linux and Xen. */
struct pvclock_time {
	uint32_t version, pad;
	uint64_t tsc, system_ns;
	uint32_t mult;
	int8_t shift;
	uint8_t flags;
	uint8_t pad2[2];
} __attribute__((packed));

struct pvclock_wall {
	uint32_t version, sec, nsec;
};

#define PVCLOCK_TSC_STABLE    1
#define PVCLOCK_GUEST_STOPPED 2 /* the guest clears it, and forgives its watchdogs */

/*
 * The guest computes ns = system_ns + ((tsc - stamp) << shift) * mult >> 32. mult must fill
 * 32 bits for precision; tsc_mult is ns * 2^32 per tick and below 2^32 for any TSC above 1 GHz.
 */
static void fill_time(struct pvclock_time *t, uint8_t flags)
{
	uint64_t mult = M->tsc_mult;
	int8_t shift = 0;

	while (mult >> 32) {
		mult >>= 1;
		shift++;
	}
	while (mult && !(mult >> 31)) {
		mult <<= 1;
		shift--;
	}
	t->tsc = rdtsc();
	t->system_ns = (unsigned __int128)clock_ticks(t->tsc) * M->tsc_mult >> 32;
	t->mult = mult;
	t->shift = shift;
	t->flags = PVCLOCK_TSC_STABLE | flags;
}

static void write_time(uint64_t value, uint8_t flags)
{
	struct pvclock_time *t = physical(value & ~1ull, sizeof *t);

	if (!(value & 1) || !t)
		return;
	t->version = M->kvmclock_version | 1;
	__asm__ volatile("" ::: "memory");
	fill_time(t, flags);
	__asm__ volatile("" ::: "memory");
	M->kvmclock_version += 2;
	t->version = M->kvmclock_version;
}

static void write_wall(uint64_t value)
{
	struct pvclock_wall *w = physical(value, sizeof *w);
	uint64_t boot = M->wall_offset;

	if (!w)
		return;
	/* Wall-clock time at which system_ns was zero. */
	w->version = 2;
	w->sec = boot / 1000000000u;
	w->nsec = boot % 1000000000u;
}

void kvmclock_update(void)
{
	write_time(M->kvmclock_msr, PVCLOCK_GUEST_STOPPED);
}

bool kvmclock_write(uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_SYSTEM_TIME:
	case MSR_SYSTEM_TIME_OLD:
		M->kvmclock_msr = value;
		write_time(value, 0);
		return true;
	case MSR_WALL_CLOCK:
	case MSR_WALL_CLOCK_OLD:
		M->kvmclock_wall_msr = value;
		write_wall(value);
		return true;
	default:
		return false;
	}
}

bool kvmclock_read(uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_SYSTEM_TIME:
	case MSR_SYSTEM_TIME_OLD:
		*value = M->kvmclock_msr;
		return true;
	case MSR_WALL_CLOCK:
	case MSR_WALL_CLOCK_OLD:
		*value = M->kvmclock_wall_msr;
		return true;
	default:
		return false;
	}
}
