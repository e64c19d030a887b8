// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * emulate() against an independent interpreter: the privileged and sensitive instructions of a
 * kernel, which a processor would not execute for an ordinary process. QEMU's interpreter, as a
 * library (Unicorn), executes the same instruction from the same registers, descriptor tables, page
 * tables and memory; general, segment, control, debug and table registers, flags, memory, ports,
 * MSRs and the exception with its error code and address must be the same afterwards.
 *
 * Left out, since there is nothing to compare with or the machine is described as another
 * (docs/architecture.md, 7 and 13):
 *
 * - HLT, INT n: the interpreter stops at both; delivery is guests/selftest's.
 * - RDTSC, RDPMC, CPUID, XSETBV, CLAC, STAC: depend on the processor that is shown.
 * - LOCK MOV CR0: AMD's CR8.
 * - Rings 1 and 2, virtual-8086 mode, call gates, task switches, 16-bit TSSs: not there.
 * - Limits of segments: the kernel's are flat where that matters, and the interpreter checks none.
 * - SS with a base: LSS and POP SS of one are for Linux's espfix (core/emulate.c).
 * - Reserved bits of CR0 and CR4, NW without CD, PG without PE, DR7.GD: the interpreter lets all
 *   pass. PE cleared: no real mode.
 * - SGDT, SIDT with 16-bit operands: the interpreter stores 24 bits of the base, as an 80286; every
 *   later processor all 32.
 * - A stack or a frame that crosses into a page that is not there: which of its words were written,
 *   or which bytes of a wrapping access, is open.
 */
#include "core/emulate.h"
#include "core/insn.h"
#include "core/interrupt.h"
#include "core/paging.h"
#include "core/segment.h"
#include "tests/fuzz/host/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unicorn/unicorn.h>

/*
 * Guest-physical pages, which lie at the same linear addresses: the interpreter looks at page
 * tables for rights, and then accesses memory at the linear address.
 */
enum {
	PA_DIRECTORY = 1,
	PA_TABLE,
	PA_SETUP = 5,
	PA_TABLES, /* GDT at its start, IDT, LDT, TSS behind */
	PA_CODE,
	PA_STACK, /* and the page behind it is data */
	PA_DATA,
	PA_USER,
	PA_END = PA_USER + 4
};
#define RAM_BYTES (PA_END * PAGE_SIZE)

#define USER          (PA_USER * PAGE_SIZE) /* pages: user, the kernel's, read only, absent */
#define SETUP         (PA_SETUP * PAGE_SIZE)
#define VALUES        (SETUP + 0x800u)
#define NEVER         SETUP /* an address that is mapped, and not executed */
#define GDT           (PA_TABLES * PAGE_SIZE)
#define IDT           (GDT + 0x200)
#define LDT           (GDT + 0x400)
#define TSS           (GDT + 0x800)
#define CODE          (PA_CODE * PAGE_SIZE + 0x400)
#define STACK         (PA_STACK * PAGE_SIZE)
#define DATA          (PA_DATA * PAGE_SIZE)
#define INPUTS_OF_ONE 20000u /* that one interpreter judges */
#define NOP           0x90
#define IMAGES        16

/* GDT entries. Behind these come random ones. */
enum {
	GDT_NULL,
	GDT_CODE,
	GDT_DATA,
	GDT_USER_CODE,
	GDT_USER_DATA,
	GDT_FS, /* with a base */
	GDT_GS,
	GDT_LDT,
	GDT_TSS,
	GDT_TSS2,
	GDT_LDT_ABSENT,
	GDT_TSS_ABSENT,
	GDT_CONFORMING,
	GDT_CODE2,
	GDT_DATA2, /* not accessed */
	GDT_RANDOM
};
#define LDT_ENTRIES 64u
enum { LDT_DATA0, LDT_DATA3, LDT_CODE1 }; /* by privilege; random ones behind them */

#define CR0_SET  (CR0_PE | CR0_PG | 0x10u)
#define CR2_SET  0x12345678u
#define CR0_OPEN 0xe005002fu /* what may be different */
#define CR4_OPEN 0x000000dfu /* VME PVI TSD DE PSE; MCE PGE */
#define FLAGS    0x00247fd5u /* not RF, which no program sees set by these */

static uint8_t images[IMAGES][RAM_BYTES], image[RAM_BYTES];
static uint8_t *interpreted; /* the interpreter's memory */
static uc_engine *uc;
static uc_context *initial;
/* The library's own state, which begins with the registers; and the error code there. */
static const uint8_t *registers, *error_at;
static uint8_t copy_of_state[32768];
static struct platform ports;
#define MAX_ACCESSES 64u
static struct trace_event accesses[MAX_ACCESSES];
static unsigned naccesses;

struct result {
	uint32_t gpr[R_COUNT], eip, eflags, sel[SEG_COUNT];
	uint32_t cr[5], dr[8];
	uint32_t gdt_base, gdt_limit, idt_base, idt_limit;
	uint32_t ldt, ldt_base, ldt_limit, tr, tr_base, tr_limit;
	uint64_t sysenter[3];
	bool done;
	uint32_t vector, error, cr2;
};

/* ---- memory ---- */

static void set_word(uint8_t *ram, uint32_t pa, uint32_t value)
{
	memcpy(ram + pa, &value, 4);
}

static void set_entry(uint32_t at, uint32_t base, uint32_t limit, uint32_t type, uint32_t flags)
{
	set_word(image, at, base << 16 | (limit & 0xffff));
	set_word(image, at + 4,
	         (base & 0xff000000u) | flags << 20 | (limit & 0xf0000u) | type << 8 |
	             (base >> 16 & 0xff));
}

static void set_descriptor(unsigned n, uint32_t base, uint32_t limit, uint32_t type, uint32_t flags)
{
	set_entry(GDT + n * 8, base, limit, type, flags);
}

/* Code and data of any privilege; LDTs and TSSs, present or not. Nothing that switches tasks. */
static void random_descriptor(uint8_t *at, uint32_t *state)
{
	uint32_t r = host_random(state), base = host_random(state), limit = host_random(state);
	uint32_t type = r & 0xff;

	if (!(type & 0x10))
		type = (type & 0xe0) | (r & 0x100 ? 0x02 : 0x09);
	if (r & 0x200)
		limit = 0xfffff;
	if (r & 0x400)
		base = 0;
	if (r & 0x800)
		type |= 0x80;
	r = r >> 12 & 0xf;
	base = (base & 0xff000000u) | r << 20 | (limit & 0xf0000) | type << 8 | (base >> 8 & 0xff);
	memcpy(at, &limit, 2);
	memcpy(at + 4, &base, 4);
}

static void map(unsigned pa, uint32_t rights)
{
	set_word(image, PA_TABLE * PAGE_SIZE + pa * 4, pa * PAGE_SIZE | rights);
}

/* Selectors everywhere, and offsets that lead back into the code. */
static uint16_t random_word(uint32_t *state)
{
	uint32_t r = host_random(state);

	switch (r & 7) {
	case 0:
	case 1:
		return r >> 8 & 0xfc;
	case 2:
		return r >> 8 & 0xff;
	case 3:
		return 0;
	case 4:
		return (CODE & 0xffff) + (r >> 8 & 0xff);
	default:
		return r >> 16;
	}
}

static void fill_image(unsigned k)
{
	uint32_t state = 1000 + k;
	uint8_t *tables = image + PA_TABLES * PAGE_SIZE;

	memset(image, 0, sizeof image);
	for (unsigned i = PA_STACK * PAGE_SIZE; i < RAM_BYTES; i += 2) {
		uint16_t word = random_word(&state);

		memcpy(image + i, &word, 2);
	}
	memset(image + PA_CODE * PAGE_SIZE, NOP, PAGE_SIZE);
	set_word(image, PA_DIRECTORY * PAGE_SIZE,
	         PA_TABLE * PAGE_SIZE | PTE_P | PTE_W | PTE_U | PTE_A);
	for (unsigned i = 0; i < PA_USER; i++)
		map(i, PTE_P | PTE_W | PTE_A | PTE_D);
	map(PA_USER, PTE_P | PTE_W | PTE_U);
	map(PA_USER + 1, PTE_P | PTE_W | PTE_A);
	map(PA_USER + 2, PTE_P | PTE_U);
	map(PA_USER + 3, 0);
	for (unsigned i = 0; i < LDT_ENTRIES; i++)
		random_descriptor(tables + (LDT - GDT) + i * 8, &state);
	for (unsigned i = GDT_RANDOM; i < GDT_ENTRIES; i++)
		random_descriptor(tables + i * 8, &state);
	set_entry(LDT + LDT_DATA0 * 8, 0, 0xfffff, 0x93, 0xc);
	set_entry(LDT + LDT_DATA3 * 8, 0, 0xfffff, 0xf3, 0xc);
	set_entry(LDT + LDT_CODE1 * 8, 0, 0xfffff, 0xbb, 0xc);
	set_descriptor(GDT_NULL, 0, 0, 0, 0);
	set_descriptor(GDT_CODE, 0, 0xfffff, 0x9b, 0xc);
	set_descriptor(GDT_DATA, 0, 0xfffff, 0x93, 0xc);
	set_descriptor(GDT_USER_CODE, 0, 0xfffff, 0xfb, 0xc);
	set_descriptor(GDT_USER_DATA, 0, 0xfffff, 0xf3, 0xc);
	set_descriptor(GDT_FS, DATA, 0xfffff, 0x93, 0xc);
	set_descriptor(GDT_GS, USER + 0x10, 0xfffff, 0xf3, 0xc);
	set_descriptor(GDT_LDT, LDT, LDT_ENTRIES * 8 - 1, 0x82, 0);
	set_descriptor(GDT_TSS, TSS, 0x8f, 0x89, 0);
	set_descriptor(GDT_TSS2, TSS, 0x6f, 0x89, 0);
	set_descriptor(GDT_LDT_ABSENT, LDT, 0xff, 0x02, 0);
	set_descriptor(GDT_TSS_ABSENT, TSS, 0xff, 0x09, 0);
	set_descriptor(GDT_CONFORMING, 0, 0xfffff, 0x9f, 0xc);
	set_descriptor(GDT_CODE2, 0, 0xfffff, 0x9a, 0xc);
	set_descriptor(GDT_DATA2, 0, 0xfffff, 0x92, 0xc);
	memcpy(images[k], image, sizeof image);
}

/* ---- the interpreter ---- */

/* Tables, control and segment registers, from VALUES. It begins flat, unpaged, at privilege 0. */
struct values {
	uint8_t gdtr[8], idtr[8];
	uint32_t cr0, cr3, cr4;
	uint32_t es, ss, ds, fs, gs, ldt, tr;
	uint32_t dr[8];
};
extern const uint8_t setup_begin[], setup_end[];
__asm__(".pushsection .rodata\n"
        "	.set v, 0x5800\n"
        "	.code32\n"
        "setup_begin:\n"
        "	lgdt v\n"
        "	lidt v + 8\n"
        "	mov v + 24, %eax; mov %eax, %cr4\n"
        "	mov v + 20, %eax; mov %eax, %cr3\n"
        "	mov v + 16, %eax; mov %eax, %cr0\n"
        "	ljmp $8, $0x5000 + 1f - setup_begin\n"
        "1:	mov $16, %eax; mov %eax, %ds\n"
        "	mov v + 56, %eax; mov %eax, %db0\n"
        "	mov v + 60, %eax; mov %eax, %db1\n"
        "	mov v + 64, %eax; mov %eax, %db2\n"
        "	mov v + 68, %eax; mov %eax, %db3\n"
        "	mov v + 80, %eax; mov %eax, %db6\n"
        "	mov v + 84, %eax; mov %eax, %db7\n"
        "	lldt v + 48\n"
        "	ltr v + 52\n"
        "	mov v + 28, %es\n"
        "	mov v + 32, %ss\n"
        "	mov v + 40, %fs\n"
        "	mov v + 44, %gs\n"
        "	mov v + 36, %ds\n"
        "setup_end:\n"
        "	.code64\n"
        "	.popsection\n");
_Static_assert(SETUP == 0x5000, "known to the assembler");
_Static_assert(offsetof(struct values, cr0) == 16 && offsetof(struct values, es) == 28 &&
                   offsetof(struct values, ldt) == 48 && offsetof(struct values, dr) == 56,
               "known to the assembler");

static struct result *running;

static void on_exception(uc_engine *engine, uint32_t vector, void *unused)
{
	(void)unused;
	running->done = false;
	running->vector = vector;
	if (error_at)
		memcpy(&running->error, error_at, 4);
	else if (registers)
		memcpy(copy_of_state, registers, sizeof copy_of_state);
	uc_emu_stop(engine);
}

/* What the core traces of its accesses, and what follows each (core/io.c). */
static void note_access(uint32_t detail, uint32_t port, uint32_t value)
{
	if (ports.events)
		platform_update_irqs(&ports, 0);
	if (naccesses < MAX_ACCESSES)
		accesses[naccesses++] =
		    (struct trace_event){.detail = detail, .a = port, .b = value};
}

static uint32_t on_in(uc_engine *engine, uint32_t port, int size, void *unused)
{
	uint32_t value = platform_in(&ports, (uint16_t)port, (unsigned)size, 0);

	(void)engine, (void)unused;
	note_access((uint32_t)size, port, value);
	return value;
}

static void on_out(uc_engine *engine, uint32_t port, int size, uint32_t value, void *unused)
{
	(void)engine, (void)unused;
	platform_out(&ports, (uint16_t)port, (unsigned)size, value, 0);
	note_access((uint32_t)size | TRACE_IO_OUT, port, value);
}

static void must(uc_err e, const char *what)
{
	if (e == UC_ERR_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, uc_strerror(e));
	exit(1);
}

static uint32_t get(int reg)
{
	uint64_t value = 0;

	must(uc_reg_read(uc, reg, &value), "uc_reg_read");
	return (uint32_t)value;
}

static void put(int reg, uint32_t value)
{
	uint64_t v = value;

	must(uc_reg_write(uc, reg, &v), "uc_reg_write");
}

static const int gpr_names[R_COUNT] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX,
                                       UC_X86_REG_EBX, UC_X86_REG_ESP, UC_X86_REG_EBP,
                                       UC_X86_REG_ESI, UC_X86_REG_EDI};
static const int seg_names[SEG_COUNT] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                                         UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};
static const int dr_names[8] = {UC_X86_REG_DR0, UC_X86_REG_DR1, UC_X86_REG_DR2, UC_X86_REG_DR3,
                                UC_X86_REG_DR4, UC_X86_REG_DR5, UC_X86_REG_DR6, UC_X86_REG_DR7};

static void read_table(int reg, uint32_t *selector, uint32_t *base, uint32_t *limit)
{
	uc_x86_mmr r = {0};

	must(uc_reg_read(uc, reg, &r), "uc_reg_read");
	if (selector)
		*selector = r.selector;
	*base = (uint32_t)r.base;
	*limit = r.limit;
}

static void interpreter_result(struct result *r)
{
	for (unsigned i = 0; i < R_COUNT; i++)
		r->gpr[i] = get(gpr_names[i]);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r->sel[i] = get(seg_names[i]) & 0xffff;
	r->eip = get(UC_X86_REG_EIP);
	r->eflags = get(UC_X86_REG_EFLAGS);
	r->cr[0] = get(UC_X86_REG_CR0);
	r->cr[2] = get(UC_X86_REG_CR2);
	r->cr[3] = get(UC_X86_REG_CR3);
	r->cr[4] = get(UC_X86_REG_CR4);
	for (unsigned i = 0; i < 8; i++)
		if (i != 4 && i != 5)
			r->dr[i] = get(dr_names[i]);
	read_table(UC_X86_REG_GDTR, NULL, &r->gdt_base, &r->gdt_limit);
	read_table(UC_X86_REG_IDTR, NULL, &r->idt_base, &r->idt_limit);
	read_table(UC_X86_REG_LDTR, &r->ldt, &r->ldt_base, &r->ldt_limit);
	read_table(UC_X86_REG_TR, &r->tr, &r->tr_base, &r->tr_limit);
	for (unsigned i = 0; i < 3; i++) {
		uc_x86_msr msr = {.rid = 0x174 + i};

		must(uc_reg_read(uc, UC_X86_REG_MSR, &msr), "uc_reg_read");
		r->sysenter[i] = msr.value;
	}
	if (!r->done)
		r->cr2 = r->cr[2];
}

/* A fetch behind the instruction may fail as well: that is not the instruction's. */
static void interpret(uint32_t eip, bool repeated, struct result *r)
{
	uc_err e;

	*r = (struct result){.done = true};
	running = r;
	must(uc_ctl_remove_cache(uc, eip, eip + 1), "uc_ctl_remove_cache");
	naccesses = 0;
	do /* one iteration each time */
		e = uc_emu_start(uc, eip, NEVER, 0, 1);
	while (repeated && e == UC_ERR_OK && r->done && get(UC_X86_REG_EIP) == eip);
	if (e == UC_ERR_INSN_INVALID) {
		r->done = false;
		r->vector = VECTOR_UD;
	}
	/* IRET may go to itself, as a program that may not execute it. */
	if (get(UC_X86_REG_EIP) != eip || get(UC_X86_REG_CS) != GDT_CODE * 8)
		r->done = true;
	interpreter_result(r);
}

/* The state before the instruction, which both begin from. */
struct start {
	uint32_t gpr[R_COUNT], eflags, cr0, cr4;
	uint32_t sel[SEG_COUNT];
	uint32_t dr[8];
};

static void set_up(const struct start *s)
{
	struct values v = {.cr0 = s->cr0,
	                   .cr3 = PA_DIRECTORY * PAGE_SIZE,
	                   .cr4 = s->cr4,
	                   .es = s->sel[SEG_ES],
	                   .ss = GDT_DATA * 8,
	                   .ds = s->sel[SEG_DS],
	                   .fs = s->sel[SEG_FS],
	                   .gs = s->sel[SEG_GS],
	                   .ldt = GDT_LDT * 8,
	                   .tr = GDT_TSS * 8};
	uint16_t gdt_limit = GDT_ENTRIES * 8 - 1, idt_limit = 0x1ff;
	uint32_t gdt = GDT, idt = IDT;
	size_t n = (size_t)(setup_end - setup_begin);

	memcpy(v.gdtr, &gdt_limit, 2);
	memcpy(v.gdtr + 2, &gdt, 4);
	memcpy(v.idtr, &idt_limit, 2);
	memcpy(v.idtr + 2, &idt, 4);
	memcpy(v.dr, s->dr, sizeof v.dr);
	must(uc_context_restore(uc, initial), "uc_context_restore");
	memcpy(interpreted, image, RAM_BYTES);
	/* The table lies at its linear address only when there is paging. */
	memcpy(interpreted + SETUP, setup_begin, n);
	memcpy(interpreted + VALUES, &v, sizeof v);
	running = &(struct result){0};
	must(uc_emu_start(uc, SETUP, SETUP + n, 0, n), "the set-up");
	memcpy(interpreted, image, RAM_BYTES);
	set_word(interpreted, PA_TABLES * PAGE_SIZE + GDT_TSS * 8 + 4,
	         0x00008b00u | (TSS >> 16 & 0xff) | (TSS & 0xff000000u));
	for (unsigned i = 0; i < R_COUNT; i++)
		put(gpr_names[i], s->gpr[i]);
	put(UC_X86_REG_EFLAGS, s->eflags);
	put(UC_X86_REG_CR2, CR2_SET);
}

/* One range of /proc/self/maps, unless it is too large to be the heap. */
static bool next_range(FILE *maps, const uint8_t **from, const uint8_t **to)
{
	unsigned long begin, end;
	char rights[8], line[512];

	while (fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) != 3 ||
		    strncmp(rights, "rw", 2) || end - begin > 64ul << 20)
			continue;
		*from = (const uint8_t *)begin;
		*to = (const uint8_t *)end;
		return true;
	}
	return false;
}

static bool follows(const uint8_t *eax)
{
	uint32_t was = get(UC_X86_REG_EAX);
	bool same;

	put(UC_X86_REG_EAX, 7);
	same = *(volatile const uint32_t *)eax == 7;
	put(UC_X86_REG_EAX, was);
	return same;
}

/* The library's own registers, which it shows nobody: eight numbers in a row that are these. */
static const uint8_t *find_registers(void)
{
	const uint8_t *from, *to, *found = NULL;
	uint64_t odd[R_COUNT];
	FILE *maps = fopen("/proc/self/maps", "r");

	for (unsigned i = 0; i < R_COUNT; i++) {
		odd[i] = 0x1f2e3d4cu * (i + 3) & 0xffffffffu;
		put(gpr_names[i], (uint32_t)odd[i]);
	}
	while (maps && next_range(maps, &from, &to))
		for (; from + sizeof odd <= to && !found; from += 8)
			if (from != (const uint8_t *)odd && !memcmp(from, odd, sizeof odd) &&
			    follows(from))
				found = from;
	if (maps)
		fclose(maps);
	return found;
}

/* Where the library keeps the error code: the one word there that follows three exceptions. */
static void find_error_code(void)
{
	static const uint8_t load[] = {0x8e, 0xe0}; /* mov %eax, %fs */
	static const uint32_t codes[3] = {0x1237, 0xfedf, 0x800b};
	uint8_t differs[sizeof copy_of_state] = {0};
	struct start s = {.cr0 = CR0_SET, .eflags = 2, .dr[6] = 0xffff0ff0u, .dr[7] = 0x400};
	unsigned at_found = 0, found = 0;
	struct result r;

	registers = find_registers();

	s.sel[SEG_ES] = s.sel[SEG_DS] = s.sel[SEG_FS] = s.sel[SEG_GS] = GDT_DATA * 8;
	memcpy(image, images[0], sizeof image);
	memcpy(image + CODE, load, sizeof load);
	for (unsigned i = 0; registers && i < 3; i++) {
		s.gpr[R_EAX] = codes[i];
		set_up(&s);
		interpret(CODE, false, &r);
		for (unsigned at = 0; at < sizeof differs; at += 4)
			if (memcmp(copy_of_state + at, &(uint32_t){codes[i] & ~3u}, 4))
				differs[at] = 1;
	}
	for (unsigned at = 0; registers && at < sizeof differs; at += 4)
		if (!differs[at]) {
			at_found = at;
			found++;
		}
	if (found != 1) {
		fprintf(stderr, "this libunicorn keeps error codes at %u places\n", found);
		exit(1);
	}
	error_at = registers + at_found;
}

static void open_interpreter(void)
{
	uc_hook hook;

	registers = error_at = NULL;
	if (uc) {
		uc_context_free(initial);
		uc_close(uc);
		munmap(interpreted, 1ull << 32);
	}
	/* All of the address space is there, so that it is the tables that say what is not. */
	interpreted = mmap(NULL, 1ull << 32, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(uc_open(UC_ARCH_X86, UC_MODE_32, &uc), "uc_open");
	must(uc_mem_map_ptr(uc, 0, 1ull << 32, UC_PROT_ALL, interpreted), "uc_mem_map_ptr");
	must(uc_context_alloc(uc, &initial), "uc_context_alloc");
	must(uc_context_save(uc, initial), "uc_context_save");
	must(uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_exception, NULL, 1, 0),
	     "UC_HOOK_INTR");
	must(uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_in, NULL, 1, 0, UC_X86_INS_IN), "IN");
	must(uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_out, NULL, 1, 0, UC_X86_INS_OUT),
	     "OUT");
	find_error_code();
}

/* ---- the core ---- */

static void open_all(void)
{
	static bool open;

	if (open)
		return;
	open = true;
	host_memory_open();
	if (mmap(RAM, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	         -1, 0) != RAM) {
		perror("mmap");
		exit(1);
	}
	for (unsigned k = 0; k < IMAGES; k++)
		fill_image(k);
	open_interpreter();
}

/* A 686 with what CR4_OPEN names. */
static void load_core(const struct start *s)
{
	struct exception x;

	memset(V, 0, sizeof *V);
	memset(M, 0, offsetof(struct machine, count));
	memcpy(RAM, image, RAM_BYTES);
	set_word(RAM, PA_TABLES * PAGE_SIZE + GDT_TSS * 8 + 4,
	         0x00008b00u | (TSS >> 16 & 0xff) | (TSS & 0xff000000u));
	M->ram_size = RAM_BYTES;
	M->user_top = 0xc0000000;
	M->have_fsgsbase = 1;
	M->ncpuid = 1;
	M->cpuid[0] = (struct cpuid_leaf){.leaf = 1, .edx = ~0u};
	M->ncells = 1;
	M->cell[0].tag = PA_DIRECTORY * PAGE_SIZE;
	M->windows_applied = 1;
	M->trace.mask = 1u << TRACE_io;
	M->trace.head = M->trace.tail = 0;
	M->gdt_base = GDT;
	M->gdt_limit = GDT_ENTRIES * 8 - 1;
	M->idt_base = IDT;
	M->idt_limit = 0x1ff;
	M->ldt_selector = GDT_LDT * 8;
	M->ldt_base = LDT;
	M->ldt_limit = LDT_ENTRIES * 8 - 1;
	M->tr_selector = GDT_TSS * 8;
	M->tr_base = V->tss = TSS;
	M->tr_limit = 0x8f;
	memcpy(M->dr, s->dr, sizeof M->dr);
	V->cr0 = s->cr0;
	V->cr2 = CR2_SET;
	V->cr3 = PA_DIRECTORY * PAGE_SIZE;
	V->cr4 = s->cr4;
	V->rsel[SEG_SS] = LDT_SELECTOR(LDT_KERNEL_BANK);
	load_code_segment(GDT_CODE * 8, 0, 0, &x);
	load_segment(SEG_SS, GDT_DATA * 8, 0, &x);
	for (enum seg seg = SEG_ES; seg < SEG_COUNT; seg++)
		if (seg != SEG_CS && seg != SEG_SS)
			load_segment(seg, (uint16_t)s->sel[seg], 0, &x);
	memcpy(V->gpr, s->gpr, sizeof V->gpr);
	V->eip = CODE;
	set_eflags(s->eflags);
}

static void core_result(struct result *r, const struct exception *x)
{
	memcpy(r->gpr, V->gpr, sizeof r->gpr);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		r->sel[i] = V->vsel[i] & 0xffff;
	r->eip = V->eip;
	r->eflags = eflags_image();
	r->cr[0] = V->cr0;
	r->cr[2] = V->cr2;
	r->cr[3] = V->cr3;
	r->cr[4] = V->cr4;
	memcpy(r->dr, M->dr, sizeof r->dr);
	r->gdt_base = M->gdt_base;
	r->gdt_limit = M->gdt_limit;
	r->idt_base = M->idt_base;
	r->idt_limit = M->idt_limit;
	r->ldt = M->ldt_selector & 0xffff;
	r->ldt_base = M->ldt_base;
	r->ldt_limit = M->ldt_limit;
	r->tr = M->tr_selector & 0xffff;
	r->tr_base = M->tr_base;
	r->tr_limit = M->tr_limit;
	memcpy(r->sysenter, M->sysenter, sizeof r->sysenter);
	if (!r->done) {
		r->vector = x->vector;
		r->error = x->has_error ? x->error : 0;
		r->cr2 = x->cr2;
	}
}

/* ---- the judge ---- */

struct attempt {
	struct start start;
	struct insn in;
	struct result interpreter, core;
};

static void print_result(const char *who, const struct result *r)
{
	fprintf(stderr, "  %s\n   ", who);
	for (unsigned i = 0; i < R_COUNT; i++)
		fprintf(stderr, " %08x", r->gpr[i]);
	fprintf(
	    stderr, "\n    eip %08x eflags %08x es %04x cs %04x ss %04x ds %04x fs %04x gs %04x\n",
	    r->eip, r->eflags, r->sel[0], r->sel[1], r->sel[2], r->sel[3], r->sel[4], r->sel[5]);
	fprintf(stderr,
	        "    cr0 %08x cr2 %08x cr3 %08x cr4 %08x dr %08x %08x %08x %08x %08x %08x\n",
	        r->cr[0], r->cr[2], r->cr[3], r->cr[4], r->dr[0], r->dr[1], r->dr[2], r->dr[3],
	        r->dr[6], r->dr[7]);
	fprintf(stderr, "    gdt %08x %x idt %08x %x ldt %x %08x %x tr %x %08x %x\n", r->gdt_base,
	        r->gdt_limit, r->idt_base, r->idt_limit, r->ldt, r->ldt_base, r->ldt_limit, r->tr,
	        r->tr_base, r->tr_limit);
	if (!r->done)
		fprintf(stderr, "    vector %u error %x cr2 %08x\n", r->vector, r->error, r->cr2);
}

static void show(const struct attempt *a, const char *why)
{
	fprintf(stderr, "%s differ (op %u, size %u)\n  bytes", why, a->in.op, a->in.size);
	for (unsigned i = 0; i < a->in.length; i++)
		fprintf(stderr, " %02x", image[CODE + i]);
	fprintf(stderr, "\n  before\n   ");
	for (unsigned i = 0; i < R_COUNT; i++)
		fprintf(stderr, " %08x", a->start.gpr[i]);
	fprintf(stderr, "\n    eflags %08x cr0 %08x cr4 %08x\n    stack", a->start.eflags,
	        a->start.cr0, a->start.cr4);
	for (unsigned i = 0; i < 5; i++) {
		uint32_t at = a->start.gpr[R_ESP] + 4 * i, word;

		if (at + 4 <= RAM_BYTES) {
			memcpy(&word, image + at, 4);
			fprintf(stderr, " %08x", word);
		}
	}
	fprintf(stderr, "\n");
	print_result("interpreter", &a->interpreter);
	print_result("core", &a->core);
	abort();
}

static bool differs(const struct trace_event *i, const struct trace_event *c)
{
	unsigned size = i->detail & 7;

	return i->detail != c->detail || i->a != c->a ||
	       (i->b ^ c->b) & (size == 4 ? ~0u : (1u << 8 * size) - 1);
}

static bool is_far(const struct attempt *a)
{
	return a->in.op == OP_JMP_FAR || a->in.op == OP_CALL_FAR || a->in.op == OP_RET_FAR ||
	       a->in.op == OP_IRET;
}

/* EIP beyond its segment's limit is #GP(0) of a processor; the interpreter names the selector. */
static bool beyond_limit(const struct attempt *a)
{
	return is_far(a) && a->core.vector == VECTOR_GP && !a->core.error;
}

/* Far transfers mark what they load accessed (SDM volume 3, 3.4.5.1), and the interpreter does not.
 */
static void forget_accessed(uint32_t table, unsigned entries)
{
	for (uint32_t at = table + 5; at < table + entries * 8; at += 8)
		interpreted[at] |= RAM[at] & (DESC_ACCESSED >> 8);
}

/* So do processors; whether before they look at CS is nowhere said. */
static bool reads_outer_stack_first(const struct attempt *a)
{
	return (a->in.op == OP_RET_FAR || a->in.op == OP_IRET) && !a->interpreter.done &&
	       !a->core.done && a->core.vector == VECTOR_PF;
}

/* The upper half of a register is undefined after SMSW, and bits 16 to 19 after LAR. */
static void forget_undefined(struct attempt *a)
{
	uint32_t bits = a->in.op == OP_SMSW && !a->in.memory && a->in.size == 4 ? 0xffff0000u
	                : a->in.op == OP_LAR                                    ? 0x000f0000u
	                                                                        : 0;
	unsigned reg = a->in.op == OP_LAR ? a->in.reg : a->in.rm % R_COUNT;

	a->interpreter.gpr[reg] &= ~bits;
	a->core.gpr[reg] &= ~bits;
	/* The rest of IA32_SYSENTER_CS is not used; the interpreter does not keep it. */
	a->interpreter.sysenter[0] &= 0xffff;
	a->core.sysenter[0] &= 0xffff;
}

static void forget_page_accessed(uint32_t va)
{
	uint32_t at = PA_TABLE * PAGE_SIZE + (va >> 12) * 4;

	if (va < RAM_BYTES && interpreted[at] & PTE_P)
		interpreted[at] = (interpreted[at] & ~PTE_A) | (RAM[at] & PTE_A);
}

/*
 * The interpreter has fetched from there, which marks the page's entry accessed: all that follows
 * up to a jump, of which the last instruction may end in the next page.
 */
static void forget_fetch(uint32_t eip)
{
	forget_page_accessed(eip);
	forget_page_accessed(eip + PAGE_SIZE);
}

/*
 * Did the instruction write over the page tables, other than by using them? One that goes on behind
 * that is translated by what they said before, or by what they say now (SDM volume 3, 4.10.2.3).
 */
static bool tables_written(void)
{
	for (uint32_t at = PA_DIRECTORY * PAGE_SIZE; at < (PA_TABLE + 1) * PAGE_SIZE; at += 4) {
		uint32_t before, now;

		memcpy(&before, image + at, 4);
		memcpy(&now, RAM + at, 4);
		if ((before ^ now) & ~(uint32_t)(PTE_A | PTE_D))
			return true;
	}
	return false;
}

/* Then the interpreter translates anew all that follows up to a jump, and stops before the end. */
static bool wrote_over_itself(void)
{
	uint32_t rest = PAGE_SIZE - CODE % PAGE_SIZE;

	return memcmp(interpreted + CODE, image + CODE, rest) ||
	       memcmp(RAM + CODE, image + CODE, rest);
}

static void compare(const struct attempt *a)
{
	const struct result *i = &a->interpreter, *c = &a->core;
	bool user = (c->sel[SEG_CS] & 3) == 3;
	/* A program always runs with interrupts on (VMI Part 4, rule 6). */
	uint32_t flags = user ? FLAGS & ~EFLAGS_IF : FLAGS;

	if (reads_outer_stack_first(a) || wrote_over_itself())
		return;
	if (i->done != c->done || (!i->done && i->vector != c->vector))
		show(a, "the ends");
	if (!i->done && i->vector == VECTOR_PF && i->cr2 != c->cr2)
		show(a, "the addresses of the page fault");
	if (!i->done && i->error != c->error && !beyond_limit(a))
		show(a, "the error codes");
	if (memcmp(i->gpr, c->gpr, sizeof i->gpr))
		show(a, "general registers");
	if (i->eip != c->eip)
		show(a, "EIPs");
	if ((i->eflags ^ c->eflags) & flags)
		show(a, "flags");
	if (memcmp(i->sel, c->sel, sizeof i->sel))
		show(a, "selectors");
	if ((i->cr[0] ^ c->cr[0]) & (CR0_OPEN | CR0_SET) || i->cr[3] != c->cr[3] ||
	    (i->cr[4] ^ c->cr[4]) & CR4_OPEN)
		show(a, "control registers");
	if (a->in.op == OP_MOV_TO_CR && a->in.reg == 2 && i->cr[2] != c->cr[2])
		show(a, "CR2s");
	if (memcmp(i->dr, c->dr, 4 * 4) || i->dr[6] != c->dr[6] || i->dr[7] != c->dr[7])
		show(a, "debug registers");
	if (i->gdt_base != c->gdt_base || i->gdt_limit != c->gdt_limit ||
	    i->idt_base != c->idt_base || i->idt_limit != c->idt_limit)
		show(a, "table registers");
	if (i->ldt != c->ldt || i->ldt_base != c->ldt_base || i->ldt_limit != c->ldt_limit)
		show(a, "LDT registers");
	if (i->tr != c->tr || i->tr_base != c->tr_base || i->tr_limit != c->tr_limit)
		show(a, "task registers");
	if (memcmp(i->sysenter, c->sysenter, sizeof i->sysenter))
		show(a, "MSRs");
	if (naccesses != M->trace.head)
		show(a, "numbers of port accesses");
	for (unsigned k = 0; k < naccesses; k++)
		if (differs(&accesses[k], &M->trace.event[k]))
			show(a, "port accesses");
	/* The next instruction was fetched through the tables that CR3 names now. */
	if (a->in.op == OP_MOV_TO_CR && a->in.reg == 3)
		return;
	if (is_far(a)) {
		forget_accessed(GDT, GDT_ENTRIES);
		forget_accessed(LDT, LDT_ENTRIES);
	}
	/* In which order memory and descriptors are looked at before an exception is nowhere said.
	 */
	for (unsigned k = PA_USER; !i->done && k < PA_END; k++)
		interpreted[PA_TABLE * PAGE_SIZE + k * 4] = RAM[PA_TABLE * PAGE_SIZE + k * 4];
	forget_fetch(i->eip);
	if (a->in.rep && tables_written())
		return;
	for (uint32_t at = 0; at < RAM_BYTES; at++)
		if (interpreted[at] != RAM[at]) {
			fprintf(stderr, "at %08x: interpreter %02x, core %02x\n", at,
			        interpreted[at], RAM[at]);
			show(a, "memories");
		}
}

/* ---- inputs ---- */

static const struct {
	uint8_t n, bytes[3];
} opcodes[] = {
    {2, {0x0f, 0x20}}, {2, {0x0f, 0x21}}, {2, {0x0f, 0x22}}, {2, {0x0f, 0x23}}, {2, {0x0f, 0x00}},
    {2, {0x0f, 0x01}}, {2, {0x0f, 0x02}}, {2, {0x0f, 0x03}}, {2, {0x0f, 0x06}}, {2, {0x0f, 0x08}},
    {2, {0x0f, 0x09}}, {2, {0x0f, 0x30}}, {2, {0x0f, 0x32}}, {1, {0xe4}},       {1, {0xe5}},
    {1, {0xe6}},       {1, {0xe7}},       {1, {0xec}},       {1, {0xed}},       {1, {0xee}},
    {1, {0xef}},       {1, {0x6c}},       {1, {0x6d}},       {1, {0x6e}},       {1, {0x6f}},
    {2, {0xf3, 0x6c}}, {2, {0xf3, 0x6d}}, {2, {0xf3, 0x6e}}, {2, {0xf3, 0x6f}}, {1, {0xfa}},
    {1, {0xfb}},       {1, {0x9c}},       {1, {0x9d}},       {1, {0xcf}},       {1, {0xcb}},
    {1, {0xca}},       {1, {0x9a}},       {1, {0xea}},       {1, {0xff}},       {1, {0x8e}},
    {1, {0x8c}},       {1, {0x06}},       {1, {0x07}},       {1, {0x0e}},       {1, {0x16}},
    {1, {0x17}},       {1, {0x1e}},       {1, {0x1f}},       {2, {0x0f, 0xa0}}, {2, {0x0f, 0xa1}},
    {2, {0x0f, 0xa8}}, {2, {0x0f, 0xa9}}, {1, {0xc4}},       {1, {0xc5}},       {2, {0x0f, 0xb2}},
    {2, {0x0f, 0xb4}}, {2, {0x0f, 0xb5}}, {1, {0xcf}},       {1, {0xcb}},       {1, {0x8e}},
};

/* What resets the machine, or tells the time in the interpreter's own way. */
static bool port_is_left_out(uint32_t port)
{
	static const uint16_t out[] = {0x60, 0x64, 0x92, 0xb2, 0xcf9};

	for (unsigned i = 0; i < sizeof out / sizeof *out; i++)
		if (port <= out[i] && port + 4 > out[i])
			return true;
	return port >= 0x5f0 && port < 0x620;
}

static uint32_t register_of(struct input *in)
{
	static const uint16_t ports_of_note[] = {0x20,  0x21,  0xa0,  0xa1,  0x40,  0x43,  0x61,
	                                         0x70,  0x71,  0x80,  0x3f8, 0x3f9, 0x3fa, 0x3fb,
	                                         0x3fd, 0x3ff, 0xcf8, 0xcfc, 0x4d0, 0xffff};
	uint8_t kind = input_byte(in);
	uint32_t v = input_byte(in);

	v |= (uint32_t)input_byte(in) << 8;
	switch (kind % 10) {
	case 0:
		return v & 0xff;
	case 1: /* a selector */
		return v & (kind & 16 ? 0xffff : 0xff);
	case 2:
		return ports_of_note[v % (sizeof ports_of_note / sizeof *ports_of_note)];
	case 3:
		return 0x174 + v % 4;
	case 4:
		return DATA + (v & 0xfff);
	case 5:
		return USER + v % (5 * PAGE_SIZE);
	case 6: /* the seams of pages */
		return USER + (v % 6) * PAGE_SIZE - (v >> 8 & 7);
	case 7:
		return CR0_PE | CR0_PG | (v & 0x2f) | (v & 0xf00) << 8;
	case 8:
		return v << 16 | (v & 0x8000) | kind;
	default:
		return GDT + (v & 0x7ff);
	}
}

static uint16_t data_selector(struct input *in)
{
	static const uint8_t good[] = {GDT_DATA * 8,       GDT_DATA * 8,     GDT_USER_DATA * 8,
	                               GDT_FS * 8,         GDT_GS * 8,       GDT_CODE * 8,
	                               GDT_CONFORMING * 8, GDT_NULL,         LDT_DATA0 * 8 | 4,
	                               LDT_DATA3 * 8 | 7,  LDT_CODE1 * 8 | 5};

	return good[input_byte(in) % sizeof good];
}

/* Five words on the stack: what IRET and far returns, POPF and POP take. */
static void put_frame(struct input *in, uint32_t esp)
{
	static const uint8_t code[] = {GDT_CODE, GDT_CODE2, GDT_CONFORMING, GDT_USER_CODE};
	static const uint8_t data[] = {GDT_USER_DATA, GDT_DATA};
	uint8_t how = input_byte(in);
	uint32_t frame[5];

	frame[0] = how & 1 ? register_of(in) : CODE + input_byte(in);
	frame[1] = how & 2 ? register_of(in) : code[input_byte(in) % 4] * 8u;
	if (!(how & 2) && frame[1] == GDT_USER_CODE * 8)
		frame[1] |= 3;
	frame[2] = input_word(in) & ~(EFLAGS_VM | EFLAGS_TF);
	frame[3] = register_of(in);
	frame[4] = how & 4 ? register_of(in) : data[input_byte(in) & 1] * 8u | (how & 8 ? 3 : 0);
	if (how & 16) { /* a far pointer, or a frame of 16-bit words */
		uint16_t small[5];

		for (unsigned i = 0; i < 5; i++)
			small[i] = (uint16_t)frame[i];
		memcpy(image + esp, small, sizeof small);
		return;
	}
	memcpy(image + esp, frame, sizeof frame);
}

static unsigned put_instruction(struct input *in, uint8_t *to)
{
	unsigned n = input_prefixes(to, input_byte(in));
	unsigned i = input_byte(in) % (sizeof opcodes / sizeof *opcodes);

	memcpy(to + n, opcodes[i].bytes, opcodes[i].n);
	n += opcodes[i].n;
	for (unsigned k = 0; k < 7; k++)
		to[n++] = input_byte(in);
	return n;
}

static bool read_image(uint32_t va, void *to, uint32_t n)
{
	return guest_peek(va, to, n);
}

/* System descriptors: gates and tasks. */
static bool names_system_segment(uint16_t selector)
{
	struct descriptor d;

	return selector & 0xfffc && read_descriptor(selector, &d) && !(d.hi & DESC_S);
}

static bool ring_between(uint16_t selector)
{
	return (selector & 3) == 1 || (selector & 3) == 2;
}

static bool special_stack(uint16_t selector)
{
	struct descriptor d;

	return selector & 0xfffc && read_descriptor(selector, &d) &&
	       (descriptor_base(d) || !(d.hi & DESC_BIG));
}

static bool far_left_out(const struct insn *in)
{
	uint16_t selector = in->selector;

	if (!in->immediate &&
	    !read_image(effective_address(in) + in->size, &selector, sizeof selector))
		return false;
	return names_system_segment(selector);
}

static bool return_left_out(const struct insn *in)
{
	uint32_t esp = V->gpr[R_ESP], flags = 0;
	uint16_t cs = 0;

	read_image(esp + in->size, &cs, 2);
	if (in->op == OP_IRET) {
		read_image(esp + 2 * in->size, &flags, in->size);
		if (flags & EFLAGS_VM || V->eflags & EFLAGS_NT)
			return true;
	}
	return ring_between(cs);
}

static uint16_t operand_word(const struct insn *in)
{
	uint16_t word = 0;

	if (!in->memory)
		return (uint16_t)V->gpr[in->rm];
	read_image(effective_address(in), &word, sizeof word);
	return word;
}

static bool stack_load_left_out(const struct insn *in)
{
	uint16_t selector = 0;

	if (in->op == OP_POP_SEG)
		read_image(V->gpr[R_ESP], &selector, 2);
	else if (in->op == OP_LOAD_FAR)
		read_image(effective_address(in) + in->size, &selector, 2);
	else
		selector = operand_word(in);
	return special_stack(selector);
}

static bool cr_left_out(const struct insn *in)
{
	uint32_t value = V->gpr[in->rm];

	if (in->reg == 4)
		return value & ~CR4_OPEN;
	return in->reg == 0 && (!(value & CR0_PE) || (value & 0x60000000u) == 0x20000000u);
}

static bool left_out(const struct insn *in)
{
	switch (in->op) {
	case OP_NONE:
	case OP_HLT:
	case OP_INT:
	case OP_RDTSC:
	case OP_RDPMC:
	case OP_CPUID:
	case OP_XSETBV:
	case OP_CLAC:
	case OP_STAC:
		return true;
	case OP_IN:
	case OP_OUT:
	case OP_INS:
	case OP_OUTS:
		return port_is_left_out(in->immediate ? in->imm : V->gpr[R_EDX] & 0xffff) ||
		       (in->rep && (V->gpr[R_ECX] & (in->addr16 ? 0xffff : ~0u)) > MAX_ACCESSES);
	case OP_SGDT:
	case OP_SIDT:
		return in->size == 2;
	case OP_LTR:
		return !(operand_word(in) & 0xfffc);
	case OP_RDMSR:
	case OP_WRMSR:
		return V->gpr[R_ECX] - 0x174 > 2;
	case OP_MOV_TO_CR:
		return cr_left_out(in);
	case OP_MOV_TO_DR:
		return in->reg % 2 && in->reg > 4 && V->gpr[in->rm] & 0x20ff;
	case OP_JMP_FAR:
	case OP_CALL_FAR:
		return far_left_out(in);
	case OP_RET_FAR:
		return in->imm > 0x7fff || return_left_out(in);
	case OP_IRET:
		return return_left_out(in);
	case OP_LOAD_FAR:
		return in->rm == SEG_SS && stack_load_left_out(in);
	case OP_MOV_TO_SEG:
	case OP_POP_SEG:
		return in->reg == SEG_SS && stack_load_left_out(in);
	default:
		return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct attempt a = {0};
	struct start *s = &a.start;
	struct exception x = {0};
	static unsigned inputs;
	uint8_t how;
	unsigned n;

	open_all();
	/* What it has translated it never gives back. */
	if (++inputs % INPUTS_OF_ONE == 0)
		open_interpreter();
	memcpy(image, images[input_byte(&input) % IMAGES], sizeof image);
	n = put_instruction(&input, image + CODE);
	if (!decode_insn(image + CODE, n, &a.in))
		return 0;
	memset(image + CODE + a.in.length, NOP, n - a.in.length);
	how = input_byte(&input);
	s->cr0 = CR0_SET | (how & 1 ? CR0_WP : 0) | (how & 2 ? CR0_TS : 0);
	s->cr4 = (how & 4 ? CR4_DE : 0) | (how & 8 ? CR4_PGE : 0);
	for (unsigned i = 0; i < R_COUNT; i++)
		s->gpr[i] = register_of(&input);
	s->gpr[R_ESP] = STACK + 0x800 + (input_byte(&input) & ~3u);
	if (how & 0x10)
		s->gpr[R_ESP] += input_byte(&input) & 3;
	s->eflags = (input_word(&input) & (FLAGS & ~(EFLAGS_TF | EFLAGS_NT))) | EFLAGS_FIXED;
	if ((how & 0xe0) == 0xe0)
		s->eflags |= EFLAGS_NT;
	for (enum seg seg = SEG_ES; seg < SEG_COUNT; seg++)
		s->sel[seg] = data_selector(&input);
	s->dr[0] = register_of(&input);
	s->dr[6] = 0xffff0ff0u;
	s->dr[7] = 0x400;
	put_frame(&input, s->gpr[R_ESP]);

	load_core(s);
	if (left_out(&a.in))
		return 0;
	memcpy(&ports, &M->platform, sizeof ports);
	set_up(s);
	interpret(CODE, a.in.rep, &a.interpreter);
	a.core.done = emulate(&a.in, CODE + a.in.length, &x);
	core_result(&a.core, &x);
	forget_undefined(&a);
	compare(&a);
	return 0;
}
