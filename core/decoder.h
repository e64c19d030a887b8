/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the decoders share: a bounded reader of instruction bytes, prefixes, ModRM. */
#ifndef CORE_DECODER_H
#define CORE_DECODER_H

#include "core/insn.h"

#include "ring1/vcpu.h"

struct cursor {
	const uint8_t *bytes;
	unsigned available, at;
	bool overrun; /* more was asked for than there is, or than an instruction may have */
	bool code16;  /* the code segment has D clear */
	bool osize;   /* prefix 0x66 was there */
};

/** decoder_start - an instruction without prefixes, of this code segment */
void decoder_start(const struct cursor *c, struct insn *insn);

/** decoder_byte, decoder_word - the next byte, or @n bytes little-endian; 0 behind the end */
uint8_t decoder_byte(struct cursor *c);
uint32_t decoder_word(struct cursor *c, unsigned n);

/** decoder_prefixes - take prefix bytes; @opcode: the byte behind them. False: none is left. */
bool decoder_prefixes(struct cursor *c, struct insn *insn, uint8_t *opcode);

/** decoder_modrm - take ModRM, SIB and displacement; sets memory or rm, reg, segment */
void decoder_modrm(struct cursor *c, struct insn *in);

#endif
