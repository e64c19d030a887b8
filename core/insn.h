/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sensitive instructions of i386, decoded: what the core emulates. */
#ifndef CORE_INSN_H
#define CORE_INSN_H

#include <stdbool.h>
#include <stdint.h>

enum op {
	OP_NONE, /* not an instruction this core emulates */
	OP_CLI,
	OP_STI,
	OP_HLT,
	OP_PUSHF,
	OP_POPF,
	OP_IRET,
	OP_CPUID,
	OP_IN,
	OP_OUT,
	OP_INS,
	OP_OUTS,
	OP_LGDT,
	OP_LIDT,
	OP_SGDT,
	OP_SIDT,
	OP_LLDT,
	OP_LTR,
	OP_SLDT,
	OP_STR,
	OP_SMSW,
	OP_LMSW,
	OP_CLTS,
	OP_INVLPG,
	OP_INVD,
	OP_WBINVD,
	OP_RDMSR,
	OP_WRMSR,
	OP_RDPMC,
	OP_RDTSC,
	OP_XSETBV,
	OP_MOV_TO_CR,
	OP_MOV_FROM_CR,
	OP_MOV_TO_DR,
	OP_MOV_FROM_DR,
	OP_MOV_TO_SEG,
	OP_MOV_FROM_SEG,
	OP_PUSH_SEG,
	OP_POP_SEG,
	OP_LOAD_FAR, /* LDS LES LFS LGS LSS */
	OP_JMP_FAR,
	OP_CALL_FAR,
	OP_RET_FAR,
	OP_LAR,
	OP_LSL,
	OP_VERR,
	OP_VERW,
	OP_CLAC,
	OP_STAC,
	OP_INT,
};

#define NO_REGISTER 0xff

struct insn {
	uint8_t op;
	uint8_t length; /* bytes, prefixes included */
	uint8_t size;   /* operand size in bytes: 1, 2 or 4 */
	uint8_t reg;    /* reg field: general, segment, control or debug register */
	bool memory;    /* the r/m operand is in memory */
	uint8_t rm;     /* otherwise its register */
	bool immediate; /* IN/OUT port, far pointer offset, RET n in imm */
	bool rep;
	bool addr16;
	uint8_t base, index, scale; /* memory operand; NO_REGISTER: absent */
	uint8_t segment;            /* enum seg of the memory operand */
	uint16_t selector;          /* far pointer */
	uint32_t disp;
	uint32_t imm;
};

/**
 * decode_insn - decode one sensitive instruction of 32-bit code
 * @bytes: the instruction
 * @available: bytes that may be read, 1..15
 * @insn: the result
 *
 * Recognises exactly the instructions of enum op in 32-bit code segments (Intel SDM
 * volume 2, opcode maps). Returns false, with insn->op == OP_NONE, for any other
 * instruction and for one that does not fit into @available bytes.
 */
bool decode_insn(const uint8_t *bytes, unsigned available, struct insn *insn);

#endif
