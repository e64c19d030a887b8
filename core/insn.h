/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sensitive instructions of i386, decoded: what the core emulates. */
#ifndef CORE_INSN_H
#define CORE_INSN_H

#include <stdbool.h>
#include <stdint.h>

/* One list: the decoder, the core and the statistics read it. */
#define OPS(X)                                                                                     \
	X(CLI)                                                                                     \
	X(STI)                                                                                     \
	X(HLT)                                                                                     \
	X(PUSHF)                                                                                   \
	X(POPF)                                                                                    \
	X(IRET)                                                                                    \
	X(CPUID)                                                                                   \
	X(IN)                                                                                      \
	X(OUT)                                                                                     \
	X(INS)                                                                                     \
	X(OUTS)                                                                                    \
	X(LGDT)                                                                                    \
	X(LIDT)                                                                                    \
	X(SGDT)                                                                                    \
	X(SIDT)                                                                                    \
	X(LLDT)                                                                                    \
	X(LTR)                                                                                     \
	X(SLDT)                                                                                    \
	X(STR)                                                                                     \
	X(SMSW)                                                                                    \
	X(LMSW)                                                                                    \
	X(CLTS)                                                                                    \
	X(INVLPG)                                                                                  \
	X(INVD)                                                                                    \
	X(WBINVD)                                                                                  \
	X(RDMSR)                                                                                   \
	X(WRMSR)                                                                                   \
	X(RDPMC)                                                                                   \
	X(RDTSC)                                                                                   \
	X(XSETBV)                                                                                  \
	X(MOV_TO_CR)                                                                               \
	X(MOV_FROM_CR)                                                                             \
	X(MOV_TO_DR)                                                                               \
	X(MOV_FROM_DR)                                                                             \
	X(MOV_TO_SEG)                                                                              \
	X(MOV_FROM_SEG)                                                                            \
	X(PUSH_SEG)                                                                                \
	X(POP_SEG)                                                                                 \
	X(LOAD_FAR)                                                                                \
	X(JMP_FAR)                                                                                 \
	X(CALL_FAR)                                                                                \
	X(RET_FAR)                                                                                 \
	X(LAR)                                                                                     \
	X(LSL)                                                                                     \
	X(VERR)                                                                                    \
	X(VERW)                                                                                    \
	X(CLAC)                                                                                    \
	X(STAC)                                                                                    \
	X(INT)

enum op {
	OP_NONE, /* not an instruction this core emulates */
#define X(name) OP_##name,
	OPS(X)
#undef X
	    OP_COUNT
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
	uint8_t rep;    /* 0xf2, 0xf3 or 0 */
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

/** decode_insn16 - the same for a code segment with D clear: 16-bit operands and addresses */
bool decode_insn16(const uint8_t *bytes, unsigned available, struct insn *insn);

/* An access to device memory. */
struct move {
	enum { MOVE_LOAD, MOVE_STORE, MOVE_STORE_IMMEDIATE, MOVE_EXCHANGE } kind;
	uint8_t size;   /* of the access: 1, 2 or 4 bytes */
	uint8_t reg;    /* general register, numbered as the ISA does for that size */
	bool extended;  /* MOVZX: the whole register is written */
	uint8_t length; /* of the instruction, bytes */
	uint32_t imm;
};

/**
 * decode_move - decode MOV, MOVZX or XCHG with a memory operand (SDM volume 2)
 *
 * Arguments as decode_insn(). False: it is something else.
 */
bool decode_move(const uint8_t *bytes, unsigned available, struct move *move);

/* The memory an instruction accesses, as far as its bytes and the general registers tell. */
#define MAX_OPERANDS 2
struct operand {
	struct insn address; /* base, index, scale, disp, segment, addr16, reg, size */
	uint16_t size;       /* bytes; XSAVE and its kin may access more */
	bool read, write;
	uint8_t
	    down;   /* several pushes: bytes of each, the last byte's comes first; 0: one access */
	bool stack; /* through SS:ESP or SS:EBP */
	enum { ADJUST_NONE, ADJUST_AL, ADJUST_BIT } adjust; /* add AL; or the bit offset in reg */
};

/**
 * decode_operands - where any instruction accesses memory (SDM volume 2, appendix A)
 * @bytes, @available: as for decode_insn()
 * @code16: from a code segment with D clear
 *
 * Returns how many accesses there are, 0..MAX_OPERANDS: a ModRM operand, the strings' two, the
 * stack. None are reported of gathers and scatters, whose addresses are in vectors.
 */
unsigned decode_operands(const uint8_t *bytes, unsigned available, bool code16,
                         struct operand operands[MAX_OPERANDS]);

#endif
