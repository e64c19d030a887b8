// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * files DIRECTORY: what programs expect of a file system and a shell cannot try, in an empty
 * directory. A line for each: "files: ok NAME" or "files: bad NAME: what was wrong".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGE 4096

static void say(const char *name, bool good)
{
	if (good)
		printf("files: ok %s\n", name);
	else
		printf("files: bad %s: %s\n", name, errno ? strerror(errno) : "another result");
	errno = 0;
}

static void mapped(void)
{
	int fd = open("mapped", O_RDWR | O_CREAT | O_EXCL, 0644);
	char *at, text[8] = "";

	if (ftruncate(fd, 3 * PAGE)) {
		say("mapped file", false);
		return;
	}
	at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		say("mapped file", false);
		return;
	}
	memcpy(at + PAGE - 3, "across", 6);
	memcpy(at + 2 * PAGE, "third", 5);
	say("mapped file is synced", !msync(at, 3 * PAGE, MS_SYNC));
	munmap(at, 3 * PAGE);
	close(fd);
	fd = open("mapped", O_RDONLY);
	say("mapped file reads as written",
	    pread(fd, text, 6, PAGE - 3) == 6 && !memcmp(text, "across", 6));
	close(fd);
}

static void unlinked(void)
{
	int fd = open("unlinked", O_RDWR | O_CREAT, 0600);
	struct stat st;
	char text[8] = "";

	say("open file without a name",
	    !unlink("unlinked") && write(fd, "still", 5) == 5 && pread(fd, text, 5, 0) == 5 &&
	        !memcmp(text, "still", 5) && !fstat(fd, &st) && st.st_size == 5);
	close(fd);
	say("... it is gone", open("unlinked", O_RDONLY) < 0 && errno == ENOENT);
}

static void appended(void)
{
	int fd = open("appended", O_WRONLY | O_CREAT | O_APPEND, 0644);
	struct stat st;

	say("append", write(fd, "one", 3) == 3 && write(fd, "two", 3) == 3 && !fstat(fd, &st) &&
	                  st.st_size == 6);
	close(fd);
	say("O_EXCL", open("appended", O_WRONLY | O_CREAT | O_EXCL, 0644) < 0 && errno == EEXIST);
	say("O_TRUNC",
	    (fd = open("appended", O_WRONLY | O_TRUNC)) >= 0 && !fstat(fd, &st) && st.st_size == 0);
	close(fd);
}

static int in_child(int (*f)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(f());
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int is_locked(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 1};
	int fd = open("locked", O_RDWR);

	return fcntl(fd, F_SETLK, &l) && (errno == EAGAIN || errno == EACCES);
}

static int is_flocked(void)
{
	int fd = open("locked", O_RDONLY);

	return flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
}

static void locked(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10};
	int fd = open("locked", O_RDWR | O_CREAT, 0644);

	say("lock", !fcntl(fd, F_SETLK, &l));
	say("... another process meets it", in_child(is_locked) == 1);
	l.l_type = F_UNLCK;
	say("... and not when it is gone", !fcntl(fd, F_SETLK, &l) && in_child(is_locked) == 0);
	say("flock", !flock(fd, LOCK_EX | LOCK_NB) && in_child(is_flocked) == 1);
	close(fd);
	say("... and not when it is gone", in_child(is_flocked) == 0);
}

static void attributes(void)
{
	struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1100000000}};
	struct stat st;
	struct statfs fs;
	char value[10];
	int fd = open("attributes", O_RDWR | O_CREAT, 0600);

	say("times", !futimens(fd, times) && !fstat(fd, &st) && st.st_mtim.tv_sec == 1100000000 &&
	                 st.st_atim.tv_sec == 1000000000);
	say("modes", !fchmod(fd, 0) && !fstat(fd, &st) && (st.st_mode & 07777) == 0 &&
	                 !fchmod(fd, 0741) && !stat("attributes", &st) &&
	                 (st.st_mode & 07777) == 0741);
	say("owner", !fchown(fd, 0, 0) && !fstat(fd, &st) && st.st_uid == 0 && st.st_gid == 0);
	say("no extended attributes",
	    getxattr("attributes", "user.a", value, sizeof value) < 0 && errno == EOPNOTSUPP);
	say("sizes of the file system", !statfs(".", &fs) && fs.f_blocks && fs.f_bsize);
	say("truncate", !ftruncate(fd, 100000) && !truncate("attributes", 5) && !fstat(fd, &st) &&
	                    st.st_size == 5);
	close(fd);
	say("hard link", !link("attributes", "linked") && !stat("linked", &st) && st.st_nlink == 2);
	say("set-user-id is not kept",
	    !chmod("linked", 04755) && !stat("linked", &st) && (st.st_mode & 07777) == 0755);
	say("no devices", mknod("device", S_IFCHR | 0666, 0x103) && errno == EPERM);
	say("no FIFOs", mknod("pipe", S_IFIFO | 0666, 0) && errno == EPERM);
	say("sync of a directory", (fd = open(".", O_RDONLY | O_DIRECTORY)) >= 0 && !fsync(fd));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(0);
	if (argc != 2 || chdir(argv[1])) {
		perror("files");
		return 2;
	}
	errno = 0;
	mapped();
	unlinked();
	appended();
	locked();
	attributes();
	return 0;
}
