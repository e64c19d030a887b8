/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_EMULATE_H
#define CORE_EMULATE_H

#include "core/core.h"
#include "core/insn.h"

/**
 * emulate - carry out one sensitive instruction at virtual CPL 0
 * @in: the instruction
 * @next: EIP behind it, where execution goes on unless it transfers control
 * @x: the exception instead; then registers and EIP are as before
 *
 * V->eip is the address of the instruction on entry.
 */
bool emulate(const struct insn *in, uint32_t next, struct exception *x);

/**
 * emulate_user - IN, OUT, INS, OUTS, CLI, STI, INT n and segment loads of user code, by the
 * user-mode rules
 *
 * Returns false when the rules say #GP, or another exception, filled into @x.
 */
bool emulate_user(const struct insn *in, uint32_t next, struct exception *x);

/** emulate_iret - IRET with its frame at ESP, of words of @size bytes (2 or 4) */
bool emulate_iret(unsigned size, struct exception *x);

/**
 * prefill_before_return - fill in the page a page-fault handler has just installed, before its IRET
 *
 * ESP is at the frame. True: that was all there was to do, and the ROM can carry out the IRET: it
 * loads two segment registers where emulate_iret() has all of them loaded. False: emulate_iret().
 */
bool prefill_before_return(void);

/**
 * enter_user - go on in user mode; all of it, or, with the exception in @x, nothing
 * @cs, @ss: selectors with RPL 3
 * @image: EFLAGS; IF counts as set
 */
bool enter_user(uint16_t cs, uint32_t eip, uint16_t ss, uint32_t esp, uint32_t image,
                struct exception *x);

/** linear address of a memory operand */
uint32_t effective_address(const struct insn *in);

/** operand_offset - where in its segment an operand lies, by the registers of now */
uint32_t operand_offset(const struct operand *o);

/** emulate_cpuid - CPUID as the guest kernel sees it, from and to the registers */
void emulate_cpuid(void);

/** Control registers (core/control.c). */
bool write_cr(unsigned n, uint32_t value, struct exception *x);
bool read_cr(unsigned n, uint32_t *value, struct exception *x);

/**
 * update_user_work - CR0.TS, machine.was_idle, machine.private_segment or the LDT changed: must
 * IRET to user mode look?
 */
void update_user_work(void);

/** Model-specific registers (core/control.c); unknown ones are #GP. */
bool read_msr(uint32_t msr, uint64_t *value);
bool write_msr(uint32_t msr, uint64_t value);

/** port_in, port_out - @size 1, 2 or 4 bytes (core/io.c) */
uint32_t port_in(uint16_t port, unsigned size);
void port_out(uint16_t port, unsigned size, uint32_t value);

/** ports_allowed - may user code use [port, port+size)? Virtual IOPL or the TSS bitmap. */
bool ports_allowed(uint16_t port, unsigned size);

/** string_io - one iteration, or all with REP, of INS or OUTS */
bool string_io(const struct insn *in, struct exception *x);

/** general register access with the operand size of the ISA: 1 (AL..BH), 2 or 4 bytes */
uint32_t get_gpr(unsigned reg, unsigned size);
void set_gpr(unsigned reg, unsigned size, uint32_t value);

#endif
