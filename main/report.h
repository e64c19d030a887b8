/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exit statuses, and one way to say what went wrong. */
#ifndef MAIN_REPORT_H
#define MAIN_REPORT_H

enum exit_status {
	EXIT_OK = 0,
	EXIT_GUEST = 1,    /* panic or triple fault */
	EXIT_USAGE = 2,    /* usage, or input that cannot be used */
	EXIT_HOST = 3,     /* the host lacks something */
	EXIT_INTERNAL = 4, /* a defect of ring1 */
	/* Of commands that speak to a running machine. */
	EXIT_NO_MACHINE = 5, /* there is none of that name */
	EXIT_AMBIGUOUS = 6,  /* no name was given, and several run */
	EXIT_SILENT = 7,     /* it does not answer in time */
	EXIT_DENIED = 8,     /* it is not this user's */
	EXIT_REFUSED = 9,    /* it answered that it will not */
};

/** complain - "ring1: ..." on standard error, ended by complain_line_end() */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** complain_as - from now on "ring1 NAME: ..."; @name is printable */
void complain_as(const char *name);

/** complain_prefix - what such a message begins with, the blank included */
const char *complain_prefix(void);

/** complain_line_end - what such a message ends with: on a terminal, which may be raw, CR LF */
const char *complain_line_end(void);

/** complain_look - standard error leads elsewhere from now on: look whether to a terminal */
void complain_look(void);

/**
 * usage_error - say that a command line is wrong, and where to read what would be right
 * @what: the mistake; NULL when getopt_long() has named it
 *
 * Returns EXIT_USAGE.
 */
int usage_error(const char *command, const char *what);

/**
 * output_finish - what was printed is where it was to go, or the status says that it is not
 *
 * Returns @status, or EXIT_USAGE with the reason printed where that was 0.
 */
int output_finish(int status);

#endif
