// SPDX-License-Identifier: GPL-2.0-or-later
//
// Virtual memory as programs see it: protection, copy on write, mappings of all kinds, and the
// kernel's own accesses to a program's pages.

#include "selftest.h"

#include <fcntl.h>
#include <sys/uio.h>

static void write_byte(void *address)
{
	*(volatile uint8_t *)address = 1;
}

static void read_byte(void *address)
{
	(void)*(volatile uint8_t *)address;
}

static bool readable(void *address)
{
	return catch_fault(read_byte, address).number == 0;
}

static bool writable(void *address)
{
	return catch_fault(write_byte, address).number == 0;
}

static uint32_t *anonymous(size_t size, int flags)
{
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	require(area != MAP_FAILED);
	return area;
}

static int temporary_file(void)
{
	char name[] = "/tmp/selftest-XXXXXX";
	int fd = mkstemp(name);

	require(fd >= 0);
	unlink(name);
	return fd;
}

enum { COW_PAGES = 512, WORDS = PAGE / 4 };
static uint32_t *cow_area;

static void cow_child(int who)
{
	for (int page = who; page < COW_PAGES; page += 3)
		for (unsigned i = 0; i < WORDS; i += 64)
			cow_area[(unsigned)page * WORDS + i] =
			    (uint32_t)(who + 1) * 1000000 + (uint32_t)page;
	for (int page = 0; page < COW_PAGES; page++) {
		bool mine = page >= who && (page - who) % 3 == 0;
		uint32_t wanted =
		    mine ? (uint32_t)(who + 1) * 1000000 + (uint32_t)page : (uint32_t)page;

		for (unsigned i = 0; i < WORDS; i += 64)
			require(cow_area[(unsigned)page * WORDS + i] == wanted);
		require(cow_area[(unsigned)page * WORDS + 1] == (uint32_t)page + 7);
	}
}

static void copy_on_write(void)
{
	pid_t children[5];

	cow_area = anonymous(COW_PAGES * PAGE, MAP_PRIVATE);
	for (unsigned page = 0; page < COW_PAGES; page++)
		for (unsigned i = 0; i < WORDS; i++)
			cow_area[page * WORDS + i] = page + (i == 1 ? 7 : 0);
	for (int i = 0; i < 5; i++)
		children[i] = start(cow_child, i);
	// The parent writes, too: none of the children may see it.
	for (unsigned page = 0; page < COW_PAGES; page++)
		cow_area[page * WORDS + 2] = 0xdead;
	for (int i = 0; i < 5; i++)
		expect_success(children[i]);
	for (unsigned page = 0; page < COW_PAGES; page++) {
		require(cow_area[page * WORDS] == page);
		require(cow_area[page * WORDS + 1] == page + 7);
		require(cow_area[page * WORDS + 2] == 0xdead);
	}
}

static void protection(void)
{
	uint8_t *area = guarded_pages(8);

	memset(area, 5, 8 * PAGE);
	for (int round = 0; round < 20; round++) {
		uint8_t *page = area + (unsigned)(round % 8) * PAGE;

		require(mprotect(page, PAGE, PROT_READ) == 0);
		require(readable(page) && !writable(page));
		require(mprotect(page, PAGE, PROT_NONE) == 0);
		require(!readable(page) && !writable(page));
		require(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
		require(page[1] == 5 && writable(page));
	}
	require(mprotect(area, 8 * PAGE, PROT_READ) == 0);
	for (unsigned i = 0; i < 8; i++)
		expect(!writable(area + i * PAGE));
}

static void call_code(void *code)
{
	((void (*)(void))code)();
}

// Code that is changed between runs, and pages that become code.
static void changing_code(void)
{
	uint8_t *page = (uint8_t *)anonymous(PAGE, MAP_PRIVATE);

	require(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t value = i * 0x01010101;

		page[0] = 0xb8; // mov $value, %eax; ret
		memcpy(page + 1, &value, 4);
		page[5] = 0xc3;
		require(((uint32_t(*)(void))page)() == value);
	}
	require(mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0);
	require(((uint32_t(*)(void))page)() == 999 * 0x01010101u);
	expect(!writable(page));
	require(mprotect(page, PAGE, PROT_NONE) == 0);
	expect(catch_fault(call_code, page).number == SIGSEGV);
}

static void private_file(void)
{
	int fd = temporary_file();
	uint8_t bytes[PAGE], *one, *two;

	memset(bytes, 'x', sizeof(bytes));
	require(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	one = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	two = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	require(one != MAP_FAILED && two != MAP_FAILED);
	expect(one[10] == 'x' && two[10] == 'x');
	one[10] = 'y';
	expect(two[10] == 'x');
	require(pread(fd, bytes, PAGE, 0) == (ssize_t)PAGE);
	expect(bytes[10] == 'x' && one[10] == 'y' && one[11] == 'x');
}

static uint32_t *shared_words;

static void shared_child(int who)
{
	for (unsigned i = 0; i < 64; i++)
		shared_words[i * WORDS + (unsigned)who] = (unsigned)who * 100 + i;
	__atomic_add_fetch(&shared_words[100], 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 20000; i++)
		__atomic_add_fetch(&shared_words[101], 1, __ATOMIC_SEQ_CST);
}

static void check_sharing(void)
{
	pid_t children[8];

	for (int i = 0; i < 8; i++)
		children[i] = start(shared_child, i);
	for (int i = 0; i < 8; i++)
		expect_success(children[i]);
	for (unsigned page = 0; page < 64; page++)
		for (unsigned who = 0; who < 8; who++)
			require(shared_words[page * WORDS + who] == who * 100 + page);
	expect_equal(shared_words[100], 8);
	expect_equal(shared_words[101], 160000);
}

static void shared_file(void)
{
	int fd = temporary_file();
	uint32_t word;

	require(ftruncate(fd, 64 * PAGE) == 0);
	shared_words = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	require(shared_words != MAP_FAILED);
	check_sharing();
	require(pread(fd, &word, 4, 5 * PAGE + 12) == 4);
	expect_equal(word, 305);
	word = 4242;
	require(pwrite(fd, &word, 4, 6 * PAGE + 40) == 4);
	expect_equal(shared_words[6 * WORDS + 10], 4242);
}

static void shared_anonymous(void)
{
	shared_words = anonymous(64 * PAGE, MAP_SHARED);
	check_sharing();
}

static void fixed(void)
{
	uint32_t *area = anonymous(16 * PAGE, MAP_PRIVATE), *middle = area + 4 * WORDS;

	for (unsigned i = 0; i < 16; i++)
		area[i * WORDS] = i + 1;
	require(mmap(middle, 2 * PAGE, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
	for (unsigned i = 0; i < 16; i++)
		expect_equal(area[i * WORDS], i == 4 || i == 5 ? 0 : i + 1);
	require(munmap(middle, PAGE) == 0);
	expect(!readable(middle) && readable(middle + WORDS) && readable(middle - 1));
}

// A gigabyte that is touched in a thousand places.
static uint8_t *reserved(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	            -1, 0);
}

static void sparse(void)
{
	size_t size = 1u << 30;
	uint32_t seed = 4711;
	uint8_t *area = reserved(size);

	// With VMSPLIT_1G a program has 1 GiB for everything.
	if (area == MAP_FAILED && user_end() <= 1u << 30)
		area = reserved(size /= 2);
	require(area != MAP_FAILED);
	for (uint32_t i = 0; i < 1000; i++)
		*(uint32_t *)(area + (next_random(&seed) % size & ~7u)) = i + 1;
	seed = 4711;
	for (uint32_t i = 0; i < 1000; i++)
		require(*(uint32_t *)(area + (next_random(&seed) % size & ~7u)) == i + 1);
	require(munmap(area, size) == 0);
	expect(!readable(area));
}

static void many_mappings(void)
{
	uint32_t *pages[1000];

	for (uint32_t i = 0; i < COUNT(pages); i++) {
		// Rights that alternate keep the kernel from joining neighbours.
		pages[i] = anonymous(PAGE, MAP_PRIVATE);
		*pages[i] = i;
		require(mprotect(pages[i], PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
	}
	for (uint32_t i = 0; i < COUNT(pages); i++)
		require(*pages[i] == i);
	for (uint32_t i = 0; i < COUNT(pages); i += 2)
		require(munmap(pages[i], PAGE) == 0);
	for (uint32_t i = 1; i < COUNT(pages); i += 2)
		require(*pages[i] == i);
	expect(!readable(pages[0]) && !readable(pages[998]));
}

static void moved(void)
{
	uint32_t *area = anonymous(64 * PAGE, MAP_PRIVATE), *now, *place;

	for (unsigned i = 0; i < 64; i++)
		area[i * WORDS] = i * 3;
	now = mremap(area, 64 * PAGE, 256 * PAGE, MREMAP_MAYMOVE);
	require(now != MAP_FAILED);
	for (unsigned i = 0; i < 256; i++)
		require(now[i * WORDS] == (i < 64 ? i * 3 : 0));
	place = anonymous(256 * PAGE, MAP_PRIVATE);
	require(mremap(now, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	for (unsigned i = 0; i < 64; i++)
		require(place[i * WORDS] == i * 3);
	expect(!readable(now));
	require(mremap(place, 64 * PAGE, 8 * PAGE, 0) == place);
	expect(readable(place + 7 * WORDS) && !readable(place + 8 * WORDS));
}

static void discarded(void)
{
	uint32_t *area = anonymous(32 * PAGE, MAP_PRIVATE);

	for (unsigned i = 0; i < 32; i++)
		area[i * WORDS] = i + 1;
	require(madvise(area + 8 * WORDS, 8 * PAGE, MADV_DONTNEED) == 0);
	for (unsigned i = 0; i < 32; i++)
		expect_equal(area[i * WORDS], i >= 8 && i < 16 ? 0 : i + 1);
}

static void program_break(void)
{
	uint8_t *start_of_heap = move_break(0);

	require(move_break(4 << 20) != NULL);
	for (unsigned i = 0; i < 4u << 20; i += PAGE)
		start_of_heap[i] = (uint8_t)(i >> 12);
	for (unsigned i = 0; i < 4u << 20; i += PAGE)
		require(start_of_heap[i] == (uint8_t)(i >> 12));
	require(move_break(-(4 << 20)) != NULL);
	require(move_break(0) == start_of_heap);
	expect(!readable(start_of_heap + 2 * PAGE));
	require(move_break(4 << 20) != NULL);
	expect_equal(start_of_heap[2 * PAGE], 0);
}

static uint32_t deep(uint32_t levels)
{
	volatile uint32_t frame[250];

	frame[0] = levels;
	return levels ? deep(levels - 1) + frame[0] : 0;
}

static void stack_growth(void)
{
	expect_equal(deep(6000), 6000u * 6001 / 2);
}

// ---- the kernel reads and writes the program's memory ----

static uint8_t *kernel_area;

static void kernel_write_child(int fd)
{
	uint8_t bytes[PAGE];

	// The kernel's write has to break the sharing, as the program's own would.
	memset(bytes, 0x5a, sizeof(bytes));
	for (unsigned page = 0; page < 16; page++) {
		require(pwrite(fd, bytes, PAGE, 0) == (ssize_t)PAGE);
		require(pread(fd, kernel_area + page * PAGE + 100, 1000, 0) == 1000);
		require(kernel_area[page * PAGE + 100] == 0x5a &&
		        kernel_area[page * PAGE + 99] == page);
	}
}

static void kernel_writes(void)
{
	kernel_area = (uint8_t *)anonymous(16 * PAGE, MAP_PRIVATE);
	for (unsigned page = 0; page < 16; page++)
		memset(kernel_area + page * PAGE, (int)page, PAGE);
	expect_success(start(kernel_write_child, temporary_file()));
	for (unsigned page = 0; page < 16; page++)
		for (unsigned i = 0; i < PAGE; i += 50)
			require(kernel_area[page * PAGE + i] == page);
}

// CR0.WP: pages the program may not write, the kernel may not write for it.
static void kernel_respects_protection(void)
{
	uint8_t *area = guarded_pages(2), bytes[64];
	int fd = temporary_file();
	ssize_t written;

	memset(area, 9, 2 * PAGE);
	memset(bytes, 1, sizeof(bytes));
	require(write(fd, area, 2 * PAGE) == 2 * (ssize_t)PAGE);
	require(pwrite(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	require(mprotect(area, PAGE, PROT_READ) == 0);
	expect_equal(pread(fd, area, 64, 0), -1);
	expect_equal(errno, EFAULT);
	expect_equal(area[0], 9);
	require(mprotect(area, PAGE, PROT_NONE) == 0);
	expect_equal(write(fd, area, 64), -1);
	expect_equal(errno, EFAULT);
	// Half of the buffer is there: a short count, or refused as a whole (Linux before 3.x).
	written = pwrite(fd, area + 2 * PAGE - 32, 64, 0);
	expect(written == 32 || (written < 0 && errno == EFAULT));
	expect_equal(pread(fd, area + 2 * PAGE - 32, 64, 0), 32);
	require(lseek(fd, 0, SEEK_SET) == 0);
	expect_equal(syscall(SYS_read, fd, NULL, 64), -1);
	expect_equal(errno, EFAULT);
	expect_equal(pread(fd, area + 2 * PAGE, 64, 0), -1);
}

static void untouched_buffers(void)
{
	uint8_t *area = (uint8_t *)anonymous(64 * PAGE, MAP_PRIVATE);
	int fd = open("/dev/zero", O_RDONLY), pipes[2];

	require(fd >= 0 && pipe(pipes) == 0);
	// Pages that the kernel is the first to touch: zero page on reads, fresh pages on writes.
	require(write(pipes[1], area + 3 * PAGE - 50, 100) == 100);
	require(read(pipes[0], area + 10 * PAGE - 50, 100) == 100);
	require(read(fd, area, 64 * PAGE) == 64 * (ssize_t)PAGE);
	for (unsigned i = 0; i < 64 * PAGE; i++)
		require(area[i] == 0);
}

static void other_process_child(int pipe_end)
{
	char byte;

	require(read(pipe_end, &byte, 1) == 1);
	require(cow_area[0] == 0xfeed && cow_area[1] == 2);
}

static void other_process(void)
{
	uint32_t value = 0xfeed, seen[2] = {0};
	int pipes[2];
	pid_t child;

	if (process_vm_readv(getpid(), NULL, 0, NULL, 0, 0) < 0 && errno == ENOSYS)
		skip("no process_vm_readv");
	cow_area = anonymous(PAGE, MAP_PRIVATE);
	cow_area[0] = 1;
	cow_area[1] = 2;
	require(pipe(pipes) == 0);
	child = start(other_process_child, pipes[0]);
	expect_equal(process_vm_readv(child, &(struct iovec){seen, 8}, 1,
	                              &(struct iovec){cow_area, 8}, 1, 0),
	             8);
	expect(seen[0] == 1 && seen[1] == 2);
	expect_equal(process_vm_writev(child, &(struct iovec){&value, 4}, 1,
	                               &(struct iovec){cow_area, 4}, 1, 0),
	             4);
	require(write(pipes[1], "g", 1) == 1);
	expect_success(child);
	expect_equal(cow_area[0], 1);
}

const struct check memory_checks[] = {
    {"copy on write: parent and 5 children see their own", copy_on_write},
    {"mprotect: read-only, none, read-write", protection},
    {"code that changes", changing_code},
    {"private file mapping", private_file},
    {"shared file mapping, 8 processes", shared_file},
    {"shared anonymous mapping over fork, 8 processes", shared_anonymous},
    {"fixed mappings and holes", fixed},
    {"1 GiB touched in 1000 places, or half", sparse},
    {"1000 mappings of a page", many_mappings},
    {"mremap grows, moves, shrinks", moved},
    {"discarded pages read as zero", discarded},
    {"brk", program_break},
    {"the stack grows by 6 MiB", stack_growth},
    {"the kernel's writes respect copy on write", kernel_writes},
    {"the kernel's accesses respect protection", kernel_respects_protection},
    {"buffers nobody touched before", untouched_buffers},
    {"memory of another process", other_process},
    {0},
};
