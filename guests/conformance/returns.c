// SPDX-License-Identifier: GPL-2.0-or-later
/* The two calls that return to other code: 33 and 34. */
#include "conformance.h"

#define MSR_SYSENTER_CS 0x174

static uint32_t kernel_cs(void)
{
	uint32_t cs;

	__asm__("movl %%cs, %0" : "=r"(cs));
	return cs & 0xffff;
}

static void go(unsigned number, unsigned words)
{
	landings = 0;
	return_by(number, words);
}

/* To user mode, with the registers call_reset() or user_registers() chose. */
static void to_user(uint32_t cs, uint32_t flags, uint32_t ss)
{
	call_in.eflags = 2; /* the kernel's, in front of the IRET */
	return_frame[0] = USER_TEXT;
	return_frame[1] = cs;
	return_frame[2] = flags;
	return_frame[3] = USER_STACK + 4096;
	return_frame[4] = ss;
	go(VMI_CALL_IRET, 5);
}

static void to_kernel(uint32_t cs, uint32_t flags)
{
	return_frame[0] = (uint32_t)kernel_code;
	return_frame[1] = cs;
	return_frame[2] = flags;
	return_frame[3] = 0x33333333; /* must stay on the stack */
	go(VMI_CALL_IRET, 4);
}

USER_CODE(user_nop, "");
USER_CODE(user_spin, "1: jmp 1b");
USER_CODE(user_in, "mov $0x3fd, %edx\nin %dx, %al");
USER_CODE(user_cli, "cli\nsti");
USER_CODE(user_flags, "pushf\npop %eax");
USER_CODE(user_segments, "mov %ds, %eax\nmov %es, %ebx\nmov %fs, %ecx\nmov %gs, %edx");

static void check_user(uint32_t cs, uint32_t ss)
{
	const struct frame *f = &trapped.frame;

	check_equal(trapped.vector, USER_VECTOR);
	check_equal(f->eip, USER_TEXT + 2);
	check_equal(f->cs & 0xffff, cs);
	check_equal(f->ss & 0xffff, ss);
	check_equal(f->esp, USER_STACK + 4096);
	check_registers(f);
}

TEST(IRET, "goes to user mode with every register as it was")
{
	user_load(user_nop, user_nop_end);
	for (unsigned i = 0; i < 5; i++) {
		user_registers();
		to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
		check_user(USER_CS, USER_DS);
	}
}

TEST(IRET, "goes to user mode with null and with user's data segments loaded")
{
	static const uint16_t selectors[][4] = {{0, 0, 0, 0},
	                                        {USER_DS, USER_DS, 0, 0},
	                                        {0, USER_DS, USER_DS, 0},
	                                        {USER_DS, 0, 0, USER_DS}};

	user_load(user_nop, user_nop_end);
	for (unsigned i = 0; i < 4; i++) {
		user_registers();
		call_in.ds = selectors[i][0];
		call_in.es = selectors[i][1];
		call_in.fs = selectors[i][2];
		call_in.gs = selectors[i][3];
		to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
		check_user(USER_CS, USER_DS);
		check_equal(trapped.frame.ds & 0xffff, selectors[i][0]);
		check_equal(trapped.frame.es & 0xffff, selectors[i][1]);
		check_equal(trapped.frame.fs & 0xffff, selectors[i][2]);
		check_equal(trapped.frame.gs & 0xffff, selectors[i][3]);
	}
}

TEST(IRET, "takes away the kernel's segments that user mode may not have")
{
	user_load(user_nop, user_nop_end);
	user_registers();
	call_in.fs = PERCPU;
	call_in.es = KERNEL_DS;
	to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
	check_user(USER_CS, USER_DS);
	check_equal(trapped.frame.fs & 0xffff, 0);
	check_equal(trapped.frame.es & 0xffff, 0);
}

#define LDT_SELECTOR(index, rpl) ((index)*8 + 4 + (rpl))
#define LDT_ITEMS                4
static uint64_t ldt[LDT_ITEMS] __attribute__((aligned(4096)));

/* The table is in place, and was seen unchanged at a return: only FS and GS are new from now on. */
static void use_ldt(void)
{
	uint64_t d = segment_descriptor((uint32_t)ldt, sizeof ldt - 1, 0x82) & ~(0xc0ull << 48);

	ldt[1] = segment_descriptor(0, 0xbffff, 0xb3); /* DPL 1 */
	ldt[2] = segment_descriptor(0, 0xbffff, 0xf3); /* DPL 3 */
	ldt[3] = segment_descriptor(0, 0xbffff, 0xbf); /* conforming code that can be read, DPL 1 */
	call(VMI_CALL_WriteGDTEntry, (uint32_t)gdt, LDT >> 3, (uint32_t)d, (uint32_t)(d >> 32), 0);
	VMI(SetLDT, LDT);
	for (unsigned i = 0; i < 2; i++) {
		user_registers();
		to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
	}
}

TEST(IRET, "takes away the LDT's segments that user mode may not have, in FS and GS as well")
{
	static const uint16_t selectors[][2] = {{LDT_SELECTOR(1, 1), LDT_SELECTOR(1, 1)},
	                                        {LDT_SELECTOR(2, 3), LDT_SELECTOR(1, 0)},
	                                        {LDT_SELECTOR(1, 1), 0},
	                                        {LDT_SELECTOR(3, 3), LDT_SELECTOR(2, 0)}};
	static const uint16_t left[][2] = {
	    {0, 0}, {LDT_SELECTOR(2, 3), 0}, {0, 0}, {LDT_SELECTOR(3, 3), LDT_SELECTOR(2, 0)}};

	user_load(user_nop, user_nop_end);
	use_ldt();
	for (unsigned i = 0; i < 4; i++) {
		user_registers();
		call_in.fs = selectors[i][0];
		call_in.gs = selectors[i][1];
		to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
		check_user(USER_CS, USER_DS);
		check_equal(trapped.frame.fs & 0xffff, left[i][0]);
		check_equal(trapped.frame.gs & 0xffff, left[i][1]);
	}
	VMI(SetLDT, 0);
}

TEST(IRET, "restores the frame's flags in user mode")
{
	static const uint32_t flags[] = {0,
	                                 EFLAGS_ARITHM,
	                                 EFLAGS_DF,
	                                 EFLAGS_AC,
	                                 EFLAGS_ID,
	                                 EFLAGS_NT,
	                                 EFLAGS_ARITHM | EFLAGS_DF | EFLAGS_ID};

	user_load(user_nop, user_nop_end);
	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		user_registers();
		to_user(USER_CS, 2 | EFLAGS_IF | flags[i], USER_DS);
		check_user(USER_CS, USER_DS);
		check_equal(trapped.frame.eflags, 2 | EFLAGS_IF | flags[i]);
	}
}

TEST(IRET, "restores TF: user mode stops behind one instruction")
{
	user_load(user_flags, user_flags_end);
	user_registers();
	to_user(USER_CS, 2 | EFLAGS_IF | EFLAGS_TF, USER_DS);
	check_equal(trapped.vector, 1);
	check_equal(trapped.frame.eip, USER_TEXT + 1);
}

TEST(IRET, "leaves IOPL to SetIOPLMask")
{
	user_load(user_in, user_in_end);
	call_sets_iopl = true;
	VMI(SetIOPLMask, 0);
	user_registers();
	to_user(USER_CS, 2 | EFLAGS_IF | EFLAGS_IOPL, USER_DS);
	check_equal(trapped.vector, 13);
	VMI(SetIOPLMask, EFLAGS_IOPL);
	user_registers();
	to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
	check_equal(trapped.vector, USER_VECTOR);
	user_registers();
	to_user(USER_CS, 2 | EFLAGS_IF | EFLAGS_IOPL, USER_DS);
	check_equal(trapped.vector, USER_VECTOR);
	VMI(SetIOPLMask, 0);
	user_registers();
	to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
	check_equal(trapped.vector, 13);
}

static uint32_t from_user;

/* The handler's interrupt frame is user mode's; then user mode is ended. */
static bool end_spin(struct frame *f)
{
	if (f->vector != IRQ_VECTOR + TIMER_IRQ)
		return false;
	from_user = (f->cs & 3) == 3 ? f->eip : 0;
	last_interrupt = *f;
	outb(0x20, 0x20);
	f->eip = USER_TEXT + 2; /* behind the JMP */
	return true;
}

TEST(IRET, "delivers what is pending on the way to user mode, with user mode's own frame")
{
	user_load(user_spin, user_spin_end);
	for (unsigned i = 0; i < 20; i++) {
		timer_pend();
		from_user = 0;
		trap_hook = end_spin;
		user_registers();
		to_user(USER_CS, 2 | EFLAGS_IF | EFLAGS_CF, USER_DS);
		check_equal(trapped.vector, USER_VECTOR);
		check_equal(from_user, USER_TEXT);
		check_equal(last_interrupt.esp, USER_STACK + 4096);
		check_equal(last_interrupt.eflags, 2 | EFLAGS_IF | EFLAGS_CF);
		check_equal(last_interrupt.ebx, call_in.ebx);
		check_equal(last_interrupt.eax, call_in.eax);
	}
}

TEST(IRET, "runs user mode with interrupts on though the frame says off")
{
	user_load(user_spin, user_spin_end);
	timer_pend();
	from_user = 0;
	trap_hook = end_spin;
	user_registers();
	to_user(USER_CS, 2, USER_DS);
	check_equal(trapped.vector, USER_VECTOR);
	check_equal(from_user, USER_TEXT);
}

TEST(IRET, "lets an interrupt into user mode that comes later")
{
	user_load(user_spin, user_spin_end);
	for (unsigned cycles = 2; cycles < 100; cycles += 3) {
		trap_hook = end_spin;
		timer_start(cycles);
		user_registers();
		to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
		if (!check_equal(trapped.vector, USER_VECTOR))
			break;
	}
}

/* ---- to the kernel ---- */

static void check_landed(void)
{
	check_equal(landings, 1);
	check_equal(landed.eax, call_in.eax);
	check_equal(landed.ecx, call_in.ecx);
	check_equal(landed.edx, call_in.edx);
	check_equal(landed.ebx, call_in.ebx);
	check_equal(landed.ebp, call_in.ebp);
	check_equal(landed.esi, call_in.esi);
	check_equal(landed.edi, call_in.edi);
	check_equal(landed.esp, return_esp + 12);
	check_equal(landed.ds & 0xffff, call_in.ds);
	check_equal(landed.es & 0xffff, call_in.es);
	check_equal(landed.fs & 0xffff, call_in.fs);
	check_equal(landed.gs & 0xffff, call_in.gs);
	check_equal(landed.cs & 0xffff, kernel_cs());
}

TEST(IRET, "goes back into the kernel with registers, segments and flags in place")
{
	static const uint32_t flags[] = {2, 2 | EFLAGS_ARITHM, 2 | EFLAGS_IF,
	                                 2 | EFLAGS_IF | EFLAGS_ARITHM | EFLAGS_DF | EFLAGS_ID};
	static const uint16_t data[] = {USER_DS, 0, KERNEL_DS, PERCPU};

	for (unsigned i = 0; i < 16; i++) {
		call_reset();
		call_in.eflags = flags[i >> 2 & 3] ^ EFLAGS_ARITHM;
		call_in.ds = data[i & 3] == KERNEL_DS ? USER_DS : data[i & 3];
		call_in.es = data[(i + 1) & 3] == KERNEL_DS ? 0 : data[(i + 1) & 3];
		call_in.fs = i & 1 ? PERCPU : 0;
		to_kernel(kernel_cs(), flags[i & 3]);
		check_landed();
		check_equal(landed.eflags, flags[i & 3]);
	}
}

TEST(IRET, "takes an RPL of 0 in the kernel's CS as its own level")
{
	call_reset();
	to_kernel(KERNEL_CS, 2);
	check_landed();
}

TEST(IRET, "delivers what is pending when it enables interrupts in the kernel, once")
{
	for (unsigned i = 1; i <= 20; i++) {
		timer_pend();
		call_reset();
		call_in.ds = call_in.es = 0;
		to_kernel(kernel_cs(), 2 | EFLAGS_IF);
		check_landed();
		check_equal(interrupts(TIMER_IRQ), i);
	}
}

TEST(IRET, "keeps interrupts out when the frame says so")
{
	timer_pend();
	call_reset();
	to_kernel(kernel_cs(), 2);
	check_landed();
	check_equal(interrupts(TIMER_IRQ), 0);
	call_reset();
	call_in.eflags |= 0;
	to_kernel(kernel_cs(), 2 | EFLAGS_IF);
	check_equal(interrupts(TIMER_IRQ), 1);
}

/* ---- bad frames ---- */

static void refused(unsigned number, unsigned words, uint32_t vector, uint32_t error)
{
	landings = 0;
	expecting = true;
	return_by(number, words);
	expecting = false;
	check(trapped.happened);
	check_equal(landings, 0);
	check_equal(trapped.vector, vector);
	check_equal(trapped.error, error);
	check_equal(trapped.frame.cs & 0xffff, kernel_cs());
	check_equal(trapped.frame.eip, (uint32_t)return_site);
	check_equal(trapped.esp, return_esp);
	check_equal(trapped.frame.eax, call_in.eax);
	check_equal(trapped.frame.ecx, call_in.ecx);
	check_equal(trapped.frame.edx, call_in.edx);
	check_equal(trapped.frame.ebx, call_in.ebx);
	for (unsigned i = 0; i < words; i++)
		check_equal(trapped.stack[i], return_frame[i]);
}

static void frame_refused(uint32_t cs, uint32_t ss, uint32_t vector, uint32_t error)
{
	user_registers();
	call_in.eflags = 2; /* the kernel's, in front of the IRET */
	return_frame[0] = USER_TEXT;
	return_frame[1] = cs;
	return_frame[2] = 2 | EFLAGS_IF;
	return_frame[3] = USER_STACK + 4096;
	return_frame[4] = ss;
	refused(VMI_CALL_IRET, 5, vector, error);
}

#define DATA(access) segment_descriptor(0, 0xbffff, (access))

TEST(IRET, "blames a bad code segment on its caller's place, with the frame on the stack")
{
	user_load(user_nop, user_nop_end);
	frame_refused(3, USER_DS, 13, 0);
	frame_refused(USER_DS, USER_DS, 13, USER_DS & ~3u);
	frame_refused(KERNEL_CS | 3, USER_DS, 13, KERNEL_CS);
	frame_refused(GDT_SIZE * 8 + 3, USER_DS, 13, GDT_SIZE * 8);
	frame_refused(0x0f, USER_DS, 13, 0x0c); /* no LDT */
	gdt[SPARE >> 3] = DATA(0x7a);           /* user code, not present */
	frame_refused(SPARE | 3, USER_DS, 11, SPARE);
}

TEST(IRET, "blames a bad stack segment on its caller's place, with the frame on the stack")
{
	user_load(user_nop, user_nop_end);
	frame_refused(USER_CS, 0, 13, 0);
	frame_refused(USER_CS, 3, 13, 0);
	frame_refused(USER_CS, KERNEL_DS, 13, KERNEL_DS);
	frame_refused(USER_CS, KERNEL_DS | 3, 13, KERNEL_DS);
	frame_refused(USER_CS, USER_DS & ~3u, 13, USER_DS & ~3u);
	frame_refused(USER_CS, USER_CS, 13, USER_CS & ~3u);
	gdt[SPARE >> 3] = DATA(0xf0); /* read-only */
	frame_refused(USER_CS, SPARE | 3, 13, SPARE);
	gdt[SPARE >> 3] = DATA(0x72); /* not present */
	frame_refused(USER_CS, SPARE | 3, 12, SPARE);
	user_registers();
	to_user(USER_CS, 2 | EFLAGS_IF, USER_DS);
	check_user(USER_CS, USER_DS);
}

TEST(IRET, "blames a bad code segment of a return into the kernel on its caller's place too")
{
	static const uint16_t bad[] = {KERNEL_DS, USER_DS & ~3, TSS, SPARE};
	static const uint8_t vectors[] = {13, 13, 13, 11};

	gdt[SPARE >> 3] = segment_descriptor(0, 0xfffff, 0x1a); /* kernel code, not present */
	for (unsigned i = 0; i < 4; i++) {
		call_reset();
		return_frame[0] = (uint32_t)kernel_code;
		return_frame[1] = bad[i] | 1;
		return_frame[2] = 2 | EFLAGS_IF;
		refused(VMI_CALL_IRET, 3, vectors[i], bad[i]);
	}
}

TEST(IRET, "delivers nothing when its frame is bad, and keeps interrupts off")
{
	timer_pend();
	user_load(user_nop, user_nop_end);
	frame_refused(USER_CS, 0, 13, 0);
	check_equal(interrupts(TIMER_IRQ), 0);
	check(!(get_eflags() & EFLAGS_IF));
	check(!(trapped.frame.eflags & EFLAGS_IF));
}

/* ---- SYSEXIT ---- */

static void sysexit(void)
{
	user_registers();
	call_in.edx = USER_TEXT;
	call_in.ecx = USER_STACK + 4096;
	call_in.eflags = 2;
	go(VMI_CALL_SYSEXIT, 0);
}

TEST(SYSEXIT, "goes to user mode at EDX and ECX with the segments of SYSENTER_CS")
{
	user_load(user_nop, user_nop_end);
	VMI(WRMSR, KERNEL_CS, 0, MSR_SYSENTER_CS);
	for (unsigned i = 0; i < 5; i++) {
		sysexit();
		check_user(USER_CS, USER_DS);
	}
}

TEST(SYSEXIT, "takes other segments when SYSENTER_CS says so")
{
	uint64_t old[4];

	user_load(user_nop, user_nop_end);
	for (unsigned i = 0; i < 4; i++)
		old[i] = gdt[18 + i];
	gdt[20] = gdt[USER_CS >> 3];
	gdt[21] = gdt[USER_DS >> 3];
	VMI(WRMSR, 18 * 8, 0, MSR_SYSENTER_CS);
	sysexit();
	check_user(20 * 8 + 3, 21 * 8 + 3);
	VMI(WRMSR, KERNEL_CS, 0, MSR_SYSENTER_CS);
	sysexit();
	check_user(USER_CS, USER_DS);
	for (unsigned i = 0; i < 4; i++)
		gdt[18 + i] = old[i];
}

TEST(SYSEXIT, "goes to user mode with null DS and ES")
{
	user_load(user_nop, user_nop_end);
	user_registers();
	call_in.edx = USER_TEXT;
	call_in.ecx = USER_STACK + 4096;
	call_in.ds = call_in.es = 0;
	go(VMI_CALL_SYSEXIT, 0);
	check_user(USER_CS, USER_DS);
	check_equal(trapped.frame.ds & 0xffff, 0);
}

TEST(SYSEXIT, "keeps the flags, and enables interrupts")
{
	user_load(user_nop, user_nop_end);
	user_registers();
	call_in.edx = USER_TEXT;
	call_in.ecx = USER_STACK + 4096;
	call_in.eflags = 2 | EFLAGS_ARITHM | EFLAGS_ID;
	go(VMI_CALL_SYSEXIT, 0);
	check_user(USER_CS, USER_DS);
	check_equal(trapped.frame.eflags, 2 | EFLAGS_IF | EFLAGS_ARITHM | EFLAGS_ID);
}

TEST(SYSEXIT, "delivers what is pending on the way, with user mode's own frame")
{
	user_load(user_spin, user_spin_end);
	for (unsigned i = 0; i < 20; i++) {
		timer_pend();
		from_user = 0;
		trap_hook = end_spin;
		sysexit();
		check_equal(trapped.vector, USER_VECTOR);
		check_equal(from_user, USER_TEXT);
		check_equal(last_interrupt.esp, USER_STACK + 4096);
	}
}

TEST(SYSEXIT, "raises #GP(0) at the call when SYSENTER_CS is null")
{
	user_load(user_nop, user_nop_end);
	VMI(WRMSR, 0, 0, MSR_SYSENTER_CS);
	user_registers();
	call_in.eflags = 2;
	call_in.edx = USER_TEXT;
	call_in.ecx = USER_STACK + 4096;
	timer_pend();
	refused(VMI_CALL_SYSEXIT, 0, 13, 0);
	check_equal(interrupts(TIMER_IRQ), 0);
	VMI(WRMSR, KERNEL_CS, 0, MSR_SYSENTER_CS);
}

TEST(SYSEXIT, "lets bad addresses fault in user mode")
{
	user_registers();
	call_in.eflags = 2;
	call_in.edx = 0x00700000;
	call_in.ecx = 0xffffffff;
	go(VMI_CALL_SYSEXIT, 0);
	check_equal(trapped.vector, 14);
	check_equal(trapped.cr2, 0x00700000);
	check_equal(trapped.frame.cs & 3, 3);
	check_equal(trapped.frame.esp, 0xffffffff);
}
