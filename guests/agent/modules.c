// SPDX-License-Identifier: GPL-2.0-or-later
#include "guests/agent/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULES_MAX 256

struct module {
	char path[512];
	int error; /* 0: loaded */
};

/* init_module(), which kernels before 3.8 know as well. */
static int load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	struct stat st;
	void *bytes;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) < 0) {
		error = errno;
		close(fd);
		return error;
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		error = errno;
	else if (syscall(SYS_init_module, bytes, (unsigned long)st.st_size, ""))
		error = errno;
	if (bytes != MAP_FAILED)
		munmap(bytes, (size_t)st.st_size);
	close(fd);
	return error == EEXIST ? 0 : error;
}

static int list(const char *path, struct module *modules)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (!directory) {
		say("%s: %s", path, strerror(errno));
		return -1;
	}
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		if (n == MODULES_MAX) {
			say("%s: more than %d modules", path, MODULES_MAX);
			closedir(directory);
			return -1;
		}
		snprintf(modules[n].path, sizeof modules[n].path, "%s/%s", path, entry->d_name);
		modules[n++].error = ENOENT;
	}
	closedir(directory);
	return n;
}

int load_modules(const char *path)
{
	static struct module modules[MODULES_MAX];
	int n = list(path, modules), left = n;
	bool progress = true;

	while (left > 0 && progress) {
		progress = false;
		for (int i = 0; i < n; i++) {
			if (!modules[i].error)
				continue;
			modules[i].error = load(modules[i].path);
			if (!modules[i].error) {
				left--;
				progress = true;
			}
		}
	}
	for (int i = 0; i < n; i++)
		if (modules[i].error)
			say("cannot load %s: %s", modules[i].path, strerror(modules[i].error));
	return left ? -1 : 0;
}
