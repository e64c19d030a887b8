// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/pause.h"

void pause_begin(struct vm *vm, enum pause_reason reason)
{
	bool first = !vm->pause;

	vm->pause |= reason;
	if (!first)
		return;
	vm->pause_number += vm->pause_number == UINT32_MAX ? 2 : 1;
	__atomic_store_n(&vm->machine->pause, vm->pause_number, __ATOMIC_SEQ_CST);
	vm_kick(vm, INBOX_PAUSE);
}

void pause_end(struct vm *vm, enum pause_reason reason)
{
	if (vm->pause != (uint32_t)reason) {
		vm->pause &= ~(uint32_t)reason;
		return;
	}
	vm->pause = 0;
	/* The clock first: the guest must not see the time that it stood. */
	if (vm->paused)
		vm_release_clock(vm);
	__atomic_store_n(&vm->machine->pause, 0, __ATOMIC_SEQ_CST);
	vm_wake(&vm->machine->pause);
}

bool pause_event(struct vm *vm)
{
	/* It may have been let go since it rang, and a cell may ring whenever it likes. */
	if (!vm->pause || vm->paused ||
	    __atomic_load_n(&vm->machine->paused, __ATOMIC_SEQ_CST) != vm->pause_number)
		return false;
	vm_hold_clock(vm);
	return true;
}
