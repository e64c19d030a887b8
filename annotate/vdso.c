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

static bool insert(struct annotations *out, uint32_t pa, uint32_t slot)
{
	uint32_t at = out->nwindows;
	const uint8_t call[ENTRY_BYTES] = {0x2e,      0xff,       0x15,      slot,
	                                   slot >> 8, slot >> 16, slot >> 24};

	if (at == ANNOT_MAX_WINDOWS)
		return false;
	while (at && out->windows[at - 1].pa > pa)
		at--;
	memmove(&out->windows[at + 1], &out->windows[at],
	        (out->nwindows - at) * sizeof(out->windows[0]));
	out->windows[at] = (struct annot_window){.pa = pa, .length = ENTRY_BYTES};
	memcpy(out->windows[at].bytes, call, ENTRY_BYTES);
	out->nwindows++;
	return true;
}

/* The entries of one image of @size bytes at guest-physical @pa. */
static uint32_t image_windows(const uint8_t *image, size_t size, uint32_t pa,
                              const struct annotate_rom *rom, struct annotations *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i + 13 <= size; i++) {
		const uint8_t *p = image + i;
		uint32_t slot = 0;

		if (is_syscall(p))
			slot = rom->vcpu_syscall_slot;
		else if (!memcmp(p, "\xb8\xad\x00\x00\x00\xcd\x80", 7)) /* mov $173,%eax; int */
			slot = rom->vcpu_rt_sigreturn_slot;
		else if (!memcmp(p, "\x58\xb8\x77\x00\x00\x00\xcd\x80", 8)) /* pop; mov $119 */
			slot = rom->vcpu_sigreturn_slot;
		if (slot && insert(out, pa + i, slot)) {
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
				n += image_windows(s->data + at, size, s->va + at - in->kernel_base,
				                   rom, out);
		}
	}
	return n;
}
