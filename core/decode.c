// SPDX-License-Identifier: GPL-2.0-or-later
/* Decoder for the instructions of core/insn.h. Also compiled into main and into tests. */
#include "core/decoder.h"

uint8_t decoder_byte(struct cursor *c)
{
	if (c->at >= c->available || c->at >= 15) {
		c->overrun = true;
		return 0;
	}
	return c->bytes[c->at++];
}

uint32_t decoder_word(struct cursor *c, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint32_t)decoder_byte(c) << (8 * i);
	return v;
}

static uint32_t sign8(uint8_t v)
{
	return (uint32_t)(int32_t)(int8_t)v;
}

/* 16-bit addressing, SDM volume 2, table 2-1. */
static void modrm16(struct cursor *c, struct insn *in, uint8_t mod, uint8_t rm, bool *stack)
{
	static const uint8_t base[8] = {R_EBX, R_EBX, R_EBP, R_EBP, R_ESI, R_EDI, R_EBP, R_EBX};
	static const uint8_t index[8] = {R_ESI,       R_EDI,       R_ESI,       R_EDI,
	                                 NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER};

	if (mod == 0 && rm == 6) {
		in->disp = decoder_word(c, 2);
		return;
	}
	in->base = base[rm];
	in->index = index[rm];
	in->scale = 1;
	*stack = in->base == R_EBP;
	if (mod == 1)
		in->disp = sign8(decoder_byte(c));
	else if (mod == 2)
		in->disp = decoder_word(c, 2);
}

/* 32-bit addressing with SIB, SDM volume 2, tables 2-2 and 2-3. */
static void modrm32(struct cursor *c, struct insn *in, uint8_t mod, uint8_t rm, bool *stack)
{
	if (rm == 4) {
		uint8_t sib = decoder_byte(c);

		in->scale = 1 << (sib >> 6);
		in->index = (sib >> 3) & 7;
		if (in->index == R_ESP)
			in->index = NO_REGISTER;
		in->base = sib & 7;
		if (in->base == R_EBP && mod == 0) {
			in->base = NO_REGISTER;
			in->disp = decoder_word(c, 4);
		}
	} else if (rm == R_EBP && mod == 0) {
		in->disp = decoder_word(c, 4);
	} else {
		in->base = rm;
	}
	*stack = in->base == R_ESP || in->base == R_EBP;
	if (mod == 1)
		in->disp = sign8(decoder_byte(c));
	else if (mod == 2)
		in->disp = decoder_word(c, 4);
}

void decoder_modrm(struct cursor *c, struct insn *in)
{
	uint8_t b = decoder_byte(c), mod = b >> 6, rm = b & 7;
	bool stack = false;

	in->reg = (b >> 3) & 7;
	if (mod == 3) {
		in->rm = rm;
		return;
	}
	in->memory = true;
	if (in->addr16)
		modrm16(c, in, mod, rm, &stack);
	else
		modrm32(c, in, mod, rm, &stack);
	if (in->segment == NO_REGISTER)
		in->segment = stack ? SEG_SS : SEG_DS;
}

/* 0F 00: SLDT STR LLDT LTR VERR VERW. */
static enum op group6(struct cursor *c, struct insn *in)
{
	static const uint8_t op[8] = {OP_SLDT, OP_STR,  OP_LLDT, OP_LTR,
	                              OP_VERR, OP_VERW, OP_NONE, OP_NONE};

	decoder_modrm(c, in);
	if (in->memory || in->reg > 1)
		in->size = 2;
	return op[in->reg];
}

/* 0F 01: SGDT SIDT LGDT LIDT SMSW LMSW INVLPG, and the register forms. */
static enum op group7(struct cursor *c, struct insn *in)
{
	static const uint8_t mem[8] = {OP_SGDT, OP_SIDT, OP_LGDT, OP_LIDT,
	                               OP_SMSW, OP_NONE, OP_LMSW, OP_INVLPG};

	decoder_modrm(c, in);
	if (in->memory) {
		if (in->reg == 4 || in->reg == 6)
			in->size = 2;
		return mem[in->reg];
	}
	if (in->reg == 4)
		return OP_SMSW;
	if (in->reg == 6) {
		in->size = 2;
		return OP_LMSW;
	}
	switch (in->reg << 3 | in->rm) {
	case 1 << 3 | 2:
		return OP_CLAC;
	case 1 << 3 | 3:
		return OP_STAC;
	case 2 << 3 | 1:
		return OP_XSETBV;
	default:
		return OP_NONE;
	}
}

static enum op segment_register(struct insn *in, enum op op)
{
	return in->reg < SEG_COUNT ? op : OP_NONE;
}

static enum op push_pop_segment(struct insn *in, uint8_t reg, enum op op)
{
	in->reg = reg;
	return op;
}

static enum op far_load(struct cursor *c, struct insn *in, uint8_t segment)
{
	decoder_modrm(c, in);
	in->rm = segment;
	return in->memory ? OP_LOAD_FAR : OP_NONE;
}

static enum op with_modrm(struct cursor *c, struct insn *in, enum op op)
{
	decoder_modrm(c, in);
	return op;
}

static enum op two_byte(struct cursor *c, struct insn *in)
{
	uint8_t b = decoder_byte(c);

	switch (b) {
	case 0x00:
		return group6(c, in);
	case 0x01:
		return group7(c, in);
	case 0x02:
		return with_modrm(c, in, OP_LAR);
	case 0x03:
		return with_modrm(c, in, OP_LSL);
	case 0x06:
		return OP_CLTS;
	case 0x08:
		return OP_INVD;
	case 0x09:
		return OP_WBINVD;
	case 0x20:
	case 0x21:
	case 0x22:
	case 0x23: {
		/* MOV CR/DR ignores the mod field: always registers. */
		static const uint8_t op[4] = {OP_MOV_FROM_CR, OP_MOV_FROM_DR, OP_MOV_TO_CR,
		                              OP_MOV_TO_DR};
		uint8_t m = decoder_byte(c);

		in->reg = (m >> 3) & 7;
		in->rm = m & 7;
		in->size = 4;
		return op[b & 3];
	}
	case 0x30:
		return OP_WRMSR;
	case 0x31:
		return OP_RDTSC;
	case 0x32:
		return OP_RDMSR;
	case 0x33:
		return OP_RDPMC;
	case 0xa0:
		return push_pop_segment(in, SEG_FS, OP_PUSH_SEG);
	case 0xa1:
		return push_pop_segment(in, SEG_FS, OP_POP_SEG);
	case 0xa2:
		return OP_CPUID;
	case 0xa8:
		return push_pop_segment(in, SEG_GS, OP_PUSH_SEG);
	case 0xa9:
		return push_pop_segment(in, SEG_GS, OP_POP_SEG);
	case 0xb2:
		return far_load(c, in, SEG_SS);
	case 0xb4:
		return far_load(c, in, SEG_FS);
	case 0xb5:
		return far_load(c, in, SEG_GS);
	default:
		return OP_NONE;
	}
}

static enum op port_io(struct insn *in, uint8_t opcode)
{
	in->size = opcode & 1 ? in->size : 1;
	return opcode & 2 ? OP_OUT : OP_IN;
}

static enum op string_io(struct insn *in, uint8_t opcode)
{
	in->size = opcode & 1 ? in->size : 1;
	if (in->segment == NO_REGISTER)
		in->segment = SEG_DS;
	return opcode & 2 ? OP_OUTS : OP_INS;
}

static enum op one_byte(struct cursor *c, struct insn *in, uint8_t b)
{
	switch (b) {
	case 0x06:
		return push_pop_segment(in, SEG_ES, OP_PUSH_SEG);
	case 0x07:
		return push_pop_segment(in, SEG_ES, OP_POP_SEG);
	case 0x0e:
		return push_pop_segment(in, SEG_CS, OP_PUSH_SEG);
	case 0x0f:
		return two_byte(c, in);
	case 0x16:
		return push_pop_segment(in, SEG_SS, OP_PUSH_SEG);
	case 0x17:
		return push_pop_segment(in, SEG_SS, OP_POP_SEG);
	case 0x1e:
		return push_pop_segment(in, SEG_DS, OP_PUSH_SEG);
	case 0x1f:
		return push_pop_segment(in, SEG_DS, OP_POP_SEG);
	case 0x6c ... 0x6f:
		return string_io(in, b);
	case 0x8c:
		decoder_modrm(c, in);
		if (in->memory)
			in->size = 2;
		return segment_register(in, OP_MOV_FROM_SEG);
	case 0x8e:
		decoder_modrm(c, in);
		in->size = 2;
		return in->reg == SEG_CS ? OP_NONE : segment_register(in, OP_MOV_TO_SEG);
	case 0x9a:
	case 0xea:
		in->immediate = true;
		in->imm = decoder_word(c, in->size);
		in->selector = decoder_word(c, 2);
		return b == 0x9a ? OP_CALL_FAR : OP_JMP_FAR;
	case 0x9c:
		return OP_PUSHF;
	case 0x9d:
		return OP_POPF;
	case 0xc4:
		return far_load(c, in, SEG_ES);
	case 0xc5:
		return far_load(c, in, SEG_DS);
	case 0xca:
		in->imm = decoder_word(c, 2);
		return OP_RET_FAR;
	case 0xcb:
		return OP_RET_FAR;
	case 0xcd:
		in->imm = decoder_byte(c);
		return OP_INT;
	case 0xcf:
		return OP_IRET;
	case 0xe4 ... 0xe7:
		in->immediate = true;
		in->imm = decoder_byte(c);
		return port_io(in, b);
	case 0xec ... 0xef:
		return port_io(in, b);
	case 0xf4:
		return OP_HLT;
	case 0xfa:
		return OP_CLI;
	case 0xfb:
		return OP_STI;
	case 0xff:
		decoder_modrm(c, in);
		if (!in->memory)
			return OP_NONE;
		return in->reg == 3 ? OP_CALL_FAR : in->reg == 5 ? OP_JMP_FAR : OP_NONE;
	default:
		return OP_NONE;
	}
}

/* Prefix bytes; returns the first opcode byte through @opcode. */
bool decoder_prefixes(struct cursor *c, struct insn *insn, uint8_t *opcode)
{
	for (;;) {
		uint8_t b = decoder_byte(c);
		if (c->overrun)
			return false;
		switch (b) {
		case 0x26:
			insn->segment = SEG_ES;
			continue;
		case 0x2e:
			insn->segment = SEG_CS;
			continue;
		case 0x36:
			insn->segment = SEG_SS;
			continue;
		case 0x3e:
			insn->segment = SEG_DS;
			continue;
		case 0x64:
			insn->segment = SEG_FS;
			continue;
		case 0x65:
			insn->segment = SEG_GS;
			continue;
		case 0x66:
			insn->size = c->code16 ? 4 : 2;
			c->osize = true;
			continue;
		case 0x67:
			insn->addr16 = !c->code16;
			continue;
		case 0xf0:
			continue;
		case 0xf2:
		case 0xf3:
			insn->rep = b;
			continue;
		}
		*opcode = b;
		return true;
	}
}

void decoder_start(const struct cursor *c, struct insn *insn)
{
	*insn = (struct insn){.size = c->code16 ? 2 : 4,
	                      .addr16 = c->code16,
	                      .base = NO_REGISTER,
	                      .index = NO_REGISTER,
	                      .scale = 1,
	                      .segment = NO_REGISTER};
}

static bool decode(struct cursor *c, struct insn *insn)
{
	enum op op;
	uint8_t b;

	decoder_start(c, insn);
	if (!decoder_prefixes(c, insn, &b))
		return false;
	op = one_byte(c, insn, b);
	if (c->overrun)
		op = OP_NONE;
	insn->op = op;
	insn->length = c->at;
	return op != OP_NONE;
}

bool decode_insn(const uint8_t *bytes, unsigned available, struct insn *insn)
{
	struct cursor c = {.bytes = bytes, .available = available};

	return decode(&c, insn);
}

bool decode_insn16(const uint8_t *bytes, unsigned available, struct insn *insn)
{
	struct cursor c = {.bytes = bytes, .available = available, .code16 = true};

	return decode(&c, insn);
}

static bool move_opcode(struct cursor *c, struct insn *in, uint8_t b, struct move *move)
{
	unsigned wide = in->size;

	move->size = b & 1 ? wide : 1;
	switch (b) {
	case 0x86:
	case 0x87:
		move->kind = MOVE_EXCHANGE;
		decoder_modrm(c, in);
		break;
	case 0x88:
	case 0x89:
		move->kind = MOVE_STORE;
		decoder_modrm(c, in);
		break;
	case 0x8a:
	case 0x8b:
		move->kind = MOVE_LOAD;
		decoder_modrm(c, in);
		break;
	case 0xa0 ... 0xa3:
		move->kind = b < 0xa2 ? MOVE_LOAD : MOVE_STORE;
		decoder_word(c, in->addr16 ? 2 : 4);
		move->reg = 0;
		return true;
	case 0xc6:
	case 0xc7:
		move->kind = MOVE_STORE_IMMEDIATE;
		decoder_modrm(c, in);
		move->imm = decoder_word(c, move->size);
		return in->memory && in->reg == 0;
	case 0x0f:
		b = decoder_byte(c);
		if (b != 0xb6 && b != 0xb7)
			return false;
		move->kind = MOVE_LOAD;
		move->size = b == 0xb6 ? 1 : 2;
		move->extended = true;
		decoder_modrm(c, in);
		break;
	default:
		return false;
	}
	move->reg = in->reg;
	return in->memory;
}

bool decode_move(const uint8_t *bytes, unsigned available, struct move *move)
{
	struct cursor c = {.bytes = bytes, .available = available};
	struct insn in = {
	    .size = 4, .base = NO_REGISTER, .index = NO_REGISTER, .segment = NO_REGISTER};
	uint8_t opcode;

	*move = (struct move){0};
	if (!decoder_prefixes(&c, &in, &opcode) || !move_opcode(&c, &in, opcode, move) || c.overrun)
		return false;
	move->length = c.at;
	return true;
}
