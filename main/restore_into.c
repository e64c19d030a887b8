// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine that runs has given up all that it would take to start processes and open files, and
 * what its devices' processes know cannot be turned back. So it ends, and another takes its place,
 * which is told the same. Until that one runs, where the first one was is kept in a file.
 */
#include "main/restore_into.h"

#include "main/machine_link.h"
#include "main/manage.h"
#include "main/option_text.h"
#include "main/report.h"
#include "main/restore.h"
#include "main/run_options.h"
#include "main/run_restored.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITE_TIMEOUT_S 3600
#define WHAT_MAX        (2 * PATH_MAX + 64)

/* The file it is to be put back to. */
struct target {
	struct restore r;
	char path[PATH_MAX];
	char what[WHAT_MAX]; /* as --restore has it */
	bool changed;        /* disks=changed */
};

struct before {
	char name[MACHINE_NAME_MAX + 1];
	char directory[PATH_MAX];
	char *options[AGAIN_MAX + 2];
	int n;
	bool paused;
	char path[PATH_MAX]; /* of the file with what it was */
	int fd;
};

/* ---- what it is to be ---- */

/* All that can be said against it without the machine. */
static int look_at_file(struct target *t, const char *what)
{
	char path[PATH_MAX];
	bool unverified;
	int status = run_options_restore(what, path, sizeof path, &t->changed, &unverified);

	if (status)
		return status;
	if (!realpath(path, t->path)) {
		complain("%s: %s", path, strerror(errno));
		return EXIT_USAGE;
	}
	quote_path(t->what, 2 * PATH_MAX, t->path);
	/* It is compared here: that is the part that takes time. */
	snprintf(t->what + strlen(t->what), 64, ",verify=off%s",
	         t->changed ? ",disks=changed" : "");
	status = restore_open(&t->r, t->path, !unverified);
	return status ? status : restore_verify(&t->r);
}

/* ---- what it is ---- */

/* A descriptor that somebody gave to the process that ends is nobody's then. */
static bool is_borrowed(const char *option)
{
	return !strncmp(option, "--net=tap,", 10) && strstr(option, ",fd=");
}

static int take_options(struct before *b, const json_t *info)
{
	const json_t *options = json_object_get(info, "options"), *word;
	const char *directory = json_string_value(json_object_get(info, "directory"));
	const char *state = json_string_value(json_object_get(info, "state"));
	size_t i;

	if (!directory || strlen(directory) >= sizeof b->directory ||
	    json_array_size(options) > AGAIN_MAX) {
		complain("%s cannot say how it was started", b->name);
		return EXIT_USAGE;
	}
	strcpy(b->directory, directory);
	b->paused = state && !strcmp(state, "paused");
	json_array_foreach(options, i, word)
	{
		const char *text = json_string_value(word);

		if (!text || is_borrowed(text)) {
			complain("%s has a tap device by a descriptor, which it could not take "
			         "along",
			         b->name);
			return EXIT_USAGE;
		}
		b->options[b->n] = strdup(text);
		if (!b->options[b->n++])
			return EXIT_HOST;
	}
	return 0;
}

/* ---- what it was ---- */

/* Paused from then on, so that its disks stay as this file needs them. */
static int keep(struct before *b, struct machine_link *l)
{
	const char *directory = getenv("TMPDIR");
	json_t *result;
	int status;

	snprintf(b->path, sizeof b->path, "%s/ring1-before-restore.XXXXXX",
	         directory && *directory ? directory : "/var/tmp");
	b->fd = mkostemp(b->path, O_CLOEXEC);
	if (b->fd < 0) {
		complain("%s: cannot make a file there: %s", b->path, strerror(errno));
		return EXIT_HOST;
	}
	l->pass = b->fd;
	l->patience_s = WRITE_TIMEOUT_S;
	status = link_call(l, "snapshot", json_pack("{s:s}", "then", "pause"), &result);
	l->patience_s = 0;
	if (!status)
		json_decref(result);
	return status;
}

/* The running one, which stands still: is it that which the file is of? */
static int compare(const struct before *b, const struct target *t)
{
	static struct restore now;
	int status = restore_open(&now, b->path, false);

	if (!status)
		status = restore_fits(&t->r, &now, t->changed);
	restore_close(&now);
	return status;
}

/* ---- the other ---- */

/* In a process of its own, and without a word when it goes well. */
static int start(const struct before *b, char *what, bool paused)
{
	char *options[AGAIN_MAX + 2];
	int status, nothing, n = b->n;
	pid_t child;

	memcpy(options, b->options, sizeof options);
	if (paused)
		options[n++] = (char *)"--paused";
	fflush(NULL);
	child = fork();
	if (!child) {
		nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (nothing < 0 || dup2(nothing, STDOUT_FILENO) < 0 || chdir(b->directory)) {
			complain("%s: %s", b->directory, strerror(errno));
			exit(EXIT_HOST);
		}
		exit(run_restored(what, b->name, n, options));
	}
	if (child < 0) {
		complain("cannot start a process: %s", strerror(errno));
		return EXIT_HOST;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
}

static int go_back(const struct before *b)
{
	char file[2 * PATH_MAX], what[WHAT_MAX];

	quote_path(file, sizeof file, b->path);
	snprintf(what, sizeof what, "%s,verify=off", file);
	return start(b, what, b->paused);
}

static int replace(struct before *b, struct machine_link *l, struct target *t)
{
	int status = keep(b, l);
	json_t *result;

	if (!status)
		status = compare(b, t);
	if (!status && (status = manage_power_off(l)) == 0) {
		status = start(b, t->what, false);
		if (status && go_back(b)) {
			complain("%s could not go on; what it was is in %s", b->name, b->path);
			return status;
		}
		if (status)
			complain("%s was not put back, and goes on from where it was", b->name);
	} else if (!b->paused && !link_call(l, "resume", NULL, &result)) {
		json_decref(result);
	}
	if (b->fd >= 0) {
		unlink(b->path);
		close(b->fd);
	}
	return status;
}

int restore_into(const char *name, const char *what)
{
	static struct before b = {.fd = -1};
	static struct target t = {.r.file.fd = -1};
	struct machine_link l;
	json_t *info = NULL;
	int status = link_open(&l, name);

	if (!status)
		status = look_at_file(&t, what);
	if (!status)
		status = link_call(&l, "info", NULL, &info);
	if (!status) {
		strcpy(b.name, l.name);
		status = take_options(&b, info);
		json_decref(info);
	}
	if (!status)
		status = replace(&b, &l, &t);
	restore_close(&t.r);
	link_close(&l);
	return status;
}
