// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 inspect: what a kernel is, and what the annotator would do to it. */
#include "main/annotation.h"
#include "main/command.h"
#include "main/report.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ring1/layout.h"

static void usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 inspect KERNEL [--json]\n\n"
	    "Say what a kernel file is, count its sensitive instructions by kind, and how each\n"
	    "would be rewritten: rendered in 32-bit code, by a far call, through an island, or\n"
	    "left as a trap.\n");
}

static const char *format_name(const struct kernel *k)
{
	switch (k->format) {
	case KERNEL_BZIMAGE:
		return "bzImage";
	case KERNEL_MULTIBOOT:
		return "multiboot";
	default:
		return "ELF";
	}
}

static void print_text(const struct kernel *k, const struct annotate_report *r)
{
	printf("file         %s\n", k->path);
	printf("format       %s, payload %s\n", format_name(k), k->compression);
	printf("version      %s\n", *k->version ? k->version : "unknown");
	printf("paging       %s\n", k->pae ? "PAE (three levels)" : "two levels");
	printf("speaks VMI   %s\n", k->speaks_vmi ? "yes" : "no");
	printf("linked at    %#x (physical %#x to %#x), entry %#x\n", k->low_pa + k->kernel_base,
	       k->low_pa, k->high_pa, k->entry_pa);
	printf("scan         %.0f ms\n", (double)r->total_ns / 1e6);
	annotate_print_report(r, stdout);
}

static int print_json(const struct kernel *k, const struct annotate_report *r)
{
	json_t *root =
	    json_pack("{s:s,s:s,s:s,s:s,s:b,s:b,s:i,s:i,s:f,s:i,s:i}", "file", k->path, "format",
	              format_name(k), "compression", k->compression, "version", k->version, "pae",
	              k->pae, "vmi", k->speaks_vmi, "entry_pa", (int)k->entry_pa, "windows",
	              (int)r->windows, "scan_ms", (double)r->total_ns / 1e6, "stub_bytes",
	              (int)r->stub_bytes, "undecodable_bytes", (int)r->undecodable);

	if (!root)
		return EXIT_INTERNAL;
	json_object_set_new(root, "sensitive", annotation_json(r));
	json_dumpf(root, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(root);
	return EXIT_OK;
}

int command_inspect(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct annotations annotations;
	static struct annotate_report report;
	struct loader_error e;
	struct kernel k;
	bool json = false;
	uint8_t *stubs;
	int c, status;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_OK;
		}
		if (c != 'j')
			return usage_error("inspect", NULL);
		json = true;
	}
	if (optind + 1 != argc)
		return usage_error("inspect", "say which kernel, one");
	if (kernel_open(argv[optind], &k, &e)) {
		complain("%s", e.text);
		return e.kind == LOADER_EHOST ? EXIT_HOST : EXIT_USAGE;
	}
	stubs = mmap(NULL, HOLE_STUBS_SIZE, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stubs == MAP_FAILED)
		return EXIT_HOST;
	status = annotate_loaded_kernel(&k, false, false, false, &annotations, stubs, &report);
	if (!status && json)
		status = print_json(&k, &report);
	else if (!status)
		print_text(&k, &report);
	munmap(stubs, HOLE_STUBS_SIZE);
	kernel_close(&k);
	return status;
}
