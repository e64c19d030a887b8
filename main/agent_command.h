/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that 'ring1 exec' and 'ring1 sandbox' have in common. */
#ifndef MAIN_AGENT_COMMAND_H
#define MAIN_AGENT_COMMAND_H

#include "main/agent_session.h"

#include <stdbool.h>

#define AGENT_VARIABLES_MAX 256 /* that options give */

struct agent_options {
	bool terminal, no_terminal; /* the last of -t and -T; neither: if this process has one */
	const char *variable[AGENT_VARIABLES_MAX + 2]; /* TERM, those given, NULL */
	unsigned nvariables;
	char term[256];
};

/**
 * agent_option_variable - -e NAME=VALUE
 * @text: stays as it is as long as @o is used
 *
 * False, with the reason printed: it is none, or one too many.
 */
bool agent_option_variable(struct agent_options *o, const char *text);

/**
 * agent_options_apply - to @c: its variables, and whether it has a terminal
 *
 * With one, TERM is this process's, unless -e gives another.
 */
void agent_options_apply(struct agent_options *o, struct agent_command *c);

#endif
