/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/pm.h"

#define NEVER         UINT64_MAX
#define NS_PER_SECOND 1000000000u
#define HALF_SHIFT    31 /* PM1_TIMER: each change of the timer's highest bit */

#define ENABLE_WRITABLE  (PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC)
#define CONTROL_WRITABLE PM1_SLEEP_TYPE

static uint64_t ticks_of(uint64_t now)
{
	return now / NS_PER_SECOND * PM_TIMER_HZ +
	       now % NS_PER_SECOND * PM_TIMER_HZ / NS_PER_SECOND;
}

/* Rounded up: at that time, and not before it, so many ticks have passed. */
static uint64_t ns_of(uint64_t ticks)
{
	uint64_t seconds = ticks / PM_TIMER_HZ, rest = ticks % PM_TIMER_HZ;

	if (seconds >= NEVER / NS_PER_SECOND)
		return NEVER;
	return seconds * NS_PER_SECOND + (rest * NS_PER_SECOND + PM_TIMER_HZ - 1) / PM_TIMER_HZ;
}

static uint64_t halves_of(uint64_t now)
{
	return ticks_of(now) >> HALF_SHIFT;
}

static void account(struct pm *pm, uint64_t now)
{
	if (now <= pm->timer_seen)
		return;
	if (halves_of(now) != halves_of(pm->timer_seen))
		pm->status |= PM1_TIMER;
	pm->timer_seen = now;
}

void pm_reset(struct pm *pm, uint64_t now)
{
	*pm = (struct pm){.timer_seen = now, .control = PM1_SCI_ENABLE};
}

static uint8_t byte_of(uint32_t value, unsigned offset)
{
	return (uint8_t)(value >> 8 * (offset & 3));
}

uint8_t pm_read(struct pm *pm, unsigned offset, uint64_t now)
{
	account(pm, now);
	switch (offset) {
	case PM1_STATUS ... PM1_STATUS + 1:
		return byte_of(pm->status, offset);
	case PM1_ENABLE ... PM1_ENABLE + 1:
		return byte_of(pm->enable, offset - PM1_ENABLE);
	case PM1_CONTROL ... PM1_CONTROL + 1:
		return byte_of(pm->control | PM1_SCI_ENABLE, offset);
	case PM_TIMER ... PM_TIMER + 3:
		return byte_of((uint32_t)ticks_of(now), offset);
	default:
		return 0;
	}
}

/* Type and enable bit are in one byte, so whoever writes the word by bytes means the same. */
static bool write_control(struct pm *pm, uint16_t value, uint16_t byte)
{
	pm->control = (uint16_t)((pm->control & ~byte) | (value & byte & CONTROL_WRITABLE));
	return (value & byte & PM1_SLEEP_ENABLE) &&
	       (value & PM1_SLEEP_TYPE) == (PM_S5_TYPE << 10 & PM1_SLEEP_TYPE);
}

bool pm_write(struct pm *pm, unsigned offset, uint8_t value, uint64_t now)
{
	uint16_t byte = offset & 1 ? 0xff00 : 0x00ff, word = (uint16_t)(value * 0x0101u & byte);

	account(pm, now);
	switch (offset) {
	case PM1_STATUS ... PM1_STATUS + 1:
		pm->status &= (uint16_t)~word;
		return false;
	case PM1_ENABLE ... PM1_ENABLE + 1:
		pm->enable = (uint16_t)((pm->enable & ~byte) | (word & ENABLE_WRITABLE));
		return false;
	case PM1_CONTROL ... PM1_CONTROL + 1:
		return write_control(pm, word, byte);
	default:
		return false;
	}
}

void pm_press_power_button(struct pm *pm)
{
	pm->status |= PM1_POWER_BUTTON;
}

bool pm_sci(struct pm *pm, uint64_t now)
{
	account(pm, now);
	return pm->status & pm->enable & ENABLE_WRITABLE;
}

uint64_t pm_next_deadline(const struct pm *pm)
{
	if (!(pm->enable & PM1_TIMER) || (pm->status & PM1_TIMER))
		return NEVER;
	return ns_of((halves_of(pm->timer_seen) + 1) << HALF_SHIFT);
}
