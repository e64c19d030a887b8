// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 check: can a guest run here, how well, and if not, what is missing. */
#include "main/command.h"
#include "main/probe.h"
#include "main/report.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>

static const char *const words[] = {
    [PROBE_GOOD] = "good", [PROBE_LESS] = "less", [PROBE_MISSING] = "MISSING", [PROBE_FACT] = ""};

static void usage(FILE *to)
{
	fprintf(to, "usage: ring1 check [--json]\n\n"
	            "Print what this host offers: what ring1 needs, and what makes it faster or\n"
	            "safer. 'less' is something it can do without, MISSING something it cannot.\n"
	            "Exit status: 0 guests can run here, 3 they cannot.\n");
}

static void print_text(const char *name, const struct finding *f)
{
	printf("%-20s %-8s %s\n", name, words[f->verdict], f->found);
	if (*f->advice)
		printf("%-20s %-8s %s\n", "", "", f->advice);
}

int command_check(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	unsigned missing = 0, less = 0;
	json_t *root = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_OK;
		}
		if (c != 'j')
			return usage_error("check", NULL);
		if (!root)
			root = json_array();
	}
	if (optind != argc) {
		json_decref(root);
		return usage_error("check", "it takes no arguments");
	}
	for (size_t i = 0; i < probe_count; i++) {
		struct finding f = {0};

		/* Probes fork: nothing may wait in the buffer then. */
		fflush(stdout);
		probes[i].look(&f);
		missing += f.verdict == PROBE_MISSING;
		less += f.verdict == PROBE_LESS;
		if (root)
			json_array_append_new(
			    root, json_pack("{s:s,s:s,s:s,s:s}", "name", probes[i].name, "verdict",
			                    f.verdict == PROBE_FACT ? "fact" : words[f.verdict],
			                    "found", f.found, "advice", f.advice));
		else
			print_text(probes[i].name, &f);
	}
	if (root) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(root);
	} else if (missing) {
		printf("\nGuests cannot run here: %u missing.\n", missing);
	} else {
		printf("\nGuests can run here%s.\n", less ? ", with less than ring1 can use" : "");
	}
	return missing ? EXIT_HOST : EXIT_OK;
}
