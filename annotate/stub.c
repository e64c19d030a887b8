/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that reads or writes monitor words does so through SS: on the way in and out of the
 * kernel DS is still, or already, the user's.
 */
#include "annotate/stub.h"
#include "annotate/flags.h"
#include "annotate/sensitive.h"
#include "ring1/layout.h"
#include "ring1/vcpu.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(ANNOTATE_NKINDS <= VCPU_SITE_KINDS, "every kind has a counter");

enum {
	SS_OVERRIDE = 0x36,
	OPERAND_SIZE = 0x66,
	CALL = 0xe8,
	JMP = 0xe9,
	LOCK = 0xf0,
};

static void bytes(struct stubs *st, const void *p, uint32_t n)
{
	if (st->size - st->used < n) {
		st->full = true;
		return;
	}
	memcpy(st->code + st->used, p, n);
	st->used += n;
}

static void byte(struct stubs *st, uint8_t b)
{
	bytes(st, &b, 1);
}

static void word(struct stubs *st, uint32_t w)
{
	const uint8_t b[4] = {w, w >> 8, w >> 16, w >> 24};

	bytes(st, b, 4);
}

/* The displacement to an address of the hole. */
static void relative(struct stubs *st, uint32_t to)
{
	word(st, to - (stub_here(st) + 4));
}

static void call(struct stubs *st, uint32_t to)
{
	byte(st, CALL);
	relative(st, to);
}

/* A word that names an address of the kernel. */
static void reference(struct stubs *st, uint32_t va, bool absolute)
{
	if (st->nreferences == st->references_room) {
		size_t room = st->references_room ? st->references_room * 2 : 4096;
		struct stub_reference *r = realloc(st->references, room * sizeof(*r));

		if (!r) {
			st->full = true;
			return;
		}
		st->references = r;
		st->references_room = room;
	}
	st->references[st->nreferences++] =
	    (struct stub_reference){.at = st->used, .to = va, .absolute = absolute};
	word(st, 0);
}

void stub_jump(struct stubs *st, uint32_t va)
{
	byte(st, JMP);
	reference(st, va, false);
}

/* ---- what can be repeated ---- */

static bool has_operand_size(const struct image *im, uint32_t at, uint32_t opcode_at)
{
	return opcode_at == at + 1 && im->bytes[at] == OPERAND_SIZE;
}

static enum stub_form call_form(const struct image *im, uint32_t at)
{
	uint32_t next = image_va(im, at) + im->length[at], to;

	if (im->length[at] != 5)
		return STUB_NEVER;
	if (!image_text_offset(im, next + image_u32(im, at + 1), &to))
		return im->in->module ? STUB_CALL : STUB_NEVER; /* a function of the kernel */
	/* Not one that asks for its own address. */
	return im->map[to] & BYTE_START && image_va(im, to) != next ? STUB_CALL : STUB_NEVER;
}

enum stub_form stub_form(const struct image *im, const ZydisDecoder *decoder, uint32_t at)
{
	const uint8_t *p = im->bytes + at;
	ZydisDecodedInstruction in;

	if (at >= im->size || !(im->map[at] & BYTE_START))
		return STUB_NEVER;
	/*
	 * A lock prefix that the kernel removes while it has one processor may be repeated all
	 * the same: it is only slower.
	 */
	for (uint32_t i = p[0] == LOCK; i < im->length[at]; i++)
		if (im->map[at + i] & BYTE_FORBID)
			return STUB_NEVER;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, p, im->length[at], &in)))
		return STUB_NEVER;
	if (im->map[at] & BYTE_SITE) {
		switch (sensitive_kind(&in)) {
		case ANNOTATE_IRET:
			return STUB_IRET;
		case ANNOTATE_FAR_BRANCH: /* what it pushes or where it goes is another segment */
			return STUB_NEVER;
		default:
			return STUB_SITE;
		}
	}
	/* The kernel's fault handler would look for the original address. */
	if (im->map[at] & BYTE_FIXUP)
		return STUB_NEVER;
	/* Room the kernel left to write into: tracer calls, jump labels, lock prefixes. */
	if (p[0] == 0x3e || (p[0] == 0x0f && p[1] == 0x1f) || (p[0] == 0x66 && p[1] == 0x90))
		return STUB_NEVER;
	switch (in.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		if (p[0] >> 4 == 7 || (p[0] == 0x0f && p[1] >> 4 == 8))
			return STUB_JCC;
		return STUB_NEVER;
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (p[0] == 0xe9 || p[0] == 0xeb)
			return STUB_JMP;
		return in.opcode == 0xff ? STUB_LEAVE : STUB_NEVER;
	case ZYDIS_CATEGORY_RET:
		return STUB_LEAVE;
	case ZYDIS_CATEGORY_CALL:
		if (p[0] == CALL)
			return call_form(im, at);
		if (p[0] != 0xff || in.raw.modrm.reg != 2)
			return STUB_NEVER;
		if (in.raw.modrm.rm == 4) /* %esp itself, or a base that may be %esp */
			return STUB_NEVER;
		return STUB_CALL_ANY;
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return STUB_NEVER;
	default:
		break;
	}
	switch (in.mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
		return STUB_NEVER;
	default:
		return STUB_COPY;
	}
}

/* ---- sites ---- */

static void called(struct stubs *st, uint32_t index)
{
	byte(st, 0x68); /* push $index */
	word(st, st->first_site + index);
	byte(st, 0x9a); /* lcall $HOST_CS64,$gate_site */
	word(st, st->rom->gate_site);
	byte(st, HOST_CS64 & 0xff);
	byte(st, HOST_CS64 >> 8);
}

/*
 * 64 bits, exact also when an interrupt's handler counts in between: the carry is kept in the
 * frame's EFLAGS. Clobbers nothing.
 */
static void count(struct stubs *st, enum annotate_kind kind)
{
	uint32_t at = st->rom->vcpu_count_site + 8 * (uint32_t)kind;

	byte(st, 0x9c); /* pushfl */
	byte(st, SS_OVERRIDE);
	byte(st, 0x83); /* addl $1,at */
	byte(st, 0x05);
	word(st, at);
	byte(st, 1);
	byte(st, SS_OVERRIDE);
	byte(st, 0x83); /* adcl $0,at+4 */
	byte(st, 0x15);
	word(st, at + 4);
	byte(st, 0);
	byte(st, 0x9d); /* popfl */
}

static void cli(struct stubs *st, bool dead)
{
	if (st->deferred && !dead) {
		call(st, st->rom->disable_keep_deferred);
		return;
	}
	if (st->deferred) {
		byte(st, SS_OVERRIDE); /* cmpl $IF_PENDING|IF,vcpu_if */
		byte(st, 0x81);
		byte(st, 0x3d);
		word(st, st->rom->vcpu_if);
		word(st, (uint32_t)IF_PENDING | IF_BIT);
		byte(st, 0x72); /* jb over the call */
		byte(st, 5);
		call(st, st->rom->keep_promise);
	}
	byte(st, SS_OVERRIDE);
	if (dead) { /* andl $~IF,vcpu_if: one write, no partial one to stall a later read */
		byte(st, 0x81);
		byte(st, 0x25);
		word(st, st->rom->vcpu_if);
		word(st, ~(uint32_t)IF_BIT);
	} else { /* movb $0,vcpu_if+1 */
		byte(st, 0xc6);
		byte(st, 0x05);
		word(st, st->rom->vcpu_if + 1);
		byte(st, 0);
	}
}

static void sti(struct stubs *st, bool dead)
{
	if (st->deferred && !dead) {
		byte(st, SS_OVERRIDE); /* movb $IF,vcpu_if+1: no flags to keep */
		byte(st, 0xc6);
		byte(st, 0x05);
		word(st, st->rom->vcpu_if + 1);
		byte(st, IF_BIT >> 8);
		return;
	}
	if (!dead) {
		call(st, st->rom->enable_keep);
		return;
	}
	byte(st, SS_OVERRIDE); /* orl $IF,vcpu_if: the sign says that something is pending */
	byte(st, 0x81);
	byte(st, 0x0d);
	word(st, st->rom->vcpu_if);
	word(st, IF_BIT);
	if (st->deferred)
		return;
	byte(st, 0x79); /* jns over the call */
	byte(st, 5);
	call(st, st->rom->deliver);
}

/* The index in annotate_rom's arrays of a segment register as encoded, -1 for CS and SS. */
static int rom_segment(int segment)
{
	switch (segment) {
	case 0:
		return ANNOTATE_ES;
	case 3:
		return ANNOTATE_DS;
	case 4:
		return ANNOTATE_FS;
	case 5:
		return ANNOTATE_GS;
	}
	return -1;
}

/* Room for a selector, filled by the ROM. */
static void store(struct stubs *st, int segment)
{
	byte(st, 0x8d); /* lea -4(%esp),%esp: leaves the flags alone */
	byte(st, 0x64);
	byte(st, 0x24);
	byte(st, 0xfc);
	call(st, st->rom->store[segment]);
}

/* The word that holds the virtual CS or SS selector. */
static uint32_t vsel(const struct stubs *st, int segment)
{
	return segment == 1 ? st->rom->vcpu_vsel_cs : st->rom->vcpu_vsel_ss;
}

/* Segment register moves; false when the core has to do it. */
static bool segment_move(struct stubs *st, const struct site *s, const ZydisDecodedInstruction *in,
                         bool dead)
{
	int encoded = sensitive_segment(in), segment = rom_segment(encoded);
	bool constant = encoded == 1 || encoded == 2; /* CS and SS change in the core only */
	bool narrow = has_operand_size(st->im, s->at, s->at + in->raw.prefix_count);
	uint8_t reg = in->raw.modrm.rm;

	if (in->raw.prefix_count > (narrow ? 1 : 0))
		return false;
	switch (s->kind) {
	case ANNOTATE_PUSH_SEGMENT:
		if (narrow || (!constant && !dead))
			return false;
		if (!constant) {
			store(st, segment);
			return true;
		}
		byte(st, SS_OVERRIDE); /* pushl vsel */
		byte(st, 0xff);
		byte(st, 0x35);
		word(st, vsel(st, encoded));
		return true;
	case ANNOTATE_POP_SEGMENT:
		if (narrow || constant || !dead)
			return false;
		call(st, st->rom->load[segment]);
		return true;
	case ANNOTATE_LOAD_SEGMENT:
		if (in->raw.modrm.mod != 3 || constant || !dead)
			return false;
		byte(st, 0x50 | reg); /* push %reg; the selector is its lower half */
		call(st, st->rom->load[segment]);
		return true;
	case ANNOTATE_STORE_SEGMENT:
		if (in->raw.modrm.mod != 3 || narrow)
			return false;
		if (constant) {
			byte(st, SS_OVERRIDE); /* movl vsel,%reg */
			byte(st, 0x8b);
			byte(st, reg << 3 | 5);
			word(st, vsel(st, encoded));
			return true;
		}
		if (!dead || reg == 4) /* %esp */
			return false;
		store(st, segment);
		byte(st, 0x58 | reg); /* pop %reg */
		return true;
	default:
		return false;
	}
}

/* MOV from CRn reads a word of the virtual CPU: page-fault handlers begin with it. */
static bool control_read(struct stubs *st, const ZydisDecodedInstruction *in)
{
	unsigned n = in->raw.modrm.reg;

	if (in->opcode_map != ZYDIS_OPCODE_MAP_0F || in->opcode != 0x20 || in->raw.prefix_count ||
	    n > 4 || n == 1)
		return false;
	byte(st, SS_OVERRIDE); /* movl vcpu_cr,%reg */
	byte(st, 0x8b);
	byte(st, in->raw.modrm.rm << 3 | 5);
	word(st, st->rom->vcpu_cr[n]);
	return true;
}

/* The site without the core; false, and nothing written, when only the core can do it. */
static bool rendered(struct stubs *st, const struct site *s, const ZydisDecodedInstruction *in)
{
	bool dead = flags_dead(st->im, st->decoder, s->at + s->length);

	switch (s->kind) {
	case ANNOTATE_CLI:
		cli(st, dead);
		return true;
	case ANNOTATE_STI:
		sti(st, dead);
		return true;
	case ANNOTATE_PUSHF:
		if (in->mnemonic != ZYDIS_MNEMONIC_PUSHFD)
			return false;
		byte(st, 0x9c); /* pushfl */
		call(st, st->rom->pushf_image);
		return true;
	case ANNOTATE_POPF:
		if (in->mnemonic != ZYDIS_MNEMONIC_POPFD)
			return false;
		if (st->count)
			call(st, st->rom->popf_counted);
		else
			call(st, st->deferred ? st->rom->popf_deferred : st->rom->popf);
		return true;
	case ANNOTATE_IRET:
		if (in->mnemonic != ZYDIS_MNEMONIC_IRETD)
			return false;
		byte(st, SS_OVERRIDE); /* movl $va,vcpu_iret_site */
		byte(st, 0xc7);
		byte(st, 0x05);
		word(st, st->rom->vcpu_iret_site);
		word(st, image_va(st->im, s->at));
		byte(st, JMP);
		relative(st, st->rom->iret);
		return true;
	case ANNOTATE_PUSH_SEGMENT:
	case ANNOTATE_POP_SEGMENT:
	case ANNOTATE_LOAD_SEGMENT:
	case ANNOTATE_STORE_SEGMENT:
		return segment_move(st, s, in, dead);
	case ANNOTATE_CONTROL:
		return control_read(st, in);
	default:
		return false;
	}
}

bool stub_site(struct stubs *st, uint32_t index)
{
	const struct site *s = &st->im->sites.v[index];
	ZydisDecodedInstruction in;
	uint32_t start = st->used;

	if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(st->decoder, NULL, st->im->bytes + s->at,
	                                               st->im->length[s->at], &in))) {
		if (st->count)
			count(st, s->kind);
		if (fast(FAST_STUBS) && rendered(st, s, &in))
			return false;
		st->used = start;
	}
	called(st, index);
	return true;
}

/* ---- the others ---- */

static uint32_t branch_target(const struct image *im, uint32_t at)
{
	uint32_t length = im->length[at], next = image_va(im, at) + length;

	if (length == 2)
		return next + (uint32_t)(int8_t)im->bytes[at + 1];
	return next + image_u32(im, at + length - 4);
}

void stub_unless(struct stubs *st, uint32_t va, uint8_t value, uint8_t skipped)
{
	static const uint8_t compare[] = {0x36, 0x80, 0x3d}; /* cmpb $value, %ss:va */
	const uint8_t equal[] = {value, 0x74, skipped};      /* je */

	bytes(st, compare, sizeof(compare));
	word(st, va);
	bytes(st, equal, sizeof(equal));
}

void stub_instruction(struct stubs *st, uint32_t at, enum stub_form form, bool last)
{
	const struct image *im = st->im;
	const uint8_t *p = im->bytes + at;

	switch (form) {
	case STUB_CALL:
		if (last) { /* return to where everybody expects a call to return to */
			byte(st, 0x68);
			reference(st, image_va(im, at) + 5, true);
			stub_jump(st, branch_target(im, at));
		} else {
			byte(st, CALL);
			reference(st, branch_target(im, at), false);
		}
		break;
	case STUB_CALL_ANY:
		if (last) {
			byte(st, 0x68);
			reference(st, image_va(im, at) + im->length[at], true);
			byte(st, 0xff); /* jmp, the same operand */
			byte(st, p[1] + 0x10);
			bytes(st, p + 2, im->length[at] - 2);
		} else {
			bytes(st, p, im->length[at]);
		}
		break;
	case STUB_JCC:
		byte(st, 0x0f);
		byte(st, 0x80 | (p[0] == 0x0f ? p[1] & 15 : p[0] & 15));
		reference(st, branch_target(im, at), false);
		break;
	case STUB_JMP:
		stub_jump(st, branch_target(im, at));
		break;
	default:
		bytes(st, p, im->length[at]);
		break;
	}
}
