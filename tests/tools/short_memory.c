// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A shared object for LD_PRELOAD: files that are to be SHORT_MEMORY_OF bytes long become only
 * SHORT_MEMORY_TO. What lies behind the end raises SIGBUS, as does a page that the host has no
 * memory for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static off_t number(const char *name)
{
	const char *value = getenv(name);

	return value ? atoll(value) : -1;
}

int ftruncate64(int fd, off_t length);

int ftruncate64(int fd, off_t length)
{
	int (*real)(int, off_t) = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");

	return real(fd, length == number("SHORT_MEMORY_OF") ? number("SHORT_MEMORY_TO") : length);
}

int ftruncate(int fd, off_t length)
{
	return ftruncate64(fd, length);
}
