/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library of the VMI conformance guests: bare kernels, each with the tests of one group of
 * calls, that write TAP to the serial port.
 *
 * A test is named by the call it is about and a rule, a sentence without its subject:
 *
 *     TEST(DisableInterrupts, "keeps a pending interrupt out")
 *     {
 *             ...
 *             check_equal(interrupts(TIMER_IRQ), 0);
 *     }
 *
 * Tests run in the order of the file, each with interrupts off, flat segments and no pending timer
 * interrupt; scripts/conformance-doc makes docs/vmi-conformance.md of the names.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "machine.h"
#include "vmi/vmi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- tests ---- */

/* The ROM's two entries count as calls. */
#define VMI_CALL_VMI_Init              1000
#define VMI_CALL_VMI_GetRelocationInfo 1001

struct test {
	unsigned call;
	const char *call_name, *rule;
	void (*run)(void);
};

#define TEST_PASTE__(a, b) a##b
#define TEST_PASTE_(a, b)  TEST_PASTE__(a, b)
#define TEST_NAME_(prefix) TEST_PASTE_(prefix, __LINE__)
#define TEST(name, text)                                                                           \
	static void TEST_NAME_(test_)(void);                                                       \
	static const struct test TEST_NAME_(entry_) __attribute__((section(".tests"), used)) = {   \
	    VMI_CALL_##name, #name, text, TEST_NAME_(test_)};                                      \
	static void TEST_NAME_(test_)(void)

/* group_setup - run once before the tests, if the group defines it */
void group_setup(void);

/* A failed check fails the running test; it goes on, and returns whether the check held. */
bool check_(bool ok, const char *what, const char *file, int line);
bool check_equal_(uint64_t is, uint64_t want, const char *what, const char *file, int line);
#define check(condition)      check_((condition), #condition, __FILE_NAME__, __LINE__)
#define check_equal(is, want) check_equal_((is), (want), #is, __FILE_NAME__, __LINE__)

/* test_skip - the machine does not have what the test needs */
void test_skip(const char *why);

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void bail_out(const char *why);

/* ---- calls ---- */

struct registers {
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eflags;
	uint32_t ds, es, fs, gs, cs, ss;
};

#define EFLAGS_CF     0x00000001u
#define EFLAGS_TF     0x00000100u
#define EFLAGS_IF     0x00000200u
#define EFLAGS_DF     0x00000400u
#define EFLAGS_IOPL   0x00003000u
#define EFLAGS_NT     0x00004000u
#define EFLAGS_AC     0x00040000u
#define EFLAGS_ID     0x00200000u
#define EFLAGS_ARITHM 0x000008d5u /* OF SF ZF AF PF CF */

extern struct registers call_in, call_out;
extern uint32_t call_stack[4];
extern uint8_t call_site[5]; /* where every call is made from */

/*
 * call_reset - what the next call is made with: patterns in the registers that must survive, flat
 * segments, interrupts off, the arithmetic flags clear. Then change call_in, and
 */
void call_reset(void);

/*
 * call_with - make the call @number with call_in and call_stack
 *
 * Fails the test when anything outside the call's documented clobbers changed, IF included unless
 * it is the call's to change. Returns EDX:EAX.
 */
uint64_t call_with(unsigned number);

/* call - call_reset(), EAX, EDX, ECX and two stack words as gcc's regparm(3) has them, call_with()
 */
uint64_t call(unsigned number, uint32_t eax, uint32_t edx, uint32_t ecx, uint32_t stack0,
              uint32_t stack1);
#define CALL_5_(name, a, b, c, d, e, ...) call(VMI_CALL_##name, (a), (b), (c), (d), (e))
#define VMI(...)                          CALL_5_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/*
 * call_everywhere - make the call with interrupts off and on, all arithmetic flags clear and set,
 * and all combinations of null, user and kernel selectors that its contract allows; leaves
 * interrupts off
 */
void call_everywhere(unsigned number, uint32_t eax, uint32_t edx, uint32_t ecx, uint32_t stack0,
                     uint32_t stack1);
#define VMI_EVERYWHERE_(name, a, b, c, d, e, ...)                                                  \
	call_everywhere(VMI_CALL_##name, (a), (b), (c), (d), (e))
#define VMI_EVERYWHERE(...) VMI_EVERYWHERE_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* plain_call - without choosing and looking at registers: for trap hooks, call_with() is not nested
 */
static inline uint32_t plain_call(unsigned number, uint32_t eax);

/* For a call that loads segment registers anew, or sets IOPL: do not compare those. */
extern bool call_loads_segments, call_sets_iopl;

extern const struct vrom_header *rom;

/* call_address - what the ROM says, a place that returns at once for NOP; 0: not offered */
uint32_t call_address(unsigned number);
struct vmi_relocation_info relocation(uint32_t number);
uint32_t rom_init(void); /* VMI_Init again */

static inline uint32_t plain_call(unsigned number, uint32_t eax)
{
	__asm__ volatile("call *%1"
	                 : "+a"(eax)
	                 : "r"(call_address(number))
	                 : "ecx", "edx", "cc", "memory");
	return eax;
}

/* ---- exceptions and interrupts ---- */

/* The stack of an entry, as start.S builds it. */
struct frame {
	uint32_t edi, esi, ebp, esp_of_pusha, ebx, edx, ecx, eax;
	uint32_t ds, es, fs, gs;
	uint32_t vector, error;
	uint32_t eip, cs, eflags;
	uint32_t esp, ss; /* from user mode only */
};

struct trapped {
	bool happened;
	uint32_t vector, error, cr2; /* error: TRAP_NO_CODE without one */
	uint32_t esp;                /* of what was interrupted */
	uint32_t stack[6];           /* what was on it, kernel mode only */
	struct frame frame;
};

/*
 * While `expecting` is set, an exception ends the call or the user code that raised it, and is
 * kept in `trapped`. Any other exception ends the guest.
 */
extern struct trapped trapped;
extern bool expecting;

/* call_trapping - call_with() that must trap; true if it did, with registers as before the call */
bool call_trapping(unsigned number, uint32_t vector);

/* check_registers - all general ones but ESP are what call_in had */
void check_registers(const struct frame *f);

/* check_at_call - the trap is reported at the call, on the caller's stack (vmi.h, "at call") */
void check_at_call(uint32_t vector, uint32_t error);

/* An exception or interrupt for which this is set is first shown to it; true: it is settled. */
extern bool (*trap_hook)(struct frame *);

uint32_t interrupts(unsigned irq); /* how many were taken since the test began */
extern struct frame last_interrupt;
#define TIMER_IRQ 0

/* ---- the timer as a source of interrupts ---- */

/* timer_pend - one interrupt of the timer, waited for until the PIC has it. IF must be 0. */
void timer_pend(void);
/* timer_start - one interrupt, some microseconds from now */
void timer_start(unsigned pit_cycles);

/* timer_repeat - one after each so many cycles, until timer_stop() */
void timer_repeat(unsigned pit_cycles);
void timer_stop(void);
bool pic_requests(unsigned irq); /* IRR */
bool pic_in_service(unsigned irq);
void pic_mask(uint16_t mask); /* bit set: off */
void pic_disable(void);       /* for groups with a local APIC */
extern bool apic_in_use;      /* interrupts are acknowledged at the local APIC as well */

/* ---- user mode ---- */

/* User code is copied, so it is position independent; it ends with INT 0x80. */
#define USER_CODE(name, text)                                                                      \
	__asm__(".pushsection .rodata; .globl " #name ", " #name "_end\n" #name ":\n" text         \
	        "\nint $0x80\n" #name "_end: .popsection\n");                                      \
	extern const uint8_t name[], name##_end[]

/* ESP above the frame, and SS, of the last entry from user mode. */
extern uint32_t last_kernel_esp, last_kernel_ss;

/* user_run - run it with call_in's registers (EIP and ESP excepted); what ended it is in trapped */
void user_run(const uint8_t *code, const uint8_t *end);
#define USER_RUN(name) user_run(name, name##_end)
void user_load(const uint8_t *code, const uint8_t *end); /* only put it in its place */
struct registers user_registers(void);                   /* a good start for call_in */

/* ---- returning by a call ---- */

/* The frame, its first word at the lowest address, and where it was put on the stack. */
extern uint32_t return_frame[6], return_esp, return_words;
extern uint8_t return_site[5]; /* where IRET and SYSEXIT are called from */

/* A place in the kernel to return to, what it found, and how often it was reached. */
extern const uint8_t kernel_code[];
extern struct registers landed;
extern uint32_t landings;

/* return_by - IRET or SYSEXIT with call_in's registers and @words of return_frame on the stack */
void return_by(unsigned number, unsigned words);
void return_enter(void); /* call.S */

/* ---- machine ---- */

uint8_t inb(uint16_t port);
void outb(uint16_t port, uint8_t value);
uint32_t get_eflags(void);
void *page_new(void); /* zeroed, never given back */
static inline uint32_t physical(const void *p)
{
	return (uint32_t)p - PAGE_OFFSET;
}

/* One entry of the format this guest is built for. */
#ifdef PAE
typedef uint64_t entry_t;
#else
typedef uint32_t entry_t;
#endif
#define PTE_P    0x001
#define PTE_RW   0x002
#define PTE_USER 0x004
#define PTE_A    0x020
#define PTE_D    0x040
#define PTE_PS   0x080
#define PTE_G    0x100

extern entry_t kernel_tables[];        /* of all of [PAGE_OFFSET, PAGE_OFFSET + MAPPED) */
entry_t *directory_entry(uint32_t va); /* in the current tables */
entry_t *table_entry(uint32_t va);     /* of a page that has a table */
void map_table(uint32_t va, void *table, uint32_t rights);
void map_page(uint32_t va, uint32_t pa, uint32_t rights); /* makes a table, flushes */
void flush(void);                                         /* by FlushTLB */

#define DESCRIPTOR_PRESENT 0x8000u
extern uint64_t gdt[GDT_SIZE], idt[256];
uint64_t segment_descriptor(uint32_t base, uint32_t limit_pages, uint8_t access);
extern struct vmi_table_register gdt_register, idt_register;
struct tss {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, other[22];
	uint16_t trap, io_map;
	uint8_t ports[8192], end;
} __attribute__((packed));
extern struct tss tss;

/* command_line_has - is the word among the arguments? */
bool command_line_has(const char *word);

/* Of start.S and call.S. */
extern uint8_t vector_entries[], user_entry[], call_back[], call_recover[], user_back[];
extern uint8_t user_iret[], trap_iret[], kernel_end[], trap_stack_top[];
extern uint32_t call_saved_esp, user_saved_esp, boot_info, boot_magic;
extern entry_t page_root[];
void call_rom(void);
void user_enter(const struct registers *);

#endif
