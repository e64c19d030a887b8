// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 exec: a command in a running guest. */
#include "image/initramfs.h"
#include "main/agent_command.h"
#include "main/command.h"
#include "main/machine_link.h"
#include "main/report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_S     5
#define TIMEOUT_MAX_S 86400

static void usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 exec [OPTION]... MACHINE -- COMMAND [ARGUMENT]...\n\n"
	    "Run a command in a guest, as root, with this standard input and output. The\n"
	    "machine has --agent=on (or --image), the guest runs 'ring1-agent serve', as images\n"
	    "of 'ring1 image create' do.\n\n"
	    "  -e, --env NAME=VALUE  a variable of its environment; more than one may be given\n"
	    "  -w, --workdir DIR     where it runs (root's home)\n"
	    "  -t, --tty             give it a terminal (if standard input and output are one)\n"
	    "  -T, --no-tty          do not\n"
	    "      --timeout S       wait so long for the agent (%d)\n"
	    "      --print-agent     print the agent, a static i386 program, instead\n"
	    "  -h, --help            this text\n\n"
	    "Exit status: the command's; 128 and the number of the signal that ended it; 127 not\n"
	    "found, 126 not to be run, 125 ring1 could not have it run, with the reason printed.\n",
	    TIMEOUT_S);
}

static int print_agent(void)
{
	size_t n = (size_t)(agent_program_end - agent_program);

	if (isatty(STDOUT_FILENO)) {
		complain("--print-agent prints a program; lead it into a file");
		return EXIT_USAGE;
	}
	fwrite(agent_program, 1, n, stdout);
	return output_finish(EXIT_OK);
}

/* A machine that stands still would answer when somebody lets it go on, and not before. */
static bool goes_on(struct machine_link *l)
{
	json_t *info;
	const char *state;
	bool paused;

	if (link_call(l, "info", NULL, &info))
		return false;
	state = json_string_value(json_object_get(info, "state"));
	paused = state && !strcmp(state, "paused");
	json_decref(info);
	if (paused)
		complain("%s is paused; 'ring1 resume %s' lets it go on", l->name, l->name);
	return !paused;
}

/* By whatever the user calls it. */
static int run_in(const char *machine, unsigned seconds, const struct agent_command *command)
{
	struct machine_link link;
	int status = link_open(&link, machine), directory, connection;

	if (status || !goes_on(&link)) {
		link_close(&link);
		return EXIT_NOT_RUN;
	}
	directory = machines_open();
	connection = directory < 0 ? -1 : agent_connect(directory, link.name, seconds);
	link_close(&link);
	if (directory >= 0)
		close(directory);
	if (connection < 0)
		return EXIT_NOT_RUN;
	status = agent_run(connection, command);
	close(connection);
	return status;
}

int command_exec(int argc, char **argv)
{
	static const struct option options[] = {
	    {"env", required_argument, NULL, 'e'},     {"workdir", required_argument, NULL, 'w'},
	    {"tty", no_argument, NULL, 't'},           {"no-tty", no_argument, NULL, 'T'},
	    {"timeout", required_argument, NULL, 's'}, {"print-agent", no_argument, NULL, 'p'},
	    {"help", no_argument, NULL, 'h'},          {0}};
	static struct agent_options o;
	struct agent_command command = {0};
	unsigned long seconds = TIMEOUT_S;
	const char *machine;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "+e:w:tTh", options, NULL)) != -1) {
		switch (c) {
		case 'e':
			if (!agent_option_variable(&o, optarg))
				return EXIT_NOT_RUN;
			break;
		case 'w':
			command.directory = optarg;
			break;
		case 't':
			o.terminal = true;
			o.no_terminal = false;
			break;
		case 'T':
			o.terminal = false;
			o.no_terminal = true;
			break;
		case 's':
			seconds = strtoul(optarg, &end, 10);
			if (end == optarg || *end || *optarg == '-' || seconds > TIMEOUT_MAX_S) {
				complain("--timeout %s: say how many seconds, up to %d", optarg,
				         TIMEOUT_MAX_S);
				return EXIT_NOT_RUN;
			}
			break;
		case 'p':
			return print_agent();
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage_error("exec", NULL);
			return EXIT_NOT_RUN;
		}
	}
	machine = optind < argc ? argv[optind++] : NULL;
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (!machine || optind >= argc) {
		usage_error("exec", "say in which machine, and which command");
		return EXIT_NOT_RUN;
	}
	command.argument = argv + optind;
	agent_options_apply(&o, &command);
	return run_in(machine, (unsigned)seconds, &command);
}
