// SPDX-License-Identifier: GPL-2.0-or-later
/* vmlinux KERNEL >FILE: the ELF file inside a bzImage, as the loader unpacks it. */
#include "loader/loader.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct loader_error e;
	struct kernel k;

	if (argc != 2)
		return 2;
	if (kernel_open(argv[1], &k, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (fwrite(k.elf, 1, k.elf_size, stdout) != k.elf_size || fflush(stdout))
		return 1;
	kernel_close(&k);
	return 0;
}
