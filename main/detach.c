// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/detach.h"

#include "main/machines.h"
#include "main/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NAME_MAX (MACHINE_NAME_MAX + 16)

static struct {
	bool on, ready;
	int directory, told; /* with the log; the pipe to who waits */
	char log[FILE_NAME_MAX], name[MACHINE_NAME_MAX + 1];
} detached;

/* All that the machine has said so far. */
static void relay(int log)
{
	char text[4096];
	ssize_t n;
	off_t at = 0;

	for (; (n = pread(log, text, sizeof text, at)) > 0; at += n)
		if (write(STDERR_FILENO, text, (size_t)n) != n)
			return;
}

static _Noreturn void wait_for_it(pid_t child, int told, int log)
{
	char name[MACHINE_NAME_MAX + 2];
	size_t n = 0;
	ssize_t r;
	int status;

	while (n < sizeof name - 1 && (r = read(told, name + n, sizeof name - 1 - n)) != 0) {
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			break;
		n += (size_t)r;
		if (name[n - 1] == '\n')
			break;
	}
	relay(log);
	if (n && name[n - 1] == '\n') {
		fwrite(name, 1, n, stdout);
		exit(output_finish(EXIT_OK));
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		exit(WEXITSTATUS(status));
	complain("the machine's process ended before it ran");
	exit(EXIT_INTERNAL);
}

static void become_detached(int log)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(nothing, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	close(nothing);
	close(log);
	complain_look();
}

int detach_begin(void)
{
	int directory = machines_open(), told[2], log;
	pid_t child;

	if (directory < 0)
		return EXIT_HOST;
	snprintf(detached.log, sizeof detached.log, "start-%d.log", (int)getpid());
	log = openat(directory, detached.log,
	             O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log < 0 || pipe2(told, O_CLOEXEC)) {
		complain("cannot make the machine's log: %s", strerror(errno));
		return EXIT_HOST;
	}
	fflush(NULL);
	child = fork();
	if (child < 0) {
		complain("cannot start a process: %s", strerror(errno));
		return EXIT_HOST;
	}
	if (child) {
		close(told[1]);
		wait_for_it(child, told[0], log);
	}
	close(told[0]);
	become_detached(log);
	detached.on = true;
	detached.directory = directory;
	detached.told = told[1];
	return 0;
}

void detach_named(const char *name)
{
	char log[FILE_NAME_MAX];

	if (!detached.on)
		return;
	snprintf(detached.name, sizeof detached.name, "%s", name);
	snprintf(log, sizeof log, "%s.log", name);
	if (!renameat(detached.directory, detached.log, detached.directory, log))
		memcpy(detached.log, log, sizeof log);
}

void detach_ready(void)
{
	char line[MACHINE_NAME_MAX + 2];
	int n;

	if (!detached.on || detached.ready)
		return;
	detached.ready = true;
	n = snprintf(line, sizeof line, "%s\n", detached.name);
	if (write(detached.told, line, (size_t)n) != n)
		complain("nobody waits any more for the machine to start");
	close(detached.told);
}

void detach_end(int status)
{
	/* Of a machine that never ran, who waited has the reason. */
	if (detached.on && (!status || !detached.ready))
		unlinkat(detached.directory, detached.log, 0);
}
