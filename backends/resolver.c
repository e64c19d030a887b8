// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/resolver.h"

#include "common/call_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define FILE_NAME "/etc/resolv.conf"

static int opener = -1;

/* ---- the opener ---- */

/* The descriptor, or without one, as the message's byte, why not. */
static void answer(int socket, int fd, char error)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof fd)];
	} control = {0};
	struct iovec part = {&error, 1};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control;
		control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		                                  .cmsg_type = SCM_RIGHTS,
		                                  .cmsg_len = CMSG_LEN(sizeof fd)};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	}
	if (sendmsg(socket, &m, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static _Noreturn void open_for_others(int socket, pid_t main_pid)
{
	static const int calls[] = {
	    SCMP_SYS(recvfrom),   /* recv() */
	    SCMP_SYS(sendmsg),    /* answer() */
	    SCMP_SYS(openat),     /* open() */
	    SCMP_SYS(close),      /* close() */
	    SCMP_SYS(exit_group), /* _exit() */
	};
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != main_pid)
		_exit(0);
	setsid();
	prctl(PR_SET_NAME, "ring1:resolver");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (socket > 0)
		close_range(0, (unsigned)socket - 1, 0);
	close_range((unsigned)socket + 1, ~0u, 0);
	if (call_filter_install(calls, sizeof calls / sizeof *calls, NULL, 0))
		_exit(0);
	while (recv(socket, &byte, 1, 0) > 0) {
		int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

		answer(socket, fd, (char)errno);
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

int resolver_start(void)
{
	int ends[2];
	pid_t me = getpid(), pid;

	if (opener >= 0)
		return opener;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	pid = fork();
	if (!pid)
		open_for_others(ends[1], me);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	opener = ends[0];
	return opener;
}

/* ---- in the back end ---- */

/* Returns a descriptor or a negative errno. */
static int ask(void)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte = 0;
	struct iovec part = {&byte, 1};
	struct msghdr m = {.msg_iov = &part,
	                   .msg_iovlen = 1,
	                   .msg_control = &control,
	                   .msg_controllen = sizeof control};
	int fd;

	if (send(opener, &byte, 1, MSG_NOSIGNAL) != 1 || recvmsg(opener, &m, MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	if (m.msg_controllen < CMSG_LEN(sizeof fd) || control.header.cmsg_type != SCM_RIGHTS)
		return byte ? -byte : -EIO;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
	return fd;
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	int error = errno;

	(void)signal;
	u->uc_mcontext.gregs[REG_RAX] = info->si_syscall == SYS_openat ? ask() : -EPERM;
	errno = error;
}

void resolver_answers_opens(void)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(SIGSYS, &action, NULL);
}
