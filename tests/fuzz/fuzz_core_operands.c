// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * decode_operands() against the processor: any bytes are executed as one instruction, natively,
 * with registers from the input. Whatever faulted on memory must have been foreseen, at that byte
 * and in that direction; what was executed must have been allowed all that was foreseen.
 */
#include "core/emulate.h"
#include "core/insn.h"
#include "core/segment.h"
#include "tests/fuzz/host/input.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>

#define CR2_FETCH 16u

static ZydisDecodedInstruction decoded;
static ZydisDecodedOperand zydis_operands[ZYDIS_MAX_OPERAND_COUNT];

/* What is foreseen of an instruction: taken down before it runs, and may ruin the core's state. */
struct prediction {
	uint32_t va, size, fault;
	bool write, faults, allowed, wraps;
};

static struct prediction predictions[MAX_OPERANDS];
static unsigned count;

static void show(const struct native *before, const struct native *n, const char *why)
{
	ZydisFormatter f;
	char text[128] = "(not decoded)";

	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_ATT);
	if (decoded.mnemonic)
		ZydisFormatterFormatInstruction(&f, &decoded, zydis_operands,
		                                decoded.operand_count_visible, text, sizeof text,
		                                before->eip, NULL);
	fprintf(stderr, "%s: %s\n  bytes", text, why);
	for (unsigned i = 0; i < INSTRUCTION_MAX && before->eip + i < HOST_CODE + PAGE_SIZE; i++)
		fprintf(stderr, " %02x", host_code()[before->eip - HOST_CODE + i]);
	fprintf(stderr, "\n  native: vector %u error %x cr2 %08x, eip %08x to %08x\n", n->vector,
	        n->error, n->cr2, before->eip, n->eip);
	for (unsigned i = 0; i < R_COUNT; i++)
		fprintf(stderr, "  %s %08x",
		        (char[8][4]){"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"}[i],
		        before->gpr[i]);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		fprintf(stderr, "  %s %04x", (char[6][3]){"es", "cs", "ss", "ds", "fs", "gs"}[i],
		        before->sel[i]);
	for (const struct prediction *p = predictions; p < predictions + count; p++)
		fprintf(stderr, "\n  foreseen: %08x size %u, %s%s%s", p->va, p->size,
		        p->write ? "write" : "read", p->faults ? ", faults" : "",
		        p->allowed ? "" : ", beyond the segment");
	fprintf(stderr, "\n");
	abort();
}

static bool first_fault_of(const struct operand *o, uint32_t va, uint32_t *fault)
{
	uint32_t n = o->down ? o->down : o->size;

	for (uint32_t at = o->size - n;; at -= n) {
		if (host_first_fault(va + at, n, o->write, fault))
			return true;
		if (!at)
			return false;
	}
}

static void predict(const uint8_t *bytes, unsigned available, bool code16)
{
	struct operand o[MAX_OPERANDS];

	count = decode_operands(bytes, available, code16, o);
	for (unsigned i = 0; i < count; i++) {
		uint32_t offset = operand_offset(&o[i]);
		struct prediction *p = &predictions[i];

		p->va = offset + segment_base(o[i].address.segment);
		p->size = o[i].size;
		p->write = o[i].write;
		p->faults = first_fault_of(&o[i], p->va, &p->fault);
		p->wraps = o[i].down && !segment_is_big(SEG_SS) && offset + p->size > 0x10000;
		p->allowed = segment_allows(o[i].address.segment, offset, o[i].size);
	}
}

/* In which order they store and read the FPU's state is the processor's business. */
static bool in_any_order(void)
{
	switch (decoded.mnemonic) {
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FLDENV:
		return true;
	default:
		return false;
	}
}

/* CR2 is the byte at which the processor stops: what access_beyond() delivers. */
static bool foreseen(const struct prediction *p, const struct native *n)
{
	return p->faults && !!(n->error & 2) == p->write &&
	       (in_any_order() ? n->cr2 - p->va < p->size : n->cr2 == p->fault);
}

/*
 * Accesses that need not happen: what a mask, a count or a comparison decides, what is a hint, and
 * what is in no operand. XSAVE and its kin access as much as their mask says.
 */
static bool depends(void)
{
	if (!decoded.mnemonic) /* Zydis and the processor may not agree that it is undefined */
		return true;
	for (unsigned i = 0; i < count; i++) /* the virtual CPU is there, not the guest's memory */
		if (predictions[i].va >= HOLE_BASE ||
		    predictions[i].va + predictions[i].size > HOLE_BASE || predictions[i].wraps)
			return true;
	if (decoded.attributes &
	    (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		return true;
	if (decoded.avx.mask.mode > ZYDIS_MASK_MODE_DISABLED &&
	    decoded.avx.mask.reg != ZYDIS_REGISTER_K0)
		return true;
	switch (decoded.mnemonic) {
	case ZYDIS_MNEMONIC_MASKMOVQ:
	case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
	case ZYDIS_MNEMONIC_XSAVE:
	case ZYDIS_MNEMONIC_XSAVEC:
	case ZYDIS_MNEMONIC_XSAVEOPT:
	case ZYDIS_MNEMONIC_XRSTOR:
	case ZYDIS_MNEMONIC_FXSAVE:
	case ZYDIS_MNEMONIC_FXRSTOR:
	case ZYDIS_MNEMONIC_ENTER:
	case ZYDIS_MNEMONIC_MONITORX:
	case ZYDIS_MNEMONIC_CLZERO:
	case ZYDIS_MNEMONIC_SGDT: /* UMIP: the host's kernel does it, as good as it can */
	case ZYDIS_MNEMONIC_SIDT:
	case ZYDIS_MNEMONIC_SLDT:
	case ZYDIS_MNEMONIC_STR:
	case ZYDIS_MNEMONIC_SMSW:
		return true;
	default:
		return false;
	}
}

static bool decode(const uint8_t *bytes, unsigned n, bool code16)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder,
	                 code16 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_16
	                        : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
	                 code16 ? ZYDIS_STACK_WIDTH_16 : ZYDIS_STACK_WIDTH_32);
	memset(&decoded, 0, sizeof decoded);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &decoded, zydis_operands));
}

/* Where the page fault is of a fetch: of the instruction, or of what it jumped to. */
static bool fetch_fault(const struct native *n, uint32_t base)
{
	return n->error & CR2_FETCH || n->cr2 - (base + n->eip) < INSTRUCTION_MAX;
}

/*
 * Far and interrupt returns: the manual does not say in which order they read their frame, and
 * AMD's processors look for the outer stack in it although there is none.
 */
static bool reads_more(void)
{
	return decoded.mnemonic == ZYDIS_MNEMONIC_RET || decoded.mnemonic == ZYDIS_MNEMONIC_IRET ||
	       decoded.mnemonic == ZYDIS_MNEMONIC_IRETD;
}

static void judge(const struct native *before, const struct native *n, uint32_t base)
{
	bool done = n->eip != before->eip || n->vector == VECTOR_DB;
	struct native shown = *before;

	shown.eip += base;
	if (depends())
		return;
	if (n->vector == VECTOR_PF && !done) {
		if (fetch_fault(n, base))
			return;
		for (unsigned i = 0; i < count; i++)
			if (foreseen(&predictions[i], n))
				return;
		if (reads_more())
			return;
		show(&shown, n, "a page fault that was not foreseen");
	}
	/* Completed: the trap behind it, or the HLT that follows. */
	if (!done || (n->vector != VECTOR_DB && n->vector != VECTOR_GP))
		return;
	for (unsigned i = 0; i < count; i++)
		if (decoded.mnemonic == ZYDIS_MNEMONIC_ARPL && predictions[i].write)
			continue;
		else if (predictions[i].faults || !predictions[i].allowed)
			show(&shown, n, "executed, but was not foreseen to be possible");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct native before, n;
	bool code16;
	uint32_t eip, available;
	uint8_t how;

	host_memory_open();
	input_code(&in, &eip);
	input_registers(&in, &before);
	how = input_byte(&in);
	code16 = how & 1;
	host_memory_fill(how >> 1);
	before.eip = eip;
	before.sel[SEG_CS] = host_selector(LDT_CODE);
	before.eflags |= EFLAGS_TF;
	available = HOST_CODE + PAGE_SIZE - eip;
	if (available > INSTRUCTION_MAX)
		available = INSTRUCTION_MAX;
	if (code16) {
		before.eip -= HOST_CODE;
		before.sel[SEG_CS] = host_selector(LDT_CODE16);
	}
	n = before;
	if (host_load(&before)) {
		uint32_t base = code16 ? HOST_CODE : 0;

		decode(host_code() + (eip - HOST_CODE), available, code16);
		predict(host_code() + (eip - HOST_CODE), available, code16);
		native_run(&n);
		judge(&before, &n, base);
	}
	input_code_undo(eip);
	return 0;
}
