// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 run: one machine from its start to its end. */
#include "main/annotation.h"
#include "main/balloon.h"
#include "main/boot.h"
#include "main/channels.h"
#include "main/command.h"
#include "main/detach.h"
#include "main/devices.h"
#include "main/disks.h"
#include "main/lives.h"
#include "main/loop.h"
#include "main/machines.h"
#include "main/nets.h"
#include "main/placement.h"
#include "main/restore.h"
#include "main/shares.h"
#include "main/stats.h"
#include "main/terminal.h"
#include "main/trace.h"
#include "main/vm.h"

#include "cell/cell.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static void print_registers(const struct stop *s)
{
	const char *end = complain_line_end();

	fprintf(stderr,
	        "  eip %08x eflags %08x  cs %04x ss %04x ds %04x es %04x fs %04x gs %04x%s"
	        "  eax %08x ebx %08x ecx %08x edx %08x%s"
	        "  esi %08x edi %08x ebp %08x esp %08x%s"
	        "  cr0 %08x cr2 %08x cr3 %08x cr4 %08x%s",
	        s->eip, s->eflags, s->vsel[SEG_CS], s->vsel[SEG_SS], s->vsel[SEG_DS],
	        s->vsel[SEG_ES], s->vsel[SEG_FS], s->vsel[SEG_GS], end, s->gpr[R_EAX],
	        s->gpr[R_EBX], s->gpr[R_ECX], s->gpr[R_EDX], end, s->gpr[R_ESI], s->gpr[R_EDI],
	        s->gpr[R_EBP], s->gpr[R_ESP], end, s->cr0, s->cr2, s->cr3, s->cr4, end);
}

static int report(const struct outcome *o)
{
	switch (o->reason) {
	case STOP_HALT:
		return EXIT_OK;
	case STOP_POWEROFF:
	case STOP_RESET:
		complain("%s", o->text);
		return EXIT_OK;
	case STOP_PANIC:
		complain("guest panic: %s", o->text);
		print_registers(&o->stop);
		return EXIT_GUEST;
	case STOP_TRIPLE:
		complain("guest: %s", o->text);
		print_registers(&o->stop);
		return EXIT_GUEST;
	case STOP_REQUEST:
		complain("%s", o->text);
		return EXIT_OK;
	case STOP_MEMORY:
	case STOP_HOST:
		complain("%s", o->text);
		return EXIT_HOST;
	default:
		complain("internal error: %s", o->text);
		/* Main's own finding has no registers with it. */
		if (o->stop.reason != STOP_NONE)
			print_registers(&o->stop);
		return EXIT_INTERNAL;
	}
}

static int print_stats(const struct vm *vm, const struct run_options *o,
                       const struct annotate_report *annotation)
{
	if (!o->stats)
		return 0;
	if (!o->stats_path) {
		stats_print(stderr, vm, annotation);
		return 0;
	}
	if (stats_write_json(o->stats_file, vm, annotation)) {
		complain("%s: cannot write: %s", o->stats_path, strerror(errno));
		return EXIT_USAGE;
	}
	return 0;
}

/* A page of the shared files that the host cannot supply; in a cell: core/exit.c. */
static void out_of_memory(int signal)
{
	static const char text[] = "ring1: the host has no memory left for the guest's\r\n";

	(void)signal;
	terminal_restore();
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(EXIT_HOST);
	_exit(EXIT_HOST);
}

/* A triple fault resets a PC; a panic is the end, also of a kernel that then asks for a reset. */
static bool wants_restart(const struct outcome *outcome)
{
	return outcome->reason == STOP_RESET || outcome->reason == STOP_TRIPLE;
}

struct life {
	struct run_options *o;
	struct kernel *k;
	struct console *console;
	struct devices *devices;
	const struct machine_claim *claim;
	struct restore *restore; /* NULL: it boots */
	pid_t pid;               /* of the process that the user started */
	int gdb;                 /* the listening socket for a debugger; -1: none */
	bool alone;              /* that is this process, and no other cleans up behind it */
};

/* Everything between fresh memory and a machine that can start. */
static int prepare_boot(struct vm *vm, struct kernel *k, const struct run_options *o,
                        struct annotate_report *annotation)
{
	int status;

	vm->machine->have_apic = o->apic;
	if ((status = boot_load(vm, k, o)) || (status = host_facts_fill(vm)) ||
	    (status = annotate_loaded_kernel(k, o->traps_only, o->count_calls, o->deferred,
	                                     vm->annotations, vm->stubs, annotation)))
		return status;
	if (o->low_moved)
		vm->machine->low.end = HOLE_LOW_SIZE;
	if (o->deferred)
		vm->vcpu->delivery = DELIVERY_DEFERRED | DELIVERY_BOUNDED;
	vm->module_options = annotation_options(o->traps_only, o->count_calls, o->deferred);
	annotate_apply_traps(vm->annotations, vm->ram, vm->ram_size);
	return 0;
}

/* One life of the machine. *again: the guest rebooted, and is to be started anew. */
static int run_machine(struct vm *vm, const struct life *life, bool *again)
{
	const struct run_options *o = life->o;
	struct kernel *k = life->k;
	const struct snapshot_config *was = life->restore ? &life->restore->config : NULL;
	const struct control_facts facts = {.name = life->claim->name,
	                                    .pid = life->pid,
	                                    .kernel = was ? was->kernel : k->path,
	                                    .version = was ? was->kernel_version : k->version,
	                                    .console = console_word(life->console),
	                                    .listener = life->claim->listener,
	                                    .again = o->again,
	                                    .nagain = o->nagain,
	                                    .directory = o->directory};
	const struct start start = {.console = life->console,
	                            .name = o->name ? o->name : "this machine",
	                            .facts = &facts,
	                            .directory = life->alone ? life->claim->directory : -1,
	                            .gdb = life->gdb,
	                            .paused = o->paused,
	                            .ready = detach_ready};
	static struct outcome outcome;
	static struct annotate_report annotation;
	int status, r;

	if ((status = was ? 0 : prepare_boot(vm, k, o, &annotation)))
		return status;
	placement_start(vm, o->cpu);
	if (life->console->kind == CONSOLE_STDIO)
		terminal_raw();
	run_loop(vm, &start, &outcome);
	*again = o->restart && wants_restart(&outcome);
	if (*again) {
		complain("%s; it starts anew", outcome.text);
		return 0;
	}
	terminal_restore();
	status = report(&outcome);
	if (o->stats && !o->stats_path)
		fprintf(stderr, "ended: %s, eip %08x\n", outcome.text, outcome.stop.eip);
	r = print_stats(vm, o, &annotation);
	return status ? status : r;
}

/* In messages, and in what ps(1) shows: as much of it as the host keeps, 15 bytes. */
static void name_machine(const char *name)
{
	char title[16];

	complain_as(name);
	snprintf(title, sizeof title, "ring1:%s", name);
	prctl(PR_SET_NAME, title);
}

/* What the user plugged in. Returns 0 or an exit status, with the reason printed. */
static int open_devices(struct devices *devices, const struct run_options *o,
                        const struct machine_claim *claim)
{
	int status = 0;

	if (o->image)
		status = disks_add_image(devices, o->image);
	for (unsigned i = 0; i < o->ndevices && !status; i++)
		status = o->device[i].add(devices, o->device[i].text);
	/* A machine without a name has nobody who would ask for its agent. */
	if (o->agent && claim->directory >= 0 && !status)
		status = channels_add_agent(devices, claim);
	return status;
}

/*
 * The guest may have put another kernel on its disk, and what starts a machine reads what is there.
 * One that was given by -k stays, and so does an initial RAM disk given by -i.
 */
static int read_image_again(const struct life *l)
{
	struct run_options *o = l->o;
	struct image_boot before = o->boot;
	struct loader_error e;
	int status;

	if (o->kernel != o->boot.kernel)
		return 0;
	status = image_boot_open(o->image, &o->boot);
	if (status)
		return status;
	image_boot_close(&before);
	if (!o->initrd || o->initrd == o->boot.initrd)
		o->initrd = *o->boot.initrd ? o->boot.initrd : NULL;
	kernel_close(l->k);
	return kernel_open(o->kernel, l->k, &e) ? boot_status(&e) : 0;
}

static int run_life(void *argument, unsigned number, bool *again)
{
	const struct life *l = argument;
	static struct vm vm;
	const struct run_options *o = l->o;
	struct restore *r = l->restore;
	int status = number ? read_image_again(l) : 0;

	if (status)
		return status;
	status =
	    vm_create(&vm, r ? r->file.header.ram_bytes : o->memory, r ? r->file.fd : -1, o->name);
	signal(SIGBUS, out_of_memory);
	if (!status) {
		vm.machine->windows =
		    o->no_userfaultfd || !fast(FAST_WINDOWS) ? WINDOWS_OFF : WINDOWS_REFUSED;
		huge_pages_init(&vm.huge, vm.ram, vm.ram_size, vm.ram_fd,
		                fast(FAST_HUGE_PAGES) && !o->no_huge_pages && !r);
	}
	if (!status && r)
		status = restore_machine(r, &vm);
	if (!status)
		status = balloon_start(&vm);
	if (!status)
		status = devices_start(l->devices, &vm, r ? r->config.have_apic : o->apic);
	if (!status)
		status = run_machine(&vm, l, again);
	vm_destroy(&vm);
	return status;
}

/* A machine without a socket runs all the same, unless somebody counts on it. */
static int claim_name(struct machine_claim *claim, const struct run_options *o)
{
	int status;

	*claim = (struct machine_claim){.directory = -1, .listener = -1};
	if (o->no_control)
		return 0;
	status = machines_claim(claim, o->name);
	if (!status || o->name || o->detach || o->paused)
		return status;
	complain("it runs without a control socket; --control=off asks for that");
	machines_release(claim);
	return 0;
}

/* What main, which has given away the right to, cannot remove at the end. */
static bool leaves_names(const struct run_options *o, const struct console *console)
{
	return console->kind == CONSOLE_UNIX || (o->gdb && !strncmp(o->gdb, "unix:", 5)) ||
	       channels_leave_names();
}

static int run_lives(struct run_options *o, struct kernel *k, struct restore *restore,
                     struct console *console, struct devices *devices,
                     const struct machine_claim *claim, int gdb)
{
	struct life life = {.o = o,
	                    .k = k,
	                    .restore = restore,
	                    .console = console,
	                    .devices = devices,
	                    .claim = claim,
	                    .gdb = gdb,
	                    .pid = getpid()};
	bool again;

	if (o->restart || leaves_names(o, console)) {
		/* What a life in its process must find as it was before the first. */
		if (console->kind == CONSOLE_STDIO)
			terminal_raw();
		return lives_run(run_life, &life);
	}
	life.alone = true;
	return run_life(&life, 0, &again);
}

static int open_restore(struct restore *r, const struct run_options *o, struct devices *devices)
{
	int status = restore_open(r, o->restore, !o->unverified);

	if (!status && o->memory && o->memory != r->file.header.ram_bytes) {
		complain("%s: the machine had %llu MiB of memory, and -m says otherwise",
		         o->restore, (unsigned long long)r->file.header.ram_bytes >> 20);
		status = EXIT_USAGE;
	}
	return status ? status : restore_devices(r, devices, o->disks_changed);
}

/* With a name of its own, and a console. */
static int run_named(struct run_options *o, const struct machine_claim *claim)
{
	struct console console;
	struct loader_error e;
	struct kernel k = {0};
	static struct devices devices;
	static struct restore restore;
	int status, gdb = -1;

	restore.file.fd = -1;

	if ((status = console_open(&console, o->console)) ||
	    (o->gdb && (status = gdb_listen(o->gdb, &gdb)))) {
		console_close(&console);
		return status;
	}
	status = open_devices(&devices, o, claim);
	if (!status && o->restore)
		status = open_restore(&restore, o, &devices);
	else if (!status && kernel_open(o->kernel, &k, &e))
		status = boot_status(&e);
	if (!status)
		status =
		    run_lives(o, &k, o->restore ? &restore : NULL, &console, &devices, claim, gdb);
	terminal_restore();
	console_close(&console);
	disks_close();
	shares_close();
	nets_close();
	balloon_close();
	channels_close(claim);
	gdb_unlisten(o->gdb, gdb);
	kernel_close(&k);
	restore_close(&restore);
	return status;
}

/* Its disk is the first, and what it has to boot is taken where nothing else was given. */
static int open_image(struct run_options *o)
{
	int status = image_boot_open(o->image, &o->boot);

	if (status)
		return status;
	if (!o->kernel) {
		o->kernel = o->boot.kernel;
		if (!o->initrd && *o->boot.initrd)
			o->initrd = o->boot.initrd;
	}
	return 0;
}

int command_run(int argc, char **argv)
{
	struct run_options o;
	struct machine_claim claim;
	int status = run_options_parse(argc, argv, &o);

	if (status || (o.detach && (status = detach_begin())))
		return status;
	if (o.name)
		name_machine(o.name);
	if (o.image && !o.restore && (status = open_image(&o))) {
		detach_end(status);
		return status;
	}
	if (o.stats_path && !(o.stats_file = fopen(o.stats_path, "we"))) {
		complain("%s: cannot write: %s", o.stats_path, strerror(errno));
		detach_end(EXIT_USAGE);
		return EXIT_USAGE;
	}
	/* jansson would read its seed from a file when main no longer opens any. */
	json_object_seed(0);
	if (o.trace && (status = trace_open(o.trace))) {
		detach_end(status);
		return status;
	}
	if (!(status = claim_name(&claim, &o))) {
		detach_named(claim.name);
		status = run_named(&o, &claim);
	}
	trace_close();
	machines_release(&claim);
	detach_end(status);
	return status;
}
