/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the control socket: what is one, what is not and why, and what answers look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "main/control_message.h"

static bool parse(struct control_request *r, const char *line)
{
	const char *why = NULL;
	bool known = control_parse(r, line, strlen(line), &why);

	assert_true(known || why);
	return known;
}

static void assert_refused(const char *line)
{
	struct control_request r;

	assert_false(parse(&r, line));
	control_request_free(&r);
}

static void a_request_has_its_parts(void **state)
{
	struct control_request r;
	const char *how;
	bool on;

	(void)state;
	assert_true(parse(&r, "{\"id\":7,\"command\":\"stop\",\"arguments\":{\"how\":\"off\"}}"));
	assert_int_equal(json_integer_value(r.id), 7);
	assert_string_equal(r.command, "stop");
	assert_true(control_string(&r, "how", "button", &how));
	assert_string_equal(how, "off");
	assert_true(control_string(&r, "other", "button", &how));
	assert_string_equal(how, "button");
	assert_false(control_bool(&r, "how", true, &on));
	assert_true(control_bool(&r, "other", true, &on) && on);
	control_request_free(&r);
	assert_true(parse(&r, "{\"command\":\"info\"}"));
	assert_null(r.id);
	assert_true(control_string(&r, "how", "button", &how));
	control_request_free(&r);
}

static void anything_else_is_none(void **state)
{
	(void)state;
	assert_refused("");
	assert_refused("info");
	assert_refused("[]");
	assert_refused("{}");
	assert_refused("{\"command\":1}");
	assert_refused("{\"command\":\"a\",\"arguments\":[]}");
	assert_refused("{\"command\":\"a\",\"id\":1.5}");
	assert_refused("{\"command\":\"a\",\"id\":null}");
	assert_refused("{\"command\":\"a\"} {\"command\":\"b\"}");
	assert_refused("{\"command\":\"a\",\"command\":\"b\"}");
	assert_refused("{\"command\":\"\\u0000\"}");
	assert_refused("{\"command\":\"\xff\"}");
}

static void the_id_of_a_bad_request_is_known(void **state)
{
	struct control_request r;

	(void)state;
	assert_false(parse(&r, "{\"id\":\"x\",\"command\":[]}"));
	assert_string_equal(json_string_value(r.id), "x");
	control_request_free(&r);
}

static void nest(char *to, unsigned depth)
{
	strcpy(to, "{\"command\":\"a\",\"b\":");
	for (unsigned i = 1; i < depth; i++)
		strcat(to, "[");
	for (unsigned i = 1; i < depth; i++)
		strcat(to, "]");
	strcat(to, "}");
}

static void depth_is_bounded(void **state)
{
	char line[200];
	struct control_request r;

	(void)state;
	nest(line, CONTROL_DEPTH_MAX);
	assert_true(parse(&r, line));
	control_request_free(&r);
	nest(line, CONTROL_DEPTH_MAX + 1);
	assert_refused(line);
	/* Brackets in strings are text. */
	assert_true(parse(&r, "{\"command\":\"[[[[[[[[[[\\\"[[[[[[[[[[{{{{{{{{\"}"));
	control_request_free(&r);
}

static void an_id_is_bounded(void **state)
{
	char line[200] = "{\"command\":\"a\",\"id\":\"";
	size_t n = strlen(line);
	struct control_request r;

	(void)state;
	memset(line + n, 'x', CONTROL_ID_MAX);
	strcpy(line + n + CONTROL_ID_MAX, "\"}");
	assert_true(parse(&r, line));
	control_request_free(&r);
	memset(line + n, 'x', CONTROL_ID_MAX + 1);
	strcpy(line + n + CONTROL_ID_MAX + 1, "\"}");
	assert_refused(line);
}

static void answers_are_lines(void **state)
{
	json_t *id = json_integer(3);
	char *line = control_result(id, json_pack("{s:s}", "text", "a\nb"));

	(void)state;
	assert_string_equal(line, "{\"id\":3,\"result\":{\"text\":\"a\\nb\"}}\n");
	free(line);
	json_decref(id);
	line = control_error(NULL, CONTROL_BUSY, "no");
	assert_string_equal(line,
	                    "{\"id\":null,\"error\":{\"code\":\"busy\",\"message\":\"no\"}}\n");
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_has_its_parts),
	    cmocka_unit_test(anything_else_is_none),
	    cmocka_unit_test(the_id_of_a_bad_request_is_known),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(an_id_is_bounded),
	    cmocka_unit_test(answers_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
