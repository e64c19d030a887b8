// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads: creation, thread-local storage, locks, futexes, signals to threads.

#include "selftest.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

static __thread uint32_t local = 0x1234;
static __thread uint32_t local_array[100];

static void *note_local(void *argument)
{
	uint32_t mine = (uint32_t)(uintptr_t)argument;

	if (local != 0x1234)
		return NULL;
	local = mine;
	for (size_t i = 0; i < COUNT(local_array); i++)
		local_array[i] = mine + (uint32_t)i;
	for (int i = 0; i < 20; i++)
		sched_yield();
	for (size_t i = 0; i < COUNT(local_array); i++)
		if (local_array[i] != mine + i)
			return NULL;
	return (void *)(uintptr_t)(local * 2 + 1);
}

static void create_join(void)
{
	for (uint32_t i = 0; i < 100; i++) {
		pthread_t thread;
		void *result;

		require(pthread_create(&thread, NULL, note_local, (void *)(uintptr_t)i) == 0);
		require(pthread_join(thread, &result) == 0);
		require((uintptr_t)result == i * 2 + 1);
	}
	expect_equal(local, 0x1234);
}

static void many_threads(void)
{
	enum { THREADS = 100 };
	pthread_t threads[THREADS];
	pthread_attr_t attributes;
	void *result;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (uint32_t i = 0; i < THREADS; i++)
		require(pthread_create(&threads[i], &attributes, note_local,
		                       (void *)(uintptr_t)(i * 1000)) == 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		require(pthread_join(threads[i], &result) == 0);
		expect_equal((uintptr_t)result, i * 2000 + 1);
	}
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static volatile uint32_t counter, turn;

static void *count_locked(void *argument)
{
	(void)argument;
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		if (i % 512 == 0)
			sched_yield(); // the others find it locked
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void run_threads(unsigned count, void *(*body)(void *))
{
	pthread_t threads[16];

	for (uintptr_t i = 0; i < count; i++)
		require(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
	for (unsigned i = 0; i < count; i++)
		require(pthread_join(threads[i], NULL) == 0);
}

static void mutexes(void)
{
	run_threads(8, count_locked);
	expect_equal(counter, 40000);
}

static void *take_turns(void *argument)
{
	uint32_t who = (uint32_t)(uintptr_t)argument;

	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 4 != who)
			pthread_cond_wait(&condition, &mutex);
		turn++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void conditions(void)
{
	run_threads(4, take_turns);
	expect_equal(turn, 1200);
}

static int futex_word;

static void futex(int operation, int value)
{
	syscall(SYS_futex, &futex_word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void *answer(void *argument)
{
	(void)argument;
	for (int i = 0; i < 5000; i++) {
		while (__atomic_load_n(&futex_word, __ATOMIC_SEQ_CST) != 1)
			futex(FUTEX_WAIT, 0);
		__atomic_store_n(&futex_word, 0, __ATOMIC_SEQ_CST);
		futex(FUTEX_WAKE, 1);
	}
	return NULL;
}

static void ping_pong(void)
{
	pthread_t thread;

	require(pthread_create(&thread, NULL, answer, NULL) == 0);
	for (int i = 0; i < 5000; i++) {
		__atomic_store_n(&futex_word, 1, __ATOMIC_SEQ_CST);
		futex(FUTEX_WAKE, 1);
		while (__atomic_load_n(&futex_word, __ATOMIC_SEQ_CST) != 0)
			futex(FUTEX_WAIT, 1);
	}
	require(pthread_join(thread, NULL) == 0);
}

static volatile pthread_t signalled;
static volatile sig_atomic_t ready;

static void note_thread(int number)
{
	(void)number;
	signalled = pthread_self();
}

static void *wait_for_signal(void *argument)
{
	(void)argument;
	ready = 1;
	while (!signalled)
		sched_yield();
	return NULL;
}

static void thread_signals(void)
{
	pthread_t thread;

	signal(SIGUSR1, note_thread);
	require(pthread_create(&thread, NULL, wait_for_signal, NULL) == 0);
	while (!ready)
		sched_yield();
	require(pthread_kill(thread, SIGUSR1) == 0);
	require(pthread_join(thread, NULL) == 0);
	expect(signalled == thread);
}

static uint32_t rounds;

static void *fpu_thread(void *argument)
{
	struct fpu_image want, got;

	for (uint32_t i = 0; i < rounds; i++) {
		long result;

		fpu_pattern(&want, (uint32_t)(uintptr_t)argument * 1000 + i);
		fpu_load(&want);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(SYS_sched_yield) : "memory");
		fpu_store(&got);
		fpu_reset();
		require(fpu_same(&want, &got));
	}
	return NULL;
}

// All in one address space: the switch changes registers and segment, not the page tables.
static void fpu_threads(void)
{
	rounds = 200;
	run_threads(6, fpu_thread);
}

// A real-time process that sleeps and wakes all the time: whatever it comes in between, another
// thread may go on with.
static void disturb(int microseconds)
{
	struct sched_param priority = {.sched_priority = 1};
	struct timespec pause = {0, microseconds * 1000};

	// On a host the user may not; then it disturbs as any process does. musl's function never
	// does.
	require(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority) == 0 || errno == EPERM);
	for (;;)
		nanosleep(&pause, NULL);
}

static void fpu_threads_from_new(int unused)
{
	(void)unused;
	rounds = 4;
	run_threads(6, fpu_thread);
}

// Processes that have not used the FPU yet: the threads' first use of it is interrupted too.
static void fpu_threads_preempted(void)
{
	pid_t disturber = start(disturb, 50), child;
	int status;

	for (int i = 0; i < 100; i++) {
		child = start(fpu_threads_from_new, 0);
		require(waitpid(child, &status, 0) == child);
		require(status == 0);
	}
	kill(disturber, SIGKILL);
	require(waitpid(disturber, &status, 0) == disturber);
	expect(WIFSIGNALED(status));
}

// A mapping made or taken away by one thread is so for the others.
static uint32_t *offered;

static void *use_offered(void *argument)
{
	(void)argument;
	for (int i = 0; i < 500; i++) {
		uint32_t *page;

		while (!(page = __atomic_load_n(&offered, __ATOMIC_ACQUIRE)))
			sched_yield();
		require(*page == (uint32_t)i);
		__atomic_store_n(&offered, NULL, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void shared_mappings(void)
{
	pthread_t thread;

	require(pthread_create(&thread, NULL, use_offered, NULL) == 0);
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t *page =
		    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		require(page != MAP_FAILED);
		*page = i;
		__atomic_store_n(&offered, page, __ATOMIC_RELEASE);
		while (__atomic_load_n(&offered, __ATOMIC_ACQUIRE))
			sched_yield();
		munmap(page, PAGE);
	}
	require(pthread_join(thread, NULL) == 0);
}

static void *fork_here(void *argument)
{
	pid_t child;

	local = 9000 + (uint32_t)(uintptr_t)argument;
	child = fork();
	if (child == 0)
		_exit(local == 9000 + (uint32_t)(uintptr_t)argument ? 0 : 1);
	expect_success(child);
	return NULL;
}

static void fork_from_threads(void)
{
	run_threads(8, fork_here);
}

const struct check thread_checks[] = {
    {"pthread create and join, 100 times, with thread-local storage", create_join},
    {"100 threads at once", many_threads},
    {"mutex, 8 threads", mutexes},
    {"condition variable, 4 threads in turn", conditions},
    {"futex ping-pong", ping_pong},
    {"a signal to one thread", thread_signals},
    {"FPU state of 6 threads", fpu_threads},
    {"FPU state of 6 threads of 100 processes, preempted all the time", fpu_threads_preempted},
    {"mappings are shared between threads", shared_mappings},
    {"fork from threads keeps thread-local storage", fork_from_threads},
    {0},
};
