// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time and the virtual CPU: the devices run at exits, say when they want to be looked at next, and
 * somebody has to wake the guest then: main, or the cell itself while it sleeps in HLT.
 */
#include "core/alarm.h"

#include "cell/host.h"
#include "core/clock.h"
#include "core/console.h"
#include "core/emulate.h"
#include "core/interrupt.h"
#include "core/nmi.h"
#include "core/pause.h"

/* Longer than a tick of an idle Linux takes here, in ns. */
#define IDLE_TICK_NS 200000u

/* How late main may look after a deadline that it was not told of, in ns. */
#define IDLE_SLACK_NS 20000000u

static void ring_for_deadline(void)
{
	__atomic_store_n(&M->deadline_rung, M->deadline, __ATOMIC_SEQ_CST);
	ring_doorbell(DOORBELL_DEADLINE);
}

void deadline_moved(void)
{
	if (M->deadline < __atomic_load_n(&M->main_wake, __ATOMIC_SEQ_CST))
		ring_for_deadline();
}

/*
 * A tick wakes an idle guest for some 50 us; then it sleeps again, by its own alarm. Main is
 * not told of the deadlines of such a moment, but as soon as it turns out to be more: at the
 * first return to user mode, or when it lasts longer than an idle tick does. A kernel thread that
 * computes need not come here again, so main is not left asleep far beyond the deadline.
 */
void leave_idle(void)
{
	if (!M->was_idle)
		return;
	M->was_idle = 0;
	update_user_work();
	deadline_moved();
}

void look_again(uint64_t when)
{
	M->nmi.again = when;
	if (when >= M->deadline)
		return;
	__atomic_store_n(&M->deadline, when, __ATOMIC_SEQ_CST);
	deadline_moved();
}

static void publish_deadline(uint64_t now)
{
	uint64_t next = platform_next_deadline(&M->platform, now);
	uint64_t alarm = clock_of_tsc(vmitimer_next_deadline(&M->platform.vmitimer));

	if (alarm < next)
		next = alarm;
	if (M->pending_since && M->promise_due > now && M->promise_due < next)
		next = M->promise_due;
	if (M->nmi.again > now && M->nmi.again < next)
		next = M->nmi.again;
	if (next == M->deadline)
		return;
	__atomic_store_n(&M->deadline, next, __ATOMIC_SEQ_CST);
	if (!M->was_idle)
		deadline_moved();
	else if (now - M->woken_at > IDLE_TICK_NS)
		leave_idle();
	else if (next < UINT64_MAX - IDLE_SLACK_NS &&
	         next + IDLE_SLACK_NS < __atomic_load_n(&M->main_wake, __ATOMIC_SEQ_CST))
		ring_for_deadline();
}

void devices_run(void)
{
	uint64_t now = clock_now();

	console_service(now);
	platform_update_irqs(&M->platform, now);
	platform_update_vmitimer(&M->platform, rdtsc());
	V->vmi_stolen = M->platform.vmitimer.stolen;
	publish_deadline(now);
	if (M->platform.events & PLATFORM_POWER_OFF)
		stop_guest(STOP_POWEROFF, "the guest powered off");
	if (M->platform.events & PLATFORM_RESET)
		stop_guest(STOP_RESET, "the guest asked for a reset");
	M->platform.events = 0;
	interrupt_pending_update();
}

void take_inbox(void)
{
	/* A break is the console's to take (receive()), before the bytes behind it. */
	uint32_t bits = __atomic_fetch_and(&M->inbox, INBOX_BREAK, __ATOMIC_SEQ_CST);

	if (bits & INBOX_STOP)
		stop_guest(STOP_REQUEST, "asked to stop");
	if (bits & INBOX_CLOCK)
		kvmclock_update();
	if (bits & INBOX_POWER)
		pm_press_power_button(&M->platform.pm);
	if (bits & INBOX_NMI)
		platform_press_nmi_button(&M->platform);
	if (__atomic_load_n(&M->pause, __ATOMIC_SEQ_CST))
		stand_still();
}

void halt(void)
{
	COUNT(halt);
	M->asleep = 1;
	for (;;) {
		take_inbox();
		devices_run();
		if (platform_intr(&M->platform) || nmi_waits())
			break;
		__atomic_store_n(&M->halted, 1, __ATOMIC_SEQ_CST);
		host_futex_wait(&M->inbox, 0,
		                M->deadline == UINT64_MAX ? UINT64_MAX
		                                          : M->deadline + M->mono_offset);
		__atomic_store_n(&M->halted, 0, __ATOMIC_SEQ_CST);
	}
	M->asleep = 0;
	M->cause = STAT_deliver_halt;
	if (fast(FAST_IDLE_TICK)) {
		M->was_idle = 1;
		M->woken_at = clock_now();
		V->iflag |= IF_USER_WORK;
	}
}
