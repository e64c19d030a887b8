/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `int $0x80` in user code costs a host signal; a call through a word of the hole does not. The
 * calls are absolute, so that they work wherever the guest maps the page, and through %cs, which
 * in user mode reaches the hole where %ds does not (docs/architecture.md, "Segments").
 */
#include "annotate/vdso.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define VDSO_MAX    (64u << 10) /* bytes of one image */
#define ENTRY_BYTES 7           /* call *%cs:abs32 */

/*
 * push %ecx; push %edx; push %ebp; four bytes of no-op (room for an alternative entry); int $0x80;
 * pop %ebp; pop %edx; pop %ecx; ret. The int stays where it is: the kernel restarts a system call
 * by setting %eip back two bytes, to it.
 */
static bool is_syscall(const uint8_t *p)
{
	static const uint8_t fillings[][4] = {
	    {0x8d, 0x74, 0x26, 0x00}, {0x90, 0x90, 0x90, 0x90}, {0x0f, 0x1f, 0x40, 0x00},
	    {0x66, 0x90, 0x66, 0x90}, {0x89, 0xf6, 0x89, 0xf6}, {0x8d, 0x64, 0x24, 0x00},
	};

	if (memcmp(p, "\x51\x52\x55", 3) || memcmp(p + 7, "\xcd\x80\x5d\x5a\x59\xc3", 6))
		return false;
	for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++)
		if (!memcmp(p + 3, fillings[i], 4))
			return true;
	return false;
}

static bool insert(struct annotations *out, uint32_t va, const uint8_t *old, const uint8_t *bytes,
                   uint8_t n)
{
	uint32_t at = out->nwindows;

	if (at == ANNOT_MAX_WINDOWS)
		return false;
	while (at && out->windows[at - 1].va > va)
		at--;
	memmove(&out->windows[at + 1], &out->windows[at],
	        (out->nwindows - at) * sizeof(out->windows[0]));
	out->windows[at] =
	    (struct annot_window){.va = va, .function = va, .function_end = va + n, .length = n};
	memcpy(out->windows[at].old, old, n);
	memcpy(out->windows[at].bytes, bytes, n);
	out->nwindows++;
	return true;
}

static void call_through(uint8_t bytes[ENTRY_BYTES], uint32_t slot)
{
	const uint8_t call[ENTRY_BYTES] = {0x2e,      0xff,       0x15,      slot,
	                                   slot >> 8, slot >> 16, slot >> 24};

	memcpy(bytes, call, ENTRY_BYTES);
}

static uint32_t word_at(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* ---- Linux before 4.5: the entry is `int $0x80; ret` where the CPU has no SYSENTER ---- */

#define PLAIN_BYTES 3  /* int $0x80; ret */
#define LONG_BYTES  13 /* the call; int $0x80; pop %ebp; pop %edx; pop %ecx; ret */

/* Where what the guest's programs see of the image ends: its last PT_LOAD. */
static size_t loaded_end(const uint8_t *image, size_t size)
{
	Elf32_Ehdr h;
	size_t end = 0;

	memcpy(&h, image, sizeof(h));
	for (size_t i = 0; i < h.e_phnum; i++) {
		size_t at = h.e_phoff + i * sizeof(Elf32_Phdr);
		Elf32_Phdr p;

		if (at > size || size - at < sizeof(p))
			return size;
		memcpy(&p, image + at, sizeof(p));
		if (p.p_type == PT_LOAD && (size_t)p.p_offset + p.p_filesz > end)
			end = (size_t)p.p_offset + p.p_filesz;
	}
	return end;
}

/*
 * The entry point, with room behind it for the longer form that newer kernels have: filling, or
 * bytes no program is shown, which are names of sections in practice.
 */
static bool is_plain_syscall(const uint8_t *image, size_t size, size_t i)
{
	size_t end = loaded_end(image, size);
	Elf32_Ehdr h;

	memcpy(&h, image, sizeof(h));
	if (h.e_entry != i || size < LONG_BYTES || i > size - LONG_BYTES ||
	    memcmp(image + i, "\xcd\x80\xc3", PLAIN_BYTES))
		return false;
	if (h.e_shoff > i && h.e_shoff < i + LONG_BYTES)
		return false;
	for (size_t at = i + PLAIN_BYTES; at < i + LONG_BYTES; at++)
		if (at < end && image[at] != 0x90)
			return false;
	return true;
}

/*
 * The entry's frame description, for who unwinds out of a system call: 13 bytes now, and at the
 * int's return three words are on the stack (%ebp still holds the caller's, too). Its program was
 * empty, three bytes of DW_CFA_nop.
 */
static void describe_long(const uint8_t *image, size_t size, size_t i, uint32_t va,
                          struct annotations *out)
{
	static const uint8_t description[8] = {LONG_BYTES, 0, 0, 0, 0, 0x0e, 0x10, 0};

	for (size_t at = 0; at + 12 <= size; at += 4)
		if (word_at(image + at) + at == i && word_at(image + at + 4) == PLAIN_BYTES &&
		    !word_at(image + at + 8)) {
			/* DW_CFA_def_cfa_offset 16 */
			insert(out, va + at + 4, image + at + 4, description, sizeof(description));
			return;
		}
}

static bool insert_long(const uint8_t *image, size_t size, size_t i, uint32_t va,
                        const struct annotate_rom *rom, struct annotations *out)
{
	uint8_t bytes[LONG_BYTES] = {0, 0, 0, 0, 0, 0, 0, 0xcd, 0x80, 0x5d, 0x5a, 0x59, 0xc3};

	call_through(bytes, rom->vcpu_syscall_slot);
	if (!insert(out, va + i, image + i, bytes, sizeof(bytes)))
		return false;
	describe_long(image, size, i, va, out);
	return true;
}

/* The entries of one image of @size bytes at guest-virtual @va. */
static uint32_t image_windows(const uint8_t *image, size_t size, uint32_t va,
                              const struct annotate_rom *rom, struct annotations *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i + LONG_BYTES <= size; i++) {
		const uint8_t *p = image + i;
		uint8_t call[ENTRY_BYTES];
		uint32_t slot = 0;

		if (is_plain_syscall(image, size, i) && insert_long(image, size, i, va, rom, out)) {
			n++;
			i += LONG_BYTES - 1;
			continue;
		}
		if (is_syscall(p))
			slot = rom->vcpu_syscall_slot;
		else if (!memcmp(p, "\xb8\xad\x00\x00\x00\xcd\x80", 7)) /* mov $173,%eax; int */
			slot = rom->vcpu_rt_sigreturn_slot;
		else if (!memcmp(p, "\x58\xb8\x77\x00\x00\x00\xcd\x80", 8)) /* pop; mov $119 */
			slot = rom->vcpu_sigreturn_slot;
		call_through(call, slot);
		if (slot && insert(out, va + i, p, call, ENTRY_BYTES)) {
			n++;
			i += ENTRY_BYTES - 1;
		}
	}
	return n;
}

/* The length of the ELF image that starts here, 0 when there is none. */
static size_t image_size(const uint8_t *p, size_t left)
{
	Elf32_Ehdr h;
	size_t size;

	if (left < sizeof(h) || memcmp(p, ELFMAG "\1\1\1", SELFMAG + 3))
		return 0;
	memcpy(&h, p, sizeof(h));
	if (h.e_type != ET_DYN || h.e_machine != EM_386 || h.e_shoff > VDSO_MAX)
		return 0;
	size = h.e_shoff + (size_t)h.e_shnum * sizeof(Elf32_Shdr);
	if (size < sizeof(h) || size > VDSO_MAX)
		return 0;
	return size < left ? size : left;
}

uint32_t vdso_windows(const struct annotate_input *in, const struct annotate_rom *rom,
                      struct annotations *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i < in->nsections; i++) {
		const struct annotate_section *s = &in->sections[i];

		if (!s->data || s->executable)
			continue;
		for (size_t at = -s->va & 15; at + sizeof(Elf32_Ehdr) <= s->size; at += 16) {
			size_t size = image_size(s->data + at, s->size - at);

			if (size)
				n += image_windows(s->data + at, size, s->va + at, rom, out);
		}
	}
	return n;
}
