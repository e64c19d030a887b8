// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/pause.h"

#include "main/devices.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_NS      1000000000u
#define AGAIN_WAIT_NS 10000000

/* Numbers that are not 0, which means run, and not the core's own. */
static void ask(struct vm *vm)
{
	vm->pause_number = vm->pause_number + 1 < PAUSE_BY_CORE ? vm->pause_number + 1 : 1;
	__atomic_store_n(&vm->machine->pause, vm->pause_number, __ATOMIC_SEQ_CST);
}

void pause_begin(struct vm *vm, enum pause_reason reason)
{
	bool first = !vm->pause;

	vm->pause |= reason;
	if (!first)
		return;
	ask(vm);
	vm_kick(vm, INBOX_PAUSE);
}

void pause_end(struct vm *vm, enum pause_reason reason)
{
	if (vm->pause != (uint32_t)reason) {
		vm->pause &= ~(uint32_t)reason;
		return;
	}
	vm->pause = 0;
	/* After a snapshot they wait, too: what its guest has asked for must not be done meanwhile. */
	if (vm->devices)
		devices_resume(vm->devices, vm);
	/* The clock first: the guest must not see the time that it stood. */
	if (vm->paused)
		vm_release_clock(vm);
	__atomic_store_n(&vm->machine->pause, 0, __ATOMIC_SEQ_CST);
	vm_wake(&vm->machine->pause);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool pause_again(struct vm *vm)
{
	const struct timespec wait = {.tv_nsec = AGAIN_WAIT_NS};
	uint32_t *paused = &vm->machine->paused, now;
	uint64_t until = now_ns() + AGAIN_NS;

	if (!vm->paused)
		return false;
	ask(vm);
	vm_wake(&vm->machine->pause);
	while ((now = __atomic_load_n(paused, __ATOMIC_SEQ_CST)) != vm->pause_number) {
		if (now_ns() > until)
			return false;
		syscall(SYS_futex, paused, FUTEX_WAIT, now, &wait, NULL, 0);
	}
	return true;
}

/* A breakpoint was hit. With nobody there any more to be told, the guest goes on. */
static bool paused_by_core(struct vm *vm)
{
	if (vm->pause || __atomic_load_n(&vm->machine->pause, __ATOMIC_SEQ_CST) != PAUSE_BY_CORE ||
	    __atomic_load_n(&vm->machine->paused, __ATOMIC_SEQ_CST) != PAUSE_BY_CORE)
		return false;
	if (vm->debugged) {
		vm->pause = PAUSE_DEBUGGER;
		vm_hold_clock(vm);
		return true;
	}
	__atomic_store_n(&vm->machine->pause, 0, __ATOMIC_SEQ_CST);
	vm_wake(&vm->machine->pause);
	return false;
}

bool pause_event(struct vm *vm)
{
	if (paused_by_core(vm))
		return true;
	/* It may have been let go since it rang, and a cell may ring whenever it likes. */
	if (!vm->pause || vm->paused ||
	    __atomic_load_n(&vm->machine->paused, __ATOMIC_SEQ_CST) != vm->pause_number)
		return false;
	vm_hold_clock(vm);
	return true;
}
