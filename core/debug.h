/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug registers (SDM volume 3, chapter 17). The host's are not ours to set, so a page that
 * holds a watched address is kept from the cell: an access faults, is looked at, and executed
 * with the page accessible and the trap flag set.
 */
#ifndef CORE_DEBUG_H
#define CORE_DEBUG_H

#include "cell/host.h"
#include "core/core.h"

#define DR6_BD 0x2000u /* a debug register was accessed while DR7.GD was set */
#define DR6_BS 0x4000u /* single step */
#define DR7_GD 0x2000u

/**
 * debug_status - DR6 for a #DB
 * @bits: what happened; 0: nothing, and DR6 stays
 *
 * Processors clear the hits of the #DB before (SDM volume 3, 17.2.3: "may clear bits 0-3"), and
 * Linux before 2.6.33, which never clears them itself, needs it: it takes a single step
 * that shows a hit, when no breakpoint is set any more, for a stale trap.
 */
void debug_status(uint32_t bits);

/** debug_registers_changed - DR0..DR3 or DR7 were written */
void debug_registers_changed(void);

/** debug_activate - this cell begins to run: keep the watched pages from it */
void debug_activate(void);

/**
 * debug_restrict - take away the rights to the page at @va that would hide an access
 *
 * False: it must not be mapped at all.
 */
bool debug_restrict(uint32_t va, struct host_rights *rights);

/** debug_region - is there a watched page in [va, va+n)? */
bool debug_region(uint32_t va, uint64_t n);

/**
 * debug_access - a page the guest's tables allow was accessed, and is not mapped so
 * @va, @error: of the host's page fault
 * @x: #DB of an instruction breakpoint
 *
 * False: deliver @x instead. True: go on to map it; if the page is watched it will be mapped for
 * one instruction.
 */
bool debug_access(uint32_t va, uint32_t error, struct exception *x);

/** debug_port - the guest has accessed @size bytes of ports from @port: is there a breakpoint
 * (CR4.DE)? */
void debug_port(uint16_t port, unsigned size);

/** debug_port_hits - what DR6 is to say of that; once: they are taken */
uint32_t debug_port_hits(void);

/** debug_step - execute the instruction at EIP and come back: the guest is not to know */
void debug_step(void);

/**
 * debug_trap - an instruction was completed with the trap flag set, or under debug_access()
 *
 * Returns the bits to be set in DR6; 0: the guest is not to know.
 */
uint32_t debug_trap(void);

/** debug_abandon - the instruction under debug_access() ends in an exception or interrupt */
void debug_abandon(void);

/** debug_resume - IRET with EFLAGS.RF set: the instruction at EIP breaks no more */
void debug_resume(void);

/** debug_resuming - is that still to be executed? For the RF of an interrupt's frame. */
bool debug_resuming(void);

#endif
