/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loader's kernel, handed to the annotator with the addresses of this build's ROM. */
#ifndef MAIN_ANNOTATION_H
#define MAIN_ANNOTATION_H

#include "annotate/annotate.h"
#include "loader/loader.h"

#include <jansson.h>

/** annotation_options - for the kernel's stubs in this build's hole */
struct annotate_options annotation_options(bool traps_only, bool count, bool deferred);

/**
 * annotate_loaded_kernel - run the annotator (or its cache) over @k
 * @traps_only: leave every sensitive instruction a trap
 * @count: what is executed in stubs counts itself (vcpu.count_site)
 * @deferred: an enable delivers no pending interrupt (--delivery=deferred)
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int annotate_loaded_kernel(const struct kernel *k, bool traps_only, bool count, bool deferred,
                           struct annotations *out, uint8_t *stubs, struct annotate_report *report);

/**
 * annotation_input - a kernel's sections as annotate/ wants them; they point into @k
 *
 * False when memory is short. annotation_input_free() is due in any case.
 */
bool annotation_input(const struct kernel *k, struct annotate_input *in);
void annotation_input_free(struct annotate_input *in);

/** annotation_json - the counts by kind as a JSON object, the caller's */
json_t *annotation_json(const struct annotate_report *report);

#endif
