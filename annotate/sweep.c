/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zydis takes 70 ns per instruction and a kernel has three million: the common ones are measured
 * without it, operands are never decoded, the raw fields tell enough, and large sections are swept
 * in two halves at once.
 */
#include "annotate/sweep.h"
#include "annotate/quick.h"
#include "annotate/sensitive.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Below this many bytes a second thread costs more than it brings. */
#define SWEEP_SPLIT_MIN (256u << 10)

struct part {
	struct image *im;
	uint32_t from, to; /* offsets; an instruction may extend to section_end */
	uint32_t section_end;
	bool collect;  /* note sites and soft branches */
	uint32_t next; /* offset behind the last instruction */
	uint32_t instructions, undecodable;
	struct branches branches;
	struct sites sites;
	bool failed;
};

/* A direct branch with a 32-bit displacement, which a later step may change. */
static void note_branch(struct part *p, uint32_t at, uint32_t to, bool call)
{
	if (!p->collect) {
		image_mark(p->im, to, BYTE_HARD);
		return;
	}
	if (!image_branches_add(&p->branches, at, to))
		p->failed = true;
	/* A call is never retargeted: its target is a function's entry. */
	image_mark(p->im, to, call ? BYTE_HARD : BYTE_SOFT);
}

static void note_target(struct part *p, uint32_t at, const ZydisDecodedInstruction *in)
{
	struct image *im = p->im;
	uint32_t to;

	for (int i = 0; i < 2; i++) {
		if (!in->raw.imm[i].size)
			continue;
		if (!in->raw.imm[i].is_relative) {
			if (in->raw.imm[i].size == 32 &&
			    image_text_offset(im, in->raw.imm[i].value.u, &to))
				image_mark(im, to, BYTE_HARD);
			continue;
		}
		if (!image_text_offset(
		        im, image_va(im, at) + in->length + (uint32_t)in->raw.imm[i].value.s, &to))
			continue;
		if (in->raw.imm[i].size != 32) {
			image_mark(im, to, BYTE_HARD);
			continue;
		}
		if (!image_branches_add(&p->branches, at, to))
			p->failed = true;
		/* A call is never retargeted: its target is a function's entry. */
		image_mark(im, to,
		           in->meta.category == ZYDIS_CATEGORY_CALL ? BYTE_HARD : BYTE_SOFT);
	}
	/* A computed jump into unrolled code names it by displacement: jmp *label(,%eax,4). */
	if (in->raw.disp.size == 32 && image_text_offset(im, (uint32_t)in->raw.disp.value, &to))
		image_mark(im, to, BYTE_HARD);
}

/* The common instructions; 0 when it is none of them. */
static uint32_t sweep_quickly(struct part *p, uint32_t at)
{
	struct image *im = p->im;
	const struct quick q = quick_decode(im->bytes + at);
	uint32_t to, next = at + q.length;

	if (!fast(FAST_QUICK_DECODE) || !q.length || next > p->section_end)
		return 0;
	if (q.immediate && image_text_offset(im, image_u32(im, at + q.immediate), &to))
		image_mark(im, to, BYTE_HARD);
	if (q.displacement && image_text_offset(im, image_u32(im, at + q.displacement), &to))
		image_mark(im, to, BYTE_HARD);
	if (q.relative == 1) {
		if (image_text_offset(
		        im, image_va(im, at) + q.length + (uint32_t)(int8_t)im->bytes[next - 1],
		        &to))
			image_mark(im, to, BYTE_HARD);
	} else if (q.relative) {
		if (image_text_offset(im, image_va(im, at) + q.length + image_u32(im, next - 4),
		                      &to))
			note_branch(p, at, to, im->bytes[at] == 0xe8);
	}
	return q.length;
}

/* One instruction. Return: its length, 0 when the bytes are none. */
static uint32_t sweep_one(struct part *p, const ZydisDecoder *decoder, uint32_t at)
{
	struct image *im = p->im;
	ZydisDecodedInstruction in;
	enum annotate_kind kind;
	uint32_t length = sweep_quickly(p, at);

	if (length) {
		p->instructions++;
		im->length[at] = length;
		image_mark(im, at, BYTE_START);
		return length;
	}
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, im->bytes + at,
	                                                p->section_end - at, &in)))
		return 0;
	p->instructions++;
	im->length[at] = in.length;
	image_mark(im, at, BYTE_START);
	note_target(p, at, &in);
	/* A BUG() is continued behind its ud2 when it was only a WARN(). */
	if (in.mnemonic == ZYDIS_MNEMONIC_UD2 && at + in.length < p->section_end)
		image_mark(im, at + in.length, BYTE_HARD);
	kind = p->collect ? sensitive_kind(&in) : ANNOTATE_NONE;
	if (kind != ANNOTATE_NONE) {
		if (!image_sites_add(&p->sites, at, in.length, kind))
			p->failed = true;
		image_mark(im, at, BYTE_SITE);
	}
	return in.length;
}

static void *sweep_part(void *arg)
{
	struct part *p = arg;
	ZydisDecoder decoder;
	uint32_t at = p->from;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	while (at < p->to) {
		uint32_t length = sweep_one(p, &decoder, at);

		if (!length) {
			image_mark(p->im, at, BYTE_FORBID);
			p->undecodable++;
			length = 1;
		}
		at += length;
	}
	p->next = at;
	return NULL;
}

/*
 * The second half started at a guessed boundary, the first ran up to there or a few bytes
 * further. Instruction streams fall into step quickly: find where they do, let the first half
 * have everything before that, and forget what the second half saw there (a branch target it
 * marked stays, which only makes windows rarer).
 *
 * Return: the offset from which on the second half is right.
 */
static uint32_t join(struct part *p1, struct part *p2)
{
	struct image *im = p1->im;
	ZydisDecoder decoder;
	ZydisDecodedInstruction in;
	uint32_t at = p1->next;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	while (at < p2->to && !(im->map[at] & BYTE_START))
		at += ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, im->bytes + at,
		                                                 p1->section_end - at, &in))
		          ? in.length
		          : 1;
	for (uint32_t i = p2->from; i < at && i < p2->to; i++)
		im->map[i] &= (uint8_t) ~(BYTE_START | BYTE_SITE);
	p1->from = p1->next;
	p1->to = at;
	sweep_part(p1);
	return at;
}

static int append(struct image *im, const struct part *p, uint32_t from)
{
	for (size_t i = 0; i < p->branches.n; i++)
		if (p->branches.v[i].from >= from &&
		    !image_branches_add(&im->branches, p->branches.v[i].from, p->branches.v[i].to))
			return -ENOMEM;
	for (size_t i = 0; i < p->sites.n; i++)
		if (p->sites.v[i].at >= from &&
		    !image_sites_add(&im->sites, p->sites.v[i].at, p->sites.v[i].length,
		                     p->sites.v[i].kind))
			return -ENOMEM;
	return 0;
}

/*
 * Where a direct branch goes: in *to. Return: whether the instruction is one, in *goes_on whether
 * the one behind it can be reached too.
 */
static bool direct_branch(const ZydisDecoder *decoder, const struct image *im, uint32_t at,
                          uint32_t end, uint32_t *to, bool *goes_on)
{
	ZydisDecodedInstruction in;

	*goes_on = false;
	if (!ZYAN_SUCCESS(
	        ZydisDecoderDecodeInstruction(decoder, NULL, im->bytes + at, end - at, &in)))
		return false;
	*goes_on =
	    in.meta.category != ZYDIS_CATEGORY_UNCOND_BR && in.meta.category != ZYDIS_CATEGORY_RET;
	/* JMP and CALL ptr16:32, behind a LGDT: kernels have flat code segments. */
	if (im->bytes[at] == 0xea || im->bytes[at] == 0x9a) {
		return image_offset(im, image_u32(im, at + 1), to);
	}
	if (!in.raw.imm[0].size || !in.raw.imm[0].is_relative)
		return false;
	return image_offset(im, image_va(im, at) + in.length + (uint32_t)in.raw.imm[0].value.s, to);
}

/*
 * A section where code and data are not told apart: from the entry point along direct branches
 * and calls. What is reached through pointers only is not seen; to take data for code would be
 * worse, because sites are overwritten.
 */
static int sweep_mixed(struct image *im, const struct annotate_section *s,
                       struct annotate_report *report)
{
	uint32_t from, end, entry;
	struct part p;
	struct branches todo = {0};
	ZydisDecoder decoder;
	int result = 0;

	if (!image_offset(im, s->va, &from))
		return 0;
	end = from + s->size;
	p = (struct part){.im = im, .from = from, .to = end, .section_end = end, .collect = true};
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	if (image_offset(im, im->in->entry, &entry) && entry >= from && entry < end &&
	    !image_branches_add(&todo, entry, entry))
		p.failed = true;
	while (todo.n && !p.failed) {
		uint32_t at = todo.v[--todo.n].to, to;
		bool goes_on = true;

		while (goes_on && at >= from && at < end && !(im->map[at] & BYTE_START)) {
			uint32_t length = sweep_one(&p, &decoder, at);

			if (!length) {
				p.undecodable++;
				break;
			}
			if (direct_branch(&decoder, im, at, end, &to, &goes_on) &&
			    !image_branches_add(&todo, at, to))
				p.failed = true;
			at += length;
		}
	}
	if (p.failed || append(im, &p, from))
		result = -ENOMEM;
	report->instructions += p.instructions;
	report->undecodable += p.undecodable;
	free(p.branches.v);
	free(p.sites.v);
	free(todo.v);
	return result;
}

static int sweep_section(struct image *im, const struct annotate_section *s, int threads,
                         struct annotate_report *report)
{
	uint32_t from, end, right_from;
	struct part parts[2];
	pthread_t second;
	int result = 0;

	if (!image_offset(im, s->va, &from))
		return 0;
	right_from = from;
	end = from + s->size;
	parts[0] = (struct part){.im = im, .from = from, .to = end, .section_end = end};
	parts[1] = (struct part){.im = im, .from = end, .to = end, .section_end = end};

	/* Alternatives run elsewhere, and their branches cannot be retargeted here. */
	parts[0].collect = strncmp(s->name, ".altinstr", 9) != 0;
	parts[1].collect = parts[0].collect;

	if (threads > 1 && s->size >= SWEEP_SPLIT_MIN) {
		parts[0].to = parts[1].from = from + s->size / 2;
		if (pthread_create(&second, NULL, sweep_part, &parts[1])) {
			parts[0].to = parts[1].from = end;
		} else {
			sweep_part(&parts[0]);
			pthread_join(second, NULL);
			right_from = join(&parts[0], &parts[1]);
		}
	}
	if (parts[0].next == 0)
		sweep_part(&parts[0]);
	if (parts[0].failed || parts[1].failed || append(im, &parts[0], from) ||
	    append(im, &parts[1], right_from))
		result = -ENOMEM;
	for (int i = 0; i < 2; i++) {
		report->instructions += parts[i].instructions;
		report->undecodable += parts[i].undecodable;
		free(parts[i].branches.v);
		free(parts[i].sites.v);
	}
	return result;
}

static int by_address(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Two sites at one address, as overlapping sections in a damaged file have them, become one. */
static void sort_sites(struct sites *s)
{
	size_t n = 0;

	if (!s->n)
		return;
	qsort(s->v, s->n, sizeof(s->v[0]), by_address);
	for (size_t i = 1; i < s->n; i++)
		if (s->v[i].at != s->v[n].at)
			s->v[++n] = s->v[i];
	s->n = n + 1;
}

/*
 * The interrupt shadow of sti covers the next instruction, so an idle loop's `sti; hlt` cannot
 * miss an interrupt in between. As two sites it could: they become one, and the hlt stays a site
 * of its own for those who jump to it.
 */
static void pair_sti_hlt(struct image *im)
{
	for (size_t i = 0; i + 1 < im->sites.n; i++) {
		struct site *s = &im->sites.v[i];

		if (s->kind != ANNOTATE_STI || s[1].kind != ANNOTATE_HLT ||
		    s[1].at != s->at + s->length)
			continue;
		s->kind = ANNOTATE_STI_HLT;
		s->length += s[1].length;
	}
}

int sweep(struct image *im, int threads, struct annotate_report *report)
{
	for (size_t i = 0; i < im->in->nsections; i++) {
		const struct annotate_section *s = &im->in->sections[i];
		int result;

		if (!s->data || !s->size || !s->executable)
			continue;
		result =
		    s->mixed ? sweep_mixed(im, s, report) : sweep_section(im, s, threads, report);
		if (result)
			return result;
	}
	sort_sites(&im->sites);
	pair_sti_hlt(im);
	return 0;
}
