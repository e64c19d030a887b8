/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places of the kernel that are not sensitive, and where the core is told of something. */
#ifndef CORE_NOTES_H
#define CORE_NOTES_H

#include "core/core.h"

/**
 * take_note - the kernel is about to execute the first instruction of a noted function
 * @note: enum annot_note
 *
 * Arguments are found in registers (-mregparm=3), but for panic(), which takes any number.
 *
 * Returns true when the function was carried out, or ended, and EIP is where it returns to; false
 * when it is to go on.
 */
bool take_note(uint32_t note);

/**
 * note_text_patch - the kernel is at the entry of the function that writes its text
 *
 * True: it was written, and the virtual CPU is back at the caller. False: nothing was done.
 */
bool note_text_patch(void);

/**
 * end_function - return from a function at whose entry the kernel is, with @result
 *
 * False: the stack is not there, and nothing was changed.
 */
bool end_function(uint32_t result);

#endif
