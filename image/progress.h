/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows how far a long work is, from what its programs print: on a terminal one line that changes,
 * otherwise a line for each stage and every PROGRESS_PAUSE seconds. What the programs printed last
 * is kept, to be shown when they fail.
 */
#ifndef IMAGE_PROGRESS_H
#define IMAGE_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define PROGRESS_LAST  20 /* lines kept */
#define PROGRESS_PAUSE 15 /* seconds */

struct progress {
	bool terminal;
	struct timespec began;
	char stage[80];
	unsigned step;  /* within the stage */
	unsigned shown; /* seconds, when a line was last printed; without a terminal */
	char last[PROGRESS_LAST][200];
	unsigned lines;
	char error[200]; /* what an "error: " line said */
};

/** progress_begin - standard error is where it shows */
void progress_begin(struct progress *p);

/** progress_line - takes a line that a program printed */
void progress_line(struct progress *p, const char *line);

/** progress_read - takes all that comes from @fd, until its end, or a signal that sets *@stop */
void progress_read(struct progress *p, int fd, const volatile sig_atomic_t *stop);

/** progress_end - the line is finished; @failed: also shows what was printed last */
void progress_end(struct progress *p, bool failed);

/** progress_seconds - since progress_begin() */
unsigned progress_seconds(const struct progress *p);

#endif
