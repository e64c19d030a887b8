/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code for the stub area: the same instructions, the sensitive ones rendered harmless. */
#ifndef ANNOTATE_STUB_H
#define ANNOTATE_STUB_H

#include "annotate/image.h"
#include <Zydis/Zydis.h>

/* A word of a stub that names a place of the image, settled when all stubs are known. */
struct stub_reference {
	uint32_t at;   /* offset of the 32-bit word in the stub area */
	uint32_t to;   /* guest-virtual address in the kernel */
	bool absolute; /* a return address; otherwise relative to the word's end */
};

struct stubs {
	const struct image *im;
	const struct annotate_rom *rom;
	const ZydisDecoder *decoder;
	uint8_t *code;
	uint32_t va, size, used;
	uint32_t first_site; /* index of the image's first site among all there are */
	struct stub_reference *references;
	size_t nreferences, references_room;
	bool deferred; /* as in annotate_options */
	bool count;    /* sites that do not leave 32-bit code count themselves */
	bool full;     /* out of stub space or of memory; everything after is void */
};

/* How an instruction can be repeated elsewhere. */
enum stub_form {
	STUB_NEVER,    /* it cannot */
	STUB_COPY,     /* byte by byte */
	STUB_SITE,     /* sensitive */
	STUB_CALL,     /* direct call */
	STUB_CALL_ANY, /* indirect call, not through %esp */
	STUB_JCC,      /* conditional jump, both displacement sizes */
	STUB_JMP,      /* direct jump; control does not go on behind this and the next two */
	STUB_LEAVE,    /* ret or indirect jump */
	STUB_IRET,     /* sensitive, too */
};

/* Control does not go on behind it. */
static inline bool stub_form_ends(enum stub_form form)
{
	return form == STUB_JMP || form == STUB_LEAVE || form == STUB_IRET;
}

static inline bool stub_form_is_call(enum stub_form form)
{
	return form == STUB_CALL || form == STUB_CALL_ANY;
}

/* stub_form() - classify the instruction at an offset; what special tables name is STUB_NEVER */
enum stub_form stub_form(const struct image *im, const ZydisDecoder *decoder, uint32_t at);

/**
 * stub_site() - render one site
 * @index: of the site in sites[] of the annotations
 *
 * Return: true when the core is called for it, false when the ROM or the stub itself do the work.
 */
bool stub_site(struct stubs *st, uint32_t index);

/** stub_unless() - skip the next @skipped bytes when the kernel's byte at @va is @value */
void stub_unless(struct stubs *st, uint32_t va, uint8_t value, uint8_t skipped);

/**
 * stub_instruction() - render one instruction that is no site
 * @last: it is the last one of its stub: a call returns to the image instead of the stub
 */
void stub_instruction(struct stubs *st, uint32_t at, enum stub_form form, bool last);

/* stub_jump() - continue at a guest-virtual address of the kernel */
void stub_jump(struct stubs *st, uint32_t va);

/* stub_here() - the guest-virtual address of the next byte */
static inline uint32_t stub_here(const struct stubs *st)
{
	return st->va + st->used;
}

#endif
