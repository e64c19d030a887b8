/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile guest against the APICs and the VMI timer: register accesses, line events, alarms and
 * leaps of time. Half of the inputs start from a machine whose APICs hold the input's bytes and may
 * be rewritten on the way: nothing may leave struct platform (ASan: it is a heap block of its
 * exact size), be undefined (UBSan) or fail to end. The others start from reset, and then what the
 * models promise is checked as well.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devices/ports.h"

#define STEP_BYTES 8
#define MAX_STEPS  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct platform *platform;
	uint64_t now;
	bool hostile;
};

static uint64_t load(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return value;
}

static void promise(bool kept)
{
	if (!kept)
		__builtin_trap();
}

static uint32_t address(uint8_t selector, uint8_t spare)
{
	if (selector & 0x80)
		return PLATFORM_IOAPIC_PA + (selector & 0x10) + (spare & 3);
	return PLATFORM_LAPIC_PA + (selector & 0x3fu) * 16 + (spare & 0x80 ? spare & 15 : 0);
}

/* A vector that is given to the processor is legal, was asked for, and is in service. */
static void take_interrupt(struct run *run)
{
	struct lapic *lapic = &run->platform->lapic;
	bool expected = lapic_intr(lapic);
	struct lapic before = *lapic;
	int vector = platform_acknowledge(run->platform);

	promise(vector >= 0 && vector < 256);
	if (run->hostile || !expected)
		return;
	promise(vector >= 16);
	promise(before.irr[vector / 32] >> vector % 32 & 1);
	promise(lapic->isr[vector / 32] >> vector % 32 & 1);
	promise((vector & 0xf0) > (int)(before.tpr & 0xf0));
}

static void carry(struct run *run)
{
	struct platform *platform = run->platform;

	platform_update_irqs(platform, run->now);
	if (run->hostile)
		return;
	promise(lapic_next_deadline(&platform->lapic) > run->now || run->now == UINT64_MAX);
	promise(!((platform->lapic.irr[0] | platform->lapic.isr[0]) & 0xffff));
}

static void use_vmitimer(struct run *run, const uint8_t *s)
{
	struct vmitimer *timer = &run->platform->vmitimer;
	uint64_t value = load(s + 4, 4) << (s[2] & 63);

	switch (s[1] & 7) {
	case 0:
		vmitimer_add_stolen(timer, value);
		break;
	case 1:
		(void)vmitimer_cancel(timer, s[4]);
		break;
	case 2:
		(void)vmitimer_counter(timer, s[4] & 3, run->now);
		break;
	case 3:
		platform_update_vmitimer(run->platform, run->now);
		promise(run->hostile || vmitimer_expired(timer, run->now) == 0);
		break;
	default:
		vmitimer_set(timer, (uint32_t)load(s + 1, 3), run->now + value,
		             value >> (s[7] & 31));
		break;
	}
}

static void rewrite(struct run *run, const uint8_t *s)
{
	size_t at = load(s + 1, 3) % sizeof(*run->platform);

	if (run->hostile)
		((uint8_t *)run->platform)[at] = s[4];
	else
		lapic_set_global(&run->platform->lapic, s[4] & 1);
}

/* Time stops at its end; only a hostile machine's starts over. */
static void leap(struct run *run, uint64_t ns)
{
	if (run->hostile || ns <= UINT64_MAX - run->now)
		run->now += ns;
}

/* ACPI's registers: what was pending and enabled is what the line says. */
static void power(struct run *run, const uint8_t *s)
{
	struct platform *platform = run->platform;
	uint16_t port = (uint16_t)(PLATFORM_PM_PORT + (s[2] & 15));

	if (s[1] & 0x80)
		pm_press_power_button(&platform->pm);
	if (s[1] & 0x40)
		platform_out(platform, port, 1u << (s[1] & 3), (uint32_t)load(s + 4, 4), run->now);
	else
		(void)platform_in(platform, port, 1u << (s[1] & 3), run->now);
	if (run->hostile)
		return;
	promise((platform->pm.control & ~(PM1_SCI_ENABLE | PM1_SLEEP_TYPE)) == 0);
	promise(pm_sci(&platform->pm, run->now) ==
	        ((platform->pm.status & platform->pm.enable) != 0));
	promise(pm_next_deadline(&platform->pm) > run->now || run->now == UINT64_MAX);
}

static void step(struct run *run, const uint8_t *s)
{
	static const uint8_t sizes[] = {4, 4, 4, 4, 4, 1, 2, 3};
	struct platform *platform = run->platform;
	unsigned size = sizes[s[0] >> 5];
	uint32_t pa = address(s[1], s[3]);

	switch (s[0] & 15) {
	case 0:
	case 1:
		(void)platform_mmio_read(platform, pa, size, run->now);
		break;
	case 2:
		take_interrupt(run);
		break;
	case 3:
		carry(run);
		break;
	case 4:
		leap(run, (uint64_t)s[3] << (s[2] & 63));
		break;
	case 5:
		(void)lapic_receive(&platform->lapic, s[4], s[5] & 1);
		break;
	case 6: /* the lines of devices that are not there yet */
		(void)ioapic_set_irq(&platform->ioapic, s[4], s[5] & 1);
		break;
	case 7:
		(void)platform_next_deadline(platform, run->now);
		break;
	case 8:
		rewrite(run, s);
		break;
	case 9:
		use_vmitimer(run, s);
		break;
	case 11:
		lapic_set_tsc_deadline(&platform->lapic, load(s + 4, 4), run->now + load(s + 1, 3));
		break;
	case 12:
		power(run, s);
		break;
	case 10:
		(void)uart_receive(&platform->uart, s[4], run->now);
		break;
	default:
		platform_mmio_write(platform, pa, size, (uint32_t)load(s + 4, 4), run->now);
		break;
	}
}

static size_t fill(void *to, size_t bytes, const uint8_t *data, size_t size)
{
	size_t n = size < bytes ? size : bytes;

	memcpy(to, data, n);
	return n;
}

static size_t make_hostile(struct platform *platform, const uint8_t *data, size_t size)
{
	size_t n = fill(&platform->lapic, sizeof(platform->lapic), data, size);

	n += fill(&platform->ioapic, sizeof(platform->ioapic), data + n, size - n);
	n += fill(&platform->vmitimer, sizeof(platform->vmitimer), data + n, size - n);
	return n + fill(&platform->pm, sizeof(platform->pm), data + n, size - n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.platform = calloc(1, sizeof(*run.platform)), .now = 1000000000};

	if (!run.platform)
		return 0;
	platform_reset(run.platform, 0, 64ull << 20, run.now);
	run.hostile = size && (data[size - 1] & 1);
	if (run.hostile) {
		size_t used = make_hostile(run.platform, data, size);

		data += used;
		size -= used;
	}
	for (unsigned n = 0; n < MAX_STEPS && size >= STEP_BYTES; n++) {
		step(&run, data);
		data += STEP_BYTES;
		size -= STEP_BYTES;
	}
	carry(&run);
	take_interrupt(&run);
	free(run.platform);
	return 0;
}
