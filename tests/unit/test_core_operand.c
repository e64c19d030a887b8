// SPDX-License-Identifier: GPL-2.0-or-later
/* Where instructions access memory, against the decoder library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/insn.h"
#include "ring1/vcpu.h"

#include <Zydis/Zydis.h>
#include <stdlib.h>

static unsigned decode(const char *hex, struct operand *o)
{
	uint8_t bytes[15];
	unsigned n = 0;

	for (const char *p = hex; *p; p += p[2] == ' ' ? 3 : 2)
		bytes[n++] = (uint8_t)strtoul((char[]){p[0], p[1], 0}, NULL, 16);
	return decode_operands(bytes, n, false, o);
}

static void one(const char *hex, uint8_t base, uint8_t index, uint32_t disp, uint8_t segment,
                bool write)
{
	struct operand o[MAX_OPERANDS];

	assert_int_equal(decode(hex, o), 1);
	assert_int_equal(o[0].address.base, base);
	assert_int_equal(o[0].address.index, index);
	assert_int_equal(o[0].address.disp, disp);
	assert_int_equal(o[0].address.segment, segment);
	assert_int_equal(o[0].write, write);
}

static void moves_name_their_operand(void **state)
{
	(void)state;
	one("8b 03", R_EBX, NO_REGISTER, 0, SEG_DS, false);
	one("89 45 fc", R_EBP, NO_REGISTER, (uint32_t)-4, SEG_SS, true);
	one("a1 78 56 34 12", NO_REGISTER, NO_REGISTER, 0x12345678, SEG_DS, false);
	one("a3 78 56 34 12", NO_REGISTER, NO_REGISTER, 0x12345678, SEG_DS, true);
	one("65 8b 1d 14 00 00 00", NO_REGISTER, NO_REGISTER, 0x14, SEG_GS, false);
	one("c6 04 8d 10 00 00 00 ff", NO_REGISTER, R_ECX, 0x10, SEG_DS, true);
	one("0f b6 14 24", R_ESP, NO_REGISTER, 0, SEG_SS, false);
	one("0f 29 00", R_EAX, NO_REGISTER, 0, SEG_DS, true);
	one("c5 fd 6f 06", R_ESI, NO_REGISTER, 0, SEG_DS, false);
	one("c4 e2 7d 58 0f", R_EDI, NO_REGISTER, 0, SEG_DS, false);
}

static void stack_instructions_use_ss(void **state)
{
	(void)state;
	one("50", R_ESP, NO_REGISTER, (uint32_t)-4, SEG_SS, true);
	one("58", R_ESP, NO_REGISTER, 0, SEG_SS, false);
	one("e8 00 00 00 00", R_ESP, NO_REGISTER, (uint32_t)-4, SEG_SS, true);
	one("c9", R_EBP, NO_REGISTER, 0, SEG_SS, false);
}

static void strings_have_two_operands(void **state)
{
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode("f3 a4", o), 2);
	assert_int_equal(o[0].address.base, R_ESI);
	assert_false(o[0].write);
	assert_int_equal(o[1].address.base, R_EDI);
	assert_int_equal(o[1].address.segment, SEG_ES);
	assert_true(o[1].write);
	assert_int_equal(decode("f3 ab", o), 1);
	assert_true(o[0].write);
	assert_int_equal(decode("ac", o), 1);
	assert_false(o[0].write);
}

static void register_forms_access_nothing(void **state)
{
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode("89 c3", o), 0);
	assert_int_equal(decode("0f a2", o), 0);
	assert_int_equal(decode("90", o), 0);
	assert_int_equal(decode("c5 f8 77", o), 0);
}

static void a_cut_instruction_is_none(void **state)
{
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode("8b 80 00", o), 0);
	assert_int_equal(decode("66 66 66", o), 0);
}

static void sizes_follow_the_code_segment(void **state)
{
	static const uint8_t bytes[] = {0x8b, 0x07}; /* mov (%edi),%eax or mov (%bx),%ax */
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode_operands(bytes, 2, false, o), 1);
	assert_int_equal(o[0].size, 4);
	assert_int_equal(o[0].address.base, R_EDI);
	assert_int_equal(decode_operands(bytes, 2, true, o), 1);
	assert_int_equal(o[0].size, 2);
	assert_int_equal(o[0].address.base, R_EBX);
	assert_true(o[0].address.addr16);
}

static void calls_and_pushes_have_two_operands(void **state)
{
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode("ff 13", o), 2); /* call *(%ebx) */
	assert_true(o[0].read && !o[0].write && !o[0].stack);
	assert_true(o[1].write && o[1].stack);
	assert_int_equal(o[1].address.disp, (uint32_t)-4);
	assert_int_equal(decode("ff d3", o), 1); /* call *%ebx */
	assert_true(o[0].write && o[0].stack);
	assert_int_equal(decode("8f 04 24", o), 2); /* pop (%esp) */
	assert_true(o[0].write);
	assert_int_equal(o[0].address.disp, 4);
	assert_int_equal(decode("60", o), 1); /* pusha */
	assert_int_equal(o[0].size, 32);
	assert_int_equal(o[0].address.disp, (uint32_t)-32);
	assert_int_equal(o[0].down, 4);
	assert_int_equal(decode("8f c7", o), 1); /* pop %edi, the long form */
	assert_true(o[0].read && o[0].stack);
}

/* Found by fuzz_core_operands: a page that cannot be read is a read's fault. */
static void arpl_reads_before_it_writes(void **state)
{
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode("63 13", o), 2);
	assert_true(o[0].read && !o[0].write);
	assert_true(o[1].write && o[1].address.base == R_EBX);
}

static void short_displacements_of_evex_are_scaled(void **state)
{
	struct operand o[MAX_OPERANDS];

	(void)state;
	assert_int_equal(decode("62 f1 fe 48 6f 46 01", o), 1); /* vmovdqu64 64(%esi),%zmm0 */
	assert_int_equal(o[0].address.disp, 64);
	assert_int_equal(o[0].size, 64);
	assert_int_equal(decode("62 f1 fe 28 7f 47 ff", o), 1); /* vmovdqu64 %ymm0,-32(%edi) */
	assert_int_equal(o[0].address.disp, (uint32_t)-32);
	assert_true(o[0].write && !o[0].read);
}

/* Without those that access no memory, or as much as other state says. */
static bool comparable(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CLDEMOTE:
	case ZYDIS_MNEMONIC_CLFLUSH: /* counts as the load of one byte */
	case ZYDIS_MNEMONIC_CLFLUSHOPT:
	case ZYDIS_MNEMONIC_CLWB:
	case ZYDIS_MNEMONIC_INVLPG:
	case ZYDIS_MNEMONIC_PREFETCHWT1:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
		return false;
	default:
		break;
	}
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_PREFETCH:
	case ZYDIS_CATEGORY_WIDENOP:
	case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_VTX:
	case ZYDIS_CATEGORY_MPX:
	case ZYDIS_CATEGORY_CET:
	case ZYDIS_CATEGORY_XSAVE:
	case ZYDIS_CATEGORY_XSAVEOPT:
	case ZYDIS_CATEGORY_FMA4:
		return false;
	default:
		return in->encoding != ZYDIS_INSTRUCTION_ENCODING_MVEX &&
		       in->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX &&
		       in->encoding != ZYDIS_INSTRUCTION_ENCODING_XOP &&
		       in->encoding != ZYDIS_INSTRUCTION_ENCODING_3DNOW &&
		       in->attributes & ZYDIS_ATTRIB_HAS_MODRM;
	}
}

static bool agrees(const uint8_t *bytes, const ZydisDecodedInstruction *in,
                   const ZydisDecodedOperand *z)
{
	bool write = z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	struct operand o[MAX_OPERANDS] = {0};
	unsigned n = decode_operands(bytes, 15, false, o);
	bool writes = o[0].write || (n == 2 && !o[1].stack && o[1].write); /* ARPL */

	if (n && o[0].size == z->size / 8 && writes == write &&
	    o[0].address.base == (z->mem.base ? ZydisRegisterGetId(z->mem.base) : NO_REGISTER) &&
	    o[0].address.index == (z->mem.index ? ZydisRegisterGetId(z->mem.index) : NO_REGISTER))
		return true;
	print_message("%02x %02x %02x %02x %02x (%s): %u operands, %u bytes, write %d; "
	              "the library says %u, %d\n",
	              bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
	              ZydisMnemonicGetString(in->mnemonic), n, o[0].size, o[0].write, z->size / 8,
	              write);
	return false;
}

/* The memory operand with a ModRM byte as Zydis sees it, in random instructions. */
static void agrees_with_the_library(void **state)
{
	ZydisDecoder decoder;
	unsigned compared = 0, wrong = 0;

	(void)state;
	srand(1);
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	for (int i = 0; i < 800000; i++) {
		/* Half of them from the less likely maps. */
		static const uint8_t starts[8][2] = {
		    {0x0f}, {0x0f}, {0x66, 0x0f}, {0xf3, 0x0f}, {0xf2, 0x0f}, {0xc5}, {0xc4}, {0}};
		ZydisDecodedInstruction in;
		ZydisDecodedOperand z[ZYDIS_MAX_OPERAND_COUNT];
		uint8_t bytes[15];

		for (unsigned k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)rand();
		if (i & 1)
			for (unsigned k = 0; k < 2 && starts[i >> 1 & 7][k]; k++)
				bytes[k] = starts[i >> 1 & 7][k];
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, sizeof bytes, &in, z)) ||
		    !comparable(&in))
			continue;
		for (unsigned k = 0; k < in.operand_count_visible; k++) {
			if (z[k].type != ZYDIS_OPERAND_TYPE_MEMORY ||
			    z[k].mem.type != ZYDIS_MEMOP_TYPE_MEM ||
			    z[k].encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
				continue;
			compared++;
			wrong += !agrees(bytes, &in, &z[k]);
		}
	}
	assert_int_equal(wrong, 0);
	assert_true(compared > 200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(moves_name_their_operand),
	    cmocka_unit_test(stack_instructions_use_ss),
	    cmocka_unit_test(strings_have_two_operands),
	    cmocka_unit_test(register_forms_access_nothing),
	    cmocka_unit_test(a_cut_instruction_is_none),
	    cmocka_unit_test(sizes_follow_the_code_segment),
	    cmocka_unit_test(calls_and_pushes_have_two_operands),
	    cmocka_unit_test(arpl_reads_before_it_writes),
	    cmocka_unit_test(short_displacements_of_evex_are_scaled),
	    cmocka_unit_test(agrees_with_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
