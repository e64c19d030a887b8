/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this build's ROM answers to VMI_GetRelocationInfo, read from the ROM itself. */
#ifndef MAIN_ROM_ANSWERS_H
#define MAIN_ROM_ANSWERS_H

#include "vmi/vmi.h"

#include <stdint.h>

/* Whether a call can end without leaving 32-bit code for the core. */
enum rom_leaves { ROM_STAYS, ROM_MAY_LEAVE, ROM_LEAVES };

struct rom_answer {
	uint8_t type;           /* VMI_RELOCATION_* */
	uint32_t offset;        /* of the code, from the ROM's first byte */
	enum rom_leaves leaves; /* every path of the code was followed */
};

/** rom_answers - the answer for each call */
void rom_answers(struct rom_answer answers[VMI_NR_CALLS]);

/** rom_relocation_name - NONE, CALL, JUMP or NOP */
const char *rom_relocation_name(uint8_t type);

/** rom_leaves_name - "stays", "may leave", "leaves" */
const char *rom_leaves_name(enum rom_leaves leaves);

#endif
