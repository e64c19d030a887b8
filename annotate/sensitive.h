/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which instructions a kernel may not execute unseen at CPL 3. */
#ifndef ANNOTATE_SENSITIVE_H
#define ANNOTATE_SENSITIVE_H

#include "annotate/annotate.h"
#include <Zydis/Zydis.h>

/**
 * sensitive_kind() - classify one instruction
 * @in: decoded in 32-bit legacy mode; operands are not needed
 *
 * Return: its kind, ANNOTATE_NONE for one that behaves the same at CPL 3.
 */
enum annotate_kind sensitive_kind(const ZydisDecodedInstruction *in);

/* sensitive_traps() - does a site of this kind raise #GP or #UD by itself at CPL 3, IOPL 0? */
bool sensitive_traps(enum annotate_kind kind);

/*
 * sensitive_segment() - the segment register an instruction that moves one names, as encoded
 * (ES CS SS DS FS GS are 0..5), or -1
 */
int sensitive_segment(const ZydisDecodedInstruction *in);

#endif
