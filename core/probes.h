/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kprobes on instructions that a trap stands for (annotate/stub.h: HLT, behind DS prefixes).
 *
 * The kernel copies what it finds, which is the trap, to a place of its own, puts INT3 in its
 * stead, and when that was hit executes the copy: with the trap flag set, or with another INT3
 * behind it, and with interrupts off. It puts the trap back when the probe goes, and never takes
 * it for something that it may execute otherwise (no kernel boosts HLT, or makes a jump of a probe
 * where one is: can_boost(), arch/x86/kernel/kprobes/core.c). So all there is to do is to carry out
 * the right instruction where the copy is executed.
 */
#ifndef CORE_PROBES_H
#define CORE_PROBES_H

#include "core/core.h"
#include "core/insn.h"

/** probe_hit - the kernel executed INT3, and EIP is behind it: note it if it stands for a trap */
void probe_hit(void);

/**
 * probe_copy - is what the kernel executes at EIP the copy of a trap? Then the instruction it
 * stands for
 * @in: the instruction
 * @next: address behind the copy
 */
bool probe_copy(struct insn *in, uint32_t *next);

/** probe_step - emulate() for what probe_copy() found */
bool probe_step(const struct insn *in, uint32_t next, struct exception *x);

/**
 * probe_return - a return to kernel mode: ESP and flags are what the frame says
 * @eip: EIP of the frame
 *
 * The kernel keeps interrupts off while it executes a copy and puts the flag back behind it, as it
 * was. Behind POPF it is what that loaded.
 */
void probe_return(uint32_t eip);

/** probe_allowed - can the instruction that a trap at @va stands for be carried out elsewhere? */
bool probe_allowed(uint32_t va);

#endif
