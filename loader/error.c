// SPDX-License-Identifier: GPL-2.0-or-later
#include "loader/internal.h"

#include <stdarg.h>
#include <stdio.h>

int loader_fail(struct loader_error *e, enum loader_error_kind kind, const char *path,
                const char *reason, ...)
{
	/* A path may be longer than the text: the reason must still be seen. */
	int used = snprintf(e->text, sizeof e->text, "%.200s: ", path);
	va_list args;

	e->kind = kind;
	va_start(args, reason);
	vsnprintf(e->text + used, sizeof e->text - (size_t)used, reason, args);
	va_end(args);
	return -1;
}

int loader_no_memory(struct loader_error *e, const char *path)
{
	return loader_fail(e, LOADER_EHOST, path, "the host has no memory left to read it");
}
