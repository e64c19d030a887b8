/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces: cells are a cache of them, tagged by CR3, as a PCID-tagged TLB is.
 *
 * Correctness never depends on the tag: a cell that starts to run compares what it has mapped
 * with the tables under the new CR3. The tag only makes it likely that little differs.
 */
#ifndef CORE_SPACES_H
#define CORE_SPACES_H

#include "core/core.h"

/** load_cr3 - MOV to CR3: choose the cell; the hand-over happens on the way out of the core */
void load_cr3(uint32_t value);

/** hand_over - let the chosen cell run and sleep until this one is chosen again */
void hand_over(void);

/** space_activate - this cell begins to run: catch up with what happened meanwhile */
void space_activate(void);

/** space_wait - sleep until another cell hands over to this one */
void space_wait(void);

/** is another cell to continue? */
static inline bool hand_over_wanted(void)
{
	return M->next_cell != M->running;
}

/** apply_windows - paging is on: put the annotator's windows into the kernel's text */
void apply_windows(void);

#endif
