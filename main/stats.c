// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/stats.h"

#include "main/annotation.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const struct {
	const char *name, *group, *text;
} names[STAT_COUNT] = {
#define X(name, group, text) {#name, group, text},
    STATS(X)
#undef X
};

static const char *const op_names[OP_COUNT] = {"none",
#define X(name) #name,
                                               OPS(X)
#undef X
};

static const char *const vmi_names[VMI_NR_CALLS] = {
#define X(number, name, text) [number] = #name,
    VMI_CALLS(X)
#undef X
};

/* The ROM counts in 32-bit words of its own. */
static uint64_t value(const struct vm *vm, enum statistic s)
{
	switch (s) {
	case STAT_syscall_rom:
		return vm->vcpu->count_syscall_rom;
	case STAT_iret_user_rom:
		return vm->vcpu->count_iret_user_rom;
	case STAT_iret_kernel_rom:
		return vm->vcpu->count_iret_kernel_rom;
	case STAT_segment_rom:
		return vm->vcpu->count_segment_rom;
	default:
		return vm->machine->count[s];
	}
}

void stats_print(FILE *to, const struct vm *vm, const struct annotate_report *annotation)
{
	const char *group = "";

	fprintf(to, "guest time %.3f s, %u cells\n", (double)vm_clock(vm) / 1e9, vm->ncells);
	for (int i = 0; i < STAT_COUNT; i++) {
		if (!value(vm, i))
			continue;
		if (strcmp(group, names[i].group))
			fprintf(to, "%s\n", names[i].group);
		group = names[i].group;
		fprintf(to, "  %12" PRIu64 "  %-20s %s\n", value(vm, i), names[i].name,
		        names[i].text);
	}
	fprintf(to, "emulated in the core, by kind\n");
	for (int i = 0; i < OP_COUNT; i++)
		if (vm->machine->count_op[i])
			fprintf(to, "  %12" PRIu64 "  %s\n", vm->machine->count_op[i], op_names[i]);
	for (int i = 0; i < VMI_NR_CALLS; i++)
		if (vm->machine->count_vmi[i])
			fprintf(to, "  %12" PRIu64 "  VMI_%s, beyond the ROM\n",
			        vm->machine->count_vmi[i], vmi_names[i]);
	if (annotation)
		annotate_print_report(annotation, to);
}

int stats_write_json(const char *path, const struct vm *vm,
                     const struct annotate_report *annotation)
{
	json_t *root = json_object(), *counts = json_object(), *ops = json_object();
	json_t *calls = json_object();
	int r;

	json_object_set_new(root, "guest_ns", json_integer((json_int_t)vm_clock(vm)));
	json_object_set_new(root, "cells", json_integer(vm->ncells));
	for (int i = 0; i < STAT_COUNT; i++)
		json_object_set_new(counts, names[i].name, json_integer((json_int_t)value(vm, i)));
	json_object_set_new(root, "counts", counts);
	for (int i = 0; i < OP_COUNT; i++)
		json_object_set_new(ops, op_names[i],
		                    json_integer((json_int_t)vm->machine->count_op[i]));
	json_object_set_new(root, "emulated", ops);
	for (int i = 0; i < VMI_NR_CALLS; i++)
		json_object_set_new(calls, vmi_names[i],
		                    json_integer((json_int_t)vm->machine->count_vmi[i]));
	json_object_set_new(root, "vmi_calls_beyond_rom", calls);
	if (annotation)
		json_object_set_new(root, "annotation", annotation_json(annotation));
	errno = EIO;
	r = json_dump_file(root, path, JSON_INDENT(2));
	json_decref(root);
	return r;
}
