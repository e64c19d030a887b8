// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a file of `ring1 run --trace ...:FILE.json` as JSON, and checks each event for what
 * Chrome's trace viewer needs of it. Prints "CATEGORY COUNT FIRST LAST" for each category, times in
 * us.
 *
 * usage: trace_json FILE
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define CATEGORIES 16

static struct {
	const char *name;
	unsigned long count;
	double first, last;
} seen[CATEGORIES];

static int note(const char *name, double at)
{
	for (int i = 0; i < CATEGORIES; i++) {
		if (seen[i].name && strcmp(seen[i].name, name))
			continue;
		if (!seen[i].name)
			seen[i].first = at;
		seen[i].name = name;
		seen[i].last = at;
		seen[i].count++;
		return 0;
	}
	return -1;
}

static int check(const json_t *e)
{
	const char *ph = json_string_value(json_object_get(e, "ph"));
	const char *category = json_string_value(json_object_get(e, "cat"));
	const json_t *at = json_object_get(e, "ts"), *args = json_object_get(e, "args");

	if (!ph || !json_string_value(json_object_get(e, "name")) || !json_is_object(args))
		return -1;
	if (!strcmp(ph, "M"))
		return 0;
	if (!category || !json_is_number(at) || !json_is_integer(json_object_get(args, "eip")))
		return -1;
	if (!strcmp(ph, "X") != json_is_number(json_object_get(e, "dur")))
		return -1;
	return note(category, json_number_value(at));
}

int main(int argc, char **argv)
{
	json_error_t error;
	json_t *root = argc == 2 ? json_load_file(argv[1], 0, &error) : NULL, *e;
	size_t i;

	if (!json_is_array(root)) {
		fprintf(stderr, "%s: %s\n", argc == 2 ? argv[1] : "usage: trace_json FILE",
		        argc == 2 ? error.text : "");
		return 1;
	}
	json_array_foreach(root, i, e)
	{
		if (check(e)) {
			fprintf(stderr, "event %zu: %s\n", i, json_dumps(e, JSON_COMPACT));
			return 1;
		}
	}
	for (i = 0; i < CATEGORIES && seen[i].name; i++)
		printf("%s %lu %.0f %.0f\n", seen[i].name, seen[i].count, seen[i].first,
		       seen[i].last);
	return 0;
}
