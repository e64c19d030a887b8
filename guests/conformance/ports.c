// SPDX-License-Identifier: GPL-2.0-or-later
/* Ports: calls 49 to 61. */
#include "conformance.h"

#define SCRATCH     0x3ff /* of the UART: keeps a byte */
#define PCI_ADDRESS 0xcf8 /* keeps 32 bits */
#define PCI_DATA    0xcfc
#define NOTHING     0x5678 /* no device */
#define PIC1_MASK   0x21

static uint32_t in(unsigned number, uint32_t port)
{
	call_reset();
	call_in.edx = port;
	call_with(number);
	return call_out.eax;
}

static void out(unsigned number, uint32_t port, uint32_t value)
{
	call_reset();
	call_in.edx = port;
	call_in.eax = value;
	call_with(number);
}

/* ---- single values ---- */

TEST(OUTB, "writes AL, which INB reads")
{
	for (uint32_t v = 0; v < 256; v += 17) {
		out(VMI_CALL_OUTB, SCRATCH, 0xffffff00 | v);
		check_equal(in(VMI_CALL_INB, SCRATCH) & 0xff, v);
		check_equal(inb(SCRATCH), v);
	}
}

TEST(OUTB, "looks at bits 0 to 15 of EDX")
{
	out(VMI_CALL_OUTB, 0xabcd0000 | SCRATCH, 0x42);
	check_equal(inb(SCRATCH), 0x42);
}

TEST(OUTB, "is swallowed by a port with nothing behind it")
{
	out(VMI_CALL_OUTB, NOTHING, 0x42);
	check(!trapped.happened);
}

TEST(OUTB, "keeps every register and flag")
{
	VMI_EVERYWHERE(OUTB, 0x12345678, SCRATCH, 0xecececec);
}

TEST(INB, "leaves the rest of EAX unchanged")
{
	outb(SCRATCH, 0x5a);
	check_equal(in(VMI_CALL_INB, 0x77770000 | SCRATCH), 0xeaeaea5a);
}

TEST(INB, "reads all ones where nothing is")
{
	check_equal(in(VMI_CALL_INB, NOTHING) & 0xff, 0xff);
}

TEST(INB, "keeps every register and flag but EAX")
{
	VMI_EVERYWHERE(INB, 0, SCRATCH);
}

TEST(OUTW, "writes AX to two ports' worth of device, which INW reads")
{
	out(VMI_CALL_OUTL, PCI_ADDRESS, 0x80000000);
	check_equal(in(VMI_CALL_INW, PCI_DATA) & 0xffff, in(VMI_CALL_INL, PCI_DATA) & 0xffff);
	check_equal(in(VMI_CALL_INW, PCI_DATA + 2) & 0xffff, in(VMI_CALL_INL, PCI_DATA) >> 16);
	out(VMI_CALL_OUTW, NOTHING, 0x1234);
	check(!trapped.happened);
}

TEST(OUTW, "keeps every register and flag")
{
	VMI_EVERYWHERE(OUTW, 0x12345678, NOTHING, 0xecececec);
}

TEST(INW, "leaves the rest of EAX unchanged, and reads all ones where nothing is")
{
	check_equal(in(VMI_CALL_INW, NOTHING), 0xeaeaffff);
	out(VMI_CALL_OUTL, PCI_ADDRESS, 0x80000000);
	check_equal(in(VMI_CALL_INW, PCI_DATA) >> 16, 0xeaea);
}

TEST(INW, "keeps every register and flag but EAX")
{
	VMI_EVERYWHERE(INW, 0, NOTHING);
}

TEST(OUTL, "writes EAX, which INL reads")
{
	static const uint32_t values[] = {0x80000000, 0x80ffff00, 0x80000800};

	for (unsigned i = 0; i < 3; i++) {
		out(VMI_CALL_OUTL, PCI_ADDRESS, values[i]);
		check_equal(in(VMI_CALL_INL, PCI_ADDRESS), values[i]);
	}
}

TEST(OUTL, "keeps every register and flag")
{
	VMI_EVERYWHERE(OUTL, 0x80000000, PCI_ADDRESS, 0xecececec);
}

TEST(INL, "reads all ones where nothing is")
{
	check_equal(in(VMI_CALL_INL, NOTHING), 0xffffffff);
}

TEST(INL, "keeps every register and flag but EAX")
{
	VMI_EVERYWHERE(INL, 0, PCI_ADDRESS);
}

/* ---- strings ---- */

static uint8_t buffer[64] __attribute__((aligned(16)));

static void string_in(unsigned number, uint32_t port, void *to, uint32_t count)
{
	call_reset();
	call_in.edx = port;
	call_in.ecx = count;
	call_in.edi = (uint32_t)to;
	call_in.eflags |= EFLAGS_ARITHM;
	call_with(number);
}

static void string_out(unsigned number, uint32_t port, const void *from, uint32_t count)
{
	call_reset();
	call_in.edx = port;
	call_in.ecx = count;
	call_in.esi = (uint32_t)from;
	call_in.eflags |= EFLAGS_ARITHM;
	call_with(number);
}

static bool mend(struct frame *f)
{
	if (f->vector != 14)
		return false;
	__asm__ volatile("movl %%cr2, %0" : "=r"(trapped.cr2));
	trapped.happened = true;
	trapped.error = f->error;
	trapped.frame = *f;
	*table_entry(PLAYGROUND + 4096) |= PTE_P;
	return true;
}

/* Two pages, of which the second is not there until it is touched. */
static uint8_t *with_hole(void)
{
	map_page(PLAYGROUND, physical(page_new()), PTE_P | PTE_RW);
	map_page(PLAYGROUND + 4096, physical(page_new()), PTE_RW);
	trap_hook = mend;
	trapped.happened = false;
	return (uint8_t *)PLAYGROUND + 4096;
}

static void reads_string(unsigned number, unsigned size, uint32_t port, uint32_t value)
{
	uint8_t *behind;

	for (unsigned i = 0; i < sizeof buffer; i++)
		buffer[i] = 0xee;
	string_in(number, port, buffer + 4, 5);
	check_equal(call_out.edi, (uint32_t)(buffer + 4 + 5 * size));
	check_equal(call_out.ecx, 0);
	check_equal(buffer[3], 0xee);
	check_equal(buffer[4 + 5 * size], 0xee);
	for (unsigned i = 0; i < 5 * size; i++)
		check_equal(buffer[4 + i], value >> 8 * (i % size) & 0xff);
	string_in(number, port, buffer, 0);
	check_equal(call_out.edi, (uint32_t)buffer);
	check_equal(call_out.ecx, 0);
	check_equal(buffer[0], 0xee);

	behind = with_hole();
	string_in(number, port, behind - 2 * size, 4);
	check(trapped.happened);
	check_equal(trapped.cr2, (uint32_t)behind);
	check_equal(trapped.error, 2);
	check_equal(trapped.frame.edi, (uint32_t)behind);
	check_equal(trapped.frame.ecx, 2);
	check_equal(call_out.edi, (uint32_t)behind + 2 * size);
	check_equal(call_out.ecx, 0);
	for (unsigned i = 0; i < 4 * size; i++)
		check_equal(behind[(int)i - 2 * (int)size], value >> 8 * (i % size) & 0xff);
	/* The instruction in the kernel's own text does the same. */
	trap_hook = NULL;
}

static void writes_string(unsigned number, unsigned size, uint32_t port)
{
	uint8_t *behind;

	string_out(number, port, buffer, 5);
	check_equal(call_out.esi, (uint32_t)(buffer + 5 * size));
	check_equal(call_out.ecx, 0);
	string_out(number, port, buffer, 0);
	check_equal(call_out.esi, (uint32_t)buffer);
	behind = with_hole();
	string_out(number, port, behind - 2 * size, 4);
	check(trapped.happened);
	check_equal(trapped.cr2, (uint32_t)behind);
	check_equal(trapped.error, 0);
	check_equal(trapped.frame.esi, (uint32_t)behind);
	check_equal(trapped.frame.ecx, 2);
	check_equal(call_out.esi, (uint32_t)behind + 2 * size);
	check_equal(call_out.ecx, 0);
	trap_hook = NULL;
}

TEST(INSB, "stores upwards, advances EDI, ends with ECX 0, and goes on behind a page fault")
{
	outb(SCRATCH, 0x6b);
	reads_string(VMI_CALL_INSB, 1, SCRATCH, 0x6b);
}

TEST(INSW, "stores upwards, advances EDI, ends with ECX 0, and goes on behind a page fault")
{
	reads_string(VMI_CALL_INSW, 2, NOTHING, 0xffff);
}

TEST(INSL, "stores upwards, advances EDI, ends with ECX 0, and goes on behind a page fault")
{
	out(VMI_CALL_OUTL, PCI_ADDRESS, 0x80c0de00);
	reads_string(VMI_CALL_INSL, 4, PCI_ADDRESS, 0x80c0de00);
}

TEST(OUTSB, "reads upwards, advances ESI, ends with ECX 0, and goes on behind a page fault")
{
	for (unsigned i = 0; i < sizeof buffer; i++)
		buffer[i] = (uint8_t)i;
	string_out(VMI_CALL_OUTSB, SCRATCH, buffer + 10, 7);
	check_equal(inb(SCRATCH), 16);
	writes_string(VMI_CALL_OUTSB, 1, SCRATCH);
}

TEST(OUTSW, "reads upwards, advances ESI, ends with ECX 0, and goes on behind a page fault")
{
	writes_string(VMI_CALL_OUTSW, 2, NOTHING);
}

TEST(OUTSL, "reads upwards, advances ESI, ends with ECX 0, and goes on behind a page fault")
{
	static const uint32_t words[] = {0x80000000, 0x80000800, 0x80001000};

	string_out(VMI_CALL_OUTSL, PCI_ADDRESS, words, 3);
	check_equal(in(VMI_CALL_INL, PCI_ADDRESS), 0x80001000);
	writes_string(VMI_CALL_OUTSL, 4, PCI_ADDRESS);
}

static void string_everywhere(unsigned number, bool input)
{
	static const uint32_t flags[] = {2, 2 | EFLAGS_ARITHM, 2 | EFLAGS_IF};
	static const uint16_t fs[] = {PERCPU, 0, USER_DS};

	for (unsigned i = 0; i < 9; i++) {
		call_reset();
		call_in.edx = NOTHING;
		call_in.ecx = 2;
		if (input)
			call_in.edi = (uint32_t)buffer;
		else
			call_in.esi = (uint32_t)buffer;
		call_in.eflags = flags[i % 3];
		call_in.fs = fs[i / 3];
		call_in.gs = fs[(i / 3 + 1) % 3];
		call_with(number);
	}
}

TEST(INSB, "keeps every register and flag but EDI and ECX")
{
	string_everywhere(VMI_CALL_INSB, true);
	string_everywhere(VMI_CALL_INSW, true);
	string_everywhere(VMI_CALL_INSL, true);
}

TEST(OUTSB, "keeps every register and flag but ESI and ECX")
{
	string_everywhere(VMI_CALL_OUTSB, false);
	string_everywhere(VMI_CALL_OUTSW, false);
	string_everywhere(VMI_CALL_OUTSL, false);
}

/* ---- SetIOPLMask ---- */

USER_CODE(user_in, "mov $0x3ff, %edx\nin %dx, %al");
USER_CODE(user_out, "mov $0x3ff, %edx\nmov $0x99, %al\nout %al, %dx");
USER_CODE(user_flag, "cli\npushf\npop %eax\nsti");
USER_CODE(user_cli_spin, "cli\n1: jmp 1b");

static void with_iopl(uint32_t mask)
{
	call_sets_iopl = true;
	VMI(SetIOPLMask, mask);
}

TEST(SetIOPLMask, "gives user mode the ports, and takes them away")
{
	outb(SCRATCH, 0x31);
	with_iopl(0x3000);
	user_registers();
	USER_RUN(user_in);
	check_equal(trapped.vector, USER_VECTOR);
	check_equal(trapped.frame.eax & 0xff, 0x31);
	user_registers();
	USER_RUN(user_out);
	check_equal(trapped.vector, USER_VECTOR);
	check_equal(inb(SCRATCH), 0x99);
	for (uint32_t mask = 0; mask < 0x3000; mask += 0x1000) {
		with_iopl(mask);
		user_registers();
		USER_RUN(user_in);
		check_equal(trapped.vector, 13);
		check_equal(trapped.error, 0);
		check_equal(trapped.frame.eip, USER_TEXT + 5);
	}
	with_iopl(0);
}

TEST(SetIOPLMask, "looks at bits 12 and 13 only, and frames show them")
{
	static const uint32_t masks[] = {0xffffffff, 0xffffcfff, 0x3000, 0x1000, 0x12342000, 0};

	for (unsigned i = 0; i < 6; i++) {
		with_iopl(masks[i]);
		check_equal(get_eflags() & EFLAGS_IOPL, masks[i] & EFLAGS_IOPL);
		user_registers();
		USER_RUN(user_in);
		check_equal(trapped.frame.eflags & EFLAGS_IOPL, masks[i] & EFLAGS_IOPL);
	}
}

static bool end_spin(struct frame *f)
{
	if (f->vector != IRQ_VECTOR + TIMER_IRQ || (f->cs & 3) != 3)
		return false;
	outb(0x20, 0x20);
	f->eip = USER_TEXT + 3;
	return true;
}

TEST(SetIOPLMask, "never gives user mode the interrupt flag: CLI is ignored there, not faulted")
{
	with_iopl(0x3000);
	user_registers();
	USER_RUN(user_flag);
	check_equal(trapped.vector, USER_VECTOR);
	check(trapped.frame.eflags & EFLAGS_IF);
	trap_hook = end_spin;
	timer_start(2000);
	user_registers();
	USER_RUN(user_cli_spin);
	check_equal(trapped.vector, USER_VECTOR);
	trap_hook = NULL;
	with_iopl(0);
	user_registers();
	USER_RUN(user_flag);
	check_equal(trapped.vector, 13);
	check_equal(trapped.frame.eip, USER_TEXT);
}

TEST(SetIOPLMask, "leaves the kernel's own ports alone")
{
	with_iopl(0);
	out(VMI_CALL_OUTB, SCRATCH, 0x77);
	check_equal(inb(SCRATCH), 0x77);
}

TEST(SetIOPLMask, "keeps all but the standard clobbers")
{
	call_sets_iopl = true;
	VMI_EVERYWHERE(SetIOPLMask, 0xffffffff);
	VMI_EVERYWHERE(SetIOPLMask, 0);
}
