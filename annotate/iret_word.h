/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux 2.6.20 to 5.8 with CONFIG_PARAVIRT returns from interrupts by `jmp *%cs:pv_cpu_ops.iret`.
 * On what it takes for bare hardware that word of data names native_iret, a function of one byte in
 * front of another: there is no room for a jump in it. The jump has room, but is one of the call
 * sites that the kernel may write to (.parainstructions). So the word is made to name a stub.
 */
#ifndef ANNOTATE_IRET_WORD_H
#define ANNOTATE_IRET_WORD_H

#include "annotate/image.h"

/* iret_words() - how many paravirt call sites there are; of a module, none */
uint32_t iret_words(const struct image *im);

/**
 * iret_word() - is a paravirt call site a jump to an IRET, by way of a word of data?
 * @index: below iret_words()
 * @word, @iret: receive the offsets of the word and of the IRET
 */
bool iret_word(const struct image *im, uint32_t index, uint32_t *word, uint32_t *iret);

#endif
