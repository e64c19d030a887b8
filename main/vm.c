// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/vm.h"

#include "main/devices.h"
#include "main/shared_file.h"
#include "main/snapshot_file.h"

#include "common/lazy_memory.h"

#include "cell/cell.h"
#include "cell/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const char cell_program[], cell_program_end[];

static int shared_memory(const char *name, uint64_t size, int *fd)
{
	*fd = memory_file(name);
	if (*fd < 0) {
		complain("the host refuses memfd_create: %s", strerror(errno));
		return EXIT_HOST;
	}
	if (ftruncate(*fd, (off_t)size)) {
		complain("cannot make shared memory of %llu MiB (%s): %s",
		         (unsigned long long)(size >> 20), name, strerror(errno));
		return EXIT_HOST;
	}
	/* A cell cannot change the size (no ftruncate in its filter); neither shall a mistake. */
	fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return 0;
}

static void *map_shared(int fd, uint64_t size, uint64_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	if (p == MAP_FAILED) {
		complain("cannot map %llu MiB of shared memory: %s",
		         (unsigned long long)(size >> 20), strerror(errno));
		return NULL;
	}
	return p;
}

/* At a multiple of 2 MiB: a huge page needs that (main/huge_pages.h). */
static void *map_ram(int fd, uint64_t size)
{
	uint64_t room = size + HUGE_PAGE_SIZE;
	uint8_t *all =
	    mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *p;

	if (all == MAP_FAILED)
		return map_shared(fd, size, 0);
	p = all + (-(uintptr_t)all & (HUGE_PAGE_SIZE - 1));
	if (p > all)
		munmap(all, (size_t)(p - all));
	if (all + room > p + size)
		munmap(p + size, (size_t)(all + room - p - size));
	if (mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == p)
		return p;
	complain("cannot map %llu MiB of shared memory: %s", (unsigned long long)(size >> 20),
	         strerror(errno));
	munmap(p, size);
	return NULL;
}

static int make_memory(struct vm *vm)
{
	int status;

	if ((status = shared_memory("ring1-ram", vm->ram_size, &vm->ram_fd)) ||
	    (status = shared_memory("ring1-state", STATE_SIZE, &vm->state_fd)) ||
	    (status = shared_memory("ring1-annotations", ANNOT_FILE_SIZE, &vm->annot_fd)))
		return status;
	vm->ram = map_ram(vm->ram_fd, vm->ram_size);
	vm->vcpu = map_shared(vm->state_fd, 4096, STATE_VCPU);
	vm->machine = map_shared(vm->state_fd, sizeof(struct machine), STATE_MACHINE);
	vm->annotations = map_shared(vm->annot_fd, ANNOT_FILE_SIZE, 0);
	if (!vm->ram || !vm->vcpu || !vm->machine || !vm->annotations)
		return EXIT_HOST;
	vm->stubs = (uint8_t *)vm->annotations + ANNOT_FILE_STUBS;
	vm->module_stubs = (uint8_t *)vm->annotations + ANNOT_FILE_MODULES;
	return 0;
}

/*
 * When the host must kill for memory, then a cell: main is left to say what happened. Only the
 * highest value is enough: main has the guest's memory mapped as the cells do, and often more of
 * it, and a value counts in thousandths of the limit that was met (proc(5), oom_score_adj), which
 * may be a small group's.
 */
static void volunteer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) == 4)
		close(fd);
}

/* In the child, between fork and exec: only async-signal-safe calls. Its status is an errno. */
static _Noreturn void exec_nursery(const struct vm *vm, int program, int socket)
{
	static char *const argv[] = {"ring1-cell", NULL}, *const envp[] = {NULL};
	sigset_t none;
	int from[] = {vm->ram_fd, vm->state_fd, vm->annot_fd, socket, program, vm->base_fd};
	int to[] = {CELL_FD_RAM, CELL_FD_STATE,  NURSERY_FD_ANNOT, NURSERY_FD_SOCKET,
	            7,           NURSERY_FD_BASE};
	unsigned n = vm->base_fd < 0 ? 5 : 6;

	/* First out of the way of the final numbers, then into place. */
	for (unsigned i = 0; i < n; i++)
		if ((from[i] = fcntl(from[i], F_DUPFD, 16)) < 0)
			_exit(EMFILE);
	for (unsigned i = 0; i < n; i++)
		if (dup2(from[i], to[i]) < 0)
			_exit(errno);
	close_range(n < 6 ? NURSERY_FD_BASE : NURSERY_FD_BASE + 1, ~0u, 0);
	close_range(0, 2, 0);
	fcntl(7, F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What main blocked and ignored when this is not its first machine. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A session of its own: what the terminal or `timeout` sends is for main to decide. */
	setsid();
	volunteer();
	syscall(SYS_execveat, 7, "", argv, envp, AT_EMPTY_PATH);
	_exit(errno);
}

static int start_nursery(struct vm *vm)
{
	int pair[2], program = program_file("ring1-cell", cell_program,
	                                    (size_t)(cell_program_end - cell_program));

	if (program < 0) {
		complain("cannot make a program in memory: %s%s", strerror(errno),
		         errno == EACCES ? " (sysctl vm.memfd_noexec is 2, and no directory for "
		                           "temporary files lets them be executed)"
		                         : "");
		return EXIT_HOST;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		complain("cannot make a socket pair: %s", strerror(errno));
		return EXIT_HOST;
	}
	/* Cells whose parent is gone are waited for here (end_cells()). */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	vm->nursery_pid = fork();
	if (vm->nursery_pid == 0)
		exec_nursery(vm, program, pair[1]);
	close(program);
	close(pair[1]);
	vm->nursery_socket = pair[0];
	if (vm->nursery_pid < 0) {
		complain("cannot start a process: %s", strerror(errno));
		return EXIT_HOST;
	}
	return 0;
}

uint64_t vm_build(void)
{
	return snapshot_build(cell_program, (size_t)(cell_program_end - cell_program));
}

static int map_base(struct vm *vm, int fd)
{
	void *p = MAP_FAILED;

	if (fd < 0)
		return 0;
	p = mmap(NULL, vm->ram_size, PROT_READ, MAP_SHARED, fd, LAZY_FILE_AT);
	if (p == MAP_FAILED) {
		complain("cannot map the snapshot: %s", strerror(errno));
		return EXIT_HOST;
	}
	vm->base = p;
	vm->base_fd = fd;
	return 0;
}

struct lazy_memory vm_lazy(const struct vm *vm)
{
	return (struct lazy_memory){vm->ram, vm->ram_size, vm->base, vm->machine->lazy_chunk};
}

int vm_create(struct vm *vm, uint64_t ram_size, int base, const char *name)
{
	int status;

	*vm = (struct vm){.ram_size = ram_size,
	                  .ram_fd = -1,
	                  .state_fd = -1,
	                  .annot_fd = -1,
	                  .base_fd = -1,
	                  .build = vm_build(),
	                  .nursery_socket = -1,
	                  .doorbell_event = -1};
	clock_gettime(CLOCK_MONOTONIC, &vm->started);
	if ((status = make_memory(vm)) || (status = map_base(vm, base)) ||
	    (status = start_nursery(vm)))
		return status;
	vm->machine->ram_size = ram_size;
	snprintf(vm->machine->title, sizeof vm->machine->title, "%s%s",
	         name ? "cell:" : "ring1-cell", name ? name : "");
	vm->machine->deadline = UINT64_MAX;
	return 0;
}

/* @status is a wait status of a cell, which has three ways to end: killed, by exit, by its jail. */
static void say_death(struct vm *vm, int status, char *why, size_t size)
{
	int number = WTERMSIG(status);

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_HOST) {
		vm->host_refused = true;
		snprintf(why, size,
		         "a cell died because it could not confine itself; "
		         "'ring1 check' tells what the host refuses");
	} else if (WIFEXITED(status)) {
		snprintf(why, size, "a cell died (it ended itself with status %d)",
		         WEXITSTATUS(status));
	} else if (number == SIGSYS) {
		vm->host_refused = true;
		snprintf(why, size,
		         "a cell died of a system call that a filter around ring1 "
		         "forbids; 'ring1 check' tells more");
	} else if (number == SIGKILL) {
		vm->host_refused = true;
		snprintf(why, size,
		         "a cell died (killed, perhaps because the host ran out of memory)");
	} else {
		snprintf(why, size, "a cell died (killed by signal %d, %s)", number,
		         strsignal(number));
	}
}

bool vm_nursery_event(struct vm *vm, char *why, size_t size)
{
	struct nursery_reply r;
	ssize_t n = recv(vm->nursery_socket, &r, sizeof r, 0);

	if (n != sizeof r) {
		snprintf(why, size, "the process that starts cells ended");
		return false;
	}
	switch (r.kind) {
	case NURSERY_FORKED:
		if (r.cell != vm->ncells || vm->ncells >= MACHINE_MAX_CELLS)
			break;
		vm->cell_pid[vm->ncells] = r.pid;
		__atomic_store_n(&vm->ncells, vm->ncells + 1, __ATOMIC_RELEASE);
		return true;
	case NURSERY_FAILED:
		snprintf(why, size, "the host refuses more processes or memory: %s",
		         strerror(-r.status));
		vm->host_refused = !vm->ncells;
		return vm->ncells > 0; /* what there is suffices */
	case NURSERY_DIED:
		say_death(vm, r.status, why, size);
		return false;
	}
	snprintf(why, size, "the process that starts cells sent nonsense");
	return false;
}

void vm_publish_cells(struct vm *vm)
{
	uint32_t known = __atomic_load_n(&vm->machine->ncells, __ATOMIC_RELAXED);

	for (uint32_t i = known; i < vm->ncells; i++)
		vm->machine->cell[i].tag = CELL_NO_TAG;
	__atomic_store_n(&vm->machine->ncells, vm->ncells, __ATOMIC_RELEASE);
}

void vm_want_cells(struct vm *vm)
{
	struct nursery_request q = {.cells = vm->ncells + CELLS_STEP(vm->ncells)};

	if (vm->cells_asked >= q.cells || vm->ncells >= MACHINE_MAX_CELLS)
		return;
	vm->cells_asked = q.cells;
	if (send(vm->nursery_socket, &q, sizeof q, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		vm->cells_asked = 0;
}

static void say_nursery_failed(struct vm *vm, char *why, size_t size)
{
	int status = 0;

	waitpid(vm->nursery_pid, &status, 0);
	vm->nursery_pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EMFILE)
		snprintf(why, size,
		         "cannot start the process that starts cells: the limit of open files is "
		         "too low (ulimit -n)");
	else
		snprintf(why, size, "cannot run the cell program from memory (%s)",
		         WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "it was killed");
}

/* Waits for its next word, and leaves that to be heard; false: there is none, it has ended. */
static bool nursery_speaks(const struct vm *vm)
{
	struct nursery_reply r;

	return recv(vm->nursery_socket, &r, sizeof r, MSG_PEEK) == sizeof r;
}

int vm_fork_cells(struct vm *vm, uint32_t n, char *why, size_t size)
{
	struct nursery_request q = {.cells = n};

	if (send(vm->nursery_socket, &q, sizeof q, MSG_NOSIGNAL) != sizeof q) {
		say_nursery_failed(vm, why, size);
		return EXIT_HOST;
	}
	while (vm->ncells < n) {
		uint32_t before = vm->ncells;

		/* One that cannot start may end behind the request as well as before it. */
		if (!before && !nursery_speaks(vm)) {
			say_nursery_failed(vm, why, size);
			return EXIT_HOST;
		}
		if (!vm_nursery_event(vm, why, size))
			return EXIT_HOST;
		if (vm->ncells == before)
			break;
	}
	vm_publish_cells(vm);
	return 0;
}

void vm_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void vm_start(struct vm *vm)
{
	__atomic_store_n(&vm->machine->cell[0].go, 1, __ATOMIC_SEQ_CST);
	vm_wake(&vm->machine->cell[0].go);
}

void vm_kick(struct vm *vm, uint32_t bits)
{
	uint32_t running;

	__atomic_fetch_or(&vm->machine->inbox, bits, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vm->machine->halted, __ATOMIC_SEQ_CST)) {
		vm_wake(&vm->machine->inbox);
		return;
	}
	running = __atomic_load_n(&vm->machine->running, __ATOMIC_SEQ_CST);
	/* This may be the doorbell's thread, and the other about to add a cell. */
	if (running < __atomic_load_n(&vm->ncells, __ATOMIC_ACQUIRE))
		kill(vm->cell_pid[running], CELL_SIGNAL_KICK);
}

static void close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void unmap(void **p, uint64_t size)
{
	if (*p)
		munmap(*p, size);
	*p = NULL;
}

/*
 * The nursery's death kills the cells: they asked the kernel for that. They are main's children
 * then, and when main is done with them none counts against the user's limit of processes.
 */
static void end_cells(struct vm *vm)
{
	char why[200];

	kill(vm->nursery_pid, SIGKILL);
	waitpid(vm->nursery_pid, NULL, 0);
	/* Cells that it forked and main was not yet told of. */
	while (vm_nursery_event(vm, why, sizeof why))
		;
	for (uint32_t i = 0; i < vm->ncells; i++)
		while (waitpid(vm->cell_pid[i], NULL, 0) < 0 && errno == EINTR)
			;
}

void vm_destroy(struct vm *vm)
{
	if (vm->nursery_pid > 0)
		end_cells(vm);
	/* No cell asks them for anything now. */
	if (vm->devices)
		devices_stop(vm->devices, vm);
	close_file(&vm->nursery_socket);
	unmap((void **)&vm->ram, vm->ram_size);
	unmap((void **)&vm->base, vm->ram_size);
	unmap((void **)&vm->vcpu, 4096);
	unmap((void **)&vm->machine, sizeof(struct machine));
	unmap((void **)&vm->annotations, ANNOT_FILE_SIZE);
	close_file(&vm->ram_fd);
	close_file(&vm->state_fd);
	close_file(&vm->annot_fd);
}
