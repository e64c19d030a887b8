// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 snapshot. */
#include "main/snapshot_command.h"

#include "main/command.h"
#include "main/machine_link.h"
#include "main/manage.h"
#include "main/report.h"
#include "main/restore.h"
#include "main/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITE_TIMEOUT_S 3600

/* ---- a file that is there whole or not at all ---- */

struct target {
	const char *path;
	char name[256]; /* in the directory */
	char aside[300];
	int directory, fd;
	bool named; /* the file has the name `aside` by now */
};

static int no_file(const struct target *t, const char *what)
{
	complain("%s: %s: %s", t->path, what, strerror(errno));
	return EXIT_USAGE;
}

/* Without a name, so that nothing is left of one that is not finished. */
static int target_open(struct target *t, const char *path)
{
	char copy[4096], *name;
	uint64_t random = 0;
	struct stat st;

	*t = (struct target){.path = path, .directory = -1, .fd = -1};
	if (strlen(path) >= sizeof copy) {
		errno = ENAMETOOLONG;
		return no_file(t, "cannot make it");
	}
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		complain("%s: is there, and no regular file", path);
		return EXIT_USAGE;
	}
	strcpy(copy, path);
	name = basename(copy);
	if (getrandom(&random, sizeof random, 0) < 0 ||
	    (size_t)snprintf(t->name, sizeof t->name, "%s", name) >= sizeof t->name) {
		errno = errno ? errno : ENAMETOOLONG;
		return no_file(t, "cannot make it");
	}
	snprintf(t->aside, sizeof t->aside, ".%.200s.%016" PRIx64, t->name, random);
	strcpy(copy, path);
	t->directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->directory < 0)
		return no_file(t, "cannot open its directory");
	t->fd = openat(t->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (t->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		t->fd = openat(t->directory, t->aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		t->named = t->fd >= 0;
	}
	return t->fd < 0 ? no_file(t, "cannot make a file beside it") : 0;
}

/* In the place of whatever had the name. 0 or an errno; nothing is left of a file that got none. */
static int give_name(const struct target *t)
{
	char self[40];
	int error = 0;

	snprintf(self, sizeof self, "/proc/self/fd/%d", t->fd);
	if (!t->named && linkat(AT_FDCWD, self, t->directory, t->aside, AT_SYMLINK_FOLLOW))
		return errno;
	if (renameat(t->directory, t->aside, t->directory, t->name)) {
		error = errno;
		unlinkat(t->directory, t->aside, 0);
	}
	return error;
}

/*
 * No call of the kernel's gives a file without a name that of another; for a moment it has one beside
 * it. In a process of its own: who ends this one leaves nothing there.
 */
static int give_name_undisturbed(struct target *t)
{
	int status, error;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0) {
		error = give_name(t);
	} else {
		if (!child) {
			setsid(); /* nor what is typed at a terminal */
			_exit(give_name(t));
		}
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		error = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	}
	t->named = t->named && error;
	return error;
}

/* On the disk, and then by its name. */
static int target_finish(struct target *t)
{
	if (fsync(t->fd))
		return no_file(t, "cannot write it");
	errno = give_name_undisturbed(t);
	if (errno)
		return no_file(t, "cannot give it its name");
	return fsync(t->directory) ? no_file(t, "cannot write its directory") : 0;
}

static void target_close(struct target *t)
{
	if (t->named)
		unlinkat(t->directory, t->aside, 0);
	if (t->fd >= 0)
		close(t->fd);
	if (t->directory >= 0)
		close(t->directory);
}

/* ---- snapshot ---- */

static int call(struct machine_link *l, const char *command, json_t *arguments)
{
	json_t *result;
	int status = link_call(l, command, arguments, &result);

	json_decref(result);
	return status;
}

/* With --stop the machine stands still until its file is safe, and only then it ends. */
static int take(struct machine_link *l, struct target *t, bool stop, bool pause)
{
	int status;

	l->pass = t->fd;
	l->patience_s = WRITE_TIMEOUT_S;
	status =
	    call(l, "snapshot", json_pack("{s:s}", "then", stop || pause ? "pause" : "resume"));
	l->patience_s = 0;
	if (status)
		return status;
	status = target_finish(t);
	if (status && stop) {
		call(l, "resume", NULL);
		return status;
	}
	return status || !stop ? status : manage_power_off(l);
}

static int snapshot_to(const char *name, const char *path, bool stop, bool pause)
{
	struct machine_link l;
	struct target t = {.directory = -1, .fd = -1};
	int status = link_open(&l, name);

	if (!status && !(status = target_open(&t, path)))
		status = take(&l, &t, stop, pause);
	target_close(&t);
	link_close(&l);
	return status;
}

int snapshot_unnamed(const char *name, int *fd)
{
	const char *directory = getenv("TMPDIR");
	struct machine_link l;
	char path[4200];
	int status = link_open(&l, name);

	*fd = -1;
	snprintf(path, sizeof path, "%s/ring1-snapshot.XXXXXX",
	         directory && *directory ? directory : "/var/tmp");
	if (!status && (*fd = mkostemp(path, O_CLOEXEC)) < 0) {
		complain("%s: cannot make a file there: %s", path, strerror(errno));
		status = EXIT_HOST;
	}
	if (*fd >= 0)
		unlink(path);
	if (!status) {
		l.pass = *fd;
		l.patience_s = WRITE_TIMEOUT_S;
		status = call(&l, "snapshot", NULL);
	}
	link_close(&l);
	if (status && *fd >= 0)
		close(*fd);
	return status;
}

static int show_file(const char *path)
{
	static struct restore r;
	int status = restore_open(&r, path, true);

	if (!status)
		status = restore_verify(&r);
	if (!status)
		status = restore_show(&r);
	restore_close(&r);
	return status;
}

int command_snapshot(int argc, char **argv)
{
	static const struct option options[] = {{"stop", no_argument, NULL, 's'},
	                                        {"pause", no_argument, NULL, 'p'},
	                                        {"show", no_argument, NULL, 'w'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	bool stop = false, pause = false, show = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			stop = true;
			break;
		case 'p':
			pause = true;
			break;
		case 'w':
			show = true;
			break;
		case 'h':
			printf(
			    "usage: ring1 snapshot [--stop | --pause] [NAME] FILE\n"
			    "       ring1 snapshot --show FILE\n\n"
			    "Write all there is of a machine to FILE: 'ring1 run --restore FILE' "
			    "goes "
			    "on\n"
			    "from there. It stands still meanwhile, and then goes on. FILE is "
			    "replaced\n"
			    "when the new one is whole and on the disk. Without a name: the only "
			    "machine.\n"
			    "Disks are not copied, but for what was written to one with 'cow'.\n\n"
			    "      --stop   cut the machine's power when the file is safe\n"
			    "      --pause  leave it paused, to copy its disks\n"
			    "      --show   say what FILE has, and whether all of it is sound\n");
			return EXIT_OK;
		default:
			return usage_error("snapshot", NULL);
		}
	}
	if (show && argc - optind == 1 && !stop && !pause)
		return show_file(argv[optind]);
	if (show || argc - optind < 1 || argc - optind > 2 || (stop && pause)) {
		complain(stop && pause ? "snapshot: --stop and --pause exclude one another"
		                       : "snapshot: say which machine, and to which file");
		return EXIT_USAGE;
	}
	return snapshot_to(argc - optind == 2 ? argv[optind] : NULL, argv[argc - 1], stop, pause);
}
