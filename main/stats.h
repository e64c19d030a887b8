/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_STATS_H
#define MAIN_STATS_H

#include "annotate/annotate.h"
#include "main/vm.h"

#include <jansson.h>
#include <stdio.h>

/** stats_print - everything counted, as text for people */
void stats_print(FILE *to, const struct vm *vm, const struct annotate_report *annotation);

/** stats_json - the same as a JSON object, the caller's; @annotation may be NULL */
json_t *stats_json(const struct vm *vm, const struct annotate_report *annotation);

/** stats_write_json - writes it; 0, or -1 with errno */
int stats_write_json(FILE *to, const struct vm *vm, const struct annotate_report *annotation);

#endif
