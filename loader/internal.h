/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of loader/ share with each other and with nobody else. */
#ifndef LOADER_INTERNAL_H
#define LOADER_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem(); this header comes first in every file here */
#endif

#include "loader/loader.h"

#include <string.h>

#define MIB  ((size_t)1 << 20)
#define PAGE 4096u

/*
 * Bounds on what a file can make the monitor hold. A vmlinux with debug information has
 * several hundred MiB; the decompressed vmlinux of a bzImage is stripped, about 16 MiB.
 * The fuzzers look for bugs, not for memory: they get by with less.
 */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define KERNEL_FILE_MAX (4 * MIB)
#define KERNEL_ELF_MAX  (8 * MIB)
#else
#define KERNEL_FILE_MAX (1024 * MIB)
#define KERNEL_ELF_MAX  (256 * MIB)
#endif

/* A buffer from malloc(). */
struct bytes {
	uint8_t *data;
	size_t size;
};

/* Fills *e with "path: reason". Returns -1, so that callers can return it. */
int loader_fail(struct loader_error *e, enum loader_error_kind kind, const char *path,
                const char *reason, ...) __attribute__((format(printf, 4, 5)));

/* loader_fail() for a host that has no memory left. */
int loader_no_memory(struct loader_error *e, const char *path);

/*
 * Reads a file of at most `limit` bytes. Pipes and devices are read until they end;
 * directories and sockets are refused. *out is the caller's to free on success only.
 */
int read_file(const char *path, size_t limit, struct bytes *out, struct loader_error *e);

/* The compression format the bytes begin with, or NULL. "lzo" is known but not supported. */
const char *compression_name(const uint8_t *in, size_t n);

/*
 * Decompresses the stream that `in` begins with; bytes behind its end are ignored, as a
 * bzImage appends the decompressed size. Output above KERNEL_ELF_MAX is an error.
 * *out is the caller's to free on success only. `path` is for messages.
 */
int decompress(const char *path, const uint8_t *in, size_t n, struct bytes *out,
               struct loader_error *e);

/* decompress(), or its result of an earlier run from the user's cache directory. */
int decompress_cached(const char *path, const uint8_t *in, size_t n, struct bytes *out,
                      struct loader_error *e);

/* Whether the file is a Linux x86 image: real-mode boot sector and setup header. */
bool bzimage_recognise(const uint8_t *file, size_t n);

/* Fills the setup-header fields of *k, its elf and its compression. k->path must be set. */
int bzimage_open(struct kernel *k, const uint8_t *file, size_t n, struct loader_error *e);

/*
 * Whether the file has a multiboot header with a right checksum; then *header_at is its offset.
 * *damaged: there is none, but at *header_at stands one whose checksum is wrong.
 */
bool multiboot_recognise(const uint8_t *file, size_t n, size_t *header_at, bool *damaged);

/* Checks the header in k->elf and fills entry, span, segments and sections. */
int multiboot_open(struct kernel *k, size_t header_at, struct loader_error *e);

/*
 * Writes the multiboot information at LOADER_PARAMS_PA, the strings it names at LOADER_CMDLINE_PA,
 * and loads the modules behind the kernel. Its segments are in place.
 */
int multiboot_info_write(const struct kernel *k, const struct boot_request *r,
                         struct loader_error *e);

/* Whether the bytes begin with an ELF magic. */
bool elf_recognise(const uint8_t *file, size_t n);

/* Validates k->elf and fills entry, span, segments and sections. k->path must be set. */
int elf_open(struct kernel *k, struct loader_error *e);

/* Only the sections of an ELF file whose segments are known; none if they are not usable. */
int elf_sections(struct kernel *k, struct loader_error *e);

/* Fills version, build_id, pae and speaks_vmi from k->elf. What is not found stays empty. */
void identify(struct kernel *k);

/* The file bytes loaded at [pa, pa + n), or NULL if not all of them come from the file. */
const uint8_t *kernel_at_pa(const struct kernel *k, uint32_t pa, uint32_t n);

/*
 * Finds the relocations behind the ELF file in k->elf, whose segments are known. What does not
 * look like them is none: such a kernel stays where it was linked.
 */
void relocations_find(struct kernel *k);

/* Whether the kernel is to be moved: it can be, would be, and the command line does not object. */
bool kernel_wants_to_move(const struct kernel *k, const char *command_line);

/*
 * Moves a kernel with relocations to one of the places between where it was linked and `end`
 * that its alignment allows; `random` chooses. It stays if there is no other.
 */
void kernel_move_randomly(struct kernel *k, uint64_t end, uint64_t random);

/*
 * Reads the initrd. An empty file is an error, as a guest would not notice it. `ram_size` is in
 * bytes. *out is the caller's to free on success only.
 */
int initrd_read(const char *path, uint64_t ram_size, struct bytes *out, struct loader_error *e);

/* The end of the highest memory that the kernel can be in and leave room for the initrd. */
uint64_t initrd_kernel_end(const struct kernel *k, uint64_t ram_size, uint64_t size);

/* Places an initrd of `file->size` bytes (see initrd.c for where), sets *pa and *size. */
int initrd_place(const struct kernel *k, const char *path, const struct bytes *file, uint8_t *ram,
                 uint64_t ram_size, uint32_t *pa, uint32_t *size, struct loader_error *e);

/* Writes the zero page at LOADER_PARAMS_PA. The command line is already in place. */
void boot_params_write(const struct kernel *k, uint8_t *ram, uint64_t ram_size, uint32_t initrd_pa,
                       uint32_t initrd_size, uint32_t rsdp_pa);

/* Little-endian loads from any alignment: every format here is little-endian, as is x86. */
static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

#endif
