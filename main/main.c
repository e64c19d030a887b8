// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1: the command line. One file per subcommand. */
#include "main/command.h"
#include "main/loop.h"
#include "main/report.h"
#include "ring1/fast.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
    {"run", command_run, "boot a kernel; its serial console is this terminal"},
    {"ls", command_ls, "list the machines that run"},
    {"stop", command_stop, "switch a machine off"},
    {"pause", command_pause, "let a machine stand still"},
    {"resume", command_resume, "let it go on"},
    {"snapshot", command_snapshot, "write a machine to a file, from which it can go on"},
    {"restore", command_restore, "start a machine, in the background, from such a file"},
    {"clone", command_clone, "start many machines from one"},
    {"console", command_console, "join this terminal to a machine's console"},
    {"balloon", command_balloon, "take memory from a machine, or give it back"},
    {"stat", command_stat, "show what a machine does, second by second"},
    {"exec", command_exec, "run a command in a guest"},
    {"sandbox", command_sandbox, "run a command in a guest made for it"},
    {"monitor", command_monitor, "ask about a machine"},
    {"inspect", command_inspect, "say what a kernel is and how it would be annotated"},
    {"vmi", command_vmi, "print the VMI calls: what the ROM answers, what a kernel uses"},
    {"image", command_image, "make a disk image with a Debian in it"},
    {"check", command_check, "say what this host offers, and whether guests can run here"},
};

/* A build without fast paths says which. */
static void print_version(void)
{
	static const char *const paths[] = {
#define X(name, text) #name,
	    FAST_PATHS(X)
#undef X
	};

	printf("ring1 %s", RING1_VERSION);
	for (int i = 0; i < FAST_COUNT; i++)
		if (!fast((enum fast_path)i))
			printf("%s %s", RING1_SLOW & ((1u << i) - 1) ? "" : ", without", paths[i]);
	printf("\n");
}

static void usage(FILE *to)
{
	fprintf(to, "ring1 boots i386 operating systems inside an ordinary process.\n\n"
	            "usage: ring1 COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\n'ring1 COMMAND --help' tells more. 'ring1 --version' prints the version.\n");
}

/*
 * Who starts this may have closed the standard files. Then the next that are opened would take
 * their numbers, and what is printed would go into guest memory. Before all other constructors, of
 * which main/placement.c's opens a file.
 */
static void __attribute__((constructor(101))) have_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What the user may have anyway (ulimit -Hn). */
static void have_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS_NEEDED)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_NEEDED ? limit.rlim_max : DESCRIPTORS_NEEDED;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	static char whole[32], help[] = "--help";

	have_open_files();
	/* A file that may not grow is an error to report (ulimit -f), not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") && argc > 2) {
		argv[1] = argv[2];
		argv[2] = help;
		argc = 3;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return output_finish(EXIT_OK);
	}
	if (!strcmp(argv[1], "--version")) {
		print_version();
		return output_finish(EXIT_OK);
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(argv[1], commands[i].name)) {
			/* Under which name getopt_long() complains. */
			snprintf(whole, sizeof whole, "ring1: %s", commands[i].name);
			argv[1] = whole;
			return output_finish(commands[i].run(argc - 1, argv + 1));
		}
	complain("unknown command '%s'; 'ring1 --help' lists them", argv[1]);
	return EXIT_USAGE;
}
