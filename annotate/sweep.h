/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The linear sweep over all executable sections. */
#ifndef ANNOTATE_SWEEP_H
#define ANNOTATE_SWEEP_H

#include "annotate/image.h"

/**
 * sweep() - decode every instruction of the image once
 * @im: instruction starts and lengths, branch targets, branches and sites are entered
 * @threads: 1 or 2
 * @report: instructions and undecodable bytes are counted
 *
 * Sites of alternative replacements are not collected: the kernel copies those bytes elsewhere,
 * so a rewritten one would act at an address nobody knows. None of the features that install
 * sensitive ones (SMAP, XSAVES) is shown to a guest.
 *
 * Return: 0 or -ENOMEM.
 */
int sweep(struct image *im, int threads, struct annotate_report *report);

#endif
