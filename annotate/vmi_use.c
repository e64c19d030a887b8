/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/vmi_use.h"
#include "annotate/image.h"
#include "annotate/sweep.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	R_EAX,
	R_ECX,
	R_EDX,
	INSN_MAX = 15,      /* bytes of an instruction */
	SHORT_REACH = 129,  /* bytes from a short jump to its target, both directions */
	STEPS_MAX = 20000,  /* looked at for one question, over all paths and callers */
	VALUES_MAX = 128,   /* different values of one question */
	PENDING_MAX = 1024, /* paths of one question not yet followed */
};

/* A value a register can have at some place. */
struct value {
	enum { CONSTANT, LOADED } kind; /* LOADED: the word of memory at @word, plus @offset */
	uint32_t word, offset;
};

/* "What does this register, plus the offset, hold before the instruction at @at?" */
struct question {
	uint32_t at;
	uint32_t offset;
	uint8_t reg;
};

struct search {
	const struct image *im;
	ZydisDecoder decoder;
	struct branch *by_target; /* the image's branches, ascending by target */
	size_t nbranches;
	uint8_t *seen; /* for each offset: bit r, register r was asked for here */

	/* one question */
	struct question pending[PENDING_MAX];
	struct question *asked; /* all of them: what has seen bits */
	uint32_t npending, nasked;
	struct value values[VALUES_MAX];
	uint32_t nvalues;
	bool unknown;
};

static bool is_start(const struct image *im, uint32_t at)
{
	return at < im->size && (im->map[at] & BYTE_START);
}

static bool before(const struct image *im, uint32_t at, uint32_t *previous)
{
	for (uint32_t d = 1; d <= INSN_MAX && d <= at; d++)
		if (is_start(im, at - d) && im->length[at - d] == d) {
			*previous = at - d;
			return true;
		}
	return false;
}

/* ---- one question ---- */

static void add_value(struct search *s, struct value v)
{
	for (uint32_t i = 0; i < s->nvalues; i++)
		if (!memcmp(&s->values[i], &v, sizeof(v)))
			return;
	if (s->nvalues == VALUES_MAX)
		s->unknown = true;
	else
		s->values[s->nvalues++] = v;
}

static void constant(struct search *s, uint32_t value)
{
	add_value(s, (struct value){.kind = CONSTANT, .offset = value});
}

static void ask(struct search *s, uint32_t at, uint8_t reg, uint32_t offset)
{
	const struct question q = {.at = at, .reg = reg, .offset = offset};

	if (s->seen[at] & 1u << reg) {
		/* With another offset it is a loop that counts: who knows how far. */
		for (uint32_t i = s->nasked; i--;)
			if (s->asked[i].at == at && s->asked[i].reg == reg) {
				s->unknown = s->unknown || s->asked[i].offset != offset;
				return;
			}
	}
	if (s->npending == PENDING_MAX || s->nasked == STEPS_MAX) {
		s->unknown = true;
		return;
	}
	s->seen[at] |= (uint8_t)(1u << reg);
	s->asked[s->nasked++] = q;
	s->pending[s->npending++] = q;
}

static bool writes(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *operands,
                   uint8_t reg)
{
	for (int i = 0; i < in->operand_count; i++) {
		ZydisRegister r = operands[i].reg.value;

		if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LEGACY_32, r);
		if (r == (ZydisRegister)(ZYDIS_REGISTER_EAX + reg))
			return true;
	}
	return false;
}

static bool is_gpr32(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_EAX &&
	       o->reg.value <= ZYDIS_REGISTER_EDI;
}

static uint8_t gpr32(const ZydisDecodedOperand *o)
{
	return (uint8_t)(o->reg.value - ZYDIS_REGISTER_EAX);
}

/* `push $n; pop %reg` and `push %r; pop %reg`, as -Os has them. */
static void popped(struct search *s, uint32_t pop, uint32_t offset)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	uint32_t at;

	if (!before(s->im, pop, &at) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s->decoder, s->im->bytes + at, s->im->length[at],
	                                         &in, operands)) ||
	    in.mnemonic != ZYDIS_MNEMONIC_PUSH)
		s->unknown = true;
	else if (operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		constant(s, (uint32_t)operands[0].imm.value.u + offset);
	else if (is_gpr32(&operands[0]))
		ask(s, at, gpr32(&operands[0]), offset);
	else
		s->unknown = true;
}

/* The instruction at @at, which writes the register, decides. */
static void defined(struct search *s, uint32_t at, const ZydisDecodedInstruction *in,
                    const ZydisDecodedOperand *o, uint8_t reg, uint32_t offset)
{
	uint32_t n = (uint32_t)o[1].imm.value.u;

	if (!is_gpr32(&o[0]) || gpr32(&o[0]) != reg) {
		s->unknown = true;
		return;
	}
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		if (o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			constant(s, n + offset);
			return;
		}
		if (is_gpr32(&o[1])) {
			ask(s, at, gpr32(&o[1]), offset);
			return;
		}
		if (o[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    o[1].mem.base == ZYDIS_REGISTER_NONE && o[1].mem.index == ZYDIS_REGISTER_NONE) {
			add_value(s, (struct value){.kind = LOADED,
			                            .word = (uint32_t)o[1].mem.disp.value,
			                            .offset = offset});
			return;
		}
		break;
	case ZYDIS_MNEMONIC_LEA:
		if (o[1].mem.index != ZYDIS_REGISTER_NONE)
			break;
		offset += (uint32_t)o[1].mem.disp.value;
		if (o[1].mem.base == ZYDIS_REGISTER_NONE)
			constant(s, offset);
		else
			ask(s, at, (uint8_t)(o[1].mem.base - ZYDIS_REGISTER_EAX), offset);
		return;
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_SUB:
		if (is_gpr32(&o[1]) && gpr32(&o[1]) == reg) {
			constant(s, offset);
			return;
		}
		if (in->mnemonic == ZYDIS_MNEMONIC_SUB &&
		    o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			ask(s, at, reg, offset - n);
			return;
		}
		break;
	case ZYDIS_MNEMONIC_ADD:
		if (o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			ask(s, at, reg, offset + n);
			return;
		}
		break;
	case ZYDIS_MNEMONIC_INC:
		ask(s, at, reg, offset + 1);
		return;
	case ZYDIS_MNEMONIC_DEC:
		ask(s, at, reg, offset - 1);
		return;
	case ZYDIS_MNEMONIC_POP:
		popped(s, at, offset);
		return;
	default:
		break;
	}
	s->unknown = true;
}

/* Control came to the question's place from the instruction at @at: what did that one do? */
static void across(struct search *s, uint32_t at, const struct question *q)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s->decoder, s->im->bytes + at, s->im->length[at],
	                                         &in, operands))) {
		s->unknown = true;
		return;
	}
	if (in.meta.category == ZYDIS_CATEGORY_CALL && q->reg <= R_EDX)
		s->unknown = true; /* what a function returns or leaves there */
	else if (writes(&in, operands, q->reg))
		defined(s, at, &in, operands, q->reg, q->offset);
	else
		ask(s, at, q->reg, q->offset);
}

static bool goes_on(const struct image *im, uint32_t at)
{
	const uint8_t *p = im->bytes + at;

	if (p[0] == 0xc3 || p[0] == 0xc2 || p[0] == 0xe9 || p[0] == 0xeb || p[0] == 0xcf)
		return false;
	if (p[0] == 0xff && (p[1] >> 3 & 7) == 4) /* jmp, indirect */
		return false;
	return !(p[0] == 0x0f && p[1] == 0x0b); /* ud2 */
}

static size_t first_branch_to(const struct search *s, uint32_t to)
{
	size_t low = 0, high = s->nbranches;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->by_target[middle].to < to)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Everything that control can have done last before it came to the question's place. */
static void step(struct search *s, const struct question *q)
{
	const struct image *im = s->im;
	uint32_t from = q->at > SHORT_REACH ? q->at - SHORT_REACH : 0, previous;
	bool function = false, any = false;

	for (size_t i = first_branch_to(s, q->at); i < s->nbranches && s->by_target[i].to == q->at;
	     i++) {
		any = true;
		if (im->bytes[s->by_target[i].from] == 0xe8) {
			function = true;
			ask(s, s->by_target[i].from, q->reg, q->offset); /* before the call */
		} else {
			across(s, s->by_target[i].from, q);
		}
	}
	for (uint32_t at = from; at < q->at + SHORT_REACH && at < im->size; at++)
		if (is_start(im, at) && im->length[at] == 2 &&
		    (im->bytes[at] >> 4 == 7 || im->bytes[at] == 0xeb ||
		     (im->bytes[at] >= 0xe0 && im->bytes[at] <= 0xe3)) &&
		    at + 2 + (uint32_t)(int8_t)im->bytes[at + 1] == q->at) {
			any = true;
			across(s, at, q);
		}
	/* A function is entered by calls, not by falling out of the one before it. */
	if (!function && before(im, q->at, &previous) && goes_on(im, previous)) {
		any = true;
		across(s, previous, q);
	}
	if (!any)
		s->unknown = true; /* reached by a pointer only */
}

static void answer(struct search *s, uint32_t at, uint8_t reg)
{
	s->npending = s->nasked = s->nvalues = 0;
	s->unknown = false;
	ask(s, at, reg, 0);
	while (s->npending) {
		struct question q = s->pending[--s->npending];

		step(s, &q);
	}
	for (uint32_t i = 0; i < s->nasked; i++)
		s->seen[s->asked[i].at] = 0;
}

/* ---- the kernel ---- */

/* `call *%reg` or, as the last thing of a function, `jmp *%reg`. */
static bool calls_register(const struct image *im, uint32_t at, uint8_t *reg)
{
	const uint8_t *p = im->bytes + at;

	if (!is_start(im, at) || im->length[at] != 2 || p[0] != 0xff)
		return false;
	if ((p[1] & 0xf8) != 0xd0 && (p[1] & 0xf8) != 0xe0)
		return false;
	*reg = p[1] & 7;
	return true;
}

/* The pointer to the ROM: the word whose contents plus VMI_ROM_INIT are called. 0: none. */
static uint32_t find_pointer(struct search *s, struct vmi_use *use)
{
	uint32_t word = 0;
	uint8_t reg;

	for (uint32_t at = s->im->text_low; at < s->im->text_high; at++) {
		if (!calls_register(s->im, at, &reg))
			continue;
		answer(s, at, reg);
		if (s->unknown || s->nvalues != 1 || s->values[0].kind != LOADED ||
		    s->values[0].offset != VMI_ROM_INIT)
			continue;
		if (word && s->values[0].word != word)
			continue;
		word = s->values[0].word;
		use->init_calls++;
	}
	return word;
}

static void note_numbers(const struct search *s, struct vmi_use *use)
{
	bool unknown = s->unknown;

	for (uint32_t i = 0; i < s->nvalues; i++) {
		if (s->values[i].kind != CONSTANT)
			unknown = true;
		else if (s->values[i].offset < VMI_NR_CALLS)
			use->asked[s->values[i].offset] = true;
		else
			use->others++;
	}
	use->unknown += unknown;
}

static void find_sites(struct search *s, uint32_t word, struct vmi_use *use)
{
	uint8_t reg;

	for (uint32_t at = s->im->text_low; at < s->im->text_high; at++) {
		if (!calls_register(s->im, at, &reg))
			continue;
		answer(s, at, reg);
		if (s->nvalues != 1 || s->values[0].kind != LOADED || s->values[0].word != word ||
		    s->values[0].offset != VMI_ROM_GET_RELOC)
			continue;
		use->sites++;
		answer(s, at, R_EAX);
		note_numbers(s, use);
	}
}

static int by_target(const void *a, const void *b)
{
	const struct branch *x = a, *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

static int search_image(const struct image *im, struct vmi_use *use)
{
	struct search *s = calloc(1, sizeof(*s));
	uint32_t word;
	int result = -ENOMEM;

	if (!s)
		return result;
	s->im = im;
	s->nbranches = im->branches.n;
	s->by_target = malloc((s->nbranches + 1) * sizeof(*s->by_target));
	s->seen = calloc(im->size + 1u, 1);
	s->asked = malloc(STEPS_MAX * sizeof(*s->asked));
	if (s->by_target && s->seen && s->asked) {
		if (s->nbranches)
			memcpy(s->by_target, im->branches.v, s->nbranches * sizeof(*s->by_target));
		qsort(s->by_target, s->nbranches, sizeof(*s->by_target), by_target);
		ZydisDecoderInit(&s->decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
		word = find_pointer(s, use);
		if (word)
			find_sites(s, word, use);
		result = 0;
	}
	free(s->by_target);
	free(s->seen);
	free(s->asked);
	free(s);
	return result;
}

int vmi_use_find(const struct annotate_input *in, struct vmi_use *use,
                 char error[ANNOTATE_ERROR_SIZE])
{
	struct annotate_report report = {0};
	struct image im;
	int result;

	*use = (struct vmi_use){0};
	result = image_open(&im, in, error);
	if (!result) {
		result = sweep(&im, 2, &report);
		if (!result)
			result = search_image(&im, use);
		if (result)
			snprintf(error, ANNOTATE_ERROR_SIZE, "out of memory");
	}
	image_close(&im);
	return result;
}
