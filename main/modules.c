// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/modules.h"

#include "annotate/image.h"
#include "annotate/module.h"
#include "annotate/parts.h"
#include "main/annotation.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_MASK      4095u
#define COMPLAINTS_MAX 8

/* Result of the annotator before it is entered; too large for a stack. */
static struct annotations scratch;
static uint8_t scratch_stubs[HOLE_MODULES_SIZE];

struct placing {
	const struct annotations *a;
	struct parts_room room;
};

static bool place(void *context, const struct annotate_need *need, uint32_t *first_site,
                  uint32_t *stubs_va)
{
	struct placing *p = context;

	if (!parts_find_room(p->a, IMAGE_EXTENTS_MAX, need, &p->room))
		return false;
	*first_site = p->room.site;
	*stubs_va = p->room.stub;
	return true;
}

/* With stubs; when there is no room for them, without. */
static int annotate(struct vm *vm, const struct module_image *m, struct placing *p,
                    struct annotate_report *report, char error[ANNOTATE_ERROR_SIZE])
{
	struct annotate_options options = vm->module_options;
	int result;

	options.place = place;
	options.place_context = p;
	options.single_thread = true; /* main starts no thread once it is confined */
	options.stubs_va = HOLE_MODULES;
	options.stubs_size = sizeof(scratch_stubs);
	result = annotate_kernel(&m->in, &options, &scratch, scratch_stubs, report, error);
	if (result != -E2BIG || options.traps_only)
		return result;
	options.traps_only = true;
	return annotate_kernel(&m->in, &options, &scratch, scratch_stubs, report, error);
}

static void add_up(struct annotate_report *sum, const struct annotate_report *r)
{
	for (int i = 0; i < ANNOTATE_NKINDS; i++) {
		sum->kinds[i].found += r->kinds[i].found;
		sum->kinds[i].inlined += r->kinds[i].inlined;
		sum->kinds[i].called += r->kinds[i].called;
		sum->kinds[i].island += r->kinds[i].island;
		sum->kinds[i].trap += r->kinds[i].trap;
	}
	sum->instructions += r->instructions;
	sum->undecodable += r->undecodable;
	sum->windows += r->windows;
	sum->jump_labels += r->jump_labels;
	sum->mcount += r->mcount;
	sum->exceptions += r->exceptions;
	sum->alternatives += r->alternatives;
	sum->total_ns += r->total_ns;
}

static void failed(struct vm *vm, const char *why)
{
	struct module_stats *s = &vm->modules;

	snprintf(s->why, sizeof(s->why), "%s", why);
	if (s->failed++ < COMPLAINTS_MAX)
		complain("a module is left unannotated: %s", why);
}

static void load(struct vm *vm, const struct module_request *r)
{
	const struct guest_view view = {.ram = vm->ram,
	                                .ram_size = vm->ram_size,
	                                .cr0 = r->cr0,
	                                .cr3 = r->cr3,
	                                .cr4 = r->cr4,
	                                .lazy = vm_lazy(vm)};
	struct annotate_report report;
	struct placing p = {.a = vm->annotations};
	char error[ANNOTATE_ERROR_SIZE] = "";
	struct module_image m;

	if (module_open(&m, &view, r->header, r->sections, error)) {
		failed(vm, error);
	} else if (!module_has_code(&m)) {
		vm->modules.loaded++;
	} else {
		/* What was there before is gone, whether the kernel said so or not. */
		for (size_t i = 0; i < m.in.nsections; i++)
			if (m.sections[i].executable)
				parts_remove(vm->annotations, m.sections[i].va, m.sections[i].size,
				             vm->module_stubs);
		if (annotate(vm, &m, &p, &report, error)) {
			failed(vm, error);
		} else {
			parts_add(vm->annotations, &scratch, &p.room, scratch_stubs,
			          vm->module_stubs);
			module_write(&scratch, &view);
			add_up(&vm->modules.all, &report);
			vm->modules.loaded++;
		}
	}
	module_close(&m);
}

/* What the kernel gives back begins with the page the text is in. */
static void release(struct vm *vm, uint32_t memory)
{
	const struct annotations *a = vm->annotations;

	for (uint32_t i = 0; i < a->nparts; i++)
		if ((a->parts[i].va & ~PAGE_MASK) == memory) {
			parts_remove(vm->annotations, a->parts[i].va, 1, vm->module_stubs);
			return;
		}
}

void modules_serve(struct vm *vm)
{
	struct machine *m = vm->machine;
	uint32_t asked = __atomic_load_n(&m->module_asked, __ATOMIC_ACQUIRE);
	struct module_request r;

	memcpy(&r, &m->module_request, sizeof(r));
	if (r.kind == MODULE_REQUEST_LOAD)
		load(vm, &r);
	else
		release(vm, r.memory);
	__atomic_store_n(&m->module_answer, asked, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &m->module_answer, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- statistics ---- */

void modules_print(FILE *to, const struct vm *vm)
{
	const struct module_stats *s = &vm->modules;
	const struct annotate_need used = parts_used(vm->annotations);

	if (!s->loaded && !s->failed)
		return;
	fprintf(to,
	        "modules: %u annotated, %u left as they are%s%s; now %u parts with %u sites, "
	        "%u stub bytes\n",
	        s->loaded, s->failed, *s->why ? ", the last because " : "", s->why,
	        vm->annotations->nparts, used.sites, used.stub_bytes);
	annotate_print_report(&s->all, to);
}

json_t *modules_json(const struct vm *vm)
{
	const struct module_stats *s = &vm->modules;
	const struct annotate_need used = parts_used(vm->annotations);

	return json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:o}", "loaded", (int)s->loaded,
	                 "failed", (int)s->failed, "undecodable", (int)s->all.undecodable,
	                 "parts_now", (int)vm->annotations->nparts, "sites_now", (int)used.sites,
	                 "windows_now", (int)used.windows, "points_now", (int)used.points,
	                 "stub_bytes_now", (int)used.stub_bytes, "sensitive",
	                 annotation_json(&s->all));
}
