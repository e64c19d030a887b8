// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/rom_answers.h"

#include "ring1/layout.h"
#include "rom_symbols.h"

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

extern const uint8_t rom_image[], rom_image_end[];

static uint32_t word_at(uint32_t va)
{
	uint32_t w;

	memcpy(&w, rom_image + (va - HOLE_ROM), sizeof w);
	return w;
}

struct walk {
	ZydisDecoder decoder;
	uint8_t seen[HOLE_ROM_SIZE];
	uint32_t pending[256];
	size_t n;
	bool leaves, stays;
};

static void go(struct walk *w, uint32_t va)
{
	uint32_t at = va - HOLE_ROM;

	if (at >= (size_t)(rom_image_end - rom_image) || w->seen[at])
		return;
	w->seen[at] = 1;
	if (w->n < sizeof w->pending / sizeof *w->pending)
		w->pending[w->n++] = va;
}

static void follow(struct walk *w, uint32_t va)
{
	const uint8_t *p = rom_image + (va - HOLE_ROM);
	ZydisDecodedInstruction in;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&w->decoder, NULL, p,
	                                                (size_t)(rom_image_end - p), &in)))
		return;
	switch (in.meta.category) {
	case ZYDIS_CATEGORY_CALL:
		if (in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) { /* a gate */
			w->leaves = true;
			return;
		}
		break;
	case ZYDIS_CATEGORY_RET:
		w->stays = true;
		return;
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (in.raw.imm[0].is_relative)
			go(w, va + in.length + (uint32_t)in.raw.imm[0].value.s);
		else
			w->stays = true; /* to the guest */
		return;
	default:
		if (in.mnemonic == ZYDIS_MNEMONIC_HLT) /* behind a gate that does not return */
			return;
		break;
	}
	if (in.raw.imm[0].is_relative)
		go(w, va + in.length + (uint32_t)in.raw.imm[0].value.s);
	go(w, va + in.length);
}

static enum rom_leaves leaves(uint32_t va)
{
	struct walk w = {0};

	ZydisDecoderInit(&w.decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	go(&w, va);
	while (w.n)
		follow(&w, w.pending[--w.n]);
	if (!w.leaves)
		return ROM_STAYS;
	return w.stays ? ROM_MAY_LEAVE : ROM_LEAVES;
}

void rom_answers(struct rom_answer answers[VMI_NR_CALLS])
{
	for (uint32_t i = 0; i < VMI_NR_CALLS; i++) {
		uint32_t va = word_at(ROM_VMI_TABLE + 8 * i);

		answers[i] =
		    (struct rom_answer){.type = (uint8_t)word_at(ROM_VMI_TABLE + 8 * i + 4),
		                        .offset = va - HOLE_ROM,
		                        .leaves = leaves(va)};
	}
}

const char *rom_relocation_name(uint8_t type)
{
	static const char *const names[] = {[VMI_RELOCATION_NONE] = "NONE",
	                                    [VMI_RELOCATION_CALL_REL] = "CALL",
	                                    [VMI_RELOCATION_JUMP_REL] = "JUMP",
	                                    [VMI_RELOCATION_NOP] = "NOP"};

	return type < sizeof names / sizeof *names ? names[type] : "?";
}

const char *rom_leaves_name(enum rom_leaves leaves)
{
	static const char *const names[] = {"stays", "may leave", "leaves"};

	return names[leaves];
}
