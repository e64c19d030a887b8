// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 run: one machine from its start to its end. */
#include "loader/acpi.h"
#include "loader/mptable.h"
#include "main/annotation.h"
#include "main/command.h"
#include "main/detach.h"
#include "main/devices.h"
#include "main/disks.h"
#include "main/image_boot.h"
#include "main/lives.h"
#include "main/loop.h"
#include "main/machines.h"
#include "main/placement.h"
#include "main/stats.h"
#include "main/terminal.h"
#include "main/trace.h"
#include "main/vm.h"
#include "main/vrom.h"

#include "backends/rng.h"
#include "cell/cell.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <linux/virtio_ids.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/*
 * What any stock kernel needs to know here: the console, the hole, and what this machine has
 * not (a missing keyboard costs time to look for). User page tables in high memory (CONFIG_HIGHPTE)
 * would be mapped and taken away again two times for each page fault. The user's arguments come
 * last and win.
 */
#define DEFAULT_ARGUMENTS                                                                          \
	"console=ttyS0 reservetop=16M pci=conf1 i8042.noaux tsc=reliable panic=-1 "                \
	"random.trust_cpu=on noisapnp cryptomgr.notests userpte=nohigh"
/* Comparing ACPI's timer with the PIT takes a kernel 40 ms, and it has better clocks. */
#define ACPI_ARGUMENTS     " pmtmr=0"
#define NO_ACPI_ARGUMENTS  " acpi=off"
#define NO_APIC_ARGUMENTS  " noapic nolapic"
/* A kernel that lies elsewhere each time is annotated each time, and no System.map fits it. */
#define NO_KASLR_ARGUMENTS " nokaslr"
#define DEFAULT_MEMORY     (512ull << 20)
#define MEMORY_MIN         (64ull << 20)
#define MEMORY_MAX         (3ull << 30)

struct run_options {
	FILE *stats_file;
	struct image_boot boot; /* with image */
	const char *kernel, *initrd, *arguments, *stats_path, *console, *name, *image, *gdb, *trace;
	const char *disk[VIRTIO_DEVICES];
	unsigned ndisks;
	uint64_t memory;
	bool rng;
	bool stats, count_calls, bare, traps_only, no_vmi, deferred, low_moved, no_userfaultfd,
	    no_huge_pages, apic, no_acpi, kaslr, restart, detach, paused, no_control;
	int cpu;
};

static void usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 run -k KERNEL [OPTION]...\n\n"
	    "Boot an i386 kernel. Its first serial port is this terminal.\n\n"
	    "  -k, --kernel FILE     bzImage, ELF vmlinux or multiboot kernel\n"
	    "  -i, --initrd FILE     initial RAM disk; for a multiboot kernel its modules:\n"
	    "                        FILE[ ARGUMENTS][,FILE[ ARGUMENTS]]...\n"
	    "  -a, --append TEXT     kernel arguments, for Linux added to:\n"
	    "                        %s\n"
	    "      --no-defaults     do not add those\n"
	    "  -m, --memory SIZE     guest memory, 64M to 3G (512M)\n"
	    "  -n, --name NAME       what messages, process lists and other commands call the\n"
	    "                        machine (its process id)\n"
	    "      --image FILE[,ro][,cow][,serial=TEXT]\n"
	    "                        a disk to boot from, the first one: kernel and initial RAM "
	    "disk\n"
	    "                        are taken out of its ext4 file system, unless given with -k\n"
	    "                        and -i ('ring1 image create' makes one)\n"
	    "      --disk FILE[,ro][,cow][,backing=allow][,serial=TEXT]\n"
	    "                        a virtio disk: a raw image, a block device, a .qcow2 image or an\n"
	    "                        nbd:// or nbd+unix:// URI; read-only; or with what is written\n"
	    "                        thrown away at the end. More than one may be given; a comma\n"
	    "                        in a name is written twice\n"
	    "      --rng             a virtio source of random numbers: the host's\n"
	    "      --console WHERE   its first serial port: stdio (default), pty, file:PATH\n"
	    "                        (appended), unix:PATH (a socket, one client at a time) or\n"
	    "                        socket ('ring1 console' only; default with --detach)\n"
	    "      --detach          run in the background; print the machine's name\n"
	    "      --paused          do not start before 'ring1 resume' or a debugger says so\n"
	    "      --gdb WHERE       let gdb connect ('target remote'): a PORT of this host, or\n"
	    "                        unix:PATH\n"
	    "      --trace GROUP[,GROUP]...[:FILE]\n"
	    "                        record exits, interrupts, vmi, faults, switches, io, or all:\n"
	    "                        lines of text, or for Chrome when FILE ends in .json\n"
	    "      --control=on|off  a control socket, for 'ring1 ls', 'stop', ... (on)\n"
	    "      --stats[=FILE]    at the end, print what was counted (FILE: as JSON)\n"
	    "      --count=calls|exits  with --stats, count each VMI call and each rewritten\n"
	    "                        instruction (calls, the default), or only what leaves the\n"
	    "                        guest's 32-bit code (exits), which costs nothing\n"
	    "      --cpu N           run the guest on host CPU N (default: ring1 chooses)\n"
	    "      --vmi=on|off      show the guest a VMI ROM (on)\n"
	    "      --delivery=immediate|deferred\n"
	    "                        enabling interrupts delivers what is pending, or leaves it\n"
	    "                        to what follows, within 1 ms (immediate)\n"
	    "      --acpi=on|off     ACPI: power-off, power button (on; adds" ACPI_ARGUMENTS ",\n"
	    "                        off: adds" NO_ACPI_ARGUMENTS ")\n"
	    "      --apic=on|off     local APIC and IO-APIC (on; off adds" NO_APIC_ARGUMENTS ")\n"
	    "      --kaslr=on|off    a kernel built to lie elsewhere each time does (off; adds\n"
	    "                       " NO_KASLR_ARGUMENTS ")\n"
	    "      --reboot=exit|restart  when the guest reboots: leave, or start it anew (exit)\n"
	    "      --low-memory=auto|moved  map the guest's first 64 KiB where they belong as far\n"
	    "                        as the host lets processes map them, or nothing of them "
	    "(auto)\n"
	    "      --userfaultfd=on|off  map the guest's pages with its help, if the host has it "
	    "(on)\n"
	    "      --huge-pages=on|off  keep the guest's memory in huge pages of the host, if it "
	    "has them\n"
	    "                        (on)\n"
	    "      --traps-only      rewrite nothing: every sensitive instruction traps (slow)\n"
	    "  -h, --help            this text\n\n"
	    "Ctrl-A x leaves, Ctrl-A h lists the keys.\n"
	    "Exit status: 0 guest powered off or halted, 1 guest panic or triple fault,\n"
	    "2 usage or unusable input, 3 the host lacks something, 4 internal error.\n",
	    DEFAULT_ARGUMENTS);
}

static int parse_memory(const char *text, uint64_t *bytes)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || errno || n > (1ull << 40))
		goto bad;
	switch (*end) {
	case 'G':
	case 'g':
		n <<= 30;
		end++;
		break;
	case 'M':
	case 'm':
		n <<= 20;
		end++;
		break;
	case 'K':
	case 'k':
		n <<= 10;
		end++;
		break;
	case 0:
		n <<= 20; /* as in QEMU: a bare number is MiB */
		break;
	}
	if (*end)
		goto bad;
	if (n < MEMORY_MIN || n > MEMORY_MAX) {
		complain("-m %s: guest memory is from 64M to 3G", text);
		return EXIT_USAGE;
	}
	*bytes = n & ~4095ull;
	return 0;
bad:
	complain("-m %s: not a size; say for example 512M or 1G", text);
	return EXIT_USAGE;
}

/* It stands in messages, titles and file names. */
static bool is_name(const char *text)
{
	if (machine_name_is_valid(text))
		return true;
	complain("-n %s: a name has 1 to %d letters, digits, '.', '_' and '-', and begins with "
	         "none of the last three but '_'",
	         text, MACHINE_NAME_MAX);
	return false;
}

static int parse_cpu(const char *text, int *cpu)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0 || n >= CPU_SETSIZE) {
		complain("--cpu %s: not the number of a host CPU", text);
		return EXIT_USAGE;
	}
	*cpu = (int)n;
	return 0;
}

enum {
	OPTION_STATS = 256,
	OPTION_CONSOLE,
	OPTION_NO_DEFAULTS,
	OPTION_CPU,
	OPTION_LOW_MEMORY,
	OPTION_USERFAULTFD,
	OPTION_HUGE_PAGES,
	OPTION_TRAPS_ONLY,
	OPTION_VMI,
	OPTION_COUNT,
	OPTION_DELIVERY,
	OPTION_ACPI,
	OPTION_APIC,
	OPTION_KASLR,
	OPTION_REBOOT,
	OPTION_DETACH,
	OPTION_PAUSED,
	OPTION_CONTROL,
	OPTION_DISK,
	OPTION_RNG,
	OPTION_GDB,
	OPTION_IMAGE,
	OPTION_TRACE
};

/* An option that is one of two words: *second tells which. */
static int parse_choice(const char *name, const char *text, const char *no, const char *yes,
                        bool *second)
{
	if (strcmp(text, no) && strcmp(text, yes)) {
		complain("--%s=%s: say %s or %s", name, text, no, yes);
		return EXIT_USAGE;
	}
	*second = !strcmp(text, yes);
	return 0;
}

static int parse_options(int argc, char **argv, struct run_options *o)
{
	static const struct option options[] = {
	    {"kernel", required_argument, NULL, 'k'},
	    {"initrd", required_argument, NULL, 'i'},
	    {"append", required_argument, NULL, 'a'},
	    {"memory", required_argument, NULL, 'm'},
	    {"stats", optional_argument, NULL, OPTION_STATS},
	    {"no-defaults", no_argument, NULL, OPTION_NO_DEFAULTS},
	    {"count", required_argument, NULL, OPTION_COUNT},
	    {"cpu", required_argument, NULL, OPTION_CPU},
	    {"vmi", required_argument, NULL, OPTION_VMI},
	    {"delivery", required_argument, NULL, OPTION_DELIVERY},
	    {"acpi", required_argument, NULL, OPTION_ACPI},
	    {"apic", required_argument, NULL, OPTION_APIC},
	    {"kaslr", required_argument, NULL, OPTION_KASLR},
	    {"reboot", required_argument, NULL, OPTION_REBOOT},
	    {"low-memory", required_argument, NULL, OPTION_LOW_MEMORY},
	    {"userfaultfd", required_argument, NULL, OPTION_USERFAULTFD},
	    {"huge-pages", required_argument, NULL, OPTION_HUGE_PAGES},
	    {"traps-only", no_argument, NULL, OPTION_TRAPS_ONLY},
	    {"console", required_argument, NULL, OPTION_CONSOLE},
	    {"disk", required_argument, NULL, OPTION_DISK},
	    {"image", required_argument, NULL, OPTION_IMAGE},
	    {"rng", no_argument, NULL, OPTION_RNG},
	    {"name", required_argument, NULL, 'n'},
	    {"detach", no_argument, NULL, OPTION_DETACH},
	    {"paused", no_argument, NULL, OPTION_PAUSED},
	    {"control", required_argument, NULL, OPTION_CONTROL},
	    {"gdb", required_argument, NULL, OPTION_GDB},
	    {"trace", required_argument, NULL, OPTION_TRACE},
	    {"help", no_argument, NULL, 'h'},
	    {0}};
	bool exits_only = false;
	int c, status;

	*o = (struct run_options){
	    .memory = DEFAULT_MEMORY, .arguments = "", .cpu = -1, .apic = true};
	while ((c = getopt_long(argc, argv, "k:i:a:m:n:h", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			o->kernel = optarg;
			break;
		case 'i':
			o->initrd = optarg;
			break;
		case 'a':
			o->arguments = optarg;
			break;
		case 'n':
			if (!is_name(optarg))
				return EXIT_USAGE;
			o->name = optarg;
			break;
		case OPTION_DISK:
			if (o->ndisks == VIRTIO_DEVICES) {
				complain("--disk %s: a machine has at most %d devices", optarg,
				         VIRTIO_DEVICES);
				return EXIT_USAGE;
			}
			o->disk[o->ndisks++] = optarg;
			break;
		case OPTION_IMAGE:
			o->image = optarg;
			break;
		case OPTION_RNG:
			o->rng = true;
			break;
		case OPTION_CONSOLE:
			o->console = optarg;
			break;
		case OPTION_DETACH:
			o->detach = true;
			break;
		case OPTION_PAUSED:
			o->paused = true;
			break;
		case OPTION_TRACE:
			o->trace = optarg;
			break;
		case OPTION_GDB:
			o->gdb = optarg;
			break;
		case OPTION_CONTROL:
			if ((status = parse_choice("control", optarg, "on", "off", &o->no_control)))
				return status;
			break;
		case 'm':
			if ((status = parse_memory(optarg, &o->memory)))
				return status;
			break;
		case OPTION_STATS:
			o->stats = true;
			o->stats_path = optarg;
			break;
		case OPTION_NO_DEFAULTS:
			o->bare = true;
			break;
		case OPTION_CPU:
			if ((status = parse_cpu(optarg, &o->cpu)))
				return status;
			break;
		case OPTION_VMI:
			if ((status = parse_choice("vmi", optarg, "on", "off", &o->no_vmi)))
				return status;
			break;
		case OPTION_ACPI:
			if ((status = parse_choice("acpi", optarg, "on", "off", &o->no_acpi)))
				return status;
			break;
		case OPTION_APIC:
			if ((status = parse_choice("apic", optarg, "off", "on", &o->apic)))
				return status;
			break;
		case OPTION_KASLR:
			if ((status = parse_choice("kaslr", optarg, "off", "on", &o->kaslr)))
				return status;
			break;
		case OPTION_REBOOT:
			if ((status =
			         parse_choice("reboot", optarg, "exit", "restart", &o->restart)))
				return status;
			break;
		case OPTION_COUNT:
			if (strcmp(optarg, "calls") && strcmp(optarg, "exits")) {
				complain("--count=%s: say calls or exits", optarg);
				return EXIT_USAGE;
			}
			exits_only = !strcmp(optarg, "exits");
			break;
		case OPTION_DELIVERY:
			if ((status = parse_choice("delivery", optarg, "immediate", "deferred",
			                           &o->deferred)))
				return status;
			break;
		case OPTION_LOW_MEMORY:
			if ((status = parse_choice("low-memory", optarg, "auto", "moved",
			                           &o->low_moved)))
				return status;
			break;
		case OPTION_USERFAULTFD:
			if ((status = parse_choice("userfaultfd", optarg, "on", "off",
			                           &o->no_userfaultfd)))
				return status;
			break;
		case OPTION_HUGE_PAGES:
			if ((status = parse_choice("huge-pages", optarg, "on", "off",
			                           &o->no_huge_pages)))
				return status;
			break;
		case OPTION_TRAPS_ONLY:
			o->traps_only = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_OK);
		default:
			fprintf(stderr, "'ring1 run --help' lists the options.\n");
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		complain("'%s' is not an option; kernel arguments go behind -a", argv[optind]);
		return EXIT_USAGE;
	}
	o->count_calls = o->stats && !exits_only;
	if (o->detach && (o->no_control || (o->console && !strcmp(o->console, "stdio")))) {
		complain("--detach: a machine in the background has no console on standard input, "
		         "and is "
		         "reached by its control socket");
		return EXIT_USAGE;
	}
	if (o->paused && o->no_control && !o->gdb) {
		complain("--paused: without a control socket or --gdb nobody could resume it");
		return EXIT_USAGE;
	}
	if (!o->console)
		o->console = o->detach ? "socket" : "stdio";
	if (!o->kernel && !o->image) {
		complain("which kernel? say -k FILE, or --image FILE; 'ring1 run --help' lists the "
		         "options");
		return EXIT_USAGE;
	}
	return 0;
}

static int status_of(const struct loader_error *e)
{
	complain("%s", e->text);
	return e->kind == LOADER_EHOST ? EXIT_HOST : EXIT_USAGE;
}

/*
 * Kernels before 4.20 with CONFIG_PARAVIRT copy their native instructions (CLI, PUSHF, IRET)
 * from templates over the calls of them, at boot: behind the annotator's back. Told not to,
 * they keep calling the annotated functions. With VMI the same step installs the ROM's calls.
 */
static bool copies_instructions(const struct kernel *k, bool vmi)
{
	int major = 0, minor = 0;

	return !(vmi && k->speaks_vmi) && kernel_section(k, ".parainstructions") &&
	       sscanf(k->version, "%d.%d", &major, &minor) == 2 &&
	       (major < 4 || (major == 4 && minor < 20));
}

/*
 * Linux 2.6.30 to 2.6.34 maps its firmware's tables where the fixed mappings were before
 * reservetop= moved them, and faults (fixed by its commit e67a807f3d9a). With a VMI ROM they move
 * earlier. Without one the kernel must not find a table.
 */
static bool cannot_map_tables(const struct kernel *k, bool vmi)
{
	int minor = 0;

	return !(vmi && k->speaks_vmi) && sscanf(k->version, "2.6.%d", &minor) == 1 &&
	       minor >= 30 && minor <= 34;
}

static const char *acpi_arguments(bool acpi)
{
	return acpi ? ACPI_ARGUMENTS : NO_ACPI_ARGUMENTS;
}

static int load(struct vm *vm, struct kernel *k, const struct run_options *o)
{
	char arguments[8192];
	struct boot_request request = {
	    .ram = vm->ram, .ram_size = vm->ram_size, .initrd_path = o->initrd};
	struct boot_result result;
	struct loader_error e;
	struct machine *m = vm->machine;
	bool tables = !cannot_map_tables(k, !o->no_vmi), acpi = tables && !o->no_acpi;
	bool is_linux = k->format != KERNEL_MULTIBOOT, bare = o->bare || !is_linux;
	int n = snprintf(arguments, sizeof arguments, "%s%s%s%s%s%s%s%s%s",
	                 bare ? "" : DEFAULT_ARGUMENTS, bare || o->kaslr ? "" : NO_KASLR_ARGUMENTS,
	                 bare ? "" : acpi_arguments(acpi), bare || o->apic ? "" : NO_APIC_ARGUMENTS,
	                 !bare && copies_instructions(k, !o->no_vmi) ? " noreplace-paravirt" : "",
	                 o->image && !bare ? " " : "", o->image && !bare ? o->boot.arguments : "",
	                 bare || !*o->arguments ? "" : " ", o->arguments);

	if (n < 0 || (size_t)n >= sizeof arguments) {
		complain("the kernel arguments are longer than %zu bytes", sizeof arguments - 1);
		return EXIT_USAGE;
	}
	request.command_line = arguments;
	request.rsdp_pa = acpi ? ACPI_PA : 0;
	if (k->wants_video)
		complain("%s: asks for a video mode; there is none", k->path);
	if (is_linux && !strstr(arguments, "reservetop=") && !k->speaks_vmi)
		complain(
		    "without reservetop=16M among its arguments the kernel will use the top of "
		    "its address space, which ring1 needs: expect it to fail");
	if (o->kaslr && !(k->randomizes && k->nrelocations))
		complain("%s: is no kernel that chooses where it lies: --kaslr=on changes nothing",
		         k->path);
	if (getrandom(&request.random, sizeof request.random, 0) < 0) {
		complain("the host gives no random numbers: %s", strerror(errno));
		return EXIT_HOST;
	}
	huge_pages_expect(&vm->huge, k->low_pa, k->high_pa);
	if (kernel_load(k, &request, &result, &e))
		return status_of(&e);
	if (tables)
		mptable_write(vm->ram, o->apic);
	if (acpi)
		acpi_write(vm->ram, o->apic);
	if (!o->no_vmi)
		vrom_write(vm->ram);
	vm->vcpu->count_calls = o->count_calls;
	m->boot.eip = result.entry_pa;
	m->boot.esi = result.esi;
	m->boot.eax = result.eax;
	m->boot.ebx = result.ebx;
	m->boot.esp = result.stack_pa;
	m->boot.gdt = result.gdt_pa;
	m->boot.gdt_limit = result.gdt_limit;
	m->user_top = k->kernel_base >= 0x40000000 ? k->kernel_base & 0xffc00000 : 0xc0000000;
	m->mixed_half = k->kernel_base < m->user_top;
	return 0;
}

static void print_registers(const struct stop *s)
{
	fprintf(stderr,
	        "  eip %08x eflags %08x  cs %04x ss %04x ds %04x es %04x fs %04x gs %04x\r\n"
	        "  eax %08x ebx %08x ecx %08x edx %08x\r\n"
	        "  esi %08x edi %08x ebp %08x esp %08x\r\n"
	        "  cr0 %08x cr2 %08x cr3 %08x cr4 %08x\r\n",
	        s->eip, s->eflags, s->vsel[SEG_CS], s->vsel[SEG_SS], s->vsel[SEG_DS],
	        s->vsel[SEG_ES], s->vsel[SEG_FS], s->vsel[SEG_GS], s->gpr[R_EAX], s->gpr[R_EBX],
	        s->gpr[R_ECX], s->gpr[R_EDX], s->gpr[R_ESI], s->gpr[R_EDI], s->gpr[R_EBP],
	        s->gpr[R_ESP], s->cr0, s->cr2, s->cr3, s->cr4);
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
	const struct run_options *o;
	struct kernel *k;
	struct console *console;
	struct devices *devices;
	const struct machine_claim *claim;
	pid_t pid;  /* of the process that the user started */
	int gdb;    /* the listening socket for a debugger; -1: none */
	bool alone; /* that is this process, and no other cleans up behind it */
};

/* One life of the machine. *again: the guest rebooted, and is to be started anew. */
static int run_machine(struct vm *vm, const struct life *life, bool *again)
{
	const struct run_options *o = life->o;
	struct kernel *k = life->k;
	const struct control_facts facts = {.name = life->claim->name,
	                                    .pid = life->pid,
	                                    .kernel = k->path,
	                                    .version = k->version,
	                                    .console = console_word(life->console),
	                                    .listener = life->claim->listener};
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

	signal(SIGBUS, out_of_memory);
	vm->machine->have_apic = o->apic;
	vm->machine->windows =
	    o->no_userfaultfd || !fast(FAST_WINDOWS) ? WINDOWS_OFF : WINDOWS_REFUSED;
	huge_pages_init(&vm->huge, vm->ram, vm->ram_size, vm->ram_fd, !o->no_huge_pages);
	if ((status = load(vm, k, o)) || (status = host_facts_fill(vm)) ||
	    (status = annotate_loaded_kernel(k, o->traps_only, o->count_calls, o->deferred,
	                                     vm->annotations, vm->stubs, &annotation)))
		return status;
	if (o->low_moved)
		vm->machine->low.end = HOLE_LOW_SIZE;
	if (o->deferred)
		vm->vcpu->delivery = DELIVERY_DEFERRED | DELIVERY_BOUNDED;
	vm->module_options = annotation_options(o->traps_only, o->count_calls, o->deferred);
	annotate_apply_traps(vm->annotations, vm->ram, vm->ram_size);
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

static int add_rng(struct devices *devices)
{
	struct device *d = devices_add(devices, "rng", "");

	if (!d)
		return EXIT_USAGE;
	d->shown =
	    (struct virtio_shown){.id = VIRTIO_ID_RNG, .queues = 1, .queue_size = RNG_QUEUE_SIZE};
	d->ops = &rng_ops;
	return 0;
}

/* What the user plugged in. Returns 0 or an exit status, with the reason printed. */
static int open_devices(struct devices *devices, const struct run_options *o)
{
	int status = 0;

	if (o->image)
		status = disks_add(devices, o->image);
	for (unsigned i = 0; i < o->ndisks && !status; i++)
		status = disks_add(devices, o->disk[i]);
	if (o->rng && !status)
		status = add_rng(devices);
	return status;
}

static int run_life(void *argument, bool *again)
{
	const struct life *l = argument;
	static struct vm vm;
	int status = vm_create(&vm, l->o->memory, l->o->name);

	if (!status)
		status = devices_start(l->devices, &vm, l->o->apic);
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
	return console->kind == CONSOLE_UNIX || (o->gdb && !strncmp(o->gdb, "unix:", 5));
}

static int run_lives(const struct run_options *o, struct kernel *k, struct console *console,
                     struct devices *devices, const struct machine_claim *claim, int gdb)
{
	struct life life = {.o = o,
	                    .k = k,
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
	return run_life(&life, &again);
}

/* With a name of its own, and a console. */
static int run_named(const struct run_options *o, const struct machine_claim *claim)
{
	struct console console;
	struct loader_error e;
	struct kernel k = {0};
	static struct devices devices;
	int status, gdb = -1;

	if ((status = console_open(&console, o->console)) ||
	    (o->gdb && (status = gdb_listen(o->gdb, &gdb)))) {
		console_close(&console);
		return status;
	}
	status = open_devices(&devices, o);
	if (!status)
		status = kernel_open(o->kernel, &k, &e)
		             ? status_of(&e)
		             : run_lives(o, &k, &console, &devices, claim, gdb);
	terminal_restore();
	console_close(&console);
	disks_close();
	gdb_unlisten(o->gdb, gdb);
	kernel_close(&k);
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
	int status = parse_options(argc, argv, &o);

	if (status || (o.detach && (status = detach_begin())))
		return status;
	if (o.name)
		name_machine(o.name);
	if (o.image && (status = open_image(&o))) {
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
