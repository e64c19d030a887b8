/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/flags.h"

/* Instructions looked at, over all paths. Most questions are answered by the second one. */
#define FLAGS_BUDGET 48

#define ARITHMETIC                                                                                 \
	(ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF | ZYDIS_CPUFLAG_ZF |               \
	 ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF)

/* What it surely overwrites: a count or a repetition of zero leaves the flags alone. */
static uint32_t overwritten(const ZydisDecodedInstruction *in)
{
	const ZydisAccessedFlags *f = in->cpu_flags;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
		return 0;
	default:
		break;
	}
	if (in->attributes &
	    (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		return 0;
	return f->modified | f->set_0 | f->set_1 | f->undefined;
}

static bool dead(const struct image *im, const ZydisDecoder *decoder, uint32_t at, uint32_t live,
                 int *budget)
{
	while (live) {
		ZydisDecodedInstruction in;
		uint32_t to;

		if (--*budget < 0 || at >= im->size || !(im->map[at] & BYTE_START) ||
		    !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, im->bytes + at,
		                                                im->length[at], &in)))
			return false;
		if (in.cpu_flags && (in.cpu_flags->tested & live))
			return false;
		switch (in.meta.category) {
		case ZYDIS_CATEGORY_CALL:
		case ZYDIS_CATEGORY_RET:
			return true;
		case ZYDIS_CATEGORY_UNCOND_BR:
			if (!in.raw.imm[0].is_relative)
				return false;
			if (!image_text_offset(
			        im, image_va(im, at) + in.length + (uint32_t)in.raw.imm[0].value.s,
			        &to))
				return false;
			/* The kernel may have turned this jump into a no-op: both ways count. */
			if ((im->map[at] & BYTE_FORBID) &&
			    !dead(im, decoder, at + in.length, live, budget))
				return false;
			at = to;
			continue;
		case ZYDIS_CATEGORY_COND_BR:
			/* Reads flags that are overwritten by now; jecxz and loop read none. */
			if (!in.raw.imm[0].is_relative ||
			    !image_text_offset(
			        im, image_va(im, at) + in.length + (uint32_t)in.raw.imm[0].value.s,
			        &to) ||
			    !dead(im, decoder, to, live, budget))
				return false;
			break;
		case ZYDIS_CATEGORY_INTERRUPT:
			return false;
		default:
			break;
		}
		if (in.cpu_flags)
			live &= ~overwritten(&in);
		at += in.length;
	}
	return true;
}

bool flags_dead(const struct image *im, const ZydisDecoder *decoder, uint32_t at)
{
	int budget = FLAGS_BUDGET;

	return dead(im, decoder, at, ARITHMETIC, &budget);
}
