// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes and threads that come and go. */
#include "workload.h"

#include <pthread.h>
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

const struct item process_items[] = {
    {"fork_exit_wait_small", .run = fork_exit_wait},
    {"fork_exit_wait_32m", .prepare = touch_32m, .run = fork_exit_wait},
    {"fork_exec_wait", .run = fork_exec_wait},
    {"thread_create_join", .run = thread_create_join},
    {0},
};
