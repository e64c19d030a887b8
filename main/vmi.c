// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 vmi: the table of VMI calls: what this ROM answers, what a kernel asks for and calls. */
#include "annotate/vmi_use.h"
#include "main/annotation.h"
#include "main/command.h"
#include "main/report.h"
#include "main/rom_answers.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void usage(FILE *to)
{
	fprintf(
	    to,
	    "usage: ring1 vmi [KERNEL] [--stats=FILE] [--json]\n\n"
	    "Print the VMI calls: number and name, and what the ROM of ring1 answers:\n"
	    "NONE, NOP, CALL or JUMP, the code's offset in the ROM, and whether it stays\n"
	    "in the guest's 32-bit code. With a kernel, also which calls its code asks for;\n"
	    "with the file of 'ring1 run --stats=FILE', what the guest asked for and called.\n\n"
	    "      --stats FILE      a run's statistics (counted calls need --count=calls)\n"
	    "      --json            print it as one JSON object\n"
	    "  -h, --help            this text\n");
}

static const struct {
	const char *name, *text;
} calls[VMI_NR_CALLS] = {
#define X(number, name, text) [number] = {#name, text},
    VMI_CALLS(X)
#undef X
};

struct table {
	struct rom_answer answer[VMI_NR_CALLS];
	const char *path; /* of the kernel, NULL: none */
	char version[128];
	struct vmi_use use;
	json_t *run; /* the "vmi" object of a statistics file, NULL: none */
};

/* ---- a kernel file ---- */

static int look_at_kernel(const char *path, struct table *t)
{
	char error[ANNOTATE_ERROR_SIZE] = "";
	struct annotate_input in;
	struct loader_error e;
	struct kernel k;
	int status = 0;

	if (kernel_open(path, &k, &e)) {
		complain("%s", e.text);
		return e.kind == LOADER_EHOST ? EXIT_HOST : EXIT_USAGE;
	}
	t->path = path;
	snprintf(t->version, sizeof t->version, "%s", *k.version ? k.version : "unknown version");
	if (!annotation_input(&k, &in)) {
		complain("out of memory");
		status = EXIT_HOST;
	} else if (vmi_use_find(&in, &t->use, error)) {
		complain("%s: %s", path, error);
		status = EXIT_USAGE;
	}
	annotation_input_free(&in);
	kernel_close(&k);
	return status;
}

/* yes, no, or unknown: not found while some number could not be told. */
static const char *asks(const struct table *t, int call)
{
	if (t->use.asked[call])
		return "asks";
	return t->use.unknown ? "unknown" : "-";
}

/* ---- a run's statistics ---- */

static int read_stats(const char *path, json_t **run)
{
	FILE *file = fopen(path, "r");
	struct stat st;
	json_error_t e;
	json_t *root;

	if (!file || fstat(fileno(file), &st) || S_ISDIR(st.st_mode)) {
		complain("%s: %s", path, strerror(file && S_ISDIR(st.st_mode) ? EISDIR : errno));
		if (file)
			fclose(file);
		return EXIT_USAGE;
	}
	root = json_loadf(file, 0, &e);
	fclose(file);
	if (!root) {
		complain("%s: no statistics of 'ring1 run --stats=FILE': line %d: %s", path, e.line,
		         e.text);
		return EXIT_USAGE;
	}
	*run = json_incref(json_object_get(root, "vmi"));
	json_decref(root);
	if (!json_is_object(*run)) {
		complain(
		    "%s: no statistics of 'ring1 run --stats=FILE': nothing named \"vmi\" is in "
		    "it",
		    path);
		return EXIT_USAGE;
	}
	return 0;
}

static json_t *counter(const struct table *t, int call, const char *field)
{
	json_t *all = json_object_get(t->run, "calls");

	return json_object_get(json_object_get(all, calls[call].name), field);
}

/* ---- output ---- */

static void print_counter(const struct table *t, int call, const char *field, int width)
{
	json_t *n = counter(t, call, field);

	if (json_is_integer(n))
		printf("  %*" JSON_INTEGER_FORMAT, width, json_integer_value(n));
	else
		printf("  %*s", width, "?");
}

static void print_row(const struct table *t, int i)
{
	const struct rom_answer *a = &t->answer[i];

	printf("%3d  %-24s  %-4s", i, calls[i].name, rom_relocation_name(a->type));
	if (a->type == VMI_RELOCATION_CALL_REL || a->type == VMI_RELOCATION_JUMP_REL)
		printf("  %#06x  %-9s", a->offset, rom_leaves_name(a->leaves));
	else
		printf("  %6s  %-9s", "-", "-");
	if (t->path)
		printf("  %-7s", asks(t, i));
	if (t->run) {
		print_counter(t, i, "asked", 6);
		print_counter(t, i, "called", 12);
		print_counter(t, i, "left_rom", 12);
	}
	printf("  %s\n", calls[i].text);
}

static void print_summary(const struct table *t)
{
	const struct vmi_use *u = &t->use;
	int n = 0;

	if (!t->path)
		return;
	for (int i = 0; i < VMI_NR_CALLS; i++)
		n += u->asked[i];
	printf("\n%s: %s\n", t->path, t->version);
	if (!u->init_calls) {
		printf("does not speak VMI: nothing in it calls VMI_Init\n");
		return;
	}
	printf("asks for %d calls, at %u places\n", n, u->sites);
	if (u->unknown)
		printf("at %u of these the number could not be told: calls marked unknown may be "
		       "used, too\n",
		       u->unknown);
	if (u->others)
		printf("and for %u number%s that API %d.%d does not have\n", u->others,
		       u->others == 1 ? "" : "s", VMI_API_MAJOR, VMI_API_MINOR);
}

static void print_text(const struct table *t)
{
	printf("VMI API %d.%d\n", VMI_API_MAJOR, VMI_API_MINOR);
	printf("%3s  %-24s  %-4s  %6s  %-9s", "", "call", "ROM", "offset", "core");
	if (t->path)
		printf("  %-7s", "kernel");
	if (t->run)
		printf("  %6s  %12s  %12s", "asked", "called", "left the ROM");
	printf("\n");
	for (int i = 0; i < VMI_NR_CALLS; i++)
		print_row(t, i);
	print_summary(t);
}

static json_t *json_row(const struct table *t, int i)
{
	const struct rom_answer *a = &t->answer[i];
	json_t *row = json_pack("{s:i,s:s,s:s,s:s,s:i,s:s}", "number", i, "name", calls[i].name,
	                        "text", calls[i].text, "answer", rom_relocation_name(a->type),
	                        "rom_offset", (int)a->offset, "core", rom_leaves_name(a->leaves));

	if (t->path)
		json_object_set_new(row, "kernel",
		                    t->use.asked[i] || !t->use.unknown
		                        ? json_boolean(t->use.asked[i])
		                        : json_null());
	if (t->run) {
		json_object_set(row, "asked", counter(t, i, "asked"));
		json_object_set(row, "called", counter(t, i, "called"));
		json_object_set(row, "left_rom", counter(t, i, "left_rom"));
	}
	return row;
}

static int print_json(const struct table *t)
{
	json_t *root =
	    json_pack("{s:i,s:i}", "api_major", VMI_API_MAJOR, "api_minor", VMI_API_MINOR);
	json_t *rows = json_array();

	for (int i = 0; i < VMI_NR_CALLS; i++)
		json_array_append_new(rows, json_row(t, i));
	if (t->path)
		json_object_set_new(root, "kernel",
		                    json_pack("{s:s,s:s,s:b,s:i,s:i}", "file", t->path, "version",
		                              t->version, "vmi", t->use.init_calls > 0, "places",
		                              (int)t->use.sites, "unknown", (int)t->use.unknown));
	json_object_set_new(root, "calls", rows);
	json_dumpf(root, stdout, JSON_INDENT(2)); /* main() looks whether it was written */
	printf("\n");
	json_decref(root);
	return EXIT_OK;
}

int command_vmi(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
	                                        {"stats", required_argument, NULL, 's'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {0}};
	static struct table t;
	const char *stats = NULL;
	bool json = false;
	int c, status = 0;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			usage(stdout);
			return EXIT_OK;
		case 'j':
			json = true;
			break;
		case 's':
			stats = optarg;
			break;
		default:
			return usage_error("vmi", NULL);
		}
	}
	if (argc - optind > 1)
		return usage_error("vmi", "say one kernel, or none");
	rom_answers(t.answer);
	if (optind < argc)
		status = look_at_kernel(argv[optind], &t);
	if (!status && stats)
		status = read_stats(stats, &t.run);
	if (!status && json)
		status = print_json(&t);
	else if (!status)
		print_text(&t);
	json_decref(t.run);
	return status;
}
