// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 balloon: how much of its memory a machine is to do without. */
#include "main/command.h"
#include "main/machine_link.h"
#include "main/option_text.h"
#include "main/report.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

/* Names as the protocol has them, with blanks; what is counted has no unit. */
static void print_statistic(const char *name, uint64_t value)
{
	static const char *const counts[] = {"faults", "allocations", "failures", "kills",
	                                     "stalls", "scans",       "reclaims"};
	const char *last = strrchr(name, '_');
	char text[64];
	bool counted = false;

	for (size_t i = 0; last && i < sizeof counts / sizeof *counts; i++)
		counted |= !strcmp(last + 1, counts[i]);
	snprintf(text, sizeof text, "guest: %s", name);
	for (char *p = text; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	printf("%-27s %" PRIu64 "%s\n", text, counted ? value : value / 1024,
	       counted ? "" : " KiB");
}

static void print(const char *name, const json_t *b)
{
	json_t *value;
	const char *key;

	printf("%-27s %" PRIu64 " KiB\n%-27s %" PRIu64 " KiB\n", "target",
	       number(b, "target") / 1024, "actual", number(b, "actual") / 1024);
	if (json_is_true(json_object_get(b, "free_page_reporting")))
		printf("%-27s %" PRIu64 " KiB\n", "given back as free",
		       number(b, "reported") / 1024);
	if (!json_is_true(json_object_get(b, "driver")))
		printf("the guest of %s has no driver for its balloon (yet)\n", name);
	json_object_foreach(json_object_get(b, "statistics"), key, value)
	    print_statistic(key, (uint64_t)json_integer_value(value));
}

static int ask(const char *name, const char *size, bool as_json)
{
	json_t *arguments = NULL, *result;
	struct machine_link l;
	uint64_t bytes;
	int status;

	if (size && !option_size(size, &bytes)) {
		complain("balloon: '%s' is no size; say for example 256M, or 0", size);
		return EXIT_USAGE;
	}
	if (size)
		arguments = json_pack("{s:I}", "size", (json_int_t)bytes);
	status = link_open(&l, name);
	if (status)
		json_decref(arguments);
	else
		status = link_call(&l, "balloon", arguments, &result);
	if (!status) {
		if (as_json) {
			json_dumpf(result, stdout, JSON_INDENT(2));
			putchar('\n');
		} else if (!size) {
			print(l.name, result);
		}
		json_decref(result);
	}
	link_close(&l);
	return status;
}

int command_balloon(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	bool as_json = false;
	int c, n;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'h':
			printf(
			    "usage: ring1 balloon [--json] [NAME [SIZE]]\n\n"
			    "Say how much memory a machine's balloon should have and has, and "
			    "what\n"
			    "the guest's kernel says of its memory. With SIZE (as 256M): so much "
			    "of\n"
			    "its memory the guest is to give back to the host, as it finds the "
			    "time;\n"
			    "with less than before it gets the difference back, with 0 all of it.\n"
			    "Without a name: the only machine. A machine has a balloon when it "
			    "was\n"
			    "started with --balloon.\n");
			return EXIT_OK;
		default:
			return usage_error("balloon", NULL);
		}
	}
	n = argc - optind;
	if (n > 2) {
		complain("balloon: say which machine, and how large its balloon should be");
		return EXIT_USAGE;
	}
	return ask(n ? argv[optind] : NULL, n == 2 ? argv[optind + 1] : NULL, as_json);
}
