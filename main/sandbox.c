// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ring1 sandbox: a command in a guest that exists for it only, over a read-only share of a root
 * file system. A machine is started beside this process (ring1 run), with an initial RAM disk whose
 * first program is the agent, which puts the file system together and runs the command.
 */
#include "image/initramfs.h"
#include "loader/loader.h"
#include "main/agent_command.h"
#include "main/command.h"
#include "main/machines.h"
#include "main/report.h"
#include "main/sandbox_root.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHARES_MAX 8
#define PATIENCE_S 120 /* for a guest that boots */
#define RETRY_MS   20
#define ROOT_TAG   "ring1.root"

static const char *const modules[] = {"virtio",
                                      "virtio_ring",
                                      "virtio_pci_legacy_dev",
                                      "virtio_pci_modern_dev",
                                      "virtio_pci",
                                      "netfs",
                                      "fscache",
                                      "9pnet",
                                      "9pnet_virtio",
                                      "9p",
                                      "failover",
                                      "overlay",
                                      "net_failover",
                                      "virtio_net",
                                      "virtio_console",
                                      NULL};

struct sandbox {
	const char *kernel, *modules, *memory;
	struct sandbox_root root;
	const char *share[SHARES_MAX];
	unsigned nshares;
	bool writable, network;
	struct agent_options options;
	struct agent_command command;
	char found_kernel[4096], found_modules[4096], name[40];
	int initrd, words; /* files in memory: the machine's RAM disk, and what it says */
	pid_t machine;
};

static void usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 sandbox [OPTION]... -- COMMAND [ARGUMENT]...\n\n"
	    "Run an i386 program in a guest of its own, over a file system of the host that it "
	    "can\n"
	    "read only. Input, output and exit status are the command's.\n\n"
	    "      --root DIR        the root of an i386 system (/)\n"
	    "      --writable        the guest may change it, for itself: nothing is kept\n"
	    "      --share NAME=DIR[,ro]\n"
	    "                        a directory of the host, at /mnt/NAME\n"
	    "      --net             a network: the user's, as 'ring1 run --net user'\n"
	    "  -k, --kernel FILE     kernel (the newest vmlinuz in DIR/boot)\n"
	    "      --modules DIR     its modules (beside it, or in lib/modules of DIR or the "
	    "host)\n"
	    "  -m, --memory SIZE     guest memory (256M)\n"
	    "  -e, --env NAME=VALUE  a variable of the command's environment\n"
	    "  -w, --workdir DIR     where it runs (/)\n"
	    "  -t, --tty             give it a terminal (if standard input and output are one)\n"
	    "  -T, --no-tty          do not\n"
	    "  -h, --help            this text\n\n"
	    "Exit status: the command's; 128 and the number of the signal that ended it; 127 not\n"
	    "found, 126 not to be run, 125 ring1 could not have it run, with the reason "
	    "printed.\n");
}

/* ---- what it boots ---- */

/* By GNU's rule for versions: 6.1.0-9 is older than 6.1.0-10. */
static bool newest(const char *pattern, char path[4096])
{
	glob_t found = {0};
	bool ok = !glob(pattern, 0, NULL, &found);
	size_t last = 0;

	for (size_t i = 1; ok && i < found.gl_pathc; i++)
		if (strverscmp(found.gl_pathv[i], found.gl_pathv[last]) > 0)
			last = i;
	ok = ok && snprintf(path, 4096, "%s", found.gl_pathv[last]) < 4096;
	globfree(&found);
	return ok;
}

static bool find_kernel(struct sandbox *s)
{
	char pattern[4200];

	if (s->kernel)
		return true;
	snprintf(pattern, sizeof pattern, "%.4000s/boot/vmlinuz-*", s->root.path);
	s->kernel = s->found_kernel;
	if (newest(pattern, s->found_kernel))
		return true;
	complain("%s/boot: has no vmlinuz; -k names an i386 kernel", s->root.path);
	return false;
}

static bool is_directory(const char *format, const char *base, const char *version, char path[4096])
{
	struct stat st;

	return snprintf(path, 4096, format, base, version) < 4096 && !stat(path, &st) &&
	       S_ISDIR(st.st_mode);
}

/* Where modules of just this kernel are. A kernel that has all of it built in needs none. */
static bool find_modules(struct sandbox *s)
{
	char beside[4096], version[128];
	struct loader_error e;
	struct kernel k = {0};
	char *slash;

	if (kernel_open(s->kernel, &k, &e)) {
		complain("%s", e.text);
		return false;
	}
	snprintf(version, sizeof version, "%.*s", (int)strcspn(k.version, " "), k.version);
	kernel_close(&k);
	if (s->modules) {
		if (is_directory("%s%s", s->modules, "", s->found_modules))
			return true;
		complain("--modules %s: is no directory", s->modules);
		return false;
	}
	snprintf(beside, sizeof beside, "%s", s->kernel);
	slash = strrchr(beside, '/');
	if (slash)
		*slash = 0;
	if (!*version ||
	    (!is_directory("%s/modules/%s", slash ? beside : ".", version, s->found_modules) &&
	     !is_directory("%s/lib/modules/%s", s->root.path, version, s->found_modules) &&
	     !is_directory("%s/lib/modules/%s", "", version, s->found_modules)))
		*s->found_modules = 0;
	s->modules = s->found_modules;
	return true;
}

/* ---- what the guest does ---- */

static void mount_if_there(FILE *to, const struct sandbox *s, const char *type, const char *where)
{
	if (sandbox_root_has_directory(&s->root, where))
		fprintf(to, "mount %s %s %s -\n", type, type, where);
}

/* A tag is no path: main/shares.c and this see to it. */
static void write_share(FILE *to, const char *share)
{
	int n = (int)strcspn(share, "=");

	fprintf(to,
	        "mkdir /mnt/%.*s\n"
	        "mount 9p %.*s /mnt/%.*s trans=virtio,version=9p2000.L,cache=mmap,msize=512000\n",
	        n, share, n, share, n, share);
}

static void write_network(FILE *to, const struct sandbox *s)
{
	fprintf(to, "network eth0 10.0.2.15 255.255.255.0 10.0.2.2\n");
	/* Over whatever the host's says: its name servers may be the host's own loopback. */
	if (sandbox_root_has_file(&s->root, "/etc/resolv.conf") &&
	    sandbox_root_has_directory(&s->root, "/run"))
		fprintf(to, "write /run/resolv.conf nameserver%%2010.0.2.3%%0a\n"
		            "mount - /run/resolv.conf /etc/resolv.conf bind\n");
}

static void write_orders(FILE *to, const struct sandbox *s)
{
	fprintf(to, "mount proc proc /proc -\n"
	            "mount sysfs sysfs /sys -\n"
	            "modules /modules\n"
	            "mount devtmpfs devtmpfs /dev -\n"
	            "mkdir /lower\n"
	            "mount 9p " ROOT_TAG " /lower "
	            "ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000\n");
	if (s->writable)
		fprintf(to, "mkdir /upper\n"
		            "mount tmpfs tmpfs /upper -\n"
		            "mkdir /upper/data\n"
		            "mkdir /upper/work\n"
		            "mount overlay overlay /root "
		            "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work\n"
		            "root /root\n");
	else
		fprintf(to, "root /lower\n");
	mount_if_there(to, s, "proc", "/proc");
	mount_if_there(to, s, "sysfs", "/sys");
	mount_if_there(to, s, "devtmpfs", "/dev");
	if (sandbox_root_has_directory(&s->root, "/dev"))
		fprintf(to, "mkdir /dev/pts\n"
		            "mount devpts devpts /dev/pts -\n"
		            "mkdir /dev/shm\n"
		            "mount tmpfs tmpfs /dev/shm -\n");
	mount_if_there(to, s, "tmpfs", "/tmp");
	mount_if_there(to, s, "tmpfs", "/run");
	if (s->nshares)
		fprintf(to, "mount tmpfs tmpfs /mnt -\n");
	for (unsigned i = 0; i < s->nshares; i++)
		write_share(to, s->share[i]);
	if (s->network)
		write_network(to, s);
	fprintf(to, "serve\n");
}

static bool write_initrd(struct sandbox *s)
{
	struct initramfs i = {.modules_below = s->modules, .modules = modules};
	char *orders = NULL, source[512] = "";
	size_t n = 0;
	FILE *text = open_memstream(&orders, &n), *file = NULL;
	int error = 0;

	if (text)
		write_orders(text, s);
	if (!text || fclose(text))
		error = errno;
	i.orders = orders;
	s->initrd = error ? -1 : memfd_create("initrd", 0);
	if (s->initrd >= 0)
		file = fdopen(dup(s->initrd), "w");
	if (!error)
		error = file ? initramfs_write(&i, file, source) : errno;
	if (file && fclose(file) && !error)
		error = errno;
	free(orders);
	if (error)
		complain("cannot make the guest's RAM disk: %s%s%s", source, *source ? ": " : "",
		         strerror(error));
	return !error;
}

/* ---- the machine ---- */

/* It dies with this process, whatever ends that. */
static _Noreturn void become_machine(const struct sandbox *s, pid_t parent)
{
	char initrd[40], root[2 * PATH_MAX + 64]; /* a comma is written twice */
	const char *argv[24 + 2 * SHARES_MAX];
	unsigned n = 0;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_NOT_RUN);
	/* What a terminal sends is the command's. */
	setsid();
	snprintf(initrd, sizeof initrd, "/proc/self/fd/%d", s->initrd);
	sandbox_root_option(&s->root, ROOT_TAG, root, sizeof root);
	argv[n++] = "ring1";
	argv[n++] = "run";
	argv[n++] = "-n";
	argv[n++] = s->name;
	argv[n++] = "-k";
	argv[n++] = s->kernel;
	argv[n++] = "-i";
	argv[n++] = initrd;
	argv[n++] = "-m";
	argv[n++] = s->memory;
	argv[n++] = "--agent=on";
	argv[n++] = "--console";
	argv[n++] = "stdio";
	argv[n++] = "--share";
	argv[n++] = root;
	for (unsigned i = 0; i < s->nshares; i++) {
		argv[n++] = "--share";
		argv[n++] = s->share[i];
	}
	if (s->network) {
		argv[n++] = "--net";
		argv[n++] = "user";
	}
	argv[n++] = "-a";
	argv[n++] = "quiet net.ifnames=0";
	argv[n] = NULL;
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(s->words, STDOUT_FILENO);
	dup2(s->words, STDERR_FILENO);
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(EXIT_NOT_RUN);
}

static bool start_machine(struct sandbox *s)
{
	pid_t me = getpid();

	snprintf(s->name, sizeof s->name, "sandbox-%d", (int)me);
	s->words = memfd_create("words", MFD_CLOEXEC);
	s->machine = s->words < 0 ? -1 : fork();
	if (!s->machine)
		become_machine(s, me);
	if (s->machine < 0)
		complain("cannot start a machine: %s", strerror(errno));
	return s->machine > 0;
}

/* Its console and messages, for whoever looks for the reason. */
static void show_words(const struct sandbox *s)
{
	off_t at = 0;

	while (sendfile(STDERR_FILENO, s->words, &at, 1 << 20) > 0)
		;
}

static void end_machine(struct sandbox *s)
{
	if (s->machine <= 0)
		return;
	kill(s->machine, SIGTERM);
	while (waitpid(s->machine, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The connection to its agent; -1: it did not come up. */
static int wait_for_agent(struct sandbox *s, int directory)
{
	struct timespec begin, now;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		if (agent_try(directory, s->name, &fd) > 0)
			return fd;
		if (waitpid(s->machine, NULL, WNOHANG) == s->machine) {
			s->machine = 0;
			break;
		}
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < PATIENCE_S);
	show_words(s);
	complain("the guest did not come up; what it said is above");
	return -1;
}

static int run_sandbox(struct sandbox *s)
{
	int directory = machines_open(), connection = -1, status = EXIT_NOT_RUN;

	if (directory >= 0 && write_initrd(s) && start_machine(s)) {
		connection = wait_for_agent(s, directory);
		if (connection >= 0)
			status = agent_run(connection, &s->command);
		end_machine(s);
	}
	if (connection >= 0)
		close(connection);
	if (directory >= 0)
		close(directory);
	return status;
}

/* ---- options ---- */

/* The name is a directory's in the guest. */
static bool is_share(const char *text)
{
	size_t n = strcspn(text, "=");

	if (n && n <= 32 && text[n] == '=' && *text != '.' &&
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n)
		return true;
	complain("--share %s: say NAME=DIR, NAME having up to 32 letters, digits, '.', '_' and "
	         "'-'",
	         text);
	return false;
}

/* True: go on; else *status. */
static bool parse(struct sandbox *s, int argc, char **argv, int *status)
{
	static const struct option options[] = {{"root", required_argument, NULL, 'r'},
	                                        {"writable", no_argument, NULL, 'W'},
	                                        {"share", required_argument, NULL, 's'},
	                                        {"net", no_argument, NULL, 'n'},
	                                        {"kernel", required_argument, NULL, 'k'},
	                                        {"modules", required_argument, NULL, 'M'},
	                                        {"memory", required_argument, NULL, 'm'},
	                                        {"env", required_argument, NULL, 'e'},
	                                        {"workdir", required_argument, NULL, 'w'},
	                                        {"tty", no_argument, NULL, 't'},
	                                        {"no-tty", no_argument, NULL, 'T'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	int c;

	*status = EXIT_NOT_RUN;
	while ((c = getopt_long(argc, argv, "+k:m:e:w:tTh", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			s->root.path = optarg;
			break;
		case 'W':
			s->writable = true;
			break;
		case 's':
			if (!is_share(optarg))
				return false;
			if (s->nshares == SHARES_MAX) {
				complain("--share %s: at most %d", optarg, SHARES_MAX);
				return false;
			}
			s->share[s->nshares++] = optarg;
			break;
		case 'n':
			s->network = true;
			break;
		case 'k':
			s->kernel = optarg;
			break;
		case 'M':
			s->modules = optarg;
			break;
		case 'm':
			s->memory = optarg;
			break;
		case 'e':
			if (!agent_option_variable(&s->options, optarg))
				return false;
			break;
		case 'w':
			s->command.directory = optarg;
			break;
		case 't':
			s->options.terminal = true;
			s->options.no_terminal = false;
			break;
		case 'T':
			s->options.terminal = false;
			s->options.no_terminal = true;
			break;
		case 'h':
			usage(stdout);
			*status = EXIT_OK;
			return false;
		default:
			usage_error("sandbox", NULL);
			return false;
		}
	}
	if (optind == argc) {
		usage_error("sandbox", "say which command");
		return false;
	}
	s->command.argument = argv + optind;
	return true;
}

int command_sandbox(int argc, char **argv)
{
	static struct sandbox s;
	int status;

	s = (struct sandbox){.memory = "256M", .root.path = "/"};
	s.command.directory = "/";
	if (!parse(&s, argc, argv, &status))
		return status;
	agent_options_apply(&s.options, &s.command);
	if (!sandbox_root_open(&s.root) ||
	    !sandbox_root_can_run(&s.root, s.command.argument[0], s.command.directory) ||
	    !find_kernel(&s) || !find_modules(&s))
		return EXIT_NOT_RUN;
	if (s.nshares && !sandbox_root_has_directory(&s.root, "/mnt")) {
		complain("--share: %s has no /mnt to put it in", s.root.path);
		return EXIT_NOT_RUN;
	}
	return run_sandbox(&s);
}
