// SPDX-License-Identifier: GPL-2.0-or-later
/* Files on tmpfs, where the program runs. */
#include "workload.h"

#include <fcntl.h>
#include <unistd.h>

static uint8_t contents[PAGE];

static void tmpfs_create_w4k_unlink(unsigned n)
{
	while (n--) {
		int fd = open("created", O_CREAT | O_EXCL | O_WRONLY, 0644);

		need(fd >= 0, "created");
		need(write(fd, contents, PAGE) == PAGE, "write");
		close(fd);
		unlink("created");
	}
}

const struct item file_items[] = {
    {"tmpfs_create_w4k_unlink", .run = tmpfs_create_w4k_unlink},
    {0},
};
