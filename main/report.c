// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char machine[80];
static const char *line_end = "\n";

void complain_look(void)
{
	line_end = isatty(STDERR_FILENO) ? "\r\n" : "\n";
}

/* When main has confined itself it is too late to ask. */
static void __attribute__((constructor)) look_first(void)
{
	complain_look();
}

const char *complain_line_end(void)
{
	return line_end;
}

void complain_as(const char *name)
{
	snprintf(machine, sizeof machine, " %s", name);
}

const char *complain_prefix(void)
{
	static char prefix[100];

	snprintf(prefix, sizeof prefix, "ring1%s: ", machine);
	return prefix;
}

void complain(const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "%s%s%s", complain_prefix(), text, line_end);
}

int usage_error(const char *command, const char *what)
{
	if (what)
		complain("%s: %s", command, what);
	fprintf(stderr, "'ring1 %s --help' tells how to use it.\n", command);
	return EXIT_USAGE;
}

int output_finish(int status)
{
	int error = fflush(stdout) ? errno : 0;

	if (!error && !ferror(stdout))
		return status;
	/* Of what was written before the last of it nobody kept the reason. */
	complain("standard output: cannot write%s%s", error ? ": " : " all of it",
	         error ? strerror(error) : "");
	return status ? status : EXIT_USAGE;
}
