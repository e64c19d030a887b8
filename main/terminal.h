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

enum terminal_key {
	KEY_NOTHING,
	KEY_BYTE,
	KEY_QUIT,
	KEY_HELP,
	KEY_BREAK,
	KEY_POWER,
	KEY_MONITOR,
	KEY_DETACH
};

/**
 * terminal_key - what a typed byte means, alone or behind Ctrl-A
 * @escape: state between calls, false at first
 *
 * KEY_BYTE: the byte itself is for the guest, or for whoever has the keyboard.
 */
enum terminal_key terminal_key(bool *escape, uint8_t byte);

#endif
