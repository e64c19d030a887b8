// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Patching of kernel text, as one call.
 *
 * Linux writes its own text (jump labels, static calls, probes, thousands of sites at boot)
 * through __text_poke(): it maps the page writable in an address space of its own, loads CR3,
 * writes, loads the old CR3 and flushes. With address spaces in processes that is two
 * hand-overs for a few bytes. The annotator notes the function's entry, and the write is made
 * here, in guest memory, which is where the function's mapping leads as well.
 *
 *   void *__text_poke(text_poke_f func, void *addr, const void *src, size_t len)
 *
 * (arch/x86/kernel/alternative.c, since 6.0; register arguments in EAX, EDX, ECX). Only calls
 * with text_poke_memcpy as func are taken; any other goes on in the kernel's own code.
 */
#include "core/notes.h"

#include "core/paging.h"

/* As POKE_MAX_OPCODE_SIZE and more: no caller at boot or later passes above a page. */
#define LONGEST_PATCH PAGE_SIZE

/* The byte of guest memory that holds the text at @va, which need not be writable. */
static uint8_t *text_byte(uint32_t va)
{
	struct translation t;
	struct exception x;

	return walk(va, false, false, &t, &x) ? physical(t.pa, 1) : NULL;
}

bool note_text_patch(void)
{
	uint32_t to = V->gpr[R_EDX], from = V->gpr[R_ECX], frame[2];
	uint8_t byte, *text;

	if (!fast(FAST_TEXT_PATCH) || !ANNOT->patch_copy || V->gpr[R_EAX] != ANNOT->patch_copy ||
	    !guest_peek(V->gpr[R_ESP], frame, sizeof frame) || frame[1] > LONGEST_PATCH)
		return false;
	/* All of it or nothing: the kernel's own code is there for what does not go. */
	for (uint32_t i = 0; i < frame[1]; i++)
		if (to + i < M->user_top || !text_byte(to + i) || !guest_peek(from + i, &byte, 1))
			return false;
	for (uint32_t i = 0; i < frame[1]; i++) {
		text = text_byte(to + i);
		/* A guest that writes its page tables this way may have taken the page away. */
		if (text && guest_peek(from + i, &byte, 1))
			*text = byte;
	}
	COUNT(text_patch);
	return end_function(to);
}
