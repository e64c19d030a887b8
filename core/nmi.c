// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flag does not keep an NMI out, so it comes where no interrupt does: also where code that
 * stands for one instruction of the guest is halfway through it, on a stack that is not the
 * kernel's yet, with a word of the virtual CPU in use. It is kept from such places: they are left
 * within a few instructions.
 */
#include "core/nmi.h"

#include "core/debugger.h"

#include "core/alarm.h"
#include "core/clock.h"
#include "core/frames.h"
#include "core/interrupt.h"
#include "rom_symbols.h"

#define LOOK_AGAIN_NS 50000u

#define JMP        0xe9 /* rel32 */
#define JMP_LENGTH 5

/* The stub of an IRET has named its site, and goes to the ROM. */
static bool about_to_return(void)
{
	const uint8_t *at = (const uint8_t *)(uintptr_t)V->eip;
	uint32_t displacement;

	if (!in_stubs(V->eip) || !in_stubs(V->eip + JMP_LENGTH - 1) || *at != JMP)
		return false;
	__builtin_memcpy(&displacement, at + 1, 4);
	return V->eip + JMP_LENGTH + displacement == ROM_IRET;
}

/* Is EIP between two instructions of the guest, as far as its handler can tell? */
static bool between_instructions(void)
{
	return user_mode() || (V->eip - HOLE_ROM >= HOLE_ROM_SIZE && !about_to_return());
}

void nmi_deliver(void)
{
	if (!nmi_waits() || debugger_steps())
		return;
	if (!between_instructions()) {
		look_again(clock_now() + LOOK_AGAIN_NS);
		return;
	}
	platform_acknowledge_nmi(&M->platform);
	M->nmi.again = 0;
	M->nmi.blocked = 1;
	V->iflag |= IF_IRET_WORK;
	COUNT(nmi);
	deliver(VECTOR_NMI, false, 0, false);
}

void nmi_unblock(void)
{
	if (!M->nmi.blocked)
		return;
	M->nmi.blocked = 0;
	iret_work_update();
}
