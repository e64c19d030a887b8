/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The annotator: finds the sensitive instructions of a stock i386 kernel and decides what
 * stands in their place (docs/architecture.md, "Annotation").
 *
 * It reads the kernel's sections and writes plain data (struct annotations, stub code). It
 * never touches guest memory: trap bytes are applied by main before the guest starts, windows
 * by the core when the guest turns paging on.
 */
#ifndef ANNOTATE_ANNOTATE_H
#define ANNOTATE_ANNOTATE_H

#include "ring1/annotations.h"
#include "ring1/fast.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ANNOTATE_ERROR_SIZE 512 /* bytes of an error text, the final NUL included */

/* A section of the kernel image as its ELF file describes it. */
struct annotate_section {
	const char *name;    /* "" when the file has no section names */
	uint32_t va;         /* guest-virtual address it is linked for */
	uint32_t size;       /* bytes */
	const uint8_t *data; /* size bytes, or NULL for .bss and the like */
	bool executable;
	bool writable;
	bool mixed; /* code and data: only what is reached from the entry point is taken for code */
};

struct annotate_input {
	const struct annotate_section *sections;
	size_t nsections;
	uint32_t kernel_base; /* guest-virtual minus guest-physical; 0 for a module */
	uint32_t entry;       /* guest-virtual address of the entry point, 0 if unknown */
	bool module;          /* a loaded and relocated module, not a kernel */
	/* Addresses of functions, ascending; a kernel brings its own (kallsyms). */
	const uint32_t *functions;
	size_t nfunctions;
};

/* Addresses that stubs refer to. The order ES, DS, FS, GS is that of enum annotate_segment. */
enum annotate_segment { ANNOTATE_ES, ANNOTATE_DS, ANNOTATE_FS, ANNOTATE_GS, ANNOTATE_NSEGMENTS };

struct annotate_rom {
	uint32_t gate_site; /* offset of the far call that emulates a site */
	uint32_t deliver;
	uint32_t keep_promise;
	uint32_t enable_keep;
	uint32_t disable_keep_deferred;
	uint32_t pushf_image;
	uint32_t popf;
	uint32_t popf_counted; /* in its place with count_sites: tells enabling ones apart */
	uint32_t popf_deferred;
	uint32_t iret;
	uint32_t store[ANNOTATE_NSEGMENTS];
	uint32_t load[ANNOTATE_NSEGMENTS];
	/* words of struct vcpu */
	uint32_t vcpu_if;
	uint32_t vcpu_iret_site;
	uint32_t vcpu_vsel_cs;
	uint32_t vcpu_vsel_ss;
	uint32_t vcpu_cr[5]; /* CR0, -, CR2, CR3, CR4 */
	uint32_t vcpu_syscall_slot;
	uint32_t vcpu_sigreturn_slot;
	uint32_t vcpu_rt_sigreturn_slot;
	uint32_t vcpu_count_site; /* 64 bits for each kind */
};

/* Room that a module takes of what all share. */
struct annotate_need {
	uint32_t sites, windows, points, stub_bytes;
};

struct annotate_options {
	/*
	 * Of a module: asked once, when it is known what is needed. Sets the index of its first
	 * site among all and the address its stubs will have; false: there is no room.
	 */
	bool (*place)(void *context, const struct annotate_need *need, uint32_t *first_site,
	              uint32_t *stubs_va);
	void *place_context;
	bool traps_only;     /* no windows, no stubs: every site traps (to bisect trouble) */
	bool count_sites;    /* what is executed in stubs counts itself there, by kind */
	bool deferred;       /* enabling delivers no interrupt, disabling does (rom/interrupt.S) */
	bool single_thread;  /* sweep without a second thread */
	uint32_t stubs_va;   /* where the stub area will be executed: HOLE_STUBS */
	uint32_t stubs_size; /* bytes available there */
	struct annotate_rom rom;
};

/* What a sensitive instruction does, as reports name it. */
enum annotate_kind {
	ANNOTATE_NONE,
	ANNOTATE_CLI,
	ANNOTATE_STI,
	ANNOTATE_STI_HLT, /* the pair, one site: nothing may come between the two */
	ANNOTATE_HLT,
	ANNOTATE_PUSHF,
	ANNOTATE_POPF,
	ANNOTATE_IRET,
	ANNOTATE_PUSH_SEGMENT,
	ANNOTATE_POP_SEGMENT,
	ANNOTATE_STORE_SEGMENT, /* mov %sreg,r/m */
	ANNOTATE_LOAD_SEGMENT,  /* mov r/m,%sreg */
	ANNOTATE_LOAD_POINTER,  /* lds les lfs lgs lss */
	ANNOTATE_FAR_BRANCH,
	ANNOTATE_CPUID,
	ANNOTATE_STORE_TABLE, /* sgdt sidt sldt str smsw */
	ANNOTATE_QUERY,       /* lar lsl verr, verw of a register */
	ANNOTATE_LOAD_TABLE,  /* lgdt lidt lldt ltr */
	ANNOTATE_CONTROL,     /* mov to and from %cr, clts, lmsw */
	ANNOTATE_DEBUG,       /* mov to and from %dr */
	ANNOTATE_INVLPG,
	ANNOTATE_IN,
	ANNOTATE_OUT,
	ANNOTATE_MSR,   /* rdmsr wrmsr rdpmc xsetbv */
	ANNOTATE_CACHE, /* wbinvd invd */
	ANNOTATE_OTHER, /* privileged, and not met in kernels ring1 runs */
	ANNOTATE_NOTE,  /* not sensitive: the core wants to be told (annotate/notes.h) */
	ANNOTATE_NKINDS
};

struct annotate_count {
	uint32_t found;   /* sites of the kind */
	uint32_t inlined; /* in a window, rendered without leaving 32-bit code or by the ROM */
	uint32_t called;  /* in a window, rendered as a far call to the core */
	uint32_t island;  /* of inlined + called: reached through a short jump to an island */
	uint32_t trap;    /* left as a trap for whoever executes them */
};

struct annotate_report {
	struct annotate_count kinds[ANNOTATE_NKINDS];
	uint32_t instructions; /* decoded */
	uint32_t undecodable;  /* bytes that are no instruction */
	uint32_t windows;      /* entries of windows[], of which ... */
	uint32_t retargeted;   /* ... branches sent into a stub, */
	uint32_t words;        /* ... words of data that name a stub, */
	uint32_t islands;      /* ... pairs of short jump and island (two entries each), */
	uint32_t vdso;         /* ... entries in vDSO images */
	uint32_t shared;       /* sites rendered in a stub that trap when jumped to */
	uint32_t stub_bytes;
	uint32_t alternatives; /* entries of .altinstructions understood */
	uint32_t jump_labels;
	uint32_t static_calls;              /* trampolines */
	uint32_t mcount;                    /* function tracer call sites */
	uint32_t exceptions;                /* exception table entries */
	uint32_t symbols;                   /* kallsyms */
	uint32_t head_end;                  /* first address that may be rewritten by windows */
	uint32_t note_va[ANNOT_NOTE_COUNT]; /* where each is, 0: not found */
	uint64_t sweep_ns;
	uint64_t total_ns;
	bool cached; /* read from the cache; the counts are those of the run that wrote it */
};

/**
 * annotate_kernel() - decide what becomes of every sensitive instruction of a kernel or module
 * @in: its sections
 * @options: what to do, and the addresses stubs refer to
 * @out: filled; about 5 MB, the caller's
 * @stubs: options->stubs_size bytes, filled with code that runs at options->stubs_va; may be
 *         NULL with traps_only
 * @report: counts, or NULL
 * @error: filled with one line when the result is negative
 *
 * The input is not trusted: any bytes in any section lead to a result or to an error.
 *
 * Return: 0, or a negative errno: -EINVAL for sections that cannot be a kernel, -E2BIG when
 * there are more sites or windows than struct annotations holds, -ENOMEM.
 */
int annotate_kernel(const struct annotate_input *in, const struct annotate_options *options,
                    struct annotations *out, uint8_t *stubs, struct annotate_report *report,
                    char error[ANNOTATE_ERROR_SIZE]);

/**
 * annotate_trap_bytes() - what stands in place of a site that nothing else replaces
 * @bytes: filled; the first s->length of them count
 *
 * HLT, as long as the instruction it stands for: whoever decodes the function from its start, as
 * kprobes do, stays in step.
 */
void annotate_trap_bytes(const struct annot_site *s, uint8_t bytes[15]);

/**
 * annotate_apply_traps() - write the HLT bytes into guest memory
 * @a: the annotations
 * @ram: guest-physical memory with the kernel in place
 * @ram_size: bytes; sites behind it are skipped
 */
void annotate_apply_traps(const struct annotations *a, uint8_t *ram, uint64_t ram_size);

/* annotate_kind_name() - the kind in a word, for reports */
const char *annotate_kind_name(enum annotate_kind kind);

/* annotate_print_report() - the counts as a table, for `ring1 inspect` and --stats */
void annotate_print_report(const struct annotate_report *report, FILE *to);

#endif
