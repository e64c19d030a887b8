/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module as it lies in guest memory when the kernel calls module_finalize(): the ELF header of
 * the file, its section headers, in which sh_addr says where each section is now, and the sections,
 * relocated. All of it is the guest's and may be anything.
 */
#ifndef ANNOTATE_MODULE_H
#define ANNOTATE_MODULE_H

#include "annotate/annotate.h"
#include "common/guest_view.h"

#define MODULE_SECTIONS_MAX 4096
#define MODULE_BYTES_MAX    (48u << 20) /* of all sections together */

struct module_image {
	struct annotate_input in; /* for annotate_kernel(); points into what follows */
	struct annotate_section *sections;
	uint32_t *functions;
	char *names;
	uint8_t *bytes; /* contents of all sections */
};

/**
 * module_open() - copy and check what the annotator needs of a module
 * @m: filled; module_close() is due in any case
 * @view: guest memory; read once
 * @header, @sections: guest-virtual addresses of the ELF header and the section headers
 * @error: filled with one line when the result is negative
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM. A module without executable sections is no error; it
 * has none in @m->in.
 */
int module_open(struct module_image *m, const struct guest_view *view, uint32_t header,
                uint32_t sections, char error[ANNOTATE_ERROR_SIZE]);
void module_close(struct module_image *m);

/* module_has_code() - is there anything to annotate? */
bool module_has_code(const struct module_image *m);

/**
 * module_write() - put traps and windows into a module's text
 * @a: result of annotate_kernel() for it
 */
void module_write(const struct annotations *a, const struct guest_view *view);

#endif
