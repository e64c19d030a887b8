/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places of the kernel that are not sensitive, and where the core wants to be told. */
#ifndef ANNOTATE_NOTES_H
#define ANNOTATE_NOTES_H

#include "annotate/image.h"
#include "annotate/kallsyms.h"

/**
 * notes_add() - enter the notes of a kernel as sites
 * @im: swept, with its special sites entered
 * @report: note_va is filled
 *
 * A function's note is its first instruction behind the function tracer's call, which the kernel
 * rewrites. There is none when the function is unknown or that instruction is sensitive by itself.
 */
void notes_add(struct image *im, const struct kallsyms *symbols, struct annotate_report *report);

/* notes_of() - what is noted at a guest-virtual address; ANNOT_NOTE_NONE: nothing */
enum annot_note notes_of(const struct annotate_report *report, uint32_t va);

#endif
