// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/run_options.h"

#include "main/balloon.h"
#include "main/boot.h"
#include "main/channels.h"
#include "main/command.h"
#include "main/disks.h"
#include "main/machines.h"
#include "main/nets.h"
#include "main/option_text.h"
#include "main/placement.h"
#include "main/rng.h"
#include "main/shares.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MEMORY (512ull << 20)
#define MEMORY_MIN     (64ull << 20)
#define MEMORY_MAX     (3ull << 30)

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
	    "      --disk FILE[,bus=virtio|ide][,ro][,cow][,backing=allow][,serial=TEXT]\n"
	    "                        a virtio disk, or one at an IDE controller for kernels that\n"
	    "                        know no virtio: a raw image, a block device, a .qcow2 image\n"
	    "                        or an nbd:// or nbd+unix:// URI; read-only; or with what is\n"
	    "                        written thrown away at the end. More than one may be given;\n"
	    "                        a comma in a name is written twice\n"
	    "      --cdrom FILE[,serial=TEXT]\n"
	    "                        an IDE CD-ROM: an ISO 9660 image, say. An IDE controller has\n"
	    "                        four disks and CD-ROMs at most\n"
	    "      --share TAG=DIR[,ro][,map=root|none]\n"
	    "                        a directory for the guest, by 9p: mount -t 9p -o\n"
	    "                        trans=virtio,version=9p2000.L TAG /mnt; read-only; your "
	    "files\n"
	    "                        are root's there (map=root, the default), or ids are the "
	    "same\n"
	    "      --net user[,hostfwd=tcp|udp:[ADDRESS]:PORT-[GUEST]:PORT][,restrict=on|off]\n"
	    "                [,net=10.0.2.0/24][,dns=ADDRESS][,hostname=NAME][,loopback=on|off]\n"
	    "                [,ipv6=on|off][,mac=ADDRESS][,mtu=BYTES][,model=virtio|rtl8139]\n"
	    "      --net tap,ifname=NAME|fd=N[,mac=ADDRESS][,mtu=BYTES][,model=...]\n"
	    "      --net none        a network device: into this user's own network, where DHCP, "
	    "a\n"
	    "                        name server and the host (10.0.2.2) wait for the guest; or at "
	    "a\n"
	    "                        tap device; or none (default: user with --image, else none).\n"
	    "                        model: virtio's, or for guests without a driver for that an\n"
	    "                        RTL8139 (adds" RTL8139_ARGUMENTS "). More than one may be\n"
	    "                        given\n"
	    "      --port NAME=unix:PATH\n"
	    "                        a port of a virtio console, /dev/virtio-ports/NAME in the\n"
	    "                        guest, for one client at a time of that socket; NAME hvc: "
	    "its\n"
	    "                        console hvc0\n"
	    "      --agent=on|off    ports for the guest's agent, which 'ring1 exec' speaks to "
	    "(on\n"
	    "                        with --image, else off)\n"
	    "      --rng             a virtio source of random numbers: the host's\n"
	    "      --balloon [SIZE][,deflate-on-oom=on|off][,free-page-reporting=on|off]\n"
	    "                        a virtio balloon: SIZE of the memory (0) go back to the host\n"
	    "                        when the guest has a driver, 'ring1 balloon' changes that;\n"
	    "                        the guest takes it back before it runs out (off); what is\n"
	    "                        free in the guest goes back by itself (on)\n"
	    "      --restore FILE[,disks=changed][,verify=off]\n"
	    "                        go on where 'ring1 snapshot' made FILE, with the same\n"
	    "                        devices; disks may have been written since (for copies);\n"
	    "                        do not compare all of its memory with checksums first\n"
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
	uint64_t n;

	if (!option_size(text, &n)) {
		complain("-m %s: not a size; say for example 512M or 1G", text);
		return EXIT_USAGE;
	}
	if (n < MEMORY_MIN || n > MEMORY_MAX) {
		complain("-m %s: guest memory is from 64M to 3G", text);
		return EXIT_USAGE;
	}
	*bytes = n & ~4095ull;
	return 0;
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
		complain("--cpu %s: not the number of a host CPU, counted from 0", text);
		return EXIT_USAGE;
	}
	if (!placement_check((int)n))
		return EXIT_USAGE;
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
	OPTION_CDROM,
	OPTION_SHARE,
	OPTION_PORT,
	OPTION_AGENT,
	OPTION_RNG,
	OPTION_BALLOON,
	OPTION_NET,
	OPTION_GDB,
	OPTION_IMAGE,
	OPTION_RESTORE,
	OPTION_TRACE
};

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
    {"cdrom", required_argument, NULL, OPTION_CDROM},
    {"share", required_argument, NULL, OPTION_SHARE},
    {"port", required_argument, NULL, OPTION_PORT},
    {"agent", required_argument, NULL, OPTION_AGENT},
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"restore", required_argument, NULL, OPTION_RESTORE},
    {"rng", no_argument, NULL, OPTION_RNG},
    {"balloon", optional_argument, NULL, OPTION_BALLOON},
    {"net", required_argument, NULL, OPTION_NET},
    {"name", required_argument, NULL, 'n'},
    {"detach", no_argument, NULL, OPTION_DETACH},
    {"paused", no_argument, NULL, OPTION_PAUSED},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"gdb", required_argument, NULL, OPTION_GDB},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"help", no_argument, NULL, 'h'},
    {0}};

static const char *name_of(int option)
{
	const struct option *at = options;

	while (at->val != option)
		at++;
	return at->name;
}

/* Options of which each sets one field of struct run_options. */

/* To the text behind it. */
static const struct {
	int option;
	size_t field; /* const char * */
} texts[] = {
    {'k', offsetof(struct run_options, kernel)},
    {'i', offsetof(struct run_options, initrd)},
    {'a', offsetof(struct run_options, arguments)},
    {OPTION_IMAGE, offsetof(struct run_options, image)},
    {OPTION_CONSOLE, offsetof(struct run_options, console)},
    {OPTION_TRACE, offsetof(struct run_options, trace)},
    {OPTION_GDB, offsetof(struct run_options, gdb)},
};

/* To true. */
static const struct {
	int option;
	size_t field; /* bool */
} flags[] = {
    {OPTION_NO_DEFAULTS, offsetof(struct run_options, bare)},
    {OPTION_DETACH, offsetof(struct run_options, detach)},
    {OPTION_PAUSED, offsetof(struct run_options, paused)},
    {OPTION_TRAPS_ONLY, offsetof(struct run_options, traps_only)},
};

/* To whether it is the second of two words. */
static const struct {
	int option;
	const char *first, *second;
	size_t field; /* bool */
} choices[] = {
    {OPTION_CONTROL, "on", "off", offsetof(struct run_options, no_control)},
    {OPTION_VMI, "on", "off", offsetof(struct run_options, no_vmi)},
    {OPTION_ACPI, "on", "off", offsetof(struct run_options, no_acpi)},
    {OPTION_APIC, "off", "on", offsetof(struct run_options, apic)},
    {OPTION_KASLR, "off", "on", offsetof(struct run_options, kaslr)},
    {OPTION_REBOOT, "exit", "restart", offsetof(struct run_options, restart)},
    {OPTION_DELIVERY, "immediate", "deferred", offsetof(struct run_options, deferred)},
    {OPTION_LOW_MEMORY, "auto", "moved", offsetof(struct run_options, low_moved)},
    {OPTION_USERFAULTFD, "on", "off", offsetof(struct run_options, no_userfaultfd)},
    {OPTION_HUGE_PAGES, "on", "off", offsetof(struct run_options, no_huge_pages)},
};

/* Options that plug in a device. */
static const struct {
	int option;
	int (*add)(struct devices *, const char *);
} plugs[] = {
    {OPTION_PORT, channels_add},     {OPTION_SHARE, shares_add}, {OPTION_DISK, disks_add},
    {OPTION_CDROM, disks_add_cdrom}, {OPTION_RNG, rng_add},      {OPTION_BALLOON, balloon_add},
};

#define COUNT_OF(table) (sizeof(table) / sizeof *(table))

/* An option that is one of two words: *second tells which. */
static int parse_choice(int option, const char *text, const char *no, const char *yes, bool *second)
{
	if (strcmp(text, no) && strcmp(text, yes)) {
		complain("--%s=%s: say %s or %s", name_of(option), text, no, yes);
		return EXIT_USAGE;
	}
	*second = !strcmp(text, yes);
	return 0;
}

int run_options_restore(const char *text, char *file, size_t size, bool *changed, bool *unverified)
{
	char word[32];

	*changed = *unverified = false;
	text = option_part(text, file, size);
	while (text) {
		text = option_part(text, word, sizeof word);
		if (!strcmp(word, "disks=changed")) {
			*changed = true;
		} else if (!strcmp(word, "verify=off")) {
			*unverified = true;
		} else {
			complain("--restore %s: '%s' is none of disks=changed, verify=off", file,
			         word);
			return EXIT_USAGE;
		}
	}
	return 0;
}

static int parse_restore(struct run_options *o, const char *text)
{
	static char file[PATH_MAX];

	o->restore = file;
	return run_options_restore(text, file, sizeof file, &o->disks_changed, &o->unverified);
}

/* The machine is what it was: what of it would be decided when it boots is decided. */
static int check_restore(const struct run_options *o)
{
	if (!o->restore)
		return 0;
	if (o->kernel || o->initrd || *o->arguments || o->bare) {
		complain("--restore: its kernel is in memory already; -k, -i, -a and --no-defaults "
		         "do not go with it");
		return EXIT_USAGE;
	}
	if (o->restart) {
		complain("--restore: there is no kernel that could start anew; --reboot=restart "
		         "does not go with it");
		return EXIT_USAGE;
	}
	return 0;
}

static int ask_for(struct run_options *o, const char *name,
                   int (*add)(struct devices *, const char *), const char *text)
{
	if (o->ndevices == VIRTIO_DEVICES) {
		complain("--%s%s%s: a machine has at most %d devices", name, *text ? " " : "", text,
		         VIRTIO_DEVICES);
		return EXIT_USAGE;
	}
	o->device[o->ndevices++] = (struct device_option){add, text};
	return 0;
}

/*
 * A machine that is restored must be told again what its snapshot does not have: its devices, and
 * what of the host is used how. Not what it has, or what is said of one run of it.
 */
static bool is_said_again(int option)
{
	static const int not_these[] = {'k',
	                                'i',
	                                'a',
	                                'm',
	                                'n',
	                                OPTION_NO_DEFAULTS,
	                                OPTION_RESTORE,
	                                OPTION_DETACH,
	                                OPTION_PAUSED,
	                                OPTION_STATS,
	                                OPTION_COUNT,
	                                OPTION_TRACE,
	                                OPTION_VMI,
	                                OPTION_DELIVERY,
	                                OPTION_ACPI,
	                                OPTION_APIC,
	                                OPTION_KASLR,
	                                OPTION_REBOOT,
	                                OPTION_LOW_MEMORY,
	                                OPTION_TRAPS_ONLY};

	for (size_t i = 0; i < sizeof not_these / sizeof *not_these; i++)
		if (not_these[i] == option)
			return false;
	return true;
}

/* "--name" or "--name=text". Without a directory: it cannot be said. */
static void say_again(struct run_options *o, int c, const char *text)
{
	char *word = NULL;

	if (!is_said_again(c) || (c == OPTION_CONSOLE && !strcmp(text, "stdio")))
		return;
	if (o->nagain < AGAIN_MAX &&
	    asprintf(&word, "--%s%s%s", name_of(c), text ? "=" : "", text ? text : "") > 0)
		o->again[o->nagain++] = word;
	else
		o->directory = NULL;
}

enum { NETS_DEFAULT, NETS_GIVEN, NETS_NONE };

/* What is only known when all options are. */
struct said {
	bool exits_only, agent;
	int nets; /* NETS_* */
};

static int ask_for_net(struct run_options *o, const char *text, int *nets)
{
	int kind = strcmp(text, "none") ? NETS_GIVEN : NETS_NONE;

	if (*nets != NETS_DEFAULT && (kind == NETS_NONE || *nets == NETS_NONE)) {
		complain("--net %s: 'none' is all or nothing", text);
		return EXIT_USAGE;
	}
	*nets = kind;
	return kind == NETS_NONE ? 0 : ask_for(o, "net", nets_add, text);
}

/* Options that do what a table says; *known: this was one. Returns 0 or an exit status. */
static int take_by_table(struct run_options *o, int c, const char *text, bool *known)
{
	*known = true;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (texts[i].option == c) {
			*(const char **)((char *)o + texts[i].field) = text;
			return 0;
		}
	for (size_t i = 0; i < COUNT_OF(flags); i++)
		if (flags[i].option == c) {
			*(bool *)((char *)o + flags[i].field) = true;
			return 0;
		}
	for (size_t i = 0; i < COUNT_OF(choices); i++)
		if (choices[i].option == c)
			return parse_choice(c, text, choices[i].first, choices[i].second,
			                    (bool *)((char *)o + choices[i].field));
	for (size_t i = 0; i < COUNT_OF(plugs); i++)
		if (plugs[i].option == c)
			return ask_for(o, name_of(c), plugs[i].add, text ? text : "");
	*known = false;
	return 0;
}

/* Returns 0 or an exit status, with the reason printed. */
static int take_option(struct run_options *o, int c, const char *text, struct said *said)
{
	bool known;
	int status = take_by_table(o, c, text, &known);

	if (known)
		return status;
	switch (c) {
	case 'm':
		return parse_memory(text, &o->memory);
	case 'n':
		o->name = text;
		return is_name(text) ? 0 : EXIT_USAGE;
	case OPTION_AGENT:
		said->agent = true;
		return parse_choice(c, text, "off", "on", &o->agent);
	case OPTION_COUNT:
		return parse_choice(c, text, "calls", "exits", &said->exits_only);
	case OPTION_CPU:
		return parse_cpu(text, &o->cpu);
	case OPTION_NET:
		return ask_for_net(o, text, &said->nets);
	case OPTION_RESTORE:
		return parse_restore(o, text);
	case OPTION_STATS:
		o->stats = true;
		o->stats_path = text;
		return 0;
	case 'h':
		usage(stdout);
		exit(output_finish(EXIT_OK));
	default:
		return usage_error("run", NULL);
	}
}

/* What options say of one another. Returns 0 or an exit status, with the reason printed. */
static int check_together(const struct run_options *o, const struct said *said)
{
	if (said->agent && o->agent && o->no_control) {
		complain("--agent: without a control socket nobody could speak to it");
		return EXIT_USAGE;
	}
	if (o->detach && (o->no_control || (o->console && !strcmp(o->console, "stdio")))) {
		complain("--detach: a machine in the background has no console on standard input, "
		         "and is reached by its control socket");
		return EXIT_USAGE;
	}
	if (o->paused && o->no_control && !o->gdb) {
		complain("--paused: without a control socket or --gdb nobody could resume it");
		return EXIT_USAGE;
	}
	if (!o->kernel && !o->image && !o->restore) {
		complain("which kernel? say -k FILE, or --image FILE; 'ring1 run --help' lists the "
		         "options");
		return EXIT_USAGE;
	}
	return check_restore(o);
}

int run_options_parse(int argc, char **argv, struct run_options *o)
{
	struct said said = {.nets = NETS_DEFAULT};
	int c, status;

	*o = (struct run_options){
	    .arguments = "", .cpu = -1, .apic = true, .directory = getcwd(NULL, 0)};
	while ((c = getopt_long(argc, argv, "k:i:a:m:n:h", options, NULL)) != -1) {
		/* Nothing but options stands for itself: this is what belongs to it. */
		if (c == OPTION_BALLOON && !optarg && optind < argc && *argv[optind] != '-')
			optarg = argv[optind++];
		if ((status = take_option(o, c, optarg, &said)))
			return status;
		say_again(o, c, optarg);
	}
	if (optind < argc) {
		complain("'%s' is not an option; kernel arguments go behind -a", argv[optind]);
		return EXIT_USAGE;
	}
	if ((status = check_together(o, &said)))
		return status;
	if (!said.agent)
		o->agent = o->image;
	o->count_calls = o->stats && !said.exits_only;
	if (!o->console)
		o->console = o->detach ? "socket" : "stdio";
	if (!o->memory && !o->restore)
		o->memory = DEFAULT_MEMORY;
	/* A kernel and an initial RAM disk have no driver for it, mostly; a system expects one. */
	return o->image && said.nets == NETS_DEFAULT ? ask_for(o, "net", nets_add, "user") : 0;
}
