// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * calls_seen FILE - print what calls_made.so has counted: for each list a line for each of its
 * calls, with the name of a process that has it, "made", the call, and how often all that have it
 * made it; and one with "refused" for each other call that was tried
 * calls_seen --new FILE - make the file
 */
#include "calls_made.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct calls_file *map(const char *path, int create)
{
	int fd =
	    open(path, create ? O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDWR | O_CLOEXEC, 0666);
	struct calls_file *f;

	if (fd < 0 || (create && ftruncate(fd, sizeof *f))) {
		perror(path);
		exit(1);
	}
	f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (f == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	close(fd);
	return f;
}

static void print(const struct calls_list *l)
{
	for (int call = 0; call < CALLS_NUMBERS; call++) {
		uint64_t n = l->listed[call] ? l->made[call] : l->refused[call];
		char *name;

		if (!l->listed[call] && !n)
			continue;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
		printf("%.*s %s %s %llu\n", (int)strcspn(l->name, " "), l->name,
		       l->listed[call] ? "made" : "refused", name ? name : "?",
		       (unsigned long long)n);
		free(name);
	}
}

int main(int argc, char **argv)
{
	struct calls_file *f;

	if (argc == 3 && !strcmp(argv[1], "--new")) {
		map(argv[2], 1);
		return 0;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: calls_seen [--new] FILE\n");
		return 2;
	}
	f = map(argv[1], 0);
	for (unsigned i = 0; i < CALLS_LISTS && f->list[i].used; i++)
		print(&f->list[i]);
	return 0;
}
