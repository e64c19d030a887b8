/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/forbid.h"

#include <string.h>

/* Jump label tables have no section of their own: this many plausible entries in a row are one. */
#define JUMP_LABEL_RUN_MIN 8
/* Fewer calls than this to a function that only returns are no function tracer. */
#define MCOUNT_CALLS_MIN   200
/* The code that runs before paging is at most this long, in bytes. */
#define HEAD_MAX           4096

static void forbid_bytes(struct image *im, uint32_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n && at + i < im->size; i++)
		im->map[at + i] |= BYTE_FORBID;
}

static bool is_start(const struct image *im, uint32_t at)
{
	return at < im->size && (im->map[at] & BYTE_START);
}

bool forbid_is_padding(const struct image *im, uint32_t at)
{
	const uint8_t *p = im->bytes + at;

	if (*p == 0x66 || *p == 0x3e || *p == 0x2e)
		p++;
	switch (p[0]) {
	case 0xcc: /* int3 */
	case 0x90: /* nop */
		return true;
	case 0x0f:
		return p[1] == 0x1f;
	case 0x8d: /* lea 0(%esi),%esi and lea 0(%edi),%edi in all lengths */
		return (p[1] == 0x76 && !p[2]) || (p[1] == 0x74 && p[2] == 0x26 && !p[3]) ||
		       (p[1] == 0xb6 && !memcmp(p + 2, "\0\0\0", 4)) ||
		       (p[1] == 0xb4 && p[2] == 0x26 && !memcmp(p + 3, "\0\0\0", 4)) ||
		       (p[1] == 0x7f && !p[2]) || (p[1] == 0xbf && !memcmp(p + 2, "\0\0\0", 4)) ||
		       (p[1] == 0xbc && p[2] == 0x27 && !memcmp(p + 3, "\0\0\0", 4));
	case 0x89: /* mov %esi,%esi */
		return p[1] == 0xf6;
	}
	return false;
}

static uint32_t word(const struct annotate_section *s, uint32_t at)
{
	const uint8_t *p = s->data + at;

	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A word of a table: an address, or a distance from the word itself. */
static bool table_target(const struct image *im, const struct annotate_section *s, uint32_t at,
                         bool relative, uint32_t *to)
{
	return image_text_offset(im, word(s, at) + (relative ? s->va + at : 0), to);
}

/* ---- .altinstructions ---- */

/* struct alt_instr over the years; offsets in bytes. */
static const struct alternative_layout {
	uint8_t size, length, replacement_length;
	bool relative;
	bool padded; /* the last byte is padding in front of the next entry: the last has none */
} alternative_layouts[] = {
    {12, 10, 11, true, false},  /* 3.2 to 3.19 and 5.13 to 6.2: s32, s32, u16 feature, u8, u8 */
    {13, 10, 11, true, false},  /* 4.0 to 5.12: u8 padlen behind them */
    {14, 12, 13, true, false},  /* since 6.3: u32 feature and flags */
    {12, 9, 10, false, true},   /* up to 2.6.39: u8 *, u8 *, u8 feature, u8, u8, pad */
    {12, 10, 11, false, false}, /* 3.0: u16 feature */
};

static uint32_t alternatives_with(struct image *im, const struct annotate_section *s,
                                  const struct alternative_layout *l, bool enter)
{
	uint32_t n = 0, odd = s->size % l->size;

	if (odd && !(l->padded && odd == l->size - 1u))
		return 0;
	for (uint32_t p = 0; p < s->size; p += l->size) {
		uint32_t site, length = s->data[p + l->length];

		if (!table_target(im, s, p, l->relative, &site) || !length ||
		    s->data[p + l->replacement_length] > length || (!is_start(im, site) && !enter))
			return 0;
		if (enter)
			forbid_bytes(im, site, length);
		n++;
	}
	return n;
}

static uint32_t forbid_alternatives(struct image *im)
{
	const struct annotate_section *s = image_section(im, ".altinstructions");

	if (!s)
		return 0;
	for (size_t i = 0; i < sizeof(alternative_layouts) / sizeof(alternative_layouts[0]); i++)
		if (alternatives_with(im, s, &alternative_layouts[i], false))
			return alternatives_with(im, s, &alternative_layouts[i], true);
	/*
	 * An unknown layout: its first word still names the site in all known ones. Take every
	 * word that could be one, either way, and eight bytes with it.
	 */
	for (uint32_t p = 0; p + 4 <= s->size; p++) {
		uint32_t site;

		if (table_target(im, s, p, true, &site) || table_target(im, s, p, false, &site))
			forbid_bytes(im, site, 8);
	}
	return 0;
}

/* ---- __ex_table ---- */

static const struct exception_layout {
	uint8_t size;
	bool relative;
} exception_layouts[] = {
    {12, true}, /* since 4.6: instruction, fixup, handler or type */
    {8, true},  /* since 3.5 */
    {8, false},
};

/* Linux 2.6.29 to 3.4: a fixup below this is a number of bytes to skip, with an error noted. */
#define FIXUP_SKIP_END 16

static bool fixup_target(const struct image *im, const struct annotate_section *s, uint32_t at,
                         bool relative, uint32_t instruction, uint32_t *to)
{
	uint32_t skip = word(s, at);

	if (relative || skip >= FIXUP_SKIP_END)
		return table_target(im, s, at, relative, to);
	*to = instruction + skip;
	return is_start(im, *to);
}

static uint32_t exceptions_with(struct image *im, const struct annotate_section *s,
                                const struct exception_layout *l, bool enter)
{
	uint32_t n = 0;

	if (s->size % l->size)
		return 0;
	for (uint32_t p = 0; p < s->size; p += l->size) {
		uint32_t instruction, fixup;

		if (!table_target(im, s, p, l->relative, &instruction) ||
		    !fixup_target(im, s, p + 4, l->relative, instruction, &fixup) ||
		    !is_start(im, instruction))
			return 0;
		n++;
		if (!enter)
			continue;
		im->map[instruction] |= BYTE_FIXUP;
		/* "Try again" arrives as an interrupt return, which the monitor sees. */
		if (fixup != instruction)
			im->map[fixup] |= BYTE_HARD;
	}
	return n;
}

static uint32_t forbid_exceptions(struct image *im)
{
	const struct annotate_section *s = image_section(im, "__ex_table");

	if (!s)
		return 0;
	for (size_t i = 0; i < sizeof(exception_layouts) / sizeof(exception_layouts[0]); i++)
		if (exceptions_with(im, s, &exception_layouts[i], false))
			return exceptions_with(im, s, &exception_layouts[i], true);
	for (uint32_t p = 0; p + 4 <= s->size; p += 4) {
		uint32_t at;

		if (table_target(im, s, p, true, &at) || table_target(im, s, p, false, &at))
			im->map[at] |= BYTE_HARD | BYTE_FORBID;
	}
	return 0;
}

/* ---- .smp_locks, .parainstructions, .static_call_sites ---- */

static void forbid_locks(struct image *im)
{
	const struct annotate_section *s = image_section(im, ".smp_locks");
	uint32_t site;

	if (!s)
		return;
	for (uint32_t p = 0; p + 4 <= s->size; p += 4)
		if (table_target(im, s, p, true, &site) || table_target(im, s, p, false, &site))
			forbid_bytes(im, site, 1);
}

/* struct paravirt_patch_site: u8 *instr, u8 type, u8 length, 2 bytes. */
static void forbid_paravirt(struct image *im)
{
	const struct annotate_section *s = image_section(im, ".parainstructions");
	uint32_t site;

	if (!s)
		return;
	for (uint32_t p = 0; p + 8 <= s->size; p += 8)
		if (table_target(im, s, p, false, &site))
			forbid_bytes(im, site, s->data[p + 5]);
}

/* Calls and jumps that kernels rewrite, named by distances; none of them on i386 so far. */
static bool lists_branches(const char *name)
{
	static const char *const names[] = {".static_call_sites", ".retpoline_sites",
	                                    ".return_sites", ".call_sites"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Exported functions are named by distances since 4.19; and inline static calls since 5.10. */
static void forbid_relative_tables(struct image *im)
{
	for (size_t i = 0; i < im->in->nsections; i++) {
		const struct annotate_section *s = &im->in->sections[i];
		bool calls = lists_branches(s->name);
		uint32_t at;

		if (!s->data || s->executable || (strncmp(s->name, "__ksymtab", 9) && !calls))
			continue;
		for (uint32_t p = 0; p + 4 <= s->size; p += 4) {
			if (!table_target(im, s, p, true, &at))
				continue;
			im->map[at] |= BYTE_HARD;
			if (calls)
				forbid_bytes(im, at, 5);
		}
	}
}

/* ---- jump labels ---- */

static bool is_jump_label_site(const struct image *im, uint32_t at)
{
	const uint8_t *p = im->bytes + at;

	return is_start(im, at) &&
	       (p[0] == 0xe9 || p[0] == 0xeb || (p[0] == 0x0f && p[1] == 0x1f) ||
	        (p[0] == 0x3e && p[1] == 0x8d) || (p[0] == 0x66 && p[1] == 0x90));
}

/* struct jump_entry is {code, target, key}: three words, relative since 4.19. */
static bool jump_entry(const struct image *im, const struct annotate_section *s, uint32_t at,
                       bool relative, uint32_t *code, uint32_t *target)
{
	return table_target(im, s, at, relative, code) &&
	       table_target(im, s, at + 4, relative, target) && is_jump_label_site(im, *code) &&
	       is_start(im, *target);
}

/* Of a table that is one for sure, also what is not understood: both readings of each entry. */
static void forbid_jump_table(struct image *im, const struct annotate_section *s)
{
	for (uint32_t p = 0; p + 12 <= s->size; p += 12)
		for (int relative = 0; relative < 2; relative++) {
			uint32_t code, target;

			if (!table_target(im, s, p, relative, &code) ||
			    !table_target(im, s, p + 4, relative, &target))
				continue;
			im->map[target] |= BYTE_HARD;
			forbid_bytes(im, code, 5);
		}
}

static uint32_t forbid_jump_labels(struct image *im, const struct annotate_section *s,
                                   bool relative, uint32_t run_min)
{
	uint32_t end = s->size, found = 0;
	uint32_t code, target;

	for (uint32_t p = -s->va & 3; p + 12 <= end;) {
		uint32_t q = p;

		while (q + 12 <= end && jump_entry(im, s, q, relative, &code, &target))
			q += 12;
		if ((q - p) / 12 < run_min) {
			p += 4;
			continue;
		}
		for (; p < q; p += 12) {
			jump_entry(im, s, p, relative, &code, &target);
			im->map[target] |= BYTE_HARD;
			forbid_bytes(im, code, im->length[code]);
			found++;
		}
	}
	return found;
}

/* ---- indirect targets ---- */

static void mark_words(struct image *im, const struct annotate_section *s)
{
	uint32_t at;

	for (uint32_t p = 0; p + 4 <= s->size; p++) {
		uint32_t w;

		memcpy(&w, s->data + p, sizeof(w));
		if (image_text_offset(im, w, &at))
			im->map[at] |= BYTE_HARD;
	}
}

/* ---- static call trampolines ---- */

/*
 * `jmp rel32`, or `ret` and four bytes of filling, then a signature: ud1 %esp,%ecx since 5.18,
 * "SCT" before.
 */
static uint32_t forbid_static_calls(struct image *im)
{
	uint32_t found = 0;

	for (uint32_t at = im->text_low + 5; at + 3 <= im->text_high; at++) {
		const uint8_t *p = im->bytes + at;

		if (p[-5] != 0xe9 && p[-5] != 0xc3)
			continue;
		if (memcmp(p, "\x0f\xb9\xcc", 3) && memcmp(p, "SCT", 3))
			continue;
		if (!is_start(im, at - 5))
			continue;
		forbid_bytes(im, at - 5, 8);
		found++;
	}
	return found;
}

/* ---- the function tracer ---- */

/* The target most calls go to among the functions that do nothing but return. */
static bool find_mcount(const struct image *im, const struct kallsyms *symbols, uint32_t *target)
{
	enum { SLOTS = 1024 };
	struct {
		uint32_t to, n;
	} slots[SLOTS] = {{0, 0}};
	uint32_t va, best = 0;

	if (symbols &&
	    (!kallsyms_lookup(symbols, "__fentry__", &va) ||
	     !kallsyms_lookup(symbols, "mcount", &va)) &&
	    image_text_offset(im, va, target))
		return true;
	for (size_t i = 0; i < im->branches.n; i++) {
		const struct branch *b = &im->branches.v[i];
		uint32_t slot = b->to * 2654435761u >> 22;

		if (im->bytes[b->from] != 0xe8 || im->bytes[b->to] != 0xc3)
			continue;
		for (int tries = 0; tries < 16; tries++, slot = (slot + 1) % SLOTS) {
			if (slots[slot].n && slots[slot].to != b->to)
				continue;
			slots[slot].to = b->to;
			if (++slots[slot].n > best) {
				best = slots[slot].n;
				*target = b->to;
			}
			break;
		}
	}
	return best >= MCOUNT_CALLS_MIN;
}

static uint32_t forbid_mcount(struct image *im, const struct kallsyms *symbols)
{
	uint32_t target, found = 0;

	if (!find_mcount(im, symbols, &target))
		return 0;
	for (size_t i = 0; i < im->branches.n; i++) {
		const struct branch *b = &im->branches.v[i];

		if (b->to != target || im->bytes[b->from] != 0xe8)
			continue;
		forbid_bytes(im, b->from, 5);
		found++;
	}
	return found;
}

/* A module names its calls of the tracer, which lies in the kernel. */
static uint32_t forbid_mcount_listed(struct image *im)
{
	static const char *const names[] = {"__mcount_loc", "__patchable_function_entries"};
	uint32_t at, found = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct annotate_section *s = image_section(im, names[i]);

		for (uint32_t p = 0; s && p + 4 <= s->size; p += 4) {
			if (!table_target(im, s, p, false, &at))
				continue;
			forbid_bytes(im, at, 5);
			found++;
		}
	}
	return found;
}

/* ---- the head ---- */

/*
 * The image starts with code that runs at physical addresses, where a jump into the hole would
 * land elsewhere: it sets up page tables and the segment registers, sets CR0.PG and leaves by a
 * far jump. It ends with the function that contains the last such instruction in the first page:
 * at the next aligned instruction behind padding or behind an instruction that does not go on.
 */
static void forbid_head(struct image *im)
{
	uint32_t entry, limit, last = 0, end;
	bool any = false, ends = false;

	if (!im->in->entry || !image_text_offset(im, im->in->entry, &entry))
		entry = im->text_low;
	limit = entry + HEAD_MAX < im->text_high ? entry + HEAD_MAX : im->text_high;
	for (size_t i = 0; i < im->sites.n; i++) {
		const struct site *s = &im->sites.v[i];

		if (s->at < entry || s->at >= limit)
			continue;
		if (s->kind == ANNOTATE_CONTROL || s->kind == ANNOTATE_FAR_BRANCH ||
		    s->kind == ANNOTATE_LOAD_TABLE) {
			last = s->at;
			any = true;
		}
	}
	end = entry;
	if (any) {
		for (end = last; end < limit; end += im->length[end] ? im->length[end] : 1) {
			const uint8_t *p = im->bytes + end;

			if (end > last && !(image_va(im, end) & 15) && ends)
				break;
			ends = forbid_is_padding(im, end) || *p == 0xc3 || *p == 0xe9 || *p == 0xeb;
		}
	}
	im->head_end = end;
	forbid_bytes(im, entry, end - entry);
}

/* ---- code that runs from a copy ---- */

/*
 * kexec and the resume from hibernation copy some code to a page of its own and run it there,
 * where relative jumps and trap bytes mean nothing. It stays as it is: what is privileged in it
 * traps by itself, and flags it saves and restores it may have from the processor.
 */
static const struct copied {
	const char *first, *last; /* functions; the range ends where the one after @last starts */
} copied[] = {
    {"relocate_kernel", "swap_pages"},
    {"core_restore_code", "core_restore_code"},
};

static void forbid_copied(struct image *im, const struct kallsyms *symbols)
{
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		uint32_t first, last, from, to;
		size_t n = 0;

		if (kallsyms_lookup(symbols, copied[i].first, &first) ||
		    kallsyms_lookup(symbols, copied[i].last, &last) || last < first ||
		    !image_text_offset(im, first, &from) ||
		    !image_text_offset(im, kallsyms_next(symbols, last), &to) || to <= from)
			continue;
		forbid_bytes(im, from, to - from);
		for (size_t k = 0; k < im->sites.n; k++) {
			const struct site *s = &im->sites.v[k];

			if (s->at >= from && s->at < to)
				im->map[s->at] &= (uint8_t)~BYTE_SITE;
			else
				im->sites.v[n++] = *s;
		}
		im->sites.n = n;
	}
}

void forbid(struct image *im, const struct kallsyms *symbols, struct annotate_report *report)
{
	report->alternatives = forbid_alternatives(im);
	report->exceptions = forbid_exceptions(im);
	forbid_locks(im);
	forbid_paravirt(im);
	forbid_relative_tables(im);
	for (size_t i = 0; i < im->in->nsections; i++) {
		const struct annotate_section *s = &im->in->sections[i];
		uint32_t run_min;

		if (!s->data || !s->size)
			continue;
		if (s->executable) {
			uint32_t at;

			if (!strncmp(s->name, ".altinstr", 9) && image_offset(im, s->va, &at))
				forbid_bytes(im, at, s->size);
			continue;
		}
		run_min = strcmp(s->name, "__jump_table") ? JUMP_LABEL_RUN_MIN : 1;
		report->jump_labels += forbid_jump_labels(im, s, true, run_min);
		report->jump_labels += forbid_jump_labels(im, s, false, run_min);
		if (run_min == 1)
			forbid_jump_table(im, s);
		if (!report->exceptions || strcmp(s->name, "__ex_table"))
			mark_words(im, s);
	}
	report->static_calls = forbid_static_calls(im);
	if (im->in->module) {
		report->mcount = forbid_mcount_listed(im);
	} else {
		report->mcount = forbid_mcount(im, symbols);
		forbid_head(im);
	}
	if (symbols)
		forbid_copied(im, symbols);
	report->head_end = image_va(im, im->head_end);

	for (uint32_t i = 0; symbols && i < symbols->n; i++) {
		uint32_t at;

		if (image_text_offset(im, kallsyms_address(symbols, i), &at))
			im->map[at] |= BYTE_HARD;
	}
	for (size_t i = 0; i < im->in->nfunctions; i++) {
		uint32_t at;

		if (image_text_offset(im, im->in->functions[i], &at))
			im->map[at] |= BYTE_HARD;
	}
	/* A branch that cannot be rewritten pins its target. */
	for (size_t i = 0; i < im->branches.n; i++) {
		const struct branch *b = &im->branches.v[i];

		for (uint32_t k = 0; k < im->length[b->from]; k++)
			if (im->map[b->from + k] & BYTE_FORBID)
				im->map[b->to] |= BYTE_HARD;
	}
}
