/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of the control socket: a request as JSON (docs/control.md). Who sends it is a process of
 * the same user, which need not be well: size and depth are bounded before anything is built.
 */
#ifndef MAIN_CONTROL_MESSAGE_H
#define MAIN_CONTROL_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CONTROL_LINE_MAX  16384 /* bytes, the line feed included */
#define CONTROL_DEPTH_MAX 8
#define CONTROL_ID_MAX    64 /* bytes of an id that is a string */

/* The codes of errors: words that clients may rely on. */
#define CONTROL_BAD_REQUEST "bad-request" /* no JSON, no object, too deep, wrong types */
#define CONTROL_UNKNOWN     "unknown-command"
#define CONTROL_BAD_VALUE   "bad-argument"
#define CONTROL_TOO_LONG    "too-long"
#define CONTROL_BUSY        "busy" /* too many clients, or something is under way */
#define CONTROL_TIMEOUT     "timeout"
#define CONTROL_STATE       "wrong-state"
#define CONTROL_FAILED      "failed" /* the host refused it */

struct control_request {
	json_t *root;
	json_t *id;          /* integer or string, of root; NULL: none was given */
	const char *command; /* of root */
	json_t *arguments;   /* object, of root; NULL: none were given */
};

/**
 * control_parse - take a line apart
 * @line, @n: without the line feed; any bytes
 * @why: receives the reason of a failure, for people
 *
 * control_request_free() is due in any case. False: it is no request; request->id may be known
 * all the same.
 */
bool control_parse(struct control_request *request, const char *line, size_t n, const char **why);
void control_request_free(struct control_request *request);

/* control_string, control_bool, control_integer - an argument, or @otherwise when it is not given;
 * false: it has another type */
bool control_string(const struct control_request *r, const char *name, const char *otherwise,
                    const char **value);
bool control_bool(const struct control_request *r, const char *name, bool otherwise, bool *value);
bool control_integer(const struct control_request *r, const char *name, json_int_t otherwise,
                     json_int_t *value);

/* control_result, control_error - replies, as lines with a line feed, the caller's to free();
 * NULL: out of memory. @result is taken over; @id may be NULL. */
char *control_result(json_t *id, json_t *result);
char *control_error(json_t *id, const char *code, const char *message);

#endif
