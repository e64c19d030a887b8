// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/boot_files.h"

#include "common/call_filter.h"
#include "common/landlock.h"
#include "common/whole_io.h"
#include "image/reader.h"
#include "loader/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READER_SECONDS 60 /* of CPU time; a loop of blocks must end */

/*
 * What libext2fs, libblkid and the C library do once everything is open. Each names a caller
 * (tests/README.md, "System calls").
 */
static const int allowed[] = {
    SCMP_SYS(pread64),    /* ext2fs_open2(), ext2fs_file_read() */
    SCMP_SYS(read),       /* blkid_probe_get_partitions(); ext2fs_file_read() at the end */
    SCMP_SYS(lseek),      /* the same */
    SCMP_SYS(newfstatat), /* blkid_probe_set_device(), ext2fs_open2() */
    SCMP_SYS(fstat),      /* blkid_probe_set_device() of a C library that has it so */
    SCMP_SYS(dup),        /* dup() */
    SCMP_SYS(close),      /* ext2fs_close_free() */
    SCMP_SYS(getuid),     /* ext2fs_open2(): is the environment the user's own? (safe_getenv) */
    SCMP_SYS(geteuid),    /* the same */
    SCMP_SYS(getgid),     /* the same */
    SCMP_SYS(getegid),    /* the same */
    SCMP_SYS(write),      /* write_all(), write() */
    SCMP_SYS(mmap),       /* ext2fs_open2(): malloc() of many descriptors, without PROT_EXEC */
    SCMP_SYS(munmap),     /* ext2fs_close_free() */
    SCMP_SYS(brk),        /* ext2fs_open2(), blkid_new_probe(): malloc() */
    SCMP_SYS(exit_group), /* _exit() */
};

/* Absent are: what would write the image's dirty pages to the host's disk, with the result not
 * looked at; what would turn read-ahead off for an image that is mostly read in order; and a look
 * in /sys for who uses a block device, though the image is what the user says it is. */
static const struct call_rule rules[] = {
    CALL_WITH(fcntl, 1, F_GETFD),          /* ext2fs_open2() */
    CALL_WITH(ioctl, 1, BLKGETSIZE64),     /* blkid_probe_set_device() of a block device */
    CALL_WITH(ioctl, 1, BLKSSZGET),        /* blkid_probe_get_partitions() of a block device */
    CALL_WITH(ioctl, 1, BLKDISCARDZEROES), /* ext2fs_open2() */
    CALL_WITH(prctl, 0, PR_GET_DUMPABLE),  /* ext2fs_open2(): safe_getenv, as getuid */
    ABSENT(fsync),                         /* ext2fs_open2() */
    ABSENT(fadvise64),                     /* blkid_probe_set_device() */
    ABSENT(openat),                        /* blkid_probe_set_device() of a block device */
};

static bool confine_reader(void)
{
	struct rlimit cpu = {READER_SECONDS, READER_SECONDS}, none = {0, 0};

	return !setrlimit(RLIMIT_CPU, &cpu) && !setrlimit(RLIMIT_CORE, &none) &&
	       !call_filter_install_rules(allowed, sizeof allowed / sizeof *allowed, NULL, 0, rules,
	                                  sizeof rules / sizeof *rules);
}

static _Noreturn void reader_main(int image, int kernel, int initrd, int pipe_end)
{
	struct reader_answer a = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "ring1:image");
	confine_files(-1);
	if (confine_reader()) {
		image_read(image, kernel, initrd, &a);
	} else {
		a.status = LOADER_EHOST;
		strcpy(a.text, "the host refuses the reader of images its system-call filter");
	}
	_exit(!write_all(pipe_end, &a, sizeof a));
}

static void make_printable(char *text, size_t size)
{
	text[size - 1] = 0;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static bool take_answer(int from, struct reader_answer *a)
{
	if (!read_all(from, a, sizeof *a))
		return false;
	make_printable(a->text, sizeof a->text);
	make_printable(a->kernel_path, sizeof a->kernel_path);
	make_printable(a->initrd_path, sizeof a->initrd_path);
	return true;
}

/* Runs the reader and waits for its end. */
static int run_reader(const char *name, int image, struct boot_files *f, struct loader_error *e)
{
	struct reader_answer a = {0};
	bool answered;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return loader_fail(e, LOADER_EHOST, name, "no pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		reader_main(image, f->kernel, f->initrd, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return loader_fail(e, LOADER_EHOST, name, "no process to read it: %s",
		                   strerror(errno));
	}
	answered = take_answer(ends[0], &a);
	close(ends[0]);
	if (!answered)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!answered)
		return loader_fail(e, LOADER_EINPUT, name,
		                   "its file system is damaged: it cannot be read");
	if (a.status)
		return loader_fail(e, a.status == LOADER_EHOST ? LOADER_EHOST : LOADER_EINPUT, name,
		                   "%s", a.text);
	strcpy(f->kernel_path, a.kernel_path);
	strcpy(f->initrd_path, a.initrd_path);
	f->partition = a.partition > 0 && a.partition <= 128 ? (unsigned)a.partition : 0;
	return 0;
}

int boot_files_open(const char *path, struct boot_files *f, struct loader_error *e)
{
	int image = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), status = -1;
	struct stat st;

	*f = (struct boot_files){.kernel = -1, .initrd = -1};
	if (image < 0)
		return loader_fail(e, LOADER_EINPUT, path, "cannot open: %s", strerror(errno));
	if (fstat(image, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
		close(image);
		return loader_fail(e, LOADER_EINPUT, path, "is neither a file nor a block device");
	}
	f->kernel = memfd_create("ring1-kernel", MFD_CLOEXEC);
	f->initrd = memfd_create("ring1-initrd", MFD_CLOEXEC);
	if (f->kernel < 0 || f->initrd < 0)
		loader_fail(e, LOADER_EHOST, path, "no memory file: %s", strerror(errno));
	else
		status = run_reader(path, image, f, e);
	close(image);
	if (!status && !*f->initrd_path) {
		close(f->initrd);
		f->initrd = -1;
	}
	if (status)
		boot_files_close(f);
	return status;
}

void boot_files_close(struct boot_files *f)
{
	if (f->kernel >= 0)
		close(f->kernel);
	if (f->initrd >= 0)
		close(f->initrd);
	f->kernel = f->initrd = -1;
}
