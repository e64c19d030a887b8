// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptor tables, task register and kernel stack: calls 3 to 14. */
#include "conformance.h"

#define DATA_RW    0xf2u /* present, DPL 3 */
#define DATA_OFF   0x72u /* not present */
#define CODE_X     0xf8u /* execute only */
#define LDT_TYPE   0x82u
#define TSS_FREE   0x89u
#define LDT_SEL(i) ((i)*8 + 7)
#define LDT_ITEMS  16
#define NOWHERE    0x00900000u /* not mapped */

static uint64_t second_gdt[GDT_SIZE] __attribute__((aligned(4096)));
static uint64_t second_idt[256] __attribute__((aligned(4096)));
static uint64_t ldt[LDT_ITEMS] __attribute__((aligned(4096)));
static uint64_t second_ldt[LDT_ITEMS] __attribute__((aligned(4096)));
static struct tss second_tss __attribute__((aligned(4096)));

/* What the segments show: in the user half, since segments of an LDT are user mode's. */
#define DATA_AT 0x00500000u
static uint32_t (*const words)[2] = (uint32_t(*)[2])DATA_AT;

void group_setup(void)
{
	map_page(DATA_AT, physical(page_new()), PTE_P | PTE_RW | PTE_USER);
	words[0][0] = 0x11111111;
	words[1][0] = 0x22222222;
}

static uint32_t read_fs(void)
{
	uint32_t value;

	__asm__ volatile("movl %%fs:0, %0" : "=r"(value));
	return value;
}

static void load_fs(uint32_t selector)
{
	__asm__ volatile("movl %0, %%fs" : : "r"(selector) : "memory");
}

/* A data segment of 8 bytes at @at. */
static uint64_t small_segment(const void *at, uint8_t access)
{
	return (segment_descriptor((uint32_t)at, 7, access) & ~(0x80ull << 48));
}

static void write_entry(unsigned call_number, const void *table, uint32_t index, uint64_t value)
{
	call(call_number, (uint32_t)table, index, (uint32_t)value, (uint32_t)(value >> 32), 0);
}
#define WRITE(kind, table, index, value)                                                           \
	write_entry(VMI_CALL_Write##kind##Entry, (table), (index), (value))

static void copy(uint64_t *to, const uint64_t *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = from[i];
}

/* A byte range of @n that ends at the end of a mapped page; the page behind is not mapped. */
static uint8_t *before_hole(unsigned n)
{
	map_page(PLAYGROUND, physical(page_new()), PTE_P | PTE_RW);
	return (uint8_t *)(PLAYGROUND + 4096 - n);
}

static bool mend(struct frame *f)
{
	uint32_t cr2;

	if (f->vector != 14)
		return false;
	__asm__ volatile("movl %%cr2, %0" : "=r"(cr2));
	trapped.happened = true;
	trapped.error = f->error;
	trapped.cr2 = cr2;
	trapped.frame.eip = f->eip;
	/* CR2 is on the page that is missing. */
	*table_entry(cr2) = *table_entry(PLAYGROUND + 0x3ff000) | PTE_P;
	return true;
}

/* The page that mend() puts behind before_hole(), not there yet. */
static uint8_t *spare_page(void)
{
	uint8_t *page = page_new();

	if (!(*directory_entry(PLAYGROUND) & PTE_P))
		map_page(PLAYGROUND, physical(page), PTE_P | PTE_RW);
	*table_entry(PLAYGROUND + 0x1000) = 0;
	*table_entry(PLAYGROUND + 0x3ff000) = physical(page) | PTE_RW;
	flush();
	return page;
}

/* #PF on an operand that is not there: CR2 says where, EIP is inside the ROM. */
static void operand_faults(unsigned number, bool write)
{
	call_reset();
	call_in.eax = NOWHERE + 0x123;
	if (!call_trapping(number, 14))
		return;
	check_equal(trapped.cr2, NOWHERE + 0x123);
	check_equal(trapped.error, write ? 2 : 0);
	check(trapped.frame.eip >= call_address(VMI_CALL_CPUID) - 0x10000 &&
	      trapped.frame.eip > 0xff000000);
}

/* ---- GDT ---- */

static struct vmi_table_register get(unsigned number)
{
	struct vmi_table_register r = {0xeeee, 0xeeeeeeee};

	call(number, (uint32_t)&r, 0, 0, 0, 0);
	return r;
}

TEST(GetGDT, "stores what was set before VMI_Init and since")
{
	struct vmi_table_register r = get(VMI_CALL_GetGDT);

	check_equal(r.limit, gdt_register.limit);
	check_equal(r.base, gdt_register.base);
}

TEST(GetGDT, "writes six bytes and none more")
{
	uint8_t bytes[8] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee};

	VMI(GetGDT, (uint32_t)(bytes + 1));
	check_equal(bytes[0], 0xee);
	check_equal(bytes[7], 0xee);
	check_equal(bytes[1], 0xff);
}

TEST(GetGDT, "raises #PF on an operand that is not mapped, and goes on when it is")
{
	uint8_t *at = before_hole(3), *page = spare_page();

	operand_faults(VMI_CALL_GetGDT, true);
	trap_hook = mend;
	trapped.happened = false;
	VMI(GetGDT, (uint32_t)at);
	check(trapped.happened);
	check_equal(trapped.cr2, PLAYGROUND + 4096);
	check_equal(at[0] | at[1] << 8, gdt_register.limit);
	check_equal((uint32_t)page[0], gdt_register.base >> 8 & 0xff);
	check_equal((uint32_t)page[2], gdt_register.base >> 24);
}

TEST(GetGDT, "keeps all but the standard clobbers")
{
	static struct vmi_table_register r;

	VMI_EVERYWHERE(GetGDT, (uint32_t)&r);
}

TEST(SetGDT, "loads the register and reloads all segment registers")
{
	struct vmi_table_register r = {sizeof second_gdt - 1, (uint32_t)second_gdt};

	gdt[SPARE >> 3] = small_segment(words[0], DATA_RW);
	copy(second_gdt, gdt, GDT_SIZE);
	second_gdt[SPARE >> 3] = small_segment(words[1], DATA_RW);
	load_fs(SPARE | 3);
	check_equal(read_fs(), words[0][0]);
	call_reset();
	call_in.eax = (uint32_t)&r;
	call_in.fs = SPARE | 3;
	call_with(VMI_CALL_SetGDT);
	load_fs(call_out.fs);
	check_equal(get(VMI_CALL_GetGDT).base, (uint32_t)second_gdt);
	check_equal(read_fs(), words[1][0]);
	VMI(SetGDT, (uint32_t)&gdt_register);
	load_fs(SPARE | 3);
	check_equal(read_fs(), words[0][0]);
	load_fs(PERCPU);
}

/* FS is read by the code the ROM returns to, with no load in between. */
TEST(SetGDT, "gives a loaded segment its new base at once")
{
	struct vmi_table_register r = {sizeof second_gdt - 1, (uint32_t)second_gdt};
	uint32_t seen;

	gdt[SPARE >> 3] = small_segment(words[0], DATA_RW);
	copy(second_gdt, gdt, GDT_SIZE);
	second_gdt[SPARE >> 3] = small_segment(words[1], DATA_RW);
	load_fs(SPARE | 3);
	__asm__ volatile("call *%2; movl %%fs:0, %1"
	                 : "+a"((uint32_t){(uint32_t)&r}), "=&b"(seen)
	                 : "r"(call_address(VMI_CALL_SetGDT))
	                 : "ecx", "edx", "cc", "memory");
	check_equal(seen, words[1][0]);
	VMI(SetGDT, (uint32_t)&gdt_register);
	load_fs(PERCPU);
}

TEST(SetGDT, "loads NULL for a segment that the new table does not have")
{
	struct vmi_table_register r = {sizeof second_gdt - 1, (uint32_t)second_gdt};
	static const uint8_t bad[] = {DATA_OFF, 0, CODE_X, 0x92};

	for (unsigned i = 0; i < sizeof bad; i++) {
		gdt[SPARE >> 3] = small_segment(words[0], DATA_RW);
		copy(second_gdt, gdt, GDT_SIZE);
		second_gdt[SPARE >> 3] = bad[i] ? small_segment(words[1], bad[i]) : 0;
		call_reset();
		call_in.eax = (uint32_t)&r;
		call_in.fs = SPARE | 3;
		call_loads_segments = true;
		call_with(VMI_CALL_SetGDT);
		call_loads_segments = false;
		check_equal(call_out.fs, 0);
		VMI(SetGDT, (uint32_t)&gdt_register);
	}
}

TEST(SetGDT, "takes an operand that lies across pages and is not aligned")
{
	uint8_t *at = before_hole(1), *page = spare_page();
	const uint8_t *from = (const uint8_t *)&gdt_register;

	*at = from[0];
	for (unsigned i = 0; i < 5; i++)
		page[i] = from[1 + i];
	operand_faults(VMI_CALL_SetGDT, false);
	trap_hook = mend;
	trapped.happened = false;
	VMI(SetGDT, (uint32_t)at);
	check(trapped.happened);
	check_equal(get(VMI_CALL_GetGDT).base, gdt_register.base);
	check_equal(get(VMI_CALL_GetGDT).limit, gdt_register.limit);
}

TEST(SetGDT, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetGDT, (uint32_t)&gdt_register);
}

/* ---- IDT ---- */

static uint32_t other_vector_taken;
extern uint8_t other_handler[];
__asm__(".pushsection .text\n"
        "other_handler: incl %ss:other_vector_taken\n"
        "iret\n"
        ".popsection");

static uint64_t other_gate(void)
{
	return (uint64_t)(((uint32_t)other_handler & 0xffff0000u) | 0xee00) << 32 |
	       KERNEL_CS << 16 | ((uint32_t)other_handler & 0xffff);
}

TEST(GetIDT, "stores what was set before VMI_Init and since")
{
	check_equal(get(VMI_CALL_GetIDT).limit, idt_register.limit);
	check_equal(get(VMI_CALL_GetIDT).base, idt_register.base);
}

TEST(GetIDT, "raises #PF on an operand that is not mapped")
{
	operand_faults(VMI_CALL_GetIDT, true);
}

TEST(GetIDT, "keeps all but the standard clobbers")
{
	static struct vmi_table_register r;

	VMI_EVERYWHERE(GetIDT, (uint32_t)&r);
}

TEST(SetIDT, "makes the new table's gates the ones that are used")
{
	struct vmi_table_register r = {sizeof second_idt - 1, (uint32_t)second_idt};

	copy(second_idt, idt, 256);
	second_idt[0x70] = other_gate();
	other_vector_taken = 0;
	VMI(SetIDT, (uint32_t)&r);
	check_equal(get(VMI_CALL_GetIDT).base, (uint32_t)second_idt);
	__asm__ volatile("int $0x70");
	check_equal(other_vector_taken, 1);
	timer_pend();
	second_idt[IRQ_VECTOR] = other_gate();
	VMI(EnableInterrupts);
	VMI(DisableInterrupts);
	outb(0x20, 0x20);
	check_equal(other_vector_taken, 2);
	check_equal(interrupts(TIMER_IRQ), 0);
	VMI(SetIDT, (uint32_t)&idt_register);
	check_equal(get(VMI_CALL_GetIDT).base, idt_register.base);
}

static bool skip_int(struct frame *f)
{
	if (f->vector != 13 && f->vector != 11)
		return false;
	trapped.vector = f->vector;
	trapped.error = f->error;
	f->eip += 2;
	return true;
}

TEST(SetIDT, "makes vectors behind the table's end fault")
{
	struct vmi_table_register r = {0x70 * 8 - 1, (uint32_t)idt};

	idt[0x70] = other_gate();
	other_vector_taken = 0;
	trapped.error = 0;
	trap_hook = skip_int;
	VMI(SetIDT, (uint32_t)&r);
	__asm__ volatile("int $0x70");
	check_equal(trapped.error, 0x70 * 8 + 2);
	r.limit++;
	__asm__ volatile("int $0x70");
	VMI(SetIDT, (uint32_t)&idt_register);
	__asm__ volatile("int $0x70");
	check_equal(other_vector_taken, 1);
	idt[0x70] = 0;
}

TEST(SetIDT, "raises #PF on an operand that is not mapped")
{
	operand_faults(VMI_CALL_SetIDT, false);
	check_equal(get(VMI_CALL_GetIDT).base, idt_register.base);
}

TEST(SetIDT, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetIDT, (uint32_t)&idt_register);
}

/* ---- LDT ---- */

static uint64_t ldt_descriptor(const uint64_t *table)
{
	return segment_descriptor((uint32_t)table, LDT_ITEMS * 8 - 1, LDT_TYPE) & ~(0xc0ull << 48);
}

TEST(SetLDT, "loads the table, and GetLDT tells its selector")
{
	ldt[5] = small_segment(words[1], DATA_RW);
	WRITE(GDT, gdt, LDT >> 3, ldt_descriptor(ldt));
	VMI(SetLDT, LDT);
	check_equal((uint32_t)VMI(GetLDT) & 0xffff, LDT);
	load_fs(LDT_SEL(5));
	check_equal(read_fs(), words[1][0]);
	load_fs(0);
	VMI(SetLDT, 0);
	check_equal((uint32_t)VMI(GetLDT) & 0xffff, 0);
}

TEST(SetLDT, "reloads the segment registers, with NULL where the new table has nothing")
{
	ldt[5] = small_segment(words[1], DATA_RW);
	WRITE(GDT, gdt, LDT >> 3, ldt_descriptor(ldt));
	VMI(SetLDT, LDT);
	call_reset();
	call_in.eax = 0;
	call_in.fs = LDT_SEL(5);
	call_loads_segments = true;
	call_with(VMI_CALL_SetLDT);
	check_equal(call_out.fs, 0);
	check_equal(call_out.ds, USER_DS);
	call_loads_segments = false;
}

TEST(SetLDT, "gives a loaded segment its new base at once")
{
	uint32_t seen;

	ldt[5] = small_segment(words[0], DATA_RW);
	second_ldt[5] = small_segment(words[1], DATA_RW);
	WRITE(GDT, gdt, LDT >> 3, ldt_descriptor(ldt));
	VMI(SetLDT, LDT);
	load_fs(LDT_SEL(5));
	check_equal(read_fs(), words[0][0]);
	WRITE(GDT, gdt, LDT >> 3, ldt_descriptor(second_ldt));
	__asm__ volatile("call *%2; movl %%fs:0, %1"
	                 : "+a"((uint32_t){LDT}), "=&b"(seen)
	                 : "r"(call_address(VMI_CALL_SetLDT))
	                 : "ecx", "edx", "cc", "memory");
	check_equal(seen, words[1][0]);
	load_fs(0);
	VMI(SetLDT, 0);
}

TEST(SetLDT, "looks at bits 0 to 15 of EAX")
{
	WRITE(GDT, gdt, LDT >> 3, ldt_descriptor(ldt));
	VMI(SetLDT, 0xabcd0000 | LDT);
	check_equal((uint32_t)VMI(GetLDT) & 0xffff, LDT);
	VMI(SetLDT, 0x12340000);
	check_equal((uint32_t)VMI(GetLDT) & 0xffff, 0);
}

static void selector_refused(unsigned number, uint32_t selector, uint32_t vector)
{
	call_reset();
	call_in.eax = selector;
	if (call_trapping(number, vector))
		check_at_call(vector, selector & 0xfffc);
}

TEST(SetLDT, "raises #GP or #NP at the call for what is no LDT's selector")
{
	uint64_t good = ldt_descriptor(ldt);

	WRITE(GDT, gdt, LDT >> 3, good);
	selector_refused(VMI_CALL_SetLDT, USER_DS, 13);
	selector_refused(VMI_CALL_SetLDT, KERNEL_CS, 13);
	selector_refused(VMI_CALL_SetLDT, TSS, 13);
	selector_refused(VMI_CALL_SetLDT, LDT | 4, 13);      /* in the LDT itself */
	selector_refused(VMI_CALL_SetLDT, GDT_SIZE * 8, 13); /* behind the GDT */
	selector_refused(VMI_CALL_SetLDT, 0xfff8, 13);
	WRITE(GDT, gdt, LDT >> 3, good & ~(1ull << 47));
	selector_refused(VMI_CALL_SetLDT, LDT, 11);
	WRITE(GDT, gdt, LDT >> 3, good);
	check_equal((uint32_t)VMI(GetLDT) & 0xffff, 0);
}

TEST(SetLDT, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetLDT, LDT);
	VMI_EVERYWHERE(SetLDT, 0);
}

TEST(GetLDT, "tells the selector that was set, and keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetLDT);
	check_equal(call_out.eax & 0xffff, 0);
}

/* ---- TR ---- */

USER_CODE(user_nothing, "");

TEST(SetTR, "makes the new TSS the one whose stack is used, and marks it busy")
{
	static uint8_t stack[4096] __attribute__((aligned(16)));
	uint64_t d = segment_descriptor((uint32_t)&second_tss, 0, TSS_FREE) & ~(0xc0ull << 48);

	second_tss = tss;
	second_tss.esp0 = (uint32_t)(stack + sizeof stack);
	WRITE(GDT, gdt, SPARE >> 3, d | (sizeof second_tss - 1));
	VMI(SetTR, SPARE);
	check_equal((uint32_t)VMI(GetTR) & 0xffff, SPARE);
	check_equal(gdt[SPARE >> 3] >> 40 & 0x1f, 0x0b);
	user_registers();
	USER_RUN(user_nothing);
	check_equal(trapped.vector, USER_VECTOR);
	check_equal(trapped.frame.esp, USER_STACK + 4096);
	check_equal(last_kernel_esp, (uint32_t)(stack + sizeof stack));
	gdt[TSS >> 3] &= ~(2ull << 40);
	VMI(SetTR, TSS);
	check_equal((uint32_t)VMI(GetTR) & 0xffff, TSS);
	user_registers();
	USER_RUN(user_nothing);
	check_equal(last_kernel_esp, tss.esp0);
}

TEST(SetTR, "raises #GP or #NP at the call for what is no free TSS's selector")
{
	uint64_t d = segment_descriptor((uint32_t)&second_tss, 0, TSS_FREE & ~0x80u);

	selector_refused(VMI_CALL_SetTR, 0, 13);
	selector_refused(VMI_CALL_SetTR, 3, 13);
	selector_refused(VMI_CALL_SetTR, TSS, 13); /* busy */
	selector_refused(VMI_CALL_SetTR, KERNEL_DS, 13);
	selector_refused(VMI_CALL_SetTR, LDT, 13);
	selector_refused(VMI_CALL_SetTR, GDT_SIZE * 8, 13);
	selector_refused(VMI_CALL_SetTR, 0xfffc, 13);
	WRITE(GDT, gdt, SPARE >> 3, d);
	selector_refused(VMI_CALL_SetTR, SPARE, 11);
	check_equal((uint32_t)VMI(GetTR) & 0xffff, TSS);
}

TEST(SetTR, "keeps all but the standard clobbers")
{
	call_reset();
	call_in.eax = TSS;
	gdt[TSS >> 3] &= ~(2ull << 40);
	call_with(VMI_CALL_SetTR);
	gdt[TSS >> 3] &= ~(2ull << 40);
	call_reset();
	call_in.eax = 0xffff0000 | TSS;
	call_in.eflags |= EFLAGS_ARITHM | EFLAGS_IF;
	call_in.fs = call_in.gs = 0;
	call_with(VMI_CALL_SetTR);
}

TEST(GetTR, "tells the selector that was set, and keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(GetTR);
	check_equal(call_out.eax & 0xffff, TSS);
}

/* ---- writing entries ---- */

TEST(WriteGDTEntry, "writes both words of the entry and no other")
{
	uint64_t table[4] __attribute__((aligned(8))) = {0, 0, 0, 0};

	WRITE(GDT, table, 2, 0x1122334455667788ull);
	check_equal(table[2], 0x1122334455667788ull);
	check_equal(table[1], 0);
	check_equal(table[3], 0);
}

TEST(WriteGDTEntry, "makes the entry usable in the live table")
{
	WRITE(GDT, gdt, SPARE >> 3, small_segment(words[0], DATA_RW));
	load_fs(SPARE | 3);
	check_equal(read_fs(), words[0][0]);
	load_fs(0);
	WRITE(GDT, gdt, SPARE >> 3, small_segment(words[1], DATA_RW));
	load_fs(SPARE | 3);
	check_equal(read_fs(), words[1][0]);
	load_fs(0);
}

TEST(WriteGDTEntry, "loads a segment register anew whose descriptor changes")
{
	uint64_t d = small_segment(words[1], DATA_RW);
	uint32_t seen;

	WRITE(GDT, gdt, SPARE >> 3, small_segment(words[0], DATA_RW));
	load_fs(SPARE | 3);
	check_equal(read_fs(), words[0][0]);
	__asm__ volatile("pushl %4; call *%5; popl %%ecx; movl %%fs:0, %0"
	                 : "=b"(seen), "+a"((uint32_t){(uint32_t)gdt}),
	                   "+d"((uint32_t){SPARE >> 3}), "+c"((uint32_t){(uint32_t)d})
	                 : "S"((uint32_t)(d >> 32)), "D"(call_address(VMI_CALL_WriteGDTEntry))
	                 : "cc", "memory");
	check_equal(seen, words[1][0]);
	load_fs(0);
}

TEST(WriteGDTEntry, "loads NULL into a segment register whose descriptor cannot be used any more")
{
	static const uint8_t bad[] = {DATA_OFF, 0, CODE_X};

	for (unsigned i = 0; i < sizeof bad; i++) {
		uint64_t d = bad[i] ? small_segment(words[0], bad[i]) : 0;

		WRITE(GDT, gdt, SPARE >> 3, small_segment(words[0], DATA_RW));
		call_reset();
		call_in.fs = SPARE | 3;
		call_in.eax = (uint32_t)gdt;
		call_in.edx = SPARE >> 3;
		call_in.ecx = (uint32_t)d;
		call_stack[0] = (uint32_t)(d >> 32);
		call_loads_segments = true;
		call_with(VMI_CALL_WriteGDTEntry);
		call_loads_segments = false;
		check_equal(call_out.fs, 0);
		check_equal(call_out.ds, USER_DS);
	}
}

/* What follows holds for all three. */
static void index_out_of_range(unsigned number)
{
	static const uint32_t far[] = {8192, 8193, 0x10000, 0x20000000, 0x80000000, 0xffffffff};
	uint64_t table[2] = {0x5555555555555555ull, 0x5555555555555555ull};

	for (unsigned i = 0; i < sizeof far / sizeof *far; i++)
		write_entry(number, table + 1, far[i], 0x1234567812345678ull);
	check_equal(table[0], 0x5555555555555555ull);
	check_equal(table[1], 0x5555555555555555ull);
	check(!trapped.happened);
}

static void entry_not_mapped(unsigned number)
{
	uint8_t *at = before_hole(4), *page = spare_page();
	uint64_t value = 0x1122334455667788ull;

	call_reset();
	call_in.eax = NOWHERE;
	call_in.edx = 3;
	if (call_trapping(number, 14)) {
		check_equal(trapped.cr2, NOWHERE + 24);
		check(trapped.frame.eip > 0xff000000);
	}
	trap_hook = mend;
	trapped.happened = false;
	write_entry(number, at, 0, value);
	check(trapped.happened);
	check_equal(trapped.cr2, PLAYGROUND + 4096);
	check_equal(*(uint32_t *)at, (uint32_t)value);
	check_equal(*(uint32_t *)page, (uint32_t)(value >> 32));
}

TEST(WriteGDTEntry, "ignores an index above 8191")
{
	index_out_of_range(VMI_CALL_WriteGDTEntry);
}

TEST(WriteGDTEntry, "writes a table that is not live, behind its end too, like any memory")
{
	uint64_t *pages = page_new();

	WRITE(GDT, pages, 0, 1);
	WRITE(GDT, pages, 511, 2);
	check_equal(pages[0], 1);
	check_equal(pages[511], 2);
	WRITE(GDT, (uint8_t *)pages + 3, 10, 0x0102030405060708ull); /* not aligned */
	check_equal(((uint8_t *)pages)[83], 8);
	check_equal(((uint8_t *)pages)[90], 1);
}

TEST(WriteGDTEntry, "raises #PF on an entry that is not mapped, and goes on when it is")
{
	entry_not_mapped(VMI_CALL_WriteGDTEntry);
}

TEST(WriteGDTEntry, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(WriteGDTEntry, (uint32_t)gdt, SPARE >> 3, 0, 0, 0);
	VMI_EVERYWHERE(WriteGDTEntry, (uint32_t)gdt, 0xffffffff, 0, 0, 0);
}

/* A selector that is loaded and stays as it is must stay loaded. */
TEST(WriteGDTEntry, "leaves segment registers alone whose descriptor is written unchanged")
{
	VMI_EVERYWHERE(WriteGDTEntry, (uint32_t)gdt, USER_DS >> 3, (uint32_t)gdt[USER_DS >> 3],
	               (uint32_t)(gdt[USER_DS >> 3] >> 32), 0);
}

static void with_ldt(void)
{
	for (unsigned i = 0; i < LDT_ITEMS; i++)
		ldt[i] = 0;
	WRITE(GDT, gdt, LDT >> 3, ldt_descriptor(ldt));
	VMI(SetLDT, LDT);
}

static void live_ldt(unsigned number)
{
	with_ldt();
	write_entry(number, ldt, 7, small_segment(words[0], DATA_RW));
	check_equal(ldt[7] & ~(1ull << 40), small_segment(words[0], DATA_RW));
	load_fs(LDT_SEL(7));
	check_equal(read_fs(), words[0][0]);
	load_fs(0);
	write_entry(number, ldt, 7, small_segment(words[1], DATA_RW));
	load_fs(LDT_SEL(7));
	check_equal(read_fs(), words[1][0]);
	load_fs(0);
	VMI(SetLDT, 0);
}

TEST(WriteLDTEntry, "makes the entry usable in the live table")
{
	live_ldt(VMI_CALL_WriteLDTEntry);
}

TEST(WriteLDTEntry, "loads NULL into a segment register whose descriptor is taken away")
{
	with_ldt();
	WRITE(LDT, ldt, 7, small_segment(words[0], DATA_RW));
	call_reset();
	call_in.fs = LDT_SEL(7);
	call_in.eax = (uint32_t)ldt;
	call_in.edx = 7;
	call_in.ecx = 0;
	call_stack[0] = 0;
	call_loads_segments = true;
	call_with(VMI_CALL_WriteLDTEntry);
	call_loads_segments = false;
	check_equal(call_out.fs, 0);
	VMI(SetLDT, 0);
}

TEST(WriteLDTEntry, "ignores an index above 8191")
{
	index_out_of_range(VMI_CALL_WriteLDTEntry);
}

TEST(WriteLDTEntry, "raises #PF on an entry that is not mapped, and goes on when it is")
{
	entry_not_mapped(VMI_CALL_WriteLDTEntry);
}

TEST(WriteLDTEntry, "keeps all but the standard clobbers")
{
	with_ldt();
	VMI_EVERYWHERE(WriteLDTEntry, (uint32_t)ldt, 9, 0, 0, 0);
	VMI_EVERYWHERE(WriteLDTEntry, (uint32_t)second_ldt, 9, 0, 0, 0);
	VMI_EVERYWHERE(WriteLDTEntry, (uint32_t)ldt, 0xffffffff, 0, 0, 0);
	VMI(SetLDT, 0);
}

TEST(WriteIDTEntry, "makes the gate the one that is used")
{
	other_vector_taken = 0;
	WRITE(IDT, idt, 0x71, other_gate());
	check_equal(idt[0x71], other_gate());
	__asm__ volatile("int $0x71");
	check_equal(other_vector_taken, 1);
	WRITE(IDT, idt, 0x71, 0);
}

TEST(WriteIDTEntry, "changes the system-call gate under programs that use it")
{
	uint64_t old = idt[USER_VECTOR];

	user_registers();
	USER_RUN(user_nothing);
	check_equal(trapped.vector, USER_VECTOR);
	/* The gate of #BP, for user mode. */
	WRITE(IDT, idt, USER_VECTOR, idt[3] | 0x6000ull << 32);
	user_registers();
	USER_RUN(user_nothing);
	check_equal(trapped.vector, 3);
	WRITE(IDT, idt, USER_VECTOR, old);
	user_registers();
	USER_RUN(user_nothing);
	check_equal(trapped.vector, USER_VECTOR);
}

TEST(WriteIDTEntry, "accepts a gate that cannot be used, which faults when it is")
{
	trap_hook = skip_int;
	WRITE(IDT, idt, 0x72, other_gate() & ~(1ull << 47));    /* not present */
	WRITE(IDT, idt, 0x73, other_gate() & ~(0x1full << 40)); /* no gate */
	__asm__ volatile("int $0x72");
	check_equal(trapped.vector, 11);
	check_equal(trapped.error, 0x72 * 8 + 2);
	__asm__ volatile("int $0x73");
	check_equal(trapped.vector, 13);
	check_equal(trapped.error, 0x73 * 8 + 2);
	WRITE(IDT, idt, 0x72, 0);
	WRITE(IDT, idt, 0x73, 0);
}

/* Linux 2.6.25 and 2.6.26 write their LDTs by this call. */
TEST(WriteIDTEntry, "goes by the table's address: an LDT's entry becomes usable too")
{
	live_ldt(VMI_CALL_WriteIDTEntry);
}

TEST(WriteGDTEntry, "goes by the table's address: an LDT's entry becomes usable too")
{
	live_ldt(VMI_CALL_WriteGDTEntry);
}

TEST(WriteIDTEntry, "ignores an index above 8191")
{
	index_out_of_range(VMI_CALL_WriteIDTEntry);
}

TEST(WriteIDTEntry, "raises #PF on an entry that is not mapped, and goes on when it is")
{
	entry_not_mapped(VMI_CALL_WriteIDTEntry);
}

TEST(WriteIDTEntry, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(WriteIDTEntry, (uint32_t)idt, 0x71, 0, 0, 0);
	VMI_EVERYWHERE(WriteIDTEntry, (uint32_t)idt, 0xffffffff, 0, 0, 0);
}

/* ---- UpdateKernelStack ---- */

TEST(UpdateKernelStack, "sets the stack of the next entry from user mode")
{
	static uint8_t stack[4096] __attribute__((aligned(16)));
	uint32_t old = tss.esp0;

	VMI(UpdateKernelStack, KERNEL_DS, (uint32_t)(stack + sizeof stack));
	user_registers();
	USER_RUN(user_nothing);
	check_equal(last_kernel_esp, (uint32_t)(stack + sizeof stack));
	VMI(UpdateKernelStack, KERNEL_DS, old);
	user_registers();
	USER_RUN(user_nothing);
	check_equal(last_kernel_esp, old);
}

TEST(UpdateKernelStack, "takes the selector too, with any privilege bits")
{
	static const uint32_t selectors[] = {PERCPU, PERCPU | 1, PERCPU | 3, KERNEL_DS | 3,
	                                     KERNEL_DS};

	for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++) {
		VMI(UpdateKernelStack, selectors[i], tss.esp0);
		user_registers();
		USER_RUN(user_nothing);
		check_equal(trapped.vector, USER_VECTOR);
		check_equal(last_kernel_ss & ~3u, selectors[i] & ~3u);
	}
}

TEST(UpdateKernelStack, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(UpdateKernelStack, KERNEL_DS, tss.esp0);
}
