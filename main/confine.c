// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/confine.h"

#include "common/call_filter.h"

#include <seccomp.h>

/* The event loop, its libraries' memory, and the way out. */
static const int allowed[] = {
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fcntl),
    SCMP_SYS(ioctl), /* terminal settings */
    SCMP_SYS(close),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), /* the file that a snapshot goes to */
    SCMP_SYS(accept4), /* the next client of the console's socket */
    SCMP_SYS(futex),
    SCMP_SYS(kill), /* kicks; the end of the nursery */
    SCMP_SYS(wait4),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity), /* main/placement.c */
    SCMP_SYS(sched_yield),
    SCMP_SYS(getcpu),
    SCMP_SYS(clock_gettime), /* of cells, too */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getrandom),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rseq), /* a thread that has just been started */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(getpid), /* abort() */
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

int confine_calls(bool may_remove)
{
	static const int removing[] = {SCMP_SYS(unlinkat)};

	return call_filter_install(allowed, sizeof allowed / sizeof *allowed, removing,
	                           may_remove ? 1 : 0);
}
