// SPDX-License-Identifier: GPL-2.0-or-later
//
// Segments of every kind that modify_ldt gives a program, and returns into those that do not load.

#include "selftest.h"

#include <asm/ldt.h>

enum { DATA = 0, DOWN = 1, CODE = 2, CONFORMING = 3 };

static int write_ldt(struct user_desc entry)
{
	return (int)syscall(SYS_modify_ldt, 0x11, &entry, sizeof(entry));
}

static struct user_desc segment(unsigned index, unsigned contents, const void *base, unsigned limit)
{
	return (struct user_desc){.entry_number = index,
	                          .base_addr = (unsigned)(uintptr_t)base,
	                          .limit = limit,
	                          .seg_32bit = 1,
	                          .contents = contents,
	                          .useable = 1};
}

static uint16_t selector_of(unsigned index)
{
	return (uint16_t)(index << 3 | 7);
}

static uint8_t *code_page(void)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
	                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(page != MAP_FAILED);
	return page;
}

struct far_pointer {
	uint32_t offset;
	uint16_t selector;
} __attribute__((packed));

static uint32_t far_call(uint16_t selector, uint32_t offset)
{
	struct far_pointer target = {offset, selector};
	uint32_t value;

	__asm__ volatile("lcall *%1" : "=a"(value) : "m"(target) : "ecx", "edx", "memory", "cc");
	return value;
}

static void call_far(void *argument)
{
	struct far_pointer *target = argument;

	far_call(target->selector, target->offset);
}

static struct fault fault_of_call(uint16_t selector, uint32_t offset)
{
	struct far_pointer target = {offset, selector};

	return catch_fault(call_far, &target);
}

static void read_es(void *argument)
{
	struct far_pointer *at = argument;
	uint32_t value;

	__asm__ volatile("pushl %%es; movw %w1, %%es; movb %%es:(%2), %b0; popl %%es"
	                 : "=&q"(value)
	                 : "r"(at->selector), "r"(at->offset)
	                 : "memory");
	at->offset = value & 0xff;
}

static struct fault fault_of_read(uint16_t selector, uint32_t offset)
{
	struct far_pointer at = {offset, selector};
	struct fault fault;
	uint16_t es;

	__asm__ volatile("movw %%es, %0" : "=r"(es));
	fault = catch_fault(read_es, &at);
	__asm__ volatile("movw %0, %%es" ::"r"(es));
	return fault;
}

static void code_with_base(void)
{
	// call 1f; 1: pop %eax; mov %cs:0x20, %al; lret
	static const uint8_t code[] = {0xe8, 0, 0, 0, 0, 0x58, 0x2e, 0xa0, 0x20, 0, 0, 0, 0xcb};
	uint8_t *page = code_page();
	struct user_desc entry = segment(1, CODE, page, 0x40);
	struct fault fault;

	memcpy(page, code, sizeof(code));
	page[0x20] = 0x99;
	require(write_ldt(entry) == 0);
	expect_equal(far_call(selector_of(1), 0), 0x99);
	// Behind the limit there is nothing to execute.
	fault = fault_of_call(selector_of(1), 0x41);
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	expect_equal(fault.error, 0);
	// Execute-only.
	entry.read_exec_only = 1;
	require(write_ldt(entry) == 0);
	fault = fault_of_call(selector_of(1), 0);
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	expect_equal(fault.error, 0);
	expect_equal(fault.eip, 6);
	// Its limit counts pages.
	entry = segment(1, CODE, page, 0);
	entry.limit_in_pages = 1;
	require(write_ldt(entry) == 0);
	expect_equal(far_call(selector_of(1), 0), 0x99);
	entry.seg_not_present = 1;
	require(write_ldt(entry) == 0);
	fault = fault_of_call(selector_of(1), 0);
	expect_equal(fault.number, SIGBUS);
	expect_equal(fault.trap, 11);
	expect_equal(fault.error, selector_of(1) & ~3);
}

static void code_of_16_bits(void)
{
	// mov $20, %eax; int $0x80; mov %ax, %cx; mov $0x1234, %ax; mov %cx, %dx; ud2; lretl
	static const uint8_t code[] = {0x66, 0xb8, 20,   0,    0,    0,    0xcd,
	                               0x80, 0x66, 0x89, 0xc1, 0xb8, 0x34, 0x12,
	                               0x66, 0x89, 0xc8, 0x66, 0xcb, 0x0f, 0x0b};
	uint8_t *page = code_page();
	struct user_desc entry = segment(2, CODE, page, PAGE - 1);
	struct fault fault;

	memcpy(page, code, sizeof(code));
	entry.seg_32bit = 0;
	require(write_ldt(entry) == 0);
	for (int i = 0; i < 100; i++)
		require(far_call(selector_of(2), 0) == (uint32_t)getpid());
	fault = fault_of_call(selector_of(2), 19);
	expect_equal(fault.number, SIGILL);
	expect_equal(fault.eip, 19);
	fault = fault_of_call(selector_of(2), 0x800); // add %al, (%bx,%si)
	expect_equal(fault.number, SIGSEGV);
}

static void expanding_down(void)
{
	uint8_t *area = guarded_pages(3);
	struct user_desc entry = segment(3, DOWN, area, PAGE - 1);
	struct fault fault;

	memset(area, 5, 3 * PAGE);
	require(write_ldt(entry) == 0);
	expect_equal(fault_of_read(selector_of(3), PAGE).number, 0);
	expect_equal(fault_of_read(selector_of(3), 2 * PAGE).number, 0);
	fault = fault_of_read(selector_of(3), PAGE - 1);
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	fault = fault_of_read(selector_of(3), 3 * PAGE + 7); // the page behind the area
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 14);
	expect_equal(fault.address, (uintptr_t)area + 3 * PAGE + 7);
	entry.limit_in_pages = 1;
	entry.limit = 1; // two pages
	require(write_ldt(entry) == 0);
	expect_equal(fault_of_read(selector_of(3), 2 * PAGE - 1).trap, 13);
	expect_equal(fault_of_read(selector_of(3), 2 * PAGE).number, 0);
}

// Instructions that load selectors look at the limit of the segment they read them from as well.
struct limited {
	uint8_t before[16];
	struct far_pointer beyond;
};

static void load_beyond(void *argument)
{
	__asm__ volatile("pushl %%fs; movw %w0, %%fs; movw %%fs:20, %%es; popl %%fs"
	                 :
	                 : "r"(*(uint16_t *)argument)
	                 : "memory");
}

static void load_pair_beyond(void *argument)
{
	__asm__ volatile("pushl %%fs; movw %w0, %%fs; les %%fs:16, %%eax; popl %%fs"
	                 :
	                 : "r"(*(uint16_t *)argument)
	                 : "eax", "memory");
}

static void jump_beyond(void *argument)
{
	__asm__ volatile("movw %w0, %%fs; ljmp *%%fs:16" : : "r"(*(uint16_t *)argument) : "memory");
}

static void limits_of_selectors(void)
{
	static void (*const loads[])(void *) = {load_beyond, load_pair_beyond, jump_beyond};
	struct user_desc whole = segment(6, DATA, NULL, 0xfffff);
	uint16_t selector = selector_of(5), es, fs;
	static struct limited area;

	__asm__ volatile("movw %%es, %0; movw %%fs, %1" : "=r"(es), "=r"(fs));
	require(write_ldt(segment(5, DATA, &area, sizeof(area.before) - 1)) == 0);
	whole.limit_in_pages = 1;
	require(write_ldt(whole) == 0);
	whole.entry_number = 7;
	whole.contents = CODE;
	require(write_ldt(whole) == 0);
	for (size_t i = 0; i < COUNT(loads); i++) {
		struct fault fault;

		// What could be loaded; the jump would be to address 0, which is a page fault.
		area.beyond = (struct far_pointer){0, selector_of(loads[i] == jump_beyond ? 7 : 6)};
		fault = catch_fault(loads[i], &selector);
		__asm__ volatile("movw %0, %%es; movw %1, %%fs" ::"r"(es), "r"(fs));
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 13);
		expect_equal(fault.error, 0);
	}
}

static void conforming_is_refused(void)
{
	struct user_desc entry = segment(4, CONFORMING, NULL, 0xfffff);

	expect_equal(write_ldt(entry), -1);
	expect_equal(errno, EINVAL);
	entry.seg_not_present = 1;
	require(write_ldt(entry) == 0);
	expect_equal(fault_of_call(selector_of(4), 0).trap, 11);
}

// What the descriptors say: LSL, LAR, VERR, VERW.
static void queries(void)
{
	static const struct {
		unsigned contents, limit, in_pages, big, read_only, absent;
		uint32_t lsl, lar;
		bool readable, writable;
	} kinds[] = {
	    {DATA, 0x123, 0, 1, 0, 0, 0x123, 0x40f200, true, true},
	    {DATA, 0x12, 1, 1, 1, 0, 0x12fff, 0xc0f000, true, false},
	    {DOWN, 0xfff, 0, 1, 0, 0, 0xfff, 0x40f600, true, true},
	    {CODE, 0xfffff, 1, 1, 0, 0, 0xffffffff, 0xcffa00, true, false},
	    {CODE, 0xff, 0, 0, 0, 0, 0xff, 0x00fa00, true, false},
	    {CODE, 0xff, 0, 1, 1, 0, 0xff, 0x40f800, false, false},
	    {DATA, 0xff, 0, 0, 0, 1, 0xff, 0x007200, true, true},
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct user_desc entry = segment(5, kinds[i].contents, NULL, kinds[i].limit);
		uint32_t selector = selector_of(5), limit = 0, rights = 0;
		uint8_t readable, writable, known;

		entry.limit_in_pages = kinds[i].in_pages;
		entry.seg_32bit = kinds[i].big;
		entry.read_exec_only = kinds[i].read_only;
		entry.seg_not_present = kinds[i].absent;
		entry.useable = 0;
		require(write_ldt(entry) == 0);
		// A monitor brings descriptors in when they are loaded.
		if (!kinds[i].absent && kinds[i].contents == DATA)
			fault_of_read((uint16_t)selector, 0);
		__asm__ volatile("lsl %2, %0; setz %1"
		                 : "+r"(limit), "=q"(known)
		                 : "r"(selector)
		                 : "cc");
		if (on_i386_kernel() && !known)
			todo("lsl does not know a segment that was not loaded yet");
		__asm__ volatile("lar %1, %0" : "+r"(rights) : "r"(selector) : "cc");
		__asm__ volatile("verr %w1; setz %0" : "=q"(readable) : "r"(selector) : "cc");
		__asm__ volatile("verw %w1; setz %0" : "=q"(writable) : "r"(selector) : "cc");
		expect_equal(limit, kinds[i].lsl);
		expect_equal(rights & ~0xf0100u, kinds[i].lar & ~0xf0100u);
		expect_equal(readable, kinds[i].readable);
		expect_equal(writable, kinds[i].writable);
	}
}

// ---- a stack of 16 bits ----

struct far_pointer stack_there, stack_back; // named in assembler
static uint8_t *small_stack;
static volatile uint32_t seen_esp;
static volatile uint16_t seen_ss;
static volatile sig_atomic_t handled;

static void note_esp(int number, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	(void)info;
	seen_esp = (uint32_t)registers[REG_ESP];
	seen_ss = (uint16_t)registers[REG_SS];
	handled++;
}

// One system call with SS:ESP = @selector:@esp; what ESP is behind it, and that the stack works.
static uint32_t call_on_small_stack(uint16_t selector, uint32_t esp, long number, long argument,
                                    long *result)
{
	uint32_t after, popped;

	stack_there = (struct far_pointer){esp, selector};
	__asm__ volatile("movl %%esp, stack_back\n\t"
	                 "movw %%ss, stack_back+4\n\t"
	                 "lss stack_there, %%esp\n\t"
	                 "pushl $0x12345678\n\t"
	                 "int $0x80\n\t"
	                 "popl %1\n\t"
	                 "movl %%esp, %0\n\t"
	                 "lss stack_back, %%esp"
	                 : "=&d"(after), "=&c"(popped), "=&a"(*result)
	                 : "2"(number), "b"(argument), "0"(SIGUSR1), "1"(SIGUSR1)
	                 : "memory", "cc");
	expect_equal(popped, 0x12345678);
	return after;
}

static void stack_of_16_bits(void)
{
	static uint8_t other[65536];
	stack_t alternate = {.ss_sp = other, .ss_size = sizeof(other)};
	struct sigaction action = {.sa_sigaction = note_esp, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	static const uint32_t highs[] = {0, 0x1234, 0xffff, 0xbfff};
	struct user_desc entry;
	long result;

	small_stack = guarded_pages(1);
	entry = segment(6, DATA, small_stack, PAGE - 1);
	entry.seg_32bit = 0;
	require(write_ldt(entry) == 0);
	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (size_t i = 0; i < COUNT(highs); i++) {
		uint32_t esp = highs[i] << 16 | 0xf00;

		for (int turn = 0; turn < 20; turn++) {
			uint32_t after =
			    call_on_small_stack(selector_of(6), esp, SYS_getpid, 0, &result);

			expect_equal(result, getpid());
			if (after != esp)
				todo("ESP is %08x behind a system call, not %08x", after, esp);
		}
		handled = 0;
		expect_equal(call_on_small_stack(selector_of(6), esp, SYS_kill, getpid(), &result),
		             esp);
		expect_equal(handled, 1);
		expect_equal(seen_esp, esp - 4);
		expect_equal(seen_ss, selector_of(6));
	}
}

// ---- frames that IRET refuses ----

static greg_t bad_value;
static int bad_register;

static void spoil(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[bad_register] = bad_value;
}

static void return_badly(void *argument)
{
	(void)argument;
	raise(SIGUSR1);
}

// On x86-64 hosts a stack segment of the LDT makes IRET fault twice (arch/x86/kernel/traps.c,
// espfix64), which its kernel reports as #GP(0).
static void expect_bad_return(const char *what, int reg, greg_t value, unsigned trap,
                              unsigned error)
{
	struct fault fault;

	bad_register = reg;
	bad_value = value;
	fault = catch_fault(return_badly, NULL);
	if (on_i386_kernel()) {
		// The kernel's own name for it (arch/x86/entry/entry_32.S), and its older one.
		int number = kernel_is_at_least(2, 6, 28) ? SIGILL : SIGSEGV;

		if (fault.number != number || fault.code != ILL_BADSTK || fault.trap != 32)
			diag_fault(what, &fault);
		expect_equal(fault.number, number);
		expect_equal(fault.code, ILL_BADSTK);
		expect_equal(fault.trap, 32);
		return;
	}
	if (fault.trap != trap || fault.error != error)
		diag_fault(what, &fault);
	expect(fault.number == SIGSEGV || fault.number == SIGBUS);
	expect_equal(fault.trap, trap);
	expect_equal(fault.error, error);
}

static void bad_frames(void)
{
	struct sigaction action = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO};
	struct user_desc absent_code = segment(7, CODE, NULL, 0xfffff);
	struct user_desc absent_data = segment(8, DATA, NULL, 0xfffff);
	struct user_desc code = segment(9, CODE, NULL, 0xfff);
	struct user_desc constant = segment(10, DATA, NULL, 0xfffff);
	bool rings = on_i386_kernel();

	absent_code.seg_not_present = absent_data.seg_not_present = 1;
	constant.read_exec_only = 1;
	require(write_ldt(absent_code) == 0 && write_ldt(absent_data) == 0);
	require(write_ldt(code) == 0 && write_ldt(constant) == 0);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 3; i++) {
		expect_bad_return("null CS", REG_CS, 0, 13, 0);
		expect_bad_return("CS behind the LDT", REG_CS, 0xff07, 13, 0xff04);
		expect_bad_return("CS of data", REG_CS, selector_of(10), 13, selector_of(10) & ~3u);
		expect_bad_return("CS not present", REG_CS, selector_of(7), 11,
		                  selector_of(7) & ~3u);
		expect_bad_return("null SS", REG_SS, 0, 13, 0);
		expect_bad_return("SS behind the LDT", REG_SS, 0xff07, 13, 0);
		expect_bad_return("SS of code", REG_SS, selector_of(9), 13, 0);
		expect_bad_return("SS read-only", REG_SS, selector_of(10), 13, 0);
		expect_bad_return("SS not present", REG_SS, selector_of(8), 13, 0);
		expect_bad_return("EIP behind the limit of CS", REG_CS, selector_of(9), 13, 0);
		if (rings)
			expect_bad_return("CS of the kernel", REG_CS, 0x60, 13, 0x60);
		if (rings)
			expect_bad_return("SS of the kernel", REG_SS, 0x68, 13, 0x68);
	}
}

// A data segment that cannot be loaded on the way back to the program is null there.
#define AFTER_RETURN(segment)                                                                      \
	static uint16_t segment##_after_return(void)                                               \
	{                                                                                          \
		uint32_t saved, after;                                                             \
		long result;                                                                       \
                                                                                                   \
		__asm__ volatile("movl %%" #segment ", %0\n\t"                                     \
		                 "int $0x80\n\t"                                                   \
		                 "movl %%" #segment ", %1\n\t"                                     \
		                 "movl %0, %%" #segment                                            \
		                 : "=&S"(saved), "=&D"(after), "=a"(result)                        \
		                 : "a"(SYS_kill), "b"(getpid()), "c"(SIGUSR1)                      \
		                 : "memory");                                                      \
		return (uint16_t)after;                                                            \
	}
AFTER_RETURN(ds)
AFTER_RETURN(es)
AFTER_RETURN(fs)
AFTER_RETURN(gs)

static void bad_data_segments(void)
{
	static const struct {
		const char *name;
		int number;
		uint16_t (*after_return)(void);
	} registers[] = {{"DS", REG_DS, ds_after_return},
	                 {"ES", REG_ES, es_after_return},
	                 {"FS", REG_FS, fs_after_return},
	                 {"GS", REG_GS, gs_after_return}};
	struct sigaction action = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO};
	struct user_desc absent = segment(7, DATA, NULL, 0xfffff);
	struct user_desc unreadable = segment(9, CODE, NULL, 0xfff);
	struct user_desc fine = segment(10, DATA, NULL, 0xfffff);
	const uint16_t bad[] = {selector_of(7), selector_of(9), selector_of(400), 0xff07,
	                        on_i386_kernel() ? 0x68 : 0x18};

	absent.seg_not_present = unreadable.read_exec_only = fine.limit_in_pages = 1;
	require(write_ldt(absent) == 0 && write_ldt(unreadable) == 0 && write_ldt(fine) == 0);
	sigaction(SIGUSR1, &action, NULL);
	for (size_t r = 0; r < COUNT(registers); r++) {
		bad_register = registers[r].number;
		for (size_t i = 0; i < COUNT(bad); i++) {
			uint16_t after;

			bad_value = bad[i];
			after = registers[r].after_return();
			if (after)
				diag("%s is %x behind a frame with %x", registers[r].name, after,
				     bad[i]);
			expect_equal(after, 0);
		}
		bad_value = selector_of(10);
		expect_equal(registers[r].after_return(), selector_of(10));
	}
}

// Flags that sigreturn must not set, and those it must.
static volatile greg_t flags_after;

static void note_flags(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	flags_after = ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
}

static void flags_of_frames(void)
{
	struct sigaction action = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO};
	struct sigaction note = {.sa_sigaction = note_flags, .sa_flags = SA_SIGINFO};
	uint32_t flags;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &note, NULL);
	bad_register = REG_EFL;
	bad_value = 0x3 | 0x3000 | 0x4000 | 0x20000 | 0x200000; // CF, IOPL, NT, VM, ID; no IF
	raise(SIGUSR1);
	__asm__ volatile("pushf; popl %0" : "=r"(flags));
	expect_equal(flags & 0x3000, 0);
	expect_equal(flags & 0x20000, 0);
	expect(flags & 0x200);
	raise(SIGUSR2);
	expect(flags_after & 0x200);
	expect_equal(flags_after & 0x23000, 0);
}

const struct check kind_checks[] = {
    {"code segments with a base, a limit, execute-only, absent", code_with_base},
    {"code segments of 16 bits", code_of_16_bits},
    {"segments that expand down", expanding_down},
    {"selectors beyond the limit of their segment are not loaded", limits_of_selectors},
    {"conforming segments are refused", conforming_is_refused},
    {"lsl, lar, verr, verw of every kind", queries},
    {"a stack segment of 16 bits: ESP is kept whole", stack_of_16_bits},
    {"returns into frames that IRET refuses", bad_frames},
    {"returns with data segments that cannot be loaded", bad_data_segments},
    {"flags that a return may and may not set", flags_of_frames},
    {0},
};
