/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The symbol table a kernel carries in its own read-only data (CONFIG_KALLSYMS), found by shape:
 * the image names neither its place nor its version.
 */
#ifndef ANNOTATE_KALLSYMS_H
#define ANNOTATE_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#define KALLSYMS_NAME_MAX 512 /* bytes, the final NUL included */

/* Pointers into the section it was found in, which must outlive it. */
struct kallsyms {
	uint32_t n;           /* symbols */
	const uint8_t *names; /* compressed names, one after the other */
	const uint8_t *names_end;
	const uint8_t *tokens; /* NUL-terminated strings */
	const uint8_t *tokens_end;
	const uint8_t *token_index; /* 256 u16: where each string starts */
	const uint8_t *addresses;   /* n u32: distances from base, or addresses */
	uint32_t base;              /* 0 when they are addresses */
};

/**
 * kallsyms_find() - look for a symbol table in a section
 * @k: filled on success
 * @data: the section's bytes, not trusted
 * @size: bytes
 * @low, @high: guest-virtual addresses around the image; symbols must lie there
 *
 * Return: 0, or -ENOENT.
 */
int kallsyms_find(struct kallsyms *k, const uint8_t *data, size_t size, uint32_t low,
                  uint32_t high);

/* kallsyms_address() - the guest-virtual address of symbol i < n */
uint32_t kallsyms_address(const struct kallsyms *k, uint32_t i);

/**
 * kallsyms_lookup() - the address of a function or variable
 * @name: as in the source; a compiler's suffix (.isra.0, .constprop.0) is accepted when no
 *        symbol has the plain name
 *
 * Return: 0 with *va set, or -ENOENT.
 */
int kallsyms_lookup(const struct kallsyms *k, const char *name, uint32_t *va);

/* kallsyms_next() - the lowest address of a symbol above @va; @va itself when there is none */
uint32_t kallsyms_next(const struct kallsyms *k, uint32_t va);

/**
 * kallsyms_reverse() - the symbol an address belongs to, for reports
 * @offset: set to the distance in bytes from the symbol's address
 *
 * Return: 0 with @name filled, or -ENOENT when the address lies before the first symbol.
 */
int kallsyms_reverse(const struct kallsyms *k, uint32_t va, char name[KALLSYMS_NAME_MAX],
                     uint32_t *offset);

#endif
