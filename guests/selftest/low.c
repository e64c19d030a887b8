// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory at the first addresses: what DOS emulators, Wine and old programs map there.
// A monitor on a host that maps nothing there (vm.mmap_min_addr) has to help every access.

#include "selftest.h"

#include <fcntl.h>
#include <sys/time.h>

#define FIRST 0x1000u
#define END   0x12000u // beyond the 64 KiB

static uint8_t *low;

static void map_low(void)
{
	low = mmap((void *)FIRST, END - FIRST, PROT_READ | PROT_WRITE | PROT_EXEC,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (low == MAP_FAILED)
		skip("nothing may be mapped at 0x%x here: %s", FIRST, strerror(errno));
	require((uintptr_t)low == FIRST);
}

static uint8_t *at(uintptr_t address)
{
	return (uint8_t *)address;
}

#define RUN(text, ...) __asm__ volatile(text : : __VA_ARGS__ : "memory", "cc", "eax", "edx")

static void plain_accesses(void)
{
	uint8_t *p;

	map_low();
	// In a page, over the end of one, and over the end of the 64 KiB.
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t places[3] = {0x1010, 0x1ffe, 0xfffe};

		p = at(places[i]);
		RUN("movl $0x12345678, (%0)", "r"(p));
		expect_equal(*(volatile uint32_t *)p, 0x12345678);
		RUN("addl $1, (%0); incl (%0); notl (%0); xorw $0xff, 2(%0); negb (%0)", "r"(p));
		expect_equal(*(volatile uint32_t *)p, 0xed34a97b);
		expect_equal(p[3], 0xed);
		RUN("movl $5, (%0); movl $5, %%eax; movl $9, %%edx; lock cmpxchgl %%edx, (%0)",
		    "r"(p));
		expect_equal(*(volatile uint32_t *)p, 9);
		RUN("xchgl %%eax, (%0); movzbl (%0), %%edx; btsl $31, (%0); shll $1, (%0)", "r"(p));
	}
}

static void stack_operands(void)
{
	uint32_t a = 0, b = 0;

	map_low();
	*(volatile uint32_t *)at(0x2000) = 77;
	__asm__ volatile("pushl (%2)\n"
	                 "popl %0\n"
	                 "pushl $88\n"
	                 "popl 4(%2)\n"
	                 "movl 4(%2), %1\n"
	                 : "=&r"(a), "=&r"(b)
	                 : "r"(0x2000)
	                 : "memory");
	expect_equal(a, 77);
	expect_equal(b, 88);
}

static void vectors_and_x87(void)
{
	double d = 2.5, back = 0;
	uint8_t in[16], out[16];

	map_low();
	for (unsigned i = 0; i < 16; i++)
		in[i] = (uint8_t)(i * 7);
	__asm__ volatile("movups (%0), %%xmm0\n"
	                 "movups %%xmm0, (%2)\n"
	                 "movups (%2), %%xmm1\n"
	                 "movups %%xmm1, (%1)\n"
	                 :
	                 : "r"(in), "r"(out), "r"(0xfff9)
	                 : "memory");
	expect(!memcmp(in, out, 16));
	__asm__ volatile("fldl (%0)\n"
	                 "fstpl (%2)\n"
	                 "fldl (%2)\n"
	                 "fstpl (%1)\n"
	                 :
	                 : "r"(&d), "r"(&back), "r"(0x1ffc)
	                 : "memory");
	expect(back == 2.5);
}

static void move_bytes(uintptr_t to, uintptr_t from, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void strings(void)
{
	static uint8_t high[300];
	uintptr_t to;
	size_t n;

	map_low();
	for (unsigned i = 0; i < sizeof(high); i++)
		high[i] = (uint8_t)(i ^ 0x5a);
	move_bytes(0xff80, (uintptr_t)high, 300); // up, over the 64 KiB
	expect(!memcmp(at(0xff80), high, 300));
	move_bytes(0x1f00, 0xff80, 300); // both low
	expect(!memcmp(at(0x1f00), high, 300));
	memset(high, 0, sizeof(high));
	move_bytes((uintptr_t)high, 0x1f00, 300);
	for (unsigned i = 0; i < sizeof(high); i++)
		require(high[i] == (uint8_t)(i ^ 0x5a));
	to = 0x5000;
	n = 20;
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(0x01020304) : "memory");
	expect_equal(to, 0x5050);
	expect_equal(*(volatile uint32_t *)at(0x504c), 0x01020304);
	expect_equal(at(0x5050)[0], 0);
}

// Code at the beginning, at the ends of pages, and over the end of the 64 KiB.
static uint32_t helper_calls;

static void helper(void)
{
	helper_calls++;
}

static void code(void)
{
	static const uint8_t bytes[] = {
	    0x53,                      // push %ebx
	    0x56,                      // push %esi
	    0xbb, 10,   0,    0,    0, // mov $10, %ebx
	    0x31, 0xf6,                // xor %esi, %esi
	    0xff, 0x54, 0x24, 0x0c,    // 1: call *12(%esp): up and back
	    0x01, 0xde,                // add %ebx, %esi
	    0x4b,                      // dec %ebx
	    0x75, 0xf7,                // jnz 1b
	    0xb8, 20,   0,    0,    0, // mov $20, %eax (getpid)
	    0xcd, 0x80,                // int $0x80
	    0x01, 0xf0,                // add %esi, %eax
	    0x5e,                      // pop %esi
	    0x5b,                      // pop %ebx
	    0xc3,                      // ret
	};
	static const uintptr_t places[] = {0x1000, 0x1ff0, 0xf000, 0xfff0, 0xfff8};

	map_low();
	for (unsigned i = 0; i < COUNT(places); i++) {
		uint32_t (*run)(void (*)(void)) =
		    (uint32_t(*)(void (*)(void)))(void *)at(places[i]);

		memcpy(at(places[i]), bytes, sizeof(bytes));
		helper_calls = 0;
		expect_equal(run(helper), 55 + (uint32_t)getpid());
		expect_equal(helper_calls, 10);
	}
}

static void stack(void)
{
	uint32_t sum;

	map_low();
	__asm__ volatile("movl %%esp, %%esi\n"
	                 "movl $0x3000, %%esp\n"
	                 "pushl $7\n"
	                 "call 2f\n"
	                 "1: jmp 3f\n"
	                 "2: movl 4(%%esp), %%eax\n"
	                 "addl $1, %%eax\n"
	                 "ret\n"
	                 "3: popl %%edx\n"
	                 "addl %%edx, %%eax\n"
	                 "pushfl\n"
	                 "popl %%edx\n"
	                 "andl $0x100, %%edx\n" // TF, which nobody here set
	                 "addl %%edx, %%eax\n"
	                 "pusha\n"
	                 "popa\n"
	                 "movl %%esi, %%esp\n"
	                 : "=a"(sum)
	                 :
	                 : "edx", "esi", "memory", "cc");
	expect_equal(sum, 15);
}

static void kernel_access(void)
{
	int fd = open("/proc/self/stat", O_RDONLY), pipes[2];
	ssize_t n;

	map_low();
	require(fd >= 0 && pipe(pipes) == 0);
	n = read(fd, at(0xff80), 200);
	require(n > 140); // over the end of the low 64 KiB
	expect(memchr(at(0xff80), '(', 20));
	expect_equal(write(pipes[1], at(0xff80), (size_t)n), n);
	expect_equal(read(pipes[0], at(0x1ff0), (size_t)n), n);
	expect(!memcmp(at(0xff80), at(0x1ff0), (size_t)n));
}

static void write_byte(void *address)
{
	*(volatile uint8_t *)address = 1;
}

static void call_it(void *address)
{
	((void (*)(void))address)();
}

static void faults(void)
{
	struct fault f;

	map_low();
	at(0x3004)[0] = 9;
	require(mprotect(at(0x3000), PAGE, PROT_READ) == 0);
	expect_equal(*(volatile uint8_t *)at(0x3004), 9);
	f = catch_fault(write_byte, at(0x3004));
	expect(f.number == SIGSEGV && f.address == 0x3004);
	expect_equal(at(0x3004)[0], 9);
	require(mprotect(at(0x3000), PAGE, PROT_READ | PROT_WRITE) == 0);
	f = catch_fault(write_byte, at(0x3004));
	expect_equal(f.number, 0);
	expect_equal(at(0x3004)[0], 1);
	require(munmap(at(0x3000), PAGE) == 0);
	f = catch_fault(write_byte, at(0x3004));
	expect(f.number == SIGSEGV && f.address == 0x3004);
	f = catch_fault(call_it, at(0x3010));
	expect(f.number == SIGSEGV && f.address == 0x3010 && f.eip == 0x3010);
	// HLT in code down there is the program's fault, and names its place.
	at(0x4000)[0] = 0xf4;
	f = catch_fault(call_it, at(0x4000));
	expect(f.number == SIGSEGV && f.eip == 0x4000);
	// Nothing is mapped at 0.
	f = catch_fault(write_byte, at(8));
	expect(f.number == SIGSEGV && f.address == 8);
}

static volatile sig_atomic_t ticks;

static void tick(int number)
{
	(void)number;
	ticks++;
}

// 20 signals while data and code are down there, in two processes.
static void interrupted(int seed)
{
	static const uint8_t count[] = {
	    0x8b, 0x4c, 0x24, 0x04, // mov 4(%esp), %ecx
	    0x31, 0xc0,             // xor %eax, %eax
	    0x40,                   // 1: inc %eax
	    0xe2, 0xfd,             // loop 1b
	    0xc3,                   // ret
	};
	struct itimerval every = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};
	uint32_t (*run)(uint32_t) = (uint32_t(*)(uint32_t))(void *)at(0x7000);

	map_low();
	memcpy(at(0x7000), count, sizeof(count));
	signal(SIGALRM, tick);
	require(setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (uint32_t n = (uint32_t)seed; ticks < 20 || n - (uint32_t)seed < 200; n++) {
		*(volatile uint32_t *)at(0x8000 + n % 1000 * 4) = n;
		require(*(volatile uint32_t *)at(0x8000 + n % 1000 * 4) == n);
		require(run(1000 + n % 9000) == 1000 + n % 9000);
	}
}

static void interrupted_twice(void)
{
	pid_t a, b;

	map_low();
	a = start(interrupted, 1);
	b = start(interrupted, 1000000);
	expect_success(a);
	expect_success(b);
}

const struct check low_checks[] = {
    {"low-memory: reads, writes, both", plain_accesses},
    {"low-memory: pushed and popped", stack_operands},
    {"low-memory: vectors and x87", vectors_and_x87},
    {"low-memory: string instructions", strings},
    {"low-memory: code", code},
    {"low-memory: the stack", stack},
    {"low-memory: system calls", kernel_access},
    {"low-memory: faults", faults},
    {"low-memory: signals, two processes", interrupted_twice},
    {0},
};
