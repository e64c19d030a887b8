// SPDX-License-Identifier: GPL-2.0-or-later
/* Sensitive instructions, one by one (Intel SDM volume 2 unless another source is named). */
#include "core/emulate.h"

#include "core/alarm.h"
#include "core/annotated.h"
#include "core/clock.h"
#include "core/debug.h"
#include "core/interrupt.h"
#include "core/paging.h"
#include "core/segment.h"
#include "core/shadow.h"

uint32_t get_gpr(unsigned reg, unsigned size)
{
	if (size == 1)
		return V->gpr[reg & 3] >> (reg & 4 ? 8 : 0) & 0xff;
	return size == 2 ? V->gpr[reg] & 0xffff : V->gpr[reg];
}

void set_gpr(unsigned reg, unsigned size, uint32_t value)
{
	uint32_t *r = &V->gpr[size == 1 ? reg & 3 : reg];

	if (size == 1 && reg & 4)
		*r = (*r & ~0xff00u) | (value & 0xff) << 8;
	else if (size == 1)
		*r = (*r & ~0xffu) | (value & 0xff);
	else if (size == 2)
		*r = (*r & ~0xffffu) | (value & 0xffff);
	else
		*r = value;
}

static uint32_t offset_of(const struct insn *in)
{
	uint32_t ea = in->disp;

	if (in->base != NO_REGISTER)
		ea += V->gpr[in->base];
	if (in->index != NO_REGISTER)
		ea += V->gpr[in->index] * in->scale;
	return in->addr16 ? ea & 0xffff : ea;
}

uint32_t effective_address(const struct insn *in)
{
	return offset_of(in) + segment_base(in->segment);
}

uint32_t operand_offset(const struct operand *o)
{
	struct insn in = o->address;
	int32_t bit;

	if (o->stack)
		in.addr16 = !segment_is_big(SEG_SS);
	if (o->adjust == ADJUST_AL) {
		in.disp += V->gpr[R_EAX] & 0xff;
	} else if (o->adjust == ADJUST_BIT) {
		bit = o->size == 2 ? (int16_t)V->gpr[in.reg] : (int32_t)V->gpr[in.reg];
		in.disp += (bit >> (o->size == 2 ? 4 : 5)) * o->size;
	}
	return offset_of(&in);
}

/*
 * The linear address of @n bytes of a memory operand. User code may have any segments, of which
 * nothing else has looked at the limits when the core carries out its instruction; the kernel's are
 * flat where that matters.
 */
static bool operand_address(const struct insn *in, uint32_t n, bool write, uint32_t *va,
                            struct exception *x)
{
	*va = effective_address(in);
	return !user_mode() || segment_access(in->segment, offset_of(in), n, write, x);
}

/* A far pointer in memory: the offset, and the selector behind it. */
static bool read_pointer(const struct insn *in, uint32_t *offset, uint16_t *selector,
                         struct exception *x)
{
	struct insn second = *in;
	uint32_t va;

	second.disp += in->size;
	*offset = 0;
	return operand_address(in, in->size, false, &va, x) &&
	       guest_read(va, offset, in->size, user_mode(), x) &&
	       operand_address(&second, 2, false, &va, x) &&
	       guest_read(va, selector, 2, user_mode(), x);
}

static bool read_rm(const struct insn *in, uint32_t *value, struct exception *x)
{
	uint32_t va;

	*value = 0;
	if (!in->memory) {
		*value = get_gpr(in->rm, in->size);
		return true;
	}
	return operand_address(in, in->size, false, &va, x) &&
	       guest_read(va, value, in->size, user_mode(), x);
}

static bool write_rm(const struct insn *in, uint32_t value, struct exception *x)
{
	uint32_t va;

	if (!in->memory) {
		set_gpr(in->rm, in->size, value);
		return true;
	}
	return operand_address(in, in->size, true, &va, x) &&
	       guest_write(va, &value, in->size, user_mode(), x);
}

/*
 * Linear address of @n bytes of the stack, the first @delta behind its top; user code may have any
 * segment in SS.
 */
static bool stack_address(int32_t delta, uint32_t n, bool write, uint32_t *va, struct exception *x)
{
	uint32_t esp = V->gpr[R_ESP] + delta;

	*va = esp;
	if (!user_mode())
		return true;
	if (!segment_is_big(SEG_SS))
		esp &= 0xffff;
	*va = segment_base(SEG_SS) + esp;
	return segment_access(SEG_SS, esp, n, write, x);
}

static void move_stack(int32_t delta)
{
	set_gpr(R_ESP, !user_mode() || segment_is_big(SEG_SS) ? 4 : 2, V->gpr[R_ESP] + delta);
}

static bool push(uint32_t value, unsigned size, struct exception *x)
{
	uint32_t va;

	if (!stack_address(-(int32_t)size, size, true, &va, x) ||
	    !guest_write(va, &value, size, user_mode(), x))
		return false;
	move_stack(-(int32_t)size);
	return true;
}

static bool pop(uint32_t *value, unsigned size, struct exception *x)
{
	uint32_t va;

	*value = 0;
	if (!stack_address(0, size, false, &va, x) || !guest_read(va, value, size, user_mode(), x))
		return false;
	move_stack(size);
	return true;
}

static bool done(uint32_t next)
{
	V->eip = next;
	return true;
}

static bool emulate_popf(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t image, esp = V->gpr[R_ESP];

	if (!pop(&image, in->size, x))
		return false;
	if (!(image & EFLAGS_IF) && promised()) {
		V->gpr[R_ESP] = esp;
		return keep_promise();
	}
	if (in->size == 2)
		image |= eflags_image() & 0xffff0000u;
	set_eflags(image);
	return done(next);
}

/* STI;HLT is one step: an interrupt between the two would be slept through. */
static bool emulate_sti(uint32_t next, struct exception *x)
{
	uint8_t byte = 0;

	(void)x;
	V->iflag |= IF_BIT;
	V->eip = next;
	if (guest_peek(next, &byte, 1) && byte == 0xf4 && !annotated_site(next)) {
		V->eip = next + 1;
		halt();
	}
	return true;
}

static bool emulate_hlt(uint32_t next)
{
	if (!interrupts_enabled())
		stop_guest(STOP_HALT, "halted with interrupts off");
	V->eip = next;
	halt();
	return true;
}

static bool load_table(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t va = effective_address(in), base;
	uint16_t limit;

	if (!guest_read(va, &limit, 2, false, x) || !guest_read(va + 2, &base, 4, false, x))
		return false;
	if (in->size == 2)
		base &= 0xffffff;
	if (in->op == OP_LGDT) {
		M->gdt_base = base;
		M->gdt_limit = limit;
		segments_table_changed();
	} else {
		M->idt_base = base;
		M->idt_limit = limit;
		syscall_gate_changed();
	}
	return done(next);
}

static bool store_table(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t va = effective_address(in);
	uint32_t base = in->op == OP_SGDT ? M->gdt_base : M->idt_base;
	uint16_t limit = in->op == OP_SGDT ? M->gdt_limit : M->idt_limit;

	return guest_write(va, &limit, 2, user_mode(), x) &&
	       guest_write(va + 2, &base, 4, user_mode(), x) && done(next);
}

#define SYSTEM_TYPE(d)     ((d).hi >> 8 & 0x1f)
#define TYPE_LDT           2
#define TYPE_TSS_AVAILABLE 9
#define TYPE_TSS_BUSY      11

static bool emulate_lldt(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t selector;
	struct descriptor d;

	if (!read_rm(in, &selector, x))
		return false;
	if (!(selector & 0xfffc)) {
		M->ldt_selector = selector;
		M->ldt_base = M->ldt_limit = 0;
		segments_ldt_loaded();
		return done(next);
	}
	if (selector & 4 || !read_descriptor(selector, &d) || SYSTEM_TYPE(d) != TYPE_LDT)
		return raise_error(x, VECTOR_GP, selector & 0xfffc);
	if (!(d.hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, selector & 0xfffc);
	M->ldt_selector = selector;
	M->ldt_base = descriptor_base(d);
	M->ldt_limit = descriptor_limit(d);
	segments_ldt_loaded();
	return done(next);
}

static bool emulate_ltr(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t selector;
	struct descriptor d;

	if (!read_rm(in, &selector, x))
		return false;
	if (!(selector & 0xfffc) || selector & 4 || !read_descriptor(selector, &d) ||
	    SYSTEM_TYPE(d) != TYPE_TSS_AVAILABLE)
		return raise_error(x, VECTOR_GP, selector & 0xfffc);
	if (!(d.hi & DESC_PRESENT))
		return raise_error(x, VECTOR_NP, selector & 0xfffc);
	d.hi |= 0x200;
	if (!guest_write(M->gdt_base + (selector & ~7u) + 4, &d.hi, 4, false, x))
		return false;
	M->tr_selector = selector;
	M->tr_base = descriptor_base(d);
	M->tr_limit = descriptor_limit(d);
	V->tss = M->tr_base;
	syscall_gate_changed();
	return done(next);
}

static void set_zf(bool on)
{
	V->eflags = on ? V->eflags | EFLAGS_ZF : V->eflags & ~EFLAGS_ZF;
}

/* LAR, LSL, VERR, VERW: what @selector names, if CPL and RPL may know. */
static bool visible(uint32_t selector, struct descriptor *d)
{
	unsigned cpl = virtual_cpl(), rpl = selector & 3, privilege = cpl > rpl ? cpl : rpl;

	if (!(selector & 0xfffc) || !read_descriptor(selector, d))
		return false;
	if (d->hi & DESC_S && d->hi & DESC_CODE && d->hi & DESC_CONFORMING)
		return true;
	return privilege <= descriptor_dpl(*d);
}

static bool emulate_descriptor_query(const struct insn *in, uint32_t next, struct exception *x)
{
	struct insn operand = *in;
	struct descriptor d = {0};
	uint32_t selector;
	bool ok;

	operand.size = 2;
	if (!read_rm(&operand, &selector, x))
		return false;
	ok = visible(selector, &d);
	switch (in->op) {
	case OP_LAR:
		ok = ok && (d.hi & DESC_S || 0x1a3eu >> SYSTEM_TYPE(d) & 1);
		if (ok)
			set_gpr(in->reg, in->size, d.hi & 0x00f0ff00);
		break;
	case OP_LSL:
		ok = ok && (d.hi & DESC_S || 0x0a0eu >> SYSTEM_TYPE(d) & 1);
		if (ok)
			set_gpr(in->reg, in->size, descriptor_limit(d));
		break;
	case OP_VERR:
		ok = ok && d.hi & DESC_S && (!(d.hi & DESC_CODE) || d.hi & DESC_RW);
		break;
	default:
		ok = ok && d.hi & DESC_S && !(d.hi & DESC_CODE) && d.hi & DESC_RW;
	}
	set_zf(ok);
	return done(next);
}

static bool emulate_msr(const struct insn *in, uint32_t next, struct exception *x)
{
	uint64_t value = (uint64_t)V->gpr[R_EDX] << 32 | V->gpr[R_EAX];

	if (in->op == OP_WRMSR)
		return write_msr(V->gpr[R_ECX], value) ? done(next) : raise_error(x, VECTOR_GP, 0);
	if (!read_msr(V->gpr[R_ECX], &value))
		return raise_error(x, VECTOR_GP, 0);
	V->gpr[R_EAX] = value;
	V->gpr[R_EDX] = value >> 32;
	return done(next);
}

static bool emulate_mov_cr(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t value;

	if (in->op == OP_MOV_TO_CR)
		return write_cr(in->reg, V->gpr[in->rm], x) && done(next);
	if (!read_cr(in->reg, &value, x))
		return false;
	V->gpr[in->rm] = value;
	return done(next);
}

#define DR6_FIXED 0xffff0ff0u
#define DR7_FIXED 0x00000400u

static bool emulate_mov_dr(const struct insn *in, uint32_t next, struct exception *x)
{
	/* DR4 and DR5 are DR6 and DR7 while CR4.DE is clear (SDM volume 3, 17.2.2). */
	unsigned n = in->reg == 4 || in->reg == 5 ? in->reg + 2 : in->reg;

	if (n != in->reg && V->cr4 & CR4_DE)
		return raise(x, VECTOR_UD);
	if (M->dr[7] & DR7_GD) {
		debug_status(DR6_BD);
		return raise(x, VECTOR_DB);
	}
	if (in->op == OP_MOV_TO_DR) {
		uint32_t v = V->gpr[in->rm];

		M->dr[n] = n == 6 ? v | DR6_FIXED : n == 7 ? v | DR7_FIXED : v;
		if (n != 6)
			debug_registers_changed();
	} else {
		V->gpr[in->rm] = M->dr[n];
	}
	return done(next);
}

static bool emulate_load_segment(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t selector, va;

	if (in->op == OP_POP_SEG) {
		selector = 0;
		if (!stack_address(0, in->size, false, &va, x) ||
		    !guest_read(va, &selector, in->size, user_mode(), x) ||
		    !load_segment(in->reg, selector, virtual_cpl(), x))
			return false;
		move_stack(in->size);
		return done(next);
	}
	return read_rm(in, &selector, x) && load_segment(in->reg, selector, virtual_cpl(), x) &&
	       done(next);
}

static bool emulate_load_far(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t offset, base, ss = V->vsel[SEG_SS];
	uint16_t selector;

	if (!read_pointer(in, &offset, &selector, x) ||
	    !load_segment(in->rm, selector, virtual_cpl(), x))
		return false;
	/*
	 * Linux returns to 16-bit stacks from a segment with a base (espfix, entry_32.S). The ROM
	 * needs SS flat: stay on the old one, at the same linear address.
	 */
	base = in->rm == SEG_SS && !user_mode() ? segment_base(SEG_SS) : 0;
	if (base && !load_segment(SEG_SS, ss, 0, x))
		return false;
	set_gpr(in->reg, in->size, base + offset);
	return done(next);
}

static bool far_target(const struct insn *in, uint32_t *offset, uint16_t *selector,
                       struct exception *x)
{
	*offset = in->imm;
	*selector = in->selector;
	return in->immediate || read_pointer(in, offset, selector, x);
}

/*
 * A far transfer's RPL must not be less privileged than CPL, unless the code is conforming (SDM
 * volume 2, JMP). A VMI kernel's selectors name ring 0 or its own ring.
 */
static bool rpl_admitted(uint16_t selector)
{
	unsigned rpl = selector & 3, cpl = virtual_cpl();
	struct descriptor d;

	if (rpl <= cpl || (!cpl && rpl == M->kernel_rpl))
		return true;
	return read_descriptor(selector, &d) && d.hi & DESC_CODE && d.hi & DESC_CONFORMING;
}

static bool emulate_far_transfer(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t offset, old = V->vsel[SEG_CS], esp = V->gpr[R_ESP];
	uint16_t selector;
	struct descriptor d;

	/* The stack comes before the check of EIP (SDM volume 2, CALL). */
	if (!far_target(in, &offset, &selector, x))
		return false;
	if (!rpl_admitted(selector))
		return raise_error(x, VECTOR_GP, selector & ~3u);
	if (!check_code_segment(selector, 0, virtual_cpl(), &d, x))
		return false;
	if ((in->op == OP_CALL_FAR && (!push(old, in->size, x) || !push(next, in->size, x))) ||
	    !load_code_segment(selector, offset, virtual_cpl(), x)) {
		V->gpr[R_ESP] = esp;
		return false;
	}
	return done(offset);
}

/* To a program: the outer stack is behind the parameters, which are taken off both. */
static bool return_to_program(const struct insn *in, uint32_t cs, uint32_t eip, struct exception *x)
{
	uint32_t esp, ss;

	move_stack(in->imm);
	return pop(&esp, in->size, x) && pop(&ss, in->size, x) &&
	       enter_user(cs, eip, ss, esp + in->imm, eflags_image(), x);
}

static bool emulate_ret_far(const struct insn *in, struct exception *x)
{
	uint32_t esp = V->gpr[R_ESP], eip, cs;

	if (!pop(&eip, in->size, x) || !pop(&cs, in->size, x))
		goto failed;
	if (!user_mode() && (cs & 3) == 3) {
		if (!return_to_program(in, cs, eip, x))
			goto failed;
		return true;
	}
	if (((cs & 3) < virtual_cpl() && !raise_error(x, VECTOR_GP, cs & 0xfffc)) ||
	    !load_code_segment(cs, eip, virtual_cpl(), x))
		goto failed;
	move_stack(in->imm);
	return done(eip);
failed:
	V->gpr[R_ESP] = esp;
	return false;
}

static bool emulate_io(const struct insn *in, uint32_t next, struct exception *x)
{
	uint16_t port = in->immediate ? in->imm : V->gpr[R_EDX];

	switch (in->op) {
	case OP_IN:
		set_gpr(R_EAX, in->size, port_in(port, in->size));
		break;
	case OP_OUT:
		port_out(port, in->size, get_gpr(R_EAX, in->size));
		break;
	default:
		if (!string_io(in, x))
			return false;
		/* Stopped by a breakpoint: the rest is to be done behind it. */
		if (in->rep && V->gpr[R_ECX] & (in->addr16 ? 0xffff : 0xffffffff)) {
			mark_redirect();
			return true;
		}
	}
	return done(next);
}

static bool emulate_xsetbv(uint32_t next, struct exception *x)
{
	uint64_t value = (uint64_t)V->gpr[R_EDX] << 32 | V->gpr[R_EAX];

	if (!(V->cr4 & CR4_OSXSAVE))
		return raise(x, VECTOR_UD);
	/* XCR0 is the host's: what the guest enables must be there, and more stays on. */
	if (V->gpr[R_ECX] || !(value & 1) || value & ~M->xsave_mask)
		return raise_error(x, VECTOR_GP, 0);
	M->xcr0 = value;
	return done(next);
}

/* The gate decides: its DPL must admit CPL, or the fault is at the INT itself. */
static bool emulate_int(const struct insn *in, uint32_t next, struct exception *x)
{
	if (!software_interrupt_allowed(in->imm, x))
		return false;
	V->eip = next;
	deliver(in->imm, false, 0, true);
	return true;
}

static bool emulate_rdtsc(uint32_t next)
{
	uint64_t tsc = rdtsc();

	V->gpr[R_EAX] = tsc;
	V->gpr[R_EDX] = tsc >> 32;
	return done(next);
}

bool emulate(const struct insn *in, uint32_t next, struct exception *x)
{
	uint32_t value;

	M->count_op[in->op]++;
	switch (in->op) {
	case OP_CLI:
		if (keep_promise())
			return true;
		V->iflag &= ~IF_BIT;
		return done(next);
	case OP_STI:
		return emulate_sti(next, x);
	case OP_HLT:
		return emulate_hlt(next);
	case OP_PUSHF:
		return push(eflags_image(), in->size, x) && done(next);
	case OP_POPF:
		return emulate_popf(in, next, x);
	case OP_IRET:
		return emulate_iret(in->size, x);
	case OP_CPUID:
		emulate_cpuid();
		return done(next);
	case OP_IN:
	case OP_OUT:
	case OP_INS:
	case OP_OUTS:
		return emulate_io(in, next, x);
	case OP_LGDT:
	case OP_LIDT:
		return load_table(in, next, x);
	case OP_SGDT:
	case OP_SIDT:
		return store_table(in, next, x);
	case OP_LLDT:
		return emulate_lldt(in, next, x);
	case OP_LTR:
		return emulate_ltr(in, next, x);
	case OP_SLDT:
		return write_rm(in, M->ldt_selector, x) && done(next);
	case OP_STR:
		return write_rm(in, M->tr_selector, x) && done(next);
	case OP_SMSW:
		return write_rm(in, V->cr0, x) && done(next);
	case OP_LMSW:
		return read_rm(in, &value, x) && write_cr(0, (V->cr0 & ~0xeu) | (value & 0xf), x) &&
		       done(next);
	case OP_CLTS:
		V->cr0 &= ~CR0_TS;
		update_user_work();
		return done(next);
	case OP_INVLPG:
		shadow_invlpg(effective_address(in));
		return done(next);
	case OP_INVD:
	case OP_WBINVD:
		return done(next); /* caches are coherent: nothing to see */
	case OP_RDMSR:
	case OP_WRMSR:
		return emulate_msr(in, next, x);
	case OP_RDPMC:
		return raise_error(x, VECTOR_GP, 0); /* CPUID offers no counters */
	case OP_RDTSC:
		return emulate_rdtsc(next);
	case OP_XSETBV:
		return emulate_xsetbv(next, x);
	case OP_MOV_TO_CR:
	case OP_MOV_FROM_CR:
		return emulate_mov_cr(in, next, x);
	case OP_MOV_TO_DR:
	case OP_MOV_FROM_DR:
		return emulate_mov_dr(in, next, x);
	case OP_MOV_TO_SEG:
	case OP_POP_SEG:
		return emulate_load_segment(in, next, x);
	case OP_MOV_FROM_SEG:
		return write_rm(in, V->vsel[in->reg], x) && done(next);
	case OP_PUSH_SEG:
		return push(V->vsel[in->reg], in->size, x) && done(next);
	case OP_LOAD_FAR:
		return emulate_load_far(in, next, x);
	case OP_JMP_FAR:
	case OP_CALL_FAR:
		return emulate_far_transfer(in, next, x);
	case OP_RET_FAR:
		return emulate_ret_far(in, x);
	case OP_LAR:
	case OP_LSL:
	case OP_VERR:
	case OP_VERW:
		return emulate_descriptor_query(in, next, x);
	case OP_INT:
		return emulate_int(in, next, x);
	default:
		return raise(x, VECTOR_UD);
	}
}

bool emulate_user(const struct insn *in, uint32_t next, struct exception *x)
{
	uint16_t port = in->immediate ? in->imm : V->gpr[R_EDX];

	switch (in->op) {
	case OP_CLI:
	case OP_STI:
		/* Ignored, never faulted: user mode always runs with interrupts on
		 * (VMI Part 4, rule 6). Without IOPL it is the #GP of hardware. */
		return V->iopl == EFLAGS_IOPL ? done(next) : raise_error(x, VECTOR_GP, 0);
	case OP_IN:
	case OP_OUT:
	case OP_INS:
	case OP_OUTS:
		if (!ports_allowed(port, in->size))
			return raise_error(x, VECTOR_GP, 0);
		return emulate_io(in, next, x);
	case OP_INT:
		return emulate_int(in, next, x);
	case OP_CPUID: /* faults where cell/nursery.c could ask for it */
		emulate_cpuid();
		return done(next);
	case OP_MOV_TO_SEG:
	case OP_POP_SEG:
		/* Selectors that exist in the guest's tables but not in the host's. */
		return emulate_load_segment(in, next, x);
	case OP_LOAD_FAR:
		return emulate_load_far(in, next, x);
	case OP_JMP_FAR:
	case OP_CALL_FAR:
		return emulate_far_transfer(in, next, x);
	case OP_RET_FAR:
		return emulate_ret_far(in, x);
	default:
		return raise_error(x, VECTOR_GP, 0);
	}
}
