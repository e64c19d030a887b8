/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exits from the guest and the way back. */
#ifndef CORE_EXIT_H
#define CORE_EXIT_H

#include "core/core.h"

/** core_gate - a far call came in; @gate: GATE_*; registers are in the virtual CPU. */
_Noreturn void core_gate(uint32_t gate);

/** core_again - on the way out something in the inbox was found. */
_Noreturn void core_again(void);

/** core_fault - a host exception in guest code */
struct host_exception {
	uint32_t signal; /* host signal number */
	uint32_t vector; /* hardware exception, as the host's frame tells it */
	uint32_t error;
	uint32_t cr2;
};
_Noreturn void core_fault(const struct host_exception *e);

/** core_excursion - guest code was found in 64-bit mode: #GP, whatever interrupted it */
_Noreturn void core_excursion(const struct host_exception *e);

/**
 * core_bad_resume - the host's processor refused what cell_resume was to load
 *
 * A data segment becomes null; CS, SS or EIP are a #GP of the guest where it was to go on.
 */
_Noreturn void core_bad_resume(const struct host_exception *e);

/** core_kick - main interrupted guest code */
_Noreturn void core_kick(void);

/** core_syscall - an INT 0x80 of the guest was trapped by the host's filter */
_Noreturn void core_syscall(void);

/**
 * core_undefined - SYSCALL (SYSENTER), which i386 Linux leaves switched off, was executed by user
 * code, or by the kernel's; EIP and ECX are not known
 * @last: EIP when the guest was last entered from the core
 */
_Noreturn void core_undefined(uint32_t last);

/** core_start - this cell is handed the virtual CPU for the first time */
_Noreturn void core_start(void);

/** cell_resume - assembler, cell/gate.S */
_Noreturn void cell_resume(void);

#endif
