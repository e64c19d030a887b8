/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel itself rewrites, names or jumps to: bytes no window may cover.
 */
#ifndef ANNOTATE_FORBID_H
#define ANNOTATE_FORBID_H

#include "annotate/image.h"
#include "annotate/kallsyms.h"

/**
 * forbid() - enter all special sites and indirect branch targets into the image's map
 * @im: swept; sites of code that is copied before it runs are dropped
 * @symbols: the kernel's symbols, or NULL
 * @report: counts of what was found
 *
 * Tables are found by section name where the ELF file has one, and by shape where it does not
 * (jump labels, static calls). Their layout changed over the years and is recognized by content:
 * the one under which all entries make sense.
 */
void forbid(struct image *im, const struct kallsyms *symbols, struct annotate_report *report);

/* forbid_is_padding() - is the instruction at this offset one that only fills space? */
bool forbid_is_padding(const struct image *im, uint32_t at);

#endif
