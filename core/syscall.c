// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/syscall.h"

#include "core/interrupt.h"
#include "core/paging.h"
#include "core/segment.h"
#include "rom_symbols.h"

#define SYSCALL_VECTOR 0x80u

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

	if (M->idt_limit < SYSCALL_VECTOR * 8 + 7 || !V->tss || !paging_on() ||
	    !guest_peek(at, words, 8) || !guest_peek(V->tss + 4, stack, 8))
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
	use_fast_path(fast(FAST_ROM_SYSCALL) && learn_gate());
}

void syscall_finish(uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t ss)
{
	uint32_t saved[3], user_esp = V->gpr[R_EBP];
	struct exception x;

	/* Undo the ROM's frame and let the slow, whole delivery do it again. */
	COUNT(exit_gate_syscall);
	V->vsel[SEG_CS] = cs;
	V->vsel[SEG_SS] = ss;
	V->eflags = eflags;
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

/*
 * The user part of rom/syscall.S, instruction by instruction: how many words of the stack are its
 * own before the one at @at runs, and where the call's return address and the caller's EDX are.
 */
#define IN_EDX (-1)

struct progress {
	uint32_t at;
	uint8_t words;
	int8_t ret, edx;  /* index of a stack word, or IN_EDX */
	uint8_t ret_plus; /* what was added to the return address */
	bool ebp;         /* EBP is ESP, and the caller's in word 0 */
};

static const struct progress progress[] = {
    {ROM_SYSCALL, 1, 0, IN_EDX, 0, false},          {ROM_SYSCALL + 1, 2, 1, IN_EDX, 0, false},
    {ROM_SYSCALL + 2, 3, 2, IN_EDX, 0, false},      {ROM_SYSCALL + 6, 3, IN_EDX, 1, 0, false},
    {ROM_SYSCALL + 10, 3, IN_EDX, 1, 0, false},     {ROM_SYSCALL + 13, 3, IN_EDX, 1, 2, false},
    {ROM_SYSCALL_ENTER, 3, IN_EDX, 1, 2, true},     {ROM_SYSCALL_SLOW, 1, 0, IN_EDX, 0, false},
    {ROM_SYSCALL_SLOW + 1, 2, 1, IN_EDX, 0, false}, {ROM_SYSCALL_SLOW + 2, 3, 2, IN_EDX, 0, false},
    {ROM_SYSCALL_SLOW + 6, 3, IN_EDX, 1, 0, false}, {ROM_SYSCALL_SLOW + 10, 3, IN_EDX, 1, 0, false},
    {ROM_SYSCALL_SLOW + 11, 4, 0, 2, 0, false},     {ROM_SYSCALL_SLOW + 15, 4, 0, IN_EDX, 0, false},
};

#define CALL_BYTES 7 /* call *%cs:abs32: what the vDSO's entries begin with */

static bool called_from(uint32_t ret)
{
	uint8_t bytes[3];
	struct exception x;

	return guest_read(ret - CALL_BYTES, bytes, 3, true, &x) && bytes[0] == 0x2e &&
	       bytes[1] == 0xff && bytes[2] == 0x15;
}

static bool rewind_call(const struct progress *p)
{
	uint32_t words[4], ret, edx;
	struct exception x;

	if (!guest_read(V->gpr[R_ESP], words, p->words * 4, true, &x))
		return false;
	ret = (p->ret == IN_EDX ? V->gpr[R_EDX] : words[p->ret]) - p->ret_plus;
	edx = p->edx == IN_EDX ? V->gpr[R_EDX] : words[p->edx];
	if (!called_from(ret))
		return false;
	V->gpr[R_EDX] = edx;
	if (p->ebp)
		V->gpr[R_EBP] = words[0];
	V->gpr[R_ESP] += p->words * 4;
	V->eip = ret - CALL_BYTES;
	return true;
}

/* The signal returns: EDX is the return address, once it is popped; sigreturn needs no other. */
static bool rewind_sigreturn(void)
{
	bool at_enter = V->eip == ROM_SYSCALL_ENTER;
	uint32_t ret = V->gpr[R_EDX], nr = V->gpr[R_EAX];

	if (!at_enter && V->eip != ROM_RT_SIGRETURN + 1 && V->eip != ROM_RT_SIGRETURN + 6 &&
	    V->eip != ROM_RT_SIGRETURN + 8 && V->eip != ROM_RT_SIGRETURN_SLOW + 1 &&
	    V->eip != ROM_RT_SIGRETURN_SLOW + 6 &&
	    (V->eip <= ROM_SIGRETURN || V->eip > ROM_SIGRETURN + 9) &&
	    (V->eip <= ROM_SIGRETURN_SLOW || V->eip > ROM_SIGRETURN_SLOW + 7))
		return false;
	if (!called_from(ret))
		return false;
	if (at_enter ? nr == 119
	             : V->eip > ROM_SIGRETURN_SLOW + 1 ||
	                   (V->eip > ROM_SIGRETURN + 1 && V->eip < ROM_RT_SIGRETURN_SLOW))
		V->gpr[R_ESP] -= 4;
	V->eip = ret - CALL_BYTES;
	return true;
}

bool rom_signal_return(void)
{
	uint32_t ret = V->gpr[R_EDX];

	if ((V->eip != ROM_RT_SIGRETURN_CALLED && V->eip != ROM_SIGRETURN_CALLED) || !user_mode() ||
	    !called_from(ret))
		return false;
	V->eip = ret;
	return true;
}

static bool in_user_part(uint32_t eip)
{
	return (eip >= ROM_SYSCALL && eip <= ROM_SYSCALL_ENTER) ||
	       (eip >= ROM_SYSCALL_SLOW && eip < ROM_USER_END);
}

void rom_resume_small(void)
{
	if (V->eflags & EFLAGS_TF)
		return; /* would be stepped here */
	V->small_esp = V->gpr[R_ESP];
	V->small_ss = V->rsel[SEG_SS];
	V->small_eip = V->eip;
	V->small_cs = V->rsel[SEG_CS];
	V->eip = ROM_RESUME_SMALL;
	V->rsel[SEG_SS] = V->real_kss;
	V->rsel[SEG_CS] = REAL_CS;
}

/* Interrupted on that way: nothing was changed that the program could know. */
static void undo_resume_small(void)
{
	V->gpr[R_ESP] = V->small_esp;
	V->rsel[SEG_SS] = V->small_ss;
	V->eip = V->small_eip;
	V->rsel[SEG_CS] = V->small_cs;
}

void rom_user_fixup(void)
{
	if (V->eip == ROM_RESUME_SMALL || V->eip == ROM_RESUME_SMALL_SWITCHED) {
		undo_resume_small();
		return;
	}
	if (V->eip < HOLE_ROM || !user_mode())
		return;
	if (V->eip == ROM_IRET_SWITCHED) {
		V->eip = V->return_eip;
		return;
	}
	if (!in_user_part(V->eip) || rewind_sigreturn())
		return;
	if (V->eip == ROM_RT_SIGRETURN || V->eip == ROM_RT_SIGRETURN_SLOW ||
	    V->eip == ROM_SIGRETURN || V->eip == ROM_SIGRETURN_SLOW) {
		rewind_call(&(struct progress){V->eip, 1, 0, IN_EDX, 0, false});
		return;
	}
	for (unsigned i = 0; i < sizeof progress / sizeof *progress; i++)
		if (progress[i].at == V->eip) {
			rewind_call(&progress[i]);
			return;
		}
}

/* `int $0x80` by the core: EIP is behind the instruction. */
static void call_kernel(uint32_t nr, uint32_t pop, uint32_t eip)
{
	V->gpr[R_EAX] = nr;
	V->gpr[R_ESP] += pop;
	V->eip = eip;
	deliver(SYSCALL_VECTOR, false, 0, true);
}

enum rom_step rom_user_step(struct exception *x)
{
	uint32_t entry = V->eip, esp = V->gpr[R_ESP], words[3], ret;

	if (entry < HOLE_ROM || !user_mode() || !guest_read(esp, &ret, 4, true, x) ||
	    !called_from(ret))
		return ROM_STEP_NONE;
	switch (entry) {
	case ROM_SYSCALL:
	case ROM_SYSCALL_SLOW:
		/* The three pushes and the filler that the call replaced. */
		words[0] = V->gpr[R_EBP];
		words[1] = V->gpr[R_EDX];
		words[2] = V->gpr[R_ECX];
		if (!guest_write(esp - 8, words, sizeof words, true, x)) {
			V->gpr[R_ESP] = esp + 4;
			V->eip = ret - CALL_BYTES;
			return ROM_STEP_FAULT;
		}
		V->gpr[R_ESP] = esp - 8;
		V->eip = ret;
		return ROM_STEP_DONE;
	case ROM_RT_SIGRETURN:
	case ROM_RT_SIGRETURN_SLOW:
		call_kernel(173, 4, ret);
		return ROM_STEP_CALL;
	case ROM_SIGRETURN:
	case ROM_SIGRETURN_SLOW:
		call_kernel(119, 8, ret + 1);
		return ROM_STEP_CALL;
	default:
		return ROM_STEP_NONE;
	}
}

void rom_iret_rewind(void)
{
	if (V->eip < ROM_IRET_RESTART || V->eip >= ROM_IRET_SWITCHED)
		return;
	V->eip = ROM_IRET_RESTART;
	V->gpr[R_ESP] = V->iret_esp;
	/* CS and SS may have been named the user's already; the mode is still the kernel's. */
	V->vsel[SEG_CS] = M->kernel_selector[0];
	V->vsel[SEG_SS] = M->kernel_selector[1];
}

void rom_single_step(void)
{
	/* The frame the ROM pushes holds TF; the kernel's handler runs without it. */
	if (V->eip >= ROM_SYSCALL && V->eip < ROM_SYSCALL_END)
		V->eflags &= ~EFLAGS_TF;
}
