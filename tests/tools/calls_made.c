// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shared object for LD_PRELOAD: which system calls do the filters of a program's processes list
 * (those built with libseccomp), which of these do the processes make, and which others do they
 * try? A filter becomes one that tells a listener of each call (SECCOMP_RET_USER_NOTIF), a process
 * of its own, which counts it in the file that CALLS_MADE names. It lets be made what the filter
 * lists, whatever the arguments, and refuses all else with EPERM as the filter would.
 *
 * The file has CALLS_MADE_BYTES bytes and is there before: `calls_made --new FILE` makes it, and
 * `calls_made FILE` prints it. It is mapped when a program starts, because afterwards processes
 * close their files and may open none.
 */
#define _GNU_SOURCE
#include "calls_made.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct calls_file *file;
static uint8_t listed[CALLS_NUMBERS]; /* by the filter that is being built */
static int lists;                     /* it does: one that forbids some calls only is let be */

__attribute__((constructor)) static void open_file(void)
{
	const char *path = getenv("CALLS_MADE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		file = NULL;
	close(fd);
}

scmp_filter_ctx seccomp_init(uint32_t otherwise)
{
	scmp_filter_ctx (*real)(uint32_t) =
	    (scmp_filter_ctx(*)(uint32_t))dlsym(RTLD_NEXT, "seccomp_init");

	memset(listed, 0, sizeof listed);
	lists = file && otherwise != SCMP_ACT_ALLOW;
	return real(lists ? SCMP_ACT_NOTIFY : otherwise);
}

int seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int call, unsigned n,
                           const struct scmp_arg_cmp *arg)
{
	int (*real)(scmp_filter_ctx, uint32_t, int, unsigned, const struct scmp_arg_cmp *) =
	    (int (*)(scmp_filter_ctx, uint32_t, int, unsigned, const struct scmp_arg_cmp *))dlsym(
	        RTLD_NEXT, "seccomp_rule_add_array");

	if (!lists || action != SCMP_ACT_ALLOW || call < 0 || call >= CALLS_NUMBERS)
		return real(filter, action, call, n, arg);
	listed[call] = 1;
	return 0;
}

int seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int call, unsigned n, ...)
{
	struct scmp_arg_cmp arg[6];
	va_list list;

	va_start(list, n);
	for (unsigned i = 0; i < n && i < 6; i++)
		arg[i] = va_arg(list, struct scmp_arg_cmp);
	va_end(list);
	return seccomp_rule_add_array(filter, action, call, n, arg);
}

/* The one with these calls: made for it, or of another process that lists the same. */
static struct calls_list *find_list(void)
{
	struct calls_list *l = NULL;
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	while (__atomic_exchange_n(&file->lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	for (unsigned i = 0; i < CALLS_LISTS && !l; i++) {
		l = &file->list[i];
		if (!l->used) {
			l->used = 1;
			memcpy(l->name, name, sizeof name);
			memcpy(l->listed, listed, sizeof listed);
		} else if (memcmp(l->listed, listed, sizeof listed)) {
			l = NULL;
		}
	}
	__atomic_store_n(&file->lock, 0, __ATOMIC_RELEASE);
	return l;
}

/* Answers for as long as there is somebody to ask. */
static _Noreturn void listen(int fd, struct calls_list *l)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	prctl(PR_SET_NAME, "calls_made"); /* tests look for processes by their names */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (;;) {
		struct seccomp_notif ask = {0};
		struct seccomp_notif_resp answer = {0};

		if (poll(&p, 1, -1) < 0 && errno == EINTR)
			continue;
		/* Not there yet: seccomp() comes after this process was started. */
		if (p.revents & POLLNVAL) {
			usleep(100);
			continue;
		}
		if (p.revents & POLLHUP)
			_exit(0);
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &ask))
			continue; /* whoever asked was interrupted or is gone */
		answer.id = ask.id;
		answer.error = -EPERM;
		if (ask.data.nr >= 0 && ask.data.nr < CALLS_NUMBERS && l->listed[ask.data.nr]) {
			answer.error = 0;
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
			__atomic_fetch_add(&l->made[ask.data.nr], 1, __ATOMIC_RELAXED);
		} else if (ask.data.nr >= 0 && ask.data.nr < CALLS_NUMBERS) {
			__atomic_fetch_add(&l->refused[ask.data.nr], 1, __ATOMIC_RELAXED);
		}
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

/* A process that shares our files, so that it has the listener's as soon as we do. */
static pid_t clone_with_files(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL);
}

int seccomp_load(const scmp_filter_ctx filter)
{
	int (*real)(const scmp_filter_ctx) =
	    (int (*)(const scmp_filter_ctx))dlsym(RTLD_NEXT, "seccomp_load");
	struct calls_list *l = lists ? find_list() : NULL;
	int fd, status;
	pid_t pid;

	if (!l)
		return real(filter);
	/* The number the listener's file will get: the lowest that is free. */
	fd = (int)syscall(SYS_memfd_create, "calls", 0);
	close(fd);
	/* Its parent is gone at once: it is nobody's child here. */
	pid = clone_with_files();
	if (!pid) {
		if (!clone_with_files())
			listen(fd, l);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, __WALL);
	return real(filter);
}
