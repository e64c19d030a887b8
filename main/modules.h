/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest loads and unloads modules: annotating them while the virtual CPU waits. */
#ifndef MAIN_MODULES_H
#define MAIN_MODULES_H

#include "main/vm.h"

#include <jansson.h>

/**
 * modules_serve - answer machine.module_request
 *
 * The request and everything it leads to are copied once and checked. Whatever it says, the work
 * is bounded (MODULE_BYTES_MAX), and nothing is written but guest memory and the modules' share of
 * the annotations. A module that cannot be annotated is left as it is, counted, and said.
 */
void modules_serve(struct vm *vm);

/* modules_print, modules_json - for --stats */
void modules_print(FILE *to, const struct vm *vm);
json_t *modules_json(const struct vm *vm);

#endif
