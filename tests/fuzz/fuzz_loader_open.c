// SPDX-License-Identifier: GPL-2.0-or-later
/* The input is a kernel file; what opens must be safe to read as struct kernel promises. */
#include "loader/loader.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static volatile uint8_t sink;

/* Reads both ends: ASan reports what is outside of the file. */
static void touch(const uint8_t *data, size_t n)
{
	if (data && n > 0)
		sink = data[0] ^ data[n - 1];
}

static void check_segments(const struct kernel *k)
{
	bool entry = false;

	require(k->nsegments > 0 && k->low_pa >= 0x100000 && k->low_pa < k->high_pa);
	for (size_t i = 0; i < k->nsegments; i++) {
		const struct kernel_segment *s = &k->segments[i];

		require(s->va - s->pa == k->kernel_base && s->file_size <= s->memory_size);
		require(s->pa >= k->low_pa && s->memory_size <= k->high_pa - s->pa);
		touch(k->elf + s->file_offset, s->file_size);
		entry |= k->entry_pa >= s->pa && k->entry_pa - s->pa < s->file_size;
	}
	require(entry);
}

static void check_sections(const struct kernel *k)
{
	for (size_t i = 0; i < k->nsections; i++) {
		const struct kernel_section *s = &k->sections[i];

		sink = (uint8_t)strlen(s->name);
		touch(s->data, s->size);
		require(!s->alloc || (s->va - k->kernel_base >= k->low_pa &&
		                      s->size <= k->high_pa - (s->va - k->kernel_base)));
	}
	sink = kernel_section(k, ".text") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loader_error e;
	struct kernel k;

	if (kernel_open_bytes(data, size, "fuzz", &k, &e) == 0) {
		check_segments(&k);
		check_sections(&k);
		require(strlen(k.version) < sizeof k.version);
		require(k.build_id_size <= sizeof k.build_id);
		require(k.setup_header_size <= sizeof k.setup_header);
		kernel_close(&k);
	} else {
		require(e.kind == LOADER_EINPUT || e.kind == LOADER_EHOST);
		require(strlen(e.text) > 0 && strlen(e.text) < sizeof e.text);
	}
	return 0;
}
