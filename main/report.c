// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/report.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "ring1: %s\r\n", text);
}
