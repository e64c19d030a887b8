/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the virtual CPU runs. All its cells share one host CPU, because a hand-over across
 * CPUs costs 15 times as much; main moves the group when others want that CPU, too.
 */
#ifndef MAIN_PLACEMENT_H
#define MAIN_PLACEMENT_H

#include "main/vm.h"

#define PLACEMENT_INTERVAL_NS 500000000u

/**
 * placement_check - may this process run on that host CPU?
 *
 * False: it has no such CPU, or none that it gives to this process (cgroups), with the reason
 * printed, and which ones would do.
 */
bool placement_check(int cpu);

/**
 * placement_start - choose a CPU, before the first cell is forked
 * @cpu: the user's choice, -1: ring1 chooses, and may move later
 */
void placement_start(struct vm *vm, int cpu);

/** placement_review - called now and then: move the group if that is clearly better */
void placement_review(struct vm *vm);

#endif
