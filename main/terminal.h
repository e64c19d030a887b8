/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's terminal: raw while a guest runs, always put back. */
#ifndef MAIN_TERMINAL_H
#define MAIN_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** terminal_raw - make standard input raw if it is a terminal; put back at exit, however */
void terminal_raw(void);

/** terminal_restore - put back what terminal_raw changed; safe in a signal handler */
void terminal_restore(void);

enum terminal_command {
	TERMINAL_NONE,
	TERMINAL_QUIT,
	TERMINAL_HELP,
	TERMINAL_BREAK,
	TERMINAL_POWER
};

/**
 * terminal_filter - take Ctrl-A sequences out of typed bytes
 * @escape: state between calls, false at first
 * @bytes, @n: what was typed; what remains is moved to the front
 * @command: set when a sequence asks for something; bytes behind it are kept
 *
 * Returns how many bytes remain for the guest.
 */
size_t terminal_filter(bool *escape, uint8_t *bytes, size_t n, enum terminal_command *command);

#endif
