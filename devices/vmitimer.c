/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/vmitimer.h"

#define NEVER UINT64_MAX

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void vmitimer_reset(struct vmitimer *timer)
{
	*timer = (struct vmitimer){0};
}

void vmitimer_add_stolen(struct vmitimer *timer, uint64_t cycles)
{
	timer->stolen = saturating_add(timer->stolen, cycles);
}

uint64_t vmitimer_counter(const struct vmitimer *timer, uint32_t counter, uint64_t now)
{
	switch (counter) {
	case VMITIMER_REAL:
		return now;
	case VMITIMER_AVAILABLE:
		return now > timer->stolen ? now - timer->stolen : 0;
	case VMITIMER_STOLEN:
		return timer->stolen;
	default:
		return 0;
	}
}

void vmitimer_set(struct vmitimer *timer, uint32_t flags, uint64_t expiry, uint64_t period)
{
	uint32_t counter = flags & VMITIMER_COUNTER;

	if (counter >= VMITIMER_ALARMS)
		return;
	timer->alarm[counter].expiry = expiry;
	timer->alarm[counter].period = flags & VMITIMER_PERIODIC ? period : 0;
	timer->alarm[counter].lvtt = (flags & VMITIMER_LVTT) != 0;
	timer->alarm[counter].armed = 1;
}

unsigned vmitimer_cancel(struct vmitimer *timer, uint32_t flags)
{
	uint32_t counter = flags & VMITIMER_COUNTER;
	unsigned was;

	if (counter >= VMITIMER_ALARMS)
		return 0;
	was = timer->alarm[counter].armed != 0;
	timer->alarm[counter].armed = 0;
	return was;
}

uint64_t vmitimer_next_deadline(const struct vmitimer *timer)
{
	uint64_t real =
	    timer->alarm[VMITIMER_REAL].armed ? timer->alarm[VMITIMER_REAL].expiry : NEVER;
	uint64_t available = NEVER;

	if (timer->alarm[VMITIMER_AVAILABLE].armed)
		available = saturating_add(timer->alarm[VMITIMER_AVAILABLE].expiry, timer->stolen);
	return real < available ? real : available;
}

static bool fire(struct vmitimer *timer, uint32_t counter, uint64_t now)
{
	uint64_t value = vmitimer_counter(timer, counter, now);
	uint64_t expiry = timer->alarm[counter].expiry;
	uint64_t period = timer->alarm[counter].period;
	uint64_t next;

	if (!timer->alarm[counter].armed || value < expiry)
		return false;
	if (period) {
		/* the first of the series that is still to come; no 64-bit time may be */
		next = saturating_add(value - (value - expiry) % period, period);
		timer->alarm[counter].expiry = next;
		timer->alarm[counter].armed = next > value;
	} else {
		timer->alarm[counter].armed = 0;
	}
	return true;
}

unsigned vmitimer_expired(struct vmitimer *timer, uint64_t now)
{
	unsigned raise = 0;

	for (uint32_t counter = 0; counter < VMITIMER_ALARMS; counter++) {
		if (fire(timer, counter, now))
			raise |=
			    timer->alarm[counter].lvtt ? VMITIMER_RAISE_LVTT : VMITIMER_RAISE_IRQ0;
	}
	return raise;
}
