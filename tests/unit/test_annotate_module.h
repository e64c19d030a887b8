/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A module as it lies in guest memory, small enough to write down. */
#ifndef TEST_ANNOTATE_MODULE_H
#define TEST_ANNOTATE_MODULE_H

#include "annotate/module.h"

#include <elf.h>
#include <string.h>

#define RAM_SIZE    0x40000u
#define HEADER_AT   0x0000u
#define SECTIONS_AT 0x0100u
#define NAMES_AT    0x0400u
#define TEXT_AT     0x1000u
#define INIT_AT     0x2800u /* an allocation of its own */
#define MCOUNT_AT   0x0600u
#define JUMPS_AT    0x0640u
#define SYMBOLS_AT  0x0680u

/* pushf; pop; cli; ...; popf, with the tracer's call before, a jump label and a call out of it */
static const uint8_t module_text[] = {
    0xe8, 0,    0x10, 0x01, 0,    /* 00 call tracer */
    0x9c, 0x58, 0xfa, 0x89, 0xc3, /* 05 pushf; pop %eax; cli; mov %eax,%ebx */
    0x0f, 0x1f, 0x44, 0,    0,    /* 0a the jump label */
    0x53, 0x9d, 0x31, 0xc0, 0x40, /* 0f push %ebx; popf; xor %eax,%eax; inc %eax */
    0x0f, 0xa2, 0x89, 0xd0, 0x90, /* 14 cpuid; mov %edx,%eax; nop */
    0xc3, 0xcc, 0xcc,             /* 19 ret */
};
static const uint8_t module_init_text[] = {0x9c, 0x58, 0x90, 0x90, 0x90, 0x9d,
                                           0x90, 0x90, 0x90, 0x90, 0xc3, 0xcc};

static inline void module_section(uint8_t *ram, int i, uint32_t name, uint32_t type, uint32_t flags,
                                  uint32_t at, uint32_t size)
{
	const Elf32_Shdr s = {.sh_name = name,
	                      .sh_type = type,
	                      .sh_flags = flags,
	                      .sh_addr = at,
	                      .sh_offset = at,
	                      .sh_size = size};

	memcpy(ram + SECTIONS_AT + (size_t)i * sizeof(s), &s, sizeof(s));
}

static inline void module_build(uint8_t *ram)
{
	static const char names[] =
	    "\0.text\0.init.text\0__mcount_loc\0__jump_table\0.symtab\0.names";
	const Elf32_Ehdr e = {.e_ident = ELFMAG "\1\1\1",
	                      .e_type = ET_REL,
	                      .e_machine = EM_386,
	                      .e_shentsize = sizeof(Elf32_Shdr),
	                      .e_shnum = 7,
	                      .e_shstrndx = 6};
	const uint32_t mcount = TEXT_AT;
	const int32_t jump[3] = {TEXT_AT + 0x0a - JUMPS_AT, TEXT_AT + 0x0f - (JUMPS_AT + 4), 0};
	const Elf32_Sym symbols[3] = {{.st_shndx = 0},
	                              {.st_shndx = 1, .st_value = TEXT_AT},
	                              {.st_shndx = 2, .st_value = INIT_AT}};

	memset(ram, 0, RAM_SIZE);
	memcpy(ram + HEADER_AT, &e, sizeof(e));
	memcpy(ram + NAMES_AT, names, sizeof(names));
	module_section(ram, 1, 1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, TEXT_AT,
	               sizeof(module_text));
	module_section(ram, 2, 7, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, INIT_AT,
	               sizeof(module_init_text));
	module_section(ram, 3, 18, SHT_PROGBITS, SHF_ALLOC, MCOUNT_AT, sizeof(mcount));
	module_section(ram, 4, 31, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, JUMPS_AT, sizeof(jump));
	module_section(ram, 5, 44, SHT_SYMTAB, SHF_ALLOC, SYMBOLS_AT, sizeof(symbols));
	module_section(ram, 6, 52, SHT_STRTAB, 0, NAMES_AT, sizeof(names));
	memcpy(ram + TEXT_AT, module_text, sizeof(module_text));
	memcpy(ram + INIT_AT, module_init_text, sizeof(module_init_text));
	memcpy(ram + MCOUNT_AT, &mcount, sizeof(mcount));
	memcpy(ram + JUMPS_AT, jump, sizeof(jump));
	memcpy(ram + SYMBOLS_AT, symbols, sizeof(symbols));
}

#endif
