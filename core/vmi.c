// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VMI calls: the slow remainder behind rom/vmi.S. Where a call stands for an instruction, the
 * instruction's emulation is the implementation (core/emulate.c); this file only says which
 * registers are its operands (include/vmi/vmi.h).
 */
#include "core/vmi.h"

#include "core/alarm.h"
#include "core/clock.h"
#include "core/emulate.h"
#include "core/interrupt.h"
#include "core/late_eoi.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/shadow.h"
#include "vmi/vmi.h"

#define DESCRIPTOR_INDEX_MAX 8191 /* a table has at most 64 KiB */
#define CALL_LENGTH          5    /* CALL rel32: what Linux patches its sites with */
#define GATE_CALL_LENGTH     7    /* LCALL ptr16:32, in the ROM */

/* An alarm that comes oftener than this leaves a guest no time for anything else (lapic.h too). */
#define SHORTEST_PERIOD (M->tsc_khz / 5u) /* cycles: 200 us */

/* The RPL a VMI kernel finds in its CS and SS: rings 1 and 2 are its to use (Part 2.1). */
#define VMI_KERNEL_RPL 1

void vmi_init(void)
{
	M->vmi_active = 1;
	M->kernel_rpl = VMI_KERNEL_RPL;
	V->vsel[SEG_CS] |= VMI_KERNEL_RPL;
	V->vsel[SEG_SS] |= VMI_KERNEL_RPL;
	M->kernel_selector[0] = V->vsel[SEG_CS];
	M->kernel_selector[1] = V->vsel[SEG_SS];
	V->iflag &= ~IF_BIT;
	V->gpr[R_EAX] = 0;
	syscall_gate_changed();
}

static struct insn register_form(enum op op, unsigned reg, unsigned rm)
{
	return (struct insn){.op = op,
	                     .size = 4,
	                     .reg = reg,
	                     .rm = rm,
	                     .base = NO_REGISTER,
	                     .index = NO_REGISTER,
	                     .segment = SEG_DS};
}

static struct insn memory_form(enum op op, unsigned base)
{
	struct insn in = register_form(op, 0, 0);

	in.memory = true;
	in.base = base;
	return in;
}

static struct insn port_form(enum op op, unsigned size)
{
	struct insn in = register_form(op, 0, 0);

	in.size = size;
	in.rep = op == OP_INS || op == OP_OUTS;
	return in;
}

/* The instruction a call stands for; OP_NONE: it stands for none. */
static struct insn instruction_of(unsigned number)
{
	uint32_t eax = V->gpr[R_EAX];

	switch (number) {
	case VMI_CALL_CPUID:
		return register_form(OP_CPUID, 0, 0);
	case VMI_CALL_WRMSR:
		return register_form(OP_WRMSR, 0, 0);
	case VMI_CALL_RDMSR:
		return register_form(OP_RDMSR, 0, 0);
	case VMI_CALL_SetGDT:
		return memory_form(OP_LGDT, R_EAX);
	case VMI_CALL_SetIDT:
		return memory_form(OP_LIDT, R_EAX);
	case VMI_CALL_GetGDT:
		return memory_form(OP_SGDT, R_EAX);
	case VMI_CALL_GetIDT:
		return memory_form(OP_SIDT, R_EAX);
	case VMI_CALL_SetLDT:
		return register_form(OP_LLDT, 0, R_EAX);
	case VMI_CALL_SetTR:
		return register_form(OP_LTR, 0, R_EAX);
	case VMI_CALL_GetLDT:
		return register_form(OP_SLDT, 0, R_EAX);
	case VMI_CALL_GetTR:
		return register_form(OP_STR, 0, R_EAX);
	case VMI_CALL_SetCR0:
		return register_form(OP_MOV_TO_CR, 0, R_EAX);
	case VMI_CALL_SetCR2:
		return register_form(OP_MOV_TO_CR, 2, R_EAX);
	case VMI_CALL_SetCR3:
		return register_form(OP_MOV_TO_CR, 3, R_EAX);
	case VMI_CALL_SetCR4:
		return register_form(OP_MOV_TO_CR, 4, R_EAX);
	case VMI_CALL_WBINVD:
		return register_form(OP_WBINVD, 0, 0);
	case VMI_CALL_SetDR:
		return register_form(eax < 8 ? OP_MOV_TO_DR : OP_NONE, eax & 7, R_EDX);
	case VMI_CALL_GetDR:
		return register_form(eax < 8 ? OP_MOV_FROM_DR : OP_NONE, eax & 7, R_EAX);
	case VMI_CALL_RDPMC:
		return register_form(OP_RDPMC, 0, 0);
	case VMI_CALL_GetCR0:
		return register_form(OP_MOV_FROM_CR, 0, R_EAX);
	case VMI_CALL_GetCR2:
		return register_form(OP_MOV_FROM_CR, 2, R_EAX);
	case VMI_CALL_GetCR3:
		return register_form(OP_MOV_FROM_CR, 3, R_EAX);
	case VMI_CALL_GetCR4:
		return register_form(OP_MOV_FROM_CR, 4, R_EAX);
	case VMI_CALL_RDTSC:
		return register_form(OP_RDTSC, 0, 0);
	case VMI_CALL_CLTS:
		return register_form(OP_CLTS, 0, 0);
	case VMI_CALL_InvalPage:
		return memory_form(OP_INVLPG, R_EAX);
	case VMI_CALL_INB:
		return port_form(OP_IN, 1);
	case VMI_CALL_INW:
		return port_form(OP_IN, 2);
	case VMI_CALL_INL:
		return port_form(OP_IN, 4);
	case VMI_CALL_OUTB:
		return port_form(OP_OUT, 1);
	case VMI_CALL_OUTW:
		return port_form(OP_OUT, 2);
	case VMI_CALL_OUTL:
		return port_form(OP_OUT, 4);
	case VMI_CALL_INSB:
		return port_form(OP_INS, 1);
	case VMI_CALL_INSW:
		return port_form(OP_INS, 2);
	case VMI_CALL_INSL:
		return port_form(OP_INS, 4);
	case VMI_CALL_OUTSB:
		return port_form(OP_OUTS, 1);
	case VMI_CALL_OUTSW:
		return port_form(OP_OUTS, 2);
	case VMI_CALL_OUTSL:
		return port_form(OP_OUTS, 4);
	default:
		return register_form(OP_NONE, 0, 0);
	}
}

static void return64(uint64_t value)
{
	V->gpr[R_EAX] = value;
	V->gpr[R_EDX] = value >> 32;
}

/* Load a data segment register anew; with NULL, if its descriptor cannot be used any more. */
static void reload_segment(enum seg seg)
{
	struct exception x;

	if (!load_segment(seg, V->vsel[seg], virtual_cpl(), &x))
		load_segment(seg, 0, virtual_cpl(), &x);
}

static const uint8_t data_segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

/* A new descriptor table: it takes effect at once. */
static void reload_segments(void)
{
	for (unsigned i = 0; i < sizeof data_segments; i++)
		reload_segment(data_segments[i]);
}

/* Entry @index of a live table was written: of the LDT, or of the GDT. */
static void reload_entry(unsigned index, bool ldt)
{
	for (unsigned i = 0; i < sizeof data_segments; i++) {
		uint32_t selector = V->vsel[data_segments[i]];

		if (selector >> 3 == index && !(selector & 4) == !ldt && selector & 0xfffc)
			reload_segment(data_segments[i]);
	}
}

static bool in_table(uint32_t va, uint32_t base, uint32_t limit)
{
	return va - base < limit && va - base + 7 <= limit;
}

/*
 * The three calls are one: the address tells what is written (Linux 2.6.25 writes its LDTs by
 * WriteIDTEntry).
 */
static bool write_entry(struct exception *x)
{
	uint32_t words[2] = {V->gpr[R_ECX], 0}, va = V->gpr[R_EAX] + V->gpr[R_EDX] * 8;

	if (V->gpr[R_EDX] > DESCRIPTOR_INDEX_MAX)
		return true;
	if (!guest_read(V->gpr[R_ESP] + 4, &words[1], 4, false, x) ||
	    !guest_write(va, words, 8, false, x))
		return false;
	if (in_table(va, M->idt_base, M->idt_limit))
		syscall_gate_changed();
	if (in_table(va, M->gdt_base, M->gdt_limit))
		reload_entry((va - M->gdt_base) / 8, false);
	if (M->ldt_base && in_table(va, M->ldt_base, M->ldt_limit)) {
		segments_ldt_changed();
		reload_entry((va - M->ldt_base) / 8, true);
	}
	return true;
}

/* EAX: selector, EDX: ESP. The selector's privilege is the kernel's. */
static bool update_kernel_stack(struct exception *x)
{
	uint32_t stack[2] = {V->gpr[R_EDX], V->gpr[R_EAX] & 0xfffc};

	if (!V->tss)
		return true;
	if (!guest_write(M->tr_base + 4, stack, 8, false, x))
		return false;
	syscall_gate_changed();
	return true;
}

/* EDX: EIP, ECX: ESP. The segments are those of SYSENTER_CS (SDM volume 2, SYSEXIT). */
static bool sysexit(struct exception *x)
{
	uint32_t base = M->sysenter[0] & 0xfffc;

	if (!base)
		return raise_error(x, VECTOR_GP, 0);
	return enter_user((base + 16) | 3, V->gpr[R_EDX], (base + 24) | 3, V->gpr[R_ECX],
	                  V->eflags | V->iopl | EFLAGS_IF, x);
}

/* EAX: flags, ECX:EDX: expiry, period on the stack (regparm(3): EDX holds the low half). */
static bool set_alarm(struct exception *x)
{
	uint64_t expiry = (uint64_t)V->gpr[R_ECX] << 32 | V->gpr[R_EDX];
	uint32_t words[2];
	uint64_t period;

	if (!guest_read(V->gpr[R_ESP] + 4, words, 8, false, x))
		return false;
	period = (uint64_t)words[1] << 32 | words[0];
	if (period && period < SHORTEST_PERIOD)
		period = SHORTEST_PERIOD;
	vmitimer_set(&M->platform.vmitimer, V->gpr[R_EAX], expiry, period);
	devices_run();
	return true;
}

static uint32_t apic_address(void)
{
	return PLATFORM_LAPIC_PA | (V->gpr[R_EAX] & VMI_APIC_REGISTER_MASK);
}

/* EAX: where. There is one processor, and it runs: the state is read and nothing starts with it. */
static bool set_initial_ap_state(struct exception *x)
{
	struct vmi_ap_state state;

	return guest_read(V->gpr[R_EAX], &state, sizeof state, false, x);
}

/*
 * Interrupts off. With --delivery=deferred what was enabled may still wait, and comes first: the
 * far call is made again behind the handler. What VMI_EnableInterruptsDeferred left is kept
 * pending.
 */
static void disable_interrupts(void)
{
	if (V->delivery & DELIVERY_DEFERRED && promised()) {
		V->eip -= GATE_CALL_LENGTH;
		M->cause = STAT_deliver_disable;
		return;
	}
	set_virtual_if(false);
}

static void enable_interrupts(void)
{
	set_virtual_if(true);
	M->cause = STAT_deliver_enable;
	devices_run(); /* the way out of the core delivers */
}

/* SetPxE: EAX: entry, EDX: where. SetPxELong: EDX:EAX: entry, ECX: where. */
static bool set_entry(bool wide, struct exception *x)
{
	uint32_t words[2] = {V->gpr[R_EAX], V->gpr[R_EDX]};

	return wide ? guest_write(V->gpr[R_ECX], words, 8, false, x)
	            : guest_write(V->gpr[R_EDX], words, 4, false, x);
}

/* The calls that are no instruction. The ROM does some of them alone, unless !FAST_ROM_CALLS. */
static bool other_call(unsigned number, struct exception *x)
{
	switch (number) {
	case VMI_CALL_EnableInterrupts:
		enable_interrupts();
		return true;
	case VMI_CALL_DisableInterrupts:
		disable_interrupts();
		return true;
	case VMI_CALL_SetInterruptMask:
		if (V->gpr[R_EAX] & IF_BIT)
			enable_interrupts();
		else
			disable_interrupts();
		return true;
	case VMI_CALL_GetInterruptMask:
		V->gpr[R_EAX] = V->iflag & IF_BIT;
		return true;
	case VMI_CALL_DeliverInterrupts:
		M->cause = STAT_deliver_enable;
		devices_run();
		return true;
	case VMI_CALL_SetIOPLMask:
		V->iopl = V->gpr[R_EAX] & EFLAGS_IOPL;
		return true;
	case VMI_CALL_SetPxE:
		return set_entry(false, x);
	case VMI_CALL_SetPxELong:
		return set_entry(true, x);
	case VMI_CALL_UpdatePxE:
	case VMI_CALL_UpdatePxELong:
	case VMI_CALL_AllocatePage:
	case VMI_CALL_ReleasePage:
	case VMI_CALL_SetLinearMapping:
	case VMI_CALL_SetLazyMode:
	case VMI_CALL_MachineToPhysical:
	case VMI_CALL_PhysicalToMachine:
		return true;
	case VMI_CALL_Halt:
		V->iflag |= IF_BIT;
		halt();
		return true;
	case VMI_CALL_Reboot:
		stop_guest(STOP_RESET, "the guest asked for a reset (VMI_Reboot)");
	case VMI_CALL_Shutdown:
		stop_guest(STOP_POWEROFF, "the guest powered off (VMI_Shutdown)");
	case VMI_CALL_SYSEXIT:
		return sysexit(x);
	case VMI_CALL_WriteGDTEntry:
	case VMI_CALL_WriteLDTEntry:
	case VMI_CALL_WriteIDTEntry:
		return write_entry(x);
	case VMI_CALL_UpdateKernelStack:
		return update_kernel_stack(x);
	case VMI_CALL_FlushTLB:
		/* In place of a write to CR3, or of two to CR4 (SDM volume 3, 4.4.1). */
		read_pdptes();
		if (V->gpr[R_EAX] & VMI_FLUSH_GLOBAL)
			shadow_flush_global();
		else
			shadow_flush();
		return true;
	case VMI_CALL_GetCycleFrequency:
		return64(M->tsc_khz * 1000ull);
		return true;
	case VMI_CALL_GetCycleCounter:
		return64(vmitimer_counter(&M->platform.vmitimer, V->gpr[R_EAX], rdtsc()));
		return true;
	case VMI_CALL_SetAlarm:
		return set_alarm(x);
	case VMI_CALL_CancelAlarm:
		V->gpr[R_EAX] = vmitimer_cancel(&M->platform.vmitimer, V->gpr[R_EAX]);
		return true;
	case VMI_CALL_SetInitialAPState:
		return set_initial_ap_state(x);
	case VMI_CALL_APICRead:
		late_eoi_collect();
		V->gpr[R_EAX] = platform_mmio_read(&M->platform, apic_address(), 4, clock_now());
		return true;
	case VMI_CALL_APICWrite:
		late_eoi_collect();
		platform_mmio_write(&M->platform, apic_address(), 4, V->gpr[R_EDX], clock_now());
		devices_run();
		return true;
	case VMI_CALL_WallclockUpdated:
		V->gpr[R_EAX] = __atomic_exchange_n(&M->wall_set, 0, __ATOMIC_RELAXED) != 0;
		return true;
	case VMI_CALL_GetWallclockTime:
		return64(clock_now() + M->wall_offset);
		return true;
	default:
		V->gpr[R_EAX] = 0;
		return true;
	}
}

void vmi_call(unsigned number, uint32_t next)
{
	struct insn in = instruction_of(number);
	uint32_t esp = V->gpr[R_ESP];
	struct exception x;
	bool ok;

	M->count_vmi[number]++;
	V->eip = next;
	/* A kernel in virtual ring 1 does not go back to real mode or physical addresses. */
	if (number == VMI_CALL_SetCR0 && V->cr0 & ~V->gpr[R_EAX] & (CR0_PE | CR0_PG))
		ok = raise_error(&x, VECTOR_GP, 0);
	else
		ok = in.op == OP_NONE ? other_call(number, &x) : emulate(&in, next, &x);
	if (ok && (number == VMI_CALL_SetGDT || number == VMI_CALL_SetLDT))
		reload_segments();
	if (ok)
		return;
	/* The handler may map what is missing and return: the far call is made again. */
	if (x.vector == VECTOR_PF) {
		V->eip = next - GATE_CALL_LENGTH;
		V->gpr[R_ESP] = esp;
		deliver_exception(&x);
		return;
	}
	/* Rule 8: a fault belongs to the call, as it would to the instruction in its place. */
	V->eip = next;
	if (guest_peek(esp, &V->eip, 4))
		V->eip -= CALL_LENGTH;
	V->gpr[R_ESP] = esp + 4;
	deliver_exception(&x);
}
