// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/annotation.h"

#include "annotate/cache.h"
#include "asm_offsets.h"
#include "cell/gate.h"
#include "main/report.h"
#include "ring1/layout.h"
#include "rom_symbols.h"

#include <stdlib.h>

/* A multiboot kernel may come as mere bytes, which do not tell code from data. */
static bool is_mixed(const struct kernel *k)
{
	return k->format == KERNEL_MULTIBOOT && k->nsections == 0;
}

static struct annotate_section *sections_of(const struct kernel *k, size_t *n)
{
	struct annotate_section *s = calloc(k->nsections + k->nsegments + 1, sizeof *s);

	*n = 0;
	for (size_t i = 0; s && is_mixed(k) && i < k->nsegments; i++)
		s[(*n)++] = (struct annotate_section){.name = "",
		                                      .va = k->segments[i].va,
		                                      .size = k->segments[i].file_size,
		                                      .data = k->elf + k->segments[i].file_offset,
		                                      .executable = k->segments[i].executable,
		                                      .writable = k->segments[i].writable,
		                                      .mixed = k->segments[i].executable};
	for (size_t i = 0; s && i < k->nsections; i++)
		if (k->sections[i].alloc)
			s[(*n)++] =
			    (struct annotate_section){.name = k->sections[i].name,
			                              .va = k->sections[i].va,
			                              .size = k->sections[i].size,
			                              .data = k->sections[i].data,
			                              .executable = k->sections[i].executable,
			                              .writable = k->sections[i].writable};
	return s;
}

bool annotation_input(const struct kernel *k, struct annotate_input *in)
{
	*in = (struct annotate_input){.kernel_base = k->kernel_base,
	                              .entry = k->entry_pa + k->kernel_base};
	in->sections = sections_of(k, &in->nsections);
	return in->sections;
}

void annotation_input_free(struct annotate_input *in)
{
	free((void *)in->sections);
	*in = (struct annotate_input){0};
}

static const struct annotate_rom rom = {
    .gate_site = HOLE_GATE + GATE_SITE * GATE_PAD_SIZE,
    .deliver = ROM_DELIVER,
    .keep_promise = ROM_KEEP_PROMISE,
    .enable_keep = ROM_ENABLE_KEEP,
    .disable_keep_deferred = ROM_DISABLE_KEEP_DEFERRED,
    .pushf_image = ROM_PUSHF_IMAGE,
    .popf = ROM_POPF,
    .popf_counted = ROM_POPF_COUNTED,
    .popf_deferred = ROM_POPF_DEFERRED,
    .iret = ROM_IRET,
    .store = {ROM_STORE_ES, ROM_STORE_DS, ROM_STORE_FS, ROM_STORE_GS},
    .load = {ROM_LOAD_ES, ROM_LOAD_DS, ROM_LOAD_FS, ROM_LOAD_GS},
    .vcpu_if = VCPU_IF,
    .vcpu_iret_site = VCPU_IRET_SITE,
    .vcpu_vsel_cs = VCPU_VSEL_CS,
    .vcpu_vsel_ss = VCPU_VSEL_SS,
    .vcpu_cr = {VCPU_CR0, 0, VCPU_CR2, VCPU_CR3, VCPU_CR4},
    .vcpu_syscall_slot = VCPU_SYSCALL_SLOT,
    .vcpu_sigreturn_slot = VCPU_SIGRETURN_SLOT,
    .vcpu_rt_sigreturn_slot = VCPU_RT_SIGRETURN_SLOT,
    .vcpu_count_site = VCPU_COUNT_SITE,
};

struct annotate_options annotation_options(bool traps_only, bool count, bool deferred)
{
	return (struct annotate_options){.traps_only = traps_only,
	                                 .count_sites = count,
	                                 .deferred = deferred,
	                                 .stubs_va = HOLE_STUBS,
	                                 .stubs_size = HOLE_STUBS_SIZE,
	                                 .rom = rom};
}

int annotate_loaded_kernel(const struct kernel *k, bool traps_only, bool count, bool deferred,
                           struct annotations *out, uint8_t *stubs, struct annotate_report *report)
{
	/* Windows and islands want to know what is padding: traps do not. */
	struct annotate_options options =
	    annotation_options(traps_only || is_mixed(k), count, deferred);
	char error[ANNOTATE_ERROR_SIZE] = "";
	struct annotate_input in;
	int r;

	if (!annotation_input(k, &in)) {
		complain("out of memory");
		return EXIT_HOST;
	}
	/* What is kept is of one place: a kernel that moves each time would leave a file for each.
	 */
	r = annotate_kernel_cached(&in, &options, k->build_id, k->moved_by ? 0 : k->build_id_size,
	                           out, stubs, report, error);
	annotation_input_free(&in);
	if (r) {
		complain("%s: %s", k->path, error);
		return EXIT_USAGE;
	}
	return 0;
}

json_t *annotation_json(const struct annotate_report *report)
{
	json_t *kinds = json_object();

	for (int i = 1; i < ANNOTATE_NKINDS; i++) {
		const struct annotate_count *c = &report->kinds[i];

		if (c->found)
			json_object_set_new(kinds, annotate_kind_name(i),
			                    json_pack("{s:i,s:i,s:i,s:i,s:i}", "found", c->found,
			                              "inlined", c->inlined, "called", c->called,
			                              "island", c->island, "trap", c->trap));
	}
	return kinds;
}
