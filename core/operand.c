// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where an instruction accesses memory: needed when a program runs into the end of its segment,
 * which is a page fault on hardware (core/exit.c), and to tell whether a watched address was
 * accessed (core/debug.c). Also compiled into tests.
 */
#include "core/decoder.h"

/* One bit per opcode: has a ModRM byte (SDM volume 2, tables ). */
static const uint16_t one_byte_modrm[16] = {
    0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0, 0, 0x0a0c, 0, 0xffff, 0, 0, 0, 0x00f3, 0xff0f, 0, 0xc0c0,
};
static const uint16_t two_byte_modrm[16] = {
    0xa00f, 0xffff, 0xff0f, 0,      0xffff, 0xffff, 0xffff, 0xff7f,
    0,      0xffff, 0xf838, 0xffff, 0x00ff, 0xffff, 0xffff, 0xffff,
};

static bool in_table(const uint16_t table[16], uint8_t opcode)
{
	return table[opcode >> 4] >> (opcode & 15) & 1;
}

/* How many bytes, and which way. */
enum { READ = 1, WRITE = 2, BOTH = READ | WRITE };
struct access {
	uint16_t size; /* 0: none */
	uint8_t how;
};

static struct access access(unsigned size, unsigned how)
{
	return (struct access){.size = size, .how = how};
}

/* x87, by opcode D8..DF and reg field; environments and states in their 32-bit forms. */
static const struct access x87[8][8] = {
    {{4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}},
    {{4, 1}, {0, 0}, {4, 2}, {4, 2}, {28, 1}, {2, 1}, {28, 2}, {2, 2}},
    {{4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}, {4, 1}},
    {{4, 1}, {4, 2}, {4, 2}, {4, 2}, {0, 0}, {10, 1}, {0, 0}, {10, 2}},
    {{8, 1}, {8, 1}, {8, 1}, {8, 1}, {8, 1}, {8, 1}, {8, 1}, {8, 1}},
    {{8, 1}, {8, 2}, {8, 2}, {8, 2}, {108, 1}, {0, 0}, {108, 2}, {2, 2}},
    {{2, 1}, {2, 1}, {2, 1}, {2, 1}, {2, 1}, {2, 1}, {2, 1}, {2, 1}},
    {{2, 1}, {2, 2}, {2, 2}, {2, 2}, {10, 1}, {8, 1}, {10, 2}, {8, 2}},
};

static struct access x87_access(const struct insn *in, uint8_t opcode)
{
	struct access a = x87[opcode & 7][in->reg];

	if (in->size == 2 && a.size > 16)
		a.size -= 14;
	return a;
}

/* One-byte opcodes with a ModRM byte. */
static struct access plain_access(const struct insn *in, uint8_t opcode)
{
	unsigned size = opcode & 1 ? in->size : 1;

	switch (opcode) {
	case 0x00 ... 0x3b:
		return access(size, opcode >= 0x38 || opcode & 2 ? READ : BOTH);
	case 0x62: /* BOUND */
		return access(2 * in->size, READ);
	case 0x63: /* ARPL */
		return access(2, BOTH);
	case 0x69:
	case 0x6b:
		return access(in->size, READ);
	case 0x80 ... 0x83:
		return access(size, in->reg == 7 ? READ : BOTH);
	case 0x84 ... 0x85:
	case 0x8a ... 0x8b:
		return access(size, READ);
	case 0x86 ... 0x87:
	case 0xc0 ... 0xc1:
	case 0xd0 ... 0xd3:
	case 0xfe:
		return access(size, BOTH);
	case 0x88 ... 0x89:
	case 0xc6 ... 0xc7:
		return access(size, WRITE);
	case 0x8c:
		return access(2, WRITE);
	case 0x8e:
		return access(2, READ);
	case 0x8f:
		return access(in->size, WRITE);
	case 0xc4 ... 0xc5:
		return access(in->size + 2, READ);
	case 0xd8 ... 0xdf:
		return x87_access(in, opcode);
	case 0xf6 ... 0xf7:
		return access(size, in->reg == 2 || in->reg == 3 ? BOTH : READ);
	case 0xff:
		if (in->reg == 3 || in->reg == 5)
			return access(in->size + 2, READ);
		return access(in->size, in->reg <= 1 ? BOTH : READ);
	default:
		return access(0, 0); /* LEA */
	}
}

/* What a vector instruction's prefix says. */
struct vector {
	uint8_t prefix; /* 0, 0x66, 0xf2 or 0xf3 */
	bool vex;       /* VEX or EVEX */
	bool w;
	uint16_t length; /* bytes of a whole vector: 16, 32 or 64; without VEX 8 or 16 */
};

/* A whole vector, or one element for the scalar forms. */
static unsigned scalar_or(const struct vector *v, unsigned whole)
{
	return v->prefix == 0xf3 ? 4 : v->prefix == 0xf2 ? 8 : whole;
}

/* Vector instructions of the 0F map. */
static struct access vector_access(const struct vector *v, uint8_t opcode)
{
	unsigned sse = v->vex ? v->length : 16; /* never MMX */

	switch (opcode) {
	case 0x10:
		return access(scalar_or(v, sse), READ);
	case 0x11:
		return access(scalar_or(v, sse), WRITE);
	case 0x12:
	case 0x16:
		if (v->prefix == 0xf3 || (v->prefix == 0xf2 && sse > 16))
			return access(sse, READ);
		return access(8, READ);
	case 0x13:
	case 0x17:
	case 0xd6:
		return access(8, WRITE);
	case 0x29:
		return access(sse, WRITE);
	case 0x2b:
		return access(scalar_or(v, sse), WRITE);
	case 0x2a:
		return access(v->prefix & 0x80 ? 4 : 8, READ);
	case 0x2c ... 0x2d:
		return access(v->prefix == 0x66 ? 16 : v->prefix == 0xf3 ? 4 : 8, READ);
	case 0x2e ... 0x2f:
		return access(v->prefix ? 8 : 4, READ);
	case 0x5a:
		return access(v->prefix ? scalar_or(v, sse) : sse / 2, READ);
	case 0x51 ... 0x59:
	case 0x5c ... 0x5f:
	case 0xc2:
		return access(scalar_or(v, sse), READ);
	case 0x60 ... 0x62:
		return access(v->length == 8 ? 4 : v->length, READ);
	case 0x6e:
		return access(4, READ);
	case 0x7e:
		return v->prefix == 0xf3 ? access(8, READ) : access(4, WRITE);
	case 0x7f:
		return access(v->prefix ? sse : v->length, WRITE);
	case 0x6f:
	case 0x70:
		return access(v->prefix ? sse : v->length, READ);
	case 0xc4:
		return access(2, READ);
	case 0xd1 ... 0xd3:
	case 0xe1 ... 0xe2:
	case 0xf1 ... 0xf3: /* shifts by the low quadword of a whole register */
		return access(v->vex ? 16 : v->length, READ);
	case 0xe6:
		return access(v->prefix == 0xf3 ? sse / 2 : sse, READ);
	case 0xe7:
		return access(v->length, WRITE);
	case 0x14 ... 0x15:
	case 0x28:
	case 0x5b:
	case 0x7c ... 0x7d:
	case 0xc6:
	case 0xd0:
	case 0xf0:
		return access(sse, READ);
	default:
		return access(v->length, READ);
	}
}

/* XSAVE and its kin store as much as their mask says: at least the legacy region and header. */
#define XSAVE_SIZE 576

/* The 0F map. */
static struct access two_byte_access(const struct insn *in, const struct vector *v, uint8_t opcode)
{
	static const struct access group15[8] = {
	    {512, WRITE},        {512, READ},        {4, READ},           {4, WRITE},
	    {XSAVE_SIZE, WRITE}, {XSAVE_SIZE, READ}, {XSAVE_SIZE, WRITE}, {1, READ}};
	unsigned size = opcode & 1 ? in->size : 1;

	switch (opcode) {
	case 0x00:
		return access(2, in->reg <= 1 ? WRITE : READ);
	case 0x01:
		if (in->reg == 4 || in->reg == 6)
			return access(2, in->reg == 4 ? WRITE : READ);
		return in->reg <= 3 ? access(6, in->reg <= 1 ? WRITE : READ) : access(0, 0);
	case 0x02 ... 0x03:
		return access(2, READ);
	case 0x0d:
	case 0x18 ... 0x1f: /* prefetches and NOPs */
	case 0xb9:
	case 0xff: /* UD1, UD0 */
		return access(0, 0);
	case 0x40 ... 0x4f:
	case 0xaf:
	case 0xb8:
	case 0xbc ... 0xbd:
		return access(in->size, READ);
	case 0x90 ... 0x9f:
		return access(1, WRITE);
	case 0xa3:
		return access(in->size, READ);
	case 0xba:
		return access(in->size, in->reg == 4 ? READ : BOTH);
	case 0xa4 ... 0xa5:
	case 0xab ... 0xad:
	case 0xb3:
	case 0xbb:
		return access(in->size, BOTH);
	case 0xae:
		if (v->prefix == 0x66 && in->reg == 6) /* CLWB */
			return access(1, READ);
		if (v->prefix == 0xf3) /* PTWRITE */
			return access(4, READ);
		return group15[in->reg];
	case 0xb0 ... 0xb1:
	case 0xc0 ... 0xc1:
		return access(size, BOTH);
	case 0xb2:
	case 0xb4 ... 0xb5:
		return access(in->size + 2, READ);
	case 0xb6:
	case 0xbe:
		return access(1, READ);
	case 0xb7:
	case 0xbf:
		return access(2, READ);
	case 0xc3:
		return access(4, WRITE);
	case 0xc7:
		return in->reg == 1 ? access(8, BOTH)
		                    : access(XSAVE_SIZE, in->reg == 3 ? READ : WRITE);
	default:
		return vector_access(v, opcode);
	}
}

/* PMOVSX, PMOVZX: the fraction of the register that comes from memory. */
static unsigned extension_size(unsigned length, uint8_t opcode)
{
	static const uint8_t shift[6] = {1, 2, 3, 1, 2, 1};

	return length >> shift[opcode & 7];
}

/* The 0F 38 map. */
static struct access map38_access(const struct insn *in, const struct vector *v, uint8_t opcode)
{
	unsigned sse = v->vex ? v->length : 16;

	switch (opcode) {
	case 0x00 ... 0x0b:
	case 0x1c ... 0x1e:
		return access(v->length, READ);
	case 0x13:
		return access(v->vex ? sse / 2 : sse, READ);
	case 0x18:
	case 0x58:
		return access(4, READ);
	case 0x19:
	case 0x59:
		return access(8, READ);
	case 0x1a:
	case 0x5a:
		return access(16, READ);
	case 0x78:
		return access(1, READ);
	case 0x79:
		return access(2, READ);
	case 0x20 ... 0x25:
	case 0x30 ... 0x35:
		return access(extension_size(sse, opcode), READ);
	case 0x2e ... 0x2f:
	case 0x8e:
		return access(sse, WRITE);
	case 0x90 ... 0x93: /* gathers: the addresses are in a vector */
		return access(0, 0);
	case 0x99:
	case 0x9b:
	case 0x9d:
	case 0x9f:
	case 0xa9:
	case 0xab:
	case 0xad:
	case 0xaf:
	case 0xb9:
	case 0xbb:
	case 0xbd:
	case 0xbf:
		return access(v->w ? 8 : 4, READ);
	case 0xf0 ... 0xf1:
		if (v->prefix == 0xf2) /* CRC32 */
			return access(opcode & 1 ? in->size : 1, READ);
		return access(in->size, opcode & 1 ? WRITE : READ); /* MOVBE */
	case 0xf2 ... 0xf7:
		return access(4, READ);
	case 0xf8: /* MOVDIR64B, ENQCMD */
		return access(64, READ);
	case 0xf9: /* MOVDIRI */
		return access(4, WRITE);
	default:
		return access(sse, READ);
	}
}

/* The 0F 3A map. */
static struct access map3a_access(const struct vector *v, uint8_t opcode)
{
	unsigned sse = v->vex ? v->length : 16;

	switch (opcode) {
	case 0x0a:
	case 0x21:
	case 0x22:
		return access(4, READ);
	case 0x0b:
		return access(8, READ);
	case 0x0f:
		return access(v->length, READ);
	case 0x14:
		return access(1, WRITE);
	case 0x15:
		return access(2, WRITE);
	case 0x16 ... 0x17:
		return access(4, WRITE);
	case 0x18:
	case 0x38:
		return access(16, READ);
	case 0x19:
	case 0x39:
		return access(16, WRITE);
	case 0x1a:
	case 0x3a:
		return access(32, READ);
	case 0x1b:
	case 0x3b:
		return access(32, WRITE);
	case 0x1d:
		return access(sse / 2, WRITE);
	case 0x20:
		return access(1, READ);
	case 0xf0:
		return access(4, READ); /* RORX */
	default:
		return access(sse, READ);
	}
}

static struct operand implicit_operand(const struct insn *in, uint8_t base, uint8_t segment,
                                       struct access a)
{
	struct operand o = {
	    .address = *in, .size = a.size, .read = a.how & READ, .write = a.how & WRITE};

	o.address.base = base;
	o.address.index = NO_REGISTER;
	o.address.segment = segment;
	return o;
}

static uint8_t data_segment(const struct insn *in)
{
	return in->segment == NO_REGISTER ? SEG_DS : in->segment;
}

/* MOVS, CMPS, STOS, LODS, SCAS, XLAT. */
static unsigned strings(const struct insn *in, uint8_t opcode, struct operand *o)
{
	unsigned size = opcode & 1 ? in->size : 1, n = 0;

	if (opcode == 0xd7) {
		o[0] = implicit_operand(in, R_EBX, data_segment(in), access(1, READ));
		o[0].adjust = ADJUST_AL;
		return 1;
	}
	if (opcode <= 0xa7 || opcode == 0xac || opcode == 0xad)
		o[n++] = implicit_operand(in, R_ESI, data_segment(in), access(size, READ));
	if (opcode <= 0xab || opcode >= 0xae)
		o[n++] = implicit_operand(
		    in, R_EDI, SEG_ES,
		    access(size, opcode >= 0xae || (opcode & 0xfe) == 0xa6 ? READ : WRITE));
	return n;
}

static struct operand push_of(const struct insn *in, unsigned size)
{
	struct operand o = implicit_operand(in, R_ESP, SEG_SS, access(size, WRITE));

	o.address.disp = -size;
	o.stack = true;
	return o;
}

/* @n registers are pushed, one after the other. */
static struct operand pushes_of(const struct insn *in, unsigned n)
{
	struct operand o = push_of(in, n * in->size);

	o.down = in->size;
	return o;
}

static struct operand pop_of(const struct insn *in, uint8_t base, unsigned size)
{
	struct operand o = implicit_operand(in, base, SEG_SS, access(size, READ));

	o.address.disp = 0;
	o.stack = true;
	return o;
}

/* PUSH, CALL, ENTER write below ESP, POP, RET, LEAVE read at it. */
static unsigned stack(const struct insn *in, uint8_t opcode, struct operand *o)
{
	switch (opcode) {
	case 0x60:
		o[0] = pushes_of(in, 8);
		return 1;
	case 0x61:
		o[0] = pop_of(in, R_ESP, 8 * in->size);
		return 1;
	case 0x9a:
		o[0] = pushes_of(in, 2);
		return 1;
	case 0xca ... 0xcb:
		o[0] = pop_of(in, R_ESP, 2 * in->size);
		return 1;
	case 0xcf:
		o[0] = pop_of(in, R_ESP, 3 * in->size);
		return 1;
	case 0xc9:
		o[0] = pop_of(in, R_EBP, in->size);
		return 1;
	case 0x07:
	case 0x17:
	case 0x1f:
	case 0x58 ... 0x5f:
	case 0x9d:
	case 0xc2 ... 0xc3:
		o[0] = pop_of(in, R_ESP, in->size);
		return 1;
	default:
		o[0] = push_of(in, in->size);
		return 1;
	}
}

/* The operand that ModRM names; returns how many there are. */
static unsigned modrm_operand(const struct insn *in, struct access a, struct operand *o)
{
	if (!in->memory || !a.size)
		return 0;
	*o = (struct operand){
	    .address = *in, .size = a.size, .read = a.how & READ, .write = a.how & WRITE};
	return 1;
}

static unsigned one_byte(struct cursor *c, struct insn *in, struct operand *o, uint8_t opcode)
{
	unsigned n;

	decoder_modrm(c, in);
	n = modrm_operand(in, plain_access(in, opcode), o);
	if (opcode == 0x63 && n) { /* ARPL reads, and writes when there is something to adjust */
		o[n] = o[0];
		o[0].write = o[n++].read = false;
	}
	if (opcode == 0x8f) { /* POP: ESP counts as already incremented */
		if (n && in->base == R_ESP)
			o[0].address.disp += in->size;
		o[n++] = pop_of(in, R_ESP, in->size);
	}
	if (opcode == 0xff && (in->reg == 2 || in->reg == 3 || in->reg == 6))
		o[n++] = in->reg == 3 ? pushes_of(in, 2) : push_of(in, in->size);
	return n;
}

static unsigned two_byte(struct cursor *c, struct insn *in, struct operand *o)
{
	uint8_t opcode = decoder_byte(c), map = 0;
	struct vector v = {.prefix = in->rep ? in->rep : c->osize ? 0x66 : 0};
	unsigned n;

	v.length = v.prefix == 0x66 || c->osize ? 16 : 8;
	if (opcode == 0x38 || opcode == 0x3a) {
		map = opcode;
		opcode = decoder_byte(c);
	} else if ((opcode & 0xf6) == 0xa0) { /* PUSH, POP of FS and GS */
		return stack(in, opcode & 1 ? 0x07 : 0x06, o);
	} else if (!in_table(two_byte_modrm, opcode)) {
		return 0;
	}
	decoder_modrm(c, in);
	n = modrm_operand(in,
	                  map == 0x38   ? map38_access(in, &v, opcode)
	                  : map == 0x3a ? map3a_access(&v, opcode)
	                                : two_byte_access(in, &v, opcode),
	                  o);
	if (n && !map && (opcode == 0xa3 || opcode == 0xab || opcode == 0xb3 || opcode == 0xbb))
		o[0].adjust = ADJUST_BIT;
	return n;
}

/* VEX and EVEX prefixes are LES, LDS and BOUND with a register operand in 32-bit code. */
static bool is_vex(const struct cursor *c, uint8_t opcode)
{
	return (opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62) && c->at < c->available &&
	       c->bytes[c->at] >= 0xc0;
}

static unsigned vex(struct cursor *c, struct insn *in, struct operand *o, uint8_t opcode)
{
	static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};
	uint8_t p0 = decoder_byte(c), p1 = p0, p2 = 0, map = 1, second;
	struct vector v = {.vex = true};
	bool broadcast = false, short_displacement;
	struct access a;
	unsigned n;

	if (opcode != 0xc5) {
		p1 = decoder_byte(c);
		map = p0 & (opcode == 0xc4 ? 0x1f : 7);
		v.w = p1 & 0x80;
	}
	v.prefix = prefixes[p1 & 3];
	v.length = 16 << (p1 >> 2 & 1);
	if (opcode == 0x62) {
		p2 = decoder_byte(c);
		v.length = 16 << (p2 >> 5 & 3);
		broadcast = p2 & 0x10;
	}
	second = decoder_byte(c);
	short_displacement = c->at < c->available && c->bytes[c->at] >> 6 == 1;
	decoder_modrm(c, in);
	if (map == 1 && opcode != 0x62 && second >= 0x90 && second <= 0x91) /* KMOV */
		a = access(v.prefix == 0x66 ? (v.w ? 4 : 1)
		           : v.w            ? 8
		                            : 2,
		           second & 1 ? WRITE : READ);
	else if (map == 1 && second == 0xae)
		a = two_byte_access(in, &v, second);
	else if (map == 1)
		a = vector_access(&v, second);
	else
		a = map == 2 ? map38_access(in, &v, second) : map3a_access(&v, second);
	if (broadcast)
		a.size = v.w ? 8 : 4;
	n = modrm_operand(in, a, o);
	/* EVEX counts a displacement of 8 bits in units of the operand (SDM volume 2, 2.7.5). */
	if (n && opcode == 0x62 && short_displacement)
		o[0].address.disp *= a.size;
	return n;
}

unsigned decode_operands(const uint8_t *bytes, unsigned available, bool code16,
                         struct operand operands[MAX_OPERANDS])
{
	struct cursor c = {.bytes = bytes, .available = available, .code16 = code16};
	struct insn in;
	uint8_t opcode;
	unsigned n = 0;

	decoder_start(&c, &in);
	if (!decoder_prefixes(&c, &in, &opcode))
		return 0;
	if (is_vex(&c, opcode)) {
		n = vex(&c, &in, operands, opcode);
	} else if (opcode == 0x0f) {
		n = two_byte(&c, &in, operands);
	} else if (in_table(one_byte_modrm, opcode)) {
		n = one_byte(&c, &in, operands, opcode);
	} else {
		switch (opcode) {
		case 0xa0 ... 0xa3:
			in.disp = decoder_word(&c, in.addr16 ? 2 : 4);
			operands[0] = implicit_operand(
			    &in, NO_REGISTER, data_segment(&in),
			    access(opcode & 1 ? in.size : 1, opcode > 0xa1 ? WRITE : READ));
			n = 1;
			break;
		case 0xa4 ... 0xa7:
		case 0xaa ... 0xaf:
		case 0xd7:
			n = strings(&in, opcode, operands);
			break;
		case 0x06 ... 0x07:
		case 0x0e:
		case 0x16 ... 0x17:
		case 0x1e ... 0x1f:
		case 0x50 ... 0x61:
		case 0x68:
		case 0x6a:
		case 0x9a:
		case 0x9c ... 0x9d:
		case 0xc2 ... 0xc3:
		case 0xc8 ... 0xcb:
		case 0xcf:
		case 0xe8:
			n = stack(&in, opcode, operands);
			break;
		}
	}
	return c.overrun ? 0 : n;
}
