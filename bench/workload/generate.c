// SPDX-License-Identifier: GPL-2.0-or-later
/* The input files of the macro rows: the same bytes on every machine. */
#include "workload.h"

#include <stdio.h>
#include <sys/stat.h>

static int finish(FILE *file, const char *path)
{
	int failed = ferror(file);

	if (fclose(file) || failed) {
		perror(path);
		return 1;
	}
	return 0;
}

/* Words out of a small dictionary and numbers: gzip makes about 2.4 : 1 of it. */
int make_text(const char *path, unsigned mib)
{
	FILE *file = fopen(path, "w");
	uint32_t state = 42;

	if (!file) {
		perror(path);
		return 1;
	}
	while ((unsigned long)ftell(file) < mib * MIB) {
		for (int word = 0; word < 400; word++) {
			uint32_t r = next_random(&state);

			if (r % 4)
				fprintf(file, "%s%u ", r & 16 ? "entry" : "value", r >> 8 & 0xfff);
			else
				fprintf(file, "%08x%c", next_random(&state), r & 64 ? '\n' : ' ');
		}
	}
	return finish(file, path);
}

/* Functions of eight lines each with loops, conditions and calls; no header is needed. */
int make_c_source(const char *path, unsigned lines)
{
	FILE *file = fopen(path, "w");
	uint32_t state = 4711;

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file, "int f0(int a, int b) { return a * 31 + b; }\n");
	for (unsigned i = 1; i < lines / 8; i++) {
		uint32_t r = next_random(&state);

		fprintf(file,
		        "int f%u(int argument, int limit)\n{\n"
		        "\tint result = argument * %u + limit, index;\n"
		        "\tfor (index = 0; index < limit %% %u; index++)\n"
		        "\t\tresult += f%u(index ^ %u, result >> %u) - (index << %u);\n"
		        "\tif (result > %u && (argument & %u)) result = f%u(result, limit - 1);\n"
		        "\treturn result ^ argument;\n}\n",
		        i, r % 9973, r % 61 + 1, r % i, r >> 9 & 0xffff, r % 7 + 1, r % 5, r >> 4,
		        r & 0xfff, r / 7 % i);
	}
	return finish(file, path);
}

/* 20 files of up to 4 KiB in each directory, 10 directories in each above, names of usual lengths.
 */
int make_tree(const char *path, unsigned files)
{
	char name[512];
	uint32_t state = 99;

	need(!mkdir(path, 0755), path);
	for (unsigned i = 0; i < files; i++) {
		unsigned size = next_random(&state) % PAGE;
		FILE *file;

		if (i % 200 == 0) {
			snprintf(name, sizeof(name), "%s/package-%u", path, i / 200);
			need(!mkdir(name, 0755), name);
		}
		if (i % 20 == 0) {
			snprintf(name, sizeof(name), "%s/package-%u/part-%u", path, i / 200,
			         i / 20 % 10);
			need(!mkdir(name, 0755), name);
		}
		snprintf(name, sizeof(name), "%s/package-%u/part-%u/%s-%u.%s", path, i / 200,
		         i / 20 % 10, i & 1 ? "source" : "interface", i % 20, i & 1 ? "c" : "h");
		file = fopen(name, "w");
		need(file != NULL, name);
		while (size--)
			putc('a' + (int)(size % 26), file);
		if (finish(file, name))
			return 1;
	}
	return 0;
}
