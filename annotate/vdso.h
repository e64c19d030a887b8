/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls of the guest's programs that go through the kernel's vDSO. */
#ifndef ANNOTATE_VDSO_H
#define ANNOTATE_VDSO_H

#include "annotate/annotate.h"

/**
 * vdso_windows() - append windows for the system-call entries of all vDSO images
 * @in: the kernel's sections; images are looked for in those that are not executable
 * @rom: names the words that hold the addresses to call
 * @out: windows are inserted, in order
 *
 * Return: the number of windows added.
 */
uint32_t vdso_windows(const struct annotate_input *in, const struct annotate_rom *rom,
                      struct annotations *out);

#endif
