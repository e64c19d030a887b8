// SPDX-License-Identifier: GPL-2.0-or-later
/* The input is a data section that may hold a symbol table. */
#include "annotate/kallsyms.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kallsyms k;
	char name[KALLSYMS_NAME_MAX];
	uint32_t va, offset;

	if (kallsyms_find(&k, data, size, 0xc1000000, 0xc2000000))
		return 0;
	if (!k.n || k.n > size)
		abort();
	kallsyms_lookup(&k, "panic", &va);
	for (uint32_t i = 0; i < k.n; i += k.n / 4 + 1)
		if (!kallsyms_reverse(&k, kallsyms_address(&k, i), name, &offset) && offset)
			abort();
	return 0;
}
