/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line behind Ctrl-A c: questions about the machine, while the guest goes on. */
#ifndef MAIN_MONITOR_H
#define MAIN_MONITOR_H

#include "main/vm.h"

#include <stdbool.h>
#include <stddef.h>

#define MONITOR_LINE 80

struct monitor {
	bool on;
	char line[MONITOR_LINE];
	size_t n;
};

enum monitor_result { MONITOR_GOES_ON, MONITOR_QUIT };

/** monitor_toggle - from the guest to the line, or back */
void monitor_toggle(struct monitor *m, const char *name);

/**
 * monitor_type - one byte typed at the line; Enter carries it out
 *
 * What the machine's words say is what cells wrote: it is printed, and nothing else.
 */
enum monitor_result monitor_type(struct monitor *m, struct vm *vm, uint8_t byte);

/**
 * monitor_answer - what a line of the monitor is answered with, when it is a question
 *
 * Text with line feeds, of printable characters, the caller's to free(); NULL: not understood.
 */
char *monitor_answer(struct vm *vm, const char *line);

/** monitor_say - write to whoever types: standard output if it is a terminal, else error */
void monitor_say(const char *text, size_t n);

#endif
