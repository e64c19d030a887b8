// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pause.h"

#include "core/clock.h"
#include "core/console.h"
#include "core/debugger.h"

#include "cell/host.h"

static void say_paused(uint32_t number)
{
	if (M->debugged)
		debugger_serve();
	__atomic_store_n(&M->paused, number, __ATOMIC_SEQ_CST);
	host_futex_wake(&M->paused);
	ring_doorbell(DOORBELL_PAUSED);
}

void stand_still(void)
{
	uint64_t since = rdtsc();
	uint32_t pause;

	fpu_save();
	while ((pause = __atomic_load_n(&M->pause, __ATOMIC_SEQ_CST))) {
		if (M->paused != pause)
			say_paused(pause);
		host_futex_wait(&M->pause, pause, UINT64_MAX);
	}
	__atomic_store_n(&M->paused, 0, __ATOMIC_SEQ_CST);
	debugger_resumed();
	fpu_restore();
	/* The TSC went on: for a VMI guest its virtual CPU was ready and did not run. */
	vmitimer_add_stolen(&M->platform.vmitimer, rdtsc() - since);
	kvmclock_update();
}
