// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a processor does to the letter: addresses, error codes and flags of faults, steps and
// frames.

#include "selftest.h"

enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, RF = 0x10000 };
enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

// The first address no program can use, whatever it maps.
static uintptr_t user_end(void)
{
	return on_i386_kernel() ? 0xc0000000 : 0xffffe000;
}

static uint8_t *code_page(void)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
	                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(page != MAP_FAILED);
	return page;
}


// --- accesses behind the user half: every way to name an address
// -------------------------------------------------------------------------------------------

// All registers hold the end of the user half but @inside, which names memory of the program.
static const struct {
	const char *name;
	uint8_t code[12], length;
	uint8_t inside; // register, or 8: none
	int32_t where;  // of the access, from the end of the user half
	unsigned error;
} behind[] = {
    {"mov (%eax), %ebx", {0x8b, 0x18}, 2, 8, 0, 0},
    {"mov %ebx, 4(%eax)", {0x89, 0x58, 4}, 3, 8, 4, PF_WRITE},
    {"mov 8(%ebp), %eax", {0x8b, 0x45, 8}, 3, 8, 8, 0},
    {"mov %eax, (%esp)", {0x89, 0x04, 0x24}, 3, 8, 0, PF_WRITE},
    {"add %ecx, (%edx)", {0x01, 0x0a}, 2, 8, 0, PF_WRITE},
    {"cmp %ecx, (%edx)", {0x39, 0x0a}, 2, 8, 0, 0},
    {"test $1, (%edx)", {0xf6, 0x02, 0x01}, 3, 8, 0, 0},
    {"not (%edx)", {0xf7, 0x12}, 2, 8, 0, PF_WRITE},
    {"mov %es:16(%edi), %al", {0x26, 0x8a, 0x47, 16}, 4, 8, 16, 0},
    {"push %eax", {0x83, 0xc4, 0x40, 0x50}, 4, 8, 0x3c, PF_WRITE},
    {"pop %eax", {0x58}, 1, 8, 0, 0},
    {"pusha", {0x83, 0xc4, 0x40, 0x60}, 4, 8, 0x3c, PF_WRITE},
    {"popa", {0x61}, 1, 8, 0, 0},
    {"ret", {0xc3}, 1, 8, 0, 0},
    {"leave", {0xc9}, 1, 8, 0, 0},
    {"call *(%eax)", {0xff, 0x10}, 2, ESP, 0, 0},
    {"push (%eax)", {0xff, 0x30}, 2, ESP, 0, 0},
    {"pop (%eax)", {0x8f, 0x00}, 2, ESP, 0, PF_WRITE},
    {"movsb from there", {0xa4}, 1, EDI, 0, 0},
    {"movsl to there", {0xa5}, 1, ESI, 0, PF_WRITE},
    {"rep stosl", {0xf3, 0xab}, 2, 8, 0, PF_WRITE},
    {"lodsb", {0xac}, 1, 8, 0, 0},
    {"scasb", {0xae}, 1, 8, 0, 0},
    {"xlat", {0x30, 0xc0, 0xd7}, 3, 8, 0, 0},
    {"setz (%ecx)", {0x0f, 0x94, 0x01}, 3, 8, 0, PF_WRITE},
    {"bts %eax, (%ecx)", {0x6a, 0x61, 0x58, 0x0f, 0xab, 0x01}, 6, ESP, 12, PF_WRITE},
    {"cmpxchg8b (%esi)", {0x0f, 0xc7, 0x0e}, 3, 8, 0, PF_WRITE},
    {"fldt (%eax)", {0xdb, 0x28}, 2, 8, 0, 0},
    {"fstps (%eax)", {0xd9, 0x18}, 2, 8, 0, PF_WRITE},
    {"fnstcw (%eax)", {0xd9, 0x38}, 2, 8, 0, PF_WRITE},
    {"movups (%eax), %xmm0", {0x0f, 0x10, 0x00}, 3, 8, 0, 0},
    {"movaps %xmm0, (%eax)", {0x0f, 0x29, 0x00}, 3, 8, 0, PF_WRITE},
    {"movntdq %xmm0, (%eax)", {0x66, 0x0f, 0xe7, 0x00}, 4, 8, 0, PF_WRITE},
    {"addss (%eax), %xmm0", {0xf3, 0x0f, 0x58, 0x00}, 4, 8, 0, 0},
};

static size_t set_registers(uint8_t *code, uint32_t value, unsigned inside, uint32_t memory)
{
	size_t n = 0;

	for (unsigned reg = 0; reg < 8; reg++, n += 4) {
		uint32_t v = reg == inside ? memory : value;

		code[n++] = (uint8_t)(0xb8 + reg);
		memcpy(code + n, &v, 4);
	}
	return n;
}

static void run_without_return(void *code)
{
	__asm__ volatile("jmp *%0" ::"r"(code) : "memory");
}

static void accesses_behind(void)
{
	static uint32_t room[64];
	uint8_t *page = code_page();

	for (size_t i = 0; i < COUNT(behind); i++) {
		uintptr_t at = user_end() + (uintptr_t)behind[i].where;
		size_t n = set_registers(page, (uint32_t)user_end(), behind[i].inside,
		                         (uint32_t)(uintptr_t)&room[32]);
		struct fault fault;

		memcpy(page + n, behind[i].code, behind[i].length);
		memcpy(page + n + behind[i].length, "\x0f\x0b", 2);
		fault = catch_fault(run_without_return, page);
		fpu_reset();
		// A push of several words may report any of them.
		if (behind[i].code[3] == 0x60 && fault.address >= at - 32 && fault.address <= at)
			fault.address = at;
		if (fault.number != SIGSEGV || fault.trap != 14 || fault.address != at ||
		    (fault.error & ~(unsigned)PF_PRESENT) != (behind[i].error | PF_USER)) {
			diag_fault(behind[i].name, &fault);
			diag("    wanted %08lx, error %x", (unsigned long)at,
			     behind[i].error | PF_USER);
		}
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.code == SEGV_MAPERR || fault.code == SEGV_ACCERR, 1);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, at);
		expect_equal(fault.error & ~(unsigned)PF_PRESENT, behind[i].error | PF_USER);
	}
}

// An access that begins in the last page of the user half reports the first byte behind it.
static void accesses_over_the_end(void)
{
	uint8_t *last = (uint8_t *)user_end() - PAGE;
	uint8_t *page = code_page();
	static const uint8_t codes[][4] = {{0x8b, 0x18}, {0xdd, 0x18}, {0x0f, 0x11, 0x00}};

	if (mmap(last, PAGE, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != last)
		skip("the last page of the user half is taken: %s", strerror(errno));
	for (size_t i = 0; i < COUNT(codes); i++) {
		size_t n = set_registers(page, (uint32_t)user_end() - 2, 8, 0);
		struct fault fault;

		memcpy(page + n, codes[i], 3);
		fault = catch_fault(run_without_return, page);
		fpu_reset();
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, user_end());
		expect_equal(!!(fault.error & PF_WRITE), i > 0);
	}
	munmap(last, PAGE);
}

// A jump there is a fault of the fetch, not of what the bytes there would do.
static void jumps_behind(void)
{
	static const uintptr_t distances[] = {0, 1, 0x3000, 0x03f00123, 0x10000000, 0x30000001};
	uintptr_t last = 0xfffffffe;

	for (size_t i = 0; i <= COUNT(distances); i++) {
		uintptr_t at = i < COUNT(distances) ? user_end() + distances[i] : last;
		struct fault fault;

		if (at < user_end())
			continue;
		fault = catch_fault(run_without_return, (void *)at);
		if (fault.address != at)
			diag_fault("jump", &fault);
		expect_equal(fault.number, SIGSEGV);
		expect_equal(fault.trap, 14);
		expect_equal(fault.address, at);
		expect_equal(fault.eip, at);
		expect_equal(fault.error & (PF_WRITE | PF_USER), PF_USER);
	}
}

const struct check exact_checks[] = {
    {"accesses behind the user half: si_addr, error code", accesses_behind},
    {"accesses over the end of the user half", accesses_over_the_end},
    {"jumps behind the user half", jumps_behind},
    {0},
};
