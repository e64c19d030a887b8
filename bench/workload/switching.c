// SPDX-License-Identifier: GPL-2.0-or-later
/* Round trips between two processes or threads: two switches each. And sleeping. */
#include "workload.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TOUCHED = 256 };

static int to_peer, from_peer;
static unsigned touched;
static uint8_t *memory;

/* The peer answers every byte until the other end is closed, by the item's process ending. */
static void answer(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1) {
		touch(memory, touched);
		if (write(out, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static void start_peer(int mine_in, int mine_out, int peer_in, int peer_out)
{
	pid_t peer;

	memory = map_private(TOUCHED * PAGE);
	touch(memory, TOUCHED);
	peer = fork();
	need(peer >= 0, "fork");
	if (!peer) {
		close(mine_in);
		close(mine_out);
		touch(memory, TOUCHED);
		answer(peer_in, peer_out);
	}
	close(peer_in);
	close(peer_out);
	from_peer = mine_in;
	to_peer = mine_out;
}

static bool two_pipes(void)
{
	int there[2], back[2];

	need(!pipe(there) && !pipe(back), "pipe");
	start_peer(back[0], there[1], there[0], back[1]);
	return true;
}

static bool two_pipes_256p(void)
{
	touched = TOUCHED;
	return two_pipes();
}

static bool socket_pair(void)
{
	int pair[2];

	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	start_peer(pair[0], dup(pair[0]), pair[1], dup(pair[1]));
	return true;
}

static void pingpong(unsigned n)
{
	char byte = 0;

	while (n--) {
		need(write(to_peer, &byte, 1) == 1, "write");
		need(read(from_peer, &byte, 1) == 1, "read");
		touch(memory, touched);
	}
}

/* ---- a byte that goes round a ring of processes ---- */

static unsigned ring_size; /* processes, this one included */

static void pass_on(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1)
		if (write(out, &byte, 1) != 1)
			break;
	_exit(0);
}

/* Each process holds two ends only: as many pipes as processes, whatever the limit on files. What a
 * sleeping process needs in a guest was below 80 KiB; a machine that is too small for the ring has
 * no such row. */
static bool make_ring(unsigned size)
{
	int next[2], last;

	if (total_memory() / 2 < size * (uint64_t)(128 * 1024))
		return false;
	ring_size = size;
	need(!pipe(next), "pipe");
	last = next[0];
	to_peer = next[1];
	for (unsigned i = 1; i < size; i++) {
		pid_t child;

		need(!pipe(next), "pipe");
		child = fork();
		need(child >= 0, "fork");
		if (!child) {
			close(to_peer);
			close(next[0]);
			alarm(0);
			pass_on(last, next[1]);
		}
		close(last);
		close(next[1]);
		last = next[0];
	}
	from_peer = last;
	return true;
}

/* One operation: from one process to the next. Only whole rounds can be timed. */
static uint64_t pass_round(unsigned n)
{
	unsigned rounds = (n + ring_size - 1) / ring_size;
	uint64_t start = now_ns();
	char byte = 0;

	for (unsigned i = 0; i < rounds; i++) {
		need(write(to_peer, &byte, 1) == 1, "write");
		need(read(from_peer, &byte, 1) == 1, "read");
	}
	return (now_ns() - start) * n / ((uint64_t)rounds * ring_size);
}

/* The end of the file goes round as well. */
static void end_ring(void)
{
	close(to_peer);
	while (wait(NULL) > 0)
		;
}

static bool ring_of_10(void)
{
	return make_ring(10);
}

static bool ring_of_100(void)
{
	return make_ring(100);
}

static bool ring_of_1000(void)
{
	return make_ring(1000);
}

/* ---- threads ---- */

static int turn; /* 0: main's, 1: the other thread's */

static void wait_for_turn(int mine)
{
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine, NULL);
}

static void pass_turn(int mine)
{
	__atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1);
}

static void *answer_turns(void *unused)
{
	(void)unused;
	for (;;) {
		wait_for_turn(1);
		pass_turn(1);
	}
	return NULL;
}

static bool start_thread(void)
{
	pthread_t thread;

	/* Some kernels are built without futex with 32-bit time. */
	if (syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1) < 0)
		return false;
	return !pthread_create(&thread, NULL, answer_turns, NULL);
}

static void futex_thread_pingpong(unsigned n)
{
	while (n--) {
		pass_turn(0);
		wait_for_turn(0);
	}
}

/* The call with 64-bit time, which every kernel has. */
static void nanosleep_1ms(unsigned n)
{
	const int64_t interval[2] = {0, 1000000};

	while (n--)
		need(!syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, interval, NULL),
		     "clock_nanosleep_time64");
}

const struct item switch_items[] = {
    {"pipe_pingpong", .prepare = two_pipes, .run = pingpong},
    {"pipe_pingpong_256p", .prepare = two_pipes_256p, .run = pingpong},
    {"unix_pingpong", .prepare = socket_pair, .run = pingpong},
    {"ring_switch_10", .prepare = ring_of_10, .timed = pass_round, .finish = end_ring},
    {"ring_switch_100", .prepare = ring_of_100, .timed = pass_round, .finish = end_ring},
    {"ring_switch_1000", .prepare = ring_of_1000, .timed = pass_round, .finish = end_ring},
    {"futex_thread_pingpong", .prepare = start_thread, .run = futex_thread_pingpong},
    {"nanosleep_1ms", .run = nanosleep_1ms},
    {0},
};
