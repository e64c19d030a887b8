// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/sandbox_root.h"

#include "main/report.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the agent sets it (guests/agent/session.c). */
static const char *const directories[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                          "/usr/bin",        "/sbin",          "/bin"};

/* Links in there lead to what is in there. */
static int open_in(const struct sandbox_root *r, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC,
	                       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, r->fd, path, &how, sizeof how);
}

bool sandbox_root_open(struct sandbox_root *r)
{
	r->fd = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->fd >= 0)
		return true;
	complain("--root %s: %s", r->path, strerror(errno));
	return false;
}

static bool is_a(const struct sandbox_root *r, const char *path, mode_t type)
{
	int fd = open_in(r, path, O_PATH);
	struct stat st;
	bool yes = fd >= 0 && !fstat(fd, &st) && (st.st_mode & S_IFMT) == type;

	if (fd >= 0)
		close(fd);
	return yes;
}

bool sandbox_root_has_directory(const struct sandbox_root *r, const char *path)
{
	return is_a(r, path, S_IFDIR);
}

bool sandbox_root_has_file(const struct sandbox_root *r, const char *path)
{
	return is_a(r, path, S_IFREG);
}

/* Its first bytes; 0: it is not there, or cannot be read. */
static size_t read_head(const struct sandbox_root *r, const char *path, char *to, size_t size)
{
	int fd;
	ssize_t n;

	if (!is_a(r, path, S_IFREG))
		return 0;
	fd = open_in(r, path, O_RDONLY | O_NONBLOCK);
	n = fd < 0 ? 0 : read(fd, to, size);
	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static bool is_for_i386(const struct sandbox_root *r, const char *path, const char *head, size_t n)
{
	const Elf32_Ehdr *e = (const void *)head;

	if (n < sizeof *e || memcmp(e->e_ident, ELFMAG, SELFMAG))
		return true;
	if (e->e_ident[EI_CLASS] == ELFCLASS32 && e->e_machine == EM_386)
		return true;
	complain("%s: is %s program; the guest is an i386 system: --root names a directory with "
	         "one, as 'debootstrap --arch=i386' makes (%s is searched)",
	         path, e->e_ident[EI_CLASS] == ELFCLASS64 ? "a 64-bit" : "another processor's",
	         r->path);
	return false;
}

/* The program behind "#!", or NULL. */
static const char *interpreter(char *head, size_t n)
{
	char *at = head + 2;

	if (n < 4 || head[0] != '#' || head[1] != '!')
		return NULL;
	at += strspn(at, " \t");
	at[strcspn(at, " \t\n")] = 0;
	return *at == '/' ? at : NULL;
}

bool sandbox_root_can_run(const struct sandbox_root *r, const char *command, const char *directory)
{
	_Alignas(Elf32_Ehdr) char head[300] = "", other[300];
	char path[4096];
	const char *script;
	size_t n = 0;

	if (strchr(command, '/')) {
		snprintf(path, sizeof path, "%s%s%s", *command == '/' ? "" : directory,
		         *command == '/' ? "" : "/", command);
		n = read_head(r, path, head, sizeof head - 1);
	}
	for (size_t i = 0;
	     !n && !strchr(command, '/') && i < sizeof directories / sizeof *directories; i++) {
		snprintf(path, sizeof path, "%s/%.250s", directories[i], command);
		n = read_head(r, path, head, sizeof head - 1);
	}
	if (!n)
		return true;
	script = interpreter(head, n);
	if (!script)
		return is_for_i386(r, path, head, n);
	memcpy(other, head, sizeof other);
	n = read_head(r, script, head, sizeof head - 1);
	return is_for_i386(r, other + (script - head), head, n);
}

void sandbox_root_option(const struct sandbox_root *r, const char *tag, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "%s=", tag);

	for (const char *p = r->path; *p && n + 5 < size; p++) {
		if (*p == ',')
			to[n++] = ',';
		to[n++] = *p;
	}
	snprintf(to + n, size - n, ",ro");
}
