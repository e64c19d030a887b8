// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/confine.h"

#include "common/call_filter.h"

#include <seccomp.h>

/*
 * What the threads of a running machine do, and the way out. Each names a caller (tests/README.md,
 * "System calls"); those of threads that start are not among them (common/thread.h).
 */
static const int allowed[] = {
    SCMP_SYS(ppoll),             /* ppoll() of the loop */
    SCMP_SYS(poll),              /* poll() */
    SCMP_SYS(read),              /* read() */
    SCMP_SYS(pread64),           /* pread(): a snapshot is copied */
    SCMP_SYS(write),             /* write(), fprintf() */
    SCMP_SYS(lseek),             /* lseek() for holes, fflush() */
    SCMP_SYS(newfstatat),        /* fopen()'s first read: fgets() */
    SCMP_SYS(fstat),             /* the same of a C library that has it so: fgets() */
    SCMP_SYS(ioctl),             /* tcsetattr() */
    SCMP_SYS(close),             /* close() */
    SCMP_SYS(sendto),            /* send() */
    SCMP_SYS(recvfrom),          /* recv() */
    SCMP_SYS(recvmsg),           /* recvmsg(): the file that a snapshot goes to */
    SCMP_SYS(accept4),           /* accept4(): the next client */
    SCMP_SYS(futex),             /* vm_wake(), thread_start() */
    SCMP_SYS(kill),              /* kill(): kicks, and the end of the nursery */
    SCMP_SYS(wait4),             /* waitpid() */
    SCMP_SYS(sched_getaffinity), /* sched_getaffinity() */
    SCMP_SYS(sched_setaffinity), /* sched_setaffinity(): another CPU is idle */
    SCMP_SYS(clock_gettime),     /* clock_gettime() of cells' clocks */
    SCMP_SYS(clock_getres),      /* clock_getcpuclockid() */
    SCMP_SYS(clock_nanosleep),   /* nanosleep() */
    SCMP_SYS(restart_syscall),   /* poll() and nanosleep() when main was stopped and goes on */
    SCMP_SYS(sysinfo),           /* qsort() in a C library before 2.37: it believes the answer */
    SCMP_SYS(mmap),              /* malloc(), without PROT_EXEC */
    SCMP_SYS(munmap),            /* free() */
    SCMP_SYS(madvise),           /* huge_pages_start() */
    SCMP_SYS(brk),               /* malloc(), free() */
    SCMP_SYS(rt_sigprocmask),    /* raise(), with the next three, of a signal that nobody expects */
    SCMP_SYS(getpid),            /* raise() */
    SCMP_SYS(gettid),            /* raise() */
    SCMP_SYS(tgkill),            /* raise() */
    SCMP_SYS(exit),              /* huge_pages_stop(): the end of a thread */
    SCMP_SYS(exit_group),        /* exit() */
};

/* Without Landlock any file of the user could be removed: the names of the machine stay then, for
 * the next `ring1 ls`, and the unlinkat() of its end is refused. */
int confine_calls(bool may_remove)
{
	static const int removing[] = {SCMP_SYS(unlinkat)};

	return call_filter_install(allowed, sizeof allowed / sizeof *allowed, removing,
	                           may_remove ? 1 : 0);
}
