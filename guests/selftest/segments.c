// SPDX-License-Identifier: GPL-2.0-or-later
//
// Segments of the program's own making: modify_ldt and set_thread_area.

#include "selftest.h"

#include <asm/ldt.h>
#include <sched.h>

static int write_ldt(const struct user_desc *entry)
{
	return (int)syscall(SYS_modify_ldt, 0x11, entry, sizeof(*entry));
}

static struct user_desc data_segment(unsigned index, const void *base, unsigned limit)
{
	return (struct user_desc){.entry_number = index,
	                          .base_addr = (unsigned)(uintptr_t)base,
	                          .limit = limit,
	                          .seg_32bit = 1,
	                          .useable = 1};
}

static uint16_t ldt_selector(unsigned index)
{
	return (uint16_t)(index << 3 | 7);
}

static uint32_t read_es(uint16_t selector, uint32_t offset)
{
	uint32_t value;

	__asm__ volatile("pushl %%es; movw %w1, %%es; movl %%es:(%2), %0; popl %%es"
	                 : "=&r"(value)
	                 : "r"(selector), "r"(offset)
	                 : "memory");
	return value;
}

static uint32_t read_fs(uint16_t selector, uint32_t offset)
{
	uint32_t value;

	__asm__ volatile("pushl %%fs; movw %w1, %%fs; movl %%fs:(%2), %0; popl %%fs"
	                 : "=&r"(value)
	                 : "r"(selector), "r"(offset)
	                 : "memory");
	return value;
}

// Arguments of an access that may fault.
struct far_access {
	uint16_t selector;
	uint32_t offset, value;
};

static void far_read(void *argument)
{
	struct far_access *access = argument;

	access->value = read_es(access->selector, access->offset);
}

static void far_write(void *argument)
{
	struct far_access *access = argument;

	__asm__ volatile(
	    "pushl %%es; movw %w0, %%es; movl %2, %%es:(%1); popl %%es" ::"r"(access->selector),
	    "r"(access->offset), "r"(access->value)
	    : "memory");
}

// catch_fault leaves by siglongjmp with whatever is in ES.
static struct fault catch_far(void (*body)(void *), struct far_access access)
{
	struct fault fault;
	uint16_t es;

	__asm__ volatile("movw %%es, %0" : "=r"(es));
	fault = catch_fault(body, &access);
	__asm__ volatile("movw %0, %%es" ::"r"(es));
	return fault;
}

static void ldt_data(void)
{
	static uint32_t words[64];
	struct user_desc entry;

	for (unsigned i = 0; i < COUNT(words); i++)
		words[i] = 0xabcd0000 + i;
	for (unsigned index = 0; index < 20; index += 3) {
		entry = data_segment(index, &words[index], sizeof(words) - 1 - 4 * index);
		require(write_ldt(&entry) == 0);
		expect_equal(read_es(ldt_selector(index), 8), 0xabcd0002 + index);
		expect_equal(read_fs(ldt_selector(index), 12), 0xabcd0003 + index);
	}
	// A changed base counts from the next load.
	entry = data_segment(3, &words[40], 31);
	require(write_ldt(&entry) == 0);
	expect_equal(read_fs(ldt_selector(3), 0), 0xabcd0000 + 40);
}

static void ldt_limits(void)
{
	static uint32_t words[4] = {1, 2, 3, 4};
	struct user_desc entry = data_segment(1, words, 7);
	struct fault fault;
	uint32_t limit = 0, rights = 0;

	require(write_ldt(&entry) == 0);
	fault = catch_far(far_read, (struct far_access){ldt_selector(1), 4, 0});
	expect_equal(fault.number, 0);
	fault = catch_far(far_read, (struct far_access){ldt_selector(1), 5, 0});
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	expect_equal(fault.error, 0);
	__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"((uint32_t)ldt_selector(1)) : "cc");
	expect_equal(limit, 7);
	__asm__ volatile("lar %1, %0" : "+r"(rights) : "r"((uint32_t)ldt_selector(1)) : "cc");
	expect_equal(rights >> 8 & 0xfe, 0xf2); // present, ring 3, writable data

	entry.read_exec_only = 1;
	require(write_ldt(&entry) == 0);
	fault = catch_far(far_write, (struct far_access){ldt_selector(1), 0, 9});
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	expect_equal(words[0], 1);
}

// 0: no such segment.
static uint32_t limit_of(uint16_t selector)
{
	uint32_t limit = 0;

	__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"((uint32_t)selector) : "cc");
	return limit;
}

// Nothing is ever loaded from these entries: what is asked about them does not fault.
static void ldt_questions(void)
{
	static uint32_t words[4];
	struct user_desc entry = data_segment(11, words, 15), empty = {.entry_number = 11};

	empty.read_exec_only = empty.seg_not_present = 1;
	expect_equal(limit_of(ldt_selector(11)), 0);
	require(write_ldt(&entry) == 0);
	expect_equal(limit_of(ldt_selector(11)), 15);
	entry.limit = 7;
	require(write_ldt(&entry) == 0);
	expect_equal(limit_of(ldt_selector(11)), 7);
	expect_equal(limit_of(ldt_selector(12)), 0);
	require(write_ldt(&empty) == 0);
	expect_equal(limit_of(ldt_selector(11)), 0);
}

static void ldt_missing(void)
{
	static uint32_t word = 5;
	struct user_desc entry = data_segment(2, &word, 3);
	struct fault fault;

	require(write_ldt(&entry) == 0);
	expect_equal(read_es(ldt_selector(2), 0), 5);
	fault = catch_far(far_read, (struct far_access){ldt_selector(100), 0, 0});
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
	expect_equal(fault.error, ldt_selector(100) & ~3);
	entry.seg_not_present = 1;
	require(write_ldt(&entry) == 0);
	fault = catch_far(far_read, (struct far_access){ldt_selector(2), 0, 0});
	expect_equal(fault.number, SIGBUS);
	expect_equal(fault.trap, 11);
	expect_equal(fault.error, ldt_selector(2) & ~3);
	fault = catch_far(
	    far_read, (struct far_access){0, 0, 0}); // the null selector loads, but cannot be used
	expect_equal(fault.number, SIGSEGV);
	expect_equal(fault.trap, 13);
}

static void ldt_child(int who)
{
	uint32_t words[4] = {100 + (uint32_t)who, 0, 0, 0};
	struct user_desc entry = data_segment(4, words, 15);

	expect_equal(read_es(ldt_selector(5), 0), 77); // inherited
	require(write_ldt(&entry) == 0);
	for (int i = 0; i < 200; i++) {
		require(read_fs(ldt_selector(4), 0) == 100 + (uint32_t)who);
		sched_yield();
	}
}

// Each process has its own table, copied at fork.
static void ldt_processes(void)
{
	static uint32_t word = 77;
	struct user_desc entry = data_segment(5, &word, 3);
	pid_t children[6];

	require(write_ldt(&entry) == 0);
	for (int i = 0; i < 6; i++)
		children[i] = start(ldt_child, i);
	for (int i = 0; i < 6; i++)
		expect_success(children[i]);
}

static void ldt_code(void)
{
	static const uint8_t code[] = {0xb8, 0x78, 0x56,
	                               0x34, 0x12, 0xcb}; // mov $0x12345678, %eax; lret
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
	                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct user_desc entry = {
	    .entry_number = 7, .limit = PAGE - 1, .seg_32bit = 1, .contents = 2, .useable = 1};
	struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) target = {16, ldt_selector(7)};
	uint32_t value;

	require(page != MAP_FAILED);
	memcpy(page + 16, code, sizeof(code));
	entry.base_addr = (unsigned)(uintptr_t)page;
	require(write_ldt(&entry) == 0);
	__asm__ volatile("lcall *%1" : "=a"(value) : "m"(target) : "memory", "cc");
	expect_equal(value, 0x12345678);
}

// ---- thread areas ----

static uint16_t gdt_selector(unsigned index)
{
	return (uint16_t)(index << 3 | 3);
}

static int set_area(struct user_desc *entry)
{
	return (int)syscall(SYS_set_thread_area, entry);
}

static void area_child(int index)
{
	uint32_t words[2] = {(uint32_t)getpid(), 0};
	struct user_desc entry = data_segment((unsigned)index, words, 7);
	uint16_t fs = gdt_selector((unsigned)index);

	require(set_area(&entry) == 0);
	// FS stays loaded over the switches: the kernel has to bring its descriptor back every
	// time.
	__asm__ volatile("movw %0, %%fs" ::"r"(fs));
	for (int i = 0; i < 300; i++) {
		uint32_t value;

		__asm__ volatile("movl %%fs:0, %0" : "=r"(value));
		require(value == (uint32_t)getpid());
		sched_yield();
	}
}

static void thread_areas(void)
{
	static uint32_t words[2][2] = {{11, 12}, {21, 22}};
	struct user_desc entries[2], again = {0};
	pid_t children[4];

	for (unsigned i = 0; i < 2; i++) {
		entries[i] = data_segment((unsigned)-1, words[i], 7);
		require(set_area(&entries[i]) == 0);
		expect_equal(read_fs(gdt_selector(entries[i].entry_number), 4), 12 + 10 * i);
		expect_equal(read_es(gdt_selector(entries[i].entry_number), 0), 11 + 10 * i);
	}
	expect(entries[0].entry_number != entries[1].entry_number);
	if (on_i386_kernel())
		expect(entries[0].entry_number >= 6 && entries[1].entry_number <= 8);
	again.entry_number = entries[1].entry_number;
	require(syscall(SYS_get_thread_area, &again) == 0);
	expect_equal(again.base_addr, (uintptr_t)words[1]);
	expect_equal(again.limit, 7);
	for (int i = 0; i < 4; i++)
		children[i] = start(area_child, (int)entries[i % 2].entry_number);
	for (int i = 0; i < 4; i++)
		expect_success(children[i]);
	expect_equal(read_fs(gdt_selector(entries[0].entry_number), 0), 11);
}

// To save and restore GS is nothing a program's thread area should suffer from.
static void area_loaded_again(void)
{
	uint32_t before, after;

	__asm__ volatile("movl %%gs:0, %0" : "=r"(before));
	for (int i = 0; i < 200; i++) {
		__asm__ volatile("movw %%gs, %w0; movw %w0, %%gs" : "=&r"(after));
		if (i % 3 == 1)
			getppid();
		if (i % 3 == 2)
			sched_yield();
		__asm__ volatile("movl %%gs:0, %0" : "=r"(after));
		expect_equal(after, before);
	}
}

static volatile uint16_t handler_gs;

static void note_gs(int number)
{
	uint16_t gs;

	(void)number;
	__asm__ volatile("movw %%gs, %0" : "=r"(gs));
	handler_gs = gs;
}

// Segment registers of the interrupted code come back after a signal.
static void segments_over_signals(void)
{
	static uint32_t word = 31;
	struct user_desc entry = data_segment(9, &word, 3);
	uint16_t fs = ldt_selector(9), es = fs, fs_after, es_after, es_before;

	signal(SIGUSR1, note_gs);
	require(write_ldt(&entry) == 0);
	__asm__ volatile("movw %%es, %2; movw %w3, %%fs; movw %w3, %%es\n\t"
	                 "int $0x80\n\t"
	                 "movw %%fs, %0; movw %%es, %1; movw %2, %%es"
	                 : "=&r"(fs_after), "=&r"(es_after), "=&r"(es_before)
	                 : "r"(fs), "a"(SYS_kill), "b"(getpid()), "c"(SIGUSR1)
	                 : "memory");
	expect_equal(fs_after, fs);
	expect_equal(es_after, es);
	expect(handler_gs != 0);
}

const struct check segment_checks[] = {
    {"modify_ldt: data segments through ES and FS", ldt_data},
    {"modify_ldt: limits and rights", ldt_limits},
    {"modify_ldt: lsl of segments that were never loaded", ldt_questions},
    {"modify_ldt: missing, not present and null segments", ldt_missing},
    {"modify_ldt: tables of 6 processes", ldt_processes},
    {"modify_ldt: a far call into a code segment", ldt_code},
    {"set_thread_area: slots kept over switches", thread_areas},
    {"thread areas: the same selector loaded again", area_loaded_again},
    {"segment registers are kept over signals", segments_over_signals},
    {0},
};
