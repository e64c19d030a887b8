// SPDX-License-Identifier: GPL-2.0-or-later
#include "guests/agent/agent.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 1024

struct order {
	char *word[WORDS_MAX + 1]; /* NULL behind the last */
	int n;
	bool cut; /* there were more */
};

static int failed(const struct order *o)
{
	say("%s %s: %s", o->word[0], o->n > 1 ? o->word[1] : "", strerror(errno));
	return -1;
}

static int order_modules(struct order *o)
{
	return load_modules(o->word[1]);
}

static int order_mkdir(struct order *o)
{
	return mkdir(o->word[1], 0755) && errno != EEXIST ? failed(o) : 0;
}

/* Takes the flags that mount(2) wants as such out of the options. */
static unsigned long take_flags(char *options)
{
	unsigned long flags = 0;
	char rest[4096] = "", *save, *word;

	for (word = strtok_r(options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (!strcmp(word, "ro")) {
			flags |= MS_RDONLY;
		} else if (!strcmp(word, "bind")) {
			flags |= MS_BIND;
		} else if (!strcmp(word, "remount")) {
			flags |= MS_REMOUNT;
		} else if (!strcmp(word, "nosuid")) {
			flags |= MS_NOSUID;
		} else if (!strcmp(word, "nodev")) {
			flags |= MS_NODEV;
		} else if (strcmp(word, "-") != 0) {
			size_t n = strlen(rest);

			snprintf(rest + n, sizeof rest - n, "%s%s", n ? "," : "", word);
		}
	}
	strcpy(options, rest);
	return flags;
}

static int order_mount(struct order *o)
{
	char options[4096];
	unsigned long flags;

	if ((size_t)snprintf(options, sizeof options, "%s", o->word[4]) >= sizeof options) {
		errno = ENAMETOOLONG;
		return failed(o);
	}
	flags = take_flags(options);
	if (mount(o->word[2], o->word[3], o->word[1], flags, options)) {
		say("mount %s at %s: %s", o->word[2], o->word[3], strerror(errno));
		return -1;
	}
	return 0;
}

/* As switch_root(8): the first file system cannot be unmounted, so the new one is put over it. */
static int order_root(struct order *o)
{
	if (chdir(o->word[1]) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		return failed(o);
	return 0;
}

static int order_directory(struct order *o)
{
	return chdir(o->word[1]) ? failed(o) : 0;
}

static int order_environment(struct order *o)
{
	char *variable = strdup(o->word[1]);

	return !variable || putenv(variable) ? failed(o) : 0;
}

static int order_run(struct order *o)
{
	pid_t pid = fork(), ended;
	int status;

	if (pid == 0) {
		execvp(o->word[1], o->word + 1);
		failed(o);
		_exit(127);
	}
	if (pid < 0)
		return failed(o);
	/* This may be the init of its guest: children of others are its, too. */
	do {
		ended = wait(&status);
	} while (ended != pid && (ended > 0 || errno == EINTR));
	if (ended != pid)
		return failed(o);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	say("%s: %s %d", o->word[1], WIFEXITED(status) ? "exit status" : "ended by signal",
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return -1;
}

static int order_become(struct order *o)
{
	execvp(o->word[1], o->word + 1);
	return failed(o);
}

static int order_power_off(struct order *o)
{
	sync();
	return reboot(RB_POWER_OFF) ? failed(o) : 0;
}

static int order_write(struct order *o)
{
	FILE *file = fopen(o->word[1], "we");

	if (!file || fputs(o->word[2], file) < 0) {
		if (file)
			fclose(file);
		return failed(o);
	}
	return fclose(file) ? failed(o) : 0;
}

static int order_network(struct order *o)
{
	return network_up(o->word[1], o->word[2], o->word[3], o->word[4]) ? failed(o) : 0;
}

static int order_serve(struct order *o)
{
	(void)o;
	return serve();
}

static const struct {
	const char *name;
	int words; /* at least, the name included */
	int (*follow)(struct order *o);
} orders[] = {
    {"modules", 2, order_modules},
    {"mkdir", 2, order_mkdir},
    {"mount", 5, order_mount},
    {"root", 2, order_root},
    {"directory", 2, order_directory},
    {"environment", 2, order_environment},
    {"run", 2, order_run},
    {"become", 2, order_become},
    {"power-off", 1, order_power_off},
    {"serve", 1, order_serve},
    {"write", 3, order_write},
    {"network", 5, order_network},
};

static void unescape(char *word)
{
	char *to = word;
	unsigned byte;

	for (; *word; word++) {
		if (*word == '%' && isxdigit((unsigned char)word[1]) &&
		    isxdigit((unsigned char)word[2]) && sscanf(word + 1, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			word += 2;
		} else {
			*to++ = *word;
		}
	}
	*to = 0;
}

static struct order split(char *line)
{
	struct order o = {.n = 0};
	char *word;

	line[strcspn(line, "\n")] = 0;
	while (o.n < WORDS_MAX && (word = strsep(&line, " "))) {
		unescape(word);
		o.word[o.n++] = word;
	}
	o.cut = line;
	return o;
}

static int follow(char *line)
{
	struct order o = split(line);

	if (o.cut) {
		say("%s: more than %d words", o.word[0], WORDS_MAX);
		return -1;
	}
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
		if (!strcmp(o.word[0], orders[i].name) && o.n >= orders[i].words)
			return orders[i].follow(&o);
	say("%s: no such order, or words missing", o.word[0]);
	return -1;
}

int follow_orders(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!file) {
		say("%s: %s", path, strerror(errno));
		return -1;
	}
	while (getline(&line, &room, file) > 0)
		if (*line != '\n' && follow(line))
			return -1;
	say("%s: nothing left to do", path);
	return -1;
}
