/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's command line says to a guest's test program. */
#ifndef GUESTS_PARAMETER_H
#define GUESTS_PARAMETER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The value of the last NAME=value on the kernel's command line, cut at @size bytes; without one
 * @value stays as it is. Ends the program when the line cannot be read.
 */
static void parameter(const char *name, char *value, size_t size)
{
	char line[4096], *word;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f || !fgets(line, sizeof(line), f)) {
		perror("/proc/cmdline");
		exit(1);
	}
	fclose(f);
	for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
		if (!strncmp(word, name, strlen(name)) && word[strlen(name)] == '=')
			snprintf(value, size, "%s", word + strlen(name) + 1);
}

#endif
