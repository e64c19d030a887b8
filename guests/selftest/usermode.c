// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the architecture forbids user code, and what it shows it.

#include "selftest.h"

#include <sys/io.h>

static void interrupt_flag(void)
{
	expect(read_flags() & EFLAGS_IF);
	write_flags(read_flags() & ~EFLAGS_IF);
	expect(read_flags() & EFLAGS_IF);
	write_flags(read_flags() | EFLAGS_IOPL);
	expect_equal(read_flags() & EFLAGS_IOPL, 0);
	write_flags(read_flags() | 0xcd5); // the arithmetic flags and DF are the program's
	expect_equal(read_flags() & 0xcd5, 0xcd5);
	write_flags(read_flags() & ~0xcd5u);
	expect_equal(read_flags() & 0xcd5, 0);
	// AC is kept; ID can be toggled: there is CPUID.
	write_flags(read_flags() ^ 0x200000);
	expect(read_flags() & 0x200000);
}

// Instructions that are #GP at CPL 3; each as code bytes with a ret behind them.
static const struct {
	const char *name;
	uint8_t code[8];
	unsigned error;
} forbidden[] = {
    {"cli", {0xfa, 0xc3}, 0},
    {"sti", {0xfb, 0xc3}, 0},
    {"hlt", {0xf4, 0xc3}, 0},
    {"mov %cr0, %eax", {0x0f, 0x20, 0xc0, 0xc3}, 0},
    {"mov %cr3, %eax", {0x0f, 0x20, 0xd8, 0xc3}, 0},
    {"mov %eax, %cr3", {0x0f, 0x22, 0xd8, 0xc3}, 0},
    {"mov %db7, %eax", {0x0f, 0x21, 0xf8, 0xc3}, 0},
    {"clts", {0x0f, 0x06, 0xc3}, 0},
    {"invd", {0x0f, 0x08, 0xc3}, 0},
    {"wbinvd", {0x0f, 0x09, 0xc3}, 0},
    {"rdmsr", {0x0f, 0x32, 0xc3}, 0},
    {"wrmsr", {0x0f, 0x30, 0xc3}, 0},
    {"lgdt (%esp)", {0x0f, 0x01, 0x14, 0x24, 0xc3}, 0},
    {"lidt (%esp)", {0x0f, 0x01, 0x1c, 0x24, 0xc3}, 0},
    {"lmsw %ax", {0x0f, 0x01, 0xf0, 0xc3}, 0},
    {"ltr %ax", {0x0f, 0x00, 0xd8, 0xc3}, 0},
    {"lldt %ax", {0x0f, 0x00, 0xd0, 0xc3}, 0},
    {"invlpg (%esp)", {0x0f, 0x01, 0x3c, 0x24, 0xc3}, 0},
    {"in $0x60, %al", {0xe4, 0x60, 0xc3}, 0},
    {"out %al, $0x80", {0xe6, 0x80, 0xc3}, 0},
    {"in %dx, %eax", {0xed, 0xc3}, 0},
    {"outsb", {0x6e, 0xc3}, 0},
    {"int $0x81", {0xcd, 0x81, 0xc3}, 0x81 * 8 + 2},
    {"int $0x20", {0xcd, 0x20, 0xc3}, 0x20 * 8 + 2},
    {"int $0x0e", {0xcd, 0x0e, 0xc3}, 0x0e * 8 + 2},
    {"int $0x30", {0xcd, 0x30, 0xc3}, 0x30 * 8 + 2},
};

static void call_code(void *code)
{
	__asm__ volatile("call *%0" ::"r"(code) : "eax", "ecx", "edx", "memory", "cc");
}

static uint8_t *code_page(void)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
	                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(page != MAP_FAILED);
	return page;
}

static void privileged(void)
{
	uint8_t *page = code_page();

	for (size_t i = 0; i < COUNT(forbidden); i++) {
		uint8_t *code = page + 32 * i;
		struct fault fault;

		memcpy(code, forbidden[i].code, sizeof(forbidden[i].code));
		fault = catch_fault(call_code, code);
		if (fault.number != SIGSEGV || fault.trap != 13 || fault.eip != (uintptr_t)code ||
		    fault.error != forbidden[i].error || fault.code != SI_KERNEL || fault.address)
			diag_fault(forbidden[i].name, &fault);
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 13);
		expect_equal(fault.eip, (uintptr_t)code);
		expect_equal(fault.error, forbidden[i].error);
		expect_equal(fault.code, SI_KERNEL);
		expect_equal(fault.address, 0);
	}
	expect(read_flags() & EFLAGS_IF);
}

// Allowed without UMIP; with it a fault, or an emulated answer.
static const struct {
	const char *name;
	uint8_t code[8];
} revealing[] = {
    {"sgdt", {0x83, 0xec, 0x10, 0x0f, 0x01, 0x04, 0x24}},
    {"sidt", {0x83, 0xec, 0x10, 0x0f, 0x01, 0x0c, 0x24}},
    {"smsw %eax", {0x0f, 0x01, 0xe0, 0x83, 0xec, 0x10}},
    {"sldt %eax", {0x0f, 0x00, 0xc0, 0x83, 0xec, 0x10}},
    {"str %eax", {0x0f, 0x00, 0xc8, 0x83, 0xec, 0x10}},
};

static void descriptor_tables(void)
{
	static const uint8_t leave[] = {0x83, 0xc4, 0x10, 0xc3};
	uint8_t *page = code_page();

	for (size_t i = 0; i < COUNT(revealing); i++) {
		uint8_t *code = page + 32 * i;
		size_t length = i < 2 ? 7 : 6;
		struct fault fault;

		memcpy(code, revealing[i].code, length);
		memcpy(code + length, leave, sizeof(leave));
		fault = catch_fault(call_code, code);
		if (fault.number) {
			expect_equal(fault.number, SIGSEGV);
			expect_equal(fault.trap, 13);
		}
		diag("%s: %s", revealing[i].name, fault.number ? "refused (UMIP)" : "answered");
	}
}

static void selector_queries(void)
{
	for (uint32_t selector = 0; selector < 0x10000; selector += selector < 0x200 ? 1 : 251) {
		uint32_t limit = 0, rights = 0;
		uint8_t readable, writable;

		__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"(selector) : "cc");
		__asm__ volatile("lar %1, %0" : "+r"(rights) : "r"(selector) : "cc");
		__asm__ volatile("verr %w1; setz %0" : "=q"(readable) : "r"(selector) : "cc");
		__asm__ volatile("verw %w1; setz %0" : "=q"(writable) : "r"(selector) : "cc");
	}
}

// The kernel's own segments are not a program's to know of, the flat ones are.
static void flat_segments(void)
{
	static const struct {
		uint16_t own, host;
		uint32_t rights;
		bool writable;
	} flat[] = {{0x73, 0x23, 0xc0fa00, false}, {0x7b, 0x2b, 0xc0f200, true}};
	static const uint16_t kernels[][2] = {{0x60, 0x10}, {0x68, 0x18}};
	bool guest = on_i386_kernel();

	for (size_t i = 0; i < COUNT(kernels); i++) {
		uint8_t known;

		__asm__ volatile("lar %1, %%eax; setz %0"
		                 : "=q"(known)
		                 : "r"((uint32_t)kernels[i][!guest])
		                 : "eax", "cc");
		expect(!known);
	}
	for (size_t i = 0; i < COUNT(flat); i++) {
		uint32_t selector = guest ? flat[i].own : flat[i].host, rights = 0, limit = 0;
		uint8_t readable, writable;

		__asm__ volatile("lar %1, %0" : "+r"(rights) : "r"(selector) : "cc");
		__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"(selector) : "cc");
		__asm__ volatile("verr %w1; setz %0" : "=q"(readable) : "r"(selector) : "cc");
		__asm__ volatile("verw %w1; setz %0" : "=q"(writable) : "r"(selector) : "cc");
		// docs/architecture.md, 13: these ask the host's table.
		if (guest && (rights & 0xf0fe00) != flat[i].rights)
			todo("lar of %x is %x", selector, rights);
		expect_equal(rights & 0xf0fe00, flat[i].rights);
		expect_equal(limit, 0xffffffff);
		expect(readable);
		expect_equal(writable, flat[i].writable);
	}
}

static void own_segments(void)
{
	uint32_t rights = 0;
	uint16_t cs, ds, ss;
	bool valid;

	__asm__ volatile("movw %%cs, %0; movw %%ds, %1; movw %%ss, %2"
	                 : "=r"(cs), "=r"(ds), "=r"(ss));
	expect_equal(cs & 3, 3);
	expect_equal(ds & 3, 3);
	expect_equal(ss & 3, 3);
	// docs/architecture.md, "Segments": a monitor without rings cannot hide its own.
	if (on_i386_kernel() && (cs != 0x73 || ds != 0x7b || ss != 0x7b))
		todo("cs %x ds %x ss %x instead of 73 7b 7b", cs, ds, ss);
	expect_equal(cs & 4, 0);
	__asm__ volatile("lar %2, %0; setz %b1"
	                 : "=r"(rights), "=q"(valid)
	                 : "r"((uint32_t)cs)
	                 : "cc");
	if (!valid)
		todo("lar does not know the program's own code segment");
	expect_equal(rights >> 8 & 0xf8, 0xf8); // present, ring 3, code
}

static void read_byte(void *address)
{
	(void)*(volatile uint8_t *)address;
}

static void write_byte(void *address)
{
	*(volatile uint8_t *)address = 0;
}

static void jump_to(void *address)
{
	((void (*)(void))address)();
}

static void kernel_addresses(void)
{
	const uintptr_t first = user_end(),
	                addresses[] = {
	                    first,      first + 0x100000, first + 0x1000000, first + 0x1000123,
	                    0xf7ff0000, 0xff800000,       0xffc00000,        0xffffe000,
	                    0xfffff000, 0xffffffff};
	static void (*const accesses[])(void *) = {read_byte, write_byte, jump_to};
	unsigned unnamed = 0;

	// The native host has nothing to hide below 4 GiB but its program's own libraries and
	// stack.
	for (size_t i = on_i386_kernel() ? 0 : COUNT(addresses) - 3; i < COUNT(addresses); i++) {
		for (size_t access = 0; access < COUNT(accesses); access++) {
			struct fault fault = catch_fault(accesses[access], (void *)addresses[i]);

			// docs/architecture.md, "Segments": the kernel's code can be executed, and
			// what it does there is anything.
			if (accesses[access] != jump_to)
				require(fault.number == SIGSEGV);
			if (fault.address != addresses[i]) {
				diag_fault("kernel address", &fault);
				diag("    wanted %08lx (access %zu)", (unsigned long)addresses[i],
				     access);
				unnamed++;
			}
		}
	}
	if (unnamed)
		todo("si_addr is not the address for %u of the accesses", unnamed);
}

// The kernel refuses its own addresses as arguments of system calls, too.
static void kernel_addresses_in_calls(void)
{
	void *kernel = (void *)(user_end() + 0x1000000);
	int pipes[2];

	if (!on_i386_kernel())
		skip("all of 4 GiB is user space here");
	require(pipe(pipes) == 0);
	expect_equal(write(pipes[1], kernel, 16), -1);
	expect_equal(errno, EFAULT);
	require(write(pipes[1], "abcd", 4) == 4);
	expect_equal(read(pipes[0], kernel, 4), -1);
	expect_equal(errno, EFAULT);
	expect_equal(write(pipes[1], (void *)0xfffffff0, 64), -1);
	expect_equal(errno, EFAULT);
}

static void touch_port(void *port)
{
	outb(0, (unsigned short)(uintptr_t)port);
}

// Port 0x80 takes anything and does nothing.
static void port_permission(void)
{
	struct fault fault;

	if (!on_i386_kernel())
		skip("real ports are left alone");
	require(ioperm(0x80, 1, 1) == 0);
	fault = catch_fault(touch_port, (void *)0x80);
	expect_equal(fault.number, 0);
	fault = catch_fault(touch_port, (void *)0x81);
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	require(ioperm(0x80, 1, 0) == 0);
	fault = catch_fault(touch_port, (void *)0x80);
	expect_equal(fault.number, SIGSEGV);
}

// Linux grants ports by iopl() but not the interrupt flag.
static void iopl_keeps_interrupts(void)
{
	uint8_t *page = code_page();
	struct fault fault;

	if (!on_i386_kernel())
		skip("real ports are left alone");
	require(iopl(3) == 0);
	fault = catch_fault(touch_port, (void *)0x80);
	expect_equal(fault.number, 0);
	memcpy(page, forbidden[0].code, sizeof(forbidden[0].code));
	fault = catch_fault(call_code, page);
	expect(read_flags() & EFLAGS_IF);
	diag("cli after iopl(3): %s", fault.number ? "SIGSEGV" : "ignored");
}

// Loading these would give a program of the guest the host's flat segments.
static void load_es(void *selector)
{
	__asm__ volatile("movw %w0, %%es" ::"r"(selector));
}

// Into that code segment and back; the bytes mean the same in 64-bit mode.
static void far_jump(void *selector)
{
	struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) there = {0, (uint16_t)(uintptr_t)selector}, back = {0, 0};

	__asm__ volatile("movw %%cs, %0" : "=r"(back.selector));
	__asm__ volatile("movl $1f, (%0); movl $2f, (%1); ljmp *(%0)\n\t"
	                 "1: ljmp *(%1)\n\t"
	                 "2:" ::"c"(&there),
	                 "d"(&back)
	                 : "memory");
}

// In a child: such a selector may be refused at once or only when it is noticed.
static bool child_survives(void (*body)(void *), uint16_t selector)
{
	pid_t child = fork();
	int status = 0;

	require(child >= 0);
	if (!child) {
		body((void *)(uintptr_t)selector);
		getppid();
		_exit(0);
	}
	require(waitpid(child, &status, 0) == child);
	return WIFEXITED(status);
}

static void foreign_selectors(void)
{
	static const uint16_t selectors[] = {0x23, 0x2b}, code_selectors[] = {0x23, 0x33};
	unsigned accepted = 0;

	if (!on_i386_kernel())
		skip("these are the host's own");
	for (size_t i = 0; i < COUNT(selectors); i++)
		accepted += child_survives(load_es, selectors[i]);
	for (size_t i = 0; i < COUNT(code_selectors); i++)
		accepted += child_survives(far_jump, code_selectors[i]);
	if (accepted)
		todo("%u selectors that i386 Linux does not have can be loaded", accepted);
}

// A program that returns to itself: IF stays 1 whatever the frame says.
static void own_returns(void)
{
	uint32_t value = 0;

	__asm__ volatile("pushf; andl $~0x200, (%%esp); pushl %%cs; pushl $1f; iretl; ud2\n\t"
	                 "1: addl $1, %0\n\t"
	                 "pushl %%cs; pushl $2f; lretl; ud2\n\t"
	                 "2: addl $1, %0"
	                 : "+r"(value)
	                 :
	                 : "memory", "cc");
	expect_equal(value, 2);
	expect(read_flags() & EFLAGS_IF);
}

struct flagged {
	uint32_t flag, page, entry, by_interrupt, by_vdso, flags_after;
};

// Enters the kernel by int, page fault and vDSO with the flag set, and leaves it cleared.
static void enter_with_flag(struct flagged *run)
{
	__asm__ volatile("pushf; movl (%0), %%eax; orl %%eax, (%%esp); popf\n\t"
	                 "movl %1, %%eax; int $0x80; movl %%eax, 12(%0)\n\t"
	                 "movl 4(%0), %%ecx; movl $1, (%%ecx)\n\t"
	                 "movl %1, %%eax; call *8(%0); movl %%eax, 16(%0)\n\t"
	                 "pushf; popl 20(%0)\n\t"
	                 "pushf; movl (%0), %%eax; notl %%eax; andl %%eax, (%%esp); popf"
	                 :
	                 : "D"(run), "i"(SYS_getpid)
	                 : "eax", "ecx", "memory", "cc");
}

// Flags that would disturb a kernel, or a monitor, that keeps them.
static void flags_on_entry(void)
{
	static const uint32_t flags[] = {0x400 /* DF */, 0x4000 /* NT */, 0x40000 /* AC */};
	struct flagged run;
	uint32_t *page;

	for (size_t i = 0; i < COUNT(flags); i++) {
		for (int times = 0; times < 50; times++) {
			page = guarded_pages(1);
			run = (struct flagged){
			    .flag = flags[i], .page = (uint32_t)page, .entry = vsyscall_entry()};
			if (!run.entry)
				skip("no AT_SYSINFO");
			enter_with_flag(&run);
			require(run.by_interrupt == (uint32_t)getpid());
			require(run.by_vdso == (uint32_t)getpid());
			require(*page == 1);
			if (flags[i] != 0x4000)
				require(run.flags_after & flags[i]);
		}
	}
}

static void read_unaligned(void *address)
{
	uint32_t value;

	__asm__ volatile("pushf; orl $0x40000, (%%esp); popf\n\t"
	                 "movl (%1), %0\n\t"
	                 "pushf; andl $~0x40000, (%%esp); popf"
	                 : "=&r"(value)
	                 : "r"(address)
	                 : "memory", "cc");
}

static void alignment_check(void)
{
	uint8_t *page = guarded_pages(1);
	struct fault fault = catch_fault(read_unaligned, page + 4);

	expect_equal(fault.number, 0);
	fault = catch_fault(read_unaligned, page + 1);
	write_flags(read_flags() & ~0x40000u);
	if (!fault.number)
		todo("no #AC (QEMU TCG has none)");
	expect_equal(fault.number, SIGBUS);
	expect_equal(fault.code, BUS_ADRALN);
	expect_equal(fault.trap, 17);
}

// 32-bit Linux leaves this instruction switched off.
static ucontext_t undefined_at;
static siginfo_t undefined_info;

static void on_undefined(int number, siginfo_t *info, void *context)
{
	(void)number;
	undefined_info = *info;
	undefined_at = *(ucontext_t *)context;
	undefined_at.uc_mcontext.fpregs = NULL;
	// The next instruction is RET.
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EIP] += 2;
}

static void execute_syscall(void *code)
{
	struct sigaction action = {.sa_sigaction = on_undefined, .sa_flags = SA_SIGINFO};

	sigaction(SIGILL, &action, NULL);
	memset(&undefined_at, 0, sizeof(undefined_at));
	__asm__ volatile("pushl %%ebp; movl $0x5ebeb0b0, %%ebp; stc; call *%%esi; popl %%ebp"
	                 :
	                 : "a"(SYS_getpid), "b"(0x0b0b0b0b), "c"(0x0c0c0c0c), "d"(0x0d0d0d0d),
	                   "S"(code), "D"(0x0d1d1d1d)
	                 : "memory", "cc");
}

static void syscall_instruction(void)
{
	static const uint8_t code[] = {0x90, 0x90, 0x90, 0x0f, 0x05, 0xc3};
	const greg_t *regs = undefined_at.uc_mcontext.gregs;
	uint8_t *page = code_page();

	if (!on_i386_kernel())
		skip("an x86-64 kernel has a use for it");
	for (unsigned at = 0; at < PAGE; at += 1000) {
		// More than one of them in the page.
		memcpy(page + at, code, sizeof(code));
		execute_syscall(page + at);
		expect_equal(undefined_info.si_signo, SIGILL);
		expect_equal(undefined_info.si_code, ILL_ILLOPN);
		expect_equal((uintptr_t)undefined_info.si_addr, (uintptr_t)page + at + 3);
		expect_equal(regs[REG_TRAPNO], 6);
		expect_equal(regs[REG_ERR], 0);
		expect_equal((uintptr_t)regs[REG_EIP], (uintptr_t)page + at + 3);
		expect_equal(regs[REG_EAX], SYS_getpid);
		expect_equal(regs[REG_EBX], 0x0b0b0b0b);
		expect_equal(regs[REG_EDX], 0x0d0d0d0d);
		expect_equal((uintptr_t)regs[REG_ESI], (uintptr_t)page + at);
		expect_equal(regs[REG_EDI], 0x0d1d1d1d);
		expect_equal(regs[REG_EBP], 0x5ebeb0b0);
		expect(regs[REG_EFL] & 1);
		expect_equal(regs[REG_CS], 0x73);
		expect_equal(regs[REG_SS], 0x7b);
	}
}

static void syscall_keeps_ecx(void)
{
	static const uint8_t code[] = {0x0f, 0x05, 0xc3};
	uint8_t *page = code_page();

	if (!on_i386_kernel())
		skip("an x86-64 kernel has a use for it");
	memcpy(page, code, sizeof(code));
	execute_syscall(page);
	if ((uintptr_t)undefined_at.uc_mcontext.gregs[REG_ECX] == (uintptr_t)page + 2)
		todo("ecx is the address behind it: an AMD processor has put it there");
	expect_equal(undefined_at.uc_mcontext.gregs[REG_ECX], 0x0c0c0c0c);
}

static void bad_selectors(void)
{
	static const uint16_t selectors[] = {0xfffb, 0xffff, 0x60, 0x68, 0x10};

	for (size_t i = 0; i < COUNT(selectors); i++) {
		struct fault fault = catch_fault(load_es, (void *)(uintptr_t)selectors[i]);

		if (selectors[i] < 0x100 && !on_i386_kernel())
			continue;
		if (fault.number != SIGSEGV || fault.trap != 13 ||
		    fault.error != (selectors[i] & 0xfffcu)) {
			diag_fault("load", &fault);
			diag("    selector 0x%x", selectors[i]);
		}
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 13);
		expect_equal(fault.error, selectors[i] & 0xfffcu);
	}
}

const struct check usermode_checks[] = {
    {"pushf and popf: IF stays 1, IOPL 0", interrupt_flag},
    {"privileged instructions: SIGSEGV, trap 13, error code", privileged},
    {"sgdt, sidt, smsw, sldt, str answer or fault as with UMIP", descriptor_tables},
    {"lsl, lar, verr, verw of any selector", selector_queries},
    {"lar, lsl, verr, verw of the flat segments", flat_segments},
    {"the program's own segments", own_segments},
    {"kernel addresses: SIGSEGV", kernel_addresses},
    {"kernel addresses in system calls: EFAULT", kernel_addresses_in_calls},
    {"ioperm grants one port", port_permission},
    {"iopl grants ports, not the interrupt flag", iopl_keeps_interrupts},
    {"iret and lret within the program", own_returns},
    {"entering the kernel with DF, NT or AC set", flags_on_entry},
    {"alignment check: SIGBUS", alignment_check},
    {"the syscall instruction: SIGILL, at its place", syscall_instruction},
    {"the syscall instruction keeps ECX", syscall_keeps_ecx},
    {"selectors of an x86-64 host", foreign_selectors},
    {"selectors that do not exist", bad_selectors},
    {0},
};
