// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ways into the kernel, and what it tells about itself.

#include "selftest.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/uio.h>
#include <sys/utsname.h>

struct entered {
	long number, arguments[6];
	uintptr_t entry;
	long result;
	uint32_t changed; // registers that did not come back: ebx ecx edx esi edi ebp
};

// The six arguments go where the ABI says; afterwards each register is compared with what went in.
static void enter(struct entered *call)
{
	__asm__ volatile("pushal\n\t"
	                 "pushl %%eax\n\t"
	                 "movl 4(%%eax), %%ebx; movl 8(%%eax), %%ecx; movl 12(%%eax), %%edx\n\t"
	                 "movl 16(%%eax), %%esi; movl 20(%%eax), %%edi; movl 24(%%eax), %%ebp\n\t"
	                 "pushl 28(%%eax)\n\t"
	                 "movl (%%eax), %%eax\n\t"
	                 "call *(%%esp)\n\t"
	                 "addl $4, %%esp\n\t"
	                 "xchgl %%eax, (%%esp)\n\t"
	                 "cmpl 4(%%eax), %%ebx; je 1f; orl $1, 36(%%eax); 1:\n\t"
	                 "cmpl 8(%%eax), %%ecx; je 1f; orl $2, 36(%%eax); 1:\n\t"
	                 "cmpl 12(%%eax), %%edx; je 1f; orl $4, 36(%%eax); 1:\n\t"
	                 "cmpl 16(%%eax), %%esi; je 1f; orl $8, 36(%%eax); 1:\n\t"
	                 "cmpl 20(%%eax), %%edi; je 1f; orl $16, 36(%%eax); 1:\n\t"
	                 "cmpl 24(%%eax), %%ebp; je 1f; orl $32, 36(%%eax); 1:\n\t"
	                 "popl 32(%%eax)\n\t"
	                 "popal"
	                 :
	                 : "a"(call)
	                 : "memory", "cc");
}

static long call_by(uintptr_t entry, long number, const long arguments[6])
{
	struct entered call = {.number = number, .entry = entry};

	memcpy(call.arguments, arguments, sizeof(call.arguments));
	enter(&call);
	expect_equal(call.changed, 0);
	return call.result;
}

static long vdso_call(long number, const long arguments[6])
{
	return call_by(vsyscall_entry(), number, arguments);
}

extern const char interrupt_entry[];
__asm__(".text; interrupt_entry: int $0x80; ret");

static long by_interrupt(long number, const long arguments[6])
{
	return call_by((uintptr_t)interrupt_entry, number, arguments);
}

static const long nothing[6] = {0x11111111, 0x22222222, 0x33333333,
                                0x44444444, 0x55555555, 0x66666666};

static void interrupt_calls(void)
{
	for (int i = 0; i < 1000; i++) {
		require(by_interrupt(SYS_getpid, nothing) == getpid());
		require(by_interrupt(SYS_getppid, nothing) == getppid());
	}
}

static void vdso_calls(void)
{
	if (!vsyscall_entry())
		skip("no AT_SYSINFO");
	for (int i = 0; i < 20000; i++)
		require(vdso_call(SYS_getppid, nothing) == getppid());
	require(!failed_so_far());
}

// mmap2 takes six arguments, the last in EBP, which the vDSO's entry uses itself.
static void six_arguments(void)
{
	char name[] = "/tmp/selftest-args-XXXXXX";
	int fd = mkstemp(name);
	uint8_t bytes[PAGE], *map;

	require(fd >= 0);
	unlink(name);
	for (int page = 0; page < 5; page++) {
		memset(bytes, 'a' + page, sizeof(bytes));
		require(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	}
	for (int page = 0; page < 5; page++) {
		const long arguments[6] = {0, PAGE, PROT_READ, MAP_PRIVATE, fd, page};

		map = (uint8_t *)by_interrupt(SYS_mmap2, arguments);
		require((uintptr_t)map < (uintptr_t)-4096);
		expect_equal(map[5], 'a' + page);
		if (!vsyscall_entry())
			continue;
		map = (uint8_t *)vdso_call(SYS_mmap2, arguments);
		require((uintptr_t)map < (uintptr_t)-4096);
		expect_equal(map[5], 'a' + page);
	}
}

static void errors(void)
{
	expect_equal(by_interrupt(9999, nothing), -ENOSYS);
	expect_equal(by_interrupt(-1, nothing), -ENOSYS);
	expect_equal(by_interrupt(SYS_close, (const long[6]){-1}), -EBADF);
	if (vsyscall_entry()) {
		expect_equal(vdso_call(9999, nothing), -ENOSYS);
		expect_equal(vdso_call(SYS_close, (const long[6]){12345}), -EBADF);
	}
}

static void auxiliary_vector(void)
{
	const Elf32_Ehdr *vdso = (const Elf32_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	expect_equal(getauxval(AT_PAGESZ), PAGE);
	expect_equal(getauxval(AT_CLKTCK), 100);
	expect_equal(sysconf(_SC_PAGESIZE), PAGE);
	expect_equal(sysconf(_SC_CLK_TCK), 100);
	expect(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	expect(sysconf(_SC_PHYS_PAGES) > 1000);
	if (kernel_is_at_least(2, 6, 29)) // the first to tell
		expect(getauxval(AT_RANDOM) != 0);
	require(vdso != NULL);
	expect(!memcmp(vdso->e_ident, ELFMAG, SELFMAG));
	expect_equal(vdso->e_machine, EM_386);
	expect(vsyscall_entry() > (uintptr_t)vdso && vsyscall_entry() < (uintptr_t)vdso + 4 * PAGE);
	diag("AT_SYSINFO %08lx AT_HWCAP %08lx", (unsigned long)vsyscall_entry(),
	     getauxval(AT_HWCAP));
}

struct map_line {
	uintptr_t start, end;
	char rights[8], name[256];
};

static bool next_map(FILE *file, struct map_line *map)
{
	char line[512];

	map->name[0] = 0;
	if (!fgets(line, sizeof(line), file))
		return false;
	return sscanf(line, "%x-%x %7s %*s %*s %*s %255[^\n]", (unsigned *)&map->start,
	              (unsigned *)&map->end, map->rights, map->name) >= 3;
}

static void own_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	bool stack = false, vdso = false, text = false, heap = false;
	uintptr_t before = 0, heap_end;
	struct map_line map;
	int here;

	require(file != NULL);
	require(move_break(PAGE) != NULL);
	heap_end = (uintptr_t)move_break(0);
	while (next_map(file, &map)) {
		expect(map.start >= before && map.end > map.start);
		expect_equal((map.start | map.end) % PAGE, 0);
		before = map.end;
		if (map.start <= (uintptr_t)&here && (uintptr_t)&here < map.end)
			stack = !strcmp(map.name, "[stack]") && map.rights[0] == 'r' &&
			        map.rights[1] == 'w';
		if (map.start <= (uintptr_t)own_maps && (uintptr_t)own_maps < map.end)
			text = !strncmp(map.rights, "r-xp", 4) && map.name[0] == '/';
		// A libc may have split the heap, and then kernels before 3.x do not name it.
		if (map.start < heap_end && heap_end <= map.end)
			heap = !strncmp(map.rights, "rw-p", 4) &&
			       (!map.name[0] || !strcmp(map.name, "[heap]"));
		vdso |= !strcmp(map.name, "[vdso]") && map.start == getauxval(AT_SYSINFO_EHDR);
	}
	fclose(file);
	expect(stack);
	expect(text);
	expect(vdso);
	expect(heap);
}

static void names(void)
{
	struct utsname name;

	require(uname(&name) == 0);
	expect(!strcmp(name.sysname, "Linux"));
	expect(name.release[0] >= '2' && name.release[0] <= '9');
	expect(getpid() > 1);
	expect(getppid() > 0);
}

// Scattered buffers: the kernel follows each pointer in the program's memory.
static void vectors(void)
{
	char a[] = "one ", b[] = "two ", c[] = "three", got[20] = "";
	struct iovec out[] = {{a, 4}, {b, 4}, {c, 5}},
	             in[] = {{got, 1}, {got + 1, 7}, {got + 8, 5}};
	int pipes[2];

	require(pipe(pipes) == 0);
	expect_equal(writev(pipes[1], out, 3), 13);
	expect_equal(readv(pipes[0], in, 3), 13);
	expect(!strcmp(got, "one two three"));
}

const struct check syscall_checks[] = {
    {"int $0x80 directly", interrupt_calls},
    {"system calls through AT_SYSINFO keep all registers", vdso_calls},
    {"six arguments by both ways", six_arguments},
    {"numbers and handles that do not exist", errors},
    {"auxiliary vector and sysconf", auxiliary_vector},
    {"/proc/self/maps", own_maps},
    {"uname and process numbers", names},
    {"readv and writev", vectors},
    {0},
};
