// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Exits: guest to core, by far call (cheap) or by a host exception, and the one way back.
 *
 * Every exit ends in leave(), which delivers interrupts, hands the virtual CPU to another cell
 * if CR3 changed, and resumes from the virtual CPU's registers.
 */
#include "core/exit.h"

#include "cell/gate.h"
#include "core/alarm.h"
#include "core/annotated.h"
#include "core/boot.h"
#include "core/clock.h"
#include "core/console.h"
#include "core/debug.h"
#include "core/debugger.h"
#include "core/emulate.h"
#include "core/fast_call.h"
#include "core/interrupt.h"
#include "core/low.h"
#include "core/mmio.h"
#include "core/nmi.h"
#include "core/paging.h"
#include "core/probes.h"
#include "core/recover.h"
#include "core/segment.h"
#include "core/shadow.h"
#include "core/spaces.h"
#include "core/strings.h"
#include "core/syscall.h"
#include "core/trace.h"
#include "core/userhalf.h"
#include "core/vmi.h"
#include "rom_symbols.h"

#define HOST_SIGSEGV 11
#define HOST_SIGBUS  7
#define HOST_SIGFPE  8
#define HOST_SIGILL  4
#define HOST_SIGTRAP 5

/* A real #NM cannot be made to happen in user code; it comes before the first instruction. */
static void deliver_nm(void)
{
	struct exception x = {.vector = VECTOR_NM};

	M->nm_pending = 0;
	if (user_mode())
		deliver_exception(&x);
}

static void deliver_debug(uint32_t bits)
{
	debug_status(bits);
	if (bits)
		deliver_exception(&(struct exception){.vector = VECTOR_DB});
}

/* Between two instructions of the kernel's, as it knows them? */
static bool at_instruction(void)
{
	return V->eip < HOLE_BASE || (in_stubs(V->eip) && is_point(V->eip));
}

/* The kernel goes on with its trap flag set. */
static void prepare_step(void)
{
	if (user_mode() || (M->debug.open && !M->debug.tf))
		return;
	/* A far call that was stepped is the end of an instruction whose beginning was not. */
	if (V->gate_tf == GATE_STEPPING && at_instruction())
		deliver_debug(DR6_BS);
	V->gate_tf = GATE_NOT_STEPPED;
	if (V->eflags & EFLAGS_TF)
		step_in_place();
}

static _Noreturn void leave(void)
{
	if (M->debug.ports)
		deliver_debug(debug_port_hits());
	if (M->nm_pending)
		deliver_nm();
	nmi_deliver();
	if (V->iflag & IF_PENDING && interrupts_enabled())
		interrupts_deliver();
	if (hand_over_wanted()) {
		hand_over();
		take_inbox();
		devices_run();
		nmi_deliver();
		interrupts_deliver();
	}
	if (M->debugged) {
		debugger_leave();
		/* What had to wait for the end of a step. */
		if (V->iflag & IF_PENDING && interrupts_enabled())
			interrupts_deliver();
	}
	if (V->eflags & EFLAGS_TF)
		prepare_step();
	M->cause = STAT_deliver_exit;
	if (M->to_user) {
		M->to_user = 0;
		if (user_mode())
			shadow_enter_user();
	}
	if (V->iflag & IF_PENDING)
		interrupt_waits();
	if (is_low(V->eip))
		low_enter_code();
	if (!fast(FAST_KEEP_SEGMENTS))
		V->load_segments |= LOAD_DATA;
	if (V->load_segments || SELF->ldt_seen != M->ldt_generation)
		segments_prepare();
	if (user_mode())
		V->gs_area = SELECTOR_UNKNOWN;
	V->eflags = (V->eflags | EFLAGS_IF | EFLAGS_FIXED) & ~(EFLAGS_IOPL | EFLAGS_VM);
	/* Only the guest's LDT gives a program such a stack. */
	if (V->rsel[SEG_SS] < LDT_SELECTOR(LDT_TLS_ALTERNATIVE) && !segment_is_big(SEG_SS))
		rom_resume_small();
	trace_resume();
	cell_resume();
}

void core_again(void)
{
	trace_exit(TRACE_EXIT_AGAIN);
	take_inbox();
	devices_run();
	leave();
}

/* ---- exits by far call ---- */

/*
 * Word @n of the stack, which is flat in kernel mode: 0 and 1 are the far pointer, what was pushed
 * for the core lies behind it.
 */
static uint32_t *stack_at(unsigned n)
{
	return (uint32_t *)(uintptr_t)V->gpr[R_ESP] + n;
}

/* Where nothing is mapped at stack_at(), or nothing any more: by the guest's tables. */
static bool stack_transfer(unsigned n, uint32_t *word, bool write, struct exception *x)
{
	uint32_t va = V->gpr[R_ESP] + n * 4;

	return write ? guest_write(va, word, 4, false, x) : guest_read(va, word, 4, false, x);
}

/*
 * A page of the stack is gone from the guest's tables as well, since it was pushed to: the far call
 * is made again when the guest's handler has seen to it.
 */
static _Noreturn void repeat_far_call(const struct exception *x)
{
	struct exception other;
	uint32_t next;

	if (!native_read(stack_at(0), &next) && !stack_transfer(0, &next, false, &other))
		stop_guest(STOP_INTERNAL,
		           "the guest kernel calls the monitor on a stack that cannot be read");
	V->eip = next - GATE_CALL_LENGTH;
	V->gpr[R_ESP] += 8;
	deliver_exception(x);
	leave();
}

/* Out of the way of the many exits that never come here. */
__attribute__((cold)) static uint32_t find_stack_word(unsigned n)
{
	struct exception x;
	uint32_t word;

	if (!stack_transfer(n, &word, false, &x))
		repeat_far_call(&x);
	return word;
}

__attribute__((always_inline)) static inline uint32_t stack_word(unsigned n)
{
	uint32_t word;

	return native_read(stack_at(n), &word) ? word : find_stack_word(n);
}

static void set_stack_word(unsigned n, uint32_t word)
{
	struct exception x;

	if (!native_write(stack_at(n), word) && !stack_transfer(n, &word, true, &x))
		repeat_far_call(&x);
}

#define INT_BYTES 2

static void gate_site(void)
{
	uint32_t index = stack_word(2), next = stack_word(0);

	COUNT(exit_gate_site);
	V->gpr[R_ESP] += 12;
	run_site(index, next);
}

/* Take the far pointer off the stack: go on behind the far call. */
static void gate_return(void)
{
	V->eip = stack_word(0);
	V->gpr[R_ESP] += 8;
}

/* Behind the far call only a RET is left: resume there with interrupts let in first. */
static void gate_deliver(void)
{
	COUNT(exit_gate_deliver);
	M->cause = STAT_deliver_enable;
	gate_return();
	devices_run();
}

/* Interrupts are about to be disabled: behind the far call they are still on. */
static void gate_promise(void)
{
	COUNT(exit_gate_deliver);
	M->cause = STAT_deliver_disable;
	gate_return();
}

/* The frame at ESP is one of kernel mode with interrupts off. */
static bool returns_disabled(void)
{
	uint32_t frame[3];

	return guest_peek(V->gpr[R_ESP], frame, sizeof frame) && (frame[1] & 3) != 3 &&
	       !(frame[2] & EFLAGS_IF);
}

static void gate_iret(void)
{
	struct exception x;

	COUNT(exit_gate_iret);
	M->cause = STAT_deliver_iret;
	V->gpr[R_ESP] += 8;
	V->eip = V->iret_site;
	/* Where a VMI kernel's call of IRET starts is not known for sure; the ROM's own place is.
	 */
	if (promised() && M->vmi_active && returns_disabled()) {
		V->eip = ROM_IRET;
		keep_promise();
		return;
	}
	if (prefill_before_return()) {
		V->eip = ROM_IRET;
		return;
	}
	if (!emulate_iret(4, &x))
		deliver_exception(&x);
}

static void gate_popf(void)
{
	uint32_t image = stack_word(3);

	COUNT(exit_gate_site);
	if (!(image & EFLAGS_IF) && promised()) {
		/* What was enabled comes first, and returns to the far call. */
		V->eip = stack_word(0) - GATE_CALL_LENGTH;
		V->gpr[R_ESP] += 8;
		M->cause = STAT_deliver_disable;
		return;
	}
	set_eflags(image);
	if (!(image & EFLAGS_TF)) {
		gate_return();
		return;
	}
	/* What it sets the trap flag for is the next instruction of the kernel's, not the ROM's. */
	V->eip = stack_word(2);
	V->gpr[R_ESP] += 16;
}

static void gate_load(enum seg seg)
{
	struct exception x;

	COUNT(exit_gate_segment);
	if (load_segment(seg, stack_word(3), virtual_cpl(), &x)) {
		gate_return();
		return;
	}
	/* As if nothing of the instruction had happened. */
	/* The call may be the last of its instruction: its return address belongs to the next. */
	V->eip = original_address(stack_word(2) - 1);
	V->gpr[R_ESP] += site_pops_selector(V->eip) ? 12 : 16;
	mark_redirect();
	deliver_exception(&x);
}

static void gate_store(enum seg seg)
{
	COUNT(exit_gate_segment);
	set_stack_word(3, V->vsel[seg]);
	gate_return();
}

/*
 * User code far-called the gate: with an instruction of its own, which is #GP for a selector that
 * names no code, or because it jumped into kernel text that was rewritten.
 */
static void gate_of_user(void)
{
	struct exception x = {.vector = VECTOR_GP, .has_error = true, .error = HOST_CS64 & ~3u};
	uint32_t esp = V->gpr[R_ESP] + segment_base(SEG_SS), next;

	if (guest_read(esp, &next, 4, true, &x)) {
		V->eip = next - GATE_CALL_LENGTH;
		V->gpr[R_ESP] += 8;
		user_astray(&x);
	}
	deliver_exception(&x);
}

void core_gate(uint32_t gate)
{
	trace_exit(gate);
	segments_sync();
	low_close();
	if (user_mode()) {
		gate_of_user();
		leave();
	}
	/* A far call that was single-stepped reports its trap behind the gate. */
	if (V->gate_tf == GATE_STEPPED) {
		V->gate_tf = GATE_STEPPING;
		V->eflags |= EFLAGS_TF;
		debug_abandon();
	}
	switch (gate) {
	case GATE_SITE:
		gate_site();
		break;
	case GATE_DELIVER:
		gate_deliver();
		break;
	case GATE_IRET:
		gate_iret();
		break;
	case GATE_POPF:
		gate_popf();
		break;
	case GATE_SYSCALL:
		syscall_finish(stack_word(2), stack_word(3), stack_word(4), stack_word(6));
		break;
	case GATE_LOAD_ES:
		gate_load(SEG_ES);
		break;
	case GATE_LOAD_DS:
		gate_load(SEG_DS);
		break;
	case GATE_LOAD_FS:
		gate_load(SEG_FS);
		break;
	case GATE_LOAD_GS:
		gate_load(SEG_GS);
		break;
	case GATE_STORE_ES:
		gate_store(SEG_ES);
		break;
	case GATE_STORE_DS:
		gate_store(SEG_DS);
		break;
	case GATE_STORE_FS:
		gate_store(SEG_FS);
		break;
	case GATE_STORE_GS:
		gate_store(SEG_GS);
		break;
	case GATE_PROMISE:
		gate_promise();
		break;
	case GATE_VMI_INIT:
		gate_return();
		vmi_init();
		break;
	default:
		if (gate >= GATE_COUNT)
			stop_guest(STOP_INTERNAL, "a far call to no gate");
		gate_return();
		TRACE(vmi, gate - GATE_VMI, 0, 0);
		vmi_call(gate - GATE_VMI, V->eip);
	}
	leave();
}

/* ---- exits by host exception ---- */

/* A page fault the software TLB can answer. False: it is the guest's, in @x. */
static bool refill(uint32_t va, uint32_t error, bool user, struct exception *x)
{
	bool write = error & PF_WRITE;
	struct translation t;

	if (va >= HOLE_BASE)
		return raise_page_fault(x, va, (write ? PF_WRITE : 0) | (user ? PF_USER : 0));
	if (!walk(va, write, user, &t, x)) {
		if (error & PF_FETCH && M->efer & EFER_NX && V->cr4 & CR4_PAE)
			x->error |= PF_FETCH;
		return false;
	}
	if (error & PF_FETCH && t.no_execute)
		return raise_page_fault(x, va, PF_PRESENT | PF_FETCH | (user ? PF_USER : 0));
	COUNT(page_fault_hidden);
	if (t.pa <= UINT32_MAX && platform_is_mmio(&M->platform, (uint32_t)t.pa)) {
		TRACE(io, TRACE_IO_MMIO, (uint32_t)t.pa, 0);
		if (mmio_access(t.pa))
			return true;
		stop_guest(STOP_INTERNAL,
		           "an instruction that is not a move accesses device memory");
	}
	if (!debug_access(va, error, x))
		return false;
	if (!user && va >= M->user_top && !(error & PF_FETCH) && string_access(va))
		return true;
	if (!is_low(va) || !shadow_present(va, write))
		shadow_map(va, &t, error & PF_FETCH);
	if (!is_low(va) || low_access(va, error & PF_FETCH))
		return true;
	/* The guest allows it, the host does not: the program ends, the machine goes on. */
	if (!user)
		stop_guest(STOP_INTERNAL,
		           "the guest kernel uses pages below 64 KiB, which the host does not map "
		           "(sysctl vm.mmap_min_addr), as its stack or by a vector of addresses");
	return raise_error(x, VECTOR_GP, 0);
}

/*
 * A fault of an instruction whose segments are moved, where they are moved to. What it does at
 * the guest's address @va is looked at again; but for the page where the low ones end, which an
 * access may reach from below.
 */
static bool refill_moved(uint32_t va, uint32_t error, uint32_t moved, struct exception *x)
{
	bool write = error & PF_WRITE, user = user_mode();
	struct translation t;

	if (is_low(va)) {
		if (!refill(va, error, user, x))
			return false;
	} else {
		if (!walk(va, write, user, &t, x))
			return false;
		if (!in_ram(t.pa & ~0xfffull, PAGE_SIZE) ||
		    !low_spill(t.pa & ~0xfffu, t.writable && t.dirty))
			return raise_error(x, VECTOR_GP, 0);
		if (moved & LOW_DATA && !low_access(M->low.end - 1, false))
			return raise_error(x, VECTOR_GP, 0);
	}
	if (moved & LOW_CODE_WIDE)
		low_leave_code();
	return true;
}

/* How many IRETs to look at: nested interrupts return before the handler does. */
#define PREFILL_RETURNS 4

/* The handler will install the page and return here: then map it without another fault. */
static void expect_prefill(const struct exception *x)
{
	M->prefill.va = x->cr2;
	M->prefill.eip = V->eip;
	M->prefill.cr3 = V->cr3;
	M->prefill.write = x->error & PF_WRITE ? 1 : 0;
	M->prefill.user = x->error & PF_USER ? 1 : 0;
	M->prefill.armed = PREFILL_RETURNS;
	V->iflag |= IF_IRET_WORK;
}

static void page_fault(uint32_t va, uint32_t error, uint32_t moved)
{
	struct exception x;

	if (moved && low_address(va) != va ? refill_moved(low_address(va), error, moved, &x)
	                                   : refill(va, error, user_mode(), &x))
		return;
	if (x.vector == VECTOR_PF && fast(FAST_PREFILL))
		expect_prefill(&x);
	deliver_exception(&x);
}

/* The instruction at EIP, from the annotator's record or from memory. */
static bool fetch(struct insn *in, uint32_t *next)
{
	const struct annot_site *site = user_mode() ? NULL : annotated_site(V->eip);
	uint8_t bytes[15];
	bool code16;
	unsigned n;

	if (site) {
		*next = V->eip + site->length;
		return decode_insn(site->bytes, site->length, in);
	}
	if (!user_mode() && paging_on())
		COUNT(exit_trap_unknown);
	n = fetch_bytes(bytes, &code16);
	if (!n || !(code16 ? decode_insn16 : decode_insn)(bytes, n, in))
		return false;
	*next = V->eip + in->length;
	return true;
}

/* The instruction was emulated: the processor will not trap behind it. */
static void emulated(const struct insn *in, bool stepped)
{
	/* A load of SS has the trap come behind the next one (SDM volume 2, MOV and POP). */
	if ((in->op == OP_MOV_TO_SEG || in->op == OP_POP_SEG) && in->reg == SEG_SS &&
	    !M->debug.open)
		return;
	if (in->op != OP_INT && (stepped || M->debug.open))
		deliver_debug(debug_trap() | debug_port_hits());
}

/* #GP and its relatives, by guest code. */
static void protection_fault(const struct host_exception *e, bool repaired)
{
	struct exception x = {.vector = e->vector, .has_error = true, .error = e->error};
	bool stepped = V->eflags & EFLAGS_TF;
	struct insn in;
	uint32_t next;

	if (segment_fault_is_ours(e->error) || repaired)
		return;
	if (!user_mode()) {
		if (probe_copy(&in, &next)) {
			COUNT(exit_trap);
			if (probe_step(&in, next, &x))
				emulated(&in, stepped);
			else
				deliver_exception(&x);
			return;
		}
		if (note_site(V->eip) || !fetch(&in, &next)) {
			if (redirected())
				return;
			deliver_exception(&x);
			return;
		}
		COUNT(exit_trap);
		if (emulate_trapped(&in, next, &x))
			emulated(&in, stepped);
		else
			deliver_exception(&x);
		return;
	}
	if (!e->error && e->vector != VECTOR_NP && access_beyond(&x)) {
		deliver_exception(&x);
		return;
	}
	x = (struct exception){.vector = e->vector, .has_error = true, .error = e->error};
	if (fetch(&in, &next)) {
		COUNT(exit_trap);
		x = (struct exception){.vector = VECTOR_GP, .has_error = true, .error = e->error};
		if (emulate_user(&in, next, &x)) {
			emulated(&in, stepped);
			return;
		}
		if (x.vector == VECTOR_GP)
			x.error = e->error;
	}
	deliver_exception(&x);
}

/*
 * A step within what stands for an instruction of the kernel's, or within a routine of the ROM that
 * it called, which is one instruction to it: the trap comes behind it. IRET is carried out here,
 * where the flags it loads do not lose the trap. False: it faults, by @x.
 */
static bool step_inside(uint32_t *bits, struct exception *x)
{
	bool stepped = *bits & DR6_BS;

	rom_single_step();
	*bits &= ~DR6_BS;
	if (!stepped || V->eip != ROM_IRET)
		return true;
	V->eip = V->iret_site;
	*bits |= DR6_BS;
	return emulate_iret(4, x);
}

static void debug_exception(void)
{
	struct exception x;
	uint32_t bits = debug_trap();
	enum rom_step step = rom_user_step(&x);

	if (step == ROM_STEP_CALL)
		return;
	if (!user_mode() && !at_instruction() && !step_inside(&bits, &x)) {
		deliver_exception(&x);
		return;
	}
	if (step == ROM_STEP_FAULT || (step == ROM_STEP_NONE && user_astray(&x)))
		deliver_exception(&x);
	else
		deliver_debug(bits);
}

static void plain_exception(uint8_t vector)
{
	struct exception x = {.vector = vector};

	deliver_exception(&x);
}

static void count_signal(uint32_t signal)
{
	switch (signal) {
	case HOST_SIGSEGV:
		COUNT(signal_segv);
		break;
	case HOST_SIGBUS:
		COUNT(signal_bus);
		break;
	case HOST_SIGFPE:
		COUNT(signal_fpe);
		break;
	case HOST_SIGILL:
		COUNT(signal_ill);
		break;
	case HOST_SIGTRAP:
		COUNT(signal_trap);
		break;
	}
}

void core_fault(const struct host_exception *e)
{
	bool repaired = segments_sync(), again;
	uint32_t low = low_close();
	struct exception x;

	trace_exit(TRACE_EXIT_FAULT + e->vector);
	count_signal(e->signal);
	/* In a window (core/shadow.c) SIGBUS is what SIGSEGV is elsewhere. */
	again = e->signal == HOST_SIGBUS && e->vector == VECTOR_PF && !shadow_missing(e->cr2);
	if (again && !shadow_install_again(e->cr2))
		stop_guest(STOP_MEMORY, OUT_OF_MEMORY);
	if (e->vector != VECTOR_DB)
		rom_user_fixup();
	rom_iret_rewind();
	if (again || (e->vector == VECTOR_BP && debugger_break()))
		leave();
	/* A breakpoint instruction is what was jumped to, and EIP is behind it already. */
	if (e->vector == VECTOR_BP && user_mode() && linear_eip() > M->user_top)
		V->eip--;
	if (e->vector != VECTOR_PF && e->vector != VECTOR_DB && user_astray(&x)) {
		deliver_exception(&x);
		leave();
	}
	switch (e->vector) {
	case VECTOR_PF:
		if (repaired)
			break;
		if (e->cr2 != linear_eip() && user_astray(&x))
			deliver_exception(&x);
		else
			page_fault(e->cr2, e->error, low);
		break;
	case VECTOR_GP:
	case VECTOR_NP:
	case VECTOR_SS:
		if (low & LOW_CODE && e->vector == VECTOR_GP && !e->error)
			low_leave_code();
		else
			protection_fault(e, repaired);
		break;
	case VECTOR_BP:
	case VECTOR_OF:
		COUNT(exception);
		TRACE(faults, e->vector, 0, 0);
		if (!user_mode())
			probe_hit();
		deliver(e->vector, false, 0, true);
		break;
	case VECTOR_DB:
		debug_exception();
		break;
	case VECTOR_AC:
		/* Alignment is checked at CPL 3 only, and the guest kernel is not meant to be. */
		if (!user_mode()) {
			V->eflags &= ~EFLAGS_AC;
			break;
		}
		deliver_exception(&(struct exception){.vector = VECTOR_AC, .has_error = true});
		break;
	case VECTOR_DE:
	case VECTOR_BR:
	case VECTOR_UD:
	case VECTOR_MF:
	case VECTOR_XM:
		plain_exception(e->vector);
		break;
	default:
		stop_guest(STOP_INTERNAL, "a host exception that guest code cannot cause");
	}
	leave();
}

void core_excursion(const struct host_exception *e)
{
	count_signal(e->signal);
	segments_sync();
	low_close();
	deliver_exception(&(struct exception){.vector = VECTOR_GP, .has_error = true});
	take_inbox();
	devices_run();
	leave();
}

void core_bad_resume(const struct host_exception *e)
{
	struct exception x = {.vector = VECTOR_GP, .has_error = true, .error = e->error};
	bool data = false;

	count_signal(e->signal);
	rom_user_fixup();
	for (enum seg seg = SEG_ES; seg < SEG_COUNT; seg++)
		if (seg != SEG_CS && seg != SEG_SS && e->error &&
		    !((V->rsel[seg] ^ e->error) & 0xfffc)) {
			clear_segment(seg);
			data = true;
		}
	if (!data)
		deliver_exception(&x);
	V->load_segments |= LOAD_DATA;
	leave();
}

void core_kick(void)
{
	struct exception x;

	trace_exit(TRACE_EXIT_KICK);
	COUNT(signal_kick);
	M->cause = promised() ? STAT_deliver_bound : STAT_deliver_kick;
	M->promise_due = 0; /* this is the look it was for, be it early by main's clock */
	segments_sync();
	low_close();
	rom_user_fixup();
	rom_iret_rewind();
	if (user_astray(&x))
		deliver_exception(&x);
	take_inbox();
	devices_run();
	leave();
}

void core_syscall(void)
{
	struct exception x;

	trace_exit(TRACE_EXIT_CALL);
	COUNT(signal_sys);
	segments_sync();
	low_close();
	rom_user_fixup();
	if (!rom_signal_return() && user_astray(&x)) {
		V->eip -= INT_BYTES;
		x.cr2 -= INT_BYTES;
		deliver_exception(&x);
		leave();
	}
	COUNT(syscall_trap);
	deliver(0x80, false, 0, true);
	/* The next one can do without the host's help, if the guest's gate is the usual kind. */
	syscall_gate_changed();
	leave();
}

void core_undefined(uint32_t last)
{
	uint32_t eip;

	COUNT(signal_sys);
	segments_sync();
	low_close();
	if (user_mode() && fast_call_find(last, &eip)) {
		V->eip = eip;
		V->gpr[R_ECX] = eip + 2; /* what SYSCALL leaves there */
	}
	plain_exception(VECTOR_UD);
	leave();
}

/* Whichever cell takes up a machine from a snapshot holds no address space yet. */
static void go_on(void)
{
	M->restored = 0;
	M->cell[SELF->number].tag = V->cr3 & ~0x1fu;
	kvmclock_update();
	if (M->asleep)
		halt();
	take_inbox();
	devices_run();
}

void core_start(void)
{
	__atomic_store_n(&M->cell[SELF->number].ready, 1, __ATOMIC_SEQ_CST);
	space_wait();
	fpu_restore();
	if (!M->booted)
		core_boot();
	space_activate();
	if (M->restored)
		go_on();
	leave();
}
