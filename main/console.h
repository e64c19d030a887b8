/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the guest's first serial port leads: the terminal, a file, a terminal of its own, a socket.
 */
#ifndef MAIN_CONSOLE_H
#define MAIN_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum console_kind {
	CONSOLE_STDIO,  /* standard input and output; Ctrl-A keys if it is a terminal */
	CONSOLE_PTY,    /* a pseudo-terminal whose other end anybody of the user may open */
	CONSOLE_FILE,   /* output only, appended */
	CONSOLE_UNIX,   /* a socket for one client at a time */
	CONSOLE_SOCKET, /* nowhere but to `ring1 console`, by the control socket */
};

struct console {
	enum console_kind kind;
	const char *path;
	int in, out; /* what to read and write; -1: nothing, or nobody is there */
	int event;   /* readable when somebody comes: console_event(); -1: never */
	int master;  /* the pseudo-terminal, also while nobody has it open */
};

/**
 * console_open - get what @spec says: stdio, pty, file:PATH, unix:PATH or socket
 *
 * Returns 0 or an exit status, with the reason printed. console_close() is due in any case.
 */
int console_open(struct console *c, const char *spec);

/** console_word - its kind, in one word */
const char *console_word(const struct console *c);

/** console_close - close it; a socket's name goes */
void console_close(struct console *c);

/** console_event - @event is readable: a client has come. @name tells others whose it is */
void console_event(struct console *c, const char *name);

/** console_gone - reading or writing says that the client has gone; another may come */
void console_gone(struct console *c);

/** console_lasts - whether a client may come later: then output is not for nobody */
static inline bool console_lasts(const struct console *c)
{
	return c->event >= 0;
}

#endif
