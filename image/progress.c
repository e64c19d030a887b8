// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Lines of debootstrap, each for one package, worth showing. */
static const char *const steps[] = {"I: Retrieving ", "I: Validating ", "I: Extracting ",
                                    "I: Unpacking ", "I: Configuring "};

void progress_begin(struct progress *p)
{
	*p = (struct progress){.terminal = isatty(STDERR_FILENO)};
	clock_gettime(CLOCK_MONOTONIC, &p->began);
}

unsigned progress_seconds(const struct progress *p)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)(now.tv_sec - p->began.tv_sec);
}

static void show(struct progress *p, const char *what)
{
	unsigned now = progress_seconds(p);

	if (!p->terminal && now - p->shown < PROGRESS_PAUSE)
		return;
	p->shown = now;
	fprintf(stderr, "%s[%3u s] %s%s%.50s%s", p->terminal ? "\r\033[K" : "", now, p->stage,
	        *what ? ": " : "", what, p->terminal ? "" : "\n");
}

static void begin_stage(struct progress *p, const char *stage)
{
	if (p->terminal && *p->stage)
		fprintf(stderr, "\r\033[K[%3u s] %s: done\n", progress_seconds(p), p->stage);
	snprintf(p->stage, sizeof p->stage, "%s", stage);
	p->step = 0;
	if (p->terminal)
		show(p, "");
	else
		fprintf(stderr, "[%3u s] %s\n", p->shown = progress_seconds(p), p->stage);
}

static void keep(struct progress *p, const char *line)
{
	char *to = p->last[p->lines++ % PROGRESS_LAST];

	snprintf(to, sizeof p->last[0], "%s", line);
	for (; *to; to++)
		if (*to < ' ' || *to > '~')
			*to = ' ';
}

void progress_line(struct progress *p, const char *line)
{
	char step[100];

	keep(p, line);
	line = p->last[(p->lines - 1) % PROGRESS_LAST];
	if (!strncmp(line, "stage: ", 7)) {
		begin_stage(p, line + 7);
	} else if (!strncmp(line, "error: ", 7)) {
		snprintf(p->error, sizeof p->error, "%s", line + 7);
	} else {
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
			if (strncmp(line, steps[i], strlen(steps[i])))
				continue;
			snprintf(step, sizeof step, "%u %.80s", ++p->step, line + 3);
			show(p, step);
		}
	}
}

void progress_read(struct progress *p, int fd, const volatile sig_atomic_t *stop)
{
	char text[4096], line[512];
	size_t used = 0;
	ssize_t n;

	while (!*stop && (n = read(fd, text, sizeof text)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] != '\n' && used < sizeof line - 1) {
				if (text[i] != '\r')
					line[used++] = text[i];
				continue;
			}
			line[used] = 0;
			used = 0;
			if (*line)
				progress_line(p, line);
		}
	}
}

void progress_end(struct progress *p, bool failed)
{
	if (p->terminal && *p->stage)
		fprintf(stderr, "\r\033[K[%3u s] %s%s\n", progress_seconds(p), p->stage,
		        failed ? "" : ": done");
	if (!failed)
		return;
	for (unsigned i = p->lines > PROGRESS_LAST ? p->lines - PROGRESS_LAST : 0; i < p->lines;
	     i++)
		fprintf(stderr, "  %s\n", p->last[i % PROGRESS_LAST]);
}
