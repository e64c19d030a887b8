// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clocks and timers. Nothing here asserts speed: never early, and not absurdly late.

#include "selftest.h"

#include <sys/time.h>
#include <time.h>

#define MILLISECOND 1000000u
#define ABSURD      10000000000u // ns

enum { CLOCK_GETTIME32 = 265 }; // whose name differs between libcs

static void expect_not_early(uint64_t began, uint64_t wanted)
{
	uint64_t took = now_ns() - began;

	expect(took >= wanted);
	expect(took < wanted + ABSURD);
	if (took < wanted || took > wanted + ABSURD)
		diag("took %llu ns of %llu", (unsigned long long)took, (unsigned long long)wanted);
}

static void sleeps(void)
{
	uint64_t worst = 0;

	for (unsigned i = 1; i <= 20; i++) {
		struct timespec time = {.tv_nsec = i * 500000};
		uint64_t began = now_ns(), late;

		require(nanosleep(&time, NULL) == 0);
		expect_not_early(began, i * 500000);
		late = now_ns() - began - i * 500000;
		worst = late > worst ? late : worst;
	}
	diag("at most %llu us late", (unsigned long long)worst / 1000);
}

static void absolute_sleep(void)
{
	struct timespec time;
	uint64_t began = now_ns();

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += 1;
	require(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == 0);
	expect_not_early(began, 1000 * MILLISECOND);
}

static volatile sig_atomic_t ticks;

static void on_tick(int number)
{
	(void)number;
	ticks++;
}

static void interval_timer(void)
{
	struct itimerval timer = {.it_value.tv_usec = 10000, .it_interval.tv_usec = 10000};
	uint64_t began = now_ns();

	signal(SIGALRM, on_tick);
	require(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (ticks < 20)
		pause();
	expect_not_early(began, 20 * 10 * MILLISECOND);
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	ticks = 0;
	usleep(50000);
	expect_equal(ticks, 0);
}

static void posix_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec times = {.it_value.tv_nsec = 5 * MILLISECOND,
	                           .it_interval.tv_nsec = 5 * MILLISECOND};
	uint64_t began;
	timer_t timer;

	signal(SIGUSR1, on_tick);
	require(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	began = now_ns();
	require(timer_settime(timer, 0, &times, NULL) == 0);
	while (ticks < 20)
		pause();
	// Overruns make single signals stand for several periods, never for less than one.
	expect_not_early(began, 20 * 5 * MILLISECOND);
	require(timer_delete(timer) == 0);
}

// Timer interrupts reach a process that never makes a system call.
static void processor_timer(void)
{
	struct itimerval timer = {.it_value.tv_usec = 50000};
	uint64_t began = now_ns();

	signal(SIGVTALRM, on_tick);
	require(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0);
	while (!ticks)
		__asm__ volatile("" ::: "memory");
	// Counted in ticks of the kernel: a whole one may be missing.
	expect(now_ns() - began >= 30 * MILLISECOND);
	expect(now_ns() - began < 30000000000u);
}

static void processor_time(void)
{
	struct timespec before, after;
	uint64_t began = now_ns(), used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	while (now_ns() - began < 100 * MILLISECOND)
		;
	usleep(100000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	used = (uint64_t)(after.tv_sec - before.tv_sec) * 1000000000u +
	       (uint64_t)(after.tv_nsec - before.tv_nsec);
	diag("%llu us of processor time in 100 ms of work and 100 ms of sleep",
	     (unsigned long long)used / 1000);
	expect(used > 0 && used < now_ns() - began);
}

static int64_t read_clock(clockid_t clock, bool by_syscall)
{
	struct timespec time = {0};
	struct {
		int64_t seconds, nanoseconds;
	} time64 = {0, 0};

	if (!by_syscall) {
		clock_gettime(clock, &time);
		return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
	}
	if (syscall(SYS_clock_gettime64, clock, &time64) < 0) {
		struct {
			int32_t seconds, nanoseconds;
		} time32;

		// Before Linux 5.1 there is only the older call.
		require(errno == ENOSYS && syscall(CLOCK_GETTIME32, clock, &time32) == 0);
		return (int64_t)time32.seconds * 1000000000 + time32.nanoseconds;
	}
	return time64.seconds * 1000000000 + time64.nanoseconds;
}

static void monotonic(void)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW,
	                                   CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE};

	for (size_t which = 0; which < COUNT(clocks); which++) {
		int64_t before = read_clock(clocks[which], false), now;

		if (!before)
			continue; // not a clock of this kernel
		for (int i = 0; i < 20000; i++) {
			// Both ways in turn: vDSO and kernel must agree on the order.
			now = read_clock(clocks[which], i % 4 == 0);
			if (now < before)
				diag("clock %d went back by %lld ns", (int)clocks[which],
				     (long long)(before - now));
			require(now >= before);
			before = now;
		}
	}
}

static void agreement(void)
{
	for (int i = 0; i < 200; i++) {
		int64_t first = read_clock(CLOCK_REALTIME, false),
		        middle = read_clock(CLOCK_REALTIME, true),
		        last = read_clock(CLOCK_REALTIME, false);
		struct timeval day;

		require(first <= middle && middle <= last);
		gettimeofday(&day, NULL);
		require((int64_t)day.tv_sec * 1000000 + day.tv_usec >= last / 1000);
		// time() reads the coarse clock, which may be a tick behind.
		require(time(NULL) >= first / 1000000000 - 1);
	}
}

// Two clocks run at the same pace over a second.
static void pace(void)
{
	int64_t monotonic_start = read_clock(CLOCK_MONOTONIC, false),
	        real_start = read_clock(CLOCK_REALTIME, false);
	int64_t monotonic_passed, real_passed;

	sleep(1);
	monotonic_passed = read_clock(CLOCK_MONOTONIC, false) - monotonic_start;
	real_passed = read_clock(CLOCK_REALTIME, false) - real_start;
	diag("monotonic %lld us, real time %lld us", (long long)monotonic_passed / 1000,
	     (long long)real_passed / 1000);
	expect(monotonic_passed >= 1000000000);
	expect(llabs(monotonic_passed - real_passed) < 500000000);
}

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void time_stamps(void)
{
	uint64_t before = read_tsc();

	for (int i = 0; i < 10000; i++) {
		uint64_t now = read_tsc();

		require(now >= before);
		before = now;
	}
}

static void date(void)
{
	time_t now = time(NULL);

	diag("%lld, built at %lld", (long long)now, (long long)SELFTEST_BUILT);
	expect(now > 1704067200); // 2024
	expect((long long)now >= SELFTEST_BUILT);
	expect((long long)now < SELFTEST_BUILT + 3ll * 366 * 86400);
}

const struct check time_checks[] = {
    {"nanosleep is never early", sleeps},
    {"clock_nanosleep to a point in time", absolute_sleep},
    {"setitimer, 20 ticks", interval_timer},
    {"timer_create, 20 ticks", posix_timer},
    {"virtual timer interrupts computation", processor_timer},
    {"processor time", processor_time},
    {"clocks never go back, vDSO and system call mixed", monotonic},
    {"vDSO and system call agree", agreement},
    {"monotonic and real time at the same pace", pace},
    {"rdtsc never goes back", time_stamps},
    {"the date is plausible", date},
    {0},
};
