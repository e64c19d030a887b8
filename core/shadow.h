/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The low 4 GiB of a cell as a software TLB over the guest's page tables.
 *
 * A host mapping exists only where the guest's tables allow it. Beside each page-table page
 * a copy of the entries that were mapped from it is kept; a flush compares the copy with the
 * table and drops only what changed. As in hardware, a stale entry may live until INVLPG or a
 * flush (SDM volume 3, 4.10).
 */
#ifndef CORE_SHADOW_H
#define CORE_SHADOW_H

#include "core/paging.h"

/**
 * shadow_map - make the page of a successful walk accessible
 * @fetch: for an instruction fetch. Pages of the kernel half are not executable before the first:
 *         user code that jumps there by mistake shall fault at once, and most of that half is data.
 */
void shadow_map(uint32_t va, const struct translation *t, bool fetch);

/** shadow_missing - is nothing mapped at @va, of the user half? */
bool shadow_missing(uint32_t va);

/** shadow_present - is @va mapped from its page table already, writable if @write? */
bool shadow_present(uint32_t va, bool write);

/** shadow_next_page - the first page at or behind *@va that is mapped in this cell; false: none */
bool shadow_next_page(uint32_t *va);

/**
 * shadow_install_again - a page of a window that the host has unmapped by itself, as it may do with
 * any page of a file (to swap it out, to put it into a huge page); false: there is no such page
 */
bool shadow_install_again(uint32_t va);

/** shadow_invlpg - forget the page at @va, in every cell where the entry is global */
void shadow_invlpg(uint32_t va);

/** shadow_drop_page - unmap the page at @va in this cell, whatever the guest's tables say */
void shadow_drop_page(uint32_t va);

/** shadow_flush - a CR3 load: drop what changed among the entries that are not global */
void shadow_flush(void);

/** shadow_flush_global - CR4.PGE was toggled: drop what changed, in every cell */
void shadow_flush_global(void);

/** shadow_reset - the format of the tables or the meaning of their bits changed: drop all */
void shadow_reset(void);

/**
 * shadow_enter_user - take what is the kernel's out of the user half, before user code runs
 *
 * For kernels that lie there (machine.mixed_half). What is mapped in user mode is the user's, as
 * walk() was told; so nothing is to be done on the way back.
 */
void shadow_enter_user(void);

/** shadow_activate - this cell starts to run under the current CR3: catch up */
void shadow_activate(void);

#endif
