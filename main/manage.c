// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 ls, stop, pause, resume, monitor: the machines that run, from outside. */
#include "main/manage.h"

#include "main/command.h"
#include "main/machine_link.h"
#include "main/report.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STOP_TIMEOUT_S 30
#define STOP_MAX_S     86400
#define OFF_TIMEOUT_S  30 /* its back ends may be in a flush of a busy disk */

static json_int_t number(const json_t *info, const char *name)
{
	return json_integer_value(json_object_get(info, name));
}

static const char *word(const json_t *info, const char *name)
{
	const char *text = json_string_value(json_object_get(info, name));

	return text ? text : "";
}

/* ---- ls ---- */

/* What a machine says of itself; of one that does not answer, its name. NULL: it is gone. */
static json_t *info_of(int directory, const char *name)
{
	struct machine_link l;
	json_t *reply = NULL, *info = NULL;
	int error = link_open_named(&l, directory, name);

	if (!error)
		error = link_ask(&l, "info", NULL, &reply);
	if (!error)
		info = json_incref(json_object_get(reply, "result"));
	json_decref(reply);
	link_close(&l);
	if (info || error == ENOENT || error == ECONNRESET)
		return info;
	return json_pack("{s:s,s:s}", "name", name, "state",
	                 error == EACCES ? "permission denied" : "not answering");
}

static void print_duration(char *to, size_t size, uint64_t seconds)
{
	if (seconds < 3600)
		snprintf(to, size, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
	else if (seconds < 86400)
		snprintf(to, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600,
		         seconds / 60 % 60, seconds % 60);
	else
		snprintf(to, size, "%" PRIu64 "d %" PRIu64 "h", seconds / 86400,
		         seconds / 3600 % 24);
}

static void print_table(const json_t *machines)
{
	char kernel[64], memory[64], uptime[64];
	const json_t *m, *ram;
	const char *file;
	size_t i;

	printf("%-20s %8s  %-10s %14s %10s  %s\n", "NAME", "PID", "STATE", "MEMORY", "UPTIME",
	       "KERNEL");
	json_array_foreach(machines, i, m)
	{
		if (!json_object_get(m, "pid")) {
			printf("%-20s %8s  %s\n", word(m, "name"), "", word(m, "state"));
			continue;
		}
		ram = json_object_get(m, "memory");
		snprintf(memory, sizeof memory, "%" PRIu64 " of %" PRIu64 "M",
		         (uint64_t)number(ram, "resident") >> 20,
		         (uint64_t)number(ram, "size") >> 20);
		print_duration(uptime, sizeof uptime,
		               (uint64_t)number(m, "uptime_ns") / 1000000000u);
		file = strrchr(word(m, "kernel"), '/');
		snprintf(kernel, sizeof kernel, "%.*s",
		         (int)strcspn(word(m, "kernel_version"), " "), word(m, "kernel_version"));
		if (!*kernel)
			snprintf(kernel, sizeof kernel, "%s", file ? file + 1 : word(m, "kernel"));
		printf("%-20s %8" PRIu64 "  %-10s %14s %10s  %s\n", word(m, "name"),
		       (uint64_t)number(m, "pid"), word(m, "state"), memory, uptime, kernel);
	}
}

static int list_machines(bool as_json)
{
	int directory = machines_open(), n;
	json_t *machines, *info;
	char **names;

	if (directory < 0)
		return EXIT_DENIED;
	n = machines_list(directory, &names);
	if (n < 0) {
		close(directory);
		return EXIT_HOST;
	}
	machines = json_array();
	for (int i = 0; i < n; i++) {
		if ((info = info_of(directory, names[i])))
			json_array_append_new(machines, info);
		free(names[i]);
	}
	free(names);
	close(directory);
	if (as_json) {
		json_dumpf(machines, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_table(machines);
	}
	json_decref(machines);
	return EXIT_OK;
}

int command_ls(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	bool as_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'h':
			printf("usage: ring1 ls [--json]\n\n"
			       "List this user's running machines: of its memory how much the host "
			       "has\n"
			       "given so far, the time since its start, and the version of its "
			       "kernel.\n");
			return EXIT_OK;
		default:
			return usage_error("ls", NULL);
		}
	}
	if (optind < argc) {
		complain("ls takes no names; it lists all machines");
		return EXIT_USAGE;
	}
	return list_machines(as_json);
}

/* ---- stop ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The process that made the socket, which is the last of a machine's to end; -1: not to be had. */
static int process_of(const struct machine_link *l)
{
	struct ucred who;
	socklen_t size = sizeof who;

	if (getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &size) || who.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, who.pid, 0);
}

/*
 * Until the machine has ended, at most so long: not only does it answer no more, its name is free
 * again.
 */
static bool ends_within(struct machine_link *l, int process, unsigned seconds)
{
	struct pollfd gone = {.fd = process, .events = POLLIN};
	uint64_t until = now_ms() + seconds * 1000ull, now;
	json_t *event;

	while ((now = now_ms()) < until) {
		event = link_read(l, (int)(until - now));
		if (!event && errno == ECONNRESET)
			return process < 0 || poll(&gone, 1, OFF_TIMEOUT_S * 1000) == 1;
		json_decref(event);
	}
	return false;
}

static int power_off(struct machine_link *l, int process)
{
	json_t *reply = NULL;
	int error = link_ask(l, "stop", json_pack("{s:s}", "how", "off"), &reply);

	if (!error)
		json_decref(reply);
	if ((!error || error == ECONNRESET) && ends_within(l, process, OFF_TIMEOUT_S))
		return EXIT_OK;
	return link_complain(l, error ? error : ETIMEDOUT);
}

int manage_power_off(struct machine_link *l)
{
	int process = process_of(l), status = power_off(l, process);

	if (process >= 0)
		close(process);
	return status;
}

static int press_button(struct machine_link *l, int process, unsigned timeout)
{
	json_t *result;
	int status = link_call(l, "stop", NULL, &result);

	if (status)
		return status;
	if (strcmp(word(result, "state"), "running"))
		complain("%s is %s: its guest cannot hear the power button", l->name,
		         word(result, "state"));
	else if (!json_is_true(json_object_get(result, "listens")))
		complain("the guest of %s does not listen to its power button", l->name);
	json_decref(result);
	if (ends_within(l, process, timeout))
		return EXIT_OK;
	complain("%s did not switch itself off within %u s; its power is cut", l->name, timeout);
	return power_off(l, process);
}

static int stop_one(const char *name, bool now, unsigned timeout)
{
	struct machine_link l;
	int status = link_open(&l, name), process;

	if (!status) {
		process = process_of(&l);
		status = now ? power_off(&l, process) : press_button(&l, process, timeout);
		if (process >= 0)
			close(process);
	}
	link_close(&l);
	return status;
}

static void stop_usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 stop [--timeout S | --now] [NAME]...\n\n"
	    "Press a machine's power button, and wait until the guest has switched it off. When\n"
	    "it has not within the timeout, the power is cut. Without a name: the only machine.\n\n"
	    "  -t, --timeout S  seconds to wait (%d)\n"
	    "      --now        cut the power at once\n",
	    STOP_TIMEOUT_S);
}

static bool parse_seconds(const char *text, unsigned *seconds)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || n > STOP_MAX_S) {
		complain("--timeout %s: say how many seconds, 0 to %d", text, STOP_MAX_S);
		return false;
	}
	*seconds = (unsigned)n;
	return true;
}

int command_stop(int argc, char **argv)
{
	static const struct option options[] = {{"timeout", required_argument, NULL, 't'},
	                                        {"now", no_argument, NULL, 'n'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	unsigned timeout = STOP_TIMEOUT_S;
	int c, status = EXIT_OK, r;
	bool now = false;

	while ((c = getopt_long(argc, argv, "t:h", options, NULL)) != -1) {
		switch (c) {
		case 't':
			if (!parse_seconds(optarg, &timeout))
				return EXIT_USAGE;
			break;
		case 'n':
			now = true;
			break;
		case 'h':
			stop_usage(stdout);
			return EXIT_OK;
		default:
			return usage_error("stop", NULL);
		}
	}
	if (optind == argc)
		return stop_one(NULL, now, timeout);
	for (int i = optind; i < argc; i++)
		if ((r = stop_one(argv[i], now, timeout)))
			status = r;
	return status;
}

/* ---- pause, resume ---- */

static int command_each(int argc, char **argv, const char *command, const char *help)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c, status = EXIT_OK, r;
	struct machine_link l;
	json_t *result;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'h')
			return usage_error(command, NULL);
		printf("usage: ring1 %s [NAME]...\n\n%s", command, help);
		return EXIT_OK;
	}
	for (int i = optind; i == optind || i < argc; i++) {
		r = link_open(&l, i < argc ? argv[i] : NULL);
		if (!r && !(r = link_call(&l, command, NULL, &result)))
			json_decref(result);
		link_close(&l);
		if (r)
			status = r;
	}
	return status;
}

int command_pause(int argc, char **argv)
{
	return command_each(
	    argc, argv, "pause",
	    "The machine stands still until 'ring1 resume'. The time is not counted by\n"
	    "the guest's timers and kvmclock; its TSC, which is the host's, goes on.\n"
	    "Without a name: the only machine.\n");
}

int command_resume(int argc, char **argv)
{
	return command_each(
	    argc, argv, "resume",
	    "A machine that was paused, or started with --paused, goes on. Without a\n"
	    "name: the only machine.\n");
}

/* ---- monitor ---- */

static int ask_monitor(struct machine_link *l, const char *line)
{
	json_t *result;
	int status = link_call(l, "monitor", json_pack("{s:s}", "line", line), &result);

	if (!status)
		fputs(word(result, "text"), stdout);
	json_decref(result);
	return status;
}

static int ask_lines(struct machine_link *l)
{
	bool prompt = isatty(STDIN_FILENO);
	int status = EXIT_OK;
	char line[80];

	for (;;) {
		if (prompt) {
			fputs("(ring1) ", stdout);
			fflush(stdout);
		}
		if (!fgets(line, sizeof line, stdin))
			return status;
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "quit") || !strcmp(line, "q"))
			return status;
		if (*line)
			status = ask_monitor(l, line);
		if (status && status != EXIT_REFUSED)
			return status;
	}
}

int command_monitor(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	char line[256] = "";
	struct machine_link l;
	int c, status;

	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c != 'h')
			return usage_error("monitor", NULL);
		printf("usage: ring1 monitor NAME [QUESTION]...\n\n"
		       "Ask about a machine, as behind Ctrl-A c: 'ring1 monitor NAME help' lists "
		       "what.\n"
		       "Without a question, lines are read from standard input.\n");
		return EXIT_OK;
	}
	status = link_open(&l, optind < argc ? argv[optind] : NULL);
	for (int i = optind + 1; i < argc; i++)
		snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", *line ? " " : "",
		         argv[i]);
	if (!status)
		status = *line ? ask_monitor(&l, line) : ask_lines(&l);
	link_close(&l);
	return status;
}
