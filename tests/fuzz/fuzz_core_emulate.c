// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * emulate() and emulate_user() against the processor: the sensitive instructions that a program may
 * execute, with any operands and prefixes. Each runs natively and then in the core, from the same
 * registers, segments and memory; registers, defined flags, selectors, memory and the exception
 * with its error code and address must be the same.
 */
#include "core/emulate.h"
#include "core/insn.h"
#include "core/paging.h"
#include "core/segment.h"
#include "tests/fuzz/host/input.h"

#include <stdio.h>
#include <stdlib.h>

#define FLAGS_COMPARED 0x00244dd5u /* not IF, IOPL, RF */
#define HOST_CS64      0x33
#define MEMORY         ((HOST_DATA_PAGES + 1) * PAGE_SIZE)

/* The first bytes of an instruction; ModRM and what follows are the input's. */
static const struct {
	uint8_t n, bytes[3];
} opcodes[] = {
    {1, {0x8e}},       {1, {0x8c}},       {1, {0x06}},       {1, {0x07}},       {1, {0x0e}},
    {1, {0x16}},       {1, {0x17}},       {1, {0x1e}},       {1, {0x1f}},       {2, {0x0f, 0xa0}},
    {2, {0x0f, 0xa1}}, {2, {0x0f, 0xa8}}, {2, {0x0f, 0xa9}}, {1, {0xc4}},       {1, {0xc5}},
    {2, {0x0f, 0xb2}}, {2, {0x0f, 0xb4}}, {2, {0x0f, 0xb5}}, {1, {0x9a}},       {1, {0xea}},
    {1, {0xff}},       {1, {0xca}},       {1, {0xcb}},       {2, {0x0f, 0x02}}, {2, {0x0f, 0x03}},
    {2, {0x0f, 0x00}}, {1, {0x9c}},       {1, {0x9d}},
};

static uint8_t native_memory[MEMORY];

/* Prefixes and an opcode; how many bytes. */
static unsigned begin_instruction(uint8_t *to, uint8_t prefixes, uint8_t choice)
{
	unsigned i = choice % (sizeof opcodes / sizeof *opcodes), n = input_prefixes(to, prefixes);

	memcpy(to + n, opcodes[i].bytes, opcodes[i].n);
	return n + opcodes[i].n;
}

static bool is_far(const struct insn *in)
{
	return in->op == OP_JMP_FAR || in->op == OP_CALL_FAR || in->op == OP_RET_FAR;
}

/* What a processor executes for a program, and what a guest's program can make the core execute. */
static bool is_compared(const struct insn *in)
{
	switch (in->op) {
	case OP_MOV_TO_SEG:
	case OP_MOV_FROM_SEG:
	case OP_PUSH_SEG:
	case OP_POP_SEG:
	case OP_LOAD_FAR:
	case OP_LAR:
	case OP_LSL:
	case OP_VERR:
	case OP_VERW:
	case OP_PUSHF:
	case OP_POPF:
		return true;
	default:
		return is_far(in);
	}
}

static bool in_user_rules(const struct insn *in)
{
	return in->op == OP_MOV_TO_SEG || in->op == OP_POP_SEG || in->op == OP_LOAD_FAR ||
	       is_far(in);
}

static void print_state(const char *who, const uint32_t *gpr, uint32_t eip, uint32_t eflags,
                        const uint32_t *sel)
{
	fprintf(stderr, "  %s\n   ", who);
	for (unsigned i = 0; i < R_COUNT; i++)
		fprintf(stderr, " %s %08x",
		        (char[8][4]){"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"}[i],
		        gpr[i]);
	fprintf(stderr, "\n    eip %08x eflags %08x", eip, eflags);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		fprintf(stderr, " %s %04x", (char[6][3]){"es", "cs", "ss", "ds", "fs", "gs"}[i],
		        sel[i] & 0xffff);
	fprintf(stderr, "\n");
}

struct attempt {
	struct native before, native;
	struct insn in;
	struct exception x;
	bool emulated;
	uint32_t at; /* linear address of the instruction */
};

static void show(const struct attempt *a, const char *why)
{
	fprintf(stderr, "%s (op %u, size %u)\n  bytes", why, a->in.op, a->in.size);
	for (unsigned i = 0; i < a->in.length; i++)
		fprintf(stderr, " %02x", host_code()[a->at - HOST_CODE + i]);
	fprintf(stderr, "\n");
	print_state("before", a->before.gpr, a->before.eip, a->before.eflags, a->before.sel);
	print_state("native", a->native.gpr, a->native.eip, a->native.eflags, a->native.sel);
	fprintf(stderr, "    vector %u error %x cr2 %08x\n", a->native.vector, a->native.error,
	        a->native.cr2);
	print_state("core", V->gpr, V->eip, V->eflags, V->vsel);
	if (!a->emulated)
		fprintf(stderr, "    vector %u error %x cr2 %08x\n", a->x.vector, a->x.error,
		        a->x.cr2);
	abort();
}

/* Did the processor get behind it? It stopped at the HLT there, at the page's end, or by TF. */
static bool completed(const struct attempt *a)
{
	const struct native *n = &a->native;

	if (n->vector == VECTOR_DB)
		return true;
	return n->eip == a->before.eip + a->in.length &&
	       (n->vector == VECTOR_GP || n->vector == VECTOR_PF);
}

static void compare_memory(const struct attempt *a)
{
	if (memcmp(native_memory, host_data(), HOST_DATA_PAGES * PAGE_SIZE) ||
	    memcmp(native_memory + HOST_DATA_PAGES * PAGE_SIZE, host_const(), PAGE_SIZE))
		show(a, "memory differs");
}

static void compare_registers(const struct attempt *a, bool done)
{
	uint32_t flags = a->native.eflags ^ V->eflags;

	if (memcmp(a->native.gpr, V->gpr, sizeof V->gpr))
		show(a, "registers differ");
	if (a->native.eip != V->eip)
		show(a, "EIP differs");
	/* The host's own IRET makes 0 of a null selector. */
	for (unsigned i = 0; i < SEG_COUNT; i++)
		if ((a->native.sel[i] ^ V->vsel[i]) & 0xffff &&
		    (a->native.sel[i] | V->vsel[i]) & 0xfffc)
			show(a, "a selector differs");
	if (done && flags & FLAGS_COMPARED)
		show(a, "flags differ");
}

/* Natively nothing is where the guest's kernel has its tables; a program may not access either. */
static uint32_t error_bits_compared(uint32_t cr2)
{
	return cr2 >= HOST_TABLES ? PF_WRITE : PF_PRESENT | PF_WRITE;
}

static void compare_exception(const struct attempt *a)
{
	const struct native *n = &a->native;

	if (n->vector != a->x.vector)
		show(a, "another exception");
	if (n->vector == VECTOR_PF &&
	    (n->cr2 != a->x.cr2 || (n->error ^ a->x.error) & error_bits_compared(n->cr2)))
		show(a, "another page fault");
	if (n->vector != VECTOR_PF && n->error != a->x.error)
		show(a, "another error code");
}

/* LAR's bits 16 to 19 are undefined. */
static void forget_undefined(struct attempt *a)
{
	if (a->in.op == OP_LAR && a->in.size == 4) {
		a->native.gpr[a->in.reg] &= ~0xf0000u;
		V->gpr[a->in.reg] &= ~0xf0000u;
	}
}

/*
 * The manual does not say in which order a far return reads its frame, and AMD's processors look
 * for the outer stack in it although there is none.
 */
static bool reads_outer_stack(const struct native *n)
{
	return n->vector == VECTOR_PF || n->vector == VECTOR_SS;
}

static void judge(struct attempt *a)
{
	bool done = completed(a);

	if (a->in.op == OP_RET_FAR && !done && reads_outer_stack(&a->native))
		return;
	if (done != a->emulated)
		show(a, done ? "executed natively, not by the core" : "faulted natively");
	if (!done)
		compare_exception(a);
	else
		forget_undefined(a);
	/* Whether the return address is written when EIP is beyond the limit is nowhere said. */
	if (a->in.op == OP_CALL_FAR && !done && a->x.vector == VECTOR_GP)
		return;
	compare_registers(a, done);
	compare_memory(a);
}

/*
 * Would the virtual CPU, which lies in the low 4 GiB here as well, be accessed? Or would an operand
 * wrap around in a segment of 4 GiB, which processors may or may not allow (SDM volume 3, 5.3)?
 */
static bool not_judged(const uint8_t *bytes, unsigned n, bool code16)
{
	struct operand o[MAX_OPERANDS];

	n = decode_operands(bytes, n, code16, o);
	for (unsigned i = 0; i < n; i++) {
		uint32_t offset = operand_offset(&o[i]);
		uint32_t va = offset + segment_base(o[i].address.segment);

		if (va >= HOLE_BASE || va + o[i].size > HOLE_BASE || offset + o[i].size < offset)
			return true;
	}
	return false;
}

/* A far call or jump into 64-bit mode, which the guest does not have. */
static bool goes_to_64_bit(const struct insn *in, const uint8_t *bytes, bool code16)
{
	struct operand o[MAX_OPERANDS];
	uint16_t selector = in->selector;
	struct exception x;
	uint32_t at;

	if (!is_far(in))
		return false;
	if (!in->immediate && decode_operands(bytes, in->length, code16, o)) {
		at = operand_offset(&o[0]) + segment_base(o[0].address.segment) + in->size;
		if (!guest_read(at, &selector, 2, true, &x))
			return false;
	}
	return (selector & ~3u) == (HOST_CS64 & ~3u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct attempt a = {0};
	uint8_t *code, how, prefixes, choice, fill;
	unsigned n;

	host_memory_open();
	how = input_byte(&input);
	choice = input_byte(&input);
	prefixes = input_byte(&input);
	fill = input_byte(&input);
	a.at = how & 0xf0 ? HOST_CODE + 0x700 : HOST_CODE;
	code = host_code() + (a.at - HOST_CODE);
	n = begin_instruction(code, prefixes, choice);
	for (unsigned i = 0; i < 7; i++)
		code[n++] = input_byte(&input);
	input_registers(&input, &a.before);
	a.before.eip = a.at;
	a.before.sel[SEG_CS] = host_selector(LDT_CODE);
	if (how & 1) {
		a.before.eip -= HOST_CODE;
		a.before.sel[SEG_CS] = host_selector(LDT_CODE16);
	}
	if (!(how & 1 ? decode_insn16 : decode_insn)(code, n, &a.in) || !is_compared(&a.in))
		goto out;
	memset(code + a.in.length, HLT, n - a.in.length);
	if (is_far(&a.in))
		a.before.eflags |= EFLAGS_TF;

	host_memory_fill(fill);
	if (!host_load(&a.before) || not_judged(code, a.in.length, how & 1) ||
	    goes_to_64_bit(&a.in, code, how & 1))
		goto out;
	a.native = a.before;
	native_run(&a.native);
	memcpy(native_memory, host_data(), HOST_DATA_PAGES * PAGE_SIZE);
	memcpy(native_memory + HOST_DATA_PAGES * PAGE_SIZE, host_const(), PAGE_SIZE);

	host_memory_fill(fill);
	host_load(&a.before);
	a.emulated = in_user_rules(&a.in) ? emulate_user(&a.in, a.before.eip + a.in.length, &a.x)
	                                  : emulate(&a.in, a.before.eip + a.in.length, &a.x);
	judge(&a);
out:
	memset(code, HLT, 16);
	return 0;
}
