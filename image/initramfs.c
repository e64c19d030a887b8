// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/initramfs.h"

#include "image/cpio.h"

#include <ftw.h>
#include <string.h>

#define SUFFIX ".ko"

/* What nftw()'s function works on; it takes no argument for it. */
static struct cpio archive;
static const char *const *wanted;

/* Names of modules and of their files differ in '-' and '_'. */
static bool same_name(const char *file, const char *module)
{
	for (; *module; file++, module++)
		if (*file != *module && !(*file == '-' && *module == '_') &&
		    !(*file == '_' && *module == '-'))
			return false;
	return !strcmp(file, SUFFIX);
}

static int look_at(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *file = path + where->base;
	char name[300];

	(void)st;
	if (type != FTW_F || strlen(file) > 200)
		return 0;
	for (const char *const *module = wanted; *module; module++) {
		if (!same_name(file, *module))
			continue;
		snprintf(name, sizeof name, "modules/%s", file);
		cpio_file(&archive, name, 0644, path);
	}
	return 0;
}

int initramfs_write(const struct initramfs *i, FILE *to, char source[512])
{
	static const char *const directories[] = {"dev", "proc", "sys", "root", "modules", "tmp"};

	cpio_begin(&archive, to);
	for (size_t n = 0; n < sizeof directories / sizeof *directories; n++)
		cpio_directory(&archive, directories[n]);
	cpio_device(&archive, "dev/console", 0600, 5, 1);
	cpio_device(&archive, "dev/null", 0666, 1, 3);
	cpio_bytes(&archive, "init", 0755, agent_program,
	           (size_t)(agent_program_end - agent_program));
	cpio_bytes(&archive, "orders", 0644, i->orders, strlen(i->orders));
	wanted = i->modules;
	nftw(i->modules_below, look_at, 32, FTW_PHYS);
	if (cpio_end(&archive))
		return 0;
	snprintf(source, sizeof archive.source, "%s", archive.source);
	return archive.error;
}
