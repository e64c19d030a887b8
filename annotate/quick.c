/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/quick.h"

#include <stdbool.h>

/* What follows an opcode. */
enum {
	ASK = 0, /* not for us */
	M,       /* ModRM */
	MB,      /* ModRM, 8-bit immediate */
	MD,      /* ModRM, 32-bit immediate */
	P,       /* nothing */
	B,       /* 8-bit immediate */
	D,       /* 32-bit immediate */
	O,       /* 32-bit address */
	JB,      /* 8-bit branch displacement */
	JD,      /* 32-bit branch displacement */
};

/* clang-format off: sixteen a row, as in the manuals' opcode map */
static const uint8_t one_byte[256] = {
    M,  M,  M,  M,  B,  D,  0,  0,  M,  M,  M,  M,  B,  D,  0,  0,  /* 00 */
    M,  M,  M,  M,  B,  D,  0,  0,  M,  M,  M,  M,  B,  D,  0,  0,  /* 10 */
    M,  M,  M,  M,  B,  D,  0,  0,  M,  M,  M,  M,  B,  D,  0,  0,  /* 20 */
    M,  M,  M,  M,  B,  D,  0,  0,  M,  M,  M,  M,  B,  D,  0,  0,  /* 30 */
    P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  /* 40 */
    P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  /* 50 */
    0,  0,  0,  0,  0,  0,  0,  0,  D,  MD, B,  MB, 0,  0,  0,  0,  /* 60 */
    JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, JB, /* 70 */
    MB, MD, 0,  MB, M,  M,  M,  M,  M,  M,  M,  M,  0,  M,  0,  0,  /* 80 */
    P,  P,  P,  P,  P,  P,  P,  P,  P,  P,  0,  0,  0,  0,  0,  0,  /* 90 */
    O,  O,  O,  O,  P,  P,  0,  0,  B,  D,  P,  P,  0,  0,  0,  0,  /* a0 */
    B,  B,  B,  B,  B,  B,  B,  B,  D,  D,  D,  D,  D,  D,  D,  D,  /* b0 */
    MB, MB, 0,  P,  0,  0,  MB, MD, 0,  P,  0,  0,  P,  0,  0,  0,  /* c0 */
    M,  M,  M,  M,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  /* d0 */
    0,  0,  0,  0,  0,  0,  0,  0,  JD, JD, 0,  JB, 0,  0,  0,  0,  /* e0 */
    0,  0,  0,  0,  0,  0,  M,  M,  0,  0,  0,  0,  0,  0,  M,  M,  /* f0 */
};
/* clang-format on */

/* Behind 0x0f. */
static uint8_t two_byte(uint8_t opcode)
{
	switch (opcode) {
	case 0x1f:          /* nop */
	case 0x40 ... 0x4f: /* cmovcc */
	case 0x90 ... 0x9f: /* setcc */
	case 0xa3:          /* bt bts btr btc */
	case 0xab:
	case 0xb3:
	case 0xbb:
	case 0xa5: /* shld shrd %cl */
	case 0xad:
	case 0xaf: /* imul */
	case 0xb6: /* movzx movsx */
	case 0xb7:
	case 0xbe:
	case 0xbf:
	case 0xb0: /* cmpxchg xadd */
	case 0xb1:
	case 0xc0:
	case 0xc1:
		return M;
	case 0xa4: /* shld shrd */
	case 0xac:
		return MB;
	case 0x80 ... 0x8f:
		return JD;
	case 0xc8 ... 0xcf: /* bswap */
		return P;
	}
	return ASK;
}

/* Opcodes whose ModRM byte chooses among instructions: what follows the one it names. */
static uint8_t group(uint8_t opcode, uint8_t form, uint8_t modrm)
{
	uint8_t reg = modrm >> 3 & 7;

	switch (opcode) {
	case 0x8d: /* lea of a register */
		return modrm >= 0xc0 ? ASK : form;
	case 0xc0: /* an undocumented shift */
	case 0xc1:
	case 0xd0 ... 0xd3:
		return reg == 6 ? ASK : form;
	case 0xc6:
	case 0xc7:
		return reg ? ASK : form;
	case 0xf6: /* test has an immediate, the others have none */
		return reg == 0 ? MB : reg == 1 ? ASK : M;
	case 0xf7:
		return reg == 0 ? MD : reg == 1 ? ASK : M;
	case 0xfe:
		return reg < 2 ? form : ASK;
	case 0xff: /* 3 and 5 are far branches */
		return reg == 3 || reg == 5 || reg == 7 ? ASK : form;
	}
	return form;
}

struct quick quick_decode(const uint8_t *p)
{
	const struct quick ask = {0};
	struct quick q = {0};
	uint8_t at = 0, form, modrm, mod;
	bool narrow = p[0] == 0x66, prefix = narrow || p[0] == 0x64 || p[0] == 0x65;

	at += prefix;
	if (p[at] == 0x0f) {
		form = two_byte(p[++at]);
	} else {
		form = one_byte[p[at]];
		if (form >= M && form <= MD)
			form = group(p[at], form, p[at + 1]);
	}
	at++;
	/* Prefixes are common on memory operands only; and 0x66 shortens immediates. */
	if (prefix && form != M && form != MB && (narrow || (form != MD && form != O)))
		return ask;
	switch (form) {
	case ASK:
		return ask;
	case P:
		break;
	case B:
		at += 1;
		break;
	case D:
		q.immediate = at;
		at += 4;
		break;
	case O:
		q.displacement = at;
		at += 4;
		break;
	case JB:
		q.relative = 1;
		at += 1;
		break;
	case JD:
		q.relative = 4;
		at += 4;
		break;
	default:
		modrm = p[at++];
		mod = modrm >> 6;
		if (mod != 3 && (modrm & 7) == 4) { /* SIB */
			if (mod == 0 && (p[at] & 7) == 5) {
				q.displacement = at + 1;
				at += 4;
			}
			at++;
		} else if (mod == 0 && (modrm & 7) == 5) {
			q.displacement = at;
			at += 4;
		}
		if (mod == 1) {
			at += 1;
		} else if (mod == 2) {
			q.displacement = at;
			at += 4;
		}
		if (form == MB) {
			at += 1;
		} else if (form == MD) {
			q.immediate = at;
			at += 4;
		}
	}
	q.length = at;
	return q;
}
