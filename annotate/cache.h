/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Annotations kept from one run to the next, in
 * $XDG_CACHE_HOME/ring1/annotations-<build-id>-<version>.bin.
 */
#ifndef ANNOTATE_CACHE_H
#define ANNOTATE_CACHE_H

#include "annotate/annotate.h"

/**
 * annotate_kernel_cached() - annotate_kernel(), or its result of an earlier run
 * @build_id: names the kernel in the file's name; may be empty, then nothing is cached
 * @build_id_size: bytes
 *
 * The version in the file's name covers everything the result depends on: ROM addresses,
 * options, the contents of all sections. A file that is missing, not the user's own, damaged or
 * out of bounds is as good as none; the result then comes from annotate_kernel() and is written
 * for the next time. No failure to read or write the cache is an error.
 *
 * Return: as annotate_kernel().
 */
int annotate_kernel_cached(const struct annotate_input *in, const struct annotate_options *options,
                           const uint8_t *build_id, size_t build_id_size, struct annotations *out,
                           uint8_t *stubs, struct annotate_report *report,
                           char error[ANNOTATE_ERROR_SIZE]);

#endif
