// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile cell's requests about modules, one after the other against the same tables: arbitrary
 * guest memory with page tables and headers in it, arbitrary addresses, control registers and
 * kinds, memory that changes in between. Main answers each, writes nothing but guest memory and the
 * modules' share of the annotations, keeps its tables sound, and says nothing that is not
 * printable.
 */
#include "annotate/parts.h"
#include "main/modules.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

#define RAM        0x40000u
#define HEAD       18u /* flags, header, sections, cr3, memory, steps */
#define STEP_BYTES 8u
#define MAX_STEPS  16u
#define SITES      3u /* the kernel's share */

static struct vm vm;
static struct annotations *before;

static void open_vm(void)
{
	if (vm.machine)
		return;
	vm.machine = shared_memory(sizeof *vm.machine);
	vm.vcpu = shared_memory(sizeof *vm.vcpu);
	vm.annotations = shared_memory(sizeof *vm.annotations);
	vm.module_stubs = shared_memory(HOLE_MODULES_SIZE);
	before = shared_memory(sizeof *before);
	for (uint32_t i = 0; i < SITES; i++)
		before->sites[i] = (struct annot_site){.va = 0xc1000000 + i, .length = 1};
	before->nsites = SITES;
	before->kernel_base = 0xc0000000;
}

/* What is not the modules' is as it was. */
static void look_at_tables(void)
{
	const struct annotations *a = vm.annotations;

	must(parts_are_sound(a), "the tables are not sound");
	must(a->nsites == before->nsites && a->nwindows == before->nwindows &&
	         a->npoints == before->npoints && a->stub_bytes == before->stub_bytes &&
	         a->kernel_base == before->kernel_base && a->patch_copy == before->patch_copy &&
	         !memcmp(a->sites, before->sites, SITES * sizeof a->sites[0]),
	     "the kernel's share has changed");
	for (const char *p = vm.modules.why; *p; p++)
		must(*p >= ' ' && *p <= '~', "a complaint is not printable");
}

static void ask(const struct module_request *r)
{
	struct machine *m = vm.machine;

	m->module_request = *r;
	m->module_asked++;
	modules_serve(&vm);
	must(m->module_answer == m->module_asked, "a request was not answered");
	look_at_tables();
}

static void step(struct module_request *r, const uint8_t *s)
{
	uint32_t what = u32(s), value = u32(s + 4), at = what >> 4;

	switch (what & 15) {
	case 0:
		r->kind = MODULE_REQUEST_FREE;
		ask(r);
		return;
	case 1:
		r->kind = value;
		ask(r);
		return;
	case 2:
		memcpy((uint8_t *)r + at % (sizeof *r - 3), &value, 4);
		return;
	case 3: /* of a part that there is */
		if (vm.annotations->nparts)
			r->memory =
			    vm.annotations->parts[value % vm.annotations->nparts].va & ~4095u;
		return;
	case 4:
		vm.module_options.traps_only = value & 1;
		vm.module_options.count_sites = value & 2;
		vm.module_options.deferred = value & 4;
		return;
	case 5:
	case 6:
	case 7:
		r->kind = MODULE_REQUEST_LOAD;
		ask(r);
		return;
	default:
		memcpy(vm.ram + at % (RAM - 3), &value, 4);
	}
}

static void tell(void)
{
	FILE *to = fopen("/dev/null", "w");

	if (to) {
		modules_print(to, &vm);
		fclose(to);
	}
	json_decref(modules_json(&vm));
}

/* flags, four words, a number of steps, the steps, memory from address 0 on */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct module_request r = {.kind = MODULE_REQUEST_LOAD};
	size_t steps, at = HEAD;

	if (size < HEAD)
		return 0;
	steps = data[17] % (MAX_STEPS + 1);
	if (size - HEAD < steps * STEP_BYTES || size - HEAD - steps * STEP_BYTES > RAM)
		return 0;
	open_vm();
	/* The first lines of its parts are enough: nothing is read behind what they number. */
	memcpy(vm.annotations, before, offsetof(struct annotations, sites));
	memcpy(vm.annotations->sites, before->sites, SITES * sizeof before->sites[0]);
	memset(vm.machine, 0, offsetof(struct machine, count));
	vm.modules = (struct module_stats){0};
	vm.modules.failed = UINT32_MAX / 2; /* has complained enough */
	vm.module_options = (struct annotate_options){.single_thread = true};
	vm.module_options.traps_only = data[0] & 8;
	vm.ram_size = RAM;
	vm.ram = calloc(1, RAM); /* of its own, so that what lies outside is seen */
	must(vm.ram != NULL, "no memory");
	r.header = u32(data + 1);
	r.sections = u32(data + 5);
	r.cr3 = u32(data + 9);
	r.memory = u32(data + 13);
	r.cr0 = data[0] & 1 ? 0x80000000 : 0;
	r.cr4 = (data[0] & 2 ? 0x20 : 0) | (data[0] & 4 ? 0x10 : 0);
	memcpy(vm.ram, data + at + steps * STEP_BYTES, size - at - steps * STEP_BYTES);
	ask(&r);
	for (; steps; steps--, at += STEP_BYTES)
		step(&r, data + at);
	tell();
	free(vm.ram);
	return 0;
}
