// SPDX-License-Identifier: GPL-2.0-or-later
#include "guests/agent/agent.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	dprintf(STDERR_FILENO, "ring1 agent: ");
	vdprintf(STDERR_FILENO, format, args);
	dprintf(STDERR_FILENO, "\n");
	va_end(args);
}

/* The first program that ends is a kernel's panic, which ring1 reports as the machine's end. */
int main(void)
{
	if (getpid() == 1)
		return follow_orders("/orders") ? 1 : 0;
	say("it does its work as a guest's first program only");
	return 2;
}
