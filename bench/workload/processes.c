// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes and threads that come and go. */
#include "workload.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void fork_exit_wait(unsigned n)
{
	while (n--) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

static bool touch_32m(void)
{
	touch(map_private(32 * MIB), 32 * MIB / PAGE);
	return true;
}

/* The program is this one; main returns at once for these arguments. */
static void fork_exec_wait(unsigned n)
{
	char *const arguments[] = {"workload", "--nothing", NULL};

	while (n--) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child) {
			execv("/proc/self/exe", arguments);
			_exit(1);
		}
		waitpid(child, NULL, 0);
	}
}

static void *return_at_once(void *argument)
{
	return argument;
}

static void thread_create_join(unsigned n)
{
	while (n--) {
		pthread_t thread;

		need(!pthread_create(&thread, NULL, return_at_once, NULL), "pthread_create");
		pthread_join(thread, NULL);
	}
}

/* ---- for the macro rows and the memory of processes ---- */

/* Half of a process's share goes to each child: 1000 processes are ten generations. */
static void grow(unsigned count, volatile unsigned *grown)
{
	unsigned children = 0;
	int status;

	__atomic_add_fetch(grown, 1, __ATOMIC_RELAXED);
	for (; count > 1; count -= count / 2, children++) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child) {
			grow(count / 2, grown);
			_exit(0);
		}
	}
	while (children--)
		need(wait(&status) > 0 && status == 0, "a process of the tree");
}

int fork_tree(unsigned count)
{
	volatile unsigned *grown =
	    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	need(grown != MAP_FAILED, "mmap");
	grow(count, grown);
	if (*grown == count)
		return 0;
	fprintf(stderr, "workload: a tree of %u processes, not %u\n", *grown, count);
	return 1;
}

/* Each is a program of its own, as the processes of a real machine are: it execs, and the end of
 * the pipe that closes with that says that it has. */
int hold_memory(const char *name, unsigned count, unsigned mib, unsigned ms)
{
	pid_t *sleepers = calloc(count, sizeof(*sleepers));
	char interval[16], byte;
	int started[2];

	need(sleepers && !pipe2(started, O_CLOEXEC), "pipe");
	snprintf(interval, sizeof(interval), "%u", ms + 60000);
	for (unsigned i = 0; i < count; i++) {
		sleepers[i] = fork();
		need(sleepers[i] >= 0, "fork");
		if (!sleepers[i]) {
			execl("/proc/self/exe", "workload", "--sleep", interval, NULL);
			fail("/proc/self/exe");
		}
	}
	close(started[1]);
	need(read(started[0], &byte, 1) == 0, "the sleepers' pipe");
	touch(map_private(mib * (size_t)MIB), mib * MIB / PAGE);
	printf("@memory %s\n", name);
	fflush(stdout);
	sleep_ms(ms);
	for (unsigned i = 0; i < count; i++)
		kill(sleepers[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}

const struct item process_items[] = {
    {"fork_exit_wait_small", .run = fork_exit_wait},
    {"fork_exit_wait_32m", .prepare = touch_32m, .run = fork_exit_wait},
    {"fork_exec_wait", .run = fork_exec_wait},
    {"thread_create_join", .run = thread_create_join},
    {0},
};
