// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/report.h"

#include <stdarg.h>
#include <stdio.h>

static char machine[80];

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
	fprintf(stderr, "%s%s\r\n", complain_prefix(), text);
}
