// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/agent_command.h"

#include "main/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool agent_option_variable(struct agent_options *o, const char *text)
{
	if (!strchr(text, '=') || *text == '=' || o->nvariables == AGENT_VARIABLES_MAX) {
		complain("-e %s: say NAME=VALUE, at most %d times", text, AGENT_VARIABLES_MAX);
		return false;
	}
	o->variable[o->nvariables++] = text;
	return true;
}

void agent_options_apply(struct agent_options *o, struct agent_command *c)
{
	const char *term = getenv("TERM");

	c->variable = o->variable;
	c->terminal =
	    o->terminal || (!o->no_terminal && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	if (!c->terminal || !term)
		return;
	/* First: one that is given wins. */
	snprintf(o->term, sizeof o->term, "TERM=%s", term);
	memmove(o->variable + 1, o->variable, o->nvariables * sizeof *o->variable);
	o->variable[0] = o->term;
	o->nvariables++;
}
