// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters, alarms and the time of day: calls 66 to 71. */
#include "conformance.h"

#define REAL      VMI_CYCLES_REAL
#define AVAILABLE VMI_CYCLES_AVAILABLE
#define STOLEN    VMI_CYCLES_STOLEN
#define PERIODIC  VMI_ALARM_IS_PERIODIC
#define NEVER     (1ull << 62)

static uint64_t counter(uint32_t which)
{
	return VMI(GetCycleCounter, which);
}

static uint64_t frequency(void)
{
	return VMI(GetCycleFrequency);
}

/* A few microseconds; long enough to be armed before, short enough to be waited for. */
static uint64_t moment(void)
{
	return frequency() >> 16;
}

static void set_alarm(uint32_t flags, uint64_t expiry, uint64_t period)
{
	call_reset();
	call_in.eflags |= get_eflags() & EFLAGS_IF;
	call_in.eax = flags;
	call_in.edx = (uint32_t)expiry;
	call_in.ecx = (uint32_t)(expiry >> 32);
	call_stack[0] = (uint32_t)period;
	call_stack[1] = (uint32_t)(period >> 32);
	call_with(VMI_CALL_SetAlarm);
}

static uint32_t cancel(uint32_t flags)
{
	return (uint32_t)VMI(CancelAlarm, flags);
}

static void enable(void)
{
	VMI(EnableInterrupts);
}

static void disable(void)
{
	VMI(DisableInterrupts);
}

/* With interrupts on. Whether it comes is the test; a hang ends it, by the runner's limit. */
static void wait_for(uint32_t n)
{
	enable();
	while (interrupts(TIMER_IRQ) < n)
		__asm__ volatile("pause" ::: "memory");
	disable();
}

/* Long enough for anything that is due at @when to have been delivered. */
static void pass(uint64_t when)
{
	enable();
	while (counter(REAL) < when + 8 * moment())
		;
	disable();
}

/* ---- counters ---- */

TEST(GetCycleFrequency, "is that of the time-stamp counter, in cycles per second")
{
	uint64_t f = frequency(), a = VMI(RDTSC), b = counter(REAL), c = VMI(RDTSC);

	check(f > 100000000 && f < 20000000000ull);
	check_equal(frequency(), f);
	/* One source: each lies between its neighbours. */
	check(a <= b && b <= c);
}

TEST(GetCycleFrequency, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetCycleFrequency);
}

TEST(GetCycleCounter, "counts REAL and AVAILABLE forwards")
{
	uint64_t real = counter(REAL), available = counter(AVAILABLE);

	for (unsigned i = 0; i < 100; i++) {
		uint64_t r = counter(REAL), a = counter(AVAILABLE);

		if (!check(r >= real && a >= available && a <= counter(REAL)))
			break;
		real = r;
		available = a;
	}
}

TEST(GetCycleCounter, "has AVAILABLE at REAL less STOLEN")
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t s1 = counter(STOLEN), r1 = counter(REAL), a = counter(AVAILABLE),
		         r2 = counter(REAL), s2 = counter(STOLEN);

		if (!check(r1 <= a + s2 && a + s1 <= r2))
			break;
	}
}

TEST(GetCycleCounter, "reads 0 for an undefined counter")
{
	static const uint32_t undefined[] = {3, 4, 0xff, 0x80000000, 0xffffffff};

	for (unsigned i = 0; i < 5; i++)
		check_equal(counter(undefined[i]), 0);
}

TEST(GetCycleCounter, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetCycleCounter, REAL);
	VMI_EVERYWHERE(GetCycleCounter, STOLEN);
	VMI_EVERYWHERE(GetCycleCounter, 0xffffffff);
}

/* ---- alarms ---- */

static void fires_once(uint32_t flags, uint64_t period)
{
	uint32_t before = interrupts(TIMER_IRQ);
	uint64_t when = counter(flags & VMI_ALARM_COUNTER_MASK) + moment();

	set_alarm(flags, when, period);
	wait_for(before + 1);
	check(counter(flags & VMI_ALARM_COUNTER_MASK) >= when);
	pass(counter(REAL));
	check_equal(interrupts(TIMER_IRQ), before + 1);
	check_equal(cancel(flags), 0);
}

TEST(SetAlarm, "raises IRQ 0 once at a one-shot's expiry, not before, and disarms it")
{
	for (unsigned i = 0; i < 5; i++) {
		fires_once(REAL, 0);
		fires_once(AVAILABLE, 0);
	}
}

TEST(SetAlarm, "looks at the period of periodic alarms only")
{
	fires_once(REAL, moment());
}

TEST(SetAlarm, "takes a periodic alarm with period 0 for a one-shot")
{
	fires_once(REAL | PERIODIC, 0);
	fires_once(AVAILABLE | PERIODIC, 0);
}

TEST(SetAlarm, "fires again and again when periodic, until it is cancelled")
{
	uint32_t n;

	for (uint32_t which = REAL; which <= AVAILABLE; which++) {
		n = interrupts(TIMER_IRQ);
		set_alarm(which | PERIODIC, counter(which) + moment(), moment() * 64);
		wait_for(n + 4);
		check_equal(cancel(which), 1);
		/* What was raised before stays raised. */
		pass(counter(REAL));
		n = interrupts(TIMER_IRQ);
		pass(counter(REAL) + 64 * moment());
		check_equal(interrupts(TIMER_IRQ), n);
	}
}

TEST(SetAlarm, "fires at once when the expiry has passed")
{
	static const uint64_t past[] = {0, 1, 0xffffffff};

	for (unsigned i = 0; i < 3; i++) {
		uint32_t n = interrupts(TIMER_IRQ);

		set_alarm(REAL, past[i], 0);
		check(pic_requests(TIMER_IRQ));
		enable();
		disable();
		check_equal(interrupts(TIMER_IRQ), n + 1);
		check_equal(cancel(REAL), 0);
	}
}

TEST(SetAlarm, "makes one interrupt of all periods that were missed")
{
	uint64_t now = counter(REAL), period = moment() * 64, passed;
	uint32_t most = 2;

	set_alarm(REAL | PERIODIC, now - 1000 * period, period);
	enable();
	disable();
	/* One for the thousand; another if the next period has begun already, and so on where the
	 * host gives us no time in between. */
	for (passed = counter(REAL) - now; passed >= period; passed -= period)
		most++;
	check(interrupts(TIMER_IRQ) >= 1 && interrupts(TIMER_IRQ) <= most);
	check_equal(cancel(REAL), 1);
}

TEST(SetAlarm, "replaces what the counter's alarm was armed with")
{
	set_alarm(REAL | PERIODIC, counter(REAL) + moment() * 16, moment() * 16);
	set_alarm(REAL, counter(REAL) + NEVER, 0);
	pass(counter(REAL) + 64 * moment());
	check(interrupts(TIMER_IRQ) <= 1);
	check_equal(cancel(REAL), 1);
	check_equal(cancel(REAL), 0);
}

TEST(SetAlarm, "keeps the two counters' alarms apart")
{
	set_alarm(REAL, counter(REAL) + NEVER, 0);
	set_alarm(AVAILABLE, counter(AVAILABLE) + NEVER, 0);
	check_equal(cancel(REAL), 1);
	check_equal(cancel(REAL), 0);
	check_equal(cancel(AVAILABLE), 1);
	set_alarm(REAL, counter(REAL) + NEVER, 0);
	set_alarm(AVAILABLE, counter(AVAILABLE) + moment(), 0);
	wait_for(1);
	check_equal(cancel(AVAILABLE), 0);
	check_equal(cancel(REAL), 1);
}

TEST(SetAlarm, "ignores STOLEN and undefined counters")
{
	static const uint32_t none[] = {STOLEN, 3, 0xff, STOLEN | PERIODIC};

	for (unsigned i = 0; i < 4; i++) {
		set_alarm(none[i], 0, moment());
		check_equal(cancel(none[i]), 0);
	}
	check(!pic_requests(TIMER_IRQ));
	check_equal(cancel(REAL), 0);
	check_equal(cancel(AVAILABLE), 0);
}

TEST(SetAlarm, "ignores undefined flags")
{
	fires_once(REAL | 0xfffe0000 | 0xfe00, 0);
	fires_once(AVAILABLE | 0x80000000, 0);
}

TEST(SetAlarm, "is kept by a clear interrupt flag until it is set")
{
	set_alarm(REAL, counter(REAL) + moment(), 0);
	while (!pic_requests(TIMER_IRQ))
		;
	check_equal(interrupts(TIMER_IRQ), 0);
	check_equal(cancel(REAL), 0);
	enable();
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(SetAlarm, "is kept by the PIC's mask until it is lifted")
{
	pic_mask(0xffff);
	enable();
	set_alarm(REAL, 0, 0);
	pass(counter(REAL));
	check_equal(interrupts(TIMER_IRQ), 0);
	disable();
	pic_mask(0xfffe);
	enable();
	disable();
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(SetAlarm, "wakes the processor from Halt")
{
	for (unsigned i = 1; i <= 10; i++) {
		set_alarm(i & 1 ? REAL : AVAILABLE, counter(i & 1 ? REAL : AVAILABLE) + moment(),
		          0);
		VMI(Halt);
		disable();
		check_equal(interrupts(TIMER_IRQ), i);
	}
}

static uint32_t rearm_left;

static bool rearm(struct frame *f)
{
	uint64_t when;

	if (f->vector != IRQ_VECTOR + TIMER_IRQ)
		return false;
	rearm_left--;
	outb(0x20, 0x20);
	if (!rearm_left)
		return true;
	/* As Linux's one-shot mode: the next from the handler. No call_with() here. */
	__asm__ volatile("rdtsc" : "=A"(when));
	when += 100000;
	__asm__ volatile("pushl $0; pushl $0; call *%3; addl $8, %%esp"
	                 : "+a"((uint32_t){REAL}), "+d"((uint32_t){(uint32_t)when}),
	                   "+c"((uint32_t){(uint32_t)(when >> 32)})
	                 : "r"(call_address(VMI_CALL_SetAlarm))
	                 : "cc", "memory");
	return true;
}

TEST(SetAlarm, "may be called by the alarm's own handler")
{
	rearm_left = 50;
	trap_hook = rearm;
	set_alarm(REAL, counter(REAL) + moment(), 0);
	enable();
	while (*(volatile uint32_t *)&rearm_left)
		__asm__ volatile("pause" ::: "memory");
	disable();
	trap_hook = NULL;
	check_equal(cancel(REAL), 0);
}

TEST(SetAlarm, "reads both words of the period, from the stack")
{
	set_alarm(REAL | PERIODIC, counter(REAL) + NEVER, 1ull << 40);
	check_equal(cancel(REAL), 1);
	set_alarm(REAL | PERIODIC, counter(REAL) + moment(), 1ull << 40);
	wait_for(1);
	pass(counter(REAL));
	check_equal(interrupts(TIMER_IRQ), 1);
	check_equal(cancel(REAL), 1); /* a period whose high word counts is far away */
}

TEST(SetAlarm, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetAlarm, REAL, 0xffffffff, 0x3fffffff, 0, 0);
	VMI_EVERYWHERE(SetAlarm, 0xffffffff, 0xffffffff, 0x3fffffff, 0, 0);
	check_equal(cancel(REAL), 1);
}

TEST(CancelAlarm, "tells whether the alarm was armed, whatever wiring and mode bits it is given")
{
	set_alarm(REAL, counter(REAL) + NEVER, 0);
	check_equal(cancel(REAL | PERIODIC | VMI_ALARM_WIRED_LVTT | 0xfffe0000), 1);
	check_equal(cancel(REAL), 0);
	set_alarm(AVAILABLE, counter(AVAILABLE) + NEVER, 0);
	check_equal(cancel(AVAILABLE | PERIODIC), 1);
}

TEST(CancelAlarm, "answers 0 for a counter without an alarm")
{
	static const uint32_t none[] = {STOLEN, 3, 0xff, 0x80000002, 0xffffffff};

	for (unsigned i = 0; i < 5; i++)
		check_equal(cancel(none[i]), 0);
}

TEST(CancelAlarm, "leaves an interrupt raised that was raised already")
{
	set_alarm(REAL, 0, 0);
	check_equal(cancel(REAL), 0);
	enable();
	disable();
	check_equal(interrupts(TIMER_IRQ), 1);
}

TEST(CancelAlarm, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(CancelAlarm, REAL);
	VMI_EVERYWHERE(CancelAlarm, 0xffffffff);
}

/* ---- time of day ---- */

TEST(GetWallclockTime, "tells nanoseconds since 1970, forwards")
{
	uint64_t last = VMI(GetWallclockTime);

	check(last > 1600000000ull * VMI_WALLCLOCK_HZ);  /* September 2020 */
	check(last < 10000000000ull * VMI_WALLCLOCK_HZ); /* the year 2286 */
	for (unsigned i = 0; i < 100; i++) {
		uint64_t now = VMI(GetWallclockTime);

		if (!check(now >= last))
			break;
		last = now;
	}
}

TEST(GetWallclockTime, "advances as REAL does")
{
	uint64_t w1 = VMI(GetWallclockTime), r1 = counter(REAL), r2, w2;

	while (counter(REAL) < r1 + frequency() / 64)
		;
	r2 = counter(REAL);
	w2 = VMI(GetWallclockTime);
	/* (w2 - w1) / 1e9 is at least (r2 - r1) / frequency, less what clocks are rounded by. */
	check((w2 - w1) * (uint32_t)(frequency() >> 20) + (1u << 20) >=
	      (r2 - r1) * (VMI_WALLCLOCK_HZ >> 20));
}

TEST(GetWallclockTime, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetWallclockTime);
}

TEST(WallclockUpdated, "answers 0 while nobody sets the time")
{
	check_equal((uint32_t)VMI(WallclockUpdated), 0);
	check_equal((uint32_t)VMI(WallclockUpdated), 0);
}

TEST(WallclockUpdated, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(WallclockUpdated);
}
