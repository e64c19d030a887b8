// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/option_text.h"

#include <errno.h>
#include <stdlib.h>

const char *option_part(const char *text, char *part, size_t size)
{
	size_t n = 0;

	while (*text && (*text != ',' || text[1] == ',')) {
		if (*text == ',')
			text++;
		if (n + 1 < size)
			part[n++] = *text;
		text++;
	}
	part[n] = 0;
	return *text ? text + 1 : NULL;
}

bool option_size(const char *text, uint64_t *bytes)
{
	unsigned shift = 20; /* as in QEMU: a bare number is MiB */
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || errno || n > 1ull << 32)
		return false;
	switch (*end) {
	case 'G':
	case 'g':
		shift = 30;
		end++;
		break;
	case 'M':
	case 'm':
		end++;
		break;
	case 'K':
	case 'k':
		shift = 10;
		end++;
		break;
	default:
		break;
	}
	*bytes = n << shift;
	return !*end;
}
