// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the operations on the interrupt flag cost when nothing is pending, in cycles of the TSC.
// A line each: name, tab, thousandths of a cycle. The least of many repetitions of a loop, less the
// least of the empty loop: what disturbs a loop makes it slower, never faster.
#include "guest.h"

#define OPERATIONS  200
#define REPETITIONS 2000
#define CYCLES      1500000000ull /* for one figure, at most: where each operation faults */

/* Eight of each in a row: then the loop around them hardly counts. */
#define TIMES8(x) x x x x x x x x

static uint32_t empty;

_Static_assert(OPERATIONS * 8 == 1600, "as report() has it");

static void report(const char *name, uint64_t least)
{
	put(name);
	put("\t");
	put_number((uint32_t)(least * 5 / 8)); /* of 1600 operations, times 1000 */
	put("\n");
}

/* Register constraints and clobbers are those of all VMI flag calls and more. */
#define LOOP(least, before, body, ...)                                                             \
	do {                                                                                       \
		uint64_t begin_ = rdtsc();                                                         \
                                                                                                   \
		least = UINT64_MAX;                                                                \
		for (unsigned r = 0; r < REPETITIONS && rdtsc() - begin_ < CYCLES; r++) {          \
			uint64_t start, end;                                                       \
			uint32_t n = OPERATIONS;                                                   \
                                                                                                   \
			before;                                                                    \
			start = rdtsc();                                                           \
			__asm__ volatile(".p2align 5\n1:\n" body "\n\tdecl %0\n\tjnz 1b"           \
			                 : "+S"(n)                                                 \
			                 : __VA_ARGS__                                             \
			                 : "eax", "ecx", "edx", "edi", "memory", "cc");            \
			end = rdtsc();                                                             \
			if (end - start < least)                                                   \
				least = end - start;                                               \
		}                                                                                  \
	} while (0)

#define MEASURE(name, before, body, ...)                                                           \
	do {                                                                                       \
		uint64_t least_;                                                                   \
                                                                                                   \
		LOOP(least_, before, TIMES8(body), __VA_ARGS__);                                   \
		report(name, least_ > empty ? least_ - empty : 0);                                 \
	} while (0)

static void measure_empty(void)
{
	uint64_t least;

	LOOP(least, , "nop", "r"(0));
	empty = (uint32_t)least;
}

/* The instructions as a kernel has them. Where flags are "live", something behind needs them. */
void measure(void)
{
	measure_empty();
	MEASURE("sti", , "sti\n\txorl %%eax, %%eax\n\t", "r"(0));
	MEASURE("cli", , "cli\n\txorl %%eax, %%eax\n\t", "r"(0));
	MEASURE("cli_sti", , "cli\n\txorl %%eax, %%eax\n\tsti\n\txorl %%eax, %%eax\n\t", "r"(0));
	MEASURE("sti_flags_live", , "stc\n\tsti\n\tsetc %%al\n\t", "r"(0));
	MEASURE("cli_flags_live", , "stc\n\tcli\n\tsetc %%al\n\t", "r"(0));
	MEASURE("pushf_pop", , "pushfl\n\tpopl %%eax\n\t", "r"(0));
	MEASURE("push_popf_on", , "pushl %1\n\tpopfl\n\t", "r"(EFLAGS_IF | 2));
	MEASURE("push_popf_off", , "pushl %1\n\tpopfl\n\t", "r"(2));
	MEASURE("save_cli_restore",
	        __asm__ volatile("sti"
	                         :
	                         :
	                         : "memory", "cc"),
	        "pushfl\n\tpopl %%eax\n\tcli\n\txorl %%ecx, %%ecx\n\tpushl %%eax\n\tpopfl\n\t",
	        "r"(0));
	__asm__ volatile("cli" : : : "memory", "cc");
	MEASURE("iret_kernel", , "pushl $2\n\tpushl %%cs\n\tpushl $2f\n\tiret\n2:\n\t", "r"(0));
	MEASURE("call_ret", , "call 3f\n\tjmp 2f\n3:\tret\n2:\n\t", "r"(0));
}

void measure_vmi(void)
{
	measure_empty();
	MEASURE("EnableInterrupts", , "call *%1\n\t", "r"(vmi.enable));
	MEASURE("DisableInterrupts", , "call *%1\n\t", "r"(vmi.disable));
	MEASURE("disable_enable", , "call *%1\n\tcall *%2\n\t", "r"(vmi.disable), "r"(vmi.enable));
	MEASURE("GetInterruptMask", , "call *%1\n\t", "r"(vmi.get_mask));
	MEASURE("SetInterruptMask_on", , "movl $0x200, %%eax\n\tcall *%1\n\t", "r"(vmi.set_mask));
	MEASURE("SetInterruptMask_off", , "xorl %%eax, %%eax\n\tcall *%1\n\t", "r"(vmi.set_mask));
	MEASURE("save_disable_restore", vmi_call(vmi.enable),
	        "call *%1\n\tmovl %%eax, %%edi\n\tcall *%2\n\tmovl %%edi, %%eax\n\tcall *%3\n\t",
	        "m"(vmi.get_mask), "m"(vmi.disable), "m"(vmi.set_mask));
	vmi_call(vmi.disable);
	if (vmi.enable_deferred && vmi.deliver) {
		MEASURE("EnableInterruptsDeferred", , "call *%1\n\t", "r"(vmi.enable_deferred));
		MEASURE("DeliverInterrupts", , "call *%1\n\t", "r"(vmi.deliver));
		MEASURE("disable_enable_deferred", , "call *%1\n\tcall *%2\n\t", "r"(vmi.disable),
		        "r"(vmi.enable_deferred));
	}
	vmi_call(vmi.disable);
	MEASURE("IRET_kernel", , "pushl $2\n\tpushl %%cs\n\tpushl $2f\n\tcall *%1\n2:\n\t",
	        "r"(vmi_iret));
}
