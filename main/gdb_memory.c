// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/gdb_memory.h"

#include "annotate/annotate.h"
#include "common/guest_view.h"

#include <string.h>

static struct guest_view view(const struct vm *vm)
{
	return (struct guest_view){.ram = vm->ram,
	                           .lazy = vm_lazy(vm),
	                           .ram_size = vm->ram_size,
	                           .cr0 = vm->vcpu->cr0,
	                           .cr3 = vm->vcpu->cr3,
	                           .cr4 = vm->vcpu->cr4};
}

struct piece {
	uint32_t va, n;
	uint8_t *bytes;
};

/* Where @now stands in the guest, @old is shown: all of it, or nothing. */
static void overlay(const struct guest_view *v, const struct piece *p, uint32_t va, uint32_t n,
                    const uint8_t *now, const uint8_t *old)
{
	uint8_t there[ANNOT_WINDOW_BYTES];
	uint32_t offset;

	if (n > sizeof there || !guest_view_read(v, va, there, n) || memcmp(there, now, n))
		return;
	for (uint32_t i = 0; i < n; i++) {
		offset = va + i - p->va;
		if (offset < p->n)
			p->bytes[offset] = old[i];
	}
}

static bool touches(const struct piece *p, uint32_t va, uint32_t n)
{
	return va - p->va < p->n || p->va - va < n;
}

/* Tables of annotations are main's own: cells can only read them. */
static void show_originals(const struct vm *vm, const struct guest_view *v, const struct piece *p,
                           uint32_t first_window, uint32_t nwindows, uint32_t first_site,
                           uint32_t nsites)
{
	const struct annot_window *w = vm->annotations->windows + first_window;
	const struct annot_site *s = vm->annotations->sites + first_site;
	uint8_t trap[16];

	for (uint32_t i = 0; i < nwindows; i++)
		if (touches(p, w[i].va, w[i].length))
			overlay(v, p, w[i].va, w[i].length, w[i].bytes, w[i].old);
	for (uint32_t i = 0; i < nsites; i++)
		if (touches(p, s[i].va, s[i].length) && s[i].length < sizeof trap) {
			annotate_trap_bytes(&s[i], trap);
			overlay(v, p, s[i].va, s[i].length, trap, s[i].bytes);
		}
}

bool gdb_read_memory(const struct vm *vm, uint32_t va, uint8_t *to, uint32_t n)
{
	const struct annotations *a = vm->annotations;
	const struct guest_view v = view(vm);
	const struct piece p = {va, n, to};

	if (!guest_view_read(&v, va, to, n))
		return false;
	show_originals(vm, &v, &p, 0, a->nwindows, 0, a->nsites);
	for (uint32_t i = 0; i < a->nparts; i++)
		if (touches(&p, a->parts[i].va, a->parts[i].size))
			show_originals(vm, &v, &p, a->parts[i].first_window, a->parts[i].nwindows,
			               a->parts[i].first_site, a->parts[i].nsites);
	return true;
}

bool gdb_write_memory(const struct vm *vm, uint32_t va, const uint8_t *from, uint32_t n)
{
	const struct guest_view v = view(vm);

	return guest_view_write(&v, va, from, n);
}
