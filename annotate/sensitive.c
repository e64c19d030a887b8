/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/sensitive.h"

/* The ModRM byte names a register, not memory. */
static bool modrm_is_register(const ZydisDecodedInstruction *in)
{
	return (in->attributes & ZYDIS_ATTRIB_HAS_MODRM) && in->raw.modrm.mod == 3;
}

int sensitive_segment(const ZydisDecodedInstruction *in)
{
	if (in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
		switch (in->opcode) {
		case 0x8c: /* mov %sreg,r/m */
		case 0x8e: /* mov r/m,%sreg */
			return in->raw.modrm.reg < 6 ? in->raw.modrm.reg : -1;
		case 0x06: /* push and pop %es, push %cs, ... %ss, ... %ds */
		case 0x07:
		case 0x0e:
		case 0x16:
		case 0x17:
		case 0x1e:
		case 0x1f:
			return in->opcode >> 3;
		}
	} else if (in->opcode_map == ZYDIS_OPCODE_MAP_0F) {
		switch (in->opcode) {
		case 0xa0: /* push and pop %fs, %gs */
		case 0xa1:
		case 0xa8:
		case 0xa9:
			return (in->opcode >> 3) & 7;
		}
	}
	return -1;
}

enum annotate_kind sensitive_kind(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CLI:
		return ANNOTATE_CLI;
	case ZYDIS_MNEMONIC_STI:
		return ANNOTATE_STI;
	case ZYDIS_MNEMONIC_HLT:
		return ANNOTATE_HLT;
	case ZYDIS_MNEMONIC_PUSHF:
	case ZYDIS_MNEMONIC_PUSHFD:
		return ANNOTATE_PUSHF;
	case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_POPFD:
		return ANNOTATE_POPF;
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
		return ANNOTATE_IRET;
	case ZYDIS_MNEMONIC_PUSH:
		return sensitive_segment(in) >= 0 ? ANNOTATE_PUSH_SEGMENT : ANNOTATE_NONE;
	case ZYDIS_MNEMONIC_POP:
		return sensitive_segment(in) >= 0 ? ANNOTATE_POP_SEGMENT : ANNOTATE_NONE;
	case ZYDIS_MNEMONIC_MOV:
		if (in->opcode_map == ZYDIS_OPCODE_MAP_0F) {
			switch (in->opcode) {
			case 0x20:
			case 0x22:
				return ANNOTATE_CONTROL;
			case 0x21:
			case 0x23:
				return ANNOTATE_DEBUG;
			}
			return ANNOTATE_NONE;
		}
		if (sensitive_segment(in) < 0)
			return ANNOTATE_NONE;
		return in->opcode == 0x8c ? ANNOTATE_STORE_SEGMENT : ANNOTATE_LOAD_SEGMENT;
	case ZYDIS_MNEMONIC_LDS:
	case ZYDIS_MNEMONIC_LES:
	case ZYDIS_MNEMONIC_LFS:
	case ZYDIS_MNEMONIC_LGS:
	case ZYDIS_MNEMONIC_LSS:
		return ANNOTATE_LOAD_POINTER;
	case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_RET:
		return in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? ANNOTATE_FAR_BRANCH
		                                                     : ANNOTATE_NONE;
	case ZYDIS_MNEMONIC_CPUID:
		return ANNOTATE_CPUID;
	case ZYDIS_MNEMONIC_SGDT:
	case ZYDIS_MNEMONIC_SIDT:
	case ZYDIS_MNEMONIC_SLDT:
	case ZYDIS_MNEMONIC_STR:
	case ZYDIS_MNEMONIC_SMSW:
		return ANNOTATE_STORE_TABLE;
	case ZYDIS_MNEMONIC_VERW:
		/*
		 * With a memory operand it is how kernels ask the processor to clear its
		 * buffers (MDS); executed as it is it asks the real one, and nobody reads ZF.
		 */
		return modrm_is_register(in) ? ANNOTATE_QUERY : ANNOTATE_NONE;
	case ZYDIS_MNEMONIC_LAR:
	case ZYDIS_MNEMONIC_LSL:
	case ZYDIS_MNEMONIC_VERR:
		return ANNOTATE_QUERY;
	case ZYDIS_MNEMONIC_LGDT:
	case ZYDIS_MNEMONIC_LIDT:
	case ZYDIS_MNEMONIC_LLDT:
	case ZYDIS_MNEMONIC_LTR:
		return ANNOTATE_LOAD_TABLE;
	case ZYDIS_MNEMONIC_CLTS:
	case ZYDIS_MNEMONIC_LMSW:
		return ANNOTATE_CONTROL;
	case ZYDIS_MNEMONIC_INVLPG:
	case ZYDIS_MNEMONIC_INVPCID:
		return ANNOTATE_INVLPG;
	case ZYDIS_MNEMONIC_IN:
	case ZYDIS_MNEMONIC_INSB:
	case ZYDIS_MNEMONIC_INSW:
	case ZYDIS_MNEMONIC_INSD:
		return ANNOTATE_IN;
	case ZYDIS_MNEMONIC_OUT:
	case ZYDIS_MNEMONIC_OUTSB:
	case ZYDIS_MNEMONIC_OUTSW:
	case ZYDIS_MNEMONIC_OUTSD:
		return ANNOTATE_OUT;
	case ZYDIS_MNEMONIC_RDMSR:
	case ZYDIS_MNEMONIC_WRMSR:
	case ZYDIS_MNEMONIC_RDPMC:
	case ZYDIS_MNEMONIC_XSETBV:
		return ANNOTATE_MSR;
	case ZYDIS_MNEMONIC_WBINVD:
	case ZYDIS_MNEMONIC_INVD:
		return ANNOTATE_CACHE;
	case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_SYSRET:
	case ZYDIS_MNEMONIC_STAC:
	case ZYDIS_MNEMONIC_CLAC:
	case ZYDIS_MNEMONIC_MONITOR:
	case ZYDIS_MNEMONIC_MWAIT:
	case ZYDIS_MNEMONIC_XSAVES:
	case ZYDIS_MNEMONIC_XRSTORS:
		return ANNOTATE_OTHER;
	default:
		return ANNOTATE_NONE;
	}
}

bool sensitive_traps(enum annotate_kind kind)
{
	switch (kind) {
	case ANNOTATE_CLI:
	case ANNOTATE_STI:
	case ANNOTATE_STI_HLT:
	case ANNOTATE_HLT:
	case ANNOTATE_LOAD_TABLE:
	case ANNOTATE_CONTROL:
	case ANNOTATE_DEBUG:
	case ANNOTATE_INVLPG:
	case ANNOTATE_IN:
	case ANNOTATE_OUT:
	case ANNOTATE_MSR:
	case ANNOTATE_CACHE:
	case ANNOTATE_OTHER:
		return true;
	default:
		return false;
	}
}
