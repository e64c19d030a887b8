// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The nursery: a small process that main starts before it grows, and that forks cells.
 *
 * It is this same freestanding program, run afresh, so a cell inherits nothing of main: no
 * heap, no environment, no library. It holds the shared memory mapped as every cell wants it.
 *
 * No process outlives main: the nursery dies by the parent-death signal of main, a cell by
 * that of the nursery, whatever way either ends.
 */
#include "cell/cell.h"
#include "cell/host.h"
#include "cell/syscall.h"

#include "core/core.h"
#include "core/exit.h"

#include <asm/poll.h>
#include <asm/prctl.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/signalfd.h>
#include <linux/userfaultfd.h>

#define SIGNAL_CHILD 17
#define SIGNAL_KILL  9
#define MSG_NOSIGNAL 0x4000

_Noreturn void nursery_main(void);

struct pollfd_ {
	int fd;
	short events, revents;
};

static void reply(uint32_t kind, uint32_t cell, int32_t pid, int32_t status)
{
	struct nursery_reply r = {.kind = kind, .cell = cell, .pid = pid, .status = status};

	host_call(__NR_sendto, NURSERY_FD_SOCKET, (long)&r, sizeof r, MSG_NOSIGNAL, 0, 0);
}

static bool map_at(uint64_t va, uint64_t n, long prot, int fd, uint64_t offset)
{
	long r = host_call(__NR_mmap, (long)va, (long)n, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
	                   (long)offset);

	return r == (long)va;
}

/* What every cell has in common. */
static bool map_shared(void)
{
	uint32_t stubs;

	if (!map_at(CELL_STATE, ROUND_PAGE(sizeof(struct machine)), PROT_READ | PROT_WRITE,
	            CELL_FD_STATE, STATE_MACHINE) ||
	    !map_at(HOLE_VCPU, HOLE_VCPU_SIZE, PROT_READ | PROT_WRITE, CELL_FD_STATE, STATE_VCPU) ||
	    !map_at(CELL_ANNOT, sizeof(struct annotations), PROT_READ, NURSERY_FD_ANNOT, 0) ||
	    !map_at(HOLE_MODULES, HOLE_MODULES_SIZE, PROT_READ | PROT_EXEC, NURSERY_FD_ANNOT,
	            ANNOT_FILE_MODULES) ||
	    !map_at(CELL_RAM, M->ram_size, PROT_READ | PROT_WRITE, CELL_FD_RAM, 0) ||
	    (M->lazy && !map_at(CELL_BASE, M->ram_size, PROT_READ, NURSERY_FD_BASE, LAZY_FILE_AT)))
		return false;
	stubs = ANNOT->stub_bytes;
	return !stubs || map_at(HOLE_STUBS, ROUND_PAGE(stubs), PROT_READ | PROT_EXEC,
	                        NURSERY_FD_ANNOT, ANNOT_FILE_STUBS);
}

static _Noreturn void die(int status)
{
	host_exit(status);
}

/* A userfaultfd of this process, for faults of user mode only: what needs no privilege. */
static bool open_userfaultfd(void)
{
	struct uffdio_api api = {.api = UFFD_API,
	                         .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM |
	                                     UFFD_FEATURE_MINOR_SHMEM};
	long fd = host_call(__NR_userfaultfd, UFFD_USER_MODE_ONLY, 0, 0, 0, 0, 0);

	if (fd < 0)
		return false;
	host_call(__NR_dup2, fd, CELL_FD_UFFD, 0, 0, 0, 0);
	host_call(__NR_close, fd, 0, 0, 0, 0, 0);
	if (host_call(__NR_ioctl, CELL_FD_UFFD, UFFDIO_API, (long)&api, 0, 0, 0) == 0)
		return true;
	host_call(__NR_close, CELL_FD_UFFD, 0, 0, 0, 0, 0);
	return false;
}

/*
 * In the child. Until the filter is in place this runs on the nursery's stack, which is
 * private: the cell's own is in shared memory, where a hostile cell could rewrite it.
 */
static _Noreturn void become_cell(uint32_t number, long nursery_pid)
{
	uint64_t empty = 0;

	host_call(__NR_prctl, PR_SET_PDEATHSIG, SIGNAL_KILL, 0, 0, 0, 0);
	if (host_call(__NR_getppid, 0, 0, 0, 0, 0, 0) != nursery_pid)
		die(1);
	if (!map_at(CELL_SELF, ROUND_PAGE(sizeof(struct cell)), PROT_READ | PROT_WRITE,
	            CELL_FD_STATE, STATE_CELL(number)))
		die(3);
	SELF->number = number;
	host_call(__NR_close_range, CELL_FD_STATE + 1, ~0u, 0, 0, 0, 0);
	host_call(__NR_close_range, 0, CELL_FD_RAM - 1, 0, 0, 0, 0);
	SELF->windows = M->windows != WINDOWS_OFF && open_userfaultfd();
	if (SELF->windows)
		M->windows = WINDOWS_ON;
	install_signals();
	/* Where the host can: a program's CPUID faults, and is told what its kernel is told. */
	host_call(__NR_arch_prctl, ARCH_SET_CPUID, 0, 0, 0, 0, 0);
	/* Main may have kicked this cell already. */
	host_call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&empty, 0, 8, 0, 0);
	enter_jail();
}

/* Fork until there are @wanted cells. */
static void grow(uint32_t *have, uint32_t wanted, long me)
{
	while (*have < wanted && *have < MACHINE_MAX_CELLS) {
		long pid = host_call(__NR_fork, 0, 0, 0, 0, 0, 0);

		if (pid == 0)
			become_cell(*have, me);
		if (pid < 0) {
			reply(NURSERY_FAILED, *have, 0, (int32_t)pid);
			return;
		}
		reply(NURSERY_FORKED, *have, (int32_t)pid, 0);
		(*have)++;
	}
}

/*
 * A cell ended. It is not waited for: its number stays taken as long as main might signal it.
 */
static void report_death(int signal_fd)
{
	struct signalfd_siginfo info;

	if (host_call(__NR_read, signal_fd, (long)&info, sizeof info, 0, 0, 0) == sizeof info)
		reply(NURSERY_DIED, 0, (int32_t)info.ssi_pid,
		      info.ssi_code == CLD_EXITED ? info.ssi_status << 8 : info.ssi_status);
}

_Noreturn void nursery_main(void)
{
	uint64_t child = 1ull << (SIGNAL_CHILD - 1);
	uint64_t blocked = child | 1ull << (CELL_SIGNAL_KICK - 1);
	long me = host_call(__NR_getpid, 0, 0, 0, 0, 0, 0);
	/* struct sigaction of the kernel: the default handler, flags, no restorer, no mask */
	static const uint64_t no_stops[4] = {0, SA_NOCLDSTOP, 0, 0};
	struct pollfd_ fds[2];
	uint32_t have = 0;

	host_call(__NR_prctl, PR_SET_PDEATHSIG, SIGNAL_KILL, 0, 0, 0, 0);
	host_call(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, (long)&blocked, 0, 8, 0, 0);
	/* Who stops a cell for a while (a debugger, a freezer) has not killed it. */
	host_call(__NR_rt_sigaction, SIGNAL_CHILD, (long)no_stops, 0, 8, 0, 0);
	fds[0] = (struct pollfd_){.fd = NURSERY_FD_SOCKET, .events = POLLIN};
	fds[1] = (struct pollfd_){
	    .fd = (int)host_call(__NR_signalfd4, -1, (long)&child, 8, O_CLOEXEC, 0, 0),
	    .events = POLLIN};
	for (;;) {
		struct nursery_request q;
		long n;

		host_call(__NR_poll, (long)fds, 2, -1, 0, 0, 0);
		if (fds[1].revents)
			report_death(fds[1].fd);
		if (!fds[0].revents)
			continue;
		n = host_call(__NR_recvfrom, NURSERY_FD_SOCKET, (long)&q, sizeof q, 0, 0, 0);
		if (n != sizeof q)
			die(0); /* main is gone */
		if (!have && !map_shared()) {
			reply(NURSERY_FAILED, 0, 0, -12);
			continue;
		}
		/* Its children inherit it; a program run from memory has no good name. */
		if (!have)
			host_call(__NR_prctl, PR_SET_NAME, (long)M->title, 0, 0, 0, 0);
		grow(&have, q.cells, me);
	}
}

__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "	xorl %ebp, %ebp\n"
        "	andq $-16, %rsp\n"
        "	call nursery_main\n"
        "	hlt\n");
