// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 stat: what a machine does, second by second. */
#include "main/command.h"
#include "main/machine_link.h"
#include "main/report.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_S   1.0
#define INTERVAL_MAX 3600.0
#define ROWS         24
#define HEAD_LINES   5
#define ALL_ROWS     4096

struct row {
	const char *name, *group;
	double rate; /* a second */
	json_int_t total;
};

static json_int_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static double seconds_between(const json_t *before, const json_t *now)
{
	return (double)(number(now, "uptime_ns") - number(before, "uptime_ns")) / 1e9;
}

static double rate(json_int_t from, json_int_t to, double seconds)
{
	return seconds > 0 ? (double)(to - from) / seconds : 0;
}

/* A table of counters inside of the statistics: all that are not zero. */
static size_t add_rows(struct row *rows, size_t n, const char *group, const json_t *before,
                       const json_t *now, double seconds)
{
	json_t *table = json_object_get(now, group), *value;
	const json_t *old = json_object_get(before, group);
	const char *name;

	json_object_foreach(table, name, value)
	{
		if (n == ALL_ROWS || !json_integer_value(value))
			continue;
		rows[n++] = (struct row){
		    .name = name,
		    .group = group,
		    .rate = rate(number(old, name), json_integer_value(value), seconds),
		    .total = json_integer_value(value)};
	}
	return n;
}

static int by_rate(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return strcmp(x->name, y->name);
}

static size_t rows_that_fit(bool live)
{
	struct winsize size;

	if (!live)
		return ALL_ROWS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row <= HEAD_LINES + 1)
		return ROWS;
	return size.ws_row - HEAD_LINES - 1u;
}

static void print_table(const char *name, const json_t *before, const json_t *now, bool live)
{
	static struct row rows[ALL_ROWS];
	const json_t *memory = json_object_get(now, "memory");
	const json_t *console = json_object_get(now, "console");
	const json_t *console_before = json_object_get(before, "console");
	double seconds = seconds_between(before, now);
	size_t n = add_rows(rows, 0, "counts", before, now, seconds), fit = rows_that_fit(live);
	const char *state = json_string_value(json_object_get(now, "state"));

	n = add_rows(rows, n, "emulated", before, now, seconds);
	qsort(rows, n, sizeof *rows, by_rate);
	if (live)
		fputs("\033[H\033[J", stdout);
	printf("%s: %s, guest time %.1f s, %" PRIu64 " cells\n", name, state ? state : "?",
	       (double)number(now, "guest_ns") / 1e9, (uint64_t)number(now, "cells"));
	printf("memory: %" PRIu64 " KiB of %" PRIu64 " KiB",
	       (uint64_t)number(memory, "resident") / 1024,
	       (uint64_t)number(memory, "size") / 1024);
	if (json_object_get(memory, "balloon"))
		printf(", %" PRIu64 " KiB in the balloon",
		       (uint64_t)number(memory, "balloon") / 1024);
	printf("; console: %.0f bytes/s out, %.0f in\n\n",
	       rate(number(console_before, "out"), number(console, "out"), seconds),
	       rate(number(console_before, "in"), number(console, "in"), seconds));
	printf("%-28s %-10s %12s %14s\n", "EVENT", "KIND", "PER SECOND", "TOTAL");
	for (size_t i = 0; i < n && i < fit; i++)
		printf("%-28s %-10s %12.0f %14" PRIu64 "\n", rows[i].name,
		       strcmp(rows[i].group, "counts") ? "emulated" : "event", rows[i].rate,
		       (uint64_t)rows[i].total);
	if (!live)
		putchar('\n');
}

/* One line for each interval: the statistics, and how much the counters grew in a second. */
static void print_json(const json_t *before, const json_t *now)
{
	double seconds = seconds_between(before, now);
	json_t *counts = json_object_get(now, "counts"), *value, *rates = json_object();
	json_t *all = json_copy((json_t *)now);
	const char *name;

	json_object_foreach(counts, name, value)
	    json_object_set_new(rates, name,
	                        json_real(rate(number(json_object_get(before, "counts"), name),
	                                       json_integer_value(value), seconds)));
	json_object_set_new(all, "interval_s", json_real(seconds));
	json_object_set_new(all, "per_second", rates);
	json_dumpf(all, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(all);
}

static int watch(struct machine_link *l, double interval, long count, bool as_json)
{
	const struct timespec t = {.tv_sec = (time_t)interval,
	                           .tv_nsec = (long)((interval - (double)(time_t)interval) * 1e9)};
	bool live = !as_json && isatty(STDOUT_FILENO);
	json_t *before, *reply;
	int error, status = link_call(l, "stats", NULL, &before);

	while (!status && count) {
		nanosleep(&t, NULL);
		error = link_ask(l, "stats", NULL, &reply);
		if (error == ECONNRESET)
			break; /* it has ended: nothing is left to be seen */
		if (error)
			status = link_complain(l, error);
		if (error)
			break;
		if (as_json)
			print_json(before, json_object_get(reply, "result"));
		else
			print_table(l->name, before, json_object_get(reply, "result"), live);
		json_decref(before);
		before = json_incref(json_object_get(reply, "result"));
		json_decref(reply);
		if (fflush(stdout))
			break;
		count -= count > 0;
	}
	json_decref(before);
	return status;
}

static void usage(FILE *to)
{
	fprintf(to,
	        "usage: ring1 stat [--interval S] [--count N] [--json] [NAME]\n\n"
	        "Show what a machine does: exits, interrupts, mappings, memory, console, each by\n"
	        "the second, the most frequent first. Without a name: the only machine.\n\n"
	        "  -i, --interval S  seconds between looks, fractions too (1)\n"
	        "  -c, --count N     end after so many looks (none: when the machine ends)\n"
	        "      --json        a line of JSON for each look\n");
}

static bool parse_interval(const char *text, double *interval)
{
	char *end;

	*interval = strtod(text, &end);
	if (end != text && !*end && *interval >= 0.01 && *interval <= INTERVAL_MAX)
		return true;
	complain("--interval %s: say seconds, 0.01 to 3600", text);
	return false;
}

static bool parse_count(const char *text, long *count)
{
	char *end;

	*count = strtol(text, &end, 10);
	if (end != text && !*end && *count > 0)
		return true;
	complain("--count %s: say how many looks", text);
	return false;
}

int command_stat(int argc, char **argv)
{
	static const struct option options[] = {{"interval", required_argument, NULL, 'i'},
	                                        {"count", required_argument, NULL, 'c'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	double interval = INTERVAL_S;
	struct machine_link l;
	bool as_json = false;
	long count = -1;
	int c, status;

	while ((c = getopt_long(argc, argv, "i:c:h", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			if (!parse_interval(optarg, &interval))
				return EXIT_USAGE;
			break;
		case 'c':
			if (!parse_count(optarg, &count))
				return EXIT_USAGE;
			break;
		case 'j':
			as_json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			return usage_error("stat", NULL);
		}
	}
	if (argc - optind > 1) {
		complain("stat shows one machine");
		return EXIT_USAGE;
	}
	status = link_open(&l, argv[optind]);
	if (!status)
		status = watch(&l, interval, count, as_json);
	link_close(&l);
	return status;
}
