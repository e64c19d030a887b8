/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/iret_word.h"

/* struct paravirt_patch_site: u8 *instr, u8 type, u8 length, 2 bytes. */
#define SITE_BYTES 8

enum {
	CS_OVERRIDE = 0x2e,
	JMP_INDIRECT = 0xff, /* with the next byte: jmp *disp32 */
	DISP32 = 0x25,
	IRET = 0xcf,
};

static uint32_t word_of(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool jumps_by_word(const struct image *im, uint32_t at, uint32_t *va)
{
	const uint8_t *p = im->bytes + at;
	uint32_t prefix = p[0] == CS_OVERRIDE;

	if (!(im->map[at] & BYTE_START) || im->length[at] != prefix + 6 ||
	    p[prefix] != JMP_INDIRECT || p[prefix + 1] != DISP32)
		return false;
	*va = word_of(p + prefix + 2);
	return true;
}

/* Is there a whole word of data at @va? What is decoded as text is none. */
static bool is_data(const struct image *im, uint32_t va)
{
	for (size_t i = 0; i < im->in->nsections; i++) {
		const struct annotate_section *s = &im->in->sections[i];

		if (s->data && !s->executable && va - s->va < s->size &&
		    s->size - (va - s->va) >= 4)
			return true;
	}
	return false;
}

static const struct annotate_section *call_sites(const struct image *im)
{
	return im->in->module ? NULL : image_section(im, ".parainstructions");
}

uint32_t iret_words(const struct image *im)
{
	const struct annotate_section *s = call_sites(im);

	return s ? s->size / SITE_BYTES : 0;
}

bool iret_word(const struct image *im, uint32_t index, uint32_t *word, uint32_t *iret)
{
	const struct annotate_section *s = call_sites(im);
	uint32_t at, va;

	return image_text_offset(im, word_of(s->data + index * SITE_BYTES), &at) &&
	       jumps_by_word(im, at, &va) && is_data(im, va) && image_offset(im, va, word) &&
	       image_text_offset(im, image_u32(im, *word), iret) && im->map[*iret] & BYTE_SITE &&
	       im->bytes[*iret] == IRET;
}
