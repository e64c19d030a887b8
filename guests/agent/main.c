// SPDX-License-Identifier: GPL-2.0-or-later
#include "guests/agent/agent.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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
int main(int argc, char **argv)
{
	/* Its arguments are those of the kernel that the kernel did not know. */
	if (getpid() == 1)
		return follow_orders("/orders") ? 1 : 0;
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	say("say 'serve', for 'ring1 exec'; without it, it is for a guest's first program");
	return 2;
}
