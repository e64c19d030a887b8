// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/image_boot.h"

#include "main/disks.h"
#include "main/report.h"

#include <stdio.h>
#include <string.h>

int image_boot_open(const char *option, struct image_boot *b)
{
	struct loader_error e;
	char path[4096], partition[12] = "";
	bool read_only;

	disks_path(option, path, sizeof path, &read_only);
	if (boot_files_open(path, &b->files, &e)) {
		complain("%s", e.text);
		return e.kind == LOADER_EHOST ? EXIT_HOST : EXIT_USAGE;
	}
	snprintf(b->kernel, sizeof b->kernel, "/proc/self/fd/%d", b->files.kernel);
	*b->initrd = 0;
	if (b->files.initrd >= 0)
		snprintf(b->initrd, sizeof b->initrd, "/proc/self/fd/%d", b->files.initrd);
	if (b->files.partition)
		snprintf(partition, sizeof partition, "%u", b->files.partition);
	snprintf(b->arguments, sizeof b->arguments, "root=/dev/vda%s %s", partition,
	         read_only ? "ro" : "rw");
	return 0;
}

void image_boot_close(struct image_boot *b)
{
	boot_files_close(&b->files);
}
