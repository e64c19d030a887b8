/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Liveness of the arithmetic flags. */
#ifndef ANNOTATE_FLAGS_H
#define ANNOTATE_FLAGS_H

#include "annotate/image.h"
#include <Zydis/Zydis.h>

/**
 * flags_dead() - may the code that runs next find any value in CF, PF, AF, ZF, SF and OF?
 * @at: offset of the first instruction that would see them
 *
 * True when every path from there overwrites all six before it reads one, or reaches a call or a
 * return first: compiled code passes nothing in the flags across those. False when in doubt.
 */
bool flags_dead(const struct image *im, const ZydisDecoder *decoder, uint32_t at);

#endif
