/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens an i386 kernel file and places it in guest RAM, ready to be entered as the Linux
 * 32-bit boot protocol says (Documentation/x86/boot.rst, "32-bit boot protocol").
 *
 * The monitor decompresses a bzImage itself: the guest's decompressor never runs, and the
 * annotator gets to see the kernel's ELF file before the guest does. A kernel file is
 * untrusted input; everything in struct kernel has been checked against the file's size
 * and against each other before kernel_open() returns 0.
 *
 * Units: bytes. "pa" is a guest-physical address, "va" a guest-virtual one.
 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a call failed: whose fault it is decides the exit status of the program. */
enum loader_error_kind {
	LOADER_EINPUT = 1, /* a file or an option cannot be used */
	LOADER_EHOST = 2,  /* the host lacks something: memory, descriptors, a working disk */
};

struct loader_error {
	int kind;       /* enum loader_error_kind */
	char text[512]; /* names the file and the reason, no newline; always terminated */
};

enum kernel_format {
	KERNEL_BZIMAGE = 1,
	KERNEL_ELF,
	KERNEL_MULTIBOOT, /* by its header; the file is an ELF file, or loaded as the header says */
};

/* A PT_LOAD segment. pa + memory_size stays below 2^32; segments do not overlap. */
struct kernel_segment {
	uint32_t pa, va;
	uint32_t file_offset; /* into struct kernel's elf */
	uint32_t file_size;   /* bytes copied; at most memory_size */
	uint32_t memory_size; /* the rest is zeroed */
	bool executable, writable;
};

/*
 * A section. `alloc` is set only if the section is really where it says: inside one
 * segment, with the very file bytes that the segment loads at that address. A section
 * with `alloc` may therefore be read through `data` and patched at va - kernel_base.
 */
struct kernel_section {
	const char *name; /* terminated, inside struct kernel's elf */
	uint32_t va;
	uint32_t size;
	const uint8_t *data; /* NULL for sections without file contents (.bss) */
	bool executable, writable, alloc;
};

#define KERNEL_SETUP_HEADER_MAX 159 /* zero page 0x1f1..0x290, where the next field begins */

struct kernel {
	char *path; /* as given; for messages */
	enum kernel_format format;
	bool use_cache;          /* set by kernel_open(): keep the decompressed payload */
	const char *compression; /* "xz", ...; "none" for a plain ELF file */

	bool wants_video; /* a multiboot kernel that asks for a video mode; there is none */

	uint8_t *elf; /* the whole vmlinux, section headers included if it has any */
	size_t elf_size;
	uint32_t entry_pa;    /* inside the file contents of a segment */
	uint32_t kernel_base; /* va - pa, the same in all segments */
	uint32_t low_pa;      /* of the lowest segment; at least 1 MiB */
	uint32_t high_pa;     /* first byte behind the highest one, bss and brk included */
	size_t nsegments;     /* 1.. */
	size_t nsections;     /* 0 if the file has no usable section headers */
	struct kernel_segment *segments; /* in file order */
	struct kernel_section *sections; /* in file order, without the null section */

	uint8_t setup_header[KERNEL_SETUP_HEADER_MAX]; /* the file from 0x1f1; bzImage only */
	size_t setup_header_size;                      /* 0 for a plain ELF file */
	uint16_t boot_protocol;   /* 0xMMmm; 0 for a plain ELF file, which does not say */
	uint32_t initrd_addr_max; /* highest pa a byte of the initrd may have */
	uint32_t cmdline_size;    /* longest command line, without the terminating zero */

	char version[128];    /* "6.1.0-50-686 (...) #1 ..."; empty if none was found */
	uint8_t build_id[64]; /* GNU build id; build_id_size 0 if there is none */
	size_t build_id_size;
	bool pae;        /* built for three-level page tables */
	bool speaks_vmi; /* looks for a VMI ROM */

	/*
	 * Of a bzImage whose decompressor would choose where the kernel lies
	 * (CONFIG_RANDOMIZE_BASE). kernel_load() does that in its place, and then changes all
	 * addresses here and those in elf.
	 */
	bool randomizes, randomized; /* would choose; has a place that was chosen */
	uint32_t alignment;          /* of the place, a power of two; with `randomizes` only */
	uint32_t init_size;  /* memory the kernel uses from low_pa on when it starts; or 0 */
	uint32_t moved_by;   /* bytes from where it was linked */
	size_t relocations;  /* of the words in elf that are addresses: offset into elf */
	size_t nrelocations; /* 0 for a kernel that cannot be moved */
};

/*
 * Opens, recognises, decompresses and validates the kernel file `path` (a bzImage or an
 * ELF vmlinux; a pipe is fine).
 *
 * On success fills *k, to be given back with kernel_close(), and returns 0. On failure
 * returns -1, fills *e and leaves *k empty (kernel_close() is then allowed, not needed).
 */
int kernel_open(const char *path, struct kernel *k, struct loader_error *e);

/* The same for a file that is already in memory. `name` stands for the path in messages. */
int kernel_open_bytes(const uint8_t *data, size_t size, const char *name, struct kernel *k,
                      struct loader_error *e);

/* Frees what *k holds and empties it. An all-zero *k is allowed. */
void kernel_close(struct kernel *k);

/* The first section called `name`, or NULL. Valid until kernel_close(). */
const struct kernel_section *kernel_section(const struct kernel *k, const char *name);

/* Guest RAM: what a boot_request may ask for. */
#define LOADER_RAM_MIN 0x01000000 /* 16 MiB */
#define LOADER_RAM_MAX 0xfe000000 /* above live the APICs, the flash and the like */

/*
 * What the loader puts below 1 MiB. The guest may reuse all of it once it has copied
 * boot_params and the command line, which Linux does before it turns paging on.
 */
#define LOADER_GDT_PA     0x1000  /* 4 descriptors */
#define LOADER_STACK_PA   0x10000 /* initial ESP; 32 KiB below are left alone */
#define LOADER_PARAMS_PA  0x90000 /* struct boot_params, 4 KiB */
#define LOADER_CMDLINE_PA 0x91000
#define LOADER_LOWMEM_END 0x9fc00 /* where the BIOS area of a PC begins */

#define LOADER_BOOT_CS 0x10 /* flat, executable: __BOOT_CS */
#define LOADER_BOOT_DS 0x18 /* flat, writable: __BOOT_DS */

struct boot_request {
	uint8_t *ram;             /* guest-physical 0; ram_size writable bytes */
	uint64_t ram_size;        /* LOADER_RAM_MIN..LOADER_RAM_MAX, a multiple of 4096 */
	const char *command_line; /* NULL stands for an empty one */
	/*
	 * Or NULL. For a multiboot kernel a list of modules, separated by commas: each a path, and
	 * behind a space its arguments.
	 */
	const char *initrd_path;
	uint32_t rsdp_pa; /* ACPI's root pointer; 0: none, or the kernel may search */
	uint64_t random;  /* decides where a kernel lies that wants to be anywhere */
};

/*
 * How to enter the kernel: EIP = entry_pa, ESP = stack_pa, GDTR = {gdt_pa, gdt_limit},
 * CS = LOADER_BOOT_CS, DS = ES = SS = LOADER_BOOT_DS, ESI, EAX and EBX as given here, the others
 * 0, interrupts and paging off. Linux takes ESI; a multiboot kernel EAX and EBX.
 */
struct boot_result {
	uint32_t entry_pa;
	uint32_t boot_params_pa; /* ESI, or for multiboot EBX: the information structure */
	uint32_t esi, eax, ebx;
	uint32_t gdt_pa;
	uint16_t gdt_limit; /* GDTR limit: size in bytes minus 1 */
	uint32_t stack_pa;
	uint64_t initrd_pa, initrd_size; /* 0, 0 without one */
};

/*
 * Places kernel, boot_params, command line, GDT and initrd in guest RAM.
 *
 * A kernel with `randomizes` is moved first, unless its command line says nokaslr (or describes
 * the memory: mem=, memmap=): to one of the places that leave room for it and the initrd.
 *
 * On success fills *out and returns 0. On failure returns -1 and fills *e; guest RAM then
 * holds anything. Fails with LOADER_EINPUT if RAM size, command line or initrd do not
 * suit the kernel, with LOADER_EHOST if the host cannot hold or read the initrd.
 */
int kernel_load(struct kernel *k, const struct boot_request *r, struct boot_result *out,
                struct loader_error *e);

#endif
