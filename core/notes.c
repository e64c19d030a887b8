// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/notes.h"

#include "core/annotated.h"
#include "core/console.h"
#include "core/paging.h"
#include "core/probes.h"

#include "cell/host.h"

#define LINUX_EINVAL 22

/* ---- modules ---- */

/* The virtual CPU waits: main reads and rewrites the guest's memory meanwhile. */
static void ask_main(struct module_request r)
{
	uint32_t asked = M->module_asked + 1, answer;

	r.cr0 = V->cr0;
	r.cr3 = V->cr3;
	r.cr4 = V->cr4;
	M->module_request = r;
	__atomic_store_n(&M->module_asked, asked, __ATOMIC_SEQ_CST);
	ring_doorbell(DOORBELL_MODULE);
	while ((answer = __atomic_load_n(&M->module_answer, __ATOMIC_SEQ_CST)) != asked)
		host_futex_wait(&M->module_answer, answer, UINT64_MAX);
}

/* module_finalize(header, sections, module): text is relocated, and nobody has patched it yet. */
static void module_loaded(void)
{
	COUNT(module_load);
	ask_main((struct module_request){
	    .kind = MODULE_REQUEST_LOAD, .header = V->gpr[R_EAX], .sections = V->gpr[R_EDX]});
}

/* Much that is no module's is given back the same way. */
static void memory_freed(uint32_t memory)
{
	for (uint32_t i = 0; i < ANNOT->nparts; i++) {
		if ((ANNOT->parts[i].va & ~(PAGE_SIZE - 1)) != memory)
			continue;
		COUNT(module_free);
		ask_main((struct module_request){.kind = MODULE_REQUEST_FREE, .memory = memory});
		return;
	}
}

/* ---- probes ---- */

bool end_function(uint32_t result)
{
	uint32_t caller;

	if (!guest_peek(V->gpr[R_ESP], &caller, 4))
		return false;
	V->gpr[R_EAX] = result;
	V->gpr[R_ESP] += 4;
	V->eip = caller;
	return true;
}

/*
 * The kernel decodes a function from its start up to a probe, and copies the instruction there;
 * it must find what it knows, or a trap of that length (core/probes.h).
 */
static bool probe_prepared(uint32_t va)
{
	if (!probe_allowed(va)) {
		COUNT(probe_refused);
		return end_function((uint32_t)-LINUX_EINVAL);
	}
	restore_function(va);
	return false;
}

/* struct kprobe: hlist, list, a counter, and the address; before 2.6.31 another counter first. */
static bool kprobe_prepared(uint32_t probe)
{
	static const uint8_t offsets[] = {20, 24};
	uint32_t va;

	for (unsigned i = 0; i < sizeof offsets; i++)
		if (guest_peek(probe + offsets[i], &va, 4) && va >= M->user_top)
			return probe_prepared(va);
	return false;
}

/* The kernel's debugger puts back what it found, and steps over it there. */
static void breakpoint_set(uint32_t breakpoint)
{
	uint32_t va;

	if (guest_peek(breakpoint, &va, 4))
		restore_function(va);
}

bool take_note(uint32_t note)
{
	switch (note) {
	case ANNOT_NOTE_PANIC:
		if (!M->panicked)
			note_panic();
		return false;
	case ANNOT_NOTE_MODULE:
		module_loaded();
		return false;
	case ANNOT_NOTE_FREE_FIRST:
		memory_freed(V->gpr[R_EAX]);
		return false;
	case ANNOT_NOTE_FREE_SECOND:
		memory_freed(V->gpr[R_EDX]);
		return false;
	case ANNOT_NOTE_PATCH:
		return note_text_patch();
	case ANNOT_NOTE_PROBE:
		return kprobe_prepared(V->gpr[R_EAX]);
	case ANNOT_NOTE_BREAKPOINT:
		breakpoint_set(V->gpr[R_EAX]);
		return false;
	}
	return false;
}
