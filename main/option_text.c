// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/option_text.h"

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
