// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/devices.h"

#include "main/vm.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_NS 5000000000u /* for what is in hand, of a back end that is to end */
#define LOOK_NS   1000000     /* between two looks whether it has */

struct device *devices_add(struct devices *devices, const char *kind, const char *what)
{
	struct device *d;

	if (devices->count == VIRTIO_DEVICES) {
		complain("%s %s: a machine has at most %d devices", kind, what, VIRTIO_DEVICES);
		return NULL;
	}
	d = &devices->list[devices->count++];
	*d = (struct device){0};
	snprintf(d->name, sizeof d->name, "%s%s%s", kind, *what ? " " : "", what);
	return d;
}

/* In the child. What main has mapped and the back end has no use for goes. */
static _Noreturn void become(struct device *d, struct vm *vm, unsigned number, pid_t main_pid)
{
	static struct backend b;
	char title[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != main_pid)
		_exit(BACKEND_INTERNAL);
	snprintf(title, sizeof title, "ring1:%.9s", d->name);
	prctl(PR_SET_NAME, title);
	munmap(vm->annotations, ANNOT_FILE_SIZE);
	munmap(vm->vcpu, 4096);
	b = (struct backend){.ops = d->ops,
	                     .own = d->own,
	                     .machine = vm->machine,
	                     .device = &vm->machine->platform.virtio.device[number],
	                     .memory = {vm->ram, vm->ram_size, vm_lazy(vm)},
	                     .shown = d->shown,
	                     .saved = d->saved,
	                     .restored = vm->devices->restored};
	backend_become(&b, d->fds, d->nfds);
}

/* Kept from one life to the next; what a restored machine's back ends find there is from its file.
 */
bool device_make_saved(struct device *d)
{
	if (!d->saved)
		d->saved = mmap(NULL, sizeof *d->saved, PROT_READ | PROT_WRITE,
		                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->saved != MAP_FAILED)
		return true;
	d->saved = NULL;
	complain("cannot start a process for %s: %s", d->name, strerror(errno));
	return false;
}

static void plug(struct device *d, struct platform *platform, unsigned number)
{
	if (d->shown.drive) {
		d->ide.mailbox = (uint8_t)number;
		ide_plug(&platform->ide, &platform->pci, (d->shown.drive - 1) % IDE_UNITS, &d->ide);
	} else if (d->shown.id == RTL8139_ID) {
		rtl8139_plug(&platform->virtio, &platform->pci, &platform->rtl8139[number], number,
		             &d->shown, d->config);
	} else {
		virtio_plug(&platform->virtio, &platform->pci, number, &d->shown, d->config);
	}
}

int devices_start(struct devices *devices, struct vm *vm, bool msix)
{
	struct platform *platform = &vm->machine->platform;
	pid_t me = getpid();

	vm->devices = devices;
	for (unsigned i = 0; i < devices->count; i++) {
		struct device *d = &devices->list[i];

		if (!device_make_saved(d))
			return EXIT_HOST;
		d->shown.msix = msix;
		if (!devices->restored)
			plug(d, platform, i);
	}
	for (unsigned i = 0; i < devices->count; i++) {
		struct device *d = &devices->list[i];

		fflush(NULL);
		d->pid = fork();
		if (!d->pid)
			become(d, vm, i, me);
		if (d->pid < 0) {
			d->pid = 0;
			complain("cannot start a process for %s: %s", d->name, strerror(errno));
			return EXIT_HOST;
		}
	}
	return 0;
}

static void say_end(const struct device *d, int status, char *why, size_t size, bool *host)
{
	*host = true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == BACKEND_CONFINE)
		snprintf(why, size,
		         "the process of %s could not confine itself; 'ring1 check' tells what "
		         "the host refuses",
		         d->name);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == BACKEND_RESTORE)
		snprintf(why, size, "%s cannot go on from what the snapshot says of it", d->name);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		snprintf(why, size,
		         "the process of %s was killed, perhaps because the host ran out of memory",
		         d->name);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		snprintf(why, size, "the host has no memory left for the guest's (%s)", d->name);
	else {
		*host = false;
		snprintf(why, size, "the process of %s died (%s %d)", d->name,
		         WIFEXITED(status) ? "it ended itself with status" : "killed by signal",
		         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	}
}

bool devices_check(struct devices *devices, char *why, size_t size, bool *host)
{
	for (unsigned i = 0; i < devices->count; i++) {
		struct device *d = &devices->list[i];
		int status;

		if (d->pid > 0 && waitpid(d->pid, &status, WNOHANG) == d->pid) {
			d->pid = 0;
			say_end(d, status, why, size, host);
			return true;
		}
	}
	return false;
}

/* ---- pausing ---- */

void device_ring(struct vm *vm, unsigned number, uint32_t bits)
{
	struct virtio_device *d = &vm->machine->platform.virtio.device[number];

	__atomic_fetch_or(&d->bell, bits, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&d->sleeping, 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &d->sleeping, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void command(struct vm *vm, unsigned number, uint32_t control)
{
	struct virtio_device *d = &vm->machine->platform.virtio.device[number];

	__atomic_store_n(&d->control, control, __ATOMIC_SEQ_CST);
	device_ring(vm, number, VIRTIO_BELL_STATUS);
}

static uint64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The answer is in memory that the guest can write: at worst main believes too early. */
static bool answered(const struct vm *vm, unsigned number, uint32_t control)
{
	const struct virtio_device *d = &vm->machine->platform.virtio.device[number];

	return __atomic_load_n(&d->answered, __ATOMIC_SEQ_CST) == control;
}

static void command_all(struct devices *devices, struct vm *vm, uint32_t control)
{
	for (unsigned i = 0; i < devices->count; i++)
		if (devices->list[i].pid > 0)
			command(vm, i, control);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

void devices_pause(struct devices *devices, struct vm *vm)
{
	/* A back end that has not seen yet that it was let go has answered to the last number. */
	if (++devices->pause < VIRTIO_CONTROL_PAUSE)
		devices->pause = VIRTIO_CONTROL_PAUSE;
	command_all(devices, vm, devices->pause);
}

bool devices_paused(const struct devices *devices, const struct vm *vm)
{
	for (unsigned i = 0; i < devices->count; i++)
		if (devices->list[i].pid > 0 && !answered(vm, i, devices->pause))
			return false;
	return true;
}

void devices_resume(struct devices *devices, struct vm *vm)
{
	command_all(devices, vm, VIRTIO_CONTROL_RUN);
}

void devices_stop(struct devices *devices, struct vm *vm)
{
	uint64_t until = monotonic() + ANSWER_NS;

	command_all(devices, vm, VIRTIO_CONTROL_STOP);
	for (unsigned i = 0; i < devices->count; i++) {
		struct device *d = &devices->list[i];

		while (d->pid > 0 && waitpid(d->pid, NULL, WNOHANG) == 0) {
			if (monotonic() > until)
				kill(d->pid, SIGKILL);
			nap();
		}
		d->pid = 0;
	}
}
