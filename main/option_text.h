/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_OPTION_TEXT_H
#define MAIN_OPTION_TEXT_H

#include <stddef.h>

/**
 * option_part - one part of an option's text up to a comma, two of which stand for one
 * @part: receives it, cut at @size bytes
 *
 * Returns what is behind it, NULL: it was the last.
 */
const char *option_part(const char *text, char *part, size_t size);

#endif
