// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/strings.h"

#include "core/decoder.h"
#include "core/emulate.h"
#include "core/paging.h"
#include "core/segment.h"

/* INVLPGs to look back to. A task has few slots at a time, and uses the same ones again. */
#define LATELY 8u

/* How far ahead the string instruction may be: compilers do the first and last element before. */
#define PASSAGE_BYTES 64u

/* Of one string instruction; the rest of a longer one is executed as usual. */
#define STRING_BYTES (2 * PAGE_SIZE)

#define FLAGS 0x8d5u /* OF, SF, ZF, AF, PF, CF */

enum form { OTHER, STRING, LOAD, STORE, STORE_IMMEDIATE, ADDRESS, ARITHMETIC, SHIFT_RIGHT };

/* ARITHMETIC, as the reg field of opcode 0x81 numbers it. */
enum { ADD = 0, OR = 1, AND = 4, SUB = 5, XOR = 6 };

struct step {
	enum form form;
	struct insn in;
	uint8_t opcode, operation, target, source; /* registers; source: or in.imm */
};

static bool invalidated_lately(uint32_t page)
{
	for (uint32_t i = 1; i <= LATELY; i++)
		if ((M->inval_va[(M->inval_head - i) % INVALIDATION_LOG] & ~0xfffu) == page)
			return true;
	return false;
}

static uint32_t page_rest(uint32_t va)
{
	return PAGE_SIZE - (va & (PAGE_SIZE - 1));
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* ---- decoding ---- */

static enum form arithmetic(struct step *s, uint8_t operation, uint8_t target, uint8_t source)
{
	s->operation = operation;
	s->target = target;
	s->source = source;
	return s->in.memory ? OTHER : ARITHMETIC;
}

static enum form with_immediate(struct cursor *c, struct step *s, unsigned size)
{
	uint32_t imm;

	decoder_modrm(c, &s->in);
	imm = decoder_word(c, size);
	s->in.imm = size == 1 ? (uint32_t)(int8_t)imm : imm;
	switch (s->opcode) {
	case 0xc7:
		return s->in.reg ? OTHER : STORE_IMMEDIATE;
	case 0xc1:
		return s->in.reg == 5 && !s->in.memory ? SHIFT_RIGHT : OTHER;
	default:
		switch (s->in.reg) {
		case ADD:
		case OR:
		case AND:
		case SUB:
		case XOR:
			return arithmetic(s, s->in.reg, s->in.rm, NO_REGISTER);
		}
		return OTHER;
	}
}

static enum form form_of(struct cursor *c, struct step *s)
{
	switch (s->opcode) {
	case 0xa4: /* MOVS */
	case 0xa5:
	case 0xaa: /* STOS */
	case 0xab:
		return s->in.rep == 0xf3 ? STRING : OTHER;
	}
	if (s->in.rep)
		return OTHER;
	switch (s->opcode) {
	case 0x01:
	case 0x21:
	case 0x29:
	case 0x31:
		decoder_modrm(c, &s->in);
		return arithmetic(s, s->opcode >> 3, s->in.rm, s->in.reg);
	case 0x03:
	case 0x23:
	case 0x2b:
	case 0x33:
		decoder_modrm(c, &s->in);
		return arithmetic(s, s->opcode >> 3, s->in.reg, s->in.rm);
	case 0x81:
	case 0xc7:
		return with_immediate(c, s, 4);
	case 0x83:
	case 0xc1:
		return with_immediate(c, s, 1);
	case 0x89:
		decoder_modrm(c, &s->in);
		return STORE;
	case 0x8b:
		decoder_modrm(c, &s->in);
		return LOAD;
	case 0x8d:
		decoder_modrm(c, &s->in);
		return s->in.memory ? ADDRESS : OTHER;
	}
	return OTHER;
}

/* One instruction of a passage: 32-bit operands and addresses, no prefix but REP. */
static void decode_step(const uint8_t *bytes, unsigned available, struct step *s)
{
	struct cursor c = {.bytes = bytes, .available = available};

	s->form = OTHER;
	decoder_start(&c, &s->in);
	if (!decoder_prefixes(&c, &s->in, &s->opcode) || c.at > (s->in.rep ? 2u : 1u))
		return;
	s->form = form_of(&c, s);
	s->in.length = (uint8_t)c.at;
	if (c.overrun)
		s->form = OTHER;
}

/* ---- execution ---- */

/* The bytes at @va up to the end of the page; NULL where only the instruction itself can fault. */
static uint8_t *operand(uint32_t va, uint32_t n, bool write)
{
	struct translation t;
	struct exception x;

	if (va >= HOLE_BASE || n > page_rest(va) || !walk(va, write, false, &t, &x))
		return NULL;
	return physical(t.pa, n);
}

static bool load(const struct insn *in, uint32_t *value)
{
	const uint8_t *p;

	if (!in->memory) {
		*value = V->gpr[in->rm];
		return true;
	}
	p = operand(effective_address(in), 4, false);
	if (p)
		__builtin_memcpy(value, p, 4);
	return p;
}

static bool store(const struct insn *in, uint32_t value)
{
	uint8_t *p;

	if (!in->memory) {
		V->gpr[in->rm] = value;
		return true;
	}
	p = operand(effective_address(in), 4, true);
	if (p)
		__builtin_memcpy(p, &value, 4);
	return p;
}

static void set_flags(uint64_t flags)
{
	V->eflags = (V->eflags & ~FLAGS) | (flags & FLAGS);
}

#define WITH_FLAGS(instruction, a, b)                                                              \
	do {                                                                                       \
		uint64_t flags;                                                                    \
		__asm__(instruction "\n\tpushfq\n\tpopq %1"                                        \
		        : "+r"(a), "=r"(flags)                                                     \
		        : "r"(b)                                                                   \
		        : "cc", "memory");                                                         \
		set_flags(flags);                                                                  \
	} while (0)

static void calculate(const struct step *s)
{
	uint32_t a = V->gpr[s->target],
	         b = s->source == NO_REGISTER ? s->in.imm : V->gpr[s->source];

	switch (s->operation) {
	case ADD:
		WITH_FLAGS("addl %2, %0", a, b);
		break;
	case OR:
		WITH_FLAGS("orl %2, %0", a, b);
		break;
	case AND:
		WITH_FLAGS("andl %2, %0", a, b);
		break;
	case SUB:
		WITH_FLAGS("subl %2, %0", a, b);
		break;
	case XOR:
		WITH_FLAGS("xorl %2, %0", a, b);
		break;
	}
	V->gpr[s->target] = a;
}

static void shift_right(const struct step *s)
{
	uint32_t a = V->gpr[s->in.rm];
	uint64_t flags;
	unsigned n = s->in.imm & 31;

	if (!n) /* leaves the flags alone */
		return;
	__asm__("shrl %%cl, %0\n\tpushfq\n\tpopq %1"
	        : "+r"(a), "=r"(flags)
	        : "c"(n)
	        : "cc", "memory");
	set_flags(flags);
	V->gpr[s->in.rm] = a;
}

/* Elements copied one by one differ from bytes copied in whatever order if they overlap. */
static bool copy(uint8_t *to, const uint8_t *from, uint32_t n)
{
	if (to < from + n && from < to + n)
		return false;
	__builtin_memcpy(to, from, n);
	return true;
}

static bool fill(uint8_t *to, uint32_t n, uint32_t value, unsigned size)
{
	if (size == 1 || value == (value & 0xff) * 0x01010101u)
		__builtin_memset(to, (int)value, n);
	else if ((uintptr_t)to % 4)
		return false;
	else
		for (uint32_t i = 0; i < n; i += 4)
			__builtin_memcpy(to + i, &value, 4);
	return true;
}

/*
 * REP MOVS or REP STOS, piece by piece, none reaching over a page's end. What cannot be done here
 * is left to do, such as an element that lies in two pages.
 */
static bool execute_string(const struct step *s)
{
	unsigned size = s->opcode & 1 ? 4 : 1;
	bool moves = s->opcode < 0xaa;
	uint32_t to = V->gpr[R_EDI], from = V->gpr[R_ESI], done = 0, piece;
	uint32_t n = least(V->gpr[R_ECX], STRING_BYTES / size) * size;

	for (; done < n; done += piece) {
		const uint8_t *source = NULL;
		uint8_t *target;

		piece = least(n - done, page_rest(to + done));
		if (moves)
			piece = least(piece, page_rest(from + done));
		piece -= piece % size;
		/* In this order: where the source faults the target does not get dirty. */
		if (moves && piece)
			source = operand(from + done, piece, false);
		if (!piece || (moves && !source))
			break;
		target = operand(to + done, piece, true);
		if (!target || !(moves ? copy(target, source, piece)
		                       : fill(target, piece, V->gpr[R_EAX], size)))
			break;
	}
	V->gpr[R_EDI] += done;
	if (moves)
		V->gpr[R_ESI] += done;
	V->gpr[R_ECX] -= done / size;
	if (V->gpr[R_ECX])
		return done;
	V->eip += s->in.length;
	return true;
}

static bool execute(const struct step *s)
{
	uint32_t value;

	switch (s->form) {
	case STRING:
		return execute_string(s);
	case LOAD:
		if (!load(&s->in, &value))
			return false;
		V->gpr[s->in.reg] = value;
		break;
	case STORE:
		if (!store(&s->in, V->gpr[s->in.reg]))
			return false;
		break;
	case STORE_IMMEDIATE:
		if (!store(&s->in, s->in.imm))
			return false;
		break;
	case ADDRESS:
		V->gpr[s->in.reg] = operand_offset(&(struct operand){.address = s->in});
		break;
	case ARITHMETIC:
		calculate(s);
		break;
	case SHIFT_RIGHT:
		shift_right(s);
		break;
	case OTHER:
		return false;
	}
	V->eip += s->in.length;
	return true;
}

/* ---- a passage ---- */

static bool is_flat(enum seg seg)
{
	return !segment_base(seg) && segment_allows(seg, HOLE_BASE - 1, 1) && segment_is_big(seg);
}

static bool all_flat(void)
{
	return is_flat(SEG_CS) && is_flat(SEG_SS) && is_flat(SEG_DS) && is_flat(SEG_ES);
}

/* Does straight code of the known forms lead to a string instruction? */
static bool leads_to_string(const uint8_t *bytes, unsigned available)
{
	struct step s = {.form = LOAD};

	for (unsigned at = 0; s.form != STRING; at += s.in.length) {
		decode_step(bytes + at, available - at, &s);
		if (s.form == OTHER)
			return false;
	}
	return true;
}

bool string_access(uint32_t va)
{
	uint32_t page = va & ~0xfffu, start = V->eip;
	unsigned available = least(PASSAGE_BYTES, page_rest(start));
	uint8_t bytes[PASSAGE_BYTES];
	bool begun = false;
	struct step s;

	if (!fast(FAST_STRINGS) || !paging_on() || M->debug.active || M->string_page == page ||
	    !invalidated_lately(page))
		return false;
	if (V->eflags & (EFLAGS_TF | EFLAGS_DF) || start < M->user_top || start >= HOLE_BASE ||
	    !all_flat())
		return false;
	if (!guest_peek(start, bytes, available) || !leads_to_string(bytes, available))
		return false;
	for (s.form = LOAD; s.form != STRING; begun = true) {
		decode_step(bytes + (V->eip - start), available - (V->eip - start), &s);
		if (!execute(&s))
			break;
	}
	if (!begun)
		return false;
	M->string_page = page;
	COUNT(map_spared);
	return true;
}

void string_forget(uint32_t va)
{
	if (M->string_page == (va & ~0xfffu))
		M->string_page = 0;
}
