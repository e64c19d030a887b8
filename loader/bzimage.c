// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bzImage container: boot sector, setup header, real-mode code, 32-bit decompressor,
 * compressed vmlinux. Fields are called as in Documentation/x86/boot.rst, "The Real-Mode
 * Kernel Header"; the real-mode code and the decompressor are of no use here.
 */
#include "loader/internal.h"

#include <asm/bootparam.h>
#include <stdlib.h>

#define SECTOR              512u
#define HEADER_AT           0x1f1u /* setup_sects, the first field */
#define HEADER_JUMP_AT      0x201u /* operand of the jump over the header: its size */
#define HEADER_MAGIC_AT     0x202u /* "HdrS"; the jump counts from here */
#define BOOT_FLAG_AT        0x1feu
#define SMALLEST_HEADER_END 0x230u /* with initrd_addr_max: protocol 2.03 */

#define PROTOCOL_OLDEST    0x0203 /* kernel 2.4.18: nothing older runs on what ring1 offers */
#define PROTOCOL_CMDLINE   0x0206 /* cmdline_size */
#define PROTOCOL_PAYLOAD   0x0208 /* payload_offset, payload_length */
#define PROTOCOL_INIT_SIZE 0x020a /* init_size; relocatable_kernel and others are older */
#define PROTOCOL_XLOAD     0x020c /* xloadflags */

#define CMDLINE_SIZE_OLD 255 /* boot.rst on cmdline_size: what protocols before 2.06 allow */

/* Bounds the search in kernels that do not say where their payload is. */
#define SCAN_TRIES 16

bool bzimage_recognise(const uint8_t *file, size_t n)
{
	return n >= SMALLEST_HEADER_END && load16(file + BOOT_FLAG_AT) == 0xaa55 &&
	       memcmp(file + HEADER_MAGIC_AT, "HdrS", 4) == 0;
}

/* Takes over as much header as the file says it has; fields behind that read as zero. */
static void copy_header(struct kernel *k, const uint8_t *file, size_t n, struct setup_header *h)
{
	size_t end = HEADER_MAGIC_AT + file[HEADER_JUMP_AT];

	if (end > n)
		end = n;
	k->setup_header_size = end - HEADER_AT;
	if (k->setup_header_size > sizeof k->setup_header)
		k->setup_header_size = sizeof k->setup_header;
	memcpy(k->setup_header, file + HEADER_AT, k->setup_header_size);

	memset(h, 0, sizeof *h);
	memcpy(h, k->setup_header,
	       k->setup_header_size < sizeof *h ? k->setup_header_size : sizeof *h);
}

/* kernel_version counts from the boot sector's end, where the real-mode code begins. */
static void copy_version(struct kernel *k, const uint8_t *file, size_t setup_end,
                         const struct setup_header *h)
{
	size_t from = (size_t)h->kernel_version + SECTOR, i = 0;

	if (h->kernel_version == 0)
		return;
	while (from + i < setup_end && i + 1 < sizeof k->version && file[from + i] >= ' ' &&
	       file[from + i] < 0x7f) {
		k->version[i] = (char)file[from + i];
		i++;
	}
	k->version[i] = '\0';
}

static int check_header(struct kernel *k, const struct setup_header *h, struct loader_error *e)
{
	if (h->version < PROTOCOL_OLDEST)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "speaks boot protocol %d.%02d; ring1 needs 2.03 or later",
		                   h->version >> 8, h->version & 0xff);
	if (h->version >= PROTOCOL_XLOAD && (h->xloadflags & XLF_KERNEL_64))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is a 64-bit kernel; ring1 runs i386 kernels");
	k->boot_protocol = h->version;
	k->initrd_addr_max = h->initrd_addr_max;
	k->cmdline_size = h->version >= PROTOCOL_CMDLINE ? h->cmdline_size : CMDLINE_SIZE_OLD;
	return 0;
}

static int take_payload(struct kernel *k, const uint8_t *in, size_t n, struct loader_error *e)
{
	struct bytes elf;

	if ((k->use_cache ? decompress_cached : decompress)(k->path, in, n, &elf, e) < 0)
		return -1;
	k->compression = compression_name(in, n);
	k->elf = elf.data;
	k->elf_size = elf.size;
	return 0;
}

static int open_payload(struct kernel *k, const uint8_t *code, size_t n,
                        const struct setup_header *h, struct loader_error *e)
{
	if (h->payload_length == 0)
		return loader_fail(e, LOADER_EINPUT, k->path, "has no payload: not a kernel");
	if (h->payload_offset > n || h->payload_length > n - h->payload_offset)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is truncated: its payload of %u bytes would end %llu bytes "
		                   "behind the file",
		                   h->payload_length,
		                   (unsigned long long)h->payload_offset + h->payload_length - n);
	return take_payload(k, code + h->payload_offset, h->payload_length, e);
}

/*
 * Before protocol 2.08 (kernel 2.6.26) nothing says where the payload begins, and gzip is
 * its only format. A match that does not decompress is code that looks like a gzip header.
 */
static int scan_payload(struct kernel *k, const uint8_t *code, size_t n, struct loader_error *e)
{
	static const uint8_t magic[] = {0x1f, 0x8b, 0x08};
	const uint8_t *at = code;

	loader_fail(e, LOADER_EINPUT, k->path, "contains no gzip data: truncated or no kernel");
	for (int tries = 0; tries < SCAN_TRIES; tries++) {
		at = memmem(at, n - (size_t)(at - code), magic, sizeof magic);
		if (!at)
			return -1;
		if (take_payload(k, at, n - (size_t)(at - code), e) == 0)
			return 0;
		at++;
	}
	return -1;
}

/*
 * Whether the decompressor chooses a place: it then knows the argument that forbids it
 * (arch/x86/boot/compressed/kaslr.c, since Linux 3.14). The payload says nothing of it.
 */
static bool chooses_place(const uint8_t *code, size_t n, const struct setup_header *h)
{
	static const char argument[] = "nokaslr";
	size_t from = h->payload_offset, to = from + h->payload_length;

	return h->version >= PROTOCOL_PAYLOAD &&
	       (memmem(code, from, argument, sizeof argument - 1) ||
	        memmem(code + to, n - to, argument, sizeof argument - 1));
}

static void copy_placement(struct kernel *k, const uint8_t *code, size_t n,
                           const struct setup_header *h)
{
	uint32_t alignment = h->kernel_alignment;

	if (h->version >= PROTOCOL_INIT_SIZE)
		k->init_size = h->init_size;
	if (h->version < PROTOCOL_INIT_SIZE || !h->relocatable_kernel || alignment < PAGE ||
	    alignment & (alignment - 1) || !chooses_place(code, n, h))
		return;
	k->randomizes = true;
	k->alignment = alignment;
}

int bzimage_open(struct kernel *k, const uint8_t *file, size_t n, struct loader_error *e)
{
	struct setup_header h;
	size_t setup_end;
	int status;

	k->format = KERNEL_BZIMAGE;
	copy_header(k, file, n, &h);
	if (check_header(k, &h, e) < 0)
		return -1;
	/* boot.rst: "If the setup_sects field contains 0, the real value is 4." */
	setup_end = ((h.setup_sects ? h.setup_sects : 4u) + 1) * SECTOR;
	if (setup_end >= n)
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "is truncated: it ends within its real-mode code");
	copy_version(k, file, setup_end, &h);
	if (h.version >= PROTOCOL_PAYLOAD)
		status = open_payload(k, file + setup_end, n - setup_end, &h, e);
	else
		status = scan_payload(k, file + setup_end, n - setup_end, e);
	if (status == 0 && !elf_recognise(k->elf, k->elf_size))
		return loader_fail(e, LOADER_EINPUT, k->path,
		                   "holds a kernel without ELF headers, as before Linux 2.6.26; "
		                   "give the vmlinux it was made from");
	if (status == 0)
		copy_placement(k, file + setup_end, n - setup_end, &h);
	return status;
}
