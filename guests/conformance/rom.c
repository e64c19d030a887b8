// SPDX-License-Identifier: GPL-2.0-or-later
/* The ROM: finding it, calling it, and whether it keeps what each call has to keep. */
#include "conformance.h"

#define CALL_OPCODE 0xe8

typedef uint32_t __attribute__((regparm(1))) init_call(void);
typedef uint64_t __attribute__((regparm(2))) relocation_call(uint32_t number);

const struct vrom_header *rom;
static struct vmi_relocation_info answers[VMI_NR_CALLS];

static const char *const names[] = {
#define X(number, name, text) [number] = #name,
    VMI_CALLS(X)
#undef X
};

struct vmi_relocation_info relocation(uint32_t number)
{
	union {
		uint64_t word;
		struct vmi_relocation_info info;
	} answer;

	answer.word = ((relocation_call *)((uintptr_t)rom + VMI_ROM_GET_RELOC))(number);
	return answer.info;
}

uint32_t rom_init(void)
{
	return ((init_call *)((uintptr_t)rom + VMI_ROM_INIT))();
}

/* What a guest does in place of a call that is answered NOP. */
void rom_nothing(void);
__asm__(".text\n"
        "rom_nothing:\n"
        "	ret\n");

uint32_t call_address(unsigned number)
{
	if (answers[number].type == VMI_RELOCATION_NOP)
		return (uint32_t)rom_nothing;
	return answers[number].type == VMI_RELOCATION_CALL_REL ? answers[number].eip : 0;
}

static bool is_rom(const struct vrom_header *h)
{
	return h->rom_signature == VMI_OPROM_SIGNATURE && h->vrom_signature == VMI_SIGNATURE &&
	       h->api_version_maj == VMI_API_MAJOR && h->api_version_min >= VMI_API_MINOR;
}

void rom_setup(void);
void rom_setup(void)
{
	for (uint32_t pa = VMI_ROM_SEARCH_START; pa < VMI_ROM_SEARCH_END && !rom;
	     pa += VMI_ROM_SEARCH_STEP)
		if (is_rom((const struct vrom_header *)(pa + PAGE_OFFSET)))
			rom = (const struct vrom_header *)(pa + PAGE_OFFSET);
	if (!rom)
		bail_out("no VMI ROM of the right version");
	if (rom_init())
		bail_out("VMI_Init failed");
	for (unsigned i = 0; i < VMI_NR_CALLS; i++)
		answers[i] = relocation(i);
}

/* ---- what a call may change ---- */

#define KEEPS_EAX   0x01
#define KEEPS_ECX   0x02
#define KEEPS_EDX   0x04
#define GIVES_EBX   0x08
#define KEEPS_FLAGS 0x10 /* the arithmetic ones too */
#define GIVES_IF    0x20
#define GIVES_EDI   0x40
#define GIVES_ESI   0x80
#define ANY_DATA    0x100 /* DS and ES may hold anything */
#define KEEPS_THREE (KEEPS_EAX | KEEPS_ECX | KEEPS_EDX)

/* Where a call's clobbers or segments are not "standard" (vmi/vmi.h). */
static const uint16_t rules[VMI_NR_CALLS] = {
    [VMI_CALL_CPUID] = GIVES_EBX,
    [VMI_CALL_EnableInterrupts] = KEEPS_THREE | GIVES_IF | ANY_DATA,
    [VMI_CALL_DisableInterrupts] = KEEPS_THREE | GIVES_IF | ANY_DATA,
    [VMI_CALL_GetInterruptMask] = KEEPS_ECX | KEEPS_EDX | ANY_DATA,
    [VMI_CALL_SetInterruptMask] = KEEPS_THREE | GIVES_IF | ANY_DATA,
    [VMI_CALL_EnableInterruptsDeferred] = KEEPS_THREE | GIVES_IF | ANY_DATA,
    [VMI_CALL_DeliverInterrupts] = KEEPS_THREE | ANY_DATA,
    [VMI_CALL_Halt] = GIVES_IF,
    [VMI_CALL_INL] = KEEPS_ECX | KEEPS_EDX | KEEPS_FLAGS,
    [VMI_CALL_INB] = KEEPS_ECX | KEEPS_EDX | KEEPS_FLAGS,
    [VMI_CALL_INW] = KEEPS_ECX | KEEPS_EDX | KEEPS_FLAGS,
    [VMI_CALL_OUTL] = KEEPS_THREE | KEEPS_FLAGS,
    [VMI_CALL_OUTB] = KEEPS_THREE | KEEPS_FLAGS,
    [VMI_CALL_OUTW] = KEEPS_THREE | KEEPS_FLAGS,
    [VMI_CALL_INSL] = KEEPS_EAX | KEEPS_EDX | KEEPS_FLAGS | GIVES_EDI,
    [VMI_CALL_INSB] = KEEPS_EAX | KEEPS_EDX | KEEPS_FLAGS | GIVES_EDI,
    [VMI_CALL_INSW] = KEEPS_EAX | KEEPS_EDX | KEEPS_FLAGS | GIVES_EDI,
    [VMI_CALL_OUTSL] = KEEPS_EAX | KEEPS_EDX | KEEPS_FLAGS | GIVES_ESI,
    [VMI_CALL_OUTSB] = KEEPS_EAX | KEEPS_EDX | KEEPS_FLAGS | GIVES_ESI,
    [VMI_CALL_OUTSW] = KEEPS_EAX | KEEPS_EDX | KEEPS_FLAGS | GIVES_ESI,
};

static void kept(const char *call_name, const char *what, uint32_t before, uint32_t after)
{
	if (before == after)
		return;
	print("# %s changes %s: 0x%x becomes 0x%x\n", call_name, what, before, after);
	check_(false, "registers outside the clobbers are kept", "rom.c", 0);
}

bool call_loads_segments, call_sets_iopl;

static void check_kept(unsigned number)
{
	const struct registers *a = &call_in, *b = &call_out;
	const char *n = names[number];
	uint32_t flags = EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID | EFLAGS_TF;

	if (rules[number] & KEEPS_EAX)
		kept(n, "EAX", a->eax, b->eax);
	if (rules[number] & KEEPS_ECX)
		kept(n, "ECX", a->ecx, b->ecx);
	if (rules[number] & KEEPS_EDX)
		kept(n, "EDX", a->edx, b->edx);
	if (!(rules[number] & GIVES_EBX))
		kept(n, "EBX", a->ebx, b->ebx);
	if (!(rules[number] & GIVES_ESI))
		kept(n, "ESI", a->esi, b->esi);
	if (!(rules[number] & GIVES_EDI))
		kept(n, "EDI", a->edi, b->edi);
	if (rules[number] & KEEPS_FLAGS)
		flags |= EFLAGS_ARITHM;
	if (call_sets_iopl)
		flags &= ~EFLAGS_IOPL;
	if (!(rules[number] & GIVES_IF))
		flags |= EFLAGS_IF;
	kept(n, "EBP", a->ebp, b->ebp);
	kept(n, "ESP", a->esp, b->esp);
	kept(n, "the flags", a->eflags & flags, b->eflags & flags);
	if (!call_loads_segments) {
		kept(n, "DS", a->ds, b->ds);
		kept(n, "ES", a->es, b->es);
		kept(n, "FS", a->fs, b->fs);
		kept(n, "GS", a->gs, b->gs);
	}
	kept(n, "CS", a->cs, b->cs);
	kept(n, "SS", a->ss, b->ss);
}

/* ---- calling ---- */

void call_reset(void)
{
	call_in = (struct registers){.eax = 0xeaeaeaea,
	                             .ecx = 0xecececec,
	                             .edx = 0xedededed,
	                             .ebx = 0xebebebeb,
	                             .ebp = 0xb1b1b1b1,
	                             .esi = 0x51515151,
	                             .edi = 0xd1d1d1d1,
	                             .eflags = 2,
	                             .ds = USER_DS,
	                             .es = USER_DS,
	                             .fs = PERCPU};
}

static void aim(unsigned number)
{
	uint32_t to = call_address(number), from = (uint32_t)call_site + sizeof call_site;

	if (!to) {
		print("# %s is no call of this ROM: type %u\n", names[number],
		      answers[number].type);
		bail_out("a test calls what is not offered");
	}
	call_site[0] = CALL_OPCODE;
	for (unsigned i = 0; i < 4; i++)
		call_site[1 + i] = (uint8_t)((to - from) >> 8 * i);
}

void return_by(unsigned number, unsigned words)
{
	uint32_t distance = call_address(number) - (uint32_t)return_site - sizeof return_site;

	for (unsigned i = 0; i < 4; i++)
		return_site[1 + i] = (uint8_t)(distance >> 8 * i);
	return_words = words;
	trapped.happened = false;
	return_enter();
}

uint64_t call_with(unsigned number)
{
	aim(number);
	call_rom();
	check_kept(number);
	return (uint64_t)call_out.edx << 32 | call_out.eax;
}

uint64_t call(unsigned number, uint32_t eax, uint32_t edx, uint32_t ecx, uint32_t stack0,
              uint32_t stack1)
{
	call_reset();
	call_in.eax = eax;
	call_in.edx = edx;
	call_in.ecx = ecx;
	call_stack[0] = stack0;
	call_stack[1] = stack1;
	/* The calls that hand IF out are checked by what they do. */
	call_in.eflags |= get_eflags() & EFLAGS_IF;
	return call_with(number);
}

bool call_trapping(unsigned number, uint32_t vector)
{
	aim(number);
	trapped.happened = false;
	expecting = true;
	call_rom();
	expecting = false;
	return check(trapped.happened) && check_equal(trapped.vector, vector);
}

void check_registers(const struct frame *f)
{
	check_equal(f->eax, call_in.eax);
	check_equal(f->ecx, call_in.ecx);
	check_equal(f->edx, call_in.edx);
	check_equal(f->ebx, call_in.ebx);
	check_equal(f->ebp, call_in.ebp);
	check_equal(f->esi, call_in.esi);
	check_equal(f->edi, call_in.edi);
}

void check_at_call(uint32_t vector, uint32_t error)
{
	const struct frame *f = &trapped.frame;

	if (!check(trapped.happened))
		return;
	check_equal(trapped.vector, vector);
	check_equal(trapped.error, error);
	check_equal(f->eip, (uint32_t)call_site);
	check_equal(trapped.esp, call_in.esp);
	check_registers(f);
	check_equal(f->eflags & EFLAGS_IF, call_in.eflags & EFLAGS_IF);
	check_equal(f->cs & 0xffff, call_in.cs & 0xffff);
}

void call_everywhere(unsigned number, uint32_t eax, uint32_t edx, uint32_t ecx, uint32_t stack0,
                     uint32_t stack1)
{
	static const uint16_t data[] = {USER_DS, 0, KERNEL_DS, PERCPU};
	static const uint32_t flags[] = {2, 2 | EFLAGS_ARITHM, 2 | EFLAGS_IF,
	                                 2 | EFLAGS_IF | EFLAGS_ARITHM};
	unsigned ways = rules[number] & ANY_DATA ? 4 : 1;

	for (unsigned i = 0; i < 4 * ways * 4; i++) {
		call_reset();
		call_in.eax = eax;
		call_in.edx = edx;
		call_in.ecx = ecx;
		call_stack[0] = stack0;
		call_stack[1] = stack1;
		call_in.eflags = flags[i & 3];
		call_in.fs = data[i >> 2 & 3];
		call_in.gs = data[(i >> 2 & 3) ^ 1];
		call_in.ds = data[(i >> 4) % ways];
		call_in.es = data[((i >> 4) + 1) % ways];
		/* The two that the other calls have for themselves. */
		if (!(rules[number] & ANY_DATA))
			call_in.ds = call_in.es = USER_DS;
		call_with(number);
	}
	plain_call(VMI_CALL_DisableInterrupts, 0);
}
