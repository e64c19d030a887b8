// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/syscall.h"

#include "core/interrupt.h"
#include "core/paging.h"
#include "core/segment.h"
#include "rom_symbols.h"

#define SYSCALL_VECTOR 0x80u

/* The ROM has just pushed there. */
static uint32_t stack_word_at(uint32_t va)
{
	return *(volatile uint32_t *)(uintptr_t)va;
}

static void use_fast_path(bool on)
{
	V->syscall_slot = on ? ROM_SYSCALL : ROM_SYSCALL_SLOW;
	V->sigreturn_slot = on ? ROM_SIGRETURN : ROM_SIGRETURN_SLOW;
	V->rt_sigreturn_slot = on ? ROM_RT_SIGRETURN : ROM_RT_SIGRETURN_SLOW;
}

/* May the ROM enter this gate by itself? It needs a user-callable gate to a flat segment. */
static bool learn_gate(void)
{
	uint32_t at = M->idt_base + SYSCALL_VECTOR * 8, words[2], stack[2];
	struct descriptor d;
	struct exception x;

	if (M->idt_limit < SYSCALL_VECTOR * 8 + 7 || !V->tss || !paging_on() ||
	    !guest_read(at, words, 8, false, &x) || !guest_read(V->tss + 4, stack, 8, false, &x))
		return false;
	/* Present, DPL 3, 32-bit interrupt or trap gate. */
	if ((words[1] & 0xfe00) != 0xee00)
		return false;
	if (!read_descriptor(words[0] >> 16, &d) || descriptor_base(d) || !(d.hi & DESC_CODE) ||
	    descriptor_limit(d) != 0xffffffff)
		return false;
	V->gate80 = at;
	V->gate80_lo = words[0];
	V->gate80_hi = words[1];
	V->gate80_entry = (words[0] & 0xffff) | (words[1] & 0xffff0000u);
	V->gate80_if = words[1] & 0x100 ? IF_BIT : 0;
	V->kernel_cs = (words[0] >> 16 & ~3u) | M->kernel_rpl;
	V->kernel_ss = (stack[1] & 0xfffc) | M->kernel_rpl;
	return V->kernel_ss >> 3 < GDT_ENTRIES && V->ksel[V->kernel_ss >> 3].real == V->real_kss;
}

void syscall_gate_changed(void)
{
	use_fast_path(learn_gate());
}

void syscall_finish(uint32_t eip)
{
	uint32_t saved[3], user_esp = V->gpr[R_EBP];
	struct exception x;

	/* Undo the ROM's frame and let the slow, whole delivery do it again. */
	COUNT(exit_gate_syscall);
	V->vsel[SEG_CS] = stack_word_at(V->gpr[R_ESP] + 12);
	V->vsel[SEG_SS] = stack_word_at(V->gpr[R_ESP] + 24);
	V->eflags = stack_word_at(V->gpr[R_ESP] + 16);
	V->rsel[SEG_SS] = V->real_uss;
	V->rsel[SEG_CS] = REAL_CS;
	if (guest_read(user_esp, saved, 12, true, &x)) {
		V->gpr[R_EBP] = saved[0];
		V->gpr[R_EDX] = saved[1];
		V->gpr[R_ECX] = saved[2];
	}
	V->gpr[R_ESP] = user_esp;
	V->eip = eip;
	V->iflag &= ~IF_BIT;
	deliver(SYSCALL_VECTOR, false, 0, true);
	syscall_gate_changed();
}

void rom_user_fixup(void)
{
	if (V->eip == ROM_IRET_SWITCHED && user_mode())
		V->eip = V->return_eip;
}

void rom_iret_rewind(void)
{
	if (V->eip < ROM_IRET_RESTART || V->eip >= ROM_IRET_SWITCHED)
		return;
	V->eip = ROM_IRET_RESTART;
	V->gpr[R_ESP] = V->iret_esp;
	/* CS and SS may have been named the user's already; the mode is still the kernel's. */
	V->vsel[SEG_CS] = V->kernel_cs;
	V->vsel[SEG_SS] = V->kernel_ss;
}

bool rom_single_step(void)
{
	if (user_mode() || V->eip < HOLE_ROM || V->eip >= HOLE_ROM + HOLE_ROM_SIZE)
		return false;
	/* The frame the ROM pushes holds TF; the kernel's handler runs without it. */
	V->eflags &= ~EFLAGS_TF;
	return true;
}
