// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/run_restored.h"

#include "main/command.h"
#include "main/report.h"

#include <getopt.h>

#define WORDS_MAX 256 /* of a command line made here */

void quote_path(char *to, size_t size, const char *path)
{
	size_t n = 0;

	for (; *path && n + 3 < size; path++) {
		if (*path == ',')
			to[n++] = ',';
		to[n++] = *path;
	}
	to[n] = 0;
}

static int too_many(void)
{
	complain("too many options");
	return EXIT_USAGE;
}

int run_restored(char *what, const char *name, int argc, char **argv)
{
	char *words[WORDS_MAX];
	int n = 0;

	if (argc > WORDS_MAX - 8)
		return too_many();
	words[n++] = (char *)"ring1: run";
	words[n++] = (char *)"--detach";
	words[n++] = (char *)"--restore";
	words[n++] = what;
	if (name) {
		words[n++] = (char *)"--name";
		words[n++] = (char *)name;
	}
	for (int i = 0; i < argc; i++)
		words[n++] = argv[i];
	words[n] = NULL;
	optind = 0; /* getopt is to begin anew */
	return command_run(n, words);
}
