/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module that says whether sensitive instructions mean the same in its code as on hardware:
 * loading it fails with a number of its own for the first that does not. None of these faults by
 * itself at CPL 3.
 */
#include "module.h"
#include "sensitive.h"

MODULE("flags")

FUNCTION(init_module, .init.text)
	call stays
	testl %eax, %eax
	jnz 1f
	body
1:	ret
END(init_module)

/* The same in text that stays. */
FUNCTION(stays, .text)
	body
END(stays)

FUNCTION(cleanup_module, .exit.text)
	pushf
	cli
	popf
	ret
END(cleanup_module)
