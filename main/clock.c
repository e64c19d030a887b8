// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's clocks, and what cells are told of them. */
#include "main/vm.h"

#include <time.h>
#include <x86intrin.h>

#define KEEP_NS     1000000000u
#define READ_TRIES  20
#define SURE_CYCLES 2000u /* a reading that took no longer needs no better one */

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* All clocks close together: the quickest of a few tries, for main may be interrupted. */
static struct clock_reading read_clocks(void)
{
	struct clock_reading best = {.tsc = 0}, r;
	uint64_t least = UINT64_MAX, before, after;

	for (int i = 0; i < READ_TRIES && least > SURE_CYCLES; i++) {
		before = __rdtsc();
		r.boot = nanoseconds(CLOCK_BOOTTIME);
		r.mono = nanoseconds(CLOCK_MONOTONIC);
		r.real = (int64_t)nanoseconds(CLOCK_REALTIME);
		after = __rdtsc();
		r.tsc = before + (after - before) / 2;
		if (after - before < least) {
			least = after - before;
			best = r;
		}
	}
	return best;
}

/* Each by one store: a cell may read at any moment. */
static void publish(const struct vm *vm)
{
	struct machine *m = vm->machine;

	__atomic_store_n(&m->tsc_base, vm->clock.tsc_base, __ATOMIC_SEQ_CST);
	__atomic_store_n(&m->mono_offset, guest_clock_mono_offset(&vm->clock), __ATOMIC_SEQ_CST);
	__atomic_store_n(&m->wall_offset, guest_clock_wall_offset(&vm->clock), __ATOMIC_SEQ_CST);
}

uint64_t vm_clock(const struct vm *vm)
{
	if (vm->paused)
		return vm->paused_at;
	return guest_clock_at(&vm->clock, __rdtsc());
}

void vm_start_clock(struct vm *vm, uint64_t tsc_mult)
{
	struct clock_reading now = read_clocks();

	guest_clock_start(&vm->clock, tsc_mult, &now);
	vm->machine->tsc_mult = tsc_mult;
	publish(vm);
}

void vm_set_clock(struct vm *vm, uint64_t ns)
{
	struct clock_reading now = read_clocks();

	guest_clock_set(&vm->clock, &now, ns);
	publish(vm);
}

void vm_keep_clock(struct vm *vm)
{
	struct clock_reading now;
	struct clock_news news;

	/* CLOCK_BOOTTIME, because the TSC may have stood */
	if (vm->paused || nanoseconds(CLOCK_BOOTTIME) - vm->clock.last.boot < KEEP_NS)
		return;
	now = read_clocks();
	news = guest_clock_keep(&vm->clock, &now);
	publish(vm);
	if (news.wall_set)
		__atomic_store_n(&vm->machine->wall_set, 1, __ATOMIC_SEQ_CST);
	if (news.moved)
		complain("the host's TSC did not count while the host slept: a guest that keeps "
		         "its time by the TSC is behind now");
	if (news.moved || news.stopped)
		vm_kick(vm, INBOX_CLOCK);
}

void vm_hold_clock(struct vm *vm)
{
	vm->paused_at = vm_clock(vm);
	vm->paused = true;
}

void vm_release_clock(struct vm *vm)
{
	struct clock_reading now = read_clocks();

	guest_clock_set(&vm->clock, &now, vm->paused_at);
	vm->paused = false;
	publish(vm);
	/* UTC went on: guests that take it from guest time are told so. */
	__atomic_store_n(&vm->machine->wall_set, 1, __ATOMIC_SEQ_CST);
}
