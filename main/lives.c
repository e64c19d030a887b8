// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/lives.h"

#include "main/report.h"
#include "main/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN 64 /* an exit status that no life has otherwise (main/report.h) */

static void watched_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGPWR);
	sigaddset(set, SIGCHLD);
}

static _Noreturn void live(int (*life)(void *argument, unsigned number, bool *again),
                           void *argument, unsigned number, pid_t parent)
{
	bool again = false;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_INTERNAL);
	status = life(argument, number, &again);
	if (!again)
		exit(status);
	/* Not by exit(): the terminal stays as it is for the next life. */
	fflush(NULL);
	_exit(AGAIN);
}

/* Until the child ends; its wait status. */
static int attend(pid_t child, const sigset_t *set)
{
	int status, number;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		if (!sigwait(set, &number) && number != SIGCHLD)
			kill(child, number);
	}
}

int lives_run(int (*life)(void *argument, unsigned number, bool *again), void *argument)
{
	unsigned number = 0;
	pid_t child, me = getpid();
	sigset_t set, before;
	int status;

	watched_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	do {
		fflush(NULL);
		child = fork();
		if (child < 0) {
			complain("cannot start a process: %s", strerror(errno));
			status = EXIT_HOST << 8;
			break;
		}
		if (!child) {
			sigprocmask(SIG_SETMASK, &before, NULL);
			live(life, argument, number, me);
		}
		status = attend(child, &set);
		number++;
	} while (WIFEXITED(status) && WEXITSTATUS(status) == AGAIN);
	terminal_restore();
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* A life in its first moments has no handlers yet, and ends as any program does. */
	if (sigismember(&set, WTERMSIG(status))) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	complain("the machine's process was killed by signal %d (%s)", WTERMSIG(status),
	         strsignal(WTERMSIG(status)));
	return EXIT_INTERNAL;
}
