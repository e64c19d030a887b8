// SPDX-License-Identifier: GPL-2.0-or-later
/* Power-on: the state a boot loader leaves for a 32-bit kernel entry. */
#include "core/boot.h"

#include "core/alarm.h"
#include "core/clock.h"
#include "core/core.h"
#include "core/interrupt.h"
#include "core/segment.h"
#include "core/spaces.h"

void core_boot(void)
{
	M->booted = 1;
	V->cr0 = 0x11; /* PE, ET */
	M->gdt_base = M->boot.gdt;
	M->gdt_limit = M->boot.gdt_limit;
	M->idt_limit = 0;
	M->dr[6] = 0xffff0ff0u;
	M->dr[7] = 0x400;
	M->deadline = UINT64_MAX;
	for (unsigned i = 0; i < GDT_ENTRIES; i++)
		V->ksel[i].real = SELECTOR_UNKNOWN;
	V->gpr[R_EAX] = M->boot.eax;
	V->gpr[R_EBX] = M->boot.ebx;
	V->gpr[R_ESI] = M->boot.esi;
	V->gpr[R_ESP] = M->boot.esp;
	V->eip = M->boot.eip;
	V->eflags = EFLAGS_FIXED;
	platform_reset(&M->platform, M->wall_offset, M->ram_size, clock_now());
	/* Until SS names a kernel-bank selector the CPU would count as in user mode. */
	V->rsel[SEG_SS] = LDT_SELECTOR(LDT_KERNEL_BANK);
	segments_reset();
	syscall_gate_changed();
	/* A kernel that is linked where it is loaded needs no page tables to reach the hole. */
	if (!ANNOT->kernel_base)
		apply_windows();
	devices_run();
}
