// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/gdb_registers.h"

#include <stdio.h>
#include <string.h>

enum where {
	GENERAL,
	EIP,
	EFLAGS,
	SELECTOR,
	STACK,
	FCTRL,
	FSTAT,
	FTAG,
	FISEG,
	FIOFF,
	FOSEG,
	FOOFF,
	FOP,
	XMM,
	MXCSR,
	CONTROL,
	BASE
};

/* In the order that gdb's feature "org.gnu.gdb.i386.core" asks for, and ours behind. */
static const struct {
	const char *name, *type, *group;
	uint8_t bytes;
	uint8_t where, index;
} registers[] = {
    {"eax", "int32", NULL, 4, GENERAL, R_EAX},
    {"ecx", "int32", NULL, 4, GENERAL, R_ECX},
    {"edx", "int32", NULL, 4, GENERAL, R_EDX},
    {"ebx", "int32", NULL, 4, GENERAL, R_EBX},
    {"esp", "data_ptr", NULL, 4, GENERAL, R_ESP},
    {"ebp", "data_ptr", NULL, 4, GENERAL, R_EBP},
    {"esi", "int32", NULL, 4, GENERAL, R_ESI},
    {"edi", "int32", NULL, 4, GENERAL, R_EDI},
    {"eip", "code_ptr", NULL, 4, EIP, 0},
    {"eflags", "i386_eflags", NULL, 4, EFLAGS, 0},
    {"cs", "int32", NULL, 4, SELECTOR, SEG_CS},
    {"ss", "int32", NULL, 4, SELECTOR, SEG_SS},
    {"ds", "int32", NULL, 4, SELECTOR, SEG_DS},
    {"es", "int32", NULL, 4, SELECTOR, SEG_ES},
    {"fs", "int32", NULL, 4, SELECTOR, SEG_FS},
    {"gs", "int32", NULL, 4, SELECTOR, SEG_GS},
    {"st0", "i387_ext", "float", 10, STACK, 0},
    {"st1", "i387_ext", "float", 10, STACK, 1},
    {"st2", "i387_ext", "float", 10, STACK, 2},
    {"st3", "i387_ext", "float", 10, STACK, 3},
    {"st4", "i387_ext", "float", 10, STACK, 4},
    {"st5", "i387_ext", "float", 10, STACK, 5},
    {"st6", "i387_ext", "float", 10, STACK, 6},
    {"st7", "i387_ext", "float", 10, STACK, 7},
    {"fctrl", "int", "float", 4, FCTRL, 0},
    {"fstat", "int", "float", 4, FSTAT, 0},
    {"ftag", "int", "float", 4, FTAG, 0},
    {"fiseg", "int", "float", 4, FISEG, 0},
    {"fioff", "int", "float", 4, FIOFF, 0},
    {"foseg", "int", "float", 4, FOSEG, 0},
    {"fooff", "int", "float", 4, FOOFF, 0},
    {"fop", "int", "float", 4, FOP, 0},
    {"xmm0", "vec128", NULL, 16, XMM, 0},
    {"xmm1", "vec128", NULL, 16, XMM, 1},
    {"xmm2", "vec128", NULL, 16, XMM, 2},
    {"xmm3", "vec128", NULL, 16, XMM, 3},
    {"xmm4", "vec128", NULL, 16, XMM, 4},
    {"xmm5", "vec128", NULL, 16, XMM, 5},
    {"xmm6", "vec128", NULL, 16, XMM, 6},
    {"xmm7", "vec128", NULL, 16, XMM, 7},
    {"mxcsr", "int", "vector", 4, MXCSR, 0},
    {"cr0", "int32", "system", 4, CONTROL, 0},
    {"cr2", "int32", "system", 4, CONTROL, 2},
    {"cr3", "int32", "system", 4, CONTROL, 3},
    {"cr4", "int32", "system", 4, CONTROL, 4},
    {"fs_base", "int32", "system", 4, BASE, SEG_FS},
    {"gs_base", "int32", "system", 4, BASE, SEG_GS},
};

#define COUNT     (sizeof registers / sizeof *registers)
#define FIRST_XMM 32
#define FIRST_OWN 41

/* Offsets in an FXSAVE image, and in what XSAVE stores behind it (SDM volume 1, 13.4). */
#define FX_FCW     0
#define FX_FSW     2
#define FX_FTW     4
#define FX_FOP     6
#define FX_FIP     8
#define FX_FDP     16
#define FX_MXCSR   24
#define FX_STACK   32
#define FX_XMM     160
#define XSTATE_BV  512
#define XSTATE_X87 1u
#define XSTATE_SSE 2u

#define INITIAL_FCW   0x37f
#define INITIAL_MXCSR 0x1f80

static uint32_t load(const uint8_t *from, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, from, bytes);
	return value;
}

/* ---- shared memory ---- */

void gdb_registers_take(struct gdb_registers *r, const struct vm *vm)
{
	const struct vcpu *v = vm->vcpu;
	uint16_t fcw = INITIAL_FCW;
	uint32_t mxcsr = INITIAL_MXCSR, used;

	memcpy(&r->state, &vm->machine->debugger, sizeof r->state);
	memcpy(r->fpu, vm->machine->xsave, sizeof r->fpu);
	used = load(vm->machine->xsave + XSTATE_BV, 4);
	/* A component that is in its initial state is not stored. */
	if (!(used & XSTATE_X87)) {
		memset(r->fpu, 0, FX_MXCSR);
		memset(r->fpu + FX_STACK, 0, FX_XMM - FX_STACK);
		memcpy(r->fpu + FX_FCW, &fcw, sizeof fcw);
	}
	if (!(used & XSTATE_SSE)) {
		memset(r->fpu + FX_XMM, 0, 8 * 16);
		memcpy(r->fpu + FX_MXCSR, &mxcsr, sizeof mxcsr);
	}
	r->cr[0] = v->cr0;
	r->cr[2] = v->cr2;
	r->cr[3] = v->cr3;
	r->cr[4] = v->cr4;
}

void gdb_registers_give(const struct gdb_registers *r, struct vm *vm)
{
	uint32_t used = load(vm->machine->xsave + XSTATE_BV, 4) | XSTATE_X87 | XSTATE_SSE;

	memcpy(&vm->machine->debugger.registers, &r->state.registers, sizeof r->state.registers);
	memcpy(vm->machine->xsave, r->fpu, FX_MXCSR + 4);
	memcpy(vm->machine->xsave + FX_STACK, r->fpu + FX_STACK, FX_XMM + 8 * 16 - FX_STACK);
	memcpy(vm->machine->xsave + XSTATE_BV, &used, sizeof used);
}

/* ---- x87 ---- */

/* FXSAVE says of each register only whether it is empty; gdb shows two bits of each. */
static uint32_t full_tag(const uint8_t *fpu)
{
	unsigned top = fpu[FX_FSW + 1] >> 3 & 7;
	uint32_t tag = 0;

	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *st = fpu + FX_STACK + ((i - top) & 7) * 16;
		uint32_t exponent = load(st + 8, 2) & 0x7fff, kind = 0;
		bool zero = !load(st, 4) && !load(st + 4, 4);

		if (!(fpu[FX_FTW] >> i & 1))
			kind = 3;
		else if (!exponent && zero)
			kind = 1;
		else if (!exponent || exponent == 0x7fff || !(st[7] & 0x80))
			kind = 2;
		tag |= kind << (2 * i);
	}
	return tag;
}

static void set_tag(uint8_t *fpu, uint32_t tag)
{
	fpu[FX_FTW] = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((tag >> (2 * i) & 3) != 3)
			fpu[FX_FTW] |= (uint8_t)(1u << i);
}

/* ---- one register ---- */

static const struct {
	uint8_t where, offset, bytes;
} fx_fields[] = {
    {FCTRL, FX_FCW, 2}, {FSTAT, FX_FSW, 2},     {FISEG, FX_FIP + 4, 2}, {FIOFF, FX_FIP, 4},
    {FOOFF, FX_FDP, 4}, {FOSEG, FX_FDP + 4, 2}, {FOP, FX_FOP, 2},       {MXCSR, FX_MXCSR, 4},
};

unsigned gdb_register_count(void)
{
	return COUNT;
}

unsigned gdb_register_general(void)
{
	return COUNT;
}

size_t gdb_register_size(unsigned n)
{
	return n < COUNT ? registers[n].bytes : 0;
}

static uint32_t word_of(const struct gdb_registers *r, unsigned n)
{
	unsigned index = registers[n].index;

	switch (registers[n].where) {
	case GENERAL:
		return r->state.registers.gpr[index];
	case EIP:
		return r->state.registers.eip;
	case EFLAGS:
		return r->state.registers.eflags;
	case SELECTOR:
		return r->state.registers.vsel[index];
	case CONTROL:
		return r->cr[index];
	case BASE:
		return r->state.registers.base[index];
	case FTAG:
		return full_tag(r->fpu);
	}
	for (size_t i = 0; i < sizeof fx_fields / sizeof *fx_fields; i++)
		if (fx_fields[i].where == registers[n].where)
			return load(r->fpu + fx_fields[i].offset, fx_fields[i].bytes);
	return 0;
}

void gdb_register_get(const struct gdb_registers *r, unsigned n, uint8_t *bytes)
{
	uint32_t word;

	switch (registers[n].where) {
	case STACK:
		memcpy(bytes, r->fpu + FX_STACK + registers[n].index * 16, 10);
		return;
	case XMM:
		memcpy(bytes, r->fpu + FX_XMM + registers[n].index * 16, 16);
		return;
	}
	word = word_of(r, n);
	memcpy(bytes, &word, sizeof word);
}

bool gdb_register_set(struct gdb_registers *r, unsigned n, const uint8_t *bytes)
{
	uint32_t word = load(bytes, 4);

	switch (registers[n].where) {
	case GENERAL:
		r->state.registers.gpr[registers[n].index] = word;
		return true;
	case EIP:
		r->state.registers.eip = word;
		return true;
	case EFLAGS:
		r->state.registers.eflags = word;
		return true;
	case STACK:
		memcpy(r->fpu + FX_STACK + registers[n].index * 16, bytes, 10);
		return true;
	case XMM:
		memcpy(r->fpu + FX_XMM + registers[n].index * 16, bytes, 16);
		return true;
	case FTAG:
		set_tag(r->fpu, word);
		return true;
	case MXCSR:
		/* A bit that is reserved would make the cell's XRSTOR fault. */
		word &= 0xffff;
		break;
	case SELECTOR:
	case CONTROL:
	case BASE:
		/* What is there already may be written: gdb writes all registers to change one. */
		return word == word_of(r, n);
	}
	for (size_t i = 0; i < sizeof fx_fields / sizeof *fx_fields; i++)
		if (fx_fields[i].where == registers[n].where)
			memcpy(r->fpu + fx_fields[i].offset, &word, fx_fields[i].bytes);
	return true;
}

/* ---- the description ---- */

static const char flags_type[] =
    "<flags id=\"i386_eflags\" size=\"4\">"
    "<field name=\"\" start=\"22\" end=\"31\"/><field name=\"ID\" start=\"21\" end=\"21\"/>"
    "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
    "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VM\" start=\"17\" end=\"17\"/>"
    "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
    "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
    "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
    "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
    "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
    "<field name=\"\" start=\"1\" end=\"1\"/><field name=\"CF\" start=\"0\" end=\"0\"/></flags>\n";

static const char vector_types[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" "
    "count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" "
    "count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" "
    "type=\"v2d\"/>"
    "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
    "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
    "<field name=\"uint128\" type=\"uint128\"/></union>\n";

const char *gdb_target_xml(void)
{
	static char xml[12288];
	size_t at = 0;

	if (*xml)
		return xml;
#define ADD(...) at += (size_t)snprintf(xml + at, sizeof xml - at, __VA_ARGS__)
	ADD("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
	    "<architecture>i386</architecture>\n<feature name=\"org.gnu.gdb.i386.core\">\n%s",
	    flags_type);
	for (unsigned n = 0; n < COUNT; n++) {
		if (n == FIRST_XMM)
			ADD("</feature>\n<feature name=\"org.gnu.gdb.i386.sse\">\n%s",
			    vector_types);
		if (n == FIRST_OWN)
			ADD("</feature>\n<feature name=\"ring1.system\">\n");
		ADD("<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"", registers[n].name,
		    registers[n].bytes * 8u, registers[n].type, n);
		if (registers[n].group)
			ADD(" group=\"%s\"", registers[n].group);
		ADD("/>\n");
	}
	ADD("</feature>\n</target>\n");
#undef ADD
	return xml;
}
