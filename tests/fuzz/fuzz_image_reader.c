// SPDX-License-Identifier: GPL-2.0-or-later
/* The input is a disk image; whatever is in it, what the reader says of it is text that ends. */
#include "image/reader.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int image = memfd_create("image", 0), kernel = memfd_create("kernel", 0),
	    initrd = memfd_create("initrd", 0);
	struct reader_answer a = {0};

	require(image >= 0 && kernel >= 0 && initrd >= 0);
	require(write(image, data, size) == (ssize_t)size);
	image_read(image, kernel, initrd, &a);
	require(memchr(a.text, 0, sizeof a.text) &&
	        memchr(a.kernel_path, 0, sizeof a.kernel_path) &&
	        memchr(a.initrd_path, 0, sizeof a.initrd_path));
	require(a.status ? *a.text != 0 : *a.kernel_path != 0);
	require(a.status == 0 || a.status == LOADER_EINPUT || a.status == LOADER_EHOST);
	close(image);
	close(kernel);
	close(initrd);
	return 0;
}
