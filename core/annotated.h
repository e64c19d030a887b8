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

/** site_pops_selector - is the instruction at @va POP of a segment register? */
bool site_pops_selector(uint32_t va);

/** mark_redirect - an exception was reported at an address inside a window */
void mark_redirect(void);

/** redirected - EIP lies inside a window: go on in the stub instead; false: it does not */
bool redirected(void);

/**
 * restore_function - put the original instructions of a function back into its text
 * @va: an address in it
 *
 * For whoever is about to decode the function and to place a breakpoint anywhere in it. Sensitive
 * instructions that would not fault are traps of their own length then. The stubs stay, for those
 * who are in one. Windows are not put in again: somebody may be between their first byte and their
 * last, in a task that waits.
 *
 * Returns false when the function has no windows.
 */
bool restore_function(uint32_t va);

/**
 * step_in_place - the kernel is about to execute one instruction with its trap flag set
 *
 * Not what stands for it: the function is restored, and EIP is in it. In the middle of what stands for
 * an instruction, that is finished first.
 */
void step_in_place(void);

/** replaced_site - the site at @va if a trap stands for it where no window does, else NULL */
const struct annot_site *replaced_site(uint32_t va);

/** trap_bytes - the trap that stands for an instruction of @length bytes: HLT behind DS prefixes */
void trap_bytes(uint8_t *bytes, unsigned length);

#endif
