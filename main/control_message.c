// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/control_message.h"

#include <stdlib.h>
#include <string.h>

/*
 * How deep arrays and objects are nested, brackets in strings left out. The parser behind counts,
 * too, but to 2048, and recurses.
 */
static bool is_shallow(const char *line, size_t n)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (quoted) {
			if (line[i] == '\\')
				i++;
			else if (line[i] == '"')
				quoted = false;
			continue;
		}
		if (line[i] == '"')
			quoted = true;
		else if (line[i] == '{' || line[i] == '[')
			depth++;
		else if (line[i] == '}' || line[i] == ']')
			depth--;
		if (depth > CONTROL_DEPTH_MAX)
			return false;
	}
	return true;
}

static bool is_id(const json_t *id)
{
	return json_is_integer(id) ||
	       (json_is_string(id) && json_string_length(id) <= CONTROL_ID_MAX);
}

bool control_parse(struct control_request *r, const char *line, size_t n, const char **why)
{
	json_t *id, *command;
	json_error_t error;

	*r = (struct control_request){0};
	if (n > CONTROL_LINE_MAX || !is_shallow(line, n)) {
		*why = "the request is nested too deeply";
		return false;
	}
	r->root = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(r->root)) {
		*why = "a request is one line with one JSON object";
		return false;
	}
	id = json_object_get(r->root, "id");
	if (id && !is_id(id)) {
		*why = "'id' is an integer or a string of at most 64 bytes";
		return false;
	}
	r->id = id;
	command = json_object_get(r->root, "command");
	if (!json_is_string(command)) {
		*why = "'command' is missing or no string";
		return false;
	}
	r->command = json_string_value(command);
	r->arguments = json_object_get(r->root, "arguments");
	if (r->arguments && !json_is_object(r->arguments)) {
		*why = "'arguments' is no object";
		return false;
	}
	return true;
}

void control_request_free(struct control_request *r)
{
	json_decref(r->root);
	*r = (struct control_request){0};
}

bool control_string(const struct control_request *r, const char *name, const char *otherwise,
                    const char **value)
{
	const json_t *v = json_object_get(r->arguments, name);

	*value = v ? json_string_value(v) : otherwise;
	return !v || json_is_string(v);
}

bool control_bool(const struct control_request *r, const char *name, bool otherwise, bool *value)
{
	const json_t *v = json_object_get(r->arguments, name);

	*value = v ? json_is_true(v) : otherwise;
	return !v || json_is_boolean(v);
}

bool control_integer(const struct control_request *r, const char *name, json_int_t otherwise,
                     json_int_t *value)
{
	const json_t *v = json_object_get(r->arguments, name);

	*value = v ? json_integer_value(v) : otherwise;
	return !v || json_is_integer(v);
}

static char *to_line(json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT), *line = NULL;
	size_t n;

	json_decref(root);
	if (!text)
		return NULL;
	n = strlen(text);
	line = malloc(n + 2);
	if (line) {
		memcpy(line, text, n);
		memcpy(line + n, "\n", 2);
	}
	free(text);
	return line;
}

char *control_result(json_t *id, json_t *result)
{
	json_t *root = json_object();

	json_object_set_new(root, "id", id ? json_incref(id) : json_null());
	json_object_set_new(root, "result", result);
	return to_line(root);
}

char *control_error(json_t *id, const char *code, const char *message)
{
	json_t *root = json_object();

	json_object_set_new(root, "id", id ? json_incref(id) : json_null());
	json_object_set_new(root, "error",
	                    json_pack("{s:s,s:s}", "code", code, "message", message));
	return to_line(root);
}
