// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/stats.h"

#include "main/annotation.h"
#include "main/modules.h"

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

/* The words of the ROM and of the stubs, copied once: they are the guest's as well. */
static struct vcpu counted(const struct vm *vm)
{
	return *(const volatile struct vcpu *)vm->vcpu;
}

static void print_rendered(FILE *to, const struct vcpu *v)
{
	if (!v->count_calls)
		return;
	fprintf(to, "rewritten instructions executed without the core, by kind\n");
	for (int i = 1; i < ANNOTATE_NKINDS; i++)
		if (v->count_site[i])
			fprintf(to, "  %12" PRIu64 "  %s\n", v->count_site[i],
			        annotate_kind_name(i));
	if (v->count_popf_enabling)
		fprintf(to, "  %12" PRIu64 "  of the popf: with IF set\n", v->count_popf_enabling);
}

static void print_vmi(FILE *to, const struct vm *vm, const struct vcpu *v)
{
	bool heading = false;

	for (int i = 0; i < VMI_NR_CALLS; i++) {
		if (!v->vmi_asked[i] && !v->count_vmi[i] && !vm->machine->count_vmi[i])
			continue;
		if (!heading)
			fprintf(to, "VMI calls\n  %12s  %12s  %9s\n", "called", "left the ROM",
			        "asked for");
		heading = true;
		if (v->count_calls)
			fprintf(to, "  %12" PRIu64, v->count_vmi[i]);
		else
			fprintf(to, "  %12s", "not counted");
		fprintf(to, "  %12" PRIu64 "  %9" PRIu32 "  %2d %s\n", vm->machine->count_vmi[i],
		        v->vmi_asked[i], i, vmi_names[i]);
	}
	if (v->vmi_asked_unknown)
		fprintf(to, "  %12s  %12s  %9" PRIu32 "  numbers this ROM does not know\n", "", "",
		        v->vmi_asked_unknown);
	if (v->count_mask_enabling)
		fprintf(to, "  %12" PRIu64 "  of the SetInterruptMask: with IF set\n",
		        v->count_mask_enabling);
}

/* What was not counted is null, not 0. */
static json_t *call_count(const struct vcpu *v, uint64_t n)
{
	return v->count_calls ? json_integer((json_int_t)n) : json_null();
}

static json_t *rendered_json(const struct vcpu *v)
{
	json_t *kinds = json_object();

	for (int i = 1; i < ANNOTATE_NKINDS; i++)
		json_object_set_new(kinds, annotate_kind_name(i), call_count(v, v->count_site[i]));
	json_object_set_new(kinds, "popf_enabling", call_count(v, v->count_popf_enabling));
	return kinds;
}

static json_t *vmi_json(const struct vm *vm, const struct vcpu *v)
{
	json_t *calls = json_object();

	for (int i = 0; i < VMI_NR_CALLS; i++)
		json_object_set_new(calls, vmi_names[i],
		                    json_pack("{s:i,s:I,s:o,s:I}", "number", i, "asked",
		                              (json_int_t)v->vmi_asked[i], "called",
		                              call_count(v, v->count_vmi[i]), "left_rom",
		                              (json_int_t)vm->machine->count_vmi[i]));
	return json_pack("{s:b,s:I,s:o,s:o}", "initialised", vm->machine->vmi_active != 0,
	                 "asked_unknown", (json_int_t)v->vmi_asked_unknown, "mask_enabling",
	                 call_count(v, v->count_mask_enabling), "calls", calls);
}

/* How long interrupts waited that were masked, or enabled and not delivered: in powers of two. */
static void print_delays(FILE *to, const struct vm *vm)
{
	bool any = false;

	for (int i = 0; i < DELAY_BUCKETS; i++) {
		uint64_t n = vm->machine->delivery_delay[i];

		if (!n)
			continue;
		if (!any)
			fprintf(to, "interrupts that waited, by ns\n");
		any = true;
		fprintf(to, "  %12" PRIu64 "  below %" PRIu64 "\n", n, (uint64_t)2 << i);
	}
}

/* How cells map pages: with windows of a userfaultfd, or without and why. */
static const char *windows_name(const struct vm *vm)
{
	switch (__atomic_load_n(&vm->machine->windows, __ATOMIC_RELAXED)) {
	case WINDOWS_ON:
		return "on";
	case WINDOWS_OFF:
		return "off";
	default:
		return "refused by the host";
	}
}

void stats_print(FILE *to, const struct vm *vm, const struct annotate_report *annotation)
{
	struct vcpu v = counted(vm);
	const char *group = "";
	char huge[HUGE_NAME_BYTES];

	huge_pages_describe(&vm->huge, huge);
	fprintf(to, "guest time %.3f s, %u cells, userfaultfd %s, huge pages %s\n",
	        (double)vm_clock(vm) / 1e9, vm->ncells, windows_name(vm), huge);
	for (int i = 0; i < STAT_COUNT; i++) {
		if (!value(vm, i))
			continue;
		if (strcmp(group, names[i].group))
			fprintf(to, "%s\n", names[i].group);
		group = names[i].group;
		fprintf(to, "  %12" PRIu64 "  %-20s %s\n", value(vm, i), names[i].name,
		        names[i].text);
	}
	print_delays(to, vm);
	fprintf(to, "emulated in the core, by kind\n");
	for (int i = 0; i < OP_COUNT; i++)
		if (vm->machine->count_op[i])
			fprintf(to, "  %12" PRIu64 "  %s\n", vm->machine->count_op[i], op_names[i]);
	print_rendered(to, &v);
	print_vmi(to, vm, &v);
	if (annotation)
		annotate_print_report(annotation, to);
	modules_print(to, vm);
}

json_t *stats_json(const struct vm *vm, const struct annotate_report *annotation)
{
	json_t *root = json_object(), *counts = json_object(), *ops = json_object();
	json_t *delays = json_array();
	struct vcpu v = counted(vm);
	char huge[HUGE_NAME_BYTES];

	huge_pages_describe(&vm->huge, huge);
	json_object_set_new(root, "guest_ns", json_integer((json_int_t)vm_clock(vm)));
	json_object_set_new(root, "windows", json_string(windows_name(vm)));
	json_object_set_new(root, "huge_pages", json_string(huge));
	json_object_set_new(root, "cells", json_integer(vm->ncells));
	for (int i = 0; i < STAT_COUNT; i++)
		json_object_set_new(counts, names[i].name, json_integer((json_int_t)value(vm, i)));
	json_object_set_new(root, "counts", counts);
	for (int i = 0; i < OP_COUNT; i++)
		json_object_set_new(ops, op_names[i],
		                    json_integer((json_int_t)vm->machine->count_op[i]));
	json_object_set_new(root, "emulated", ops);
	json_object_set_new(root, "rendered", rendered_json(&v));
	json_object_set_new(root, "vmi", vmi_json(vm, &v));
	for (int i = 0; i < DELAY_BUCKETS; i++)
		json_array_append_new(delays,
		                      json_integer((json_int_t)vm->machine->delivery_delay[i]));
	json_object_set_new(root, "delivery_delay_log2_ns", delays);
	if (annotation)
		json_object_set_new(root, "annotation", annotation_json(annotation));
	json_object_set_new(root, "modules", modules_json(vm));
	return root;
}

int stats_write_json(FILE *to, const struct vm *vm, const struct annotate_report *annotation)
{
	json_t *root = stats_json(vm, annotation);
	int r;

	errno = EIO;
	r = json_dumpf(root, to, JSON_INDENT(2)) || fflush(to) ? -1 : 0;
	json_decref(root);
	return r;
}
