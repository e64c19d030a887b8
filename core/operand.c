// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where an instruction of a program accesses memory: needed when it runs into the end of its
 * segment, which is a page fault on hardware (core/exit.c). Also compiled into tests.
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

/* Does a one-byte opcode with ModRM write its memory operand? @reg: the reg field. */
static bool writes(uint8_t opcode, uint8_t reg)
{
	switch (opcode) {
	case 0x00 ... 0x3b:
		return !(opcode & 2) && opcode < 0x38;
	case 0x80 ... 0x83:
		return reg != 7; /* CMP */
	case 0x86 ... 0x89:
	case 0x8f:
	case 0xc0 ... 0xc1:
	case 0xc6 ... 0xc7:
	case 0xd0 ... 0xd3:
		return true;
	case 0xf6 ... 0xf7:
		return reg == 2 || reg == 3;
	case 0xfe ... 0xff:
		return reg <= 1;
	default:
		return false;
	}
}

/* The same for the 0F map: vector stores, bit operations, exchanges. */
static bool writes_0f(uint8_t opcode)
{
	switch (opcode) {
	case 0x11:
	case 0x13:
	case 0x17:
	case 0x29:
	case 0x2b:
	case 0x7e ... 0x7f:
	case 0x90 ... 0x9f:
	case 0xa4 ... 0xa5:
	case 0xab ... 0xad:
	case 0xb0 ... 0xb1:
	case 0xb3:
	case 0xbb:
	case 0xc0 ... 0xc1:
	case 0xc3:
	case 0xc7:
	case 0xd6:
	case 0xe7:
		return true;
	default:
		return false;
	}
}

static struct operand register_operand(const struct insn *in, uint8_t base, uint8_t segment,
                                       bool write)
{
	struct operand o = {.address = *in, .write = write};

	o.address.base = base;
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
	unsigned n = 0;

	if (opcode == 0xd7) {
		o[0] = register_operand(in, R_EBX, data_segment(in), false);
		return 1;
	}
	if (opcode <= 0xa7 || opcode >= 0xac)
		if (opcode < 0xae)
			o[n++] = register_operand(in, R_ESI, data_segment(in), false);
	if (opcode <= 0xab || opcode >= 0xae)
		o[n++] = register_operand(in, R_EDI, SEG_ES,
		                          opcode <= 0xa5 || (opcode >= 0xaa && opcode <= 0xab));
	return n;
}

/* PUSH, CALL, ENTER write below ESP, POP, RET, LEAVE read at it. */
static unsigned stack(const struct insn *in, uint8_t opcode, struct operand *o)
{
	bool write = opcode < 0x58 || opcode == 0x60 || opcode == 0x68 || opcode == 0x6a ||
	             opcode == 0x9c || opcode == 0xc8 || opcode == 0xe8;

	o[0] = register_operand(in, opcode == 0xc9 ? R_EBP : R_ESP, SEG_SS, write);
	if (write)
		o[0].address.disp = opcode == 0x60 ? (uint32_t)-32 : (uint32_t)-4;
	return 1;
}

static unsigned with_operand(struct cursor *c, struct insn *in, struct operand *o, bool two_byte,
                             uint8_t opcode)
{
	decoder_modrm(c, in);
	if (!in->memory)
		return 0;
	o[0] = (struct operand){.address = *in,
	                        .write = two_byte ? writes_0f(opcode) : writes(opcode, in->reg)};
	return 1;
}

static unsigned two_byte(struct cursor *c, struct insn *in, struct operand *o)
{
	uint8_t opcode = decoder_byte(c);

	if (opcode == 0x38 || opcode == 0x3a) {
		decoder_byte(c);
		return with_operand(c, in, o, true, 0);
	}
	return in_table(two_byte_modrm, opcode) ? with_operand(c, in, o, true, opcode) : 0;
}

/* VEX and EVEX prefixes are LES, LDS and BOUND with a register operand in 32-bit code. */
static bool is_vex(const struct cursor *c, uint8_t opcode)
{
	return (opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62) && c->at < c->available &&
	       c->bytes[c->at] >= 0xc0;
}

static unsigned vex(struct cursor *c, struct insn *in, struct operand *o, uint8_t opcode)
{
	unsigned more = opcode == 0xc5 ? 1 : opcode == 0xc4 ? 2 : 3;
	uint8_t second;

	while (more--)
		decoder_byte(c);
	second = decoder_byte(c);
	return with_operand(c, in, o, true, second);
}

unsigned decode_operands(const uint8_t *bytes, unsigned available,
                         struct operand operands[MAX_OPERANDS])
{
	struct cursor c = {.bytes = bytes, .available = available};
	struct insn in = {.size = 4,
	                  .base = NO_REGISTER,
	                  .index = NO_REGISTER,
	                  .scale = 1,
	                  .segment = NO_REGISTER};
	uint8_t opcode;
	unsigned n = 0;

	if (!decoder_prefixes(&c, &in, &opcode))
		return 0;
	if (is_vex(&c, opcode)) {
		n = vex(&c, &in, operands, opcode);
	} else if (opcode == 0x0f) {
		n = two_byte(&c, &in, operands);
	} else if (in_table(one_byte_modrm, opcode)) {
		n = with_operand(&c, &in, operands, false, opcode);
	} else {
		switch (opcode) {
		case 0xa0 ... 0xa3:
			in.disp = decoder_word(&c, in.addr16 ? 2 : 4);
			operands[0] =
			    register_operand(&in, NO_REGISTER, data_segment(&in), opcode > 0xa1);
			n = 1;
			break;
		case 0xa4 ... 0xa7:
		case 0xaa ... 0xaf:
		case 0xd7:
			n = strings(&in, opcode, operands);
			break;
		case 0x50 ... 0x61:
		case 0x68:
		case 0x6a:
		case 0x9c ... 0x9d:
		case 0xc2 ... 0xc3:
		case 0xc8 ... 0xc9:
		case 0xe8:
			n = stack(&in, opcode, operands);
			break;
		}
	}
	return c.overrun ? 0 : n;
}
