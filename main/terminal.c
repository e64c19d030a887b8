// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_A 1

static struct termios saved;
static volatile sig_atomic_t changed;

void terminal_restore(void)
{
	if (changed) {
		changed = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	}
}

static void restore_and_die(int signal)
{
	terminal_restore();
	/* SA_RESETHAND: now the default action, with the right wait status. */
	raise(signal);
}

void terminal_raw(void)
{
	static const int fatal[] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGQUIT};
	struct sigaction a = {.sa_handler = restore_and_die,
	                      .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
	struct termios raw;

	if (changed || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	atexit(terminal_restore);
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		sigaction(fatal[i], &a, NULL);
	raw = saved;
	cfmakeraw(&raw);
	changed = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

enum terminal_key terminal_key(bool *escape, uint8_t byte)
{
	if (!*escape) {
		*escape = byte == CTRL_A;
		return *escape ? KEY_NOTHING : KEY_BYTE;
	}
	*escape = false;
	switch (byte) {
	case CTRL_A: /* twice: one for the guest */
		return KEY_BYTE;
	case 'x':
		return KEY_QUIT;
	case 'h':
	case '?':
		return KEY_HELP;
	case 'b':
		return KEY_BREAK;
	case 'p':
		return KEY_POWER;
	case 'c':
		return KEY_MONITOR;
	case 'd':
		return KEY_DETACH;
	default:
		return KEY_NOTHING;
	}
}
