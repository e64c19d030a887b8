/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the annotator changed, as the core meets it. */
#ifndef CORE_ANNOTATED_H
#define CORE_ANNOTATED_H

#include "core/core.h"
#include "core/insn.h"

/** run_site - emulate site @index, reached from a stub; go on at @next */
void run_site(uint32_t index, uint32_t next);

/** emulate_trapped - emulate() for an instruction reached by a trap, STI;HLT pairs included */
bool emulate_trapped(const struct insn *in, uint32_t next, struct exception *x);

/** note_site - is this a place the annotator only wants to hear of? Then act on it. */
bool note_site(uint32_t va);

/**
 * note_text_patch - the kernel is at the entry of the function that writes its text
 *
 * True: it was written, and the virtual CPU is back at the caller. False: nothing was done.
 */
bool note_text_patch(void);

/** site_pops_selector - is the instruction at @va POP of a segment register? */
bool site_pops_selector(uint32_t va);

/** mark_redirect - an exception was reported at an address inside a window */
void mark_redirect(void);

/** redirected - EIP lies inside a window: go on in the stub instead; false: it does not */
bool redirected(void);

#endif
