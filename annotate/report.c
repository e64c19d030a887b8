/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "annotate/annotate.h"

#include <inttypes.h>

const char *annotate_kind_name(enum annotate_kind kind)
{
	static const char *const names[ANNOTATE_NKINDS] = {
	    [ANNOTATE_NONE] = "none",
	    [ANNOTATE_CLI] = "cli",
	    [ANNOTATE_STI] = "sti",
	    [ANNOTATE_STI_HLT] = "sti+hlt",
	    [ANNOTATE_HLT] = "hlt",
	    [ANNOTATE_PUSHF] = "pushf",
	    [ANNOTATE_POPF] = "popf",
	    [ANNOTATE_IRET] = "iret",
	    [ANNOTATE_PUSH_SEGMENT] = "push-segment",
	    [ANNOTATE_POP_SEGMENT] = "pop-segment",
	    [ANNOTATE_STORE_SEGMENT] = "store-segment",
	    [ANNOTATE_LOAD_SEGMENT] = "load-segment",
	    [ANNOTATE_LOAD_POINTER] = "load-far-pointer",
	    [ANNOTATE_FAR_BRANCH] = "far-branch",
	    [ANNOTATE_CPUID] = "cpuid",
	    [ANNOTATE_STORE_TABLE] = "store-table",
	    [ANNOTATE_QUERY] = "query-selector",
	    [ANNOTATE_LOAD_TABLE] = "load-table",
	    [ANNOTATE_CONTROL] = "control-register",
	    [ANNOTATE_DEBUG] = "debug-register",
	    [ANNOTATE_INVLPG] = "invlpg",
	    [ANNOTATE_IN] = "in",
	    [ANNOTATE_OUT] = "out",
	    [ANNOTATE_MSR] = "msr",
	    [ANNOTATE_CACHE] = "cache",
	    [ANNOTATE_OTHER] = "other",
	    [ANNOTATE_NOTE] = "note",
	};

	return (unsigned int)kind < ANNOTATE_NKINDS ? names[kind] : "?";
}

void annotate_print_report(const struct annotate_report *r, FILE *to)
{
	struct annotate_count sum = {0};

	fprintf(to, "%-18s %7s %7s %7s %7s %7s\n", "sites", "found", "inline", "called", "island",
	        "trap");
	for (int i = 0; i < ANNOTATE_NKINDS; i++) {
		const struct annotate_count *c = &r->kinds[i];

		if (!c->found)
			continue;
		fprintf(to, "%-18s %7u %7u %7u %7u %7u\n", annotate_kind_name(i), c->found,
		        c->inlined, c->called, c->island, c->trap);
		sum.found += c->found;
		sum.inlined += c->inlined;
		sum.called += c->called;
		sum.island += c->island;
		sum.trap += c->trap;
	}
	fprintf(to, "%-18s %7u %7u %7u %7u %7u\n", "all", sum.found, sum.inlined, sum.called,
	        sum.island, sum.trap);
	fprintf(to,
	        "windows %u (%u retargeted branches, %u words, %u islands, %u in vDSO images), "
	        "%u sites shared with a trap, stubs %u bytes\n",
	        r->windows, r->retargeted, r->words, r->islands, r->vdso, r->shared, r->stub_bytes);
	fprintf(to,
	        "tables: %u alternatives, %u jump labels, %u static calls, %u tracer calls, "
	        "%u exceptions, %u symbols\n",
	        r->alternatives, r->jump_labels, r->static_calls, r->mcount, r->exceptions,
	        r->symbols);
	fprintf(to, "head ends at %#x; notes: panic %#x, module %#x, its end %#x, kprobes %#x\n",
	        r->head_end, r->note_va[ANNOT_NOTE_PANIC], r->note_va[ANNOT_NOTE_MODULE],
	        r->note_va[ANNOT_NOTE_FREE_FIRST] ? r->note_va[ANNOT_NOTE_FREE_FIRST]
	                                          : r->note_va[ANNOT_NOTE_FREE_SECOND],
	        r->note_va[ANNOT_NOTE_PROBE]);
	fprintf(to,
	        "%u instructions, %u undecodable bytes, sweep %" PRIu64 ".%03u ms, all %" PRIu64
	        ".%03u ms%s\n",
	        r->instructions, r->undecodable, r->sweep_ns / 1000000,
	        (unsigned int)(r->sweep_ns / 1000 % 1000), r->total_ns / 1000000,
	        (unsigned int)(r->total_ns / 1000 % 1000), r->cached ? " (cached)" : "");
}
