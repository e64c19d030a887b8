// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 restore, clone: machines in the background that go on where a snapshot was taken. */
#include "main/command.h"
#include "main/machine_link.h"
#include "main/machines.h"
#include "main/report.h"
#include "main/restore.h"
#include "main/restore_into.h"
#include "main/run_restored.h"
#include "main/snapshot_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLONES_MAX 1000

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int command_restore(int argc, char **argv)
{
	if (argc >= 2 && is_help(argv[1])) {
		printf(
		    "usage: ring1 restore FILE[,WORD]... [OPTION]...\n"
		    "       ring1 restore NAME FILE[,WORD]...\n\n"
		    "The machine that 'ring1 snapshot' wrote to FILE goes on, in the background: "
		    "the\n"
		    "same as 'ring1 run --detach --restore FILE'. The options are those of 'ring1 "
		    "run':\n"
		    "the devices that it had must be given, in the same order. Its name is "
		    "printed.\n\n"
		    "With NAME, a machine that runs: it is put back to where FILE, a snapshot of "
		    "it,\n"
		    "was taken, with the devices that it has. Its processes are others then, in "
		    "the\n"
		    "background. When that cannot be done it goes on as it was.\n");
		return EXIT_OK;
	}
	if (argc < 2 || *argv[1] == '-') {
		complain("restore: from which file? 'ring1 restore --help' tells more");
		return EXIT_USAGE;
	}
	if (argc == 3 && *argv[2] != '-')
		return restore_into(argv[1], argv[2]);
	return run_restored(argv[1], NULL, argc - 2, argv + 2);
}

/* ---- clone ---- */

/* Read once for all. */
static int verify(const char *path)
{
	static struct restore r;
	int status = restore_open(&r, path, true);

	restore_close(&r);
	return status;
}

/* In a process of its own: a machine forks, names itself and ends as a process does. */
static int start_one(const char *path, const char *name, int argc, char **argv)
{
	char what[8300], file[8200];
	int status;
	pid_t child;

	quote_path(file, sizeof file, path);
	snprintf(what, sizeof what, "%s,verify=off", file);
	fflush(NULL);
	child = fork();
	if (!child)
		exit(run_restored(what, name, argc, argv));
	if (child < 0) {
		complain("cannot start a process: %s", strerror(errno));
		return EXIT_HOST;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}

static int start_all(const char *path, const char *prefix, unsigned n, int argc, char **argv)
{
	char name[MACHINE_NAME_MAX + 16];
	int status = 0;

	for (unsigned i = 1; i <= n && !status; i++) {
		snprintf(name, sizeof name, "%.*s-%u", MACHINE_NAME_MAX - 5, prefix, i);
		status = start_one(path, name, argc, argv);
	}
	return status;
}

static void clone_usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 clone [-n N] [--prefix NAME] NAME|FILE [-- OPTION...]\n\n"
	    "Start N machines (1) in the background that go on where one is, or where FILE says a\n"
	    "machine was. They share the memory that they do not use. Their names are printed:\n"
	    "NAME-1, NAME-2, ... Behind -- come options of 'ring1 run': the devices that the\n"
	    "machine has must be given, in the same order, disks with cow or ro.\n\n"
	    "  -n, --number N     how many\n"
	    "      --prefix NAME  what their names begin with (that of the machine, or of FILE\n"
	    "                     without what is behind a dot)\n\n"
	    "What is one machine's secret is each clone's: keys, and what random numbers are "
	    "made of.\n");
}

/* What a file without a name can be opened by. */
static int of_machine(const char *name, char *path, size_t size, int *fd)
{
	int status = snapshot_unnamed(name, fd);

	if (!status)
		snprintf(path, size, "/proc/self/fd/%d", *fd);
	return status;
}

static void default_prefix(char *to, size_t size, const char *text)
{
	const char *base = strrchr(text, '/');

	snprintf(to, size, "%s", base ? base + 1 : text);
	if (base || strchr(to, '.'))
		to[strcspn(to, ".")] = 0;
}

int command_clone(int argc, char **argv)
{
	static const struct option options[] = {{"number", required_argument, NULL, 'n'},
	                                        {"prefix", required_argument, NULL, 'p'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	char path[40], prefix[MACHINE_NAME_MAX + 1] = "", *end;
	const char *of, *file = path;
	unsigned long n = 1;
	struct stat st;
	int c, fd = -1, status;

	while ((c = getopt_long(argc, argv, "n:h", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			n = strtoul(optarg, &end, 10);
			if (end == optarg || *end || *optarg == '-' || n < 1 || n > CLONES_MAX) {
				complain("-n %s: say how many, 1 to %d", optarg, CLONES_MAX);
				return EXIT_USAGE;
			}
			break;
		case 'p':
			snprintf(prefix, sizeof prefix, "%s", optarg);
			break;
		case 'h':
			clone_usage(stdout);
			return EXIT_OK;
		default:
			return usage_error("clone", NULL);
		}
	}
	if (optind == argc ||
	    (argc > optind + 1 && strcmp(argv[optind + 1], "--") && *argv[optind + 1] != '-')) {
		complain("clone: say which machine, or which file");
		return EXIT_USAGE;
	}
	of = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	argc -= optind;
	argv += optind;
	if (!*prefix)
		default_prefix(prefix, sizeof prefix, of);
	if (!machine_name_is_valid(prefix)) {
		complain("clone: '%s' cannot begin a name; say --prefix", prefix);
		return EXIT_USAGE;
	}
	/* What looks like a path is one; a word is a machine, unless only a file has that name. */
	if (strchr(of, '/') || (!machine_exists(of) && !stat(of, &st)))
		file = of;
	else if ((status = of_machine(of, path, sizeof path, &fd)))
		return status;
	status = fd < 0 ? verify(file) : 0;
	if (!status)
		status = start_all(file, prefix, (unsigned)n, argc, argv);
	if (fd >= 0)
		close(fd);
	return status;
}
