/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CORE_INTERRUPT_H
#define CORE_INTERRUPT_H

#include "core/core.h"

/** eflags_image - EFLAGS as the guest sees them: virtual IF and IOPL, the rest real */
uint32_t eflags_image(void);

/** set_eflags - POPF at virtual ring 0: IF and IOPL go to the virtual flags */
void set_eflags(uint32_t image);

/** set_virtual_if - the flag alone; delivers nothing */
void set_virtual_if(bool on);

/** interrupts_enabled - the virtual IF; always true in user mode (VMI rule 6) */
static inline bool interrupts_enabled(void)
{
	return user_mode() || V->iflag & IF_BIT;
}

/**
 * deliver - enter the guest's handler of a vector (SDM volume 3, 6.12)
 * @vector: 0..255
 * @has_error, @error: error code to push
 * @software: INT n, INT3, INTO: the gate's DPL is checked, EIP is already behind it
 *
 * A failure on the way becomes a double fault, then ends the guest as a triple fault.
 */
void deliver(unsigned vector, bool has_error, uint32_t error, bool software);

/** software_interrupt_allowed - would the gate of @vector let INT n of this CPL through? */
bool software_interrupt_allowed(unsigned vector, struct exception *x);

/** deliver_exception - raise a fault at the current EIP; page faults also set CR2 */
void deliver_exception(const struct exception *x);

/** interrupts_deliver - deliver what is pending as far as the virtual IF allows */
void interrupts_deliver(void);

/** interrupt_pending_update - recompute the pending bit of V->iflag from the PIC */
void interrupt_pending_update(void);

/**
 * interrupt_waits - on the way back to the guest, one is pending and masked
 *
 * Notes since when; and with DELIVERY_BOUNDED sees to it that somebody looks again within 1 ms.
 */
void interrupt_waits(void);

/**
 * promised - an interrupt has been enabled while it was pending, and was not delivered yet
 *
 * Between exits that is so only where an enable does not deliver: with --delivery=deferred, and
 * after VMI_EnableInterruptsDeferred. While a debugger steps nothing is delivered, and nothing
 * promised.
 */
static inline bool promised(void)
{
	return V->iflag & IF_PENDING && V->iflag & IF_BIT && !user_mode() && !M->debugger.stepping;
}

/**
 * keep_promise - before an instruction that clears IF: deliver what had been enabled
 *
 * True: the handler was entered, and returns to the instruction at EIP. False: nothing to do.
 */
bool keep_promise(void);

#endif
