// SPDX-License-Identifier: GPL-2.0-or-later
/* quick_decode() against Zydis: all prefixes, opcodes, ModRM bytes and the SIB bytes that differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <Zydis/Zydis.h>

#include "annotate/quick.h"
#include "annotate/sensitive.h"

static ZydisDecoder decoder;

static uint32_t word_at(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Returns whether it was one for quick_decode(). */
static bool compare(const uint8_t bytes[QUICK_BYTES])
{
	struct quick q = quick_decode(bytes);
	ZydisDecodedInstruction in;
	bool good;

	if (!q.length)
		return false;
	good = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, 15, &in)) &&
	       in.length == q.length && sensitive_kind(&in) == ANNOTATE_NONE &&
	       in.mnemonic != ZYDIS_MNEMONIC_UD0 && in.mnemonic != ZYDIS_MNEMONIC_UD1 &&
	       in.mnemonic != ZYDIS_MNEMONIC_UD2;
	if (good && q.relative)
		good = in.raw.imm[0].is_relative && in.raw.imm[0].size == q.relative * 8 &&
		       in.raw.imm[0].offset == q.length - q.relative;
	if (good && !q.relative)
		good = !in.raw.imm[0].is_relative;
	if (good && in.raw.imm[0].size == 32 && !q.relative)
		good = q.immediate == in.raw.imm[0].offset &&
		       word_at(bytes + q.immediate) == (uint32_t)in.raw.imm[0].value.u;
	else if (good)
		good = !q.immediate;
	if (good && in.raw.disp.size == 32)
		good = q.displacement == in.raw.disp.offset &&
		       word_at(bytes + q.displacement) == (uint32_t)in.raw.disp.value;
	else if (good)
		good = !q.displacement;
	if (!good)
		fail_msg("%02x %02x %02x %02x: length %u, Zydis %u", bytes[0], bytes[1], bytes[2],
		         bytes[3], q.length, in.length);
	return true;
}

static void test_all_forms(void **state)
{
	static const uint8_t prefixes[] = {0, 0x66, 0x64, 0x65, 0x2e, 0x3e, 0xf0, 0xf2, 0xf3};
	static const uint8_t sibs[] = {0x24, 0x25, 0x05, 0x45, 0xe5, 0x00, 0xff, 0x64, 0x0d, 0x9d};
	uint32_t known = 0;

	(void)state;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	for (unsigned prefix = 0; prefix < sizeof(prefixes); prefix++)
		for (unsigned map = 0; map < 2; map++)
			for (unsigned opcode = 0; opcode < 256; opcode++)
				for (unsigned modrm = 0; modrm < 256; modrm++)
					for (unsigned sib = 0; sib < sizeof(sibs); sib++) {
						uint8_t bytes[QUICK_BYTES] = {
						    [6] = 0x81, 0x02, 0x83, 0x04, 0x85,
						    0x06,       0x87, 0x08, 0x89, 0x0a};
						unsigned at = 0;

						if (sib && (modrm >= 0xc0 || (modrm & 7) != 4))
							break;
						if (prefix)
							bytes[at++] = prefixes[prefix];
						if (map)
							bytes[at++] = 0x0f;
						bytes[at++] = opcode;
						bytes[at++] = modrm;
						bytes[at++] = sibs[sib];
						known += compare(bytes);
					}
	assert_in_range(known, 100000, 2000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
