/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_OPTION_TEXT_H
#define MAIN_OPTION_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * option_part - one part of an option's text up to a comma, two of which stand for one
 * @part: receives it, cut at @size bytes
 *
 * Returns what is behind it, NULL: it was the last.
 */
const char *option_part(const char *text, char *part, size_t size);

/**
 * option_size - an amount of memory: a number with K, M or G behind it, or of MiB
 * @bytes: receives it, at most 2^62
 *
 * False: @text is something else.
 */
bool option_size(const char *text, uint64_t *bytes);

#endif
