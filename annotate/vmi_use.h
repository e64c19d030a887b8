/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which VMI calls a kernel asks its ROM for, read from its code.
 *
 * A guest reaches VMI_GetRelocationInfo by calling a pointer to the ROM plus VMI_ROM_GET_RELOC,
 * with the number in EAX (include/vmi/vmi.h). Such a call is recognised without any symbol: a
 * register is called whose value is a word of memory plus 0x88, where the same word plus 0x80 is
 * called elsewhere (VMI_Init). What EAX holds there is followed backwards, through jumps and
 * through the callers of a function that gets the number as its argument.
 */
#ifndef ANNOTATE_VMI_USE_H
#define ANNOTATE_VMI_USE_H

#include "annotate/annotate.h"
#include "vmi/vmi.h"

struct vmi_use {
	uint32_t init_calls; /* places that call VMI_Init; 0: not a kernel that speaks VMI */
	uint32_t sites;      /* places that call VMI_GetRelocationInfo */
	uint32_t unknown;    /* of these, with a number that could not be told: 0 is certainty */
	uint32_t others;     /* numbers asked for that this API does not have */
	bool asked[VMI_NR_CALLS];
};

/**
 * vmi_use_find() - find the VMI calls that a kernel asks for
 * @in: the kernel's sections; not trusted
 * @use: the result
 * @error: filled with one line when the result is negative
 *
 * Return: 0, or a negative errno as annotate_kernel().
 */
int vmi_use_find(const struct annotate_input *in, struct vmi_use *use,
                 char error[ANNOTATE_ERROR_SIZE]);

#endif
