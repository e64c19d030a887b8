// SPDX-License-Identifier: GPL-2.0-or-later
/* Host signals: guest code's exceptions, trapped system calls, and main's kicks. */
#include "cell/cell.h"
#include "cell/host.h"
#include "cell/syscall.h"

#include "core/core.h"
#include "core/exit.h"
#include "core/segment.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/sched.h>

extern const char cell_resume_end[];
void signal_entry(int, void *, void *);
void signal_return(void);
_Noreturn void core_signal(uint32_t signal, const struct siginfo *info, const struct ucontext *uc);
void core_nested(uint32_t signal, const struct siginfo *info, struct ucontext *uc);

struct kernel_sigaction {
	void (*handler)(int, void *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

static void take_registers(const struct sigcontext_64 *c)
{
	V->gpr[R_EAX] = c->ax;
	V->gpr[R_ECX] = c->cx;
	V->gpr[R_EDX] = c->dx;
	V->gpr[R_EBX] = c->bx;
	V->gpr[R_ESP] = c->sp;
	V->gpr[R_EBP] = c->bp;
	V->gpr[R_ESI] = c->si;
	V->gpr[R_EDI] = c->di;
	V->eip = c->ip;
	V->eflags = c->flags;
	V->hw[SEG_SS] = c->ss;
	V->hw[SEG_CS] = c->cs;
}

/*
 * SYSCALL (AMD) or SYSENTER (Intel) in 32-bit code. The host's entry replaces CS, SS and EIP by
 * its own, has EBP in ECX's place, and loses ECX (do_fast_syscall_32, entry_64_compat.S). INT
 * 0x80 keeps the segments it was executed with, which are in the LDT.
 */
static bool is_fast_call(uint32_t signal, const struct sigcontext_64 *c)
{
	return signal == SIGSYS && !(c->cs & 4) && !(c->ss & 4);
}

static void undo_fast_call(const struct sigcontext_64 *c)
{
	V->hw[SEG_CS] = V->rsel[SEG_CS];
	V->hw[SEG_SS] = V->rsel[SEG_SS];
	V->gpr[R_EBP] = c->cx;
}

void core_signal(uint32_t signal, const struct siginfo *info, const struct ucontext *uc)
{
	const struct sigcontext_64 *c = (const void *)&uc->uc_mcontext;
	struct host_exception e = {
	    .signal = signal, .vector = c->trapno, .error = c->err, .cr2 = c->cr2};

	uint32_t last = V->eip;

	(void)info;
	if (c->cs == HOST_CS64 && c->ip >= (uintptr_t)cell_resume &&
	    c->ip < (uintptr_t)cell_resume_end)
		core_bad_resume(&e);
	take_registers(c);
	if (c->cs == HOST_CS64) {
		/* i386 has no 64-bit mode: end the excursion as a protection fault of the guest. */
		V->hw[SEG_CS] = REAL_CS;
		e.signal = SIGSEGV;
		e.vector = VECTOR_GP;
		e.error = 0;
		segments_note_mode();
		core_excursion(&e);
	}
	if (is_fast_call(signal, c)) {
		undo_fast_call(c);
		segments_note_mode();
		core_undefined(last);
	}
	segments_note_mode();
	switch (signal) {
	case CELL_SIGNAL_KICK:
		core_kick();
	case SIGSYS:
		core_syscall();
	default:
		core_fault(&e);
	}
}

static bool recover(struct sigcontext_64 *c)
{
	uint64_t rip = c->ip;

	if (!core_recover(&rip))
		return false;
	c->ip = rip;
	return true;
}

/*
 * A signal while the core or the gate ran. A kick has said all in the inbox, which is looked
 * at before the guest goes on; the last instructions before that are run again. An access to
 * memory at the guest's addresses goes on where it says.
 */
void core_nested(uint32_t signal, const struct siginfo *info, struct ucontext *uc)
{
	struct sigcontext_64 *c = (void *)&uc->uc_mcontext;
	uint64_t resume = (uintptr_t)cell_resume;

	(void)info;
	if (signal == CELL_SIGNAL_KICK) {
		if (c->ip >= resume && c->ip < (uintptr_t)cell_resume_end)
			c->ip = resume;
		return;
	}
	/* A single-stepped far call traps behind the call, here. */
	if (signal == SIGTRAP && c->ip >= HOLE_GATE && c->ip < HOLE_GATE + 4096ul) {
		c->flags &= ~(uint64_t)EFLAGS_TF;
		V->gate_tf = GATE_STEPPED;
		return;
	}
	if ((signal == SIGSEGV || signal == SIGBUS) && c->trapno == VECTOR_PF && recover(c))
		return;
	core_fault_inside(signal, c->trapno, c->err, c->ip, c->cr2);
}

static void handle(int signal)
{
	struct kernel_sigaction a = {.handler = signal_entry,
	                             .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER,
	                             .restorer = signal_return};

	host_call(__NR_rt_sigaction, signal, (long)&a, 0, sizeof a.mask, 0, 0);
}

void install_signals(void)
{
	static const uint8_t signals[] = {SIGSEGV, SIGBUS, SIGFPE,          SIGILL,
	                                  SIGTRAP, SIGSYS, CELL_SIGNAL_KICK};
	stack_t stack = {.ss_sp = SELF->stack, .ss_size = CELL_STACK_SIZE};

	host_call(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
	for (unsigned i = 0; i < sizeof signals; i++)
		handle(signals[i]);
}
