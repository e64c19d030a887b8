/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmentation: the guest's selectors and descriptors, and the host LDT entries that stand
 * for them (design.md section 7, docs/architecture.md "Segments").
 */
#ifndef CORE_SEGMENT_H
#define CORE_SEGMENT_H

#include "core/core.h"

#define DESC_PRESENT     0x8000u /* in the high word */
#define DESC_S           0x1000u /* code or data */
#define DESC_CODE        0x0800u
#define DESC_CONFORMING  0x0400u
#define DESC_EXPAND_DOWN DESC_CONFORMING /* of a data segment */
#define DESC_PAGES       0x800000u       /* G: the limit counts pages */
#define DESC_BIG         0x400000u       /* D of code, B of a stack or expand-down segment */
#define DESC_RW          0x0200u         /* code: readable; data: writable */
#define DESC_ACCESSED    0x0100u

struct descriptor {
	uint32_t lo, hi;
};

static inline uint32_t descriptor_base(struct descriptor d)
{
	return d.lo >> 16 | (d.hi & 0xff) << 16 | (d.hi & 0xff000000u);
}

/* Last valid offset. */
static inline uint32_t descriptor_limit(struct descriptor d)
{
	uint32_t limit = (d.lo & 0xffff) | (d.hi & 0xf0000u);

	return d.hi & 0x800000u ? limit << 12 | 0xfff : limit;
}

static inline unsigned descriptor_dpl(struct descriptor d)
{
	return d.hi >> 13 & 3;
}

/** read_descriptor - the guest's descriptor for @selector; false beyond the table's limit */
bool read_descriptor(uint16_t selector, struct descriptor *d);

/**
 * load_segment - load ES, DS, FS, GS or SS as MOV does (SDM volume 2, MOV; volume 3, 5.6-5.7)
 * @seg: not SEG_CS
 * @selector: the guest's
 * @cpl: virtual CPL, 0 or 3
 * @x: #GP, #SS or #NP as the manual says, with the selector as error code
 */
bool load_segment(enum seg seg, uint16_t selector, unsigned cpl, struct exception *x);

/**
 * check_code_segment - may a far transfer at privilege @cpl go to @selector:@eip?
 * @d: its descriptor
 * @x: #GP or #NP as the manual says (SDM volume 2, CALL)
 */
bool check_code_segment(uint16_t selector, uint32_t eip, unsigned cpl, struct descriptor *d,
                        struct exception *x);

/** load_code_segment - check and load CS for a far transfer to @eip at privilege @cpl */
bool load_code_segment(uint16_t selector, uint32_t eip, unsigned cpl, struct exception *x);

/** clear_segment - null ES, DS, FS or GS */
void clear_segment(enum seg seg);

/** segments_enter_user - DS ES FS GS on the way to CPL 3: null what CPL 3 may not hold */
void segments_enter_user(void);

/**
 * segments_note_mode - after a host signal: take over the CS and SS that were in use
 *
 * The ROM switches both between the guest's modes, and user code may load its own.
 */
void segments_note_mode(void);

/**
 * segments_sync - after an exit: learn what user code loaded natively
 *
 * True when that was a host selector the guest cannot have meant: it was put right, and the
 * faulting instruction may be retried.
 */
bool segments_sync(void);

/** segment_fault_is_ours - a #GP/#NP/#SS for @error that loading an LDT entry cures */
bool segment_fault_is_ours(uint32_t error);

/** segments_prepare - this cell's LDT holds everything the registers are about to name */
void segments_prepare(void);

/** segments_table_changed - LGDT, or a descriptor known to be cached was rewritten */
void segments_table_changed(void);

/** segments_ldt_changed - this cell begins to run, or VMI_WriteLDTEntry: look at the guest's LDT */
void segments_ldt_changed(void);

/**
 * segments_ldt_loaded - LLDT
 *
 * Linux since 4.2 loads a new table for each change. Before, it writes into the one that is
 * loaded, and tells nobody. Such a kernel gives itself away at its first entry, which it
 * writes behind the LLDT of an empty table: so the next return to user mode looks, and when
 * it finds a difference, all later ones do while an LDT is loaded.
 */
void segments_ldt_loaded(void);

/** segments_ldt_look - on the way to user mode: has the table been written in place? */
void segments_ldt_look(void);

/** segment_base - linear address of offset 0 of @seg */
uint32_t segment_base(enum seg seg);

/** segment_is_big - CS: 32-bit code (D); SS: ESP and not SP is the stack pointer (B) */
bool segment_is_big(enum seg seg);

/** segment_allows - does the limit the guest gave @seg admit @n bytes at @offset? */
bool segment_allows(enum seg seg, uint32_t offset, uint32_t n);

/**
 * segment_access - the check of an access to [offset, offset+n) of @seg (SDM volume 3, 5.3 to 5.5)
 * @x: #SS(0) for the stack segment, #GP(0) for others: beyond the limit, null, not to be read so,
 * not to be written
 */
bool segment_access(enum seg seg, uint32_t offset, uint32_t n, bool write, struct exception *x);

/** selector_of_real - the guest's name for what the host calls @real */
uint16_t selector_of_real(uint32_t real);

/** segments_reset - the state a boot loader leaves: flat segments 0x10 and 0x18 */
void segments_reset(void);

#endif
