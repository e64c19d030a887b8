/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual CPU's registers in gdb's numbering, which target.xml tells it. */
#ifndef MAIN_GDB_REGISTERS_H
#define MAIN_GDB_REGISTERS_H

#include "main/vm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_REGISTER_BYTES_MAX 16

/* A copy of what a paused machine's cell left: checked by nobody, and only shown. */
struct gdb_registers {
	struct debugger state;
	uint32_t cr[5];
	uint8_t fpu[512]; /* as FXSAVE stores it (SDM volume 1, 10.5.1) */
};

/** gdb_registers_take - copy them out of shared memory */
void gdb_registers_take(struct gdb_registers *r, const struct vm *vm);

/**
 * gdb_registers_give - put back what was changed: general registers, EIP, EFLAGS, FPU and SSE state
 *
 * The core has to be asked to take them (DEBUGGER_REGISTERS).
 */
void gdb_registers_give(const struct gdb_registers *r, struct vm *vm);

/** gdb_register_count - how many there are; the first gdb_register_general() make up the 'g' packet
 */
unsigned gdb_register_count(void);
unsigned gdb_register_general(void);

/** gdb_register_size - bytes of register @n, 0: there is none of that number */
size_t gdb_register_size(unsigned n);

/** gdb_register_get, gdb_register_set - its bytes, lowest first; set: false: it cannot be written
 */
void gdb_register_get(const struct gdb_registers *r, unsigned n, uint8_t *bytes);
bool gdb_register_set(struct gdb_registers *r, unsigned n, const uint8_t *bytes);

/** gdb_target_xml - the target description */
const char *gdb_target_xml(void);

#endif
