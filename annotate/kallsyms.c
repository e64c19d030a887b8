/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables, in the order scripts/kallsyms.c of the kernel writes them (up to 6.3):
 *
 *	offsets[n] and relative_base, or addresses[n]
 *	num_syms
 *	names: per symbol a length and that many token numbers; the first character of the
 *	       expanded text is the symbol's type
 *	markers: the position in names of every 256th symbol
 *	(seqs_of_names, 6.2 and 6.3)
 *	token_table: 256 strings; token_index: where each starts
 *
 * Since 6.4 the offsets and the base follow the token index. The search runs backwards from the
 * token index, 256 ascending 16-bit numbers, which nothing else in a kernel looks like.
 */
#include "annotate/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define TOKENS         256
#define TOKEN_MAX      128 /* bytes of one string */
#define MARKER_STEP    256 /* symbols from one marker to the next */
#define NAME_BYTES_MAX 64  /* mean compressed length, generously */
#define SYMBOLS_MAX    (1u << 20)
#define SEQS_MAX       (3u * SYMBOLS_MAX) /* bytes */

struct section {
	const uint8_t *data;
	size_t size;
};

static uint32_t u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t u16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

/*
 * One compressed name: sets *tokens and *n, and returns where the next one starts, NULL when it
 * does not end before @end.
 */
static const uint8_t *name_at(const uint8_t *p, const uint8_t *end, const uint8_t **tokens,
                              uint32_t *n)
{
	if (p >= end)
		return NULL;
	*n = *p++;
	if (*n & 0x80) { /* two bytes of seven bits, since 6.1 */
		if (p >= end)
			return NULL;
		*n = (*n & 0x7f) | (uint32_t)*p++ << 7;
	}
	if (!*n || *n > (size_t)(end - p))
		return NULL;
	*tokens = p;
	return p + *n;
}

static const char *token(const struct kallsyms *k, uint8_t number)
{
	return (const char *)k->tokens + u16(k->token_index + 2 * number);
}

/* The symbol's text without its type, cut to the buffer. */
static void expand(const struct kallsyms *k, const uint8_t *tokens, uint32_t n,
                   char name[KALLSYMS_NAME_MAX])
{
	size_t used = 0;
	bool type = true;

	for (uint32_t i = 0; i < n; i++)
		for (const char *t = token(k, tokens[i]); *t; t++) {
			if (type)
				type = false;
			else if (used < KALLSYMS_NAME_MAX - 1)
				name[used++] = *t;
		}
	name[used] = 0;
}

/* Is there a token index at @at, with its strings before it? */
static bool find_tokens(struct kallsyms *k, const struct section *s, size_t at, size_t *table)
{
	const uint8_t *index = s->data + at;
	uint32_t last;

	if (u16(index))
		return false;
	for (int i = 1; i < TOKENS; i++) {
		uint32_t step = u16(index + 2 * i) - u16(index + 2 * i - 2);

		if (step < 1 || step > TOKEN_MAX)
			return false;
	}
	last = u16(index + 2 * (TOKENS - 1));
	for (size_t back = (last + 1 + 3) & ~3u; back <= last + TOKEN_MAX + 8 && back <= at;
	     back += 4) {
		const uint8_t *t = index - back;
		int i;

		for (i = 1; i < TOKENS && !t[u16(index + 2 * i) - 1]; i++)
			;
		if (i < TOKENS || !memchr(t + last, 0, back - last))
			continue;
		*table = at - back;
		k->tokens = t;
		k->tokens_end = index;
		k->token_index = index;
		return true;
	}
	return false;
}

/* Are the names between @start and the markers, as many as the word before them says? */
static bool check_names(struct kallsyms *k, const struct section *s, size_t start, size_t markers,
                        uint32_t nmarkers)
{
	uint32_t n = u32(s->data + start - 4), tokens_n;
	const uint8_t *p = s->data + start, *end = s->data + markers, *tokens;

	if (!n || n > SYMBOLS_MAX || (n + MARKER_STEP - 1) / MARKER_STEP > nmarkers)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (i % MARKER_STEP == 0 &&
		    p != s->data + start + u32(s->data + markers + i / MARKER_STEP * 4))
			return false;
		p = name_at(p, end, &tokens, &tokens_n);
		if (!p)
			return false;
	}
	if ((size_t)(end - p) > 3)
		return false;
	k->n = n;
	k->names = s->data + start;
	k->names_end = p;
	return true;
}

/* Names and markers end at or, by seqs_of_names, somewhat before the token table. */
static bool find_names(struct kallsyms *k, const struct section *s, size_t table, size_t *start)
{
	size_t lowest = table > SEQS_MAX ? table - SEQS_MAX : 0;

	for (size_t q = table & ~(size_t)3; q >= lowest + 12; q -= 4) {
		size_t markers = q - 4, last, window;
		uint32_t n = 1;

		if (u32(s->data + markers))
			continue;
		while (markers + 4 * n + 4 <= table) {
			uint32_t step =
			    u32(s->data + markers + 4 * n) - u32(s->data + markers + 4 * n - 4);

			if (step < 2 * MARKER_STEP || step > NAME_BYTES_MAX * MARKER_STEP)
				break;
			n++;
		}
		if (n == 1 && table - markers > 4 + 3 * MARKER_STEP + 4)
			continue;
		/* The last marker that belongs may be any up to n: the first gap decides. */
		last = u32(s->data + markers + 4 * (n - 1));
		window = (size_t)NAME_BYTES_MAX * MARKER_STEP;
		for (size_t back = (last + 3) & ~(size_t)3; back <= last + window; back += 4) {
			if (back + 4 > markers)
				break;
			if (check_names(k, s, markers - back, markers, n)) {
				*start = markers - back;
				return true;
			}
		}
	}
	return false;
}

/* Do n addresses start at @at that ascend and lie in the image, all but a few? */
static bool check_addresses(struct kallsyms *k, const struct section *s, size_t at, uint32_t base,
                            uint32_t low, uint32_t high)
{
	uint32_t before = 0, outside = 0;

	if (at > s->size || s->size - at < (size_t)k->n * 4)
		return false;
	for (uint32_t i = 0; i < k->n; i++) {
		uint32_t va = base + u32(s->data + at + 4 * (size_t)i);

		if (va < before)
			return false;
		before = va;
		if (va < low || va > high)
			outside++;
	}
	if (outside > k->n / 10)
		return false;
	k->addresses = s->data + at;
	k->base = base;
	return true;
}

static bool find_addresses(struct kallsyms *k, const struct section *s, size_t names, uint32_t low,
                           uint32_t high)
{
	size_t bytes = (size_t)k->n * 4;
	size_t behind = (size_t)(k->token_index - s->data) + 2 * TOKENS;

	if (names >= bytes + 8 &&
	    check_addresses(k, s, names - 8 - bytes, u32(s->data + names - 8), low, high))
		return true;
	if (names >= bytes + 4 && check_addresses(k, s, names - 4 - bytes, 0, low, high))
		return true;
	return behind + bytes + 4 <= s->size &&
	       check_addresses(k, s, behind, u32(s->data + behind + bytes), low, high);
}

int kallsyms_find(struct kallsyms *k, const uint8_t *data, size_t size, uint32_t low, uint32_t high)
{
	const struct section s = {data, size};

	for (size_t at = 0; at + 2 * TOKENS <= size; at += 4) {
		size_t table, names;

		if (find_tokens(k, &s, at, &table) && find_names(k, &s, table, &names) &&
		    find_addresses(k, &s, names, low, high))
			return 0;
	}
	return -ENOENT;
}

uint32_t kallsyms_address(const struct kallsyms *k, uint32_t i)
{
	return k->base + u32(k->addresses + 4 * (size_t)i);
}

/*
 * Compare without expanding more than needed: 1 the same, 2 the same with a compiler's suffix,
 * 0 different.
 */
static int compare(const struct kallsyms *k, const uint8_t *tokens, uint32_t n, const char *name)
{
	bool type = true;

	for (uint32_t i = 0; i < n; i++)
		for (const char *t = token(k, tokens[i]); *t; t++) {
			if (type) {
				type = false;
				continue;
			}
			if (*name != *t)
				return !*name && *t == '.' ? 2 : 0;
			name++;
		}
	return !*name;
}

int kallsyms_lookup(const struct kallsyms *k, const char *name, uint32_t *va)
{
	const uint8_t *p = k->names, *tokens;
	uint32_t n;
	int found = -ENOENT;

	for (uint32_t i = 0; i < k->n && p; i++) {
		p = name_at(p, k->names_end, &tokens, &n);
		if (!p)
			break;
		switch (compare(k, tokens, n, name)) {
		case 1:
			*va = kallsyms_address(k, i);
			return 0;
		case 2:
			if (found)
				*va = kallsyms_address(k, i);
			found = 0;
			break;
		}
	}
	return found;
}

/* The number of symbols at or below an address. */
static uint32_t count_up_to(const struct kallsyms *k, uint32_t va)
{
	uint32_t low = 0, high = k->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (kallsyms_address(k, middle) <= va)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t kallsyms_next(const struct kallsyms *k, uint32_t va)
{
	uint32_t i = count_up_to(k, va);

	return i < k->n ? kallsyms_address(k, i) : va;
}

int kallsyms_reverse(const struct kallsyms *k, uint32_t va, char name[KALLSYMS_NAME_MAX],
                     uint32_t *offset)
{
	const uint8_t *p = k->names, *tokens = NULL;
	uint32_t low = count_up_to(k, va), n = 0;

	if (!low)
		return -ENOENT;
	for (uint32_t i = 0; i < low; i++) {
		p = name_at(p, k->names_end, &tokens, &n);
		if (!p)
			return -ENOENT;
	}
	expand(k, tokens, n, name);
	*offset = va - kallsyms_address(k, low - 1);
	return 0;
}
