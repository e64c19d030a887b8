/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where kernel text is overwritten by jumps into stubs, and what each stub renders.
 */
#ifndef ANNOTATE_WINDOW_H
#define ANNOTATE_WINDOW_H

#include "annotate/image.h"
#include "annotate/stub.h"

/**
 * windows_make() - choose windows for as many sites as possible, write stubs and entries
 * @im: swept, with its special sites entered; its map is changed
 * @st: empty stub area
 * @options: with traps_only, windows are made for notes alone
 * @out: sites are there; windows, points, the sites' CALLED flags and, of a module, its parts are
 *       entered
 * @report: counts by kind
 * @error: filled when the result is negative
 *
 * Return: 0, -E2BIG when a table or the stub area is full or a module finds no place, -ENOMEM.
 */
int windows_make(struct image *im, struct stubs *st, const struct annotate_options *options,
                 struct annotations *out, struct annotate_report *report,
                 char error[ANNOTATE_ERROR_SIZE]);

#endif
