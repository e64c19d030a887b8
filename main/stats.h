/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_STATS_H
#define MAIN_STATS_H

#include "annotate/annotate.h"
#include "main/vm.h"

#include <stdio.h>

/** stats_print - everything counted, as text for people */
void stats_print(FILE *to, const struct vm *vm, const struct annotate_report *annotation);

/** stats_write_json - the same as one JSON object; 0, or -1 with errno */
int stats_write_json(FILE *to, const struct vm *vm, const struct annotate_report *annotation);

#endif
