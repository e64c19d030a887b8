/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clearing and copying of pages that the kernel maps for nothing else. */
#ifndef CORE_STRINGS_H
#define CORE_STRINGS_H

#include "core/core.h"

/**
 * string_access - execute the kernel's code at EIP, up to a string instruction, without mapping the
 * page it faulted on
 * @va: linear address of the fault, in the kernel half, in a page whose entry allows the access
 *
 * Linux maps a page of high memory in a slot of its own (kmap_local), clears or copies it, and
 * takes it away again by INVLPG. Done here, that costs one host signal; with the page mapped, two
 * host calls and a fault of the host more. So it is done for a page that was invalidated lately,
 * and for its first fault since; whatever else touches the page has it mapped.
 *
 * A compiler makes of clear_page() and copy_page() a REP STOS or REP MOVS, and stores of the first
 * and last element before, with arithmetic between. Known are straight passages of MOV, LEA, ADD,
 * OR, AND, SUB, XOR and SHR that end with one of these; flags, accessed and dirty bits are what the
 * processor makes them. Registers are those behind the last whole instruction, or between two
 * elements of the string instruction, where it may be interrupted (SDM volume 2, REP).
 *
 * Returns false when nothing was executed: the page is to be mapped.
 */
bool string_access(uint32_t va);

/** string_forget - @va was invalidated: its next fault is the first one */
void string_forget(uint32_t va);

#endif
