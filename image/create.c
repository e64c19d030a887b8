// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/create.h"

#include "common/whole_io.h"
#include "image/initramfs.h"
#include "image/progress.h"
#include "main/report.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char create_script[], create_script_end[];             /* create.sh */
extern const char second_stage_script[], second_stage_script_end[]; /* second_stage.sh */

/* What a Debian needs to boot here and to be used over its console and network. */
#define BASE_PACKAGES                                                                              \
	"systemd-sysv udev kmod dbus iproute2 iputils-ping e2fsprogs less nano "                   \
	"initramfs-tools ca-certificates login passwd apt-utils"

#define STAGE_MEMORY "768M"

/* Of the file system and the disk it is on; what they need is among them. */
static const char *const stage_modules[] = {"virtio",
                                            "virtio_ring",
                                            "virtio_pci_legacy_dev",
                                            "virtio_pci_modern_dev",
                                            "virtio_pci",
                                            "virtio_blk",
                                            "crc16",
                                            "crc32c_generic",
                                            "libcrc32c",
                                            "crc32c-intel",
                                            "mbcache",
                                            "jbd2",
                                            "ext4",
                                            NULL};

struct work {
	const struct image_request *request;
	struct progress progress;
	char directory[3900], part[3900]; /* beside the image */
};

static volatile sig_atomic_t interrupted;

static void note_signal(int signal)
{
	interrupted = signal;
}

/* @name is one of ours, and short. */
static void path_in(const struct work *w, const char *name, char path[4096])
{
	snprintf(path, 4096, "%s/%.100s", w->directory, name);
}

static bool write_file(const struct work *w, const char *name, const char *bytes, size_t size,
                       mode_t mode)
{
	char path[4096];
	bool ok;
	int fd;

	path_in(w, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	ok = fd >= 0 && write_all(fd, bytes, size);
	if (fd >= 0)
		ok = !close(fd) && ok;
	if (!ok)
		complain("%s/%s: cannot be written: %s", w->directory, name, strerror(errno));
	return ok;
}

static bool make_directory(const struct work *w, const char *name)
{
	char path[4096];

	path_in(w, name, path);
	if (!mkdir(path, 0755))
		return true;
	complain("%s/%s: cannot be made: %s", w->directory, name, strerror(errno));
	return false;
}

static int not_started(const char *program, int error)
{
	complain("cannot start %s: %s", program, strerror(error));
	return 127;
}

/*
 * Runs a program with its output shown as progress. Returns its exit status, 128 and more for a
 * signal; 127, said, when it was not started.
 */
static int run(struct work *w, char *const argv[])
{
	int ends[2], status, error;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return not_started(argv[0], errno);
	pid = fork();
	if (pid == 0) {
		int nothing = open("/dev/null", O_RDONLY);

		if (nothing >= 0)
			dup2(nothing, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv(argv[0], argv);
		_exit(not_started(argv[0], errno));
	}
	error = errno;
	close(ends[1]);
	if (pid > 0)
		progress_read(&w->progress, ends[0], &interrupted);
	close(ends[0]);
	if (pid < 0)
		return not_started(argv[0], error);
	if (interrupted)
		kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the host's part ---- */

static void put_environment(const struct work *w)
{
	const struct image_request *r = w->request;
	char packages[8192], size[32], files[4096];

	snprintf(packages, sizeof packages, "%s %s %s", BASE_PACKAGES, r->kernel, r->packages);
	for (char *p = packages; *p; p++)
		if (*p == ',')
			*p = ' ';
	while (*packages && packages[strlen(packages) - 1] == ' ')
		packages[strlen(packages) - 1] = 0;
	snprintf(size, sizeof size, "%llu", (unsigned long long)r->size);
	path_in(w, "files", files);
	setenv("SUITE", r->suite, 1);
	setenv("PACKAGES", packages, 1);
	setenv("MIRROR", r->mirror ? r->mirror : "", 1);
	setenv("SIZE", size, 1);
	setenv("WORK", w->directory, 1);
	setenv("PART", w->part, 1);
	setenv("FILES", files, 1);
}

static bool unpack_packages(struct work *w)
{
	char script[4096];
	char *argv[] = {"/bin/sh", script, NULL};

	if (!make_directory(w, "files") || !make_directory(w, "files/ring1") ||
	    !write_file(w, "files/ring1/second_stage.sh", second_stage_script,
	                (size_t)(second_stage_script_end - second_stage_script), 0755) ||
	    !write_file(w, "files/ring1/agent", agent_program,
	                (size_t)(agent_program_end - agent_program), 0755) ||
	    !write_file(w, "create.sh", create_script, (size_t)(create_script_end - create_script),
	                0755))
		return false;
	path_in(w, "create.sh", script);
	put_environment(w);
	return !run(w, argv);
}

/* ---- the guest's part ---- */

static bool write_initramfs(struct work *w, char path[4096])
{
	const struct image_request *r = w->request;
	char orders[2048], kernel[4096], source[512] = "";
	struct initramfs i = {.modules_below = kernel, .modules = stage_modules, .orders = orders};
	FILE *file;
	int error;

	snprintf(orders, sizeof orders,
	         "mount proc proc /proc -\n"
	         "mount sysfs sysfs /sys -\n"
	         "modules /modules\n"
	         "mount devtmpfs devtmpfs /dev -\n"
	         "mount ext4 /dev/vda /root discard\n"
	         "root /root\n"
	         "mount proc proc /proc -\n"
	         "mount sysfs sysfs /sys -\n"
	         "mount devtmpfs devtmpfs /dev -\n"
	         "mount tmpfs tmpfs /tmp -\n"
	         "mount tmpfs tmpfs /run -\n"
	         "environment SUITE=%s\n"
	         "environment HOST_NAME=%s\n"
	         "run /bin/sh /ring1/second_stage.sh\n"
	         "mount ext4 /dev/vda / ro,remount\n"
	         "power-off\n",
	         r->suite, r->host_name);
	path_in(w, "kernel", kernel);
	path_in(w, "initramfs", path);
	file = fopen(path, "wxe");
	error = file ? initramfs_write(&i, file, source) : errno;
	if (file && fclose(file) && !error)
		error = errno;
	if (error)
		complain("%s: %s", *source ? source : path, strerror(error));
	return !error;
}

static bool find_kernel(const struct work *w, char path[4096])
{
	char pattern[4096];
	glob_t found = {0};
	bool ok;

	path_in(w, "kernel/boot/vmlinuz-*", pattern);
	ok =
	    !glob(pattern, 0, NULL, &found) && snprintf(path, 4096, "%s", found.gl_pathv[0]) < 4096;

	globfree(&found);
	if (!ok)
		complain("%s: no kernel in its package", w->directory);
	return ok;
}

static bool configure_packages(struct work *w)
{
	char kernel[4096], initramfs[4096];
	char *argv[] = {
	    "/proc/self/exe", "run", "-k",         kernel,      "-i",    initramfs, "--disk",
	    w->part,          "-m",  STAGE_MEMORY, "--console", "stdio", "-a",      "quiet",
	    "--control=off",  NULL};

	progress_line(&w->progress, "stage: starting a machine with it");
	return find_kernel(w, kernel) && write_initramfs(w, initramfs) && !run(w, argv) &&
	       !strcmp(w->progress.stage, "done");
}

/* ---- all of it ---- */

static void remove_work(struct work *w)
{
	pid_t pid;

	unlink(w->part);
	pid = fork();
	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", w->directory, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool keep_image(const struct work *w)
{
	int fd = open(w->part, O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0 && !fsync(fd) && !rename(w->part, w->request->path);

	if (fd >= 0)
		close(fd);
	if (!ok)
		complain("%s: cannot be put in its place: %s", w->request->path, strerror(errno));
	return ok;
}

static bool prepare(struct work *w)
{
	const char *path = w->request->path;
	struct stat st;

	if (!w->request->replace && !lstat(path, &st)) {
		complain("%s: is there already; --force replaces it", path);
		return false;
	}
	if (strchr(path, ',')) {
		complain("%s: the comma in its name would end it in --disk; choose another name",
		         path);
		return false;
	}
	if (snprintf(w->part, sizeof w->part, "%s.part", path) >= (int)sizeof w->part ||
	    snprintf(w->directory, sizeof w->directory, "%s.XXXXXX", path) >=
	        (int)sizeof w->directory ||
	    !mkdtemp(w->directory)) {
		complain("%s: no directory can be made beside it: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int image_create(const struct image_request *r)
{
	struct work w = {.request = r};
	bool ok;

	if (!prepare(&w))
		return EXIT_USAGE;
	catch_signals();
	progress_begin(&w.progress);
	ok = unpack_packages(&w) && configure_packages(&w);
	progress_end(&w.progress, !ok && !interrupted);
	if (interrupted)
		complain("%s: not made: interrupted", r->path);
	else if (!ok)
		complain("%s: not made: %s", r->path,
		         *w.progress.error ? w.progress.error : "what went wrong is above");
	else
		ok = keep_image(&w);
	remove_work(&w);
	if (ok && !interrupted)
		fprintf(stderr,
		        "%s is ready after %u s. Its user root has no password. Boot it with\n"
		        "  ring1 run --image %s\n",
		        r->path, progress_seconds(&w.progress), r->path);
	return ok && !interrupted ? EXIT_OK : EXIT_HOST;
}
