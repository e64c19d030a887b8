/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine state: one structure in shared memory, mapped by main and by every cell.
 *
 * TRUST: cells are hostile. Main copies whatever it reads from here once and checks it
 * (design.md, invariant 1). Everything main must know for sure it keeps in its own memory.
 */
#ifndef RING1_MACHINE_H
#define RING1_MACHINE_H

#include "ring1/layout.h"
#include "ring1/stats.h"
#include "ring1/trace.h"
#include "ring1/vcpu.h"

#include "core/insn.h"
#include "devices/ports.h"
#include "vmi/vmi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_MAX_CELLS 1280
#define PAUSE_BY_CORE     0xffffffffu /* machine.pause: a breakpoint */
#define PAGE_SIZE         4096u

/* Why main interrupts the virtual CPU: bits of machine.inbox, taken by the core. */
#define INBOX_TIMER   1u   /* machine.deadline has passed */
#define INBOX_CONSOLE 2u   /* bytes in console_in, or room in console_out */
#define INBOX_STOP    4u   /* leave the guest now */
#define INBOX_BREAK   8u   /* a serial break */
#define INBOX_POWER   16u  /* the power button is pressed */
#define INBOX_CLOCK   32u  /* the machine stood still; tsc_base may have changed */
#define INBOX_NMI     64u  /* the NMI button is pressed */
#define INBOX_PAUSE   128u /* machine.pause was set */
#define INBOX_DEVICE  256u /* a back end has completed something; set by back ends, too */

/* What the core, or a back end, asks of main: bits of machine.doorbell. */
#define DOORBELL_DEADLINE 1u   /* machine.deadline moved forward */
#define DOORBELL_CONSOLE  2u   /* bytes in console_out */
#define DOORBELL_STOP     4u   /* machine.stop is filled in */
#define DOORBELL_CELLS    8u   /* the pool of cells is too small */
#define DOORBELL_LOG      16u  /* bytes in log */
#define DOORBELL_MODULE   32u  /* machine.module_request is filled in, and waited for */
#define DOORBELL_TRACE    256u /* the ring of trace is half full */
#define DOORBELL_PAUSED   64u  /* the virtual CPU stands still, as machine.pause asks */
#define DOORBELL_DEVICE   128u /* a back end set INBOX_DEVICE, and the virtual CPU computes */

/* machine.windows, set by main to one of the first two, and by a cell that succeeds. */
#define WINDOWS_OFF     0u /* main does not want them */
#define WINDOWS_REFUSED 1u /* no cell has got one */
#define WINDOWS_ON      2u

/* Why the guest ended. */
enum stop_reason {
	STOP_NONE,
	STOP_HALT,     /* HLT with interrupts off: power-off for a machine without ACPI */
	STOP_POWEROFF, /* ACPI's soft off, VMI_Shutdown */
	STOP_RESET,    /* keyboard controller, port 0x92 or 0xcf9 */
	STOP_TRIPLE,   /* triple fault */
	STOP_PANIC,    /* the guest kernel's panic() ran */
	STOP_REQUEST,  /* main asked for it */
	STOP_MEMORY,   /* the host has no memory left, or no mappings, for the machine */
	STOP_INTERNAL, /* the core met something it must not meet */
	STOP_HOST,     /* main found that the host refuses something; never said by a cell */
};

#define STOP_TEXT 160
struct stop {
	uint32_t reason;
	uint32_t gpr[R_COUNT], eip, eflags;
	uint32_t vsel[SEG_COUNT];
	uint32_t cr0, cr2, cr3, cr4;
	char text[STOP_TEXT];
};

/* What the core asks of main about a module, while the virtual CPU waits. */
enum module_request_kind { MODULE_REQUEST_LOAD, MODULE_REQUEST_FREE };
struct module_request {
	uint32_t kind;
	uint32_t header, sections; /* LOAD: of the ELF header and of the section headers */
	uint32_t memory;           /* FREE: what is given back */
	uint32_t cr0, cr3, cr4;    /* under which these are guest-virtual addresses */
};

/* One writer, one reader; positions run free, the index is the position modulo the size. */
#define RING_BYTES 16384u
struct byte_ring {
	uint32_t head; /* written by the producer */
	uint32_t tail; /* written by the consumer */
	uint8_t data[RING_BYTES];
};

/* A debugger of the guest (--gdb), core/debugger.h. */
#define DEBUGGER_BREAKS  256u
#define DEBUGGER_WATCHES 4u
#define WATCH_SLOTS      (4u + DEBUGGER_WATCHES) /* the guest's debug registers come first */
enum debugger_why { DEBUGGER_ASKED, DEBUGGER_STEP, DEBUGGER_BREAK, DEBUGGER_WATCH };
enum debugger_request {
	DEBUGGER_NOTHING,
	DEBUGGER_INSERT,    /* a breakpoint at request_va */
	DEBUGGER_REMOVE,    /* it goes */
	DEBUGGER_WATCHING,  /* watch[] was changed */
	DEBUGGER_REGISTERS, /* registers was changed */
	DEBUGGER_FORGET,    /* all breakpoints and watches go */
};

struct debugger {
	uint32_t stepping; /* main: one instruction, and stop */
	uint32_t moved;    /* it has been executed, wherever EIP is */
	uint32_t from;     /* EIP when it began */
	uint32_t why;      /* enum debugger_why: of the stop */
	uint32_t where;    /* DEBUGGER_WATCH: the address */
	uint32_t hits;     /* watches that the last instruction hit: a bit each */
	uint32_t request;  /* enum debugger_request */
	uint32_t request_va, refused;
	struct {
		uint32_t gpr[R_COUNT], eip, eflags; /* as the guest knows them */
		uint32_t vsel[SEG_COUNT], base[SEG_COUNT];
	} registers;
	struct {
		uint32_t va, length; /* bytes; 0: none */
		uint8_t type;        /* as in DR7: 0 executed, 1 written, 3 accessed */
	} watch[DEBUGGER_WATCHES];
	uint32_t nbreaks;
	struct {
		uint32_t va;
		uint8_t old; /* the byte that the breakpoint replaced */
	} breaks[DEBUGGER_BREAKS];
	struct {
		uint32_t va;
		uint8_t old, set;
	} until; /* a breakpoint of the core's own: a step over a call of the ROM */
};

/*
 * Guest memory that is in a snapshot's file until it is used (core/lazy.h). A word for each chunk:
 * the pages that are to be copied from there, a bit each; 0: the chunk is as in memory.
 */
#define LAZY_CHUNK   65536u
#define LAZY_CHUNKS  49152u      /* of 3 GiB, what a machine has at most */
#define LAZY_FILE_AT 65536u      /* where guest memory begins in the file */
#define LAZY_FILLING 0x80000000u /* somebody copies */

#define NAMED_FRAMES     32u
#define NESTED_PROBES    8u
#define INVALIDATION_LOG 4096u
#define MAX_CPUID        96

enum probe_state { PROBE_NONE, PROBE_HIT, PROBE_POPPED };

/* A kprobe on an instruction that was replaced, and was hit (core/probes.c). */
struct probe_hit {
	uint32_t state;  /* enum probe_state */
	uint32_t site;   /* guest-virtual address of the instruction */
	uint32_t esp;    /* before it; PROBE_POPPED: behind it */
	uint32_t eflags; /* the guest's, likewise */
};

struct cpuid_leaf {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
};

/* The part of a cell that the others see. */
struct cell_slot {
	uint32_t go;        /* futex: 1 = run */
	uint32_t tag;       /* CR3 held, CELL_NO_TAG: none */
	uint64_t last_used; /* machine.use_clock at the last activation */
	uint64_t activations;
	/* What the tables said of the kernel's first address when the cell got this tag. */
	uint64_t kernel_entry;
	uint32_t ready; /* forked and waiting */
	uint32_t pad;
};
#define CELL_NO_TAG 0xffffffffu
#define CELL_HINTS  4096u
#define YOUNG_CELLS 32u
#define FIRST_MISSES 32u

struct machine {
	/* Set by main before the first cell runs. */
	char title[16];      /* of the nursery and the cells in process lists */
	uint64_t ram_size;   /* bytes */
	uint32_t ncells;     /* cells forked so far; grows */
	uint32_t user_top;   /* first guest-virtual address user segments do not reach */
	uint32_t mixed_half; /* the kernel lies below that: which pages are its, U/S alone tells */
	uint64_t tsc_mult;   /* ns = (tsc - tsc_base) * tsc_mult >> 32 */
	uint64_t tsc_base;   /* main moves it when the TSC did not count while the host slept */
	uint32_t tsc_khz;
	uint32_t have_fsgsbase;
	uint32_t have_apic;   /* the guest is to use the local APIC */
	int64_t wall_offset;  /* UTC ns = guest ns + wall_offset; main keeps it up to date */
	uint64_t mono_offset; /* CLOCK_MONOTONIC ns = guest ns + mono_offset; likewise */
	uint32_t wall_set;    /* the host's time of day was set; taken by WallclockUpdated */
	struct {
		uint32_t eip, eax, ebx, esi, esp, gdt;
		uint16_t gdt_limit;
	} boot; /* how to enter the kernel */
	uint32_t booted;
	uint32_t restored; /* by main: the first cell goes on where a snapshot was taken */
	uint32_t asleep;   /* the virtual CPU is in HLT, also while it stands still there */
	uint32_t lazy;     /* lazy_chunk[] counts: not all of guest memory is there */
	uint32_t windows;  /* WINDOWS_*: whether cells have a userfaultfd */
	uint64_t xsave_mask;
	uint32_t xsave_size;
	uint32_t ncpuid;
	struct cpuid_leaf cpuid[MAX_CPUID];

	/* Talk between main and the running cell. */
	uint32_t inbox __attribute__((aligned(64)));
	uint32_t attentive; /* the virtual CPU looks for INBOX_DEVICE before the guest goes on */
	uint32_t halted;    /* the virtual CPU sleeps on inbox */
	uint32_t running;   /* the cell that runs */
	uint32_t next_cell; /* the cell that is to run after this exit */
	uint64_t deadline;  /* guest ns of the next device event, UINT64_MAX: none */
	uint32_t was_idle;  /* HLT ended, and nothing but its tick was seen to run since */
	uint64_t woken_at;  /* guest ns at which it ended */
	uint64_t main_wake; /* guest ns until which main sleeps unless rung for */
	uint64_t deadline_rung; /* the deadline it was last rung for */

	/* An interrupt that waits, and what is about to let it in (core/interrupt.c). */
	uint32_t cause;         /* enum statistic: one of STAT_deliver_*, 0: STAT_deliver_exit */
	uint64_t pending_since; /* guest ns at which it was first left waiting, 0: none is */
	uint64_t promise_due;   /* guest ns of the next look whether it has been enabled */
	struct {
		uint64_t again;  /* guest ns of the next look, for one that found the ROM at work */
		uint8_t blocked; /* until the next IRET */
	} nmi;
	uint32_t doorbell __attribute__((aligned(64)));
	/* futex: main's thread waits for the doorbell; whoever clears it wakes */
	uint32_t main_waits;
	/* futex, set by main: the virtual CPU is to stand still; another number each time. 0: run
	 */
	uint32_t pause;
	uint32_t paused;   /* the number it stands still for: its registers are in vcpu and xsave */
	uint32_t debugged; /* main: somebody uses debugger */
	struct byte_ring console_out, console_in, log;
	struct module_request module_request;
	uint32_t module_asked;  /* number of the request */
	uint32_t module_answer; /* futex: number of the last one served */
	struct stop stop;
	struct stop panic; /* the state in which panic() was entered */
	uint32_t panicked;
	uint32_t redirects; /* IRETs that still look for a return into a window */
	struct probe_hit probe[NESTED_PROBES];
	uint32_t probe_next, probe_returns; /* IRETs that still look for one behind POPF */
	/* Frames that show the kernel's address for one in the hole (core/frames.c). */
	struct {
		uint32_t at;  /* guest-virtual address of the frame's EIP */
		uint32_t va;  /* what it shows */
		uint32_t eip; /* what it means */
	} named[NAMED_FRAMES];
	uint32_t nnamed, named_next;
	uint32_t vmi_active;         /* VMI_Init was called */
	uint32_t kernel_rpl;         /* of the selectors the kernel finds in CS and SS: 0 or 1 */
	uint32_t kernel_selector[2]; /* CS and SS as the kernel last had them loaded by the core */
	uint32_t nm_pending;         /* CR0.TS was set on the way to user mode: #NM first */
	uint32_t to_user; /* on the way to user mode, with mixed_half: hide the kernel's pages */

	/* The system registers; the control registers are in struct vcpu. */
	uint64_t pdpte[4]; /* PAE: loaded with CR3 */
	uint32_t dr[8];
	struct {
		uint32_t generation; /* counts changes of what is watched */
		uint32_t resume_eip; /* the IRET to here had RF set... */
		uint8_t resume;      /* ...and the instruction has not been executed yet */
		uint8_t active;      /* something is watched */
		uint8_t open;        /* one instruction runs with the watched pages accessible */
		uint8_t hits;   /* what DR6 will say of it; bits 4 to 7: the debugger's watches */
		uint8_t opcode; /* its first byte behind the prefixes */
		uint8_t tf;     /* the guest's own trap flag meanwhile */
		uint8_t ports;  /* breakpoints on ports that the last instruction hit */
	} debug;
	struct debugger debugger;
	uint32_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	uint32_t ldt_selector, ldt_base, ldt_limit;
	uint32_t ldt_unproven; /* loaded, and not yet seen unchanged at a return to user mode */
	uint32_t ldt_in_place; /* this kernel writes into the table that is loaded */
	uint32_t
	    private_segment; /* FS or GS may hold one of the LDT that user mode must not have */
	uint32_t tr_selector, tr_base, tr_limit;
	uint32_t nested_tasks; /* entered by task gates and not returned from */
	uint64_t efer, pat, sysenter[3];
	uint64_t xcr0; /* as the guest has set it; the host's is in force */
	uint64_t kvmclock_msr, kvmclock_wall_msr;
	uint32_t kvmclock_version;
	uint64_t late_eoi_msr;   /* core/late_eoi.c */
	uint32_t late_eoi_armed; /* the guest may end its interrupt in memory */

	/* The hidden parts of segment registers: what was loaded, whatever the table says now. */
	struct {
		uint32_t base, limit;
		uint32_t rights; /* the descriptor's high word */
	} hidden[SEG_COUNT];

	/* Pages that are mapped in the hole: core/low.h. */
	struct {
		uint32_t end;              /* bytes at address 0 the host maps nothing at */
		uint32_t saved[SEG_COUNT]; /* V->rsel of the segments that are moved */
		uint32_t base[4], lo[4], hi[4];
		uint8_t moved;   /* a bit for each segment register */
		uint8_t spilled; /* the page behind the last low one is mapped there as well */
	} low;

	/* A page fault was injected: fill in the page when its handler returns. */
	struct {
		uint32_t va, eip, cr3;
		uint8_t write, user, armed;
	} prefill;

	/* Invalidations of global pages, which concern every cell. */
	uint32_t inval_head; /* running position */
	uint32_t inval_all;  /* generation of "everything, global too" */
	uint32_t resets;     /* generation of "the tables' format changed" */
	uint32_t inval_va[INVALIDATION_LOG];
	uint32_t string_page;     /* the last one string_access() spared a mapping */
	uint32_t windows_applied; /* annotation windows are in the kernel's text */
	uint32_t ldt_generation;  /* kernel-bank descriptors changed */

	uint64_t use_clock;             /* activations of cells so far */
	uint16_t cell_hint[CELL_HINTS]; /* by hash of a tag: the cell that held it last */
	uint16_t young[YOUNG_CELLS];    /* the cells that were last given to a new address space */
	uint32_t young_next;
	/* Where new cells missed in the kernel half: pages; FETCHED, TWICE (core/shadow.c). */
	uint32_t first_miss[FIRST_MISSES];
	uint32_t first_miss_next;
	struct cell_slot cell[MACHINE_MAX_CELLS];

	struct platform platform;
	uint64_t count[STAT_COUNT];
	uint64_t count_op[OP_COUNT];      /* emulated in the core, by kind */
	uint64_t count_vmi[VMI_NR_CALLS]; /* VMI calls that left the ROM */
	uint64_t delivery_delay[DELAY_BUCKETS];
	struct trace_ring trace;

	uint32_t lazy_chunk[LAZY_CHUNKS]; /* futex each */
	uint8_t xsave[16384] __attribute__((aligned(64)));
	/* Guest-physical space without memory behind it: reads something, keeps no promise. */
	uint8_t void_page[4096] __attribute__((aligned(4096)));
};

/*
 * What one cell keeps of its own address space. 2048 regions: page-table pages of 2 MiB
 * (PAE) or 4 MiB (otherwise, the first 1024).
 */
#define SHADOW_REGIONS  2048u
#define CELL_STACK_SIZE 65536u

struct shadow_region {
	uint64_t pde;                    /* the directory entry the copies were taken under */
	uint64_t groups;                 /* which 64-byte groups of its copy ever held something */
	uint16_t copy;                   /* its copy is cell.copy[copy - 1]; 0: it has none */
	uint16_t mapped;                 /* entries of the copy that are not zero */
	uint8_t large;                   /* a large page is mapped here, and there is no copy */
	uint8_t code;                    /* kernel half: code was executed from it */
	uint16_t window_from, window_to; /* entries of the window opened last */
	uint8_t window_write, window_execute;
	uint64_t window_pa; /* where entry 0 would be mapped from */
	uint8_t hidden;     /* may hold host mappings without rights, in no copy */
};

struct ldt_slot {
	uint32_t lo, hi;
};

struct cell {
	/*
	 * What IRETQ enters the guest from. To a 16-bit stack it leaves the upper bits of RSP as
	 * they are: were they those of the signal stack, the host would take the guest to be on it,
	 * and kill the cell at the next signal (get_sigframe). So not in the 64 KiB of any part of
	 * it.
	 */
	uint64_t iret_frame[5];
	uint32_t number;
	uint32_t inval_seen, inval_all_seen, resets_seen;
	uint32_t ldt_seen;
	uint32_t windows;        /* has a userfaultfd */
	uint32_t evict_next;     /* region where the next search for room begins */
	uint32_t ldt_guest_base; /* of the guest LDT that ldt[] was filled from */
	uint32_t debug_seen,
	    debug_page[WATCH_SLOTS]; /* watched pages kept from this cell; bit 0: valid */
	uint64_t active[SHADOW_REGIONS / 64];
	uint64_t
	    local[SHADOW_REGIONS / 64]; /* of these: hold entries that a CR3 load invalidates */
	uint64_t copies[SHADOW_REGIONS / 64]; /* which of copy[] are in use; the others are zero */
	struct shadow_region region[SHADOW_REGIONS];
	struct ldt_slot ldt[LDT_SLOTS];                 /* what the host holds */
	struct ldt_slot guest_ldt[LDT_TLS_ALTERNATIVE]; /* the guest's, as it was last seen */
	uint8_t stack[CELL_STACK_SIZE] __attribute__((aligned(4096)));
	/* Those in use lie together: where they belong is 4 MiB apart, and so would the host's page
	 * tables be that every hand-over needs. */
	uint8_t copy[SHADOW_REGIONS][4096] __attribute__((aligned(4096)));
};

_Static_assert(CELL_STATE + sizeof(struct machine) <= CELL_SELF, "struct machine has no room");

_Static_assert(offsetof(struct cell, stack) >= 0x10000 &&
                   offsetof(struct cell, iret_frame) + 5 * 8 < 0x10000,
               "the IRET frame shares 64 KiB with the signal stack");

/* Offsets in the state file. */
#define STATE_VCPU    0
#define STATE_MACHINE 4096
#define ROUND_PAGE(x) (((x) + 4095ull) & ~4095ull)
#define STATE_CELLS   (STATE_MACHINE + ROUND_PAGE(sizeof(struct machine)))
#define STATE_CELL(n) (STATE_CELLS + (uint64_t)(n)*ROUND_PAGE(sizeof(struct cell)))
#define STATE_SIZE    STATE_CELL(MACHINE_MAX_CELLS)

#endif
