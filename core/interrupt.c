// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interrupt flag: what DisableInterrupts, EnableInterrupts and delivery mean here.
 *
 * The real IF is 1 whenever guest code runs. The guest's own is bit 9 of V->iflag, and "an
 * interrupt waits" is the sign bit of the same word. So disabling is one AND, and enabling is
 * one OR whose sign flag says whether something must be delivered: the two-instruction answer
 * to the question of March 2006 whether the test on enable costs too much. There is no race:
 * an instruction is atomic against signals of its own thread, and nobody else writes the word;
 * main writes machine.inbox and interrupts the thread.
 *
 * In user mode interrupts are always on (VMI rule 6): the word is not consulted, user code is
 * told by its stack segment.
 *
 * DELIVERY DEFERRED. The other answer of 2006: enabling only sets the flag, without a test, and
 * delivery is a step of its own (--delivery=deferred; VMI_EnableInterruptsDeferred). Then the
 * flag and "an interrupt waits" can be set together: an enable was a promise that is not kept
 * yet. It is kept by the first of
 *
 *   an exit       leave() looks at the word as always;
 *   IRET, HLT     the same, and rom/iret.S never finishes one while something waits;
 *   a disable     rom_keep_promise, keep_promise(): whoever opens a window (STI; NOP; CLI) finds
 *                 that what was pending came through it. This is the test that enabling was rid
 *                 of: deferral moves it to the other end of the window;
 *   a kick        with IF set delivery has always been immediate;
 *   1 ms          interrupt_waits(): from the moment something is left waiting, main kicks every
 *                 millisecond until it is delivered, so no enable is later than that. It costs
 *                 nothing while nothing waits, and an idle guest is not woken: HLT delivers.
 *
 * VMI_EnableInterruptsDeferred alone (API 3.1) keeps all of these but "a disable", which is
 * VMI_DisableInterrupts's contract to leave it pending; the ROM then asks for the bound only
 * (DELIVERY_BOUNDED, rom/vmi.S).
 */
#include "core/interrupt.h"

#include "cell/host.h"
#include "core/annotated.h"
#include "core/clock.h"
#include "core/console.h"
#include "core/debug.h"
#include "core/emulate.h"
#include "core/frames.h"
#include "core/late_eoi.h"
#include "core/low.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/task.h"

/* Longer than a tick of an idle Linux takes here, in ns. */
#define IDLE_TICK_NS 200000u

/* An enabled interrupt waits no longer than this for its delivery, in ns. */
#define DELIVERY_BOUND_NS 1000000u

uint32_t eflags_image(void)
{
	uint32_t image = V->eflags & ~(EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VM | EFLAGS_RF);

	if (M->debug.open && !M->debug.tf)
		image &= ~EFLAGS_TF;
	return image | EFLAGS_FIXED | V->iopl | (interrupts_enabled() ? EFLAGS_IF : 0);
}

static void set_virtual_if(bool on)
{
	if (on)
		V->iflag |= IF_BIT;
	else
		V->iflag &= ~IF_BIT;
}

void set_eflags(uint32_t image)
{
	/* In ring 1 only SetIOPLMask changes it (VMI Part 5, IRET). */
	if (!M->vmi_active)
		V->iopl = image & EFLAGS_IOPL;
	set_virtual_if(image & EFLAGS_IF);
	V->eflags = (image & EFLAGS_WRITABLE & ~EFLAGS_IOPL) | EFLAGS_IF | EFLAGS_FIXED;
}

struct gate {
	uint32_t handler;
	uint16_t selector;
	uint8_t type, dpl;
	bool fault; /* what leads here is a fault of the instruction at EIP */
};

#define GATE_TASK      5
#define GATE_INTERRUPT 14
#define GATE_TRAP      15

static bool read_gate(unsigned vector, bool software, struct gate *g, struct exception *x)
{
	uint32_t lo, hi, error = vector * 8 | 2;
	uint32_t words[2];

	if (vector * 8 + 7 > M->idt_limit)
		return raise_error(x, VECTOR_GP, error);
	if (!guest_read(M->idt_base + vector * 8, words, 8, false, x))
		return false;
	lo = words[0];
	hi = words[1];
	*g = (struct gate){.handler = (lo & 0xffff) | (hi & 0xffff0000u),
	                   .selector = lo >> 16,
	                   .type = hi >> 8 & 0x1f,
	                   .dpl = hi >> 13 & 3};
	if (software && virtual_cpl() > g->dpl)
		return raise_error(x, VECTOR_GP, error);
	if (g->type != GATE_TASK && g->type != GATE_INTERRUPT && g->type != GATE_TRAP)
		return raise_error(x, VECTOR_GP, error);
	if (!(hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, error);
	return true;
}

bool software_interrupt_allowed(unsigned vector, struct exception *x)
{
	struct gate g;

	return read_gate(vector, true, &g, x);
}

/* The frame is built top down in @words, then written at once: nothing is half pushed. */
struct frame {
	uint32_t words[6];
	unsigned n;
};

static void frame_push(struct frame *f, uint32_t v)
{
	f->words[5 - f->n++] = v;
}

/* Returns the new ESP through @esp. */
static bool frame_write(const struct frame *f, uint32_t *esp, struct exception *x)
{
	*esp -= f->n * 4;
	return guest_write(*esp, f->words + 6 - f->n, f->n * 4, false, x);
}

/* Through an interrupt or trap gate. What fails after the frame is written ends as #DF. */
static bool enter_gate(const struct gate *g, bool has_error, uint32_t error, struct exception *x)
{
	bool from_user = user_mode();
	uint32_t esp = V->gpr[R_ESP];
	uint32_t image = eflags_image();
	struct frame f = {.n = 0};
	uint32_t stack[2];

	if (from_user) {
		if (!guest_read(M->tr_base + 4, stack, 8, false, x))
			return false;
		esp = stack[0];
		frame_push(&f, V->vsel[SEG_SS]);
		frame_push(&f, V->gpr[R_ESP]);
	}
	/* Faults are returned from without breaking again (SDM volume 3, 17.3.1.1). */
	if (g->fault || debug_resuming())
		image |= EFLAGS_RF;
	frame_push(&f, image);
	frame_push(&f, V->vsel[SEG_CS]);
	frame_push(&f, from_user ? V->eip : frame_name(esp - 12));
	if (has_error)
		frame_push(&f, error);
	if (!frame_write(&f, &esp, x))
		return false;
	if (from_user && !load_segment(SEG_SS, stack[1], 0, x))
		return false;
	if (((V->vsel[SEG_CS] ^ g->selector) & ~3u || from_user) &&
	    !load_code_segment(g->selector, g->handler, 0, x))
		return false;
	if (from_user) {
		V->real_kss = V->rsel[SEG_SS];
		/* User mode does not use the word; entering, IF was 1. */
		V->iflag |= IF_BIT;
	}
	V->gpr[R_ESP] = esp;
	V->eip = g->handler;
	V->eflags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC);
	if (g->type == GATE_INTERRUPT)
		set_virtual_if(false);
	return true;
}

/* SDM volume 3, table 6-1; a #DB of its own accord leaves RF to the handler. */
static bool is_fault(unsigned vector)
{
	return vector < 32 && vector != VECTOR_DB && vector != VECTOR_NMI && vector != VECTOR_BP &&
	       vector != VECTOR_OF && vector != VECTOR_DF;
}

static bool try_deliver(unsigned vector, bool has_error, uint32_t error, bool software,
                        struct exception *x)
{
	struct gate g;

	if (!read_gate(vector, software, &g, x))
		return false;
	if (g.type == GATE_TASK)
		return task_enter(g.selector, has_error, error, x);
	g.fault = !software && is_fault(vector);
	if (!enter_gate(&g, has_error, error, x))
		return false;
	M->debug.resume = 0;
	return true;
}

/* SDM volume 3, table 6-5: which second fault makes a double fault. */
static bool makes_double_fault(unsigned first, unsigned second)
{
	bool contributory1 = first == VECTOR_DE || (first >= VECTOR_TS && first <= VECTOR_GP);
	bool contributory2 = second == VECTOR_DE || (second >= VECTOR_TS && second <= VECTOR_GP);

	return (contributory1 && contributory2) ||
	       (first == VECTOR_PF && (contributory2 || second == VECTOR_PF));
}

void deliver(unsigned vector, bool has_error, uint32_t error, bool software)
{
	struct exception x;

	debug_abandon();
	low_close();
	if (vector == VECTOR_DB)
		M->dr[7] &= ~DR7_GD;
	if (try_deliver(vector, has_error, error, software, &x))
		return;
	if (x.vector == VECTOR_PF)
		V->cr2 = x.cr2;
	/* An INT n that fails is an ordinary fault at the INT itself. */
	if (!makes_double_fault(software ? 256 : vector, x.vector)) {
		vector = x.vector;
		has_error = x.has_error;
		error = x.error;
	} else if (vector == VECTOR_DF) {
		stop_guest(STOP_TRIPLE, "triple fault");
	} else {
		vector = VECTOR_DF;
		has_error = true;
		error = 0;
	}
	if (!try_deliver(vector, has_error, error, false, &x))
		stop_guest(STOP_TRIPLE, "triple fault");
}

void deliver_exception(const struct exception *x)
{
	if (x->vector == VECTOR_PF) {
		V->cr2 = x->cr2;
		if (x->error & PF_USER)
			COUNT(page_fault_user);
		else
			COUNT(page_fault_kernel);
	} else {
		COUNT(exception);
	}
	deliver(x->vector, x->has_error, x->error, false);
}

void interrupt_pending_update(void)
{
	late_eoi_collect();
	if (platform_intr(&M->platform))
		V->iflag |= IF_PENDING;
	else
		V->iflag &= ~IF_PENDING;
}

/* Main is the alarm clock of a guest that computes: it must not sleep past the deadline. */
static void tell_deadline(void)
{
	if (M->deadline < __atomic_load_n(&M->main_wake, __ATOMIC_SEQ_CST))
		ring_doorbell(DOORBELL_DEADLINE);
}

/*
 * A tick wakes an idle guest for some 50 us; then it sleeps again, by its own alarm. Main is
 * not told of the deadlines of such a moment, but as soon as it turns out to be more: at the
 * first return to user mode, or when it lasts longer than an idle tick does.
 */
void leave_idle(void)
{
	if (!M->was_idle)
		return;
	M->was_idle = 0;
	update_user_work();
	tell_deadline();
}

static void publish_deadline(uint64_t now)
{
	uint64_t next = platform_next_deadline(&M->platform, now);
	uint64_t alarm = clock_of_tsc(vmitimer_next_deadline(&M->platform.vmitimer));

	if (alarm < next)
		next = alarm;
	if (M->pending_since && M->promise_due > now && M->promise_due < next)
		next = M->promise_due;
	if (next == M->deadline)
		return;
	__atomic_store_n(&M->deadline, next, __ATOMIC_SEQ_CST);
	if (!M->was_idle)
		tell_deadline();
	else if (now - M->woken_at > IDLE_TICK_NS)
		leave_idle();
}

void devices_run(void)
{
	uint64_t now = clock_now();

	console_service(now);
	platform_update_irqs(&M->platform, now);
	platform_update_vmitimer(&M->platform, rdtsc());
	V->vmi_stolen = M->platform.vmitimer.stolen;
	publish_deadline(now);
	if (M->platform.events & PLATFORM_POWER_OFF)
		stop_guest(STOP_POWEROFF, "the guest powered off");
	if (M->platform.events & PLATFORM_RESET)
		stop_guest(STOP_RESET, "the guest asked for a reset");
	M->platform.events = 0;
	interrupt_pending_update();
}

static void count_delivery(void)
{
	uint64_t delay;

	COUNT(interrupt);
	M->count[M->cause ? M->cause : STAT_deliver_exit]++;
	if (!M->pending_since)
		return;
	delay = clock_now() - M->pending_since;
	for (unsigned n = 0; n < DELAY_BUCKETS; n++)
		if (n == DELAY_BUCKETS - 1 || delay >> n <= 1) {
			M->delivery_delay[n]++;
			break;
		}
	M->pending_since = 0;
	M->promise_due = 0;
}

void interrupts_deliver(void)
{
	late_eoi_collect();
	while (platform_intr(&M->platform) && interrupts_enabled()) {
		int vector = platform_acknowledge(&M->platform);

		count_delivery();
		deliver(vector, false, 0, false);
	}
	late_eoi_offer();
	interrupt_pending_update();
}

void interrupt_waits(void)
{
	uint64_t now;

	if (M->pending_since && !(V->delivery & DELIVERY_BOUNDED))
		return;
	now = clock_now();
	if (!M->pending_since)
		M->pending_since = now;
	if (!(V->delivery & DELIVERY_BOUNDED) || M->promise_due > now)
		return;
	M->promise_due = now + DELIVERY_BOUND_NS;
	if (M->promise_due < M->deadline) {
		__atomic_store_n(&M->deadline, M->promise_due, __ATOMIC_SEQ_CST);
		tell_deadline();
	}
}

bool keep_promise(void)
{
	if (!promised())
		return false;
	/* The instruction may stand in a window: then its stub is what to return to. */
	mark_redirect();
	M->cause = STAT_deliver_disable;
	interrupts_deliver();
	return true;
}

void take_inbox(void)
{
	uint32_t bits = __atomic_exchange_n(&M->inbox, 0, __ATOMIC_SEQ_CST);

	if (bits & INBOX_STOP)
		stop_guest(STOP_REQUEST, "asked to stop");
	if (bits & INBOX_BREAK)
		uart_receive_break(&M->platform.uart, clock_now());
	if (bits & INBOX_CLOCK)
		kvmclock_update();
	if (bits & INBOX_POWER)
		pm_press_power_button(&M->platform.pm);
}

void halt(void)
{
	COUNT(halt);
	for (;;) {
		take_inbox();
		devices_run();
		if (platform_intr(&M->platform))
			break;
		__atomic_store_n(&M->halted, 1, __ATOMIC_SEQ_CST);
		host_futex_wait(&M->inbox, 0,
		                M->deadline == UINT64_MAX ? UINT64_MAX
		                                          : M->deadline + M->mono_offset);
		__atomic_store_n(&M->halted, 0, __ATOMIC_SEQ_CST);
	}
	M->cause = STAT_deliver_halt;
	M->was_idle = 1;
	M->woken_at = clock_now();
	V->iflag |= IF_USER_WORK;
}
