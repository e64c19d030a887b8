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
	return decode_operands(bytes, n, o);
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

/* The memory operand with a ModRM byte as Zydis sees it, in random instructions. */
static void agrees_with_the_library(void **state)
{
	ZydisDecoder decoder;
	unsigned compared = 0;

	(void)state;
	srand(1);
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	for (int i = 0; i < 400000; i++) {
		ZydisDecodedInstruction in;
		ZydisDecodedOperand z[ZYDIS_MAX_OPERAND_COUNT];
		struct operand o[MAX_OPERANDS];
		uint8_t bytes[15];

		for (unsigned k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)rand();
		/* EVEX scales displacements; MOV CR/DR and 3DNow have register forms only. */
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, sizeof bytes, &in, z)) ||
		    in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
		    in.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
		    in.encoding == ZYDIS_INSTRUCTION_ENCODING_XOP ||
		    !(in.attributes & ZYDIS_ATTRIB_HAS_MODRM))
			continue;
		for (unsigned k = 0; k < in.operand_count_visible; k++) {
			if (z[k].type != ZYDIS_OPERAND_TYPE_MEMORY ||
			    z[k].mem.type != ZYDIS_MEMOP_TYPE_MEM ||
			    z[k].encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
				continue;
			if (decode_operands(bytes, sizeof bytes, o) != 1)
				fail_msg("%02x %02x %02x %02x: no operand (%s)", bytes[0], bytes[1],
				         bytes[2], bytes[3], ZydisMnemonicGetString(in.mnemonic));
			assert_int_equal(o[0].address.base, z[k].mem.base
			                                        ? ZydisRegisterGetId(z[k].mem.base)
			                                        : NO_REGISTER);
			assert_int_equal(o[0].address.index,
			                 z[k].mem.index ? ZydisRegisterGetId(z[k].mem.index)
			                                : NO_REGISTER);
			compared++;
		}
	}
	assert_true(compared > 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(moves_name_their_operand),
	    cmocka_unit_test(stack_instructions_use_ss),
	    cmocka_unit_test(strings_have_two_operands),
	    cmocka_unit_test(register_forms_access_nothing),
	    cmocka_unit_test(a_cut_instruction_is_none),
	    cmocka_unit_test(agrees_with_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
