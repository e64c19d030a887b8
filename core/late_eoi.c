// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/late_eoi.h"

#include "core/clock.h"
#include "core/paging.h"

#define ENABLE   1u
#define RESERVED 2u
#define MAY_WAIT 1u /* in the word: KVM_PV_EOI_ENABLED */

static uint32_t *word(void)
{
	if (!(M->late_eoi_msr & ENABLE))
		return NULL;
	return physical(M->late_eoi_msr & ~3ull, sizeof(uint32_t));
}

bool late_eoi_enable(uint64_t value)
{
	if (value & RESERVED)
		return false;
	late_eoi_collect();
	M->late_eoi_msr = value;
	M->late_eoi_armed = 0;
	return true;
}

void late_eoi_offer(void)
{
	uint32_t *w = word();

	if (!fast(FAST_LATE_EOI) || M->late_eoi_armed || !w ||
	    !lapic_eoi_may_wait(&M->platform.lapic))
		return;
	*w |= MAY_WAIT;
	M->late_eoi_armed = 1;
}

void late_eoi_collect(void)
{
	uint32_t *w;

	if (!M->late_eoi_armed)
		return;
	w = word();
	if (!w) {
		M->late_eoi_armed = 0;
	} else if (!(*w & MAY_WAIT)) {
		M->late_eoi_armed = 0;
		platform_mmio_write(&M->platform, PLATFORM_LAPIC_PA + LAPIC_EOI, 4, 0, clock_now());
	} else if (!lapic_eoi_may_wait(&M->platform.lapic)) {
		*w &= ~MAY_WAIT;
		M->late_eoi_armed = 0;
	}
}
