// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/image_boot.h"

#include "image/boot_files.h"
#include "main/disks.h"
#include "main/report.h"

#include <stdio.h>
#include <string.h>

int image_boot_open(const char *option, struct image_boot *b)
{
	struct boot_files files;
	struct loader_error e;
	char path[4096], partition[12] = "";
	bool read_only;

	disks_path(option, path, sizeof path, &read_only);
	if (boot_files_open(path, &files, &e)) {
		complain("%s", e.text);
		return e.kind == LOADER_EHOST ? EXIT_HOST : EXIT_USAGE;
	}
	snprintf(b->kernel, sizeof b->kernel, "/proc/self/fd/%d", files.kernel);
	*b->initrd = 0;
	if (files.initrd >= 0)
		snprintf(b->initrd, sizeof b->initrd, "/proc/self/fd/%d", files.initrd);
	if (files.partition)
		snprintf(partition, sizeof partition, "%u", files.partition);
	snprintf(b->arguments, sizeof b->arguments, "root=/dev/vda%s %s", partition,
	         read_only ? "ro" : "rw");
	return 0;
}
