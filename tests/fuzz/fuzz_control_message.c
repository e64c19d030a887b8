/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the control socket that sends anything: what is taken for a request is one, and is
 * answered by exactly one line with its id.
 */
#include "main/control_message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		__builtin_trap();
}

static void check_line(char *line, const json_t *id, const char *member)
{
	json_t *root;

	promise(line && strlen(line) && strchr(line, '\n') == line + strlen(line) - 1);
	root = json_loads(line, 0, NULL);
	promise(json_is_object(root) && json_object_get(root, member));
	promise(id ? json_equal(json_object_get(root, "id"), id)
	           : json_is_null(json_object_get(root, "id")));
	json_decref(root);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size ? size : 1);
	struct control_request r;
	const char *why = NULL, *text;
	bool known, flag;

	memcpy(line, data, size);
	known = control_parse(&r, line, size, &why);
	free(line);
	if (known) {
		promise(r.command && strlen(r.command) <= CONTROL_LINE_MAX);
		if (control_string(&r, "how", "x", &text))
			promise(text && strlen(text) <= CONTROL_LINE_MAX);
		if (!control_bool(&r, "on", true, &flag))
			promise(r.arguments);
		check_line(control_result(r.id, json_object()), r.id, "result");
	} else {
		promise(why);
		check_line(control_error(r.id, CONTROL_BAD_REQUEST, why), r.id, "error");
	}
	control_request_free(&r);
	return 0;
}
